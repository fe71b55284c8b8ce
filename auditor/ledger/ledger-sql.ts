/**
 * The ledger's SQLite tables. One Durable Object writes them; rounds and their records are never changed once done.
 *
 * | table            | one row is                                                                               |
 * |------------------|------------------------------------------------------------------------------------------|
 * | meta             | `schema_version`; whose chain it is; how far that was read, claims followed, rounds pruned |
 * | object           | a live Blob object as the events describe it; blob IDs are bytes, so that they sort      |
 * | pool, excluded   | a storage pool's end; a blob ID reported invalid or deny-listed                          |
 * | certification    | when a young blob began to be certified, as a checkpoint                                 |
 * | event_blob       | an event blob on the way back through the history: what it covers, which one is before    |
 * | epoch_change     | when an epoch began and its hand-over was done                                           |
 * | shard_receipt    | when a shard's new owner announced that it has it                                        |
 * | population       | a list of blobs that rounds draw from, and how far it is built                           |
 * | population_entry | one entry of an epoch's list; `cum` is a u128, big-endian, so that it sorts              |
 * | population_slice | the Merkle node over 1,024 of them                                                       |
 * | packed_slice     | 1,024 entries of a round's list and the node over them (`packed-population.ts`)           |
 * | round            | a round: number, state, seed, committee, roots                                           |
 * | draw             | one challenge of a round                                                                 |
 * | attempt          | one request for a draw                                                                   |
 * | burst            | one request of a chained burst: a signal, in no verdict                                   |
 * | verdict          | what a draw came to                                                                      |
 * | judgement        | up to which checkpoint the chain was read when a round was judged, and by whose key       |
 * | evidence, body   | the exact bytes behind a leaf; bodies of failures and of some passes                     |
 * | node_epoch       | possession of a node in an epoch                                                         |
 * | node_window      | availability of a node                                                                   |
 * | node_round       | a node's row of a round's report                                                         |
 * | node_latency     | quantiles of a node's symbol answers in a round: a signal, in no verdict                 |
 * | claim            | a claim on chain that was filed, by any auditor, and what this auditor did about it        |
 * | refutation       | the arguments that would end a pending claim of another auditor                          |
 * | metadata         | verified metadata of blobs under challenge                                               |
 * | counter          | running totals for metrics                                                               |
 * | edge_batch       | a batch of edge reads that was added, by hour of arrival                                 |
 * | edge_read        | what an hour's edge reads saw of a node: a stratum of its own, in no verdict             |
 * | edge_failure     | a blob that a node failed to give to readers                                             |
 */
import type { Sql, SqlValue } from "../../shared/base/sql.ts";
import { readMeta, writeMetaOnce } from "./meta.ts";

