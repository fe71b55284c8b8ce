/**
 * The auditor's own writes on Sui: rounds opened, populations declared, reports.
 *
 * Nothing is journalled before it is sent, because the contract itself makes each call happen once: a round has one
 * seed, an auditor one population per epoch and one report per round. So whenever a reply is missing or a call is
 * refused as done before, what stands on chain is read, and that is the answer.
 */
import type { SuiGrpcClient } from "@mysten/sui/grpc";
import { Ed25519Keypair } from "@mysten/sui/keypairs/ed25519";
import type { Transaction } from "@mysten/sui/transactions";
import { totalsVector } from "../../shared/audit/report-rows.ts";
import type { Clock } from "../../shared/base/clock.ts";
import type { Log } from "../../shared/base/log.ts";
import { type ObjectId, parseObjectId } from "../../shared/protocol/ids.ts";
import { ConfigError } from "../../shared/protocol/settings.ts";
import { readAuditEventPage } from "../../shared/sui/audit/event-pages.ts";
import { isOfRegistry } from "../../shared/sui/audit/events.ts";
import { findAuditEvent, findRoundOpened } from "../../shared/sui/audit/find-events.ts";
import {
  hasPopulations,
  type RegistryState,
  type RoundState,
  readClaims,
  readDeclaredPopulation,
  readRegistry,
  readReport,
  readRound,
} from "../../shared/sui/audit/reader.ts";
import {
  attestTransaction,
  bindTransaction,
  declarePopulationTransaction,
  fileClaimTransaction,
  finalizeTransaction,
  openRoundTransaction,
  prunePopulationTransaction,
  pruneRoundTransaction,
  purgeClaimTransaction,
  refuteTransaction,
  reportTransaction,
  withdrawTransaction,
} from "../../shared/sui/audit/transactions.ts";
import { readCheckpoint, readTip } from "../../shared/sui/client/checkpoints.ts";
import { abortName, type ExecutionFailure } from "../../shared/sui/client/move-abort.ts";
import { presentShared, readObjects } from "../../shared/sui/client/object-reader.ts";
import { SuiError } from "../../shared/sui/client/sui-error.ts";
import { SUI_COIN_TYPE } from "../../shared/sui/client/type-names.ts";
import { createWalletChain, SimulatedFailure } from "../../shared/sui/wallet/wallet-chain.ts";
import type { AuditChain, ClaimsOnChain, PruningOnChain, RoundSeed } from "./audit-chain.ts";
import { RefusalLog, type WriteCall } from "./refusal-log.ts";

/** Refusals of a report that no repetition changes: another's panel, another contract, more nodes than a report has. */
const REPORT_NOT_TAKEN: ReadonlySet<string> = new Set([
  "audit::ENotAuditor",
  "audit::EVersion",
  "audit::EArgument",
]);

/** What became of a transaction. */
type Sent =
  | { readonly kind: "done"; readonly digest: string }
  /** By the contract, with the name of its reason; or for something else, such as missing gas. */
  | { readonly kind: "refused"; readonly abort: string | undefined }
  /** Nobody knows: read what stands on chain. */
  | { readonly kind: "unknown" };

export interface SuiAuditChainParts {
  readonly client: SuiGrpcClient;
  readonly contract: { readonly packageId: ObjectId; readonly registryId: ObjectId };
  /** Package of `floe_audit_walrus` and the Staking object it reads; without it no claim is bound. */
  readonly gate?: { readonly packageId: ObjectId; readonly stakingObjectId: ObjectId };
  /** `suiprivkey1...` of an active auditor; funded. Never logged, never part of an error. */
  readonly secretKey: string;
  readonly clock: Clock;
  /** Told of every transaction that did not go through, and why. */
  readonly log: Log;
  /** For rounds that nobody opened in their time. */
  readonly fallback: AuditChain;
  readonly periodMs: number;
}

