/**
 * A list with a row for each slice of 1,024 entries: what a round draws from beside the permanent blobs. Table
 * `packed_slice`.
 *
 * Such a list is made anew for every round, of all live blobs: with a row for each of them its making would cost more than
 * all else that an auditor does, because a platform that charges for rows takes a thousand times more for writing than for
 * reading. A slice's row holds its entries as they are hashed, and nothing refers to objects, so the list stays what it
 * was however the chain goes on.
 *
 * | column     | is                                                                                   |
 * |------------|--------------------------------------------------------------------------------------|
 * | first_blob | blob ID of the first entry                                                           |
 * | cum        | encoded bytes of all entries before the slice, u128 big-endian                       |
 * | node       | the Merkle node over the slice; NULL while the slice is not full                      |
 * | entries    | the entries one after the other, 61 bytes each (`shared/audit/population.ts`)          |
 *
 * The columns before `entries` are read without it: SQLite keeps what is beyond a page apart.
 */
import {
  ENTRY_BYTES,
  type PopulationEntry,
  parseEntry,
  populationPath,
  SLICE_LEAVES,
  serializeEntry,
  sliceNode,
} from "../../shared/audit/population.ts";
import { compareBytes } from "../../shared/base/bytes.ts";
import { assert } from "../../shared/base/errors.ts";
import type { Sql, SqlRow } from "../../shared/base/sql.ts";
import { BLOB_ID_BYTES, type BlobId, blobIdToBytes } from "../../shared/protocol/ids.ts";
import { bytesOf } from "../ledger/ledger-sql.ts";
import {
  cumFromBytes,
  cumToBytes,
  type ListSummary,
  lastReached,
  type StoredPopulation,
} from "./stored-population.ts";

/** Leaves looked up by one statement: some 60 KB of entries. */
const LOOK_UP_LEAVES = 1_000;
/** A slice of which so many leaves are wanted is read as a whole. */
const READ_WHOLE = 16;
/** Slices deleted at once: some 270 pages of the database. */
const DROPPED_SLICES = 16;

/** Entries that still fit into the slice that a list of this size ends in. */
export const roomInSlice = (size: number): number => SLICE_LEAVES - (size % SLICE_LEAVES);

/**
 * Appends entries to a list's last slice.
 *
 * @param entries at most `roomInSlice` of the list's size, the first of which is its next leaf
 */
export function appendToSlice(sql: Sql, list: string, entries: readonly PopulationEntry[]): void {
  const [first] = entries;
  const last = entries.at(-1);
  if (first === undefined || last === undefined) return;
  const slice = sliceOf(first.index);
  const before = first.index % SLICE_LEAVES;
  const packed = new Uint8Array((before + entries.length) * ENTRY_BYTES);
  if (before > 0) packed.set(entriesOf(sql, list, slice));
  entries.forEach((entry, i) => {
    packed.set(serializeEntry(entry), (before + i) * ENTRY_BYTES);
  });
  const node = before + entries.length === SLICE_LEAVES ? nodeOf(packed, last.index + 1) : null;
  if (before > 0) {
    const set = "UPDATE packed_slice SET entries = ?, node = ? WHERE list = ? AND slice = ?";
    sql.exec(set, packed, node, list, slice);
    return;
  }
  sql.exec(
    "INSERT INTO packed_slice (list, slice, first_blob, cum, node, entries) VALUES (?, ?, ?, ?, ?, ?)",
    list,
    slice,
    blobIdToBytes(first.blobId),
    cumToBytes(first.cumBytes),
    node,
    packed,
  );
}

/** The node over a last slice that is not full; nothing when there is none. @param size entries of the whole list */
export function closeLastSlice(sql: Sql, list: string, size: number): void {
  if (size % SLICE_LEAVES === 0) return;
  const slice = sliceOf(size - 1);
  const node = nodeOf(entriesOf(sql, list, slice), size);
  sql.exec("UPDATE packed_slice SET node = ? WHERE list = ? AND slice = ?", node, list, slice);
}

export const packedNodes = (sql: Sql, list: string): Uint8Array[] =>
  sql
    .exec("SELECT node FROM packed_slice WHERE list = ? ORDER BY slice", list)
    .map((row) => bytesOf(row["node"]));

/** Some slices of the list. @returns false when there are none left */
export function dropPacked(sql: Sql, list: string): boolean {
  const [first] = sql.exec("SELECT MIN(slice) AS slice FROM packed_slice WHERE list = ?", list);
  const slice = first?.["slice"] ?? null;
  if (slice === null) return false;
  const range = "list = ? AND slice >= ? AND slice < ?";
  sql.exec(`DELETE FROM packed_slice WHERE ${range}`, list, slice, Number(slice) + DROPPED_SLICES);
  return true;
}

const sliceOf = (index: number): number => Math.floor(index / SLICE_LEAVES);

function entriesOf(sql: Sql, list: string, slice: number): Uint8Array {
  const [row] = sql.exec("SELECT entries FROM packed_slice WHERE list = ? AND slice = ?", list, slice);
  assert(row !== undefined, `population ${list} has slice ${slice}`);
  return bytesOf(row["entries"]);
}

const entryBytes = (packed: Uint8Array, place: number): Uint8Array =>
  packed.subarray(place * ENTRY_BYTES, (place + 1) * ENTRY_BYTES);

