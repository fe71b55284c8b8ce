/**
 * What the ledger knows of each node: possession by epoch, availability by window, a row and latencies per round. Tables
 * `node_epoch`, `node_window`, `node_round` and `node_latency`.
 *
 * Written only while a round is judged, inside its transaction, and forgotten with rounds and epochs.
 */
import type { AuditParameters } from "../../shared/audit/parameters.ts";
import {
  type LatencyQuantiles,
  latencyQuantiles,
  type NodeState,
  newPossession,
  type PossessionState,
} from "../../shared/audit/statistics.ts";
import type { Sql, SqlRow } from "../../shared/base/sql.ts";
import type { ObjectId } from "../../shared/protocol/ids.ts";
import { passedSymbolMs } from "./attempts.ts";
import { bytesOf } from "./ledger-sql.ts";

const DAY_MS = 86_400_000;
const WORKING: ReadonlySet<string> = new Set(["Active", "Standby"]);

/** What one round did to a node. */
export interface NodeRound {
  readonly round: number;
  readonly node: ObjectId;
  readonly name: string;
  readonly epoch: number;
  readonly before: PossessionState;
  readonly after: PossessionState;
  readonly state: NodeState;
  /** 0..1; undefined when no window had a challenge. */
  readonly availability: number | undefined;
  /** As reported, 52 bytes. */
  readonly row: Uint8Array;
}

export class NodeRecords {
  readonly #sql: Sql;
  readonly #parameters: AuditParameters;

  constructor(sql: Sql, parameters: AuditParameters) {
    this.#sql = sql;
    this.#parameters = parameters;
  }

