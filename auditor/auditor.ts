/**
 * Drives rounds: whatever the ledger says is next, one step after the other.
 *
 * Every step reads what it needs from the ledger and ends in one transaction, so the steps of a round may be spread
 * over as many invocations as it takes, and a death anywhere costs at most the step under way. Callers see to it that
 * only one `work` runs at a time.
 */
import type { AuditParameters } from "../shared/audit/parameters.ts";
import { FloeError } from "../shared/base/errors.ts";
import type { FailPoint } from "../shared/base/fail-point.ts";
import type { Log } from "../shared/base/log.ts";
import type { Sql } from "../shared/base/sql.ts";
import type { NodeTransport } from "../shared/node/direct-carrier.ts";
import type { NetworkKind } from "../shared/node/node-address.ts";
import type { Committee } from "../shared/protocol/committee.ts";
import { SuiError } from "../shared/sui/client/sui-error.ts";
import type { ChainReader } from "../shared/sui/walrus/chain-reader.ts";
import type { AuditChain } from "./chain/audit-chain.ts";
import { ChainFollower } from "./chain/chain-follower.ts";
import { History } from "./chain/history.ts";
import { HistoryBlobReader, HistoryError } from "./chain/history-blob.ts";
import { checkNetwork, checkSystem, LedgerNetworkError } from "./chain/ledger-network.ts";
import { forgetTrouble, noteTrouble, readingOf } from "./chain/reading.ts";
import { tendClaims } from "./claims/claims.ts";
import { pruneEdgeReads, settleEdgeFailures } from "./edge-reads/edge-reads.ts";
import { hasAsked } from "./ledger/attempts.ts";
import { openLedger } from "./ledger/ledger-sql.ts";
import { NodeRecords } from "./ledger/node-records.ts";
import { type Round, Rounds } from "./ledger/rounds.ts";
import { SqlPopulationStore } from "./population/object-tables.ts";
import { PopulationLists } from "./population/population-tables.ts";
import { pruneChain, pruneLedger } from "./prune.ts";
import { challengeRound } from "./round/challenge-round.ts";
import { judgeRound } from "./round/judge-round.ts";
import { clearShelf } from "./round/metadata-shelf.ts";
import {
  earliestRound,
  followToSeed,
  openRound,
  populateRound,
  readToMs,
  seedRound,
} from "./round/open-round.ts";
import type { Budget } from "./round/polite-asker.ts";
import { reportOf } from "./round/publish-round.ts";

export interface AuditorParts {
  readonly sql: Sql;
  readonly chain: ChainReader;
  readonly auditChain: AuditChain;
  readonly transport: NodeTransport;
  readonly networkKind: NetworkKind;
  readonly parameters: AuditParameters;
  readonly failPoint: FailPoint;
  readonly log: Log;
}

/** Pause before the chain, or an endpoint that lags, is asked again. */
const CHAIN_WAIT_MS = { local: 100, public: 5_000 } as const;
const CLAIMS_WAIT_MS = { local: 500, public: 60_000 } as const;
/** Populations kept behind the newest round and epoch, for those who verify it. */
const LISTS_KEPT_ROUNDS = 2;
const LISTS_KEPT_EPOCHS = 1;
/** Slices of 1,024 rows deleted in one call: about a second. */
const SLICES_DROPPED = 200;

export class Auditor {
  readonly rounds: Rounds;
  readonly nodes: NodeRecords;
  readonly lists: PopulationLists;
  readonly store: SqlPopulationStore;
  readonly #parts: AuditorParts;
  readonly #follower: ChainFollower;
  /** Requests to storage nodes so far; only the transport counts them. */
  #requests = 0;
  /** Whether the ledger is this chain's; only `checkNetwork` writes it. */
  #isOurs = false;

  /** Creates the ledger's tables when there are none. */
  constructor(parts: AuditorParts) {
    const { sql, chain, networkKind } = parts;
    openLedger(sql);
    const transport: NodeTransport = {
      ...parts.transport,
      fetch: (request) => {
        this.#requests++;
        return parts.transport.fetch(request);
      },
    };
    this.#parts = { ...parts, transport };
    this.rounds = new Rounds(sql);
    this.nodes = new NodeRecords(sql, parts.parameters);
    this.lists = new PopulationLists(sql);
    this.store = new SqlPopulationStore(sql);
    const blobs = new HistoryBlobReader({
      transport,
      networkKind,
      committees: () => servingCommittees(chain),
    });
    const history = new History({ sql, chain, blobs, nowMs: () => transport.clock.nowMs() });
    this.#follower = new ChainFollower({ sql, chain, store: this.store, lists: this.lists, history });
  }

