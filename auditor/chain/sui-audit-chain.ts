/**
 * The auditor's own writes on Sui: rounds opened, populations declared, reports.
 *
 * Nothing is journalled before it is sent, because the contract itself makes each call happen once: a round has one
 * seed, an auditor one population per epoch and one report per round. So whenever a reply is missing or a call is
 * refused as done before, what stands on chain is read, and that is the answer.
 */
import type { SuiGrpcClient } from "@mysten/sui/grpc";
import { totalsVector } from "../../shared/audit/report-rows.ts";
import type { Clock } from "../../shared/base/clock.ts";
import type { Log } from "../../shared/base/log.ts";
import { findAuditEvent, findRoundOpened } from "../../shared/sui/audit/find-events.ts";
import {
  type RegistryState,
  type RoundState,
  readDeclaredPopulation,
  readRegistry,
  readReport,
  readRound,
} from "../../shared/sui/audit/reader.ts";
import {
  declarePopulationTransaction,
  openRoundTransaction,
  reportTransaction,
} from "../../shared/sui/audit/transactions.ts";
import { readCheckpoint, readTip } from "../../shared/sui/client/checkpoints.ts";
import { SuiError } from "../../shared/sui/client/sui-error.ts";
import type { AuditChain, PopulationDeclaration, RoundReport, RoundSeed } from "./audit-chain.ts";
import { type AuditContract, type AuditGate, SuiClaims } from "./sui-claims.ts";
import { SuiPruning } from "./sui-pruning.ts";
import { TransactionSender } from "./transaction-sender.ts";

/** Refusals of a report that no repetition changes: another's panel, another contract, more nodes than a report has. */
const REPORT_NOT_TAKEN: ReadonlySet<string> = new Set([
  "audit::ENotAuditor",
  "audit::EVersion",
  "audit::EArgument",
]);

export interface SuiAuditChainParts {
  readonly client: SuiGrpcClient;
  readonly contract: AuditContract;
  /** Without it no claim is bound. */
  readonly gate?: AuditGate;
  /** `suiprivkey1...` of an active auditor; funded. Never logged, never part of an error. */
  readonly secretKey: string;
  readonly clock: Clock;
  /** Told of every transaction that did not go through, and why. */
  readonly log: Log;
  /** For rounds that no auditor opened in their time. */
  readonly fallback: AuditChain;
  readonly periodMs: number;
}

export class SuiAuditChain implements AuditChain {
  readonly writes = true;
  readonly claims: SuiClaims;
  readonly pruning: SuiPruning;
  readonly #parts: SuiAuditChainParts;
  readonly #sender: TransactionSender;

  /** @throws ConfigError for a secret key that is none */
  constructor(parts: SuiAuditChainParts) {
    const { client, contract, gate, secretKey, log, clock } = parts;
    this.#parts = parts;
    this.#sender = new TransactionSender(client, secretKey, log, clock);
    this.claims = new SuiClaims(client, contract, gate, this.#sender);
    this.pruning = new SuiPruning(client, contract, this.#sender);
  }

  async seedOf(no: number, startMs: number): Promise<RoundSeed | undefined> {
    const { client, fallback, periodMs } = this.#parts;
    const registry = await this.#registry();
    // Before the round is looked for: an endpoint that has not come to the slot's end may not know it yet.
    const isMissed = await this.#isOver(startMs + periodMs);
    const known = await readRound(client, registry, no);
    // A round that no auditor opened in its time is held all the same; the contract will not take its report.
    if (known === undefined && isMissed) return fallback.seedOf(no, startMs);
    if (known === undefined)
      await this.#sender.send("open_round", openRoundTransaction(registry.contracts, no));
    const round = known ?? (await readRound(client, registry, no));
    return round && this.#openedSeed(registry, round);
  }

  async declarePopulation({ epoch, size, totalBytes, root }: PopulationDeclaration): Promise<string | null> {
    const registry = await this.#registry();
    if (size === 0) return null;
    const { client } = this.#parts;
    const declared = await readDeclaredPopulation(client, registry, epoch, this.#sender.auditor);
    if (declared !== undefined) return null;
    const transaction = declarePopulationTransaction(registry.contracts, { epoch, size, totalBytes, root });
    const sent = await this.#sender.send("declare_population", transaction);
    return sent.kind === "done" ? sent.digest : null;
  }

  async report(report: RoundReport): Promise<string | null> {
    const registry = await this.#registry();
    const round = await readRound(this.#parts.client, registry, report.no);
    if (round === undefined) return null;
    const before = await this.#standingReport(registry, round);
    if (before !== undefined) return before;
    const sent = await this.#sender.send(
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
    const digest = sent.kind === "done" ? sent.digest : await this.#standingReport(registry, round);
    if (digest !== undefined) return digest;
    // Otherwise an auditor that is on no panel, or no longer, would never hold another round.
    if (sent.kind === "refused" && REPORT_NOT_TAKEN.has(sent.abort ?? "")) return null;
    throw new SuiError("SUI_OUTCOME_UNKNOWN", `the report of round ${report.no} is not on chain yet`, {
      retryable: true,
      details: { round: report.no },
    });
  }

  #registry(): Promise<RegistryState> {
    return readRegistry(this.#parts.client, this.#parts.contract);
  }

  /** The seed that the registry holds; the event shows only in which checkpoint it was drawn. */
  async #openedSeed(registry: RegistryState, round: RoundState): Promise<RoundSeed | undefined> {
    const { client } = this.#parts;
    const found = await findRoundOpened(client, registry, round.round, round.openedMs, round.seed);
    if (found === undefined) return undefined;
    return { seed: round.seed, source: "open_round", checkpoint: found.checkpoint };
  }

  /** By the chain's own time: what it then does not show was not done in time. */
  async #isOver(endMs: number): Promise<boolean> {
    const { client, clock } = this.#parts;
    if (clock.nowMs() < endMs) return false;
    return (await readCheckpoint(client, await readTip(client))).timestampMs >= endMs;
  }

  /** @returns digest of the transaction by which this auditor reported the round, once it has */
  async #standingReport(registry: RegistryState, round: RoundState): Promise<string | undefined> {
    const { client } = this.#parts;
    const { auditor } = this.#sender;
    if ((await readReport(client, round, auditor)) === undefined) return undefined;
    const found = await findAuditEvent(
      client,
      registry,
      "RoundReported",
      (event) => Number(event.no) === round.round && event.auditor === auditor,
    );
    return found?.txDigest;
  }
}
