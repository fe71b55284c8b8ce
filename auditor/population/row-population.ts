/**
 * A list with a row for each entry, an epoch's permanent blobs: tables `population_entry` and `population_slice`. Claims
 * against its draws need entries and paths for as long as the epoch lasts, and every client may page through it, so every
 * look-up is one row.
 */
import {
  type PopulationEntry,
  populationPath,
  SLICE_LEAVES,
  serializeEntry,
  sliceNode,
} from "../../shared/audit/population.ts";
import { compareBytes, toHex } from "../../shared/base/bytes.ts";
import { assert } from "../../shared/base/errors.ts";
import type { Sql, SqlRow } from "../../shared/base/sql.ts";
import { type BlobId, blobIdFromBytes, blobIdToBytes } from "../../shared/protocol/ids.ts";
import { bytesOf } from "../ledger/ledger-sql.ts";
import {
  cumFromBytes,
  cumToBytes,
  type ListSummary,
  lastReached,
  type StoredPopulation,
} from "./stored-population.ts";

/** Leaves looked up by one statement: some 10 KB of numbers. */
const LOOK_UP_LEAVES = 1_000;
const ENTRY_COLUMNS = "leaf, blob_id, length, end_epoch, cum";

export function insertEntry(sql: Sql, list: string, entry: PopulationEntry): void {
  sql.exec(
    "INSERT INTO population_entry (list, leaf, blob_id, length, end_epoch, cum) VALUES (?, ?, ?, ?, ?, ?)",
    list,
    entry.index,
    blobIdToBytes(entry.blobId),
    entry.unencodedLength,
    entry.endEpoch,
    cumToBytes(entry.cumBytes),
  );
}

/** Keeps the Merkle node over one slice. @param size entries of the whole list */
export function hashSlice(sql: Sql, list: string, slice: number, size: number): void {
  const node = sliceNode(entriesOfSlice(sql, list, slice).map(serializeEntry), size);
  sql.exec("INSERT INTO population_slice (list, slice, node) VALUES (?, ?, ?)", list, slice, node);
}

export function countSlices(sql: Sql, list: string): number {
  const [row] = sql.exec("SELECT COUNT(*) AS count FROM population_slice WHERE list = ?", list);
  return Number(row?.["count"]);
}

export function dropSlices(sql: Sql, list: string): void {
  sql.exec("DELETE FROM population_slice WHERE list = ?", list);
}

export const nodesOfSlices = (sql: Sql, list: string): Uint8Array[] =>
  sql
    .exec("SELECT node FROM population_slice WHERE list = ? ORDER BY slice", list)
    .map((row) => bytesOf(row["node"]));

/** Some entries of the list, 1,024 at most. @returns false when there are none left */
export function dropEntries(sql: Sql, list: string): boolean {
  const [first] = sql.exec("SELECT MIN(leaf) AS leaf FROM population_entry WHERE list = ?", list);
  const leaf = first?.["leaf"] ?? null;
  if (leaf === null) return false;
  const range = "list = ? AND leaf >= ? AND leaf < ?";
  sql.exec(`DELETE FROM population_entry WHERE ${range}`, list, leaf, Number(leaf) + SLICE_LEAVES);
  return true;
}

const entriesOfSlice = (sql: Sql, list: string, slice: number): PopulationEntry[] =>
  sql
    .exec(
      "SELECT * FROM population_entry WHERE list = ? AND leaf >= ? AND leaf < ? ORDER BY leaf",
      list,
      slice * SLICE_LEAVES,
      (slice + 1) * SLICE_LEAVES,
    )
    .map(toEntry);

const toEntry = (row: SqlRow): PopulationEntry => ({
  index: Number(row["leaf"]),
  blobId: blobIdFromBytes(bytesOf(row["blob_id"])),
  unencodedLength: Number(row["length"]),
  endEpoch: Number(row["end_epoch"]),
  cumBytes: cumFromBytes(bytesOf(row["cum"])),
});

/** A ready list; what `MemoryPopulation` is in memory. */
export class RowPopulation implements StoredPopulation {
  readonly size: number;
  readonly totalBytes: bigint;
  readonly root: Uint8Array;
  readonly #sql: Sql;
  readonly #list: string;

  constructor(sql: Sql, list: string, summary: ListSummary) {
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
    const [entry] = this.leavesByCum([offset]);
    assert(entry !== undefined, `population ${this.#list} has byte ${offset}`);
    return entry;
  }

  leavesByCum(offsets: readonly bigint[]): PopulationEntry[] {
    for (const offset of offsets)
      assert(offset >= 0n && offset < this.totalBytes, `byte ${offset} of ${this.totalBytes}`);
    const leaves: number[] = [];
    for (let from = 0; from < offsets.length; from += LOOK_UP_LEAVES) {
      const wanted = offsets.slice(from, from + LOOK_UP_LEAVES).map((offset) => toHex(cumToBytes(offset)));
      const rows = this.#sql.exec(
        `SELECT (SELECT leaf FROM population_entry WHERE list = ?1 AND cum <= unhex(wanted.value)
                 ORDER BY cum DESC LIMIT 1) AS leaf
         FROM json_each(?2) AS wanted ORDER BY wanted.key`,
        this.#list,
        JSON.stringify(wanted),
      );
      leaves.push(...rows.map((row) => Number(row["leaf"])));
    }
    return this.leavesAt(leaves);
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

  path(index: number): Uint8Array[] {
    const leaves = entriesOfSlice(this.#sql, this.#list, Math.floor(index / SLICE_LEAVES)).map(
      serializeEntry,
    );
    return populationPath(index, this.size, leaves, nodesOfSlices(this.#sql, this.#list));
  }

  has(blobId: BlobId): boolean {
    const wanted = blobIdToBytes(blobId);
    const leaf = lastReached(
      this.size,
      (index) => compareBytes(blobIdToBytes(this.leafAt(index).blobId), wanted) <= 0,
    );
    return leaf >= 0 && this.leafAt(leaf).blobId === blobId;
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