  /** The node's record of an epoch; at its start, with the reputation of the epoch before. */
  possession(node: ObjectId, epoch: number): PossessionState {
    const [row] = this.#sql.exec(
      "SELECT * FROM node_epoch WHERE node = ? AND epoch <= ? ORDER BY epoch DESC LIMIT 1",
      node,
      epoch,
    );
    if (row === undefined) return newPossession();
    const reputation = { alpha: Number(row["alpha"]), beta: Number(row["beta"]) };
    if (Number(row["epoch"]) !== epoch || Number(row["trials"]) === 0) return newPossession(reputation);
    return {
      trials: Number(row["trials"]),
      failures: Number(row["failures"]),
      logLikelihoodRatio: Number(row["loglr"]),
      maxLogLikelihoodRatio: Number(row["max_loglr"]),
      cusum: Number(row["cusum"]),
      ...reputation,
    };
  }

  save(record: NodeRound): void {
    const { node, epoch, after } = record;
    this.#sql.exec(
      `INSERT INTO node_epoch (node, epoch, trials, failures, loglr, max_loglr, cusum, alpha, beta)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (node, epoch) DO UPDATE SET
         trials = excluded.trials, failures = excluded.failures, loglr = excluded.loglr,
         max_loglr = excluded.max_loglr, cusum = excluded.cusum, alpha = excluded.alpha, beta = excluded.beta`,
      node,
      epoch,
      after.trials,
      after.failures,
      after.logLikelihoodRatio,
      after.maxLogLikelihoodRatio,
      after.cusum,
      after.alpha,
      after.beta,
    );
    this.#sql.exec(
      `INSERT INTO node_round (round, node, name, epoch, row, state, possession_before, possession, availability)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      record.round,
      node,
      record.name,
      epoch,
      record.row,
      record.state,
      JSON.stringify(record.before),
      JSON.stringify(after),
      record.availability ?? null,
    );
  }

  /** Keeps how long the node took to answer with the symbols drawn in a round. */
  noteLatency(round: number, node: ObjectId): void {
    const times = passedSymbolMs(this.#sql, round, node).map(Math.round);
    const found = latencyQuantiles(times);
    if (found === undefined) return;
    this.#sql.exec(
      "INSERT INTO node_latency (round, node, answers, p50_ms, p95_ms) VALUES (?, ?, ?, ?, ?)",
      round,
      node,
      found.answers,
      found.p50Ms,
      found.p95Ms,
    );
  }

  /** Of one round, by node. */
  latencies(round: number): ReadonlyMap<string, LatencyQuantiles> {
    const rows = this.#sql.exec("SELECT * FROM node_latency WHERE round = ?", round);
    return new Map(
      rows.map((row) => [
        String(row["node"]),
        { answers: Number(row["answers"]), p50Ms: Number(row["p50_ms"]), p95Ms: Number(row["p95_ms"]) },
      ]),
    );
  }

  /**
   * Maintenance excused so far in this epoch; begins to count when the node first says that it is not working.
   *
   * @param status what the node says of itself now; undefined when it was not reached
   */
  maintenanceMs(node: ObjectId, epoch: number, status: string | undefined, nowMs: number): number {
    const [row] = this.#sql.exec(
      "SELECT maintenance_since_ms FROM node_epoch WHERE node = ? AND epoch = ?",
      node,
      epoch,
    );
    const since = row?.["maintenance_since_ms"];
    if (since !== null && since !== undefined) return nowMs - Number(since);
    if (status !== undefined && !WORKING.has(status)) {
      const { alpha, beta } = this.possession(node, epoch);
      this.#sql.exec(
        `INSERT INTO node_epoch (node, epoch, trials, failures, loglr, max_loglr, cusum, alpha, beta,
                                 maintenance_since_ms)
         VALUES (?, ?, 0, 0, 0, 0, 0, ?, ?, ?)
         ON CONFLICT (node, epoch) DO UPDATE SET maintenance_since_ms = excluded.maintenance_since_ms`,
        node,
        epoch,
        alpha,
        beta,
        nowMs,
      );
    }
    return 0;
  }

  /** A window is up once any challenge in it was answered. */
  noteAvailability(node: ObjectId, atMs: number, isAnswered: boolean): void {
    const { availabilityWindowMs, availabilityDays } = this.#parameters;
    const number = Math.floor(atMs / availabilityWindowMs);
    this.#sql.exec(
      `INSERT INTO node_window (node, number, is_up) VALUES (?, ?, ?)
       ON CONFLICT (node, number) DO UPDATE SET is_up = MAX(is_up, excluded.is_up)`,
      node,
      number,
      isAnswered ? 1 : 0,
    );
    const kept = Math.ceil((availabilityDays * DAY_MS) / availabilityWindowMs);
    this.#sql.exec("DELETE FROM node_window WHERE node = ? AND number <= ?", node, number - kept);
  }

  /** Mean over the windows that had a challenge; undefined when none had. */
  availability(node: ObjectId): number | undefined {
    const [row] = this.#sql.exec("SELECT AVG(is_up) AS score FROM node_window WHERE node = ?", node);
    return row === undefined || row["score"] === null ? undefined : Number(row["score"]);
  }

  ofRound(round: number): NodeRound[] {
    return this.#sql.exec("SELECT * FROM node_round WHERE round = ? ORDER BY node", round).map(toNodeRound);
  }

  /** Newest first. */
  ofNode(node: string, sinceRound: number, limit: number): NodeRound[] {
    return this.#sql
      .exec(
        "SELECT * FROM node_round WHERE node = ? AND round >= ? ORDER BY round DESC LIMIT ?",
        node,
        sinceRound,
        limit,
      )
      .map(toNodeRound);
  }
}

/** What rounds added to the possession of each node. */
export function trialsOfRounds(
  sql: Sql,
  rounds: readonly number[],
): ReadonlyMap<string, { readonly trials: number; readonly failures: number }> {
  const gain = (field: string): string =>
    `SUM(json_extract(possession, '$.${field}') - json_extract(possession_before, '$.${field}'))`;
  const rows = sql.exec(
    `SELECT node, ${gain("trials")} AS trials, ${gain("failures")} AS failures
     FROM node_round WHERE round IN (SELECT value FROM json_each(?)) GROUP BY node`,
    JSON.stringify(rounds),
  );
  return new Map(
    rows.map((row) => [
      String(row["node"]),
      { trials: Number(row["trials"]), failures: Number(row["failures"]) },
    ]),
  );
}

export function forgetNodeRounds(sql: Sql, round: number): void {
  sql.exec("DELETE FROM node_round WHERE round = ?", round);
  sql.exec("DELETE FROM node_latency WHERE round = ?", round);
}

/** Records of epochs before this one; the newest record of a node stays, because it carries its reputation on. */
export function forgetNodeEpochs(sql: Sql, before: number): void {
  sql.exec(
    `DELETE FROM node_epoch WHERE epoch < ?
       AND EXISTS (SELECT 1 FROM node_epoch AS later WHERE later.node = node_epoch.node AND later.epoch > node_epoch.epoch)`,
    before,
  );
}

// Rows hold what `save` wrote.
const toNodeRound = (row: SqlRow): NodeRound => ({
  round: Number(row["round"]),
  node: String(row["node"]) as ObjectId,
  name: String(row["name"]),
  epoch: Number(row["epoch"]),
  before: JSON.parse(String(row["possession_before"])) as PossessionState,
  after: JSON.parse(String(row["possession"])) as PossessionState,
  state: String(row["state"]) as NodeState,
  availability: row["availability"] === null ? undefined : Number(row["availability"]),
  row: bytesOf(row["row"]),
});
