// If this fails, a node that holds everything can be accused of loss and nobody answers in its name.
import { afterEach, beforeEach, expect, test } from "vitest";
import { systemClock } from "../../../host/clock.ts";
import { NodeHost } from "../../../localnet/node-host.ts";
import { createSuiClaimSource } from "../../../localnet/storage-node/claim-source.ts";
import type { Challenge } from "../../../shared/audit/selection.ts";
import type { Clock } from "../../../shared/base/clock.ts";
import { createReferenceCodec } from "../../../shared/codec/reference-codec.ts";
import { AXES, type ObjectId, parseObjectId, type ShardIndex } from "../../../shared/protocol/ids.ts";
import { pairOfShard, sliverOfPair } from "../../../shared/protocol/mapping.ts";
import { serializeBlobMetadata } from "../../../shared/protocol/metadata.ts";
import { readAuditEventPage } from "../../../shared/sui/audit/event-pages.ts";
import { AuditWorld, EPOCH } from "../../support/audit/world.ts";
import { N_SHARDS, testWallet } from "../../support/sui/network.ts";
import { ScriptedChain } from "../../support/sui/scripted-chain.ts";

const wallet = testWallet("node wallet");
const FUNDS = 1_000_000_000n;
const address = parseObjectId(wallet.toSuiAddress());

let world: AuditWorld;
let host: NodeHost;
let against: Challenge[];
const errors: unknown[] = [];

beforeEach(async () => {
  errors.length = 0;
  world = await AuditWorld.open();
  world.standIn.faucet(address, { suiMist: FUNDS });
  await world.beginReported();
  const [node] = world.network.nodes;
  if (node === undefined) throw new Error("there are nodes");
  against = (await world.claimable()).filter(({ shard }) => node.shards.includes(shard));
  // Time as the chain has it; waits that really pass.
  const clock: Clock = { nowMs: () => world.clock.nowMs(), sleep: systemClock.sleep };
  host = await NodeHost.bind({
    name: node.name,
    keys: node,
    rogueKey: new Uint8Array(32).fill(99),
    storePath: ":memory:",
    host: "127.0.0.1",
    port: 0,
    clock,
    codec: createReferenceCodec(),
    heal: false,
    healGraceMs: 0,
    wallet,
    onError: (error) => errors.push(error),
  });
  const members = world.network.nodes.map((each) => ({ ...each, shards: each.shards as ShardIndex[] }));
  const chain = new ScriptedChain({
    epoch: EPOCH,
    committee: { epoch: EPOCH, nShards: N_SHARDS, members },
    previousCommittee: null,
  });
  for (const [i, { metadata }] of world.blobs.entries()) {
    const object = parseObjectId(`0xa${i}`);
    chain.register(metadata.blobId, object, 14);
    chain.certify(metadata.blobId, object, 14);
  }
  const { auditPackageId: packageId, auditRegistryId: registryId } = world.standIn.networkIds;
  const toStandIn = (url: string, init?: RequestInit) => world.standIn.fetch(new Request(url, init));
  await host.start(
    chain,
    createSuiClaimSource({ url: "http://sui.local", fetch: toStandIn, packageId, registryId }),
  );
});
afterEach(async () => {
  await host.close();
  world.close();
});

/** Gives the node all that it has to hold of every blob. */
async function store(): Promise<void> {
  for (const { metadata, serialized } of world.blobs) {
    await put(`${metadata.blobId}/metadata`, serializeBlobMetadata(metadata));
    for (const shard of world.network.nodes[0]?.shards ?? []) {
      const pair = pairOfShard(shard as ShardIndex, metadata.blobId, N_SHARDS);
      for (const axis of AXES) {
        const bytes = serialized(axis, sliverOfPair(pair, axis, N_SHARDS));
        await put(`${metadata.blobId}/slivers/${pair}/${axis}`, bytes);
      }
    }
  }
}

