// If this fails, an auditor's storage grows for ever, or evidence is gone while a claim still rests on it.

import { afterEach, beforeEach, expect, it } from "vitest";
import { type AuditChain, readOnlyAuditChain } from "../../../auditor/chain/audit-chain.ts";
import { SuiAuditChain } from "../../../auditor/chain/sui-audit-chain.ts";
import { openLedger } from "../../../auditor/ledger/ledger-sql.ts";
import { Rounds } from "../../../auditor/ledger/rounds.ts";
import { pruneChain, pruneLedger } from "../../../auditor/prune.ts";
import { nodeLedger } from "../../../host/node-sqlite.ts";
import { AUDIT_PROFILES } from "../../../shared/audit/parameters.ts";
import type { Sql } from "../../../shared/base/sql.ts";
import type { ObjectId } from "../../../shared/protocol/ids.ts";
import type { SharedRef } from "../../../shared/sui/audit/contracts.ts";
import { hasPopulations, readRound } from "../../../shared/sui/audit/reader.ts";
import { attestTransaction, finalizeTransaction } from "../../../shared/sui/audit/transactions.ts";
import type { ChainReader } from "../../../shared/sui/walrus/chain-reader.ts";
import { AUDIT_PARAMS, AuditWorld, EPOCH, ROUND } from "../../support/audit/world.ts";
import { testWallet } from "../../support/sui/network.ts";

const P = { ...AUDIT_PROFILES.local, retentionRounds: AUDIT_PARAMS.retentionRounds };
const pruner = testWallet("pruner");
let world: AuditWorld;
let sql: Sql;
let claim: SharedRef;
let chain: AuditChain;

beforeEach(async () => {
  world = await AuditWorld.open();
  await world.beginReported();
  const [challenge] = await world.claimable();
  if (challenge === undefined) throw new Error("the round has claimable draws");
  claim = await world.file(world.auditors[0], challenge);
  await world.succeed(world.auditors[1], attestTransaction(world.contracts, claim));
  await world.fund(pruner);
  const ids = world.standIn.networkIds;
  chain = new SuiAuditChain({
    client: world.network.client,
    contract: { packageId: ids.auditPackageId, registryId: ids.auditRegistryId },
    secretKey: pruner.getSecretKey(),
    clock: world.clock,
    // Nothing here asks for a seed.
    fallback: readOnlyAuditChain({} as unknown as ChainReader),
    log: () => {},
    periodMs: AUDIT_PARAMS.periodMs,
  });
  sql = nodeLedger();
  openLedger(sql);
  addRound(ROUND, EPOCH);
  await noteClaim();
});
afterEach(() => world.close());

/** A closed round with one draw of everything; all rounds share one body. */
function addRound(no: number, epoch: number): void {
  sql.exec(
    "INSERT INTO round (no, state, opened_ms, finished_ms, params_hash, epoch) VALUES (?, 'done', 0, 1, '', ?)",
    no,
    epoch,
  );
  sql.exec(
    `INSERT INTO draw VALUES (?, 0, 1, 0, 'blob', 1, 9, 0, 0, 'primary', 0, 'node', 0, 0, '1', 1, 1, 1, 0)`,
    no,
  );
  for (const [n, body] of ["shared", `own ${no}`].entries())
    sql.exec(
      `INSERT INTO attempt (round, mode, shard, t, n, node, kind, started_ms, ms, http_status, outcome, bytes, body_hash)
       VALUES (?, 0, 1, 0, ?, 'node', 'symbol', 0, 1, 200, 'pass', 1, ?)`,
      no,
      n,
      body,
    );
  for (const body of ["shared", `own ${no}`])
    sql.exec("INSERT OR IGNORE INTO body VALUES (?, ?)", body, new Uint8Array(1));
  sql.exec("INSERT INTO evidence VALUES (?, '{}')", `leaf ${no}`);
  sql.exec("INSERT INTO verdict VALUES (?, 0, 1, 0, 'node', 'passed', 1, NULL, ?)", no, `leaf ${no}`);
  sql.exec("INSERT INTO burst VALUES (?, 'node', 0, 0, 1, 'pass', '')", no);
  sql.exec("INSERT INTO node_latency VALUES (?, 'node', 1, 1, 1)", no);
  sql.exec(
    "INSERT INTO node_round VALUES (?, 'node', 'name', ?, ?, 'healthy', '', '', NULL)",
    no,
    epoch,
    new Uint8Array(52),
  );
  sql.exec("INSERT OR IGNORE INTO node_epoch VALUES ('node', ?, 1, 0, 0, 0, 0, 1, 0, NULL)", epoch);
  sql.exec("INSERT OR IGNORE INTO epoch_change VALUES (?, 0, 1)", epoch);
}

async function noteClaim(): Promise<void> {
  const found = await world.claimState(claim);
  sql.exec(
    "INSERT OR REPLACE INTO claim VALUES (?, ?, 0, 0, 0, 'node', ?, 'accuser', ?, 'watcher', ?)",
    claim.objectId,
    ROUND,
    EPOCH,
    found?.deadlineMs ?? 0,
    found?.state ?? "gone",
  );
}

