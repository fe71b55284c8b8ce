/** Event blobs found on the way back through the history: table `event_blob`. */
import type { Sql, SqlRow } from "../../shared/base/sql.ts";
import type { BlobId } from "../../shared/protocol/ids.ts";
import type { CheckpointRange } from "../../shared/sui/walrus/event-blob.ts";

export interface KnownBlob {
  readonly blobId: BlobId;
  readonly range: CheckpointRange;
  readonly bytes: number;
  readonly epoch: number;
  /** Null for the first one of all. */
  readonly previousBlobId: BlobId | null;
}

export function insertEventBlob(sql: Sql, { blobId, range, bytes, epoch, previousBlobId }: KnownBlob): void {
  sql.exec(
    `INSERT OR REPLACE INTO event_blob (blob_id, first_checkpoint, last_checkpoint, bytes, epoch, previous)
     VALUES (?, ?, ?, ?, ?, ?)`,
    blobId,
    range.first,
    range.last,
    bytes,
    epoch,
    previousBlobId,
  );
}

/** The first one of all, once the way back has come to it. */
export function firstEventBlob(sql: Sql): KnownBlob | undefined {
  const [row] = sql.exec("SELECT * FROM event_blob WHERE previous IS NULL");
  return row === undefined ? undefined : toBlob(row);
}

export function eventBlobWith(sql: Sql, checkpoint: number): KnownBlob | undefined {
  const [row] = sql.exec(
    "SELECT * FROM event_blob WHERE first_checkpoint <= ?1 AND last_checkpoint >= ?1",
    checkpoint,
  );
  return row === undefined ? undefined : toBlob(row);
}

/** The one that the way back has come to. */
export function earliestEventBlob(sql: Sql): KnownBlob | undefined {
  const [row] = sql.exec("SELECT * FROM event_blob ORDER BY first_checkpoint LIMIT 1");
  return row === undefined ? undefined : toBlob(row);
}

export function countEventBlobs(sql: Sql): number {
  const [row] = sql.exec("SELECT COUNT(*) AS count FROM event_blob");
  return Number(row?.["count"]);
}

export const hasSuccessor = (sql: Sql, blobId: BlobId): boolean =>
  sql.exec("SELECT 1 FROM event_blob WHERE previous = ?", blobId).length > 0;

/** Those that end before this checkpoint. */
export function forgetEventBlobs(sql: Sql, beforeCheckpoint: number): void {
  sql.exec("DELETE FROM event_blob WHERE last_checkpoint < ?", beforeCheckpoint);
}

// Only `insertEventBlob` writes these columns.
const toBlob = (row: SqlRow): KnownBlob => ({
  blobId: String(row["blob_id"]) as BlobId,
  range: { first: Number(row["first_checkpoint"]), last: Number(row["last_checkpoint"]) },
  bytes: Number(row["bytes"]),
  epoch: Number(row["epoch"]),
  previousBlobId: row["previous"] === null ? null : (String(row["previous"]) as BlobId),
});
