// If this fails, a round, a report or the panel itself behaves on the embedded network as no contract would.
import { Transaction } from "@mysten/sui/transactions";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { parseObjectId } from "../../../../shared/protocol/ids.ts";
import {
  addAuditorsTransaction,
  createRegistryTransaction,
  deactivateAuditorsTransaction,
  setGateTransaction,
  setParamsTransaction,
  setPausedTransaction,
} from "../../../../shared/sui/audit/panel-transactions.ts";
import { readDeclaredPopulation, readReport, readRound } from "../../../../shared/sui/audit/reader.ts";
import { openRoundTransaction } from "../../../../shared/sui/audit/transactions.ts";
import { AUDIT_PARAMS, AuditWorld, EPOCH, ROUND } from "../../../support/audit/world.ts";
import { testWallet } from "../../../support/sui/network.ts";

let world: AuditWorld;
const addressOf = (key: { toSuiAddress(): string }) => parseObjectId(key.toSuiAddress());
const open = (round = ROUND): Transaction => openRoundTransaction(world.contracts, round);
const sentBy = async (key: AuditWorld["admin"], transaction: Transaction) =>
  (await world.send(key, transaction)).failure;

beforeEach(async () => {
  world = await AuditWorld.open();
});
afterEach(() => world.close());

describe("a round", () => {
  it("opens once, in its slot, for anybody, and keeps its seed", async () => {
    expect(await sentBy(world.stranger, open(ROUND + 1))).toBe("audit 12");
    expect(await sentBy(world.stranger, open(ROUND - 1))).toBe("audit 26");
    const opened = await world.succeed(world.stranger, open());
    expect(opened.events).toMatchObject([{ kind: "RoundOpened", no: BigInt(ROUND) }]);
    const round = await readRound(world.network.client, await world.registry(), ROUND);
    expect(round).toMatchObject({ round: ROUND, params: AUDIT_PARAMS, reportCount: 0 });
    expect(round?.seed).toHaveLength(32);
    expect(opened.events[0]).toMatchObject({ seed: round?.seed });
    expect(await sentBy(world.auditors[0], open())).toBe("audit 11");
    await world.clock.advance(AUDIT_PARAMS.periodMs);
    await world.succeed(world.stranger, open(ROUND + 1));
    const next = await readRound(world.network.client, await world.registry(), ROUND + 1);
    expect(next?.seed).not.toEqual(round?.seed);
  });

  it("cannot be part of a transaction that could abort on its seed", async () => {
    const tx = open();
    tx.moveCall({ target: `${world.contracts.packageId}::proof::depth`, arguments: [tx.pure.u64(3)] });
    await expect(world.send(world.stranger, tx)).rejects.toThrow(/reads randomness/);
  });

  it("is not opened while paused, and keeps the parameters it was opened with", async () => {
    await world.succeed(world.admin, setPausedTransaction(world.contracts, world.cap, true));
    expect(await sentBy(world.stranger, open())).toBe("audit 24");
    await world.succeed(world.admin, setPausedTransaction(world.contracts, world.cap, false));
    await world.succeed(world.stranger, open());
    const params = { ...AUDIT_PARAMS, quorum: 3 };
    await world.succeed(world.admin, setParamsTransaction(world.contracts, world.cap, params));
    const registry = await world.registry();
    expect(registry.params.quorum).toBe(3);
    expect((await readRound(world.network.client, registry, ROUND))?.params.quorum).toBe(2);
  });
});

describe("populations and reports", () => {
  it("each auditor declares an epoch once, and reports a round once", async () => {
    const [a] = world.auditors;
    expect(await sentBy(world.stranger, world.declare())).toBe("audit 10");
    expect(await sentBy(a, world.declare({ root: new Uint8Array(31) }))).toBe("audit 20");
    expect(await sentBy(a, world.declare({ totalBytes: 1n << 64n }))).toBe("audit 20");
    expect(await sentBy(a, world.report())).toBe("audit 13");
    await world.succeed(a, world.declare());
    expect(await sentBy(a, world.declare())).toBe("audit 19");
    await world.clock.advance(5);
    await world.succeed(world.stranger, open());
    expect(await sentBy(world.stranger, world.report())).toBe("audit 10");
    const bad = [
      { evidenceRoot: new Uint8Array(33) },
      { nodesRoot: new Uint8Array(31) },
      { rows: new Uint8Array(129 * 52) },
      { totals: [1, 1, 0, 0, 0, 0, 0] },
      { totals: [2, 1, 0, 0, 0, 0, 0, 0] },
    ];
    for (const change of bad) expect(await sentBy(a, world.report(ROUND, change))).toBe("audit 28");
    const reported = await world.succeed(a, world.report(ROUND, { rows: new Uint8Array(128 * 52) }));
    expect(reported.events).toMatchObject([{ kind: "RoundReported", no: BigInt(ROUND), epoch: EPOCH }]);
    expect(await sentBy(a, world.report())).toBe("audit 19");
    const { client } = world.network;
    const registry = await world.registry();
    expect(await readDeclaredPopulation(client, registry, EPOCH, addressOf(a))).toMatchObject({
      size: world.population.size,
      totalBytes: world.population.totalBytes,
      root: world.population.root(),
      claims: 0,
      lastRound: ROUND,
    });
    const round = await readRound(client, registry, ROUND);
    if (round === undefined) throw new Error("the round is open");
    expect(await readReport(client, round, addressOf(a))).toMatchObject({ epoch: EPOCH, claimed: [] });
    expect(round.reportCount).toBe(1);
  });
});

