/** Requests to storage nodes for the draws of rounds, and the answer bodies kept: tables `attempt` and `body`. */
import type { Outcome } from "../../shared/audit/outcomes.ts";
import type { DrawKey } from "../../shared/audit/selection.ts";
import type { Attempt, AttemptKind } from "../../shared/audit/verdict.ts";
import type { Sql, SqlRow } from "../../shared/base/sql.ts";
import type { ObjectId } from "../../shared/protocol/ids.ts";
import { bytesOf, textOrNull } from "./ledger-sql.ts";

/** C1 and C2 lead to verdicts; the others are recorded beside them. */
export type RequestKind = AttemptKind | "metadata" | "confirmation" | "status" | "health" | "burst";

/** A request of C1 or C2. */
export interface RecordedAttempt extends Attempt {
  readonly ms: number;
  readonly httpStatus: number;
  readonly bodyHash: string | null;
}

export interface AttemptRecord {
  /** The node asked: another than the draw's when metadata is searched. */
  readonly node: ObjectId;
  readonly kind: RequestKind;
  readonly startedMs: number;
  readonly ms: number;
  readonly httpStatus: number;
  readonly outcome: Outcome;
  readonly bytes: number;
  readonly bodyHash: string | null;
  /** Reason, signature check, stored state or node status. */
  readonly detail: string | null;
}

/** What recording a request changes of its draw in memory. */
export interface AskedDraw extends DrawKey {
  /** C1 and C2 only, in order. */
  readonly attempts: RecordedAttempt[];
  /** Requests of any kind recorded for it. */
  requests: number;
}

export interface StoredRequest {
  readonly node: ObjectId;
  readonly kind: RequestKind;
  readonly outcome: Outcome;
  readonly startedMs: number;
}

