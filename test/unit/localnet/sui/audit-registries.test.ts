// If this fails, one panel's claims are ended, bound or counted by another panel of the same package.
import type { Transaction } from "@mysten/sui/transactions";
import { afterEach, beforeEach, expect, it } from "vitest";
import { readOpenClaimsOf } from "../../../../cli/audit/panel/show.ts";
import { AUDIT_PROFILES } from "../../../../shared/audit/parameters.ts";
import type { Challenge } from "../../../../shared/audit/selection.ts";
import { parseObjectId } from "../../../../shared/protocol/ids.ts";
import type { AuditContracts, SharedRef } from "../../../../shared/sui/audit/contracts.ts";
import { readEscalation } from "../../../../shared/sui/audit/escalation.ts";
import { setGateTransaction } from "../../../../shared/sui/audit/panel-transactions.ts";
import { gateWitnessType } from "../../../../shared/sui/audit/publishing.ts";
import { readClaims, readClaimsOfAnyRegistry, readOpenClaims } from "../../../../shared/sui/audit/reader.ts";
import {
  attestTransaction,
  bindTransaction,
  finalizeTransaction,
  purgeClaimTransaction,
  refuteTransaction,
  withdrawTransaction,
} from "../../../../shared/sui/audit/transactions.ts";
import { readChainSnapshot } from "../../../../shared/sui/walrus/chain-snapshot.ts";
import { AUDIT_PARAMS, AuditWorld, ROUND } from "../../../support/audit/world.ts";

let world: AuditWorld;
let other: AuditContracts;
let claim: SharedRef;
let challenge: Challenge;
const FOREIGN = "audit 30";

/** A claim of the first registry, and a second one that lacks nothing but the claim: panel, population, round, gate. */
beforeEach(async () => {
  world = await AuditWorld.open();
  other = await world.secondRegistry();
  const gate = gateWitnessType(world.standIn.networkIds.auditGatePackageId);
  await world.succeed(world.admin, setGateTransaction(other, world.cap, gate));
  await world.beginReported();
  await world.beginReported(other);
  const [good] = await world.claimable();
  if (good === undefined) throw new Error("the round has claimable draws");
  challenge = good;
  claim = await world.file(world.auditors[0], challenge);
});
afterEach(() => world.close());

const [accuser, attestor] = [() => world.auditors[0], () => world.auditors[1]];
const addressOf = (key: { toSuiAddress(): string }) => parseObjectId(key.toSuiAddress());
const bind = (contracts: AuditContracts): Transaction => {
  const { stakingObjectId, auditGatePackageId } = world.standIn.networkIds;
  const staking = { objectId: stakingObjectId, initialSharedVersion: 1n };
  return bindTransaction(contracts, auditGatePackageId, claim, staking);
};
const refute = (contracts: AuditContracts): Transaction =>
  refuteTransaction(contracts, claim, world.answer(challenge), addressOf(world.stranger));
const finalize = (contracts: AuditContracts): Transaction => finalizeTransaction(contracts, claim);
const purge = (contracts: AuditContracts): Transaction => purgeClaimTransaction(contracts, claim);

it("attests, binds, refutes, withdraws and finalizes claims of its own only", async () => {
  const before = await world.claimState(claim);
  const attest = attestTransaction(other, claim);
  expect((await world.send(attestor(), attest)).failure).toBe(FOREIGN);
  expect((await world.send(world.stranger, bind(other))).failure).toBe(FOREIGN);
  expect((await world.send(world.stranger, refute(other))).failure).toBe(FOREIGN);
  const back = withdrawTransaction(other, claim, addressOf(accuser()));
  expect((await world.send(accuser(), back)).failure).toBe(FOREIGN);
  await world.clock.advance(AUDIT_PARAMS.windowMs + 1);
  expect((await world.send(world.stranger, finalize(other))).failure).toBe(FOREIGN);
  expect(await world.claimState(claim)).toEqual(before);
  await world.succeed(world.stranger, finalize(world.contracts));
  await world.clock.advance((AUDIT_PARAMS.retentionRounds + 1) * AUDIT_PARAMS.periodMs);
  expect((await world.send(world.stranger, purge(other))).failure).toBe(FOREIGN);
  await world.succeed(world.stranger, purge(world.contracts));
});

it("counts and ends the claims against a node apart from those of another registry", async () => {
  const node = world.nodeOf(challenge.shard);
  const [theirs] = await world.claimable(ROUND, other);
  if (theirs === undefined) throw new Error("the round has claimable draws");
  const second = await world.file(accuser(), theirs, { node }, other);
  const { client } = world.network;
  const open = async (contracts: AuditContracts) =>
    readOpenClaims(client, await world.registry(contracts), node);
  expect([await open(world.contracts), await open(other)]).toEqual([1, 1]);
  await world.succeed(world.stranger, refute(world.contracts));
  expect([await open(world.contracts), await open(other)]).toEqual([0, 1]);
  const refuted = async (contracts: AuditContracts) =>
    (await world.registry(contracts)).auditors.map(({ claimsRefuted }) => claimsRefuted);
  expect([await refuted(world.contracts), await refuted(other)]).toEqual([
    [1, 0, 0],
    [0, 0, 0],
  ]);
  expect(await world.claimState(second, other)).toMatchObject({ state: "pending" });
});

it("is named by its claims, and readers of another registry see none", async () => {
  const { client } = world.network;
  const own = world.contracts.registry.objectId;
  const ids = [claim.objectId];
  expect(await readClaims(client, world.contracts, ids)).toMatchObject([{ registry: own, state: "pending" }]);
  expect(await readClaims(client, other, ids)).toEqual([undefined]);
  expect(await readClaimsOfAnyRegistry(client, other, ids)).toMatchObject([{ registry: own }]);
  // Of another package whoever published it wrote every field, the registry too.
  const copied = { ...world.contracts, originalPackageId: world.standIn.networkIds.auditGatePackageId };
  expect(await readClaims(client, copied, ids)).toEqual([undefined]);
  expect(await readClaimsOfAnyRegistry(client, copied, ids)).toEqual([undefined]);
  // Its accuser is on both panels; the bond is open with one.
  const pending = async (contracts: AuditContracts) =>
    (await readOpenClaimsOf(client, await world.registry(contracts))).pending.map(({ ref }) => ref.objectId);
  expect([await pending(world.contracts), await pending(other)]).toEqual([ids, []]);
});

it("is no ground for a vote by another panel's rules, whoever is on both", async () => {
  await world.succeed(attestor(), attestTransaction(world.contracts, claim));
  await world.succeed(world.stranger, bind(world.contracts));
  await world.clock.advance(AUDIT_PARAMS.windowMs + 1);
  await world.succeed(world.stranger, finalize(world.contracts));
  const ids = world.standIn.networkIds;
  const { client } = world.network;
  const snapshot = await readChainSnapshot(client, ids, world.clock.nowMs());
  const escalation = (registry: AuditContracts) =>
    readEscalation(
      client,
      { ...ids, auditRegistryId: registry.registry.objectId, gatePackageId: ids.auditGatePackageId },
      snapshot,
      AUDIT_PROFILES.local,
      [claim.objectId],
    );
  // Only more claims are missing: everything else about it would do.
  await expect(escalation(world.contracts)).rejects.toMatchObject({ code: "TOO_FEW_CLAIMS" });
  await expect(escalation(other)).rejects.toMatchObject({ code: "CLAIM_OF_ANOTHER_PANEL" });
});
