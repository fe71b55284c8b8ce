/**
 * AuditLedger: one Durable Object per auditor, the one owner of its rounds, evidence and statistics.
 *
 * This file is the platform shell. States and transitions of a round are in `ledger/rounds.ts`, tables in
 * docs/storage-schema.md. All that matters stands in SQLite before a step ends; what is in memory (requests under way,
 * metadata) may be lost at any time. The alarm goes on with the round under way, whatever its state; it is set before work
 * begins, so a round goes on after any death, and running it twice is harmless because `work` runs one at a time and finds
 * what is left.
 */
import { DurableObject } from "cloudflare:workers";
import { failPointsBy } from "../shared/base/fail-point.ts";
import { Gate, INVOCATION_REQUESTS } from "../shared/base/gate.ts";
import type { Sql } from "../shared/base/sql.ts";
import { escalationIdsOf } from "../shared/sui/audit/escalation.ts";
import { createSuiClient } from "../shared/sui/client/sui-client.ts";
import { type ChainReader, suiChainReader } from "../shared/sui/walrus/chain-reader.ts";
import { Auditor } from "./auditor.ts";
import { readOnlyAuditChain } from "./chain/audit-chain.ts";
import { SuiAuditChain } from "./chain/sui-audit-chain.ts";
import { ClaimChain } from "./claims/claim-chain.ts";
import { type AuditorConfig, type Env, type LedgerPort, parseConfig } from "./env.ts";
import { answer } from "./face/routes.ts";
import { systemClock, systemRandom, writeLog } from "./platform.ts";

/** One invocation: well below 30 s of CPU and 10,000 subrequests, whatever the answers cost. */
const BUDGET_MS = 20_000;
const BUDGET_REQUESTS = 2_000;
/** After a step that failed, and while one is under way. */
const RETRY_MS = { local: 500, public: 30_000 } as const;
/** `POST /v1/audit/run` waits no longer for its round. */
const RUN_MS = 120_000;

export class AuditLedger extends DurableObject<Env> implements LedgerPort {
  readonly #config: AuditorConfig;
  readonly #sql: Sql;
  readonly #chain: ChainReader;
  readonly #auditor: Auditor;
  readonly #claimChain: ClaimChain | undefined;
  /** Settles when the work under way ends. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    const { storage } = ctx;
    this.#config = parseConfig(env);
    this.#sql = {
      exec: (query, ...parameters) => storage.sql.exec(query, ...parameters).toArray(),
      transaction: (work) => storage.transactionSync(work),
    };
    const { suiRpcUrls, networkKind, parameters } = this.#config;
    const client = createSuiClient({ url: suiRpcUrls, fetch: (input, init) => fetch(input, init) });
    const chain = suiChainReader(client, this.#config, systemClock);
    this.#chain = chain;
    const readOnly = readOnlyAuditChain(chain);
    const { contract, secretKey, gatePackageId, stakingObjectId } = this.#config;
    const auditChain =
      contract === undefined || secretKey === undefined
        ? readOnly
        : new SuiAuditChain({
            client,
            contract,
            ...(gatePackageId === undefined ? {} : { gate: { packageId: gatePackageId, stakingObjectId } }),
            secretKey,
            clock: systemClock,
            log: writeLog,
            fallback: readOnly,
            periodMs: parameters.roundPeriodMs,
          });
    this.#claimChain =
      contract === undefined || auditChain.claims === undefined
        ? undefined
        : new ClaimChain({
            client,
            chain,
            clock: systemClock,
            parameters,
            contract,
            escalationIds: escalationIdsOf(this.#config, { ...contract, gatePackageId }),
            auditor: auditChain.claims.auditor,
          });
    this.#auditor = new Auditor({
      sql: this.#sql,
      chain,
      auditChain,
      transport: {
        fetch: (request) => fetch(request),
        clock: systemClock,
        randomBytes: systemRandom,
        gate: new Gate(INVOCATION_REQUESTS),
      },
      networkKind,
      parameters,
      failPoint: failPointsBy(env.TEST_FAIL_POINTS),
      log: writeLog,
    });
  }

  /** Opens a round when one is due; then whatever is under way goes on, rounds and claims. */
  async tick(): Promise<void> {
    this.#auditor.open();
    await this.#wakeAt(systemClock.nowMs());
  }

  override async alarm(): Promise<void> {
    await this.#goOn();
  }

  override async fetch(request: Request): Promise<Response> {
    const { networkKind, parameters, systemObjectId, stakingObjectId, edgeReadsToken } = this.#config;
    return answer(request, {
      sql: this.#sql,
      rounds: this.#auditor.rounds,
      nodes: this.#auditor.nodes,
      lists: this.#auditor.lists,
      parameters,
      ids: { systemObjectId, stakingObjectId },
      nowMs: systemClock.nowMs(),
      claimChain: this.#claimChain,
      ...(edgeReadsToken === undefined
        ? {}
        : { edgeReads: { token: edgeReadsToken, snapshot: () => this.#chain.snapshot() } }),
      ...(networkKind === "local" ? { runRound: () => this.#runRound() } : {}),
    });
  }

  /** @returns when there is more to do; undefined when nothing is under way */
  #goOn(): Promise<number | undefined> {
    const work = this.#turn.then(async () => {
      await this.#wakeAt(systemClock.nowMs() + RETRY_MS[this.#config.networkKind]);
      const budget = { untilMs: systemClock.nowMs() + BUDGET_MS, requests: BUDGET_REQUESTS };
      const wakeMs = await this.#auditor.work(budget);
      if (wakeMs === undefined) await this.ctx.storage.deleteAlarm();
      else await this.#wakeAt(wakeMs);
      return wakeMs;
    });
    // The next one comes after this one, however it ends; who waits for this one sees the error.
    this.#turn = work.catch(() => {});
    return work;
  }

  /**
   * One round now: the one under way, else the first that begins after the asking, which knows all that happened before.
   * Waits until it is closed.
   *
   * @returns its number, undefined when it takes too long
   */
  async #runRound(): Promise<number | undefined> {
    const untilMs = systemClock.nowMs() + RUN_MS;
    let round = this.#auditor.rounds.active();
    const fromMs = this.#auditor.nextBeginMs();
    while (round === undefined) {
      await systemClock.sleep(Math.max(10, fromMs - systemClock.nowMs()));
      round = this.#auditor.open();
    }
    while (systemClock.nowMs() < untilMs) {
      const wakeMs = await this.#goOn();
      if (this.#auditor.rounds.active()?.no !== round.no) return round.no;
      await systemClock.sleep(Math.max(0, (wakeMs ?? 0) - systemClock.nowMs()));
    }
    return undefined;
  }

  async #wakeAt(ms: number): Promise<void> {
    await this.ctx.storage.setAlarm(Math.max(ms, systemClock.nowMs()));
  }
}