const parts = () => ({ sql, rounds: new Rounds(sql), parameters: P });
async function prune(): Promise<void> {
  if (chain.pruning === undefined) throw new Error("a chain with a key prunes");
  await pruneChain(parts(), chain.pruning, world.clock.nowMs());
  pruneLedger(parts(), true);
}
const TABLES = [
  "round",
  "draw",
  "attempt",
  "verdict",
  "evidence",
  "body",
  "burst",
  "node_round",
  "node_latency",
  "claim",
];
const rows = (): number[] =>
  TABLES.map((table) => Number(sql.exec(`SELECT COUNT(*) AS count FROM ${table}`)[0]?.["count"]));
async function onChain() {
  const registry = await world.registry();
  const { client } = world.network;
  return {
    claim: (await world.claimState(claim))?.state,
    round: (await readRound(client, registry, ROUND)) !== undefined,
    population: await hasPopulations(client, registry, EPOCH),
  };
}
/** The claim is finalized, and a round of the next epoch is the newest. */
async function pass(rounds: number): Promise<void> {
  await world.clock.advance(AUDIT_PARAMS.windowMs + 1);
  await world.succeed(world.stranger, finalizeTransaction(world.contracts, claim));
  await noteClaim();
  await world.clock.advance(rounds * AUDIT_PARAMS.periodMs);
  addRound(ROUND + rounds, EPOCH + 1);
}

it("deletes nothing before its time, on chain or in the ledger", async () => {
  await pass(AUDIT_PARAMS.retentionRounds - 3);
  const before = rows();
  await prune();
  expect(rows()).toEqual(before);
  expect(await onChain()).toEqual({ claim: "confirmed", round: true, population: true });
});

it("deletes claim, round and population on chain once, and then what belonged to the round in the ledger", async () => {
  await pass(AUDIT_PARAMS.retentionRounds + 2);
  await prune();
  expect(await onChain()).toEqual({ claim: undefined, round: false, population: false });
  expect(rows()).toEqual([1, 1, 2, 1, 1, 2, 1, 1, 1, 0]);
  expect(sql.exec("SELECT body_hash FROM body ORDER BY body_hash").map((row) => row["body_hash"])).toEqual([
    `own ${ROUND + AUDIT_PARAMS.retentionRounds + 2}`,
    "shared",
  ]);
  expect(sql.exec("SELECT epoch FROM node_epoch")).toEqual([{ epoch: EPOCH + 1 }]);
  const balance = await world.balance(pruner);
  await prune();
  expect(await world.balance(pruner)).toBe(balance);
});

it("goes on where it died, whoever deleted what meanwhile", async () => {
  await pass(AUDIT_PARAMS.retentionRounds + 2);
  const { pruning } = chain;
  if (pruning === undefined) throw new Error("a chain with a key prunes");
  const dying = {
    lastPastRound: (nowMs: number) => pruning.lastPastRound(nowMs),
    purgeClaim: (id: ObjectId) => pruning.purgeClaim(id),
    prunePopulation: (epoch: number) => pruning.prunePopulation(epoch),
    pruneRound: async (no: number) => {
      await pruning.pruneRound(no);
      throw new Error("died");
    },
  };
  await expect(pruneChain(parts(), dying, world.clock.nowMs())).rejects.toThrow("died");
  pruneLedger(parts(), true);
  expect(rows()[0]).toBe(2);
  await prune();
  expect(await onChain()).toEqual({ claim: undefined, round: false, population: false });
  expect(rows()[0]).toBe(1);
});

it("sees no claim of another registry of the package, neither filed nor to be deleted", async () => {
  const other = await world.secondRegistry();
  await world.beginReported(other);
  const [challenge] = await world.claimable(ROUND, other);
  if (challenge === undefined) throw new Error("the round has claimable draws");
  const foreign = await world.file(world.auditors[0], challenge, {}, other);
  const { claims, pruning } = chain;
  if (claims === undefined || pruning === undefined) throw new Error("a chain with a key claims and prunes");
  const { ids, cursor } = await claims.filed(undefined);
  expect(ids).toEqual([claim.objectId]);
  // What was passed over is not read again.
  expect(await claims.filed(cursor)).toMatchObject({ ids: [], hasMore: false });
  const found = await claims.read([foreign.objectId, claim.objectId]);
  expect(found.map(({ ref }) => ref.objectId)).toEqual([claim.objectId]);
  await world.clock.advance(AUDIT_PARAMS.windowMs + 1);
  await world.succeed(world.stranger, finalizeTransaction(other, foreign));
  await world.clock.advance((AUDIT_PARAMS.retentionRounds + 1) * AUDIT_PARAMS.periodMs);
  const before = await world.balance(pruner);
  // As good as gone: there is nothing to do, and nothing is sent.
  expect(await pruning.purgeClaim(foreign.objectId)).toBe(true);
  expect(await world.balance(pruner)).toBe(before);
  expect(await world.claimState(foreign, other)).toMatchObject({ state: "lapsed" });
});

it("keeps a round as long as a claim of it is pending, or confirmed in an epoch that lasts", () => {
  addRound(ROUND + 2 * P.retentionRounds, EPOCH);
  for (const [state, kept] of [
    ["pending", 2],
    ["confirmed", 2],
    ["lapsed", 1],
  ] as const) {
    sql.exec("UPDATE claim SET state = ?", state);
    pruneLedger(parts(), false);
    expect(rows()[0], state).toBe(kept);
  }
});
