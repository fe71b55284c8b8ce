/** When Walrus changed epochs, and when shards had arrived: tables `epoch_change` and `shard_receipt`. */
import type { Sql } from "../../shared/base/sql.ts";

export interface StoredEpochChange {
  readonly epoch: number;
  readonly startMs: number;
  /** Undefined while shards move. */
  readonly doneMs: number | undefined;
}

export function noteEpochStart(sql: Sql, epoch: number, startMs: number): void {
  sql.exec("INSERT OR IGNORE INTO epoch_change (epoch, start_ms) VALUES (?, ?)", epoch, startMs);
}

export function noteEpochDone(sql: Sql, epoch: number, doneMs: number): void {
  sql.exec("UPDATE epoch_change SET done_ms = ? WHERE epoch = ?", doneMs, epoch);
}

export function noteShardReceived(sql: Sql, epoch: number, shard: number, receivedMs: number): void {
  sql.exec(
    "INSERT OR REPLACE INTO shard_receipt (epoch, shard, received_ms) VALUES (?, ?, ?)",
    epoch,
    shard,
    receivedMs,
  );
}

export const epochChangesFrom = (sql: Sql, epoch: number): StoredEpochChange[] =>
  sql.exec("SELECT * FROM epoch_change WHERE epoch >= ?", epoch).map((row) => ({
    epoch: Number(row["epoch"]),
    startMs: Number(row["start_ms"]),
    doneMs: row["done_ms"] === null ? undefined : Number(row["done_ms"]),
  }));

/** When a shard's new owner announced that it has it; undefined when it has not. */
export function shardReceivedMs(sql: Sql, epoch: number, shard: number): number | undefined {
  const [row] = sql.exec("SELECT received_ms FROM shard_receipt WHERE epoch = ? AND shard = ?", epoch, shard);
  return row === undefined ? undefined : Number(row["received_ms"]);
}

export function forgetEpochChanges(sql: Sql, beforeEpoch: number): void {
  sql.exec("DELETE FROM shard_receipt WHERE epoch < ?", beforeEpoch);
  sql.exec("DELETE FROM epoch_change WHERE epoch < ?", beforeEpoch);
}
