/** SQLite outside of the platform: the same statements on Node's own. */
import { DatabaseSync } from "node:sqlite";
import type { Sql, SqlRow, SqlValue } from "../shared/base/sql.ts";

/** A ledger of the auditor. @param path a file, which a later run goes on with; in memory when absent */
export function nodeLedger(path = ":memory:"): Sql & { close(): void } {
  const database = new DatabaseSync(path);
  return { ...nodeSql(database), close: () => database.close() };
}

/** Statements are prepared once each; like the platform's, an inner transaction is a savepoint of the outer one. */
export function nodeSql(database: DatabaseSync): Sql {
  const statements = new Map<string, ReturnType<DatabaseSync["prepare"]>>();
  let depth = 0;
  return {
    exec(query, ...parameters) {
      const statement = statements.get(query) ?? database.prepare(query);
      statements.set(query, statement);
      const values = parameters.map((value) =>
        value instanceof ArrayBuffer ? new Uint8Array(value) : value,
      );
      // Columns of our tables hold nothing but these types.
      return statement.all(...(values as Exclude<SqlValue, ArrayBuffer>[])) as SqlRow[];
    },
    transaction(work) {
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
  };
}