export function suiAuditChain(parts: SuiAuditChainParts): AuditChain {
  const { client, contract, gate, clock, fallback, periodMs } = parts;
  const key = keyOf(parts.secretKey);
  const auditor = parseObjectId(key.toSuiAddress());
  const wallet = createWalletChain(client, [client]);
  const refusals = new RefusalLog({
    log: parts.log,
    clock,
    async balanceMist() {
      const { coinBalance, addressBalance } = await wallet.funds(auditor, SUI_COIN_TYPE);
      return coinBalance + addressBalance;
    },
  });

  async function send(call: WriteCall, transaction: Transaction): Promise<Sent> {
    transaction.setSender(auditor);
    try {
      const built = await wallet.build(transaction);
      const { signature } = await key.signTransaction(built.bytes);
      const { failure, digest } = await wallet.execute(built, signature);
      if (failure !== undefined) return refused(call, failure);
      refusals.wentThrough(call);
      return { kind: "done", digest };
    } catch (error) {
      if (error instanceof SimulatedFailure) return refused(call, error.failure);
      if (!(error instanceof SuiError)) throw error;
      switch (error.code) {
        case "SUI_OUTCOME_UNKNOWN":
          refusals.unknown(call, error);
          return { kind: "unknown" };
        case "SUI_REJECTED":
          // Nothing was signed: whatever is sent comes back as an unknown outcome.
          await refusals.rejected(call, error);
          return { kind: "refused", abort: undefined };
        default:
          throw error;
      }
    }
  }

  async function refused(call: WriteCall, failure: ExecutionFailure): Promise<Sent> {
    await refusals.failed(call, failure);
    const abort = failure.kind === "move-abort" ? abortName(failure.module, failure.abortCode) : undefined;
    return { kind: "refused", abort };
  }

  /** The seed that the registry holds; the event says only in which checkpoint it was drawn. */
  async function openedSeed(registry: RegistryState, round: RoundState): Promise<RoundSeed | undefined> {
    const found = await findRoundOpened(client, registry, round.round, round.openedMs, round.seed);
    if (found === undefined) return undefined;
    return { seed: round.seed, source: "open_round", checkpoint: found.checkpoint };
  }

  /** By the chain's own time: what it then does not show was not done in time. */
  async function isOver(endMs: number): Promise<boolean> {
    if (clock.nowMs() < endMs) return false;
    return (await readCheckpoint(client, await readTip(client))).timestampMs >= endMs;
  }

  const isSent = async (call: WriteCall, transaction: Transaction): Promise<boolean> =>
    (await send(call, transaction)).kind === "done";
  const contracts = async () => (await readRegistry(client, contract)).contracts;
  const claims: ClaimsOnChain = {
    auditor,
    async filed(after) {
      const { originalPackageId } = (await readRegistry(client, contract)).contracts;
      const request = { originalPackageId, kind: "ClaimFiled" } as const;
      const page = await readAuditEventPage(client, { ...request, after }).catch((error: unknown) => {
        if (!(error instanceof SuiError) || error.code !== "SUI_FORGOTTEN") throw error;
        // No claim for longer than endpoints remember: what they still have comes after it.
        return readAuditEventPage(client, request);
      });
      const ids = page.events.flatMap(({ event }) =>
        event.kind === "ClaimFiled" && isOfRegistry(event, contract.registryId) ? event.claim : [],
      );
      // At the tip the cursor of the last event is safe whatever the endpoint makes of the tip itself.
      const hasMore = page.end === "more";
      return { ids, cursor: hasMore ? page.cursor : page.events.at(-1)?.cursor, hasMore };
    },
    read: async (ids) =>
      (await readClaims(client, await contracts(), ids)).filter((claim) => claim !== undefined),
    async file(draft) {
      const registry = await readRegistry(client, contract);
      // The round's own: the panel's may have changed since it was opened.
      const bondMist = (await readRound(client, registry, draft.round))?.params.bondMist;
      if (bondMist === undefined) return false;
      return isSent("file_claim", fileClaimTransaction(registry.contracts, { ...draft, bondMist }));
    },
    attest: async (claim) => isSent("attest", attestTransaction(await contracts(), claim.ref)),
    async bind(claim) {
      if (gate === undefined) return false;
      const { packageId, stakingObjectId: objectId } = gate;
      const [object] = await readObjects(client, [objectId]);
      const { initialSharedVersion } = presentShared(object, "Walrus Staking", objectId);
      const staking = { objectId, initialSharedVersion };
      return isSent("bind", bindTransaction(await contracts(), packageId, claim.ref, staking));
    },
    refute: async (claim, refutation) =>
      isSent("refute", refuteTransaction(await contracts(), claim.ref, refutation, auditor)),
    finalize: async (claim) => isSent("finalize", finalizeTransaction(await contracts(), claim.ref)),
    withdraw: async (claim) => isSent("withdraw", withdrawTransaction(await contracts(), claim.ref, auditor)),
  };

  const pruning: PruningOnChain = {
    async lastPastRound(nowMs) {
      const { params } = await readRegistry(client, contract);
      return Math.floor(nowMs / params.periodMs) - params.retentionRounds - 1;
    },
    async purgeClaim(id) {
      const [claim] = await readClaims(client, await contracts(), [id]);
      return (
        claim === undefined || isSent("purge_claim", purgeClaimTransaction(await contracts(), claim.ref))
      );
    },
    async pruneRound(no) {
      const registry = await readRegistry(client, contract);
      const isGone = (await readRound(client, registry, no)) === undefined;
      return isGone || isSent("prune_round", pruneRoundTransaction(registry.contracts, no));
    },
    async prunePopulation(epoch) {
      const registry = await readRegistry(client, contract);
      const isGone = !(await hasPopulations(client, registry, epoch));
      return isGone || isSent("prune_population", prunePopulationTransaction(registry.contracts, epoch));
    },
  };

  return {
    writes: true,
    claims,
    pruning,

    async seedOf(no, startMs) {
      const registry = await readRegistry(client, contract);
      // Before the round is looked for: an endpoint that has not come to the slot's end may not know it yet.
      const isMissed = await isOver(startMs + periodMs);
      const known = await readRound(client, registry, no);
      // A round that nobody opened in its time is held all the same; the contract will not take its report.
      if (known === undefined && isMissed) return fallback.seedOf(no, startMs);
      if (known === undefined) await send("open_round", openRoundTransaction(registry.contracts, no));
      const round = known ?? (await readRound(client, registry, no));
      return round && openedSeed(registry, round);
    },

    async declarePopulation(population) {
      const registry = await readRegistry(client, contract);
      const { epoch, size, totalBytes, root } = population;
      if (size === 0) return null;
      if ((await readDeclaredPopulation(client, registry, epoch, auditor)) !== undefined) return null;
      const transaction = declarePopulationTransaction(registry.contracts, { epoch, size, totalBytes, root });
      const sent = await send("declare_population", transaction);
      return sent.kind === "done" ? sent.digest : null;
    },

    async report(report) {
      const registry = await readRegistry(client, contract);
      const round = await readRound(client, registry, report.no);
      if (round === undefined) return null;
      const stands = async (): Promise<string | undefined> => {
        if ((await readReport(client, round, auditor)) === undefined) return undefined;
        const found = await findAuditEvent(
          client,
          registry,
          "RoundReported",
          (event) => Number(event.no) === report.no && event.auditor === auditor,
        );
        return found?.txDigest;
      };
      const before = await stands();
      if (before !== undefined) return before;
      const sent = await send(
        "report",
        reportTransaction(registry.contracts, {
          round: report.no,
          epoch: report.epoch,
          totals: totalsVector(report.totals),
          evidenceRoot: report.evidenceRoot,
          nodesRoot: report.nodesRoot,
          rows: report.rows,
        }),
      );
      const digest = sent.kind === "done" ? sent.digest : await stands();
      if (digest !== undefined) return digest;
      // Otherwise an auditor that is on no panel, or no longer, would never hold another round.
      if (sent.kind === "refused" && REPORT_NOT_TAKEN.has(sent.abort ?? "")) return null;
      throw new SuiError("SUI_OUTCOME_UNKNOWN", `the report of round ${report.no} is not on chain yet`, {
        retryable: true,
        details: { round: report.no },
      });
    },
  };
}

/** The SDK's own error might repeat the text, so it is not passed on. */
function keyOf(secretKey: string): Ed25519Keypair {
  try {
    return Ed25519Keypair.fromSecretKey(secretKey);
  } catch {
    throw new ConfigError("INVALID_SETTING", "AUDITOR_SECRET_KEY must be an Ed25519 key, suiprivkey1...");
  }
}
