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

/** Which file reads and writes which tables of the auditor's ledger. `ledger-sql.ts` makes them all. */
const OWNERS: Readonly<Record<string, readonly string[]>> = {
  "ledger/meta.ts": ["meta"],
  "ledger/rounds.ts": ["round", "judgement"],
  "ledger/draws.ts": ["draw"],
  "ledger/attempts.ts": ["attempt", "body"],
  "ledger/verdicts.ts": ["verdict", "evidence"],
  "ledger/node-records.ts": ["node_epoch", "node_window", "node_round", "node_latency"],
  "ledger/claim-records.ts": ["claim", "refutation"],
  "ledger/epochs.ts": ["epoch_change", "shard_receipt"],
  "ledger/counters.ts": ["counter"],
  "population/object-tables.ts": ["object", "pool", "excluded", "certification"],
  "population/population-tables.ts": ["population"],
  "population/row-population.ts": ["population_entry", "population_slice"],
  "population/packed-population.ts": ["packed_slice"],
  "chain/event-blob-table.ts": ["event_blob"],
  "round/burst.ts": ["burst"],
  "round/metadata-shelf.ts": ["metadata"],
  "edge-reads/edge-reads.ts": ["edge_batch", "edge_read", "edge_failure"],
};
/** Tables that a file reads beside its own, because one statement has to join them. */
const JOINED: Readonly<Record<string, readonly string[]>> = {
  "ledger/verdicts.ts": ["draw"],
  "population/stratum-blobs.ts": ["object", "pool", "excluded"],
};
const SCHEMA = "ledger/ledger-sql.ts";

/** Tables named in the statements of a source: those written, and all. */
function tablesIn(source: string, known: ReadonlySet<string>): { all: Set<string>; written: Set<string> } {
  const code = source.replace(/\/\*[\s\S]*?\*\//g, "").replace(/^\s*\/\/.*$/gm, "");
  const find = (pattern: RegExp): Set<string> =>
    new Set([...code.matchAll(pattern)].map(([, name = ""]) => name).filter((name) => known.has(name)));
  const written = find(/\b(?:INTO|UPDATE|DELETE FROM)\s+([a-z_]+)/g);
  return { written, all: find(/\b(?:INTO|UPDATE|FROM|JOIN)\s+([a-z_]+)/g) };
}

describe("tables of the ledger", () => {
  const tables = ledgerDatabase()
    .prepare("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
    .all()
    .map(({ name }) => String(name));
  const known = new Set(tables);
  const sourceOf = (file: string): string => readFileSync(join(root, "auditor", file), "utf8");
  const files = readdirSync(join(root, "auditor"), { recursive: true, encoding: "utf8" }).filter(
    (file) => file.endsWith(".ts") && file !== SCHEMA,
  );

  it("have one owner each, whose file alone writes them and whose statements others do not repeat", () => {
    expect(Object.values(OWNERS).flat().sort()).toEqual([...tables].sort());
    const strangers = files.flatMap((file) => {
      const own = OWNERS[file] ?? [];
      const { all, written } = tablesIn(sourceOf(file), known);
      const mayRead = [...own, ...(JOINED[file] ?? [])];
      return [
        ...[...written].filter((table) => !own.includes(table)).map((table) => `${file} writes ${table}`),
        ...[...all].filter((table) => !mayRead.includes(table)).map((table) => `${file} names ${table}`),
      ];
    });
    expect(strangers).toEqual([]);
  });

  it("are named where the test says, and a file that names another's would be found", () => {
    for (const [file, own] of Object.entries(OWNERS)) {
      const { all } = tablesIn(sourceOf(file), known);
      expect(own.filter((table) => !all.has(table))).toEqual([]);
    }
    const planted = 'sql.exec("DELETE FROM claim WHERE round IN (SELECT no FROM round)")';
    expect(tablesIn(planted, known)).toEqual({
      written: new Set(["claim"]),
      all: new Set(["claim", "round"]),
    });
  });

  it("are named by no statement that another file puts together from parts", () => {
    const built = files.filter((file) => /\b(?:INTO|UPDATE|FROM|JOIN) \$\{/.test(sourceOf(file)));
    expect(built).toEqual([]);
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
