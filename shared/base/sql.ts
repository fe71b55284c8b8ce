/** SQLite as ledgers, trackers and wallets use it: a Durable Object's storage, or Node's own in tests and on a machine. */

export type SqlValue = string | number | null | ArrayBuffer | Uint8Array;
/** A row by the names of its columns. A BLOB is an ArrayBuffer on the platform, a Uint8Array on Node. */
export type SqlRow = Readonly<Record<string, SqlValue>>;

/**
 * Statements are synchronous. What they write is durable before anything that the caller does later can be seen outside:
 * the platform holds a Durable Object's answers back until then.
 */
export interface Sql {
  exec(query: string, ...parameters: SqlValue[]): SqlRow[];
  /** All or nothing; `work` must not await. A transaction inside another is undone with it, or alone when it throws. */
  transaction<T>(work: () => T): T;
}
