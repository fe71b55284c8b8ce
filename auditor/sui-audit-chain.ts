/**
 * The auditor's own writes on Sui: rounds opened, populations declared, reports.
 *
 * Nothing is journalled before it is sent, because the contract itself makes each call happen once: a round has one
 * seed, an auditor one population per epoch and one report per round. So whenever a reply is missing or a call is
 * refused as done before, what stands on chain is read, and that is the answer.
 */
import { GrpcTypes, type SuiGrpcClient } from "@mysten/sui/grpc";
import { Ed25519Keypair } from "@mysten/sui/keypairs/ed25519";
import type { Transaction } from "@mysten/sui/transactions";
import { totalsVector } from "../shared/audit/report-rows.ts";
import type { Clock } from "../shared/protocol/clock.ts";
import { type ObjectId, parseObjectId } from "../shared/protocol/ids.ts";
import { ConfigError } from "../shared/protocol/settings.ts";
import {
  type AuditEventName,
  type AuditEventOf,
  auditEventType,
  parseAuditEvent,
} from "../shared/sui/audit-events.ts";
import {
  hasPopulations,
  type RegistryState,
  readClaims,
  readDeclaredPopulation,
  readRegistry,
  readReport,
  readRound,
} from "../shared/sui/audit-reader.ts";
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
} from "../shared/sui/audit-transactions.ts";
import { readAuditEventPage } from "../shared/sui/event-pages.ts";
import { presentShared, readObjects } from "../shared/sui/object-reader.ts";
import { suiCall } from "../shared/sui/sui-client.ts";
import { SuiError } from "../shared/sui/sui-error.ts";
import { createWalletChain, SimulatedFailure } from "../shared/sui/wallet-chain.ts";
import type { AuditChain, ClaimsOnChain, PruningOnChain, RoundSeed } from "./audit-chain.ts";

/** Events looked through, newest first, for one of this auditor's last rounds. */
const EVENTS_SEARCHED = 50;

export interface SuiAuditChainParts {
  readonly client: SuiGrpcClient;
  readonly contract: { readonly packageId: ObjectId; readonly registryId: ObjectId };
  /** Package of `floe_audit_walrus` and the Staking object it reads; without it no claim is bound. */
  readonly gate?: { readonly packageId: ObjectId; readonly stakingObjectId: ObjectId };
  /** `suiprivkey1...` of an active auditor; funded. Never logged, never part of an error. */
  readonly secretKey: string;
  readonly clock: Clock;
  /** For rounds that nobody opened in their time. */
  readonly fallback: AuditChain;
  readonly periodMs: number;
}

