/**
 * Copies of the blob that outlive the request: made before anything is paid, given up when nothing is left to do.
 *
 * | state   | meaning                                                            | next                              |
 * |---------|--------------------------------------------------------------------|-----------------------------------|
 * | writing | a worker sends its pieces                                          | held, or garbage when it is not needed any more |
 * | held    | complete: its bytes add up to the blob's length; at most one is    | garbage when released or found wrong |
 * | garbage | its pieces are gone; an object in the bucket is still to be deleted | row deleted                      |
 *
 * A staging ID names one attempt to make a copy, so that two workers never write into the same one and a late deletion
 * never hits a newer copy. The worker that encodes the bytes checks them: they must give the blob ID.
 */

import type { SqlRow } from "../../shared/base/sql.ts";
import type { TrackerEvents } from "./events.ts";
import { TRACKER_LIMITS } from "./limits.ts";
import type { StagedCopy, StagingStore } from "./port.ts";
import { TrackerError, type TrackerTables } from "./tables.ts";

export class TrackerStaging {
  readonly #tables: TrackerTables;
  readonly #events: TrackerEvents;

  constructor(tables: TrackerTables, events: TrackerEvents) {
    this.#tables = tables;
    this.#events = events;
  }

  get isHeld(): boolean {
    return this.#held() !== undefined;
  }

  open(store: StagingStore): string | undefined {
    if (this.isHeld) return undefined;
    const { sql, clock } = this.#tables;
    const writing = sql.exec("SELECT id FROM staging WHERE state = 'writing' ORDER BY at_ms, rowid");
    for (const row of writing.slice(0, Math.max(0, writing.length + 1 - TRACKER_LIMITS.stagingsPerBlob))) {
      this.#giveUp(String(row["id"]));
    }
    const id = this.#tables.newId();
    sql.exec(
      "INSERT INTO staging (id, store, state, at_ms) VALUES (?, ?, 'writing', ?)",
      id,
      store,
      clock.nowMs(),
    );
    return id;
  }

  put(stagingId: string, at: number, bytes: Uint8Array): boolean {
    if (this.#stateOf(stagingId) !== "writing") return false;
    const length = this.#tables.blob()?.unencodedLength ?? 0;
    const expected = Math.min(TRACKER_LIMITS.stagedPieceBytes, length - at);
    if (at < 0 || at % TRACKER_LIMITS.stagedPieceBytes !== 0 || bytes.length !== expected) {
      throw new TrackerError("STAGING_INCOMPLETE", `${bytes.length} bytes at ${at} of ${length}`, {
        details: { at, bytes: bytes.length, length },
      });
    }
    this.#tables.sql.exec(
      "INSERT OR REPLACE INTO staged_piece (staging_id, at, bytes) VALUES (?, ?, ?)",
      stagingId,
      at,
      bytes,
    );
    return true;
  }

  hold(stagingId: string): void {
    const state = this.#stateOf(stagingId);
    if (state === "held") return;
    const { sql } = this.#tables;
    const other = this.#held();
    if (other !== undefined || state !== "writing") {
      if (state !== undefined) this.#giveUp(stagingId);
      // Another worker's copy serves as well; without one this worker has to make another.
      if (other !== undefined) return;
      throw new TrackerError("UNKNOWN_STAGING", `staging ${stagingId} was given up`, { retryable: true });
    }
    const copy = this.#copy(stagingId);
    const [sum] = sql.exec(
      "SELECT COALESCE(SUM(LENGTH(bytes)), 0) AS bytes FROM staged_piece WHERE staging_id = ?",
      stagingId,
    );
    const have = Number(sum?.["bytes"] ?? 0);
    if (copy.store === "sqlite" && have !== copy.bytes) {
      throw new TrackerError("STAGING_INCOMPLETE", `${have} of ${copy.bytes} bytes are staged`, {
        retryable: true,
        details: { have, need: copy.bytes },
      });
    }
    sql.exec(
      "UPDATE staging SET state = 'held', at_ms = ? WHERE id = ?",
      this.#tables.clock.nowMs(),
      stagingId,
    );
    this.#events.add("staged", null, { store: copy.store, bytes: copy.bytes });
  }

  /** The copy that is held, and since when. */
  held(): (StagedCopy & { readonly atMs: number }) | null {
    const row = this.#held();
    return row === undefined ? null : { ...this.#copy(String(row["id"])), atMs: Number(row["at_ms"]) };
  }

  piece(stagingId: string, at: number): Uint8Array {
    const [row] = this.#tables.sql.exec(
      "SELECT bytes FROM staged_piece WHERE staging_id = ? AND at = ?",
      stagingId,
      at,
    );
    const bytes = row?.["bytes"];
    // SQLite hands a BLOB out as an ArrayBuffer in a Durable Object, as a Uint8Array in Node.
    if (bytes instanceof ArrayBuffer) return new Uint8Array(bytes);
    if (bytes instanceof Uint8Array) return bytes;
    throw new TrackerError("UNKNOWN_STAGING", `no piece at ${at} of staging ${stagingId}`, {
      details: { stagingId, at },
    });
  }

  discard(stagingId: string): void {
    if (this.#stateOf(stagingId) !== undefined) this.#giveUp(stagingId);
  }

  /** Gives up every copy. @returns false when there was none held */
  release(): boolean {
    const wasHeld = this.isHeld;
    const rows = this.#tables.sql.exec("SELECT id FROM staging WHERE state <> 'garbage'");
    for (const row of rows) this.#giveUp(String(row["id"]));
    if (wasHeld) this.#events.add("released", null);
    return wasHeld;
  }

  /** Objects in the bucket that are not needed any more, at most `count`. */
  garbage(count: number): string[] {
    return this.#tables.sql
      .exec("SELECT id FROM staging WHERE state = 'garbage' LIMIT ?", count)
      .map((row) => String(row["id"]));
  }

  forgetGarbage(stagingIds: readonly string[]): void {
    for (const id of stagingIds) {
      this.#tables.sql.exec("DELETE FROM staging WHERE id = ? AND state = 'garbage'", id);
    }
  }

  #giveUp(stagingId: string): void {
    const { sql } = this.#tables;
    sql.exec("DELETE FROM staged_piece WHERE staging_id = ?", stagingId);
    sql.exec("DELETE FROM staging WHERE id = ? AND store = 'sqlite'", stagingId);
    sql.exec("UPDATE staging SET state = 'garbage' WHERE id = ?", stagingId);
  }

  #held(): SqlRow | undefined {
    return this.#tables.sql.exec("SELECT id, at_ms FROM staging WHERE state = 'held'")[0];
  }

  #stateOf(stagingId: string): string | undefined {
    const [row] = this.#tables.sql.exec("SELECT state FROM staging WHERE id = ?", stagingId);
    return row === undefined ? undefined : String(row["state"]);
  }

  #copy(stagingId: string): StagedCopy {
    const [row] = this.#tables.sql.exec("SELECT store FROM staging WHERE id = ?", stagingId);
    const blob = this.#tables.blob();
    if (row === undefined || blob === undefined) {
      throw new TrackerError("UNKNOWN_STAGING", `no staging ${stagingId}`);
    }
    return {
      stagingId,
      // Only `open` writes this column.
      store: String(row["store"]) as StagingStore,
      bytes: blob.unencodedLength,
      nShards: blob.nShards,
    };
  }
}
