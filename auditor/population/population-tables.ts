/**
 * Population lists in SQLite: what `MemoryPopulation` holds in memory. Table `population` has a row for each list.
 *
 * A list is built in steps, each one transaction, so that any number of blobs fits between two alarms. While a list is
 * being built the objects must not change: the reading of the chain waits for it, and a list remembers how far the chain
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
import type { Stratum } from "../../shared/audit/population-events.ts";
import { fromHex, toHex } from "../../shared/base/bytes.ts";
import { assert } from "../../shared/base/errors.ts";
import type { Sql, SqlRow } from "../../shared/base/sql.ts";
import { encodedLength } from "../../shared/protocol/sizes.ts";
import { bytesOf } from "../ledger/ledger-sql.ts";
import { ledgerPlace } from "../ledger/meta.ts";
import {
  appendToSlice,
  closeLastSlice,
  dropPacked,
  PackedPopulation,
  packedNodes,
  roomInSlice,
} from "./packed-population.ts";
import {
  countSlices,
  dropEntries,
  dropSlices,
  hashSlice,
  insertEntry,
  nodesOfSlices,
  RowPopulation,
} from "./row-population.ts";
import type { ListSummary, StoredPopulation } from "./stored-population.ts";
import { blobsOfStratum, type StretchLimits } from "./stratum-blobs.ts";

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
      dropSlices(this.#sql, list);
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
    const slice = countSlices(this.#sql, list);
    if (slice < sliceCount(size)) {
      hashSlice(this.#sql, list, slice, size);
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