  /**
   * Asks the chain once whether the ledger was made from it. `work` does so by itself.
   *
   * @throws LedgerNetworkError; SuiError when the chain cannot be asked
   */
  async checkNetwork(): Promise<void> {
    if (this.#isOurs) return;
    await checkNetwork(this.#parts.sql, this.#parts.chain);
    this.#isOurs = true;
  }

  /**
   * Opens the round that is due, if one is. Harmless at any time and any number of times.
   *
   * @throws LedgerNetworkError when the ledger is known to be of another Walrus
   */
  open(): Round | undefined {
    checkSystem(this.#parts.sql, this.#parts.chain.systemObjectId);
    openRound(this.#openingParts(), this.#parts.transport.clock.nowMs());
    return this.rounds.active();
  }

  /**
   * When the next round that may open begins. The one whose time it is may open as well, but of what happened since its
   * time began it may know nothing.
   */
  nextBeginMs(): number {
    const { sql, parameters, transport } = this.#parts;
    const next = Math.floor(transport.clock.nowMs() / parameters.roundPeriodMs) + 1;
    return Math.max(next, earliestRound(sql, this.rounds, parameters)) * parameters.roundPeriodMs;
  }

  /**
   * Works on the round under way until it is closed, the budget is spent or nothing is due.
   *
   * @returns when to call again; undefined when no round is under way
   * @throws LedgerNetworkError when the ledger was made from another chain
   */
  async work(budget: Budget): Promise<number | undefined> {
    const { clock } = this.#parts.transport;
    if (!(await this.#isLedgerOurs())) return clock.nowMs() + CHAIN_WAIT_MS[this.#parts.networkKind];
    const before = this.#requests;
    const isSpent = (): boolean =>
      clock.nowMs() >= budget.untilMs || this.#requests - before >= budget.requests;
    for (;;) {
      const round = this.rounds.active();
      if (round === undefined) {
        const isTidy = this.#tidy();
        const wakeMs = await this.#tendChain();
        return isTidy ? wakeMs : clock.nowMs();
      }
      const wakeMs = await this.#step(round, budget, isSpent);
      if (wakeMs !== undefined && wakeMs > clock.nowMs()) return wakeMs;
      if (isSpent()) return clock.nowMs();
      // The platform's clock stands still until something is awaited.
      await clock.sleep(0);
    }
  }

  /** @returns false while the chain cannot be asked */
  async #isLedgerOurs(): Promise<boolean> {
    const { log } = this.#parts;
    try {
      await this.checkNetwork();
      return true;
    } catch (error) {
      if (error instanceof LedgerNetworkError) log("wrong-ledger", { code: error.code, ...error.details });
      if (!(error instanceof SuiError) || !error.retryable) throw error;
      log("chain-unavailable", { round: null, state: "beginning", code: error.code });
      return false;
    }
  }

  /**
   * Between rounds: looks after claims, and deletes what is past its retention.
   *
   * @returns when a claim has to be looked at again
   */
  async #tendChain(): Promise<number | undefined> {
    const { auditChain, failPoint, log, transport } = this.#parts;
    const { claims, pruning } = auditChain;
    const parts = { ...this.#parts, rounds: this.rounds, nodes: this.nodes, lists: this.lists };
    try {
      let wakeMs: number | undefined;
      if (claims !== undefined) {
        await failPoint("audit.claims");
        wakeMs = await tendClaims(parts, claims);
      }
      if (pruning !== undefined) {
        await failPoint("audit.pruning");
        await pruneChain(parts, pruning, transport.clock.nowMs());
      }
      pruneLedger(parts, pruning !== undefined);
      settleEdgeFailures(this.#parts.sql);
      pruneEdgeReads(this.#parts.sql, transport.clock.nowMs());
      return wakeMs;
    } catch (error) {
      if (!(error instanceof SuiError) || !error.retryable) throw error;
      log("chain-unavailable", { round: null, state: "claims", code: error.code });
      return this.#parts.transport.clock.nowMs() + CLAIMS_WAIT_MS[this.#parts.networkKind];
    }
  }

  /** @returns when to go on if not at once */
  async #step(round: Round, budget: Budget, isSpent: () => boolean): Promise<number | undefined> {
    const { failPoint, networkKind, transport } = this.#parts;
    const later = (): number => transport.clock.nowMs() + CHAIN_WAIT_MS[networkKind];
    await failPoint(`audit.${round.state}`);
    try {
      switch (round.state) {
        case "opening":
          settleEdgeFailures(this.#parts.sql);
          return (await seedRound(this.#openingParts(), round)) ? undefined : later();
        case "following":
          await this.#read(round, isSpent);
          return undefined;
        case "populating":
          if (!(await populateRound(this.#openingParts(), round))) this.#abandon(round);
          return undefined;
        case "challenging": {
          const fromMs = await this.#askFromMs(round);
          if (fromMs > transport.clock.nowMs()) return fromMs;
          const progress = await challengeRound(
            { ...this.#parts, rounds: this.rounds, store: this.store, lists: this.lists },
            round,
            budget,
          );
          if (!progress.isDone) return progress.wakeMs;
          this.rounds.update(round.no, "challenging", "judging", {});
          return undefined;
        }
        case "judging":
          return (await this.#judge(round, isSpent)) ? undefined : later();
        case "reporting":
          await this.#report(round);
          return undefined;
        default:
          return undefined;
      }
    } catch (error) {
      const isChains = error instanceof SuiError || error instanceof HistoryError;
      if (!isChains || !error.retryable) throw error;
      this.#parts.log("chain-unavailable", { round: round.no, state: round.state, code: error.code });
      return later();
    }
  }

  async #read(round: Round, isSpent: () => boolean): Promise<void> {
    const { sql, log, transport } = this.#parts;
    try {
      await followToSeed(this.#openingParts(), round, isSpent);
    } catch (error) {
      if (error instanceof FloeError) {
        noteTrouble(sql, error, transport.clock.nowMs());
        if (!error.retryable)
          log("reading-failed", { round: round.no, code: error.code, message: error.message });
      }
      throw error;
    }
    forgetTrouble(sql);
    const reading = readingOf(sql, this.rounds);
    if (reading === null) return;
    const { checkpoint, target, backTo } = reading;
    log("reading-history", { round: round.no, checkpoint, target, backTo });
  }

  async #judge(round: Round, isSpent: () => boolean): Promise<boolean> {
    const { transport } = this.#parts;
    return judgeRound(
      {
        ...this.#parts,
        clock: transport.clock,
        rounds: this.rounds,
        follower: this.#follower,
        store: this.store,
        nodes: this.nodes,
      },
      round,
      isSpent,
    );
  }

  async #report(round: Round): Promise<void> {
    const { auditChain, transport, log } = this.#parts;
    const report = reportOf(round, this.nodes.ofRound(round.no));
    const tx = await auditChain.report(report);
    await this.#parts.failPoint("audit.after-report");
    this.rounds.update(round.no, "reporting", round.isVoid ? "void" : "done", {
      // Not before the time at which the chain was last read for it, however far behind this clock is.
      finished_ms: Math.max(transport.clock.nowMs(), readToMs(this.#parts.sql)),
      ...(tx === null ? {} : { tx }),
    });
    clearShelf(this.#parts.sql);
    log("round-closed", { round: round.no, isVoid: round.isVoid, challenged: report.totals.challenged });
  }

  /**
   * When a round may begin to ask. With a clock that is behind the chain's it would ask before its seed was drawn, and
   * nobody who recomputes it would believe that.
   */
  async #askFromMs({ no, seedCheckpoint }: Round): Promise<number> {
    if (hasAsked(this.#parts.sql, no) || seedCheckpoint === null) return 0;
    return (await this.#parts.chain.checkpoint(seedCheckpoint)).timestampMs;
  }

  /** The committee of the round's epoch cannot be read any more: no node was asked, nothing counts. */
  #abandon(round: Round): void {
    const { transport, log } = this.#parts;
    this.rounds.update(round.no, "populating", "void", { finished_ms: transport.clock.nowMs() });
    log("round-abandoned", { round: round.no, epoch: round.epoch });
  }

  /**
   * Forgets lists that are not needed any more, some slices a call: one may have millions of rows.
   *
   * @returns false when there is more
   */
  #tidy(): boolean {
    const newest = this.rounds.latest();
    if (newest === undefined) return true;
    const isOld = (list: string): boolean => {
      const [stratum, number] = list.split("/");
      return stratum === "permanent"
        ? newest.epoch !== null && Number(number) < newest.epoch - LISTS_KEPT_EPOCHS
        : Number(number) <= newest.no - LISTS_KEPT_ROUNDS;
    };
    let left = SLICES_DROPPED;
    for (const list of this.lists.names().filter(isOld)) {
      for (let isGone = false; !isGone; isGone = this.lists.drop(list)) if (left-- === 0) return false;
    }
    return true;
  }

  #openingParts() {
    const { rounds, lists, store } = this;
    return { ...this.#parts, rounds, lists, store, follower: this.#follower };
  }
}

/** Who serves blobs now; while shards move, also who did before. */
async function servingCommittees(chain: ChainReader): Promise<Committee[]> {
  const { committee, previousCommittee, epochState } = await chain.snapshot();
  const isMoving = epochState.kind === "EpochChangeSync" && previousCommittee !== null;
  return isMoving ? [committee, previousCommittee] : [committee];
}
