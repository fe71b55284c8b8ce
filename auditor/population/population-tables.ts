/**
 * Objects and population lists in SQLite: what `MemoryPopulationStore` and `MemoryPopulation` hold in memory.
 *
 * A list is built in steps, each one transaction, so that any number of blobs fits between two alarms. While a list is
 * being built the objects must not change: whoever reads the chain waits for it, and a list remembers how far the chain
 * was read when it was begun, so that it is never made of two states.
 *
 * | list               | made              | entries                             | states                          |
 * |--------------------|-------------------|-------------------------------------|---------------------------------|
 * | permanent/{epoch}  | once an epoch     | a row each, `row-population.ts`     | `listing`, `hashing`, `ready`   |
 * | deletable/{round}  | every round       | 1,024 a row, `packed-population.ts` | `packing`, `packed`             |
 * | fresh/{round}      | every round       | 1,024 a row, `packed-population.ts` | `packing`, `packed`             |
 *
 * `listing` copies the stratum's blobs in order, `hashing` makes one Merkle node per 1,024 of them; `packing` does both at
 * once. A round's list that was begun as the others are is finished like them.
 */

import {
  type PopulationEntry,
  rootOfSlices,
  SLICE_LEAVES,
  sliceCount,
} from "../../shared/audit/population.ts";
import type { PopulationStore, Stratum, TrackedObject } from "../../shared/audit/population-events.ts";
import { fromHex, toHex } from "../../shared/base/bytes.ts";
import { assert } from "../../shared/base/errors.ts";
import type { Sql, SqlRow } from "../../shared/base/sql.ts";
import { type BlobId, blobIdFromBytes, blobIdToBytes, type ObjectId } from "../../shared/protocol/ids.ts";
import { encodedLength } from "../../shared/protocol/sizes.ts";
import { bytesOf, ledgerPlace, writeMeta } from "../ledger/ledger-sql.ts";
import {
  appendToSlice,
  closeLastSlice,
  dropPacked,
  PackedPopulation,
  packedNodes,
  roomInSlice,
} from "./packed-population.ts";
import { dropEntries, insertEntry, nodeOfSlice, nodesOfSlices, RowPopulation } from "./row-population.ts";
import type { ListSummary, StoredPopulation } from "./stored-population.ts";
import { blobsOfStratum, type StretchLimits } from "./stratum-blobs.ts";

