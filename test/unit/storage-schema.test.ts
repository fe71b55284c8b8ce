// If this fails, an operator cannot find out what is stored where, or a step of the upload escapes the fault tests.
import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, it } from "vitest";
import { openLedger } from "../../auditor/ledger/ledger-sql.ts";
import { FAIL_POINT_NAMES } from "../../functions/base/fail-point-names.ts";
import { WalletStore } from "../../functions/wallet/wallet-store.ts";
import { nodeSql } from "../../host/node-sqlite.ts";
import { MemoryTracker } from "../support/edge/memory-tracker.ts";
import { ScriptedNodes } from "../support/nodes/scripted-nodes.ts";

const root = resolve(import.meta.dirname, "../..");
const nodes = new ScriptedNodes([1, 1, 1, 1]);

function walletDatabase(): DatabaseSync {
  const database = new DatabaseSync(":memory:");
  new WalletStore(nodeSql(database));
  return database;
}

function ledgerDatabase(): DatabaseSync {
  const database = new DatabaseSync(":memory:");
  openLedger(nodeSql(database));
  return database;
}

async function trackerDatabase(version?: number): Promise<DatabaseSync> {
  const tracker = new MemoryTracker(nodes.clock);
  if (version !== undefined) {
    tracker.database.exec(
      `CREATE TABLE schema (version INTEGER NOT NULL); INSERT INTO schema VALUES (${version})`,
    );
    tracker.die();
  }
  const { blobId } = nodes.store(new Uint8Array(3));
  await tracker.service.begin(
    {
      blobId,
      unencodedLength: 3,
      nShards: 4,
      principal: "p",
      deletable: true,
      epochs: 1,
      endEpoch: 8,
      sendObjectTo: null,
      share: false,
      idempotencyKey: null,
      force: false,
    },
    "a",
    0,
  );
  return tracker.database;
}

function columns(database: DatabaseSync): string[] {
  const tables = database
    .prepare("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
    .all()
    .map(({ name }) => String(name));
  return tables.flatMap((table) => [
    table,
    ...database
      .prepare(`SELECT name FROM pragma_table_info('${table}')`)
      .all()
      .map(({ name }) => String(name)),
  ]);
}

describe("docs/storage-schema.md", () => {
  it.each([
    ["BlobTracker", trackerDatabase],
    ["Wallet", async () => walletDatabase()],
    ["AuditLedger", async () => ledgerDatabase()],
  ])("names every table and column of %s", async (object, open) => {
    const text = readFileSync(join(root, "docs/storage-schema.md"), "utf8");
    const section = text.split(/^## /m).find((part) => part.startsWith(object)) ?? "";
    const named = new Set([...section.matchAll(/[a-z][a-z0-9_]*/g)].map(([word]) => word));
    const stored = columns(await open());
    expect(stored.length).toBeGreaterThan(15);
    expect(stored.filter((name) => !named.has(name))).toEqual([]);
  });

  it("tables of an older version are brought up to date, those of a newer one refused", async () => {
    expect(columns(await trackerDatabase(1))).toEqual(columns(await trackerDatabase()));
    await expect(trackerDatabase(99)).rejects.toThrow(/schema version 99, this code knows/);
  });
});

describe("fail points", () => {
  it("are all reached somewhere, and all that are reached are listed", () => {
    const files = ["functions", "shared/sui"].flatMap((folder) =>
      readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile() && entry.name.endsWith(".ts"))
        .map((entry) => join(entry.parentPath, entry.name)),
    );
    const reached = new Set<string>();
    for (const file of files) {
      if (file.endsWith("fail-point-names.ts")) continue;
      for (const match of readFileSync(file, "utf8").matchAll(
        /(?:[rR]each|failPoint)\((?:services, )?"([a-z.-]+)"\)/g,
      )) {
        reached.add(match[1] ?? "");
      }
    }
    expect([...reached].sort()).toEqual([...FAIL_POINT_NAMES].sort());
  });
});
