/** The auditor's ledger outside of the platform: the same statements on Node's own SQLite. */
import { DatabaseSync } from "node:sqlite";
import type { LedgerSql, SqlRow, SqlValue } from "../auditor/ledger/ledger-sql.ts";

/** @param path a file, which a later run goes on with; in memory when absent */
export function nodeLedger(path = ":memory:"): LedgerSql & { close(): void } {
  const database = new DatabaseSync(path);
  const statements = new Map<string, ReturnType<DatabaseSync["prepare"]>>();
  let depth = 0;
  return {
    exec(query, ...parameters) {
      const statement = statements.get(query) ?? database.prepare(query);
      statements.set(query, statement);
      const values = parameters.map((value) =>
        value instanceof ArrayBuffer ? new Uint8Array(value) : value,
      );
      // Columns of the ledger's tables hold nothing but these types.
      return statement.all(...(values as Exclude<SqlValue, ArrayBuffer>[])) as SqlRow[];
    },
    transaction(work) {
      // Like the platform's: an inner transaction is a savepoint of the outer one.
      const name = `level${depth++}`;
      database.exec(`SAVEPOINT ${name}`);
      try {
        const result = work();
        database.exec(`RELEASE ${name}`);
        return result;
      } catch (error) {
        database.exec(`ROLLBACK TO ${name}; RELEASE ${name}`);
        throw error;
      } finally {
        depth--;
      }
    },
    close: () => database.close(),
  };
}
