/**
 * Objects and population lists in SQLite: what `MemoryPopulationStore` and `MemoryPopulation` hold in memory.
 *
 * A list is built in slices of 1,024 entries, each one transaction, so that any number of blobs fits between two
 * alarms: `listing` copies the stratum's blobs in order, `hashing` makes one Merkle node per slice, `ready` has the
 * root. While a list is being built the objects must not change: whoever reads the chain waits for it.
 */

import {
  type PopulationEntry,
  type PopulationIndex,
  populationPath,
  rootOfSlices,
  SLICE_LEAVES,
  serializeEntry,
  sliceCount,
  sliceNode,
} from "../shared/audit/population.ts";
import type { PopulationStore, Stratum, TrackedObject } from "../shared/audit/population-events.ts";
import { fromHex, toHex } from "../shared/protocol/bytes.ts";
import { assert } from "../shared/protocol/errors.ts";
import { type BlobId, blobIdFromBytes, blobIdToBytes, type ObjectId } from "../shared/protocol/ids.ts";
import { ENCODING_TYPE_RS2 } from "../shared/protocol/metadata.ts";
import { encodedLength } from "../shared/protocol/sizes.ts";
import { bytesOf, type LedgerSql, type SqlRow, writeMeta } from "./ledger-sql.ts";

const CUM_BYTES = 16;
/** The entry of `meta` with the checkpoint from which on certifications are kept. */
const YOUNG_FROM = "young_from";
/** Leaves looked up by one statement: some 10 KB of numbers. */
const LOOK_UP_LEAVES = 1_000;

/** u128 big-endian: compares as bytes like the number. */
function cumToBytes(cum: bigint): Uint8Array {
  const bytes = new Uint8Array(CUM_BYTES);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, cum >> 64n);
  view.setBigUint64(8, cum & 0xffff_ffff_ffff_ffffn);
  return bytes;
}

function cumFromBytes(bytes: Uint8Array): bigint {
  const view = new DataView(bytes.buffer, bytes.byteOffset, CUM_BYTES);
  return (view.getBigUint64(0) << 64n) | view.getBigUint64(8);
}

export class SqlPopulationStore implements PopulationStore {
  readonly #sql: LedgerSql;

  constructor(sql: LedgerSql) {
    this.#sql = sql;
  }

  object(objectId: ObjectId): TrackedObject | undefined {
    const [row] = this.#sql.exec("SELECT * FROM object WHERE object_id = ?", objectId);
    return row === undefined ? undefined : toObject(row);
  }

