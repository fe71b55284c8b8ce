/**
 * Keeps the ledger across restarts: every checkpoint's commit, in order, in one SQLite file.
 *
 * | table   | column   | holds                                                                    |
 * |---------|----------|--------------------------------------------------------------------------|
 * | meta    | key      | `format`, `chain`                                                        |
 * |         | value    | text                                                                     |
 * | commits | sequence | checkpoint number, from 0 without gaps                                   |
 * |         | body     | the commit as V8 structured-clone bytes (bigints and byte arrays kept)   |
 *
 * A commit is on disk when `append` returns (write-ahead log, synced at every commit), so an answered transaction
 * survives the death of the process. Opening the file of another network is an error, not a reset.
 */
import { DatabaseSync } from "node:sqlite";
import { deserialize, serialize } from "node:v8";
import { FloeError } from "../../../shared/base/errors.ts";
import type { Commit } from "./state.ts";

/** Of the commits and of what our own packages wrote into them: claims of format 1 name no registry. */
const FORMAT = "2";

export type LedgerLogErrorCode = "LEDGER_OF_ANOTHER_NETWORK" | "LEDGER_FORMAT";
export class LedgerLogError extends FloeError<LedgerLogErrorCode> {}

export interface LedgerLog {
  /** Commits written earlier, in order. */
  replay(): Iterable<Commit>;
  /** Durable when it returns; called once per checkpoint. */
  append(commit: Commit): void;
  close(): void;
}

/** @throws LedgerLogError when the file belongs to another network or has another format */
export function openLedgerLog(file: string, chainId: string): LedgerLog {
  const database = new DatabaseSync(file);
  database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;");
  database.exec(`
    CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
    CREATE TABLE IF NOT EXISTS commits (sequence INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT;
  `);
  try {
    checkMeta(database, "format", FORMAT, "LEDGER_FORMAT");
    checkMeta(database, "chain", chainId, "LEDGER_OF_ANOTHER_NETWORK");
  } catch (error) {
    database.close();
    throw error;
  }
  const insert = database.prepare("INSERT INTO commits (sequence, body) VALUES (?, ?)");
  let isOpen = true;
  return {
    *replay() {
      for (const row of database.prepare("SELECT body FROM commits ORDER BY sequence").iterate()) {
        const body = row["body"];
        // Only `append` writes this column, and its format was checked above.
        if (body instanceof Uint8Array) yield deserialize(body) as Commit;
      }
    },
    append(commit) {
      insert.run(commit.checkpoint.sequenceNumber, serialize(commit));
    },
    close() {
      if (isOpen) database.close();
      isOpen = false;
    },
  };
}

function checkMeta(database: DatabaseSync, key: string, expected: string, code: LedgerLogErrorCode): void {
  database.prepare("INSERT OR IGNORE INTO meta (key, value) VALUES (?, ?)").run(key, expected);
  const found = database.prepare("SELECT value FROM meta WHERE key = ?").get(key)?.["value"];
  if (found === expected) return;
  throw new LedgerLogError(code, `the ledger file has ${key} ${String(found)}, this network ${expected}`, {
    details: { expected, found: String(found) },
  });
}
