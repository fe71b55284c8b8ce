/**
 * Blob objects as the chain's events describe them: tables `object`, `pool`, `excluded` and `certification`; what
 * `MemoryPopulationStore` holds in memory. `stratum-blobs.ts` lists the blobs of a stratum out of them.
 */
import type { PopulationStore, TrackedObject } from "../../shared/audit/population-events.ts";
import type { Sql, SqlRow } from "../../shared/base/sql.ts";
import { type BlobId, blobIdFromBytes, blobIdToBytes, type ObjectId } from "../../shared/protocol/ids.ts";
import { bytesOf } from "../ledger/ledger-sql.ts";
import { readMeta, writeMeta } from "../ledger/meta.ts";

export class SqlPopulationStore implements PopulationStore {
  readonly #sql: Sql;

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  object(objectId: ObjectId): TrackedObject | undefined {
    const [row] = this.#sql.exec("SELECT * FROM object WHERE object_id = ?", objectId);
    return row === undefined ? undefined : toObject(row);
  }

  /** What stands in an index is written only when it changes: most puts are certifications, which change one column. */
  putObject(object: TrackedObject): void {
    const blobId = blobIdToBytes(object.blobId);
    this.#sql.exec(
      `INSERT INTO object (object_id, blob_id, encoding, length, is_deletable, end_epoch, pool_id, certified_epoch)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (object_id) DO UPDATE SET encoding = excluded.encoding, length = excluded.length,
         is_deletable = excluded.is_deletable, pool_id = excluded.pool_id, certified_epoch = excluded.certified_epoch`,
      object.objectId,
      blobId,
      object.encodingType,
      object.unencodedLength,
      object.isDeletable ? 1 : 0,
      object.endEpoch,
      object.poolId,
      object.certifiedEpoch,
    );
    this.#sql.exec(
      `UPDATE object SET blob_id = ?2, end_epoch = ?3
       WHERE object_id = ?1 AND (end_epoch <> ?3 OR blob_id <> ?2)`,
      object.objectId,
      blobId,
      object.endEpoch,
    );
  }

  deleteObject(objectId: ObjectId): void {
    this.#sql.exec("DELETE FROM object WHERE object_id = ?", objectId);
  }

  poolEndEpoch(poolId: ObjectId): number | undefined {
    const [row] = this.#sql.exec("SELECT end_epoch FROM pool WHERE pool_id = ?", poolId);
    return row === undefined ? undefined : Number(row["end_epoch"]);
  }

  putPool(poolId: ObjectId, endEpoch: number): void {
    this.#sql.exec("INSERT OR REPLACE INTO pool (pool_id, end_epoch) VALUES (?, ?)", poolId, endEpoch);
  }

  exclude(blobId: BlobId): void {
    this.#sql.exec("INSERT OR IGNORE INTO excluded (blob_id) VALUES (?)", blobIdToBytes(blobId));
  }

  dropEnded(epoch: number): void {
    this.#sql.exec("DELETE FROM object WHERE pool_id IS NULL AND end_epoch <= ?", epoch);
    this.#sql.exec(
      `DELETE FROM object WHERE pool_id IS NOT NULL
         AND pool_id NOT IN (SELECT pool_id FROM pool WHERE end_epoch > ?)`,
      epoch,
    );
    this.#sql.exec("DELETE FROM pool WHERE end_epoch <= ?", epoch);
  }

  noteCertification(blobId: BlobId, checkpoint: number): void {
    if (checkpoint < (readMeta(this.#sql, "young_from") ?? 0)) return;
    this.#sql.exec(
      `INSERT OR IGNORE INTO certification (blob_id, checkpoint) SELECT ?1, ?2
       WHERE NOT EXISTS (SELECT 1 FROM object WHERE blob_id = ?1 AND certified_epoch IS NOT NULL)`,
      blobIdToBytes(blobId),
      checkpoint,
    );
  }

  /** Blobs certified before this checkpoint are young to no round any more: they are forgotten, and not noted again. */
  forgetCertifications(before: number): void {
    writeMeta(this.#sql, "young_from", before);
    this.#sql.exec("DELETE FROM certification WHERE checkpoint < ?", before);
  }

  /**
   * How a young blob came to be certified, seen from a checkpoint.
   *
   * @returns `before`: since when it had been certified without a gap, when that is not forgotten yet; `isRenewed`:
   *   whether it was gone and certified anew from the checkpoint on
   */
  certification(blobId: BlobId, checkpoint: number): { before: number | undefined; isRenewed: boolean } {
    const [row] = this.#sql.exec(
      `SELECT MAX(checkpoint) FILTER (WHERE checkpoint < ?2) AS since,
              COUNT(*) FILTER (WHERE checkpoint >= ?2) AS renewals
       FROM certification WHERE blob_id = ?1`,
      blobIdToBytes(blobId),
      checkpoint,
    );
    const since = row?.["since"] ?? null;
    return { before: since === null ? undefined : Number(since), isRenewed: Number(row?.["renewals"]) > 0 };
  }

  /** Whether its nodes still have to hold the blob in `epoch`: a certified object that has not ended, not excluded. */
  isLive(blobId: BlobId, epoch: number): boolean {
    const [row] = this.#sql.exec(
      `SELECT 1 FROM object LEFT JOIN pool USING (pool_id)
       WHERE blob_id = ?1 AND certified_epoch IS NOT NULL AND COALESCE(pool.end_epoch, object.end_epoch) > ?2
         AND NOT EXISTS (SELECT 1 FROM excluded WHERE excluded.blob_id = ?1) LIMIT 1`,
      blobIdToBytes(blobId),
      epoch,
    );
    return row !== undefined;
  }

  /** An object whose deletable confirmation a node can be asked for; undefined when the blob has none. */
  deletableObject(blobId: BlobId): ObjectId | undefined {
    const [row] = this.#sql.exec(
      `SELECT object_id FROM object WHERE blob_id = ? AND is_deletable = 1 AND certified_epoch IS NOT NULL
       ORDER BY object_id LIMIT 1`,
      blobIdToBytes(blobId),
    );
    return row === undefined ? undefined : (String(row["object_id"]) as ObjectId);
  }
}