  putObject(object: TrackedObject): void {
    this.#sql.exec(
      `INSERT OR REPLACE INTO object
         (object_id, blob_id, encoding, length, is_deletable, end_epoch, pool_id, certified_epoch)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
      object.objectId,
      blobIdToBytes(object.blobId),
      object.encodingType,
      object.unencodedLength,
      object.isDeletable ? 1 : 0,
      object.endEpoch,
      object.poolId,
      object.certifiedEpoch,
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

export interface ListSummary {
  readonly size: number;
  readonly totalBytes: bigint;
  readonly root: Uint8Array;
}

export const listName = (stratum: Stratum, number: number): string => `${stratum}/${number}`;

/** The SQL twin of `isInStratum`; `?2` is the epoch, `ends` the object's end epoch or its pool's. */
const STRATUM_RULE: Readonly<Record<Stratum, string>> = {
  permanent: "is_deletable = 0 AND ends >= ?2 + 2",
  deletable: "is_deletable = 1 AND ends > ?2",
  fresh: "certified_epoch = ?2 AND ends > ?2",
};

/** Lists of one network; synchronous. */
export class PopulationLists {
  readonly #sql: LedgerSql;

  constructor(sql: LedgerSql) {
    this.#sql = sql;
  }

  /** Begins a list unless it was begun before. @param epoch the stratum's epoch */
  begin(list: string, stratum: Stratum, epoch: number): void {
    this.#sql.exec(
      `INSERT OR IGNORE INTO population (list, stratum, epoch, state, size, total)
       VALUES (?, ?, ?, 'listing', 0, '0')`,
      list,
      stratum,
      epoch,
    );
  }

  /** Makes an empty list unless there is one: an epoch that nothing preceded has no blobs from before. */
  beginEmpty(list: string, stratum: Stratum, epoch: number): void {
    this.#sql.exec(
      `INSERT OR IGNORE INTO population (list, stratum, epoch, state, size, total)
       VALUES (?, ?, ?, 'hashing', 0, '0')`,
      list,
      stratum,
      epoch,
    );
  }

  /**
   * One slice of work on a list. Cost: at most 1,024 rows or 1,024 leaf hashes.
   *
   * @returns true once the list is ready
   */
  build(list: string, nShards: number): boolean {
    return this.#sql.transaction(() => {
      const row = this.#row(list);
      if (row["state"] === "listing") this.#listSlice(list, row, nShards);
      else if (row["state"] === "hashing") this.#hashSlice(list, row);
      return row["state"] === "ready";
    });
  }

  /** @returns undefined when there is no such list or it is not ready */
  summary(list: string): ListSummary | undefined {
    const [row] = this.#sql.exec("SELECT * FROM population WHERE list = ? AND state = 'ready'", list);
    if (row === undefined) return undefined;
    return {
      size: Number(row["size"]),
      totalBytes: BigInt(String(row["total"])),
      root: fromHex(String(row["root"])),
    };
  }

  index(list: string): SqlPopulation {
    const summary = this.summary(list);
    assert(summary !== undefined, `population ${list} is ready`);
    return new SqlPopulation(this.#sql, list, summary);
  }

  /** Forgets a list, a bounded number of rows at a time. @returns true when nothing is left */
  drop(list: string): boolean {
    return this.#sql.transaction(() => {
      const range = "list = ? AND leaf >= ? AND leaf < ?";
      const [first] = this.#sql.exec("SELECT MIN(leaf) AS leaf FROM population_entry WHERE list = ?", list);
      if (first !== undefined && first["leaf"] !== null) {
        const leaf = Number(first["leaf"]);
        this.#sql.exec(`DELETE FROM population_entry WHERE ${range}`, list, leaf, leaf + SLICE_LEAVES);
        return false;
      }
      this.#sql.exec("DELETE FROM population_slice WHERE list = ?", list);
      this.#sql.exec("DELETE FROM population WHERE list = ?", list);
      return true;
    });
  }

  names(): string[] {
    return this.#sql.exec("SELECT list FROM population ORDER BY list").map((row) => String(row["list"]));
  }

  #row(list: string): SqlRow {
    const [row] = this.#sql.exec("SELECT * FROM population WHERE list = ?", list);
    assert(row !== undefined, `population ${list} was begun`);
    return row;
  }

  #listSlice(list: string, row: SqlRow, nShards: number): void {
    // The table holds what `begin` was given.
    const stratum = String(row["stratum"]) as Stratum;
    const found = this.#sql.exec(
      `SELECT blob_id, MAX(length) AS length, MAX(ends) AS ends FROM (
         SELECT object.*, COALESCE(pool.end_epoch, object.end_epoch) AS ends
         FROM object LEFT JOIN pool USING (pool_id) WHERE blob_id > ?1)
       WHERE certified_epoch IS NOT NULL AND encoding = ${ENCODING_TYPE_RS2} AND ${STRATUM_RULE[stratum]}
         AND blob_id NOT IN (SELECT blob_id FROM excluded)
       GROUP BY blob_id ORDER BY blob_id LIMIT ${SLICE_LEAVES}`,
      row["last_blob"] ?? new Uint8Array(0),
      Number(row["epoch"]),
    );
    let leaf = Number(row["size"]);
    let cum = BigInt(String(row["total"]));
    for (const each of found) {
      const length = Number(each["length"]);
      this.#sql.exec(
        "INSERT INTO population_entry (list, leaf, blob_id, length, end_epoch, cum) VALUES (?, ?, ?, ?, ?, ?)",
        list,
        leaf++,
        bytesOf(each["blob_id"]),
        length,
        Number(each["ends"]),
        cumToBytes(cum),
      );
      cum += BigInt(encodedLength(nShards, length));
    }
    const isDone = found.length < SLICE_LEAVES;
    this.#sql.exec(
      "UPDATE population SET size = ?, total = ?, last_blob = ?, state = ? WHERE list = ?",
      leaf,
      cum.toString(),
      found.at(-1)?.["blob_id"] ?? row["last_blob"] ?? null,
      isDone ? "hashing" : "listing",
      list,
    );
  }

  #hashSlice(list: string, row: SqlRow): void {
    const size = Number(row["size"]);
    const [made] = this.#sql.exec("SELECT COUNT(*) AS made FROM population_slice WHERE list = ?", list);
    const slice = Number(made?.["made"]);
    if (slice < sliceCount(size)) {
      const node = sliceNode(entriesOfSlice(this.#sql, list, slice).map(serializeEntry), size);
      this.#sql.exec("INSERT INTO population_slice (list, slice, node) VALUES (?, ?, ?)", list, slice, node);
      return;
    }
    const root = rootOfSlices(sliceNodes(this.#sql, list), size);
    this.#sql.exec("UPDATE population SET root = ?, state = 'ready' WHERE list = ?", toHex(root), list);
  }
}

const entriesOfSlice = (sql: LedgerSql, list: string, slice: number): PopulationEntry[] =>
  sql
    .exec(
      "SELECT * FROM population_entry WHERE list = ? AND leaf >= ? AND leaf < ? ORDER BY leaf",
      list,
      slice * SLICE_LEAVES,
      (slice + 1) * SLICE_LEAVES,
    )
    .map(toEntry);

const sliceNodes = (sql: LedgerSql, list: string): Uint8Array[] =>
  sql
    .exec("SELECT node FROM population_slice WHERE list = ? ORDER BY slice", list)
    .map((row) => bytesOf(row["node"]));

const ENTRY_COLUMNS = "leaf, blob_id, length, end_epoch, cum";

const toEntry = (row: SqlRow): PopulationEntry => ({
  index: Number(row["leaf"]),
  blobId: blobIdFromBytes(bytesOf(row["blob_id"])),
  unencodedLength: Number(row["length"]),
  endEpoch: Number(row["end_epoch"]),
  cumBytes: cumFromBytes(bytesOf(row["cum"])),
});

/** A ready list; what `MemoryPopulation` is in memory. */
export class SqlPopulation implements PopulationIndex {
  readonly size: number;
  readonly totalBytes: bigint;
  readonly root: Uint8Array;
  readonly #sql: LedgerSql;
  readonly #list: string;

  constructor(sql: LedgerSql, list: string, summary: ListSummary) {
    this.#sql = sql;
    this.#list = list;
    this.size = summary.size;
    this.totalBytes = summary.totalBytes;
    this.root = summary.root;
  }

  leafAt(index: number): PopulationEntry {
    return this.#one("leaf = ?", index, `leaf ${index} of ${this.size}`);
  }

  leavesAt(indexes: readonly number[]): PopulationEntry[] {
    const entries = new Map<number, PopulationEntry>();
    const distinct = [...new Set(indexes)];
    for (let from = 0; from < distinct.length; from += LOOK_UP_LEAVES) {
      const rows = this.#sql.exec(
        `SELECT ${ENTRY_COLUMNS} FROM population_entry
          WHERE list = ? AND leaf IN (SELECT value FROM json_each(?))`,
        this.#list,
        JSON.stringify(distinct.slice(from, from + LOOK_UP_LEAVES)),
      );
      for (const row of rows) entries.set(Number(row["leaf"]), toEntry(row));
    }
    return indexes.map((index) => {
      const entry = entries.get(index);
      assert(entry !== undefined, `population ${this.#list} has leaf ${index} of ${this.size}`);
      return entry;
    });
  }

  leafByCum(offset: bigint): PopulationEntry {
    assert(offset >= 0n && offset < this.totalBytes, `byte ${offset} of ${this.totalBytes}`);
    return this.#one("cum <= ? ORDER BY cum DESC LIMIT 1", cumToBytes(offset), `byte ${offset}`);
  }

  entries(from: number, count: number): PopulationEntry[] {
    return this.#sql
      .exec(
        "SELECT * FROM population_entry WHERE list = ? AND leaf >= ? ORDER BY leaf LIMIT ?",
        this.#list,
        from,
        count,
      )
      .map(toEntry);
  }

  /** Siblings of a leaf, leaf upward. */
  path(index: number): Uint8Array[] {
    const slice = Math.floor(index / SLICE_LEAVES);
    const leaves = entriesOfSlice(this.#sql, this.#list, slice).map(serializeEntry);
    return populationPath(index, this.size, leaves, sliceNodes(this.#sql, this.#list));
  }

  #one(condition: string, value: number | Uint8Array, what: string): PopulationEntry {
    const [row] = this.#sql.exec(
      `SELECT ${ENTRY_COLUMNS} FROM population_entry WHERE list = ? AND ${condition}`,
      this.#list,
      value,
    );
    assert(row !== undefined, `population ${this.#list} has ${what}`);
    return toEntry(row);
  }
}