/** Records one request, at once. The draw in memory follows. */
export function recordAttempt(
  sql: Sql,
  round: number,
  draw: AskedDraw,
  attempt: AttemptRecord,
  keepBody?: Uint8Array,
): void {
  const number = draw.requests + 1;
  sql.transaction(() => {
    sql.exec(
      `INSERT INTO attempt (round, mode, shard, t, n, node, kind, started_ms, ms, http_status, outcome, bytes,
                            body_hash, detail)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      round,
      draw.mode,
      draw.shard,
      draw.t,
      number,
      attempt.node,
      attempt.kind,
      attempt.startedMs,
      attempt.ms,
      attempt.httpStatus,
      attempt.outcome,
      attempt.bytes,
      attempt.bodyHash,
      attempt.detail,
    );
    if (keepBody !== undefined && attempt.bodyHash !== null) {
      sql.exec("INSERT OR IGNORE INTO body (body_hash, bytes) VALUES (?, ?)", attempt.bodyHash, keepBody);
    }
  });
  draw.requests = number;
  const { kind } = attempt;
  if (kind === "symbol" || kind === "sliver") draw.attempts.push({ ...attempt, kind });
}

/** Brings the recorded requests of a round to its draws. @param drawOf undefined for a draw that is not wanted */
export function loadAttempts(
  sql: Sql,
  round: number,
  drawOf: (mode: number, shard: number, t: number) => AskedDraw | undefined,
): void {
  for (const row of sql.exec("SELECT * FROM attempt WHERE round = ? ORDER BY id", round)) {
    const draw = drawOf(Number(row["mode"]), Number(row["shard"]), Number(row["t"]));
    if (draw === undefined) continue;
    draw.requests++;
    const kind = String(row["kind"]);
    if (kind === "symbol" || kind === "sliver") draw.attempts.push(toAttempt(row, kind));
  }
}

// Rows hold what `recordAttempt` wrote, here and below.
const toAttempt = (row: SqlRow, kind: AttemptKind): RecordedAttempt => ({
  kind,
  startedMs: Number(row["started_ms"]),
  ms: Number(row["ms"]),
  httpStatus: Number(row["http_status"]),
  outcome: String(row["outcome"]) as Outcome,
  bodyHash: textOrNull(row["body_hash"]),
});

/** Requests of a round in the order of asking. */
export const requestsOfRound = (sql: Sql, round: number): StoredRequest[] =>
  sql
    .exec("SELECT node, kind, outcome, started_ms FROM attempt WHERE round = ? ORDER BY id", round)
    .map((row) => ({
      node: String(row["node"]) as ObjectId,
      kind: String(row["kind"]) as RequestKind,
      outcome: String(row["outcome"]) as Outcome,
      startedMs: Number(row["started_ms"]),
    }));

/** Requests of one kind for a node in a round, with their details, in order. */
export const requestsOfNode = (
  sql: Sql,
  round: number,
  node: ObjectId,
  kind: RequestKind,
): { readonly outcome: Outcome; readonly detail: string | null }[] =>
  sql
    .exec(
      "SELECT outcome, detail FROM attempt WHERE round = ? AND node = ? AND kind = ? ORDER BY id",
      round,
      node,
      kind,
    )
    .map((row) => ({ outcome: String(row["outcome"]) as Outcome, detail: textOrNull(row["detail"]) }));

/** When the last request of a round began; 0 when there was none. */
export function lastAskedMs(sql: Sql, round: number): number {
  const [last] = sql.exec("SELECT MAX(started_ms) AS ms FROM attempt WHERE round = ?", round);
  return Number(last?.["ms"] ?? 0);
}

export const hasAsked = (sql: Sql, round: number): boolean =>
  sql.exec("SELECT 1 FROM attempt WHERE round = ? LIMIT 1", round).length > 0;

/** How long the symbols took that a node answered rightly in a round, ms. */
export const passedSymbolMs = (sql: Sql, round: number, node: ObjectId): number[] =>
  sql
    .exec(
      "SELECT ms FROM attempt WHERE round = ? AND node = ? AND kind = 'symbol' AND outcome = 'pass'",
      round,
      node,
    )
    .map((row) => Number(row["ms"]));

/** Detail of the last confirmation of a draw that passed; null when there is none. */
export function confirmationDetail(sql: Sql, round: number, draw: DrawKey): string | null {
  const [row] = sql.exec(
    `SELECT detail FROM attempt WHERE round = ? AND mode = ? AND shard = ? AND t = ? AND kind = 'confirmation'
       AND outcome = 'pass' ORDER BY id DESC LIMIT 1`,
    round,
    draw.mode,
    draw.shard,
    draw.t,
  );
  return textOrNull(row?.["detail"]);
}

/** Every request of a round as it is shown: by the key `mode/shard/t` of its draw, in the order of asking. */
export function shownAttempts(sql: Sql, round: number): ReadonlyMap<string, readonly SqlRow[]> {
  const attempts = new Map<string, SqlRow[]>();
  for (const row of sql.exec("SELECT * FROM attempt WHERE round = ? ORDER BY id", round)) {
    const { id: _id, round: _round, mode, shard, t, ...attempt } = row;
    const key = `${mode}/${shard}/${t}`;
    const list = attempts.get(key);
    if (list === undefined) attempts.set(key, [attempt]);
    else list.push(attempt);
  }
  return attempts;
}

export interface RequestCount {
  readonly node: string;
  readonly kind: string;
  readonly outcome: string;
  readonly count: number;
}

export const requestCounts = (sql: Sql, round: number): RequestCount[] =>
  sql
    .exec(
      "SELECT node, kind, outcome, COUNT(*) AS count FROM attempt WHERE round = ? GROUP BY node, kind, outcome",
      round,
    )
    .map((row) => ({
      node: String(row["node"]),
      kind: String(row["kind"]),
      outcome: String(row["outcome"]),
      count: Number(row["count"]),
    }));

/** Requests of a round, their time together in ms, and the bytes received. */
export function requestTotals(sql: Sql, round: number): { count: number; ms: number; bytes: number } {
  const [sums] = sql.exec(
    "SELECT COUNT(*) AS count, SUM(ms) AS ms, SUM(bytes) AS bytes FROM attempt WHERE round = ?",
    round,
  );
  return {
    count: Number(sums?.["count"]),
    ms: Number(sums?.["ms"] ?? 0),
    bytes: Number(sums?.["bytes"] ?? 0),
  };
}

export function countRequestsWithin(sql: Sql, round: number, ms: number): number {
  const [row] = sql.exec("SELECT COUNT(*) AS count FROM attempt WHERE round = ? AND ms <= ?", round, ms);
  return Number(row?.["count"]);
}

/** @returns undefined when no body of this hash is kept */
export function keptBody(sql: Sql, hash: string): Uint8Array | undefined {
  const [row] = sql.exec("SELECT bytes FROM body WHERE body_hash = ?", hash);
  return row === undefined ? undefined : bytesOf(row["bytes"]);
}

/** A round's requests, and the bodies that no other round has. */
export function forgetAttempts(sql: Sql, round: number): void {
  sql.exec(
    `DELETE FROM body WHERE body_hash IN (SELECT body_hash FROM attempt WHERE round = ?1)
       AND NOT EXISTS (SELECT 1 FROM attempt WHERE attempt.body_hash = body.body_hash AND round <> ?1)`,
    round,
  );
  sql.exec("DELETE FROM attempt WHERE round = ?", round);
}