export function suiAuditChain(parts: SuiAuditChainParts): AuditChain {
  const { client, contract, gate, clock, fallback, periodMs } = parts;
  const key = keyOf(parts.secretKey);
  const auditor = parseObjectId(key.toSuiAddress());
  const wallet = createWalletChain(client, [client]);

  /** @returns the digest; undefined when it was refused or its outcome is not known: read what stands on chain */
  async function send(transaction: Transaction): Promise<string | undefined> {
    transaction.setSender(auditor);
    try {
      const built = await wallet.build(transaction);
      const { signature } = await key.signTransaction(built.bytes);
      const executed = await wallet.execute(built, signature);
      return executed.failure === undefined ? executed.digest : undefined;
    } catch (error) {
      if (error instanceof SimulatedFailure) return undefined;
      if (error instanceof SuiError && error.code === "SUI_OUTCOME_UNKNOWN") return undefined;
      throw error;
    }
  }

  async function openedSeed(registry: RegistryState, no: number): Promise<RoundSeed | undefined> {
    const found = await findAuditEvent(client, registry, "RoundOpened", (event) => Number(event.no) === no);
    if (found === undefined) return undefined;
    return { seed: found.event.seed, source: "open_round", checkpoint: found.checkpoint };
  }

  const isSent = async (transaction: Transaction): Promise<boolean> =>
    (await send(transaction)) !== undefined;
  const contracts = async () => (await readRegistry(client, contract)).contracts;
  const claims: ClaimsOnChain = {
    auditor,
    async filed(after) {
      const { originalPackageId } = (await readRegistry(client, contract)).contracts;
      const page = await readAuditEventPage(client, { originalPackageId, kind: "ClaimFiled", after });
      const ids = page.events.flatMap(({ event }) => (event.kind === "ClaimFiled" ? event.claim : []));
      // At the tip the cursor of the last event is safe whatever the endpoint makes of the tip itself.
      const hasMore = page.end === "more";
      return { ids, cursor: hasMore ? page.cursor : page.events.at(-1)?.cursor, hasMore };
    },
    read: async (ids) => (await readClaims(client, ids)).filter((claim) => claim !== undefined),
    async file(draft) {
      const registry = await readRegistry(client, contract);
      const { bondMist } = registry.params;
      return isSent(fileClaimTransaction(registry.contracts, { ...draft, bondMist }));
    },
    attest: async (claim) => isSent(attestTransaction(await contracts(), claim.ref)),
    async bind(claim) {
      if (gate === undefined) return false;
      const { packageId, stakingObjectId: objectId } = gate;
      const [object] = await readObjects(client, [objectId]);
      const { initialSharedVersion } = presentShared(object, "Walrus Staking", objectId);
      const staking = { objectId, initialSharedVersion };
      return isSent(bindTransaction(await contracts(), packageId, claim.ref, staking));
    },
    refute: async (claim, refutation) =>
      isSent(refuteTransaction(await contracts(), claim.ref, refutation, auditor)),
    finalize: async (claim) => isSent(finalizeTransaction(await contracts(), claim.ref)),
    withdraw: async (claim) => isSent(withdrawTransaction(await contracts(), claim.ref, auditor)),
  };

  const pruning: PruningOnChain = {
    async lastPastRound(nowMs) {
      const { params } = await readRegistry(client, contract);
      return Math.floor(nowMs / params.periodMs) - params.retentionRounds - 1;
    },
    async purgeClaim(id) {
      const [claim] = await readClaims(client, [id]);
      return claim === undefined || isSent(purgeClaimTransaction(await contracts(), claim.ref));
    },
    async pruneRound(no) {
      const registry = await readRegistry(client, contract);
      const isGone = (await readRound(client, registry, no)) === undefined;
      return isGone || isSent(pruneRoundTransaction(registry.contracts, no));
    },
    async prunePopulation(epoch) {
      const registry = await readRegistry(client, contract);
      const isGone = !(await hasPopulations(client, registry, epoch));
      return isGone || isSent(prunePopulationTransaction(registry.contracts, epoch));
    },
  };

  return {
    writes: true,
    claims,
    pruning,

    async seedOf(no, startMs) {
      const registry = await readRegistry(client, contract);
      const known = await openedSeed(registry, no);
      if (known !== undefined) return known;
      const isMissed = clock.nowMs() >= startMs + periodMs;
      const isOpen = (await readRound(client, registry, no)) !== undefined;
      // A round that nobody opened in its time is held all the same; the contract will not take its report.
      if (isMissed && !isOpen) return fallback.seedOf(no, startMs);
      if (!isOpen) await send(openRoundTransaction(registry.contracts, no));
      return openedSeed(registry, no);
    },

    async declarePopulation(population) {
      const registry = await readRegistry(client, contract);
      const { epoch, size, totalBytes, root } = population;
      if (size === 0) return null;
      if ((await readDeclaredPopulation(client, registry, epoch, auditor)) !== undefined) return null;
      const transaction = declarePopulationTransaction(registry.contracts, { epoch, size, totalBytes, root });
      return (await send(transaction)) ?? null;
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
        reportTransaction(registry.contracts, {
          round: report.no,
          epoch: report.epoch,
          totals: totalsVector(report.totals),
          evidenceRoot: report.evidenceRoot,
          nodesRoot: report.nodesRoot,
          rows: report.rows,
        }),
      );
      const digest = sent ?? (await stands());
      if (digest !== undefined) return digest;
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

export interface FoundEvent<Kind extends AuditEventName> {
  readonly event: AuditEventOf<Kind>;
  readonly checkpoint: number;
  readonly txDigest: string;
}

/**
 * The newest event of a kind that fits, among the last `EVENTS_SEARCHED`.
 *
 * @param txDigest only of this transaction
 */
export async function findAuditEvent<Kind extends AuditEventName>(
  client: SuiGrpcClient,
  registry: RegistryState,
  kind: Kind,
  fits: (event: AuditEventOf<Kind>) => boolean,
  txDigest?: string,
): Promise<FoundEvent<Kind> | undefined> {
  const { originalPackageId } = registry.contracts;
  const eventType = auditEventType(originalPackageId, kind);
  return suiCall(`looking for ${kind}`, async () => {
    const call = client.ledgerService.listEvents({
      readMask: { paths: ["event_type", "contents", "checkpoint", "transaction_digest"] },
      filter: {
        terms: [
          { literals: [{ negated: false, predicate: { oneofKind: "eventType", eventType: { eventType } } }] },
        ],
      },
      options: { limit: EVENTS_SEARCHED, ordering: GrpcTypes.Ordering.DESCENDING },
    });
    let found: FoundEvent<Kind> | undefined;
    for await (const frame of call.responses) {
      const { event: raw } = frame;
      if (raw?.contents?.value === undefined || found !== undefined) continue;
      if (txDigest !== undefined && raw.transactionDigest !== txDigest) continue;
      const event = parseAuditEvent(raw.eventType ?? "", raw.contents.value, originalPackageId);
      if (event?.kind !== kind) continue;
      // The kinds are equal, so this is the union's member of that kind.
      const typed = event as AuditEventOf<Kind>;
      if (!fits(typed)) continue;
      found = {
        event: typed,
        checkpoint: Number(raw.checkpoint ?? 0n),
        txDigest: raw.transactionDigest ?? "",
      };
    }
    return found;
  });
}