const SCHEMA_VERSION = 1;
const DRAW_KEY = "round INTEGER NOT NULL, mode INTEGER NOT NULL, shard INTEGER NOT NULL, t INTEGER NOT NULL";
const SCHEMA = [
  `CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID`,
  `CREATE TABLE IF NOT EXISTS object (
     object_id TEXT PRIMARY KEY, blob_id BLOB NOT NULL, encoding INTEGER NOT NULL, length INTEGER NOT NULL,
     is_deletable INTEGER NOT NULL, end_epoch INTEGER NOT NULL, pool_id TEXT, certified_epoch INTEGER) WITHOUT ROWID`,
  `CREATE INDEX IF NOT EXISTS object_by_blob ON object (blob_id)`,
  `CREATE INDEX IF NOT EXISTS object_by_end ON object (end_epoch)`,
  `CREATE TABLE IF NOT EXISTS pool (pool_id TEXT PRIMARY KEY, end_epoch INTEGER NOT NULL) WITHOUT ROWID`,
  `CREATE TABLE IF NOT EXISTS excluded (blob_id BLOB PRIMARY KEY) WITHOUT ROWID`,
  `CREATE TABLE IF NOT EXISTS certification (
     blob_id BLOB NOT NULL, checkpoint INTEGER NOT NULL, PRIMARY KEY (blob_id, checkpoint)) WITHOUT ROWID`,
  `CREATE TABLE IF NOT EXISTS event_blob (
     blob_id TEXT PRIMARY KEY, first_checkpoint INTEGER NOT NULL, last_checkpoint INTEGER NOT NULL,
     bytes INTEGER NOT NULL, epoch INTEGER NOT NULL, previous TEXT) WITHOUT ROWID`,
  `CREATE INDEX IF NOT EXISTS event_blob_by_range ON event_blob (first_checkpoint)`,
  `CREATE TABLE IF NOT EXISTS epoch_change (epoch INTEGER PRIMARY KEY, start_ms INTEGER NOT NULL, done_ms INTEGER)`,
  `CREATE TABLE IF NOT EXISTS shard_receipt (
     epoch INTEGER NOT NULL, shard INTEGER NOT NULL, received_ms INTEGER NOT NULL,
     PRIMARY KEY (epoch, shard)) WITHOUT ROWID`,
  `CREATE TABLE IF NOT EXISTS population (
     list TEXT PRIMARY KEY, stratum TEXT NOT NULL, epoch INTEGER NOT NULL, state TEXT NOT NULL,
     size INTEGER NOT NULL, last_blob BLOB, total TEXT NOT NULL, root TEXT, place TEXT) WITHOUT ROWID`,
  `CREATE TABLE IF NOT EXISTS population_entry (
     list TEXT NOT NULL, leaf INTEGER NOT NULL, blob_id BLOB NOT NULL, length INTEGER NOT NULL,
     end_epoch INTEGER NOT NULL, cum BLOB NOT NULL, PRIMARY KEY (list, leaf)) WITHOUT ROWID`,
  `CREATE INDEX IF NOT EXISTS population_by_cum ON population_entry (list, cum)`,
  `CREATE TABLE IF NOT EXISTS population_slice (
     list TEXT NOT NULL, slice INTEGER NOT NULL, node BLOB NOT NULL, PRIMARY KEY (list, slice)) WITHOUT ROWID`,
  // With row IDs: in a table without them, rows of many pages would be read whole to be compared by their keys.
  `CREATE TABLE IF NOT EXISTS packed_slice (
     list TEXT NOT NULL, slice INTEGER NOT NULL, first_blob BLOB NOT NULL, cum BLOB NOT NULL, node BLOB,
     entries BLOB NOT NULL, PRIMARY KEY (list, slice))`,
  `CREATE TABLE IF NOT EXISTS round (
     no INTEGER PRIMARY KEY, state TEXT NOT NULL, opened_ms INTEGER NOT NULL, finished_ms INTEGER,
     seed TEXT, seed_source TEXT, seed_checkpoint INTEGER, epoch INTEGER, n_shards INTEGER, committee TEXT,
     committee_hash TEXT, params_hash TEXT NOT NULL, populations TEXT, evidence_root TEXT, nodes_root TEXT,
     totals TEXT, is_void INTEGER NOT NULL DEFAULT 0, tx TEXT)`,
  `CREATE TABLE IF NOT EXISTS draw (
     ${DRAW_KEY}, blob_id TEXT NOT NULL, length INTEGER NOT NULL, end_epoch INTEGER NOT NULL,
     leaf INTEGER NOT NULL, pair INTEGER NOT NULL, axis TEXT NOT NULL, symbol INTEGER NOT NULL, node TEXT NOT NULL,
     vacuous INTEGER NOT NULL, place INTEGER NOT NULL, size TEXT NOT NULL, is_final INTEGER NOT NULL,
     is_owner INTEGER NOT NULL, has_metadata INTEGER NOT NULL, has_moved INTEGER NOT NULL,
     PRIMARY KEY (round, mode, shard, t)) WITHOUT ROWID`,
  `CREATE INDEX IF NOT EXISTS draw_by_node ON draw (round, node)`,
  `CREATE TABLE IF NOT EXISTS attempt (
     id INTEGER PRIMARY KEY AUTOINCREMENT, ${DRAW_KEY}, n INTEGER NOT NULL, node TEXT NOT NULL, kind TEXT NOT NULL,
     started_ms INTEGER NOT NULL, ms INTEGER NOT NULL, http_status INTEGER NOT NULL, outcome TEXT NOT NULL,
     bytes INTEGER NOT NULL, body_hash TEXT, detail TEXT, UNIQUE (round, mode, shard, t, n))`,
  `CREATE INDEX IF NOT EXISTS attempt_by_node ON attempt (round, node, id)`,
  `CREATE INDEX IF NOT EXISTS attempt_by_body ON attempt (body_hash) WHERE body_hash IS NOT NULL`,
  `CREATE TABLE IF NOT EXISTS verdict (
     ${DRAW_KEY}, node TEXT NOT NULL, outcome TEXT NOT NULL, attempts INTEGER NOT NULL, excuse TEXT,
     leaf_hash TEXT NOT NULL, PRIMARY KEY (round, mode, shard, t)) WITHOUT ROWID`,
  `CREATE INDEX IF NOT EXISTS verdict_by_node ON verdict (node, round)`,
  `CREATE TABLE IF NOT EXISTS judgement (
     round INTEGER PRIMARY KEY, checkpoint INTEGER NOT NULL, auditor TEXT)`,
  `CREATE TABLE IF NOT EXISTS evidence (leaf_hash TEXT PRIMARY KEY, canonical_json TEXT NOT NULL) WITHOUT ROWID`,
  `CREATE TABLE IF NOT EXISTS body (body_hash TEXT PRIMARY KEY, bytes BLOB NOT NULL) WITHOUT ROWID`,
  `CREATE TABLE IF NOT EXISTS node_epoch (
     node TEXT NOT NULL, epoch INTEGER NOT NULL, trials INTEGER NOT NULL, failures INTEGER NOT NULL,
     loglr REAL NOT NULL, max_loglr REAL NOT NULL, cusum REAL NOT NULL, alpha REAL NOT NULL, beta REAL NOT NULL,
     maintenance_since_ms INTEGER, PRIMARY KEY (node, epoch)) WITHOUT ROWID`,
  `CREATE TABLE IF NOT EXISTS node_window (
     node TEXT NOT NULL, number INTEGER NOT NULL, is_up INTEGER NOT NULL, PRIMARY KEY (node, number)) WITHOUT ROWID`,
  `CREATE TABLE IF NOT EXISTS node_round (
     round INTEGER NOT NULL, node TEXT NOT NULL, name TEXT NOT NULL, epoch INTEGER NOT NULL, row BLOB NOT NULL,
     state TEXT NOT NULL, possession_before TEXT NOT NULL, possession TEXT NOT NULL, availability REAL,
     PRIMARY KEY (round, node)) WITHOUT ROWID`,
  `CREATE INDEX IF NOT EXISTS node_round_by_node ON node_round (node, round)`,
  `CREATE TABLE IF NOT EXISTS claim (
     id TEXT PRIMARY KEY, round INTEGER NOT NULL, mode INTEGER NOT NULL, shard INTEGER NOT NULL, t INTEGER NOT NULL,
     node TEXT NOT NULL, epoch INTEGER NOT NULL, accuser TEXT NOT NULL, deadline_ms INTEGER NOT NULL,
     role TEXT NOT NULL, state TEXT NOT NULL) WITHOUT ROWID`,
  `CREATE TABLE IF NOT EXISTS burst (
     round INTEGER NOT NULL, node TEXT NOT NULL, step INTEGER NOT NULL, started_ms INTEGER NOT NULL,
     ms INTEGER NOT NULL, outcome TEXT NOT NULL, next_seed TEXT NOT NULL, PRIMARY KEY (round, node, step)) WITHOUT ROWID`,
  `CREATE TABLE IF NOT EXISTS node_latency (
     round INTEGER NOT NULL, node TEXT NOT NULL, answers INTEGER NOT NULL, p50_ms INTEGER NOT NULL,
     p95_ms INTEGER NOT NULL, PRIMARY KEY (round, node)) WITHOUT ROWID`,
  `CREATE TABLE IF NOT EXISTS refutation (claim TEXT PRIMARY KEY, arguments TEXT NOT NULL) WITHOUT ROWID`,
  `CREATE TABLE IF NOT EXISTS metadata (blob_id TEXT PRIMARY KEY, bytes BLOB NOT NULL) WITHOUT ROWID`,
  `CREATE TABLE IF NOT EXISTS counter (name TEXT PRIMARY KEY, value REAL NOT NULL) WITHOUT ROWID`,
  `CREATE TABLE IF NOT EXISTS edge_batch (
     hour INTEGER NOT NULL, batch TEXT NOT NULL, PRIMARY KEY (hour, batch)) WITHOUT ROWID`,
  `CREATE TABLE IF NOT EXISTS edge_read (
     hour INTEGER NOT NULL, node TEXT NOT NULL, passed INTEGER NOT NULL, silent INTEGER NOT NULL,
     refused INTEGER NOT NULL, missing INTEGER NOT NULL, invalid INTEGER NOT NULL,
     PRIMARY KEY (hour, node)) WITHOUT ROWID`,
  `CREATE TABLE IF NOT EXISTS edge_failure (
     hour INTEGER NOT NULL, node TEXT NOT NULL, blob_id BLOB NOT NULL, at_ms INTEGER NOT NULL,
     known_at INTEGER NOT NULL, PRIMARY KEY (hour, node, blob_id)) WITHOUT ROWID`,
];

