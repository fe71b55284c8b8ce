/**
 * The tracker's SQLite tables and their rows. What each column means, who writes it and which states there are stands
 * in docs/storage-schema.md; rules are in the classes that use these tables.
 *
 * Objects stand as stored JSON (`stored-json.ts`). An object that was only asked about has no tables at all: the first
 * `begin` makes them.
 */
import { toHex } from "../../shared/base/bytes.ts";
import type { Clock, RandomBytes } from "../../shared/base/clock.ts";
import { FloeError } from "../../shared/base/errors.ts";
import type { Sql, SqlRow, SqlValue } from "../../shared/base/sql.ts";
import type { Certificate } from "../../shared/protocol/certificate.ts";
import type { BlobId } from "../../shared/protocol/ids.ts";
import type { PortableError } from "../../shared/sui/wallet/portable-error.ts";
import type { CertifiedBlob, RegisteredBlob } from "../../shared/sui/wallet/submissions.ts";
import { fromStoredJson, toStoredJson } from "../base/stored-json.ts";
import type { AlreadyCertified, IntentRequest, IntentState, IntentView } from "./port.ts";
import type { TailState } from "./status-view.ts";

export type TrackerErrorCode =
  | "UNKNOWN_INTENT"
  | "WRONG_STATE"
  | "OTHER_REGISTRATION"
  | "TOO_MANY_INTENTS"
  | "UNKNOWN_STAGING"
  | "STAGING_INCOMPLETE"
  | "UNKNOWN_SCHEMA";
/** A caller's order does not fit what this tracker knows. */
export class TrackerError extends FloeError<TrackerErrorCode> {}

/** When an intent reached each step, ms since 1970. */
export type Steps = Partial<
  Record<"begun" | "staged" | "registered" | "confirmed" | "certified" | "dropped" | "abandoned", number>
>;

export interface IntentRow extends IntentView {
  readonly certificate: Certificate | null;
  readonly certificateEpoch: number | null;
  /** What a dropped intent is answered with, if anything. */
  readonly answer: AlreadyCertified | null;
  readonly workerId: string | null;
  readonly turnUntilMs: number;
  readonly attempt: number;
  /** The last attempt that failed with `failure`; 0 = none. */
  readonly failedAttempt: number;
  readonly failure: PortableError | null;
  readonly retryAtMs: number;
  readonly giveUpAtMs: number;
  readonly weight: number;
  readonly steps: Steps;
}

export interface BlobRow {
  readonly blobId: BlobId;
  readonly unencodedLength: number;
  readonly nShards: number;
  readonly tail: TailState;
  readonly tailUntilMs: number;
  readonly tailRetryAtMs: number;
  readonly tailAttempt: number;
  /** When the last intent ended. */
  readonly quietSinceMs: number;
}

/** Columns of `intent` that change after `begin`. */
export interface IntentChange {
  readonly state?: IntentState;
  readonly registered?: RegisteredBlob;
  readonly certificate?: Certificate | null;
  readonly certificateEpoch?: number | null;
  readonly certified?: CertifiedBlob;
  readonly answer?: AlreadyCertified;
  readonly workerId?: string | null;
  readonly turnUntilMs?: number;
  readonly attempt?: number;
  readonly failedAttempt?: number;
  readonly failure?: PortableError | null;
  readonly retryAtMs?: number;
  readonly giveUpAtMs?: number;
  readonly weight?: number;
  readonly steps?: Steps;
}

export type BlobChange = Partial<Omit<BlobRow, "blobId" | "unencodedLength" | "nShards">>;

const INTENT_COLUMNS: Record<keyof IntentChange, { readonly name: string; readonly isJson?: true }> = {
  state: { name: "state" },
  registered: { name: "registered", isJson: true },
  certificate: { name: "certificate", isJson: true },
  certificateEpoch: { name: "certificate_epoch" },
  certified: { name: "certified", isJson: true },
  answer: { name: "answer", isJson: true },
  workerId: { name: "worker_id" },
  turnUntilMs: { name: "leased_until_ms" },
  attempt: { name: "attempt" },
  failedAttempt: { name: "failed_attempt" },
  failure: { name: "failure", isJson: true },
  retryAtMs: { name: "retry_at_ms" },
  giveUpAtMs: { name: "give_up_at_ms" },
  weight: { name: "weight" },
  steps: { name: "steps", isJson: true },
};

const BLOB_COLUMNS: Record<keyof BlobChange, string> = {
  tail: "tail",
  tailUntilMs: "tail_until_ms",
  tailRetryAtMs: "tail_retry_at_ms",
  tailAttempt: "tail_attempt",
  quietSinceMs: "quiet_since_ms",
};

export class TrackerTables {
  readonly sql: Sql;
  readonly clock: Clock;
  readonly #randomBytes: RandomBytes;
  #isEmpty: boolean;