async function put(path: string, body: Uint8Array): Promise<void> {
  for (let tries = 0; ; tries++) {
    const response = await fetch(`${host.server.url}/v1/blobs/${path}`, {
      method: "PUT",
      body: new Uint8Array(body),
    });
    if (response.status < 300) return;
    // The registration may not have reached the node yet.
    if (tries > 2_000) throw new Error(await response.text());
    await systemClock.sleep(5);
  }
}

const nth = (position: number): Challenge => {
  const challenge = against[position];
  if (challenge === undefined) throw new Error(`there are only ${against.length} draws against the node`);
  return challenge;
};
/** Claims that the node's wallet ended, oldest first. */
async function refutedByNode(): Promise<ObjectId[]> {
  const { originalPackageId } = world.contracts;
  const page = await readAuditEventPage(world.network.client, { originalPackageId, kind: "ClaimRefuted" });
  return page.events.flatMap(({ event }) =>
    event.kind === "ClaimRefuted" && event.by === address ? event.claim : [],
  );
}

test("answers every false claim against it and takes the bonds, also those filed while it was away", async () => {
  await store();
  await host.setRefuting(false);
  const [a, b] = world.auditors;
  const claims = [await world.file(a, nth(0))];
  await host.setRefuting(true);
  claims.push(await world.file(b, nth(1)));
  // Against another node: not its business.
  const foreign = (await world.claimable()).find(
    ({ shard }) => !world.network.nodes[0]?.shards.includes(shard),
  );
  const others = await world.file(a, foreign ?? nth(2));
  await expect.poll(() => host.stats().claimsRefuted).toBe(2);
  for (const claim of claims) expect(await world.claimState(claim)).toBeUndefined();
  expect(await world.claimState(others)).toMatchObject({ state: "pending" });
  expect(await refutedByNode()).toEqual(claims.map(({ objectId }) => objectId));
  // Bonds and the storage of what it ended are worth more than its gas.
  expect(await world.balance(wallet)).toBeGreaterThan(FUNDS);
  const { auditors } = await world.registry();
  expect(auditors.map(({ claimsRefuted }) => claimsRefuted)).toEqual([1, 1, 0]);
  expect(errors).toEqual([]);
});

test("leaves claims of another registry of the package alone, and is not held up by them", async () => {
  await store();
  const other = await world.secondRegistry();
  await world.beginReported(other);
  const shards = world.network.nodes[0]?.shards ?? [];
  const draws = (await world.claimable(undefined, other)).filter(({ shard }) => shards.includes(shard));
  const [a, b] = world.auditors;
  const foreign = await world.file(a, draws[0] ?? nth(0), {}, other);
  const own = await world.file(b, nth(0));
  // The node works through claims in their order.
  await expect.poll(() => world.claimState(own)).toBeUndefined();
  expect(await refutedByNode()).toEqual([own.objectId]);
  expect(await world.claimState(foreign, other)).toMatchObject({ state: "pending" });
  expect(errors).toEqual([]);
});

test("cannot answer for what it lost, and answers once it has it again before the deadline", async () => {
  await store();
  host.setFault({ kind: "drop-slivers", fraction: 1 });
  const claim = await world.file(world.auditors[0], nth(0));
  await systemClock.sleep(300);
  expect(await world.claimState(claim)).toMatchObject({ state: "pending" });
  host.setFault({ kind: "none" });
  await store();
  await expect.poll(() => world.claimState(claim)).toBeUndefined();
  expect(await refutedByNode()).toEqual([claim.objectId]);
});

test("is silent when it is down or told not to answer", async () => {
  await store();
  await host.setRefuting(false);
  const claim = await world.file(world.auditors[0], nth(0));
  await systemClock.sleep(300);
  host.setFault({ kind: "down" });
  await host.setRefuting(true);
  await systemClock.sleep(300);
  expect(await world.claimState(claim)).toMatchObject({ state: "pending" });
  expect(host.stats().claimsRefuted).toBe(0);
});