const leavesOf = (packed: Uint8Array): Uint8Array[] =>
  Array.from({ length: packed.length / ENTRY_BYTES }, (_, place) => entryBytes(packed, place));

/** @param size entries up to the slice's last one: only a list that ends in its first slice is less than a node high */
const nodeOf = (packed: Uint8Array, size: number): Uint8Array => sliceNode(leavesOf(packed), size);

/** A ready list; what `MemoryPopulation` is in memory. */
export class PackedPopulation implements StoredPopulation {
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
    const [entry] = this.leavesAt([index]);
    assert(entry !== undefined, `leaf ${index} of ${this.size}`);
    return entry;
  }

  leavesAt(indexes: readonly number[]): PopulationEntry[] {
    for (const index of indexes)
      assert(index >= 0 && index < this.size, `population ${this.#list} has leaf ${index} of ${this.size}`);
    const entries = new Map<number, PopulationEntry>();
    const scattered: number[] = [];
    for (const [slice, wanted] of Map.groupBy(new Set(indexes), sliceOf)) {
      if (wanted.length < READ_WHOLE) scattered.push(...wanted);
      else for (const entry of this.#entriesOf(slice, wanted)) entries.set(entry.index, entry);
    }
    for (const entry of this.#scattered(scattered)) entries.set(entry.index, entry);
    return indexes.map((index) => {
      const entry = entries.get(index);
      assert(entry !== undefined, `population ${this.#list} has the slice of leaf ${index}`);
      return entry;
    });
  }

  /** The statement hands out entries, not slices, and finds those of one slice while it has it at hand. */
  #scattered(indexes: number[]): PopulationEntry[] {
    const entries: PopulationEntry[] = [];
    indexes.sort((a, b) => a - b);
    for (let from = 0; from < indexes.length; from += LOOK_UP_LEAVES) {
      const rows = this.#sql.exec(
        `SELECT wanted.value AS leaf,
                substr(entries, 1 + wanted.value % ${SLICE_LEAVES} * ${ENTRY_BYTES}, ${ENTRY_BYTES}) AS entry
         FROM json_each(?2) AS wanted
         CROSS JOIN packed_slice ON list = ?1 AND slice = wanted.value / ${SLICE_LEAVES}`,
        this.#list,
        JSON.stringify(indexes.slice(from, from + LOOK_UP_LEAVES)),
      );
      entries.push(...rows.map(({ leaf, entry }) => parseEntry(bytesOf(entry), Number(leaf))));
    }
    return entries;
  }

  leafByCum(offset: bigint): PopulationEntry {
    assert(offset >= 0n && offset < this.totalBytes, `byte ${offset} of ${this.totalBytes}`);
    const slice = lastReached(this.#slices, (at) => cumFromBytes(bytesOf(this.#head(at)["cum"])) <= offset);
    const packed = entriesOf(this.#sql, this.#list, slice);
    const entryAt = (place: number): PopulationEntry =>
      parseEntry(entryBytes(packed, place), slice * SLICE_LEAVES + place);
    return entryAt(lastReached(packed.length / ENTRY_BYTES, (at) => entryAt(at).cumBytes <= offset));
  }

  /** One by one: rounds draw by bytes from the permanent list only. */
  leavesByCum(offsets: readonly bigint[]): PopulationEntry[] {
    return offsets.map((offset) => this.leafByCum(offset));
  }

  entries(from: number, count: number): PopulationEntry[] {
    const until = Math.min(from + count, this.size);
    return this.leavesAt(Array.from({ length: Math.max(0, until - from) }, (_, i) => from + i));
  }

  path(index: number): Uint8Array[] {
    const leaves = leavesOf(entriesOf(this.#sql, this.#list, sliceOf(index)));
    return populationPath(index, this.size, leaves, packedNodes(this.#sql, this.#list));
  }

  has(blobId: BlobId): boolean {
    const wanted = blobIdToBytes(blobId);
    const isUpTo = (found: Uint8Array): boolean => compareBytes(found, wanted) <= 0;
    const slice = lastReached(this.#slices, (at) => isUpTo(bytesOf(this.#head(at)["first_blob"])));
    if (slice < 0) return false;
    const packed = entriesOf(this.#sql, this.#list, slice);
    const idAt = (place: number): Uint8Array => entryBytes(packed, place).subarray(0, BLOB_ID_BYTES);
    const place = lastReached(packed.length / ENTRY_BYTES, (at) => isUpTo(idAt(at)));
    return compareBytes(idAt(place), wanted) === 0;
  }

  get #slices(): number {
    return Math.ceil(this.size / SLICE_LEAVES);
  }

  #head(slice: number): SqlRow {
    const [row] = this.#sql.exec(
      "SELECT first_blob, cum FROM packed_slice WHERE list = ? AND slice = ?",
      this.#list,
      slice,
    );
    assert(row !== undefined, `population ${this.#list} has slice ${slice}`);
    return row;
  }

  /** @param wanted leaves of the slice */
  #entriesOf(slice: number, wanted: readonly number[]): PopulationEntry[] {
    const packed = entriesOf(this.#sql, this.#list, slice);
    return wanted.map((leaf) => parseEntry(entryBytes(packed, leaf % SLICE_LEAVES), leaf));
  }
}