  /** Brings existing tables up to date; makes none. @throws TrackerError `UNKNOWN_SCHEMA` of a newer version */
  constructor(sql: Sql, clock: Clock, randomBytes: RandomBytes) {
    this.sql = sql;
    this.clock = clock;
    this.#randomBytes = randomBytes;
    const [schema] = sql.exec("SELECT name FROM sqlite_master WHERE type = 'table' AND name = 'schema'");
    this.#isEmpty = schema === undefined;
    if (!this.#isEmpty) sql.transaction(() => this.#migrate());
  }

  /** Nothing was ever begun here, or everything was forgotten. */
  get isEmpty(): boolean {
    return this.#isEmpty;
  }

  /** Must be called inside a transaction; when that fails, `recheck` must be called. */
  create(request: IntentRequest): void {
    if (this.#isEmpty) {
      this.sql.exec("CREATE TABLE IF NOT EXISTS schema (version INTEGER NOT NULL)");
      this.sql.exec("INSERT INTO schema (version) VALUES (0)");
      this.#migrate();
      this.#isEmpty = false;
    }
    this.sql.exec(
      "INSERT OR IGNORE INTO blob (one, blob_id, unencoded_length, n_shards) VALUES (1, ?, ?, ?)",
      request.blobId,
      request.unencodedLength,
      request.nShards,
    );
  }

  /** Looks again whether there are tables: after a failed transaction, or when the storage was wiped. */
  recheck(): void {
    const [schema] = this.sql.exec("SELECT name FROM sqlite_master WHERE type = 'table' AND name = 'schema'");
    this.#isEmpty = schema === undefined;
  }

  newId(): string {
    return toHex(this.#randomBytes(16));
  }

  #migrate(): void {
    const [row] = this.sql.exec("SELECT version FROM schema");
    const version = Number(row?.["version"]);
    if (version > MIGRATIONS.length || !Number.isInteger(version)) {
      throw new TrackerError(
        "UNKNOWN_SCHEMA",
        `schema version ${version}, this code knows ${MIGRATIONS.length}`,
        { details: { version, known: MIGRATIONS.length } },
      );
    }
    if (version === MIGRATIONS.length) return;
    for (const statement of MIGRATIONS.slice(version).flat()) this.sql.exec(statement);
    this.sql.exec("UPDATE schema SET version = ?", MIGRATIONS.length);
  }

  blob(): BlobRow | undefined {
    if (this.#isEmpty) return undefined;
    const [row] = this.sql.exec("SELECT * FROM blob");
    if (row === undefined) return undefined;
    // The casts restore what these classes wrote themselves; nothing else writes these tables.
    return {
      blobId: String(row["blob_id"]) as BlobId,
      unencodedLength: Number(row["unencoded_length"]),
      nShards: Number(row["n_shards"]),
      tail: String(row["tail"]) as TailState,
      tailUntilMs: Number(row["tail_until_ms"]),
      tailRetryAtMs: Number(row["tail_retry_at_ms"]),
      tailAttempt: Number(row["tail_attempt"]),
      quietSinceMs: Number(row["quiet_since_ms"]),
    };
  }

  changeBlob(change: BlobChange): void {
    for (const [key, value] of Object.entries(change)) {
      this.sql.exec(`UPDATE blob SET ${BLOB_COLUMNS[key as keyof BlobChange]} = ?`, value);
    }
  }

  insertIntent(id: string, key: string, request: IntentRequest, giveUpAtMs: number): void {
    const nowMs = this.clock.nowMs();
    this.sql.exec(
      "INSERT INTO intent (id, key, state, request, begun_at_ms, give_up_at_ms, steps) VALUES (?, ?, 'begun', ?, ?, ?, ?)",
      id,
      key,
      toStoredJson(request),
      nowMs,
      giveUpAtMs,
      toStoredJson({ begun: nowMs } satisfies Steps),
    );
  }

  /** @throws TrackerError `UNKNOWN_INTENT` */
  intent(intentId: string): IntentRow {
    const row = this.#isEmpty ? undefined : this.sql.exec("SELECT * FROM intent WHERE id = ?", intentId)[0];
    if (row === undefined) throw new TrackerError("UNKNOWN_INTENT", `no intent ${intentId}`);
    return intentOf(row);
  }

  /** Oldest first. @param where SQL without outside text */
  intents(where = "1", ...parameters: SqlValue[]): IntentRow[] {
    if (this.#isEmpty) return [];
    return this.sql
      .exec(`SELECT * FROM intent WHERE ${where} ORDER BY begun_at_ms, rowid`, ...parameters)
      .map(intentOf);
  }

  changeIntent(intentId: string, change: IntentChange): void {
    const names: string[] = [];
    const values: SqlValue[] = [];
    for (const [key, value] of Object.entries(change) as [keyof IntentChange, unknown][]) {
      const column = INTENT_COLUMNS[key];
      names.push(`${column.name} = ?`);
      // Columns that are not JSON hold texts and numbers.
      values.push(column.isJson && value !== null ? toStoredJson(value) : (value as SqlValue));
    }
    this.sql.exec(`UPDATE intent SET ${names.join(", ")} WHERE id = ?`, ...values, intentId);
  }
}

function intentOf(row: SqlRow): IntentRow {
  const json = <T>(column: string): T | null => {
    const text = row[column];
    return typeof text === "string" ? fromStoredJson<T>(text) : null;
  };
  const epoch = row["certificate_epoch"];
  const worker = row["worker_id"];
  return {
    intentId: String(row["id"]),
    state: String(row["state"]) as IntentState,
    request: fromStoredJson<IntentRequest>(String(row["request"])),
    registered: json<RegisteredBlob>("registered"),
    certificate: json<Certificate>("certificate"),
    certificateEpoch: typeof epoch === "number" ? epoch : null,
    certified: json<CertifiedBlob>("certified"),
    answer: json<AlreadyCertified>("answer"),
    workerId: typeof worker === "string" ? worker : null,
    turnUntilMs: Number(row["leased_until_ms"]),
    attempt: Number(row["attempt"]),
    failedAttempt: Number(row["failed_attempt"]),
    failure: json<PortableError>("failure"),
    retryAtMs: Number(row["retry_at_ms"]),
    giveUpAtMs: Number(row["give_up_at_ms"]),
    weight: Number(row["weight"]),
    steps: json<Steps>("steps") ?? {},
  };
}

/** Statements that lead from version i to version i + 1. */
const MIGRATIONS: readonly (readonly string[])[] = [
  [],
  [
    // Version 1 kept no copy of the blob, so its unfinished uploads could only be begun anew.
    "DROP TABLE IF EXISTS intent",
    "DROP TABLE IF EXISTS confirmation",
    "DROP TABLE IF EXISTS shard",
    "DROP TABLE IF EXISTS fault",
    `CREATE TABLE blob (
      one INTEGER PRIMARY KEY CHECK (one = 1), blob_id TEXT NOT NULL, unencoded_length INTEGER NOT NULL,
      n_shards INTEGER NOT NULL, tail TEXT NOT NULL DEFAULT 'none', tail_until_ms INTEGER NOT NULL DEFAULT 0,
      tail_retry_at_ms INTEGER NOT NULL DEFAULT 0, tail_attempt INTEGER NOT NULL DEFAULT 0,
      quiet_since_ms INTEGER NOT NULL DEFAULT 0)`,
    `CREATE TABLE intent (
      id TEXT PRIMARY KEY, key TEXT NOT NULL, state TEXT NOT NULL, request TEXT NOT NULL, registered TEXT,
      certificate TEXT, certificate_epoch INTEGER, certified TEXT, answer TEXT, begun_at_ms INTEGER NOT NULL,
      worker_id TEXT, leased_until_ms INTEGER NOT NULL DEFAULT 0, attempt INTEGER NOT NULL DEFAULT 0,
      failed_attempt INTEGER NOT NULL DEFAULT 0, failure TEXT, retry_at_ms INTEGER NOT NULL DEFAULT 0,
      give_up_at_ms INTEGER NOT NULL, weight INTEGER NOT NULL DEFAULT 0, steps TEXT NOT NULL)`,
    "CREATE INDEX intent_by_key ON intent (key, state)",
    `CREATE TABLE confirmation (
      scope TEXT NOT NULL, epoch INTEGER NOT NULL, node_id TEXT NOT NULL, message TEXT NOT NULL,
      signature TEXT NOT NULL, PRIMARY KEY (scope, epoch, node_id))`,
    `CREATE TABLE shard (
      shard INTEGER NOT NULL, axis TEXT NOT NULL, node_id TEXT NOT NULL, stored_at_ms INTEGER NOT NULL,
      PRIMARY KEY (shard, axis))`,
    `CREATE TABLE fault (
      id INTEGER PRIMARY KEY AUTOINCREMENT, node_id TEXT NOT NULL, code TEXT NOT NULL, route TEXT NOT NULL,
      at_ms INTEGER NOT NULL)`,
    "CREATE TABLE staging (id TEXT PRIMARY KEY, store TEXT NOT NULL, state TEXT NOT NULL, at_ms INTEGER NOT NULL)",
    `CREATE TABLE staged_piece (
      staging_id TEXT NOT NULL, at INTEGER NOT NULL, bytes BLOB NOT NULL, PRIMARY KEY (staging_id, at))`,
    `CREATE TABLE event (
      id INTEGER PRIMARY KEY AUTOINCREMENT, at_ms INTEGER NOT NULL, intent_id TEXT, name TEXT NOT NULL,
      data TEXT NOT NULL)`,
  ],
];
