// If this fails, an auditor of a large network fills its storage with lists of rounds long over, and stops.
import { expect, it } from "vitest";
import { Auditor } from "../../../auditor/auditor.ts";
import type { AuditChain } from "../../../auditor/chain/audit-chain.ts";
import { nodeLedger } from "../../../host/node-sqlite.ts";
import { AUDIT_PROFILES } from "../../../shared/audit/parameters.ts";
import { Gate, INVOCATION_REQUESTS } from "../../../shared/base/gate.ts";
import type { ChainReader } from "../../../shared/sui/walrus/chain-reader.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";

/** More than one call deletes, of either kind. */
const ROWS = 300 * 1_024;
const SLICES = 5_000;

it("forgets a list of any length before it rests, and keeps those that are still needed", async () => {
  const sql = nodeLedger();
  const clock = new VirtualClock();
  const auditor = new Auditor({
    sql,
    // No round is under way, and there is no key: read is which chain it is, no more.
    chain: {
      systemObjectId: `0x${"1".repeat(64)}`,
      chainId: async () => "chain",
      firstAvailable: async () => 1,
    } as unknown as ChainReader,
    auditChain: { writes: false } as AuditChain,
    transport: {
      fetch: () => Promise.reject(new Error("nobody")),
      clock,
      randomBytes: () => new Uint8Array(),
      gate: new Gate(INVOCATION_REQUESTS),
    },
    networkKind: "public",
    parameters: AUDIT_PROFILES.public,
    failPoint: () => {},
    log: () => {},
  });
  auditor.rounds.open(10, 0, new Uint8Array(32));
  auditor.rounds.update(10, "opening", "done", { epoch: 5 });
  const list = (name: string, stratum: string, rows: number): void => {
    sql.exec(
      "INSERT INTO population (list, stratum, epoch, state, size, total) VALUES (?, ?, 5, 'ready', ?, '0')",
      name,
      stratum,
      rows,
    );
    sql.exec(
      `WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < ? - 1)
       INSERT INTO population_entry (list, leaf, blob_id, length, end_epoch, cum) SELECT ?, i, x'00', 1, 9, x'00' FROM n WHERE i < ?`,
      rows,
      name,
      rows,
    );
  };
  const packed = (name: string, slices: number): void => {
    list(name, "deletable", 0);
    sql.exec("UPDATE population SET state = 'packed', size = 1024 * ? WHERE list = ?", slices, name);
    sql.exec(
      `WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < ? - 1)
       INSERT INTO packed_slice (list, slice, first_blob, cum, node, entries) SELECT ?, i, x'00', x'00', x'00', x'00' FROM n`,
      slices,
      name,
    );
  };
  // As rounds' lists were before their slices were packed.
  list("deletable/8", "deletable", ROWS);
  packed("fresh/8", SLICES);
  packed("fresh/9", 10);
  list("permanent/3", "permanent", 10);
  list("deletable/9", "deletable", 10);
  list("permanent/4", "permanent", 10);
  let calls = 0;
  for (let wakeMs: number | undefined = 0; wakeMs !== undefined; calls++)
    wakeMs = await auditor.work({ untilMs: clock.nowMs() + 20_000, requests: 2_000 });
  expect(calls).toBeGreaterThan(2);
  expect(auditor.lists.names()).toEqual(["deletable/9", "fresh/9", "permanent/4"]);
  expect(sql.exec("SELECT COUNT(*) AS count FROM packed_slice")).toEqual([{ count: 10 }]);
  expect(sql.exec("SELECT COUNT(*) AS count FROM population_entry")).toEqual([{ count: 20 }]);
});