/** Columns that ledgers of this version were first made without. */
const ADDED_COLUMNS = [
  { table: "population", column: "place", type: "TEXT" },
  { table: "judgement", column: "auditor", type: "TEXT" },
] as const;

export class LedgerError extends Error {
  override readonly name = "LedgerError";
}

/** Creates the tables when there are none. @throws LedgerError for tables of another program version */
export function openLedger(sql: Sql): void {
  sql.transaction(() => {
    for (const statement of SCHEMA) sql.exec(statement);
    for (const { table, column, type } of ADDED_COLUMNS) {
      const columns = sql.exec(`PRAGMA table_info(${table})`);
      if (!columns.some(({ name }) => name === column))
        sql.exec(`ALTER TABLE ${table} ADD COLUMN ${column} ${type}`);
    }
    writeMetaOnce(sql, "schema_version", `${SCHEMA_VERSION}`);
  });
  const version = readMeta(sql, "schema_version");
  if (version !== `${SCHEMA_VERSION}`) {
    throw new LedgerError(`the ledger has schema version ${version}, this program ${SCHEMA_VERSION}`);
  }
}

/** Bytes of a BLOB column, which the platform hands out as an ArrayBuffer. */
export function bytesOf(value: SqlValue | undefined): Uint8Array {
  if (value instanceof Uint8Array) return value;
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  throw new LedgerError(`a column holds a ${value === null ? "null" : typeof value} instead of bytes`);
}

export const textOrNull = (value: SqlValue | undefined): string | null =>
  value === null || value === undefined ? null : String(value);
