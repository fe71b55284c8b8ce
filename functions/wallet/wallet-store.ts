/**
 * The wallet's SQLite tables. Written only by the wallet's submitter.
 *
 * | table       | key       | one row is                                                                         |
 * |-------------|-----------|------------------------------------------------------------------------------------|
 * | meta        | name      | `schema_version`                                                                   |
 * | operation   | intent_id | one registration, certification or deletion, its state and its outcome             |
 * | transaction_open | digest | a signed transaction without known effects: exact bytes and signature            |
 * | ledger      | object_id | one registration paid from this wallet: who, which blob, until when, cost, state   |
 *
 * `state` and `kind` are those of `shared/sui/wallet/store.ts`; `seq` keeps the order of arrival. FROST in INTEGER columns stay
 * below 2^53 (nine million WAL), which writing checks.
 */
import { assert } from "../../shared/base/errors.ts";
import type { Sql, SqlRow } from "../../shared/base/sql.ts";
import type { BlobId, ObjectId } from "../../shared/protocol/ids.ts";
import type {
  LedgerRow,
  LedgerState,
  OpenTransaction,
  StoreChange,
  StoredOperation,
  SubmitterStore,
} from "../../shared/sui/wallet/store.ts";
import { fromStoredJson, toStoredJson } from "../base/stored-json.ts";

const SCHEMA_VERSION = 1;
const SCHEMA = [
  `CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID`,
  `CREATE TABLE IF NOT EXISTS operation (
     seq INTEGER PRIMARY KEY AUTOINCREMENT,
     intent_id TEXT NOT NULL UNIQUE,
     kind TEXT NOT NULL,
     state TEXT NOT NULL,
     request TEXT NOT NULL,
     state_json TEXT NOT NULL,
     attempts INTEGER NOT NULL,
     created_at_ms INTEGER NOT NULL,
     charge_principal TEXT,
     charge_frost INTEGER,
     charge_at_ms INTEGER)`,
  `CREATE INDEX IF NOT EXISTS operation_by_state ON operation (state, seq)`,
  `CREATE INDEX IF NOT EXISTS operation_by_charge ON operation (charge_at_ms) WHERE charge_at_ms IS NOT NULL`,
  `CREATE TABLE IF NOT EXISTS transaction_open (
     seq INTEGER PRIMARY KEY AUTOINCREMENT,
     digest TEXT NOT NULL UNIQUE,
     body TEXT NOT NULL)`,
  `CREATE TABLE IF NOT EXISTS ledger (
     object_id TEXT PRIMARY KEY,
     intent_id TEXT NOT NULL,
     principal TEXT NOT NULL,
     blob_id TEXT NOT NULL,
     end_epoch INTEGER NOT NULL,
     cost_frost INTEGER NOT NULL,
     state TEXT NOT NULL,
     registered_at_ms INTEGER NOT NULL,
     registered TEXT NOT NULL,
     certified TEXT) WITHOUT ROWID`,
  `CREATE INDEX IF NOT EXISTS ledger_by_state ON ledger (state, registered_at_ms)`,
  `CREATE INDEX IF NOT EXISTS ledger_by_blob ON ledger (blob_id, principal)`,
];

export class WalletStore implements SubmitterStore {
  readonly #sql: Sql;

  /** Creates the tables when there are none. */
  constructor(sql: Sql) {
    this.#sql = sql;
    sql.transaction(() => {
      for (const statement of SCHEMA) sql.exec(statement);
      sql.exec("INSERT OR IGNORE INTO meta (name, value) VALUES ('schema_version', ?)", `${SCHEMA_VERSION}`);
      const [row] = sql.exec("SELECT value FROM meta WHERE name = 'schema_version'");
      assert(
        row?.["value"] === `${SCHEMA_VERSION}`,
        "the wallet's tables have this program's schema version",
      );
    });
  }

  operation(intentId: string): StoredOperation | undefined {
    const [row] = this.#sql.exec("SELECT * FROM operation WHERE intent_id = ?", intentId);
    return row === undefined ? undefined : toOperation(row);
  }