describe("the panel", () => {
  it("adds, deactivates and takes back auditors; the cap's owner alone may", async () => {
    const [a] = world.auditors;
    const entry = { address: addressOf(a), name: "a", url: "https://a.example", sinceEpoch: 9 };
    const add = (change: Partial<typeof entry> = {}): Transaction =>
      addAuditorsTransaction(world.contracts, world.cap, [{ ...entry, ...change }]);
    const deactivate = (): Transaction =>
      deactivateAuditorsTransaction(world.contracts, world.cap, [addressOf(a)]);
    expect(await sentBy(world.admin, add())).toBe("audit 19");
    expect(await sentBy(world.admin, add({ name: "n".repeat(65) }))).toBe("audit 28");
    expect(await sentBy(world.admin, add({ url: "ü".repeat(129) }))).toBe("audit 28");
    await expect(world.send(world.stranger, add())).rejects.toThrow(/not owned/);
    await world.succeed(world.admin, deactivate());
    expect(await sentBy(world.admin, deactivate())).toBe("audit 10");
    expect(await sentBy(a, world.declare())).toBe("audit 10");
    await world.succeed(world.admin, add());
    const { auditors } = await world.registry();
    expect(auditors).toHaveLength(3);
    expect(auditors[0]).toMatchObject({ name: "a", sinceEpoch: 1, isActive: true });
  });

  it("holds at most 64 auditors", async () => {
    for (let i = 3; i < 64; i++) expect(world.addAuditor(testWallet(`auditor ${i}`))).toBe(true);
    expect(world.addAuditor(testWallet("auditor 3"))).toBe(false);
    expect(() => world.addAuditor(testWallet("one more"))).toThrow(/abort 23/);
  });

  it("refuses parameters under which a claim could outlive its round", async () => {
    const { packageId } = world.contracts;
    const create = (change: Partial<typeof AUDIT_PARAMS>): Transaction =>
      createRegistryTransaction(packageId, world.cap, { ...AUDIT_PARAMS, ...change });
    const bad = [{ quorum: 0 }, { nShards: 3 }, { periodMs: 0 }, { windowMs: 0 }, { retentionRounds: 3 }];
    for (const change of bad) expect(await sentBy(world.admin, create(change))).toBe("audit 28");
    const created = await world.succeed(world.admin, create({ retentionRounds: 4 }));
    expect(created.events).toMatchObject([{ kind: "RegistryCreated", params: { retention_rounds: 4n } }]);
    const otherPeriod = { ...AUDIT_PARAMS, periodMs: 999 };
    expect(await sentBy(world.admin, setParamsTransaction(world.contracts, world.cap, otherPeriod))).toBe(
      "audit 28",
    );
  });

  it("names the gate by the type of its witness; migrating needs an older version", async () => {
    const witness = `${world.standIn.networkIds.auditGatePackageId}::gate::WalrusCommittee`;
    expect((await world.registry()).gate).toBe(witness.replace("0x", ""));
    await world.succeed(world.admin, setGateTransaction(world.contracts, world.cap, "u64"));
    expect((await world.registry()).gate).toBe("u64");
    const undroppable = setGateTransaction(world.contracts, world.cap, "0x2::clock::Clock");
    expect(await sentBy(world.admin, undroppable)).toMatch(/^no abort/);
    const tx = new Transaction();
    const { objectId, initialSharedVersion } = world.contracts.registry;
    const registry = tx.sharedObjectRef({
      objectId,
      initialSharedVersion: `${initialSharedVersion}`,
      mutable: true,
    });
    const cap = { ...world.cap, version: `${world.cap.version}` };
    tx.moveCall({
      target: `${world.contracts.packageId}::audit::migrate`,
      arguments: [registry, tx.objectRef(cap)],
    });
    expect(await sentBy(world.admin, tx)).toBe("audit 25");
  });
});