/** The entry of `meta` with the checkpoint from which on certifications are kept. */
const YOUNG_FROM = "young_from";

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
    this.#sql.exec(
      `INSERT OR IGNORE INTO certification (blob_id, checkpoint) SELECT ?1, ?2
       WHERE ?2 >= CAST(COALESCE((SELECT value FROM meta WHERE name = '${YOUNG_FROM}'), '0') AS INTEGER)
         AND NOT EXISTS (SELECT 1 FROM object WHERE blob_id = ?1 AND certified_epoch IS NOT NULL)`,
      blobIdToBytes(blobId),
      checkpoint,
    );
  }

  /** Blobs certified before this checkpoint are young to no round any more: they are forgotten, and not noted again. */
  forgetCertifications(before: number): void {
    writeMeta(this.#sql, YOUNG_FROM, `${before}`);
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

  /** Whether somebody still has to hold the blob in `epoch`: a certified object that has not ended, not excluded. */
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

export const listName = (stratum: Stratum, number: number): string => `${stratum}/${number}`;

/** One step: 1,024 leaf hashes at most, or some 30 ms of looking at objects that do not qualify. */
const STEP: StretchLimits = { blobs: SLICE_LEAVES, objects: 4 * SLICE_LEAVES };

/** Lists of one network; synchronous. */
export class PopulationLists {
  readonly #sql: Sql;
  readonly #step: StretchLimits;

  /** @param step of work; at most 1,024 blobs */
  constructor(sql: Sql, step: StretchLimits = STEP) {
    this.#sql = sql;
    this.#step = step;
  }

  /** Begins a list unless it was begun before. @param epoch the stratum's epoch */
  begin(list: string, stratum: Stratum, epoch: number): void {
    this.#insert(list, stratum, epoch, stratum === "permanent" ? "listing" : "packing");
  }

  /** Makes an empty list unless there is one: an epoch that nothing preceded has no blobs from before. */
  beginEmpty(list: string, stratum: Stratum, epoch: number): void {
    this.#insert(list, stratum, epoch, "hashing");
  }

  /**
   * One step of work on a list. Cost: at most 1,024 blobs and 4,096 objects, some 100 ms of CPU. Rows written: 3 a slice of
   * a round's list, 2 a blob of an epoch's.
   *
   * @returns true once the list is ready
   */
  build(list: string, nShards: number): boolean {
    return this.#sql.transaction(() => {
      const row = this.#row(list);
      switch (row["state"]) {
        case "listing":
          this.#listSlice(list, row, nShards);
          return false;
        case "hashing":
          return this.#hashSlice(list, row);
        case "packing":
          return this.#packSlice(list, row, nShards);
        default:
          return true;
      }
    });
  }

  /** @returns undefined when there is no such list or it is not ready */
  summary(list: string): ListSummary | undefined {
    const [row] = this.#sql.exec(
      "SELECT * FROM population WHERE list = ? AND state IN ('ready', 'packed')",
      list,
    );
    if (row === undefined) return undefined;
    return {
      size: Number(row["size"]),
      totalBytes: BigInt(String(row["total"])),
      root: fromHex(String(row["root"])),
    };
  }

  index(list: string): StoredPopulation {
    const summary = this.summary(list);
    assert(summary !== undefined, `population ${list} is ready`);
    const Kept = this.#row(list)["state"] === "packed" ? PackedPopulation : RowPopulation;
    return new Kept(this.#sql, list, summary);
  }

  /** Forgets a list, some 1,000 rows or pages at a time. @returns true when nothing is left */
  drop(list: string): boolean {
    return this.#sql.transaction(() => {
      if (dropEntries(this.#sql, list) || dropPacked(this.#sql, list)) return false;
      this.#sql.exec("DELETE FROM population_slice WHERE list = ?", list);
      this.#sql.exec("DELETE FROM population WHERE list = ?", list);
      return true;
    });
  }

  names(): string[] {
    return this.#sql.exec("SELECT list FROM population ORDER BY list").map((row) => String(row["list"]));
  }

  #insert(list: string, stratum: Stratum, epoch: number, state: string): void {
    this.#sql.exec(
      "INSERT OR IGNORE INTO population (list, stratum, epoch, state, size, total) VALUES (?, ?, ?, ?, 0, '0')",
      list,
      stratum,
      epoch,
      state,
    );
  }

  #row(list: string): SqlRow {
    const [row] = this.#sql.exec("SELECT * FROM population WHERE list = ?", list);
    assert(row !== undefined, `population ${list} was begun`);
    return row;
  }

  #listSlice(list: string, row: SqlRow, nShards: number): void {
    const found = this.#next(list, row, nShards, this.#step.blobs);
    for (const entry of found.entries) insertEntry(this.#sql, list, entry);
    this.#save(list, found, found.isLast ? "hashing" : "listing", null);
  }

  #hashSlice(list: string, row: SqlRow): boolean {
    const size = Number(row["size"]);
    const [made] = this.#sql.exec("SELECT COUNT(*) AS made FROM population_slice WHERE list = ?", list);
    const slice = Number(made?.["made"]);
    if (slice < sliceCount(size)) {
      const node = nodeOfSlice(this.#sql, list, slice, size);
      this.#sql.exec("INSERT INTO population_slice (list, slice, node) VALUES (?, ?, ?)", list, slice, node);
      return false;
    }
    const root = toHex(rootOfSlices(nodesOfSlices(this.#sql, list), size));
    this.#sql.exec("UPDATE population SET root = ?, state = 'ready' WHERE list = ?", root, list);
    return true;
  }

  #packSlice(list: string, row: SqlRow, nShards: number): boolean {
    const room = roomInSlice(Number(row["size"]));
    const found = this.#next(list, row, nShards, Math.min(room, this.#step.blobs));
    appendToSlice(this.#sql, list, found.entries);
    if (!found.isLast) {
      this.#save(list, found, "packing", null);
      return false;
    }
    closeLastSlice(this.#sql, list, found.size);
    const root = toHex(rootOfSlices(packedNodes(this.#sql, list), found.size));
    this.#save(list, found, "packed", root);
    return true;
  }

  /** The list's next entries. @param most of them */
  #next(list: string, row: SqlRow, nShards: number, most: number): Grown {
    const place = ledgerPlace(this.#sql);
    const begunAt = row["place"] ?? place;
    assert(begunAt === place, `population ${list} is made of objects as of ${begunAt}, not of ${place}`);
    let size = Number(row["size"]);
    let totalBytes = BigInt(String(row["total"]));
    const { blobs, upTo } = blobsOfStratum(
      this.#sql,
      // The table holds what `begin` was given.
      String(row["stratum"]) as Stratum,
      Number(row["epoch"]),
      bytesOf(row["last_blob"] ?? new Uint8Array(0)),
      { ...this.#step, blobs: most },
    );
    const entries = blobs.map((blob) => {
      const entry = { ...blob, index: size++, cumBytes: totalBytes };
      totalBytes += BigInt(encodedLength(nShards, blob.unencodedLength));
      return entry;
    });
    return { entries, size, totalBytes, upTo, isLast: upTo === null, place };
  }

  #save(list: string, { size, totalBytes, upTo, place }: Grown, state: string, root: string | null): void {
    this.#sql.exec(
      "UPDATE population SET size = ?, total = ?, last_blob = ?, place = ?, state = ?, root = ? WHERE list = ?",
      size,
      totalBytes.toString(),
      upTo,
      place,
      state,
      root,
      list,
    );
  }
}

/** A list after a step. */
interface Grown {
  /** Those that the step found. */
  readonly entries: readonly PopulationEntry[];
  readonly size: number;
  readonly totalBytes: bigint;
  /** Blob ID that the next step goes on behind. */
  readonly upTo: Uint8Array | null;
  readonly isLast: boolean;
  /** Of the ledger on the chain. */
  readonly place: string;
}
