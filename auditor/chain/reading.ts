/**
 * How far the chain has been read, for readers of the page and the CLI who wait for a first round: its history takes
 * hours. `meta.reading_trouble` is why the last step of a reading failed.
 */
import type { FloeError } from "../../shared/base/errors.ts";
import type { Sql } from "../../shared/base/sql.ts";
import { SuiError } from "../../shared/sui/client/sui-error.ts";
import { dropMeta, readMeta, writeMeta } from "../ledger/meta.ts";
import type { Rounds } from "../ledger/rounds.ts";
import { placeIn } from "./chain-follower.ts";
import { earliestEventBlob, firstEventBlob } from "./event-blob-table.ts";

export interface ReadingTrouble {
  readonly code: string;
  readonly message: string;
  readonly atMs: number;
}

export interface Reading {
  /** Everything before this checkpoint is applied. */
  readonly checkpoint: number;
  /** What the round under way needs: everything before this one. */
  readonly target: number;
  /** On the way back through the event blobs: the oldest checkpoint come to; what is needed is before it. */
  readonly backTo: number | null;
  readonly trouble: ReadingTrouble | null;
}

/** @returns null when no round waits for the chain to be read */
export function readingOf(sql: Sql, rounds: Rounds): Reading | null {
  const round = rounds.active();
  if (round?.state !== "following" || round.seedCheckpoint === null) return null;
  const checkpoint = placeIn(sql)?.checkpoint ?? 0;
  const first = earliestEventBlob(sql)?.range.first ?? 0;
  const text = readMeta(sql, "reading_trouble");
  return {
    checkpoint,
    target: round.seedCheckpoint,
    backTo: first > checkpoint && firstEventBlob(sql) === undefined ? first : null,
    // Only `noteTrouble` writes it.
    trouble: text === undefined ? null : (JSON.parse(text) as ReadingTrouble),
  };
}

export function noteTrouble(sql: Sql, error: FloeError, atMs: number): void {
  // An endpoint's own words are for the log, not for clients.
  const message = error instanceof SuiError ? "the chain cannot be read now" : error.message;
  writeMeta(sql, "reading_trouble", JSON.stringify({ code: error.code, message, atMs }));
}

export function forgetTrouble(sql: Sql): void {
  dropMeta(sql, "reading_trouble");
}
