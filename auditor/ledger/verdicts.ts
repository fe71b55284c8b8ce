/** Verdicts on draws and the exact bytes behind their leaves: tables `verdict` and `evidence`, joined with `draw`. */
import type { DrawKey } from "../../shared/audit/selection.ts";
import type { VerdictOutcome } from "../../shared/audit/verdict.ts";
import type { Sql, SqlRow } from "../../shared/base/sql.ts";
import type { ObjectId } from "../../shared/protocol/ids.ts";
import { type RoundDraw, toDraw } from "./draws.ts";
import { textOrNull } from "./ledger-sql.ts";

export interface VerdictRecord extends DrawKey {
  readonly node: ObjectId;
  readonly outcome: VerdictOutcome;
  readonly excuse: string | null;
  /** Requests of any kind made for the draw. */
  readonly requests: number;
  /** Hex. */
  readonly leafHash: string;
  /** Canonical JSON. */
  readonly leaf: string;
}

export function keepVerdict(sql: Sql, round: number, verdict: VerdictRecord): void {
  sql.exec(
    "INSERT OR IGNORE INTO evidence (leaf_hash, canonical_json) VALUES (?, ?)",
    verdict.leafHash,
    verdict.leaf,
  );
  sql.exec(
    `INSERT INTO verdict (round, mode, shard, t, node, outcome, attempts, excuse, leaf_hash)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    round,
    verdict.mode,
    verdict.shard,
    verdict.t,
    verdict.node,
    verdict.outcome,
    verdict.requests,
    verdict.excuse,
    verdict.leafHash,
  );
}

/** Leaves of a round in (mode, shard, t) order. */
export const leavesOf = (sql: Sql, round: number): string[] =>
  sql
    .exec(
      `SELECT canonical_json FROM verdict JOIN evidence USING (leaf_hash) WHERE round = ? ORDER BY mode, shard, t`,
      round,
    )
    .map((row) => String(row["canonical_json"]));

export interface FailedDraw {
  readonly draw: RoundDraw;
  readonly outcome: VerdictOutcome;
}

/** Draws of a round whose data was missing or invalid, in (mode, shard, t) order. */
export const failedDraws = (sql: Sql, round: number): FailedDraw[] =>
  sql
    .exec(
      `SELECT verdict.outcome, draw.* FROM verdict JOIN draw USING (round, mode, shard, t)
       WHERE round = ? AND outcome IN ('missing', 'invalid') ORDER BY mode, shard, t`,
      round,
    )
    // Written by `keepVerdict`.
    .map((row) => ({ draw: toDraw(row), outcome: String(row["outcome"]) as VerdictOutcome }));

/** Whether the round came to the same failure, of the same symbol of the same node. */
export function hasSeenFailure(
  sql: Sql,
  claim: {
    readonly round: number;
    readonly mode: number;
    readonly shard: number;
    readonly t: number;
    readonly node: string;
    readonly blobId: string;
    readonly pair: number;
    readonly axis: string;
    readonly symbol: number;
  },
): boolean {
  const [row] = sql.exec(
    `SELECT 1 FROM verdict JOIN draw USING (round, mode, shard, t)
     WHERE round = ? AND mode = ? AND shard = ? AND t = ? AND draw.node = ? AND blob_id = ? AND pair = ? AND axis = ?
       AND symbol = ? AND outcome IN ('missing', 'invalid')`,
    claim.round,
    claim.mode,
    claim.shard,
    claim.t,
    claim.node,
    claim.blobId,
    claim.pair,
    claim.axis,
    claim.symbol,
  );
  return row !== undefined;
}

export interface ShownVerdict {
  readonly round: number;
  readonly mode: number;
  readonly shard: number;
  readonly t: number;
  readonly node: string;
  readonly outcome: string;
  readonly excuse: string | null;
  readonly blobId: string;
}

/** Verdicts other than passes and padding, newest first. @param node of all nodes when undefined */
export const failuresUpTo = (
  sql: Sql,
  newestRound: number,
  node: string | undefined,
  limit: number,
): ShownVerdict[] =>
  sql
    .exec(
      `SELECT verdict.*, draw.blob_id FROM verdict JOIN draw USING (round, mode, shard, t)
       WHERE round <= ?1 AND outcome NOT IN ('passed', 'vacuous') AND (?2 = '' OR verdict.node = ?2)
       ORDER BY round DESC, mode, shard, t LIMIT ?3`,
      newestRound,
      node ?? "",
      limit,
    )
    .map((row) => ({
      round: Number(row["round"]),
      mode: Number(row["mode"]),
      shard: Number(row["shard"]),
      t: Number(row["t"]),
      node: String(row["node"]),
      outcome: String(row["outcome"]),
      excuse: textOrNull(row["excuse"]),
      blobId: String(row["blob_id"]),
    }));

/** Draws of a round with their verdicts as they are shown. @param node of all nodes when null */
export const shownDraws = (sql: Sql, round: number, node: string | null): SqlRow[] =>
  sql.exec(
    `SELECT draw.mode, draw.shard, draw.t, draw.blob_id, draw.pair, draw.axis, draw.symbol, draw.node, outcome,
            excuse, leaf_hash
     FROM draw LEFT JOIN verdict USING (round, mode, shard, t)
     WHERE round = ?1 AND (?2 = '' OR draw.node = ?2) ORDER BY mode, shard, t`,
    round,
    node ?? "",
  );

/** A leaf names its round, so no other round has it. */
export function forgetVerdicts(sql: Sql, round: number): void {
  sql.exec("DELETE FROM evidence WHERE leaf_hash IN (SELECT leaf_hash FROM verdict WHERE round = ?)", round);
  sql.exec("DELETE FROM verdict WHERE round = ?", round);
}
