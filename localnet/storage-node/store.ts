/**
 * What one storage node keeps, in one SQLite database: nothing is shared with other nodes.
 *
 * | table    | one row per            | holds                                                                |
 * |----------|------------------------|----------------------------------------------------------------------|
 * | node     | key                    | event cursor, last seen committee, counters                          |
 * | metadata | blob                   | serialised BlobMetadata, verified before it was stored               |
 * | slivers  | blob, shard, axis      | serialised SliverData, verified; NULL bytes = accepted, since lost   |
 * | objects  | registered Blob object | what the chain said of it (see `blob-registry.ts`)                   |
 * | blobs    | blob                   | initial certified epoch, invalidation (see `blob-registry.ts`)       |
 *
 * Contract: every method is synchronous and durable when it returns (WAL journal, fsync at each commit), except
 * inside `transaction`, which is durable as a whole when it returns, or rolled back when its body throws. All
 * writes may be repeated. The database is locked from opening to closing.
 */
import { DatabaseSync, type SQLInputValue } from "node:sqlite";
import { assert, FloeError } from "../../shared/base/errors.ts";
import { AXES, type Axis, type BlobId, type ShardIndex } from "../../shared/protocol/ids.ts";

const SCHEMA_VERSION = 1;

const SCHEMA = `
  CREATE TABLE node (key TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT;
  CREATE TABLE metadata (blob_id TEXT PRIMARY KEY, bytes BLOB NOT NULL) STRICT;
  CREATE TABLE slivers (
    blob_id TEXT NOT NULL, shard INTEGER NOT NULL, axis INTEGER NOT NULL, bytes BLOB,
    UNIQUE (blob_id, shard, axis)
  ) STRICT;
  CREATE TABLE objects (
    object_id TEXT PRIMARY KEY, blob_id TEXT NOT NULL, deletable INTEGER NOT NULL, end_epoch INTEGER NOT NULL,
    registered_order INTEGER NOT NULL, registered_tx TEXT NOT NULL, registered_seq TEXT NOT NULL,
    certified_order INTEGER, certified_tx TEXT, certified_seq TEXT
  ) STRICT;
  CREATE INDEX objects_by_blob ON objects (blob_id);
  CREATE TABLE blobs (
    blob_id TEXT PRIMARY KEY, initial_certified_epoch INTEGER, invalid_tx TEXT, invalid_seq TEXT
  ) STRICT;
`;

const SQLITE_BUSY = 5;

export class StoreError extends FloeError<"UNSUPPORTED_SCHEMA" | "STORE_IN_USE"> {}

export interface SliverKey {
  readonly blobId: BlobId;
  readonly shard: ShardIndex;
  readonly axis: Axis;
}

export type Row = Readonly<Record<string, SQLInputValue>>;

const axisNumber = (axis: Axis): number => AXES.indexOf(axis);

export class NodeStore {
  readonly #database: DatabaseSync;
  readonly #statements = new Map<string, ReturnType<DatabaseSync["prepare"]>>();
  #inTransaction = false;

