/** The wallet's real tables over Node's SQLite, in memory: what the Durable Object runs, without the platform. */
import { DatabaseSync } from "node:sqlite";
import { WalletStore } from "../../../../functions/wallet/wallet-store.ts";
import { nodeSql } from "../../../../host/node-sqlite.ts";

export const sqliteWalletStore = (): WalletStore => new WalletStore(nodeSql(new DatabaseSync(":memory:")));