  waiting(limit: number): readonly StoredOperation[] {
    const rows = this.#sql.exec(
      "SELECT * FROM operation WHERE state = 'waiting' ORDER BY seq LIMIT ?",
      limit,
    );
    return rows.map(toOperation);
  }

  waitingCount(): number {
    const [row] = this.#sql.exec("SELECT COUNT(*) AS count FROM operation WHERE state = 'waiting'");
    return Number(row?.["count"]);
  }

  openTransactions(): readonly OpenTransaction[] {
    const rows = this.#sql.exec("SELECT body FROM transaction_open ORDER BY seq");
    return rows.map((row) => fromStoredJson<OpenTransaction>(String(row["body"])));
  }

  chargedFrost(sinceMs: number, principal?: string): bigint {
    const sum = "SELECT COALESCE(SUM(charge_frost), 0) AS frost FROM operation WHERE charge_at_ms >= ?";
    const [row] =
      principal === undefined
        ? this.#sql.exec(sum, sinceMs)
        : this.#sql.exec(`${sum} AND charge_principal = ?`, sinceMs, principal);
    return BigInt(Number(row?.["frost"]));
  }

  ledgerRow(objectId: ObjectId): LedgerRow | undefined {
    const [row] = this.#sql.exec("SELECT * FROM ledger WHERE object_id = ?", objectId);
    return row === undefined ? undefined : toLedgerRow(row);
  }

  ledgerRows(state: LedgerState, beforeMs: number, limit: number): readonly LedgerRow[] {
    const rows = this.#sql.exec(
      "SELECT * FROM ledger WHERE state = ? AND registered_at_ms <= ? ORDER BY registered_at_ms LIMIT ?",
      state,
      beforeMs,
      limit,
    );
    return rows.map(toLedgerRow);
  }

  reusable(principal: string, blobId: BlobId): readonly LedgerRow[] {
    const rows = this.#sql.exec(
      "SELECT * FROM ledger WHERE blob_id = ? AND principal = ? AND state = 'reusable' ORDER BY registered_at_ms",
      blobId,
      principal,
    );
    return rows.map(toLedgerRow);
  }

  apply(change: StoreChange): void {
    this.#sql.transaction(() => {
      for (const operation of change.operations ?? []) this.#putOperation(operation);
      for (const row of change.ledger ?? []) this.#putLedgerRow(row);
      if (change.open !== undefined) {
        this.#sql.exec(
          "INSERT INTO transaction_open (digest, body) VALUES (?, ?)",
          change.open.digest,
          toStoredJson(change.open),
        );
      }
      if (change.close !== undefined) {
        this.#sql.exec("DELETE FROM transaction_open WHERE digest = ?", change.close);
      }
    });
  }

  /** Forgets settled operations created before `beforeMs`; from then on their intents are unknown. */
  forget(beforeMs: number): void {
    this.#sql.exec("DELETE FROM operation WHERE state IN ('done', 'failed') AND created_at_ms < ?", beforeMs);
  }

  #putOperation(operation: StoredOperation): void {
    const { intentId, kind, state, request, attempts, createdAtMs, charge } = operation;
    this.#sql.exec(
      `INSERT INTO operation (intent_id, kind, state, request, state_json, attempts, created_at_ms,
                              charge_principal, charge_frost, charge_at_ms)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (intent_id) DO UPDATE SET
         state = excluded.state, request = excluded.request, state_json = excluded.state_json,
         attempts = excluded.attempts, charge_principal = excluded.charge_principal,
         charge_frost = excluded.charge_frost, charge_at_ms = excluded.charge_at_ms`,
      intentId,
      kind,
      state.name,
      toStoredJson(request),
      toStoredJson(state),
      attempts,
      createdAtMs,
      charge === null ? null : charge.principal,
      charge === null ? null : frostNumber(charge.frost),
      charge === null ? null : charge.atMs,
    );
  }

  #putLedgerRow(row: LedgerRow): void {
    this.#sql.exec(
      `INSERT OR REPLACE INTO ledger (object_id, intent_id, principal, blob_id, end_epoch, cost_frost, state,
                                      registered_at_ms, registered, certified)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      row.objectId,
      row.intentId,
      row.principal,
      row.blobId,
      row.endEpoch,
      frostNumber(row.costFrost),
      row.state,
      row.registeredAtMs,
      toStoredJson(row.registered),
      row.certified === null ? null : toStoredJson(row.certified),
    );
  }
}

function frostNumber(frost: bigint): number {
  assert(frost >= 0n && frost <= BigInt(Number.MAX_SAFE_INTEGER), "a cost fits a safe integer");
  return Number(frost);
}

// Rows hold what `apply` wrote, so their texts are of the types written.
function toOperation(row: SqlRow): StoredOperation {
  const principal = row["charge_principal"];
  return {
    kind: row["kind"],
    intentId: row["intent_id"],
    request: fromStoredJson(String(row["request"])),
    state: fromStoredJson(String(row["state_json"])),
    attempts: Number(row["attempts"]),
    createdAtMs: Number(row["created_at_ms"]),
    charge:
      principal === null
        ? null
        : {
            principal,
            frost: BigInt(Number(row["charge_frost"])),
            atMs: Number(row["charge_at_ms"]),
          },
  } as unknown as StoredOperation;
}

function toLedgerRow(row: SqlRow): LedgerRow {
  const certified = row["certified"];
  return {
    objectId: String(row["object_id"]) as ObjectId,
    intentId: String(row["intent_id"]),
    principal: String(row["principal"]),
    blobId: String(row["blob_id"]) as BlobId,
    endEpoch: Number(row["end_epoch"]),
    costFrost: BigInt(Number(row["cost_frost"])),
    state: String(row["state"]) as LedgerState,
    registeredAtMs: Number(row["registered_at_ms"]),
    registered: fromStoredJson(String(row["registered"])),
    certified: typeof certified === "string" ? fromStoredJson(certified) : null,
  };
}
