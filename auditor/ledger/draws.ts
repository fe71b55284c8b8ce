/** Draws of rounds with what a round makes of each: table `draw`. */
import type { Challenge } from "../../shared/audit/selection.ts";
import type { Sql, SqlRow } from "../../shared/base/sql.ts";
import type { BlobId, ObjectId } from "../../shared/protocol/ids.ts";
import { type AskedDraw, loadAttempts } from "./attempts.ts";

/** A challenge with what the round makes of it. */
export interface RoundDraw extends Challenge, AskedDraw {
  readonly node: ObjectId;
  /** Place in the order of asking. */
  readonly place: number;
  /** Entries (in mode 1 bytes) of the population it was drawn from: part of its digest. */
  readonly populationSize: bigint;
  isFinal: boolean;
  /** As the chain shows the node and the blob when it is read again after a failure. */
  isOwner: boolean;
  hasMetadata: boolean;
  /** The shard came from another node at the round's epoch. */
  readonly hasMoved: boolean;
}

export function insertDraw(sql: Sql, round: number, draw: RoundDraw): void {
  sql.exec(
    `INSERT INTO draw (round, mode, shard, t, blob_id, length, end_epoch, leaf, pair, axis, symbol, node, vacuous,
                       place, size, is_final, is_owner, has_metadata, has_moved)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1, 1, ?)`,
    round,
    draw.mode,
    draw.shard,
    draw.t,
    draw.blobId,
    draw.unencodedLength,
    draw.endEpoch,
    draw.leaf,
    draw.pair,
    draw.axis,
    draw.symbol,
    draw.node,
    draw.isVacuous ? 1 : 0,
    draw.place,
    draw.populationSize.toString(),
    draw.isFinal ? 1 : 0,
    draw.hasMoved ? 1 : 0,
  );
}

/** All draws of a round with their attempts, in (mode, shard, t) order. Cost: all rows of `draw` and `attempt`. */
export function drawsOf(sql: Sql, round: number): RoundDraw[] {
  const draws = sql.exec("SELECT * FROM draw WHERE round = ? ORDER BY mode, shard, t", round).map(toDraw);
  const keyOf = (mode: number, shard: number, t: number): string => `${mode}/${shard}/${t}`;
  const byKey = new Map(draws.map((draw) => [keyOf(draw.mode, draw.shard, draw.t), draw]));
  loadAttempts(sql, round, (mode, shard, t) => byKey.get(keyOf(mode, shard, t)));
  return draws;
}

/** Writes a draw's flags. */
export function saveDraw(sql: Sql, round: number, draw: RoundDraw): void {
  sql.exec(
    `UPDATE draw SET is_final = ?, is_owner = ?, has_metadata = ? WHERE round = ? AND mode = ? AND shard = ? AND t = ?`,
    draw.isFinal ? 1 : 0,
    draw.isOwner ? 1 : 0,
    draw.hasMetadata ? 1 : 0,
    round,
    draw.mode,
    draw.shard,
    draw.t,
  );
}

/** Challenges of a round, and how many of them have their last answer. */
export function drawProgress(sql: Sql, round: number): { readonly draws: number; readonly decided: number } {
  const [row] = sql.exec(
    "SELECT COUNT(*) AS draws, SUM(is_final) AS decided FROM draw WHERE round = ?",
    round,
  );
  return { draws: Number(row?.["draws"] ?? 0), decided: Number(row?.["decided"] ?? 0) };
}

export function countVacuousDraws(sql: Sql, round: number): number {
  const [row] = sql.exec("SELECT COUNT(*) AS count FROM draw WHERE round = ? AND vacuous = 1", round);
  return Number(row?.["count"]);
}

/** Whether the chain showed a shard of the round with another owner than the node that was asked. */
export const hasLostOwner = (sql: Sql, round: number): boolean =>
  sql.exec("SELECT 1 FROM draw WHERE round = ? AND is_owner = 0 LIMIT 1", round).length > 0;

export function forgetDraws(sql: Sql, round: number): void {
  sql.exec("DELETE FROM draw WHERE round = ?", round);
}

/** Out of a row with all columns of `draw`; without its attempts. */
// Rows hold what `insertDraw` wrote, so their texts and numbers are of the types written.
export const toDraw = (row: SqlRow): RoundDraw => ({
  mode: Number(row["mode"]) as RoundDraw["mode"],
  shard: Number(row["shard"]) as RoundDraw["shard"],
  t: Number(row["t"]),
  // Only a plan needs it, and a plan is made from the seed.
  offset: 0n,
  axis: String(row["axis"]) as RoundDraw["axis"],
  symbol: Number(row["symbol"]) as RoundDraw["symbol"],
  blobId: String(row["blob_id"]) as BlobId,
  unencodedLength: Number(row["length"]),
  endEpoch: Number(row["end_epoch"]),
  leaf: Number(row["leaf"]),
  pair: Number(row["pair"]) as RoundDraw["pair"],
  isVacuous: row["vacuous"] === 1,
  node: String(row["node"]) as ObjectId,
  place: Number(row["place"]),
  populationSize: BigInt(String(row["size"])),
  isFinal: row["is_final"] === 1,
  isOwner: row["is_owner"] === 1,
  hasMetadata: row["has_metadata"] === 1,
  hasMoved: row["has_moved"] === 1,
  attempts: [],
  requests: 0,
});