function toObject(row: SqlRow): TrackedObject {
  const certifiedEpoch = row["certified_epoch"];
  return {
    // Only `putObject` writes these columns.
    objectId: String(row["object_id"]) as ObjectId,
    blobId: blobIdFromBytes(bytesOf(row["blob_id"])),
    encodingType: Number(row["encoding"]),
    unencodedLength: Number(row["length"]),
    isDeletable: row["is_deletable"] === 1,
    endEpoch: Number(row["end_epoch"]),
    poolId: row["pool_id"] === null ? null : (String(row["pool_id"]) as ObjectId),
    certifiedEpoch: certifiedEpoch === null ? null : Number(certifiedEpoch),
  };
}

/** Whether the blob was declared invalid or deny-listed: no node has to hold it. */
export const isExcluded = (sql: Sql, blobId: BlobId): boolean =>
  sql.exec("SELECT 1 FROM excluded WHERE blob_id = ?", blobIdToBytes(blobId)).length > 0;

/** `isExcluded` as a condition for statements of other tables. @param blobId a column, with its table */
export const excludedSql = (blobId: string): string =>
  `EXISTS (SELECT 1 FROM excluded WHERE excluded.blob_id = ${blobId})`;

/**
 * Whether a node owed a blob all the time, as far as the chain was read, as a condition for statements of other tables.
 *
 * @param blobId a column, with its table @param epoch a parameter @param since a column: the checkpoint from which on
 */
export const owedSql = (blobId: string, epoch: string, since: string): string =>
  `EXISTS (SELECT 1 FROM object LEFT JOIN pool USING (pool_id)
     WHERE object.blob_id = ${blobId} AND certified_epoch IS NOT NULL
       AND COALESCE(pool.end_epoch, object.end_epoch) > ${epoch})
   AND NOT ${excludedSql(blobId)}
   AND NOT EXISTS (SELECT 1 FROM certification
     WHERE certification.blob_id = ${blobId} AND checkpoint >= ${since})`;