  /** @param path a file, created when missing, or `:memory:` */
  constructor(path: string) {
    this.#database = new DatabaseSync(path);
    try {
      this.#database.exec(`PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
        BEGIN IMMEDIATE; COMMIT;`);
    } catch (cause) {
      this.#database.close();
      if (!(cause instanceof Error && "errcode" in cause && cause.errcode === SQLITE_BUSY)) throw cause;
      throw new StoreError("STORE_IN_USE", `${path}: another process has it open`, { cause });
    }
    const version = this.#database.prepare("PRAGMA user_version").get()?.["user_version"];
    if (version === SCHEMA_VERSION) return;
    if (version !== 0) {
      this.#database.close();
      throw new StoreError(
        "UNSUPPORTED_SCHEMA",
        `${path}: schema ${version}, this program knows ${SCHEMA_VERSION}`,
      );
    }
    this.transaction(() => this.#database.exec(`${SCHEMA} PRAGMA user_version = ${SCHEMA_VERSION};`));
  }

  /** Runs a prepared statement; parameters by position. */
  run(sql: string, ...parameters: SQLInputValue[]): number {
    return Number(this.#prepare(sql).run(...parameters).changes);
  }
  first(sql: string, ...parameters: SQLInputValue[]): Row | undefined {
    return this.#prepare(sql).get(...parameters) as Row | undefined;
  }
  all(sql: string, ...parameters: SQLInputValue[]): Row[] {
    return this.#prepare(sql).all(...parameters) as Row[];
  }

  /** All or nothing. `body` must be synchronous; transactions do not nest. */
  transaction<T>(body: () => T): T {
    assert(!this.#inTransaction, "store transactions do not nest");
    this.#inTransaction = true;
    this.#database.exec("BEGIN IMMEDIATE");
    try {
      const result = body();
      this.#database.exec("COMMIT");
      return result;
    } catch (error) {
      this.#database.exec("ROLLBACK");
      throw error;
    } finally {
      this.#inTransaction = false;
    }
  }

  nodeValue(key: string): Uint8Array | undefined {
    return this.first("SELECT value FROM node WHERE key = ?", key)?.["value"] as Uint8Array | undefined;
  }
  setNodeValue(key: string, value: Uint8Array): void {
    this.run(
      "INSERT INTO node VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
      key,
      value,
    );
  }

  hasMetadata(blobId: BlobId): boolean {
    return this.first("SELECT 1 FROM metadata WHERE blob_id = ?", blobId) !== undefined;
  }
  metadata(blobId: BlobId): Uint8Array | undefined {
    const row = this.first("SELECT bytes FROM metadata WHERE blob_id = ?", blobId);
    return row?.["bytes"] as Uint8Array | undefined;
  }
  putMetadata(blobId: BlobId, bytes: Uint8Array): void {
    this.run("INSERT INTO metadata VALUES (?, ?) ON CONFLICT DO NOTHING", blobId, bytes);
  }

  /** Whether the bytes are here now. */
  hasSliver({ blobId, shard, axis }: SliverKey): boolean {
    const sql = "SELECT 1 FROM slivers WHERE blob_id = ? AND shard = ? AND axis = ? AND bytes IS NOT NULL";
    return this.first(sql, blobId, shard, axisNumber(axis)) !== undefined;
  }
  sliver({ blobId, shard, axis }: SliverKey): Uint8Array | undefined {
    const sql = "SELECT bytes FROM slivers WHERE blob_id = ? AND shard = ? AND axis = ?";
    return (this.first(sql, blobId, shard, axisNumber(axis))?.["bytes"] ?? undefined) as
      | Uint8Array
      | undefined;
  }
  putSliver({ blobId, shard, axis }: SliverKey, bytes: Uint8Array): void {
    this.run(
      `INSERT INTO slivers VALUES (?, ?, ?, ?)
       ON CONFLICT (blob_id, shard, axis) DO UPDATE SET bytes = excluded.bytes WHERE bytes IS NULL`,
      blobId,
      shard,
      axisNumber(axis),
      bytes,
    );
  }

  /**
   * Whether the node once stored both slivers of every one of these shards. Like an official node it looks at its
   * records and does not read the bytes, so slivers lost afterwards still count.
   */
  acceptedAllSlivers(blobId: BlobId, shards: Iterable<ShardIndex>): boolean {
    const rows = this.all("SELECT shard, axis FROM slivers WHERE blob_id = ?", blobId);
    const accepted = new Set(rows.map((row) => `${row["shard"]}/${row["axis"]}`));
    for (const shard of shards) {
      for (const axis of AXES) if (!accepted.has(`${shard}/${axisNumber(axis)}`)) return false;
    }
    return true;
  }

  /** Every sliver of a blob whose bytes are here, by shard, primary first. */
  slivers(blobId: BlobId): { shard: ShardIndex; axis: Axis; bytes: Uint8Array }[] {
    const sql =
      "SELECT shard, axis, bytes FROM slivers WHERE blob_id = ? AND bytes IS NOT NULL ORDER BY shard, axis";
    return this.all(sql, blobId).map((row) => ({
      // The columns hold what `putSliver` wrote: a shard, an axis number and bytes.
      shard: row["shard"] as ShardIndex,
      axis: row["axis"] === 0 ? "primary" : "secondary",
      bytes: row["bytes"] as Uint8Array,
    }));
  }

  /** Keys of all slivers whose bytes are here, in a fixed order. */
  sliverKeys(): SliverKey[] {
    const sql =
      "SELECT blob_id, shard, axis FROM slivers WHERE bytes IS NOT NULL ORDER BY blob_id, shard, axis";
    return this.all(sql).map((row) => ({
      blobId: row["blob_id"] as BlobId,
      shard: row["shard"] as ShardIndex,
      axis: row["axis"] === 0 ? "primary" : "secondary",
    }));
  }

  /** Loses the bytes and keeps the record, as a failing disk would. @returns slivers lost */
  loseSlivers(keys: readonly SliverKey[]): number {
    return this.transaction(() => {
      let lost = 0;
      for (const { blobId, shard, axis } of keys) {
        lost += this.run(
          "UPDATE slivers SET bytes = NULL WHERE blob_id = ? AND shard = ? AND axis = ? AND bytes IS NOT NULL",
          blobId,
          shard,
          axisNumber(axis),
        );
      }
      return lost;
    });
  }

  /** Removes metadata and slivers of a blob for good; call it inside a transaction. */
  deleteData(blobId: BlobId): void {
    this.run("DELETE FROM slivers WHERE blob_id = ?", blobId);
    this.run("DELETE FROM metadata WHERE blob_id = ?", blobId);
  }

  close(): void {
    this.#statements.clear();
    this.#database.close();
  }

  #prepare(sql: string): ReturnType<DatabaseSync["prepare"]> {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#database.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }
}
