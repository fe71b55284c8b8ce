/** The wallet's real tables over Node's SQLite, in memory: what the Durable Object runs, without the platform. */
import { DatabaseSync } from "node:sqlite";
import { type SqlRow, WalletStore } from "../../../../functions/wallet/wallet-store.ts";

export function sqliteWalletStore(): WalletStore {
  const database = new DatabaseSync(":memory:");
  return new WalletStore({
    exec: (query, ...parameters) => {
      const values = parameters.map((each) => (each instanceof ArrayBuffer ? new Uint8Array(each) : each));
      return database.prepare(query).all(...values) as unknown as SqlRow[];
    },
    transaction(work) {
      database.exec("BEGIN");
      try {
        const result = work();
        database.exec("COMMIT");
        return result;
      } catch (error) {
        database.exec("ROLLBACK");
        throw error;
      }
    },
  });
}
