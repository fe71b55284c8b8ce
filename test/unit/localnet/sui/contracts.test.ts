// If this fails, the embedded network charges, accounts or stores other than the contracts do: quotes and ledgers go wrong.
import { bcs } from "@mysten/sui/bcs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { dynamicFieldId } from "../../../../localnet/sui/move/objects.ts";
import { StakingFieldLayout, SystemFieldLayout } from "../../../../localnet/sui/move/types.ts";
import type { ObjectId } from "../../../../shared/protocol/ids.ts";
import { invalidBlobIdMessage } from "../../../../shared/protocol/messages.ts";
import { versionKey } from "../../../../shared/sui/client/type-names.ts";
import { parseWalrusEvent } from "../../../../shared/sui/walrus/events.ts";
import {
  BlobLayout,
  SharedBlobLayout,
  StakingPoolLayout,
  StorageLayout,
} from "../../../../shared/sui/walrus/layouts.ts";
import {
  Calls,
  certifiedBlob,
  certify,
  encodedBytes,
  inventedBlob,
  registerBlob,
  signAs,
  type TestNetwork,
  testNetwork,
} from "../../../support/sui/network.ts";

let network: TestNetwork;
beforeAll(async () => {
  network = await testNetwork();
});
afterAll(() => network.standIn.close());

const MIB = 1 << 20;
const BYTES = encodedBytes(1000);

async function contents(of: TestNetwork, id: string): Promise<Uint8Array> {
  const [object] = (await of.client.getObjects({ objectIds: [id], include: { content: true } })).objects;
  if (object === undefined || object instanceof Error) throw object ?? new Error("no object");
  return object.content;
}
async function exists(of: TestNetwork, id: string): Promise<boolean> {
  return !((await of.client.getObjects({ objectIds: [id] })).objects[0] instanceof Error);
}
async function systemOf(of: TestNetwork, version = 3n) {
  const id = dynamicFieldId(of.standIn.networkIds.systemObjectId, "u64", versionKey(version));
  return SystemFieldLayout.parse(await contents(of, id)).value;
}
async function stakingOf(of: TestNetwork) {
  const id = dynamicFieldId(of.standIn.networkIds.stakingObjectId, "u64", versionKey(3n));
  return StakingFieldLayout.parse(await contents(of, id)).value;
}
/** Rewards of the first epochs from now. */
async function rewards(of: TestNetwork, epochs: number): Promise<bigint[]> {
  const { future_accounting: ring } = await systemOf(of);
  return Array.from({ length: epochs }, (_, offset) => {
    const slot = ring.ring_buffer[(ring.current_index + offset) % ring.length];
    return slot?.rewards_to_distribute ?? -1n;
  });
}
const wal = async (of: TestNetwork): Promise<bigint> =>
  BigInt(
    (await of.client.getBalance({ owner: of.address, coinType: of.standIn.networkIds.walType })).balance
      .balance,
  );
const createdOf = (result: Awaited<ReturnType<Calls["succeed"]>>, struct: string): ObjectId => {
  const found = Object.entries(result.objectTypes ?? {}).find(([, type]) => type.endsWith(`::${struct}`));
  if (found === undefined) throw new Error(`no ${struct}`);
  return found[0] as ObjectId;
};

describe("prices", () => {
  it.each([
    [1, 1n],
    [MIB, 1n],
    [MIB + 1, 2n],
    [10 * MIB, 10n],
  ])("%i bytes cost %i units in every epoch they are reserved for", async (bytes, units) => {
    const [before, slots] = [await wal(network), await rewards(network, 4)];
    const used = (await systemOf(network)).used_capacity_size;
    const calls = new Calls(network);
    const coin = calls.wal(units * 11_000n * 3n);
    const storage = calls.reserve(bytes, 3, coin);
    calls.destroy(coin);
    calls.give([storage]);
    const created = createdOf(await calls.succeed(), "storage_resource::Storage");
    expect(await wal(network)).toBe(before - units * 33_000n);
    const paid = units * 11_000n;
    expect(await rewards(network, 4)).toEqual(slots.map((slot, k) => slot + (k < 3 ? paid : 0n)));
    expect((await systemOf(network)).used_capacity_size).toBe(used + BigInt(bytes));
    const { start_epoch, end_epoch, storage_size } = StorageLayout.parse(await contents(network, created));
    expect([start_epoch, end_epoch, storage_size]).toEqual([1, 4, BigInt(bytes)]);
  });

  it("registering charges the blob's own units, whatever the storage holds", async () => {
    const [before, slots] = [await wal(network), await rewards(network, 1)];
    const calls = new Calls(network);
    const [space, write] = [calls.wal(5n * 11_000n), calls.wal(20_000n)];
    const blob = calls.register(calls.reserve(5 * MIB, 1, space), inventedBlob(1000, 50), write);
    calls.destroy(space);
    calls.destroy(write);
    calls.give([blob]);
    await calls.succeed();
    expect(await wal(network)).toBe(before - 75_000n);
    expect(await rewards(network, 1)).toEqual([(slots[0] ?? 0n) + 75_000n]);
  });

  it("extending pays the slots it adds and keeps the first certified epoch in its event", async () => {
    const own = await testNetwork({ seed: "extend" });
    const blob = inventedBlob(1000, 51);
    const id = await certifiedBlob(own, blob, { epochs: 2 });
    own.standIn.advanceEpoch();
    const slots = await rewards(own, 5);
    const calls = new Calls(own);
    const coin = calls.wal(2n * 11_000n);
    calls.call("system::extend_blob", [calls.system, calls.tx.object(id), calls.tx.pure.u32(2), coin]);
    calls.destroy(coin);
    const { events } = await calls.succeed();
    expect(await rewards(own, 5)).toEqual(slots.map((slot, k) => slot + (k === 1 || k === 2 ? 11_000n : 0n)));
    const event = parseWalrusEvent(events?.[0]?.eventType ?? "", events?.[0]?.bcs ?? new Uint8Array());
    expect(event).toEqual({
      kind: "BlobCertified",
      epoch: 1,
      blob_id: blob.blobId,
      end_epoch: 5,
      deletable: true,
      object_id: id,
      is_extension: true,
    });
    own.standIn.close();
  });

  it("a new price holds at once, and a quote at the old one aborts", async () => {
    const own = await testNetwork({ seed: "prices" });
    own.standIn.setPrices({ storagePricePerUnit: 11_001n, writePricePerUnit: 20_000n });
    await expect(registerBlob(own, inventedBlob(1000))).rejects.toThrow(
      /abort code: 2.*balance|balance.*abort code: 2/,
    );
    own.standIn.close();
  });
});

describe("events", () => {
  it("name the defining package in their type and the called module at the top", async () => {
    const { originalPackageId, packageId } = network.standIn.networkIds;
    const blob = inventedBlob(1000, 60);
    const objectId = await registerBlob(network, blob);
    const calls = new Calls(network);
    calls.certify(
      objectId,
      certify(network.nodes, [1, 2, 3], 1, blob.blobId, { kind: "deletable", objectId }),
    );
    const { events } = await calls.succeed();
    expect(events).toHaveLength(1);
    const [event] = events ?? [];
    expect([event?.packageId, event?.module]).toEqual([packageId, "system"]);
    expect(event?.eventType).toBe(`${originalPackageId}::events::BlobCertified`);
    expect(event?.bcs).toHaveLength(74);
    expect(BlobLayout.parse(await contents(network, objectId)).certified_epoch).toBe(1);
  });

  it("an invalid blob ID is announced on the word of one correct node, not less", async () => {
    const { blobId } = inventedBlob(1000, 61);
    const message = invalidBlobIdMessage(1, blobId);
    const announce = (signers: number[], bitmap: number) => {
      const calls = new Calls(network);
      const { signature } = signAs(network.nodes, signers, message);
      const bytes = [signature, Uint8Array.of(bitmap), message].map((each) =>
        calls.tx.pure.vector("u8", [...each]),
      );
      calls.call("system::invalidate_blob_id", [calls.system, ...bytes]);
      return calls.succeed();
    };
    await expect(announce([1], 0b10)).rejects.toThrow("bls_aggregate");
    const { events } = await announce([0, 1], 0b11);
    expect(parseWalrusEvent(events?.[0]?.eventType ?? "", events?.[0]?.bcs ?? new Uint8Array())).toEqual({
      kind: "InvalidBlobID",
      epoch: 1,
      blob_id: blobId,
    });
  });
});

describe("objects", () => {
  it("deleting returns the storage under its old ID and takes the attributes along", async () => {
    const id = await registerBlob(network, inventedBlob(1000, 70));
    const { storage } = BlobLayout.parse(await contents(network, id));
    const attributes = new Calls(network);
    const pair = (key: string, value: string) =>
      attributes.call("blob::insert_or_update_metadata_pair", [
        attributes.tx.object(id),
        attributes.tx.pure.string(key),
        attributes.tx.pure.string(value),
      ]);
    pair("a", "1");
    pair("b", "2");
    pair("a", "3");
    await attributes.succeed();
    const key = bcs.string().serialize("metadata").toBytes();
    const field = dynamicFieldId(id, "vector<u8>", key);
    expect(await exists(network, field)).toBe(true);
    expect(await exists(network, storage.id)).toBe(false);
    const calls = new Calls(network);
    calls.give([calls.call("system::delete_blob", [calls.system, calls.tx.object(id)])]);
    const { effects } = await calls.succeed();
    expect(await exists(network, field)).toBe(false);
    expect(await exists(network, id)).toBe(false);
    expect(StorageLayout.parse(await contents(network, storage.id))).toEqual(storage);
    const change = (of: string) => effects?.changedObjects.find((each) => each.objectId === of);
    expect(change(id)?.idOperation).toBe("Deleted");
    expect(change(storage.id)).toMatchObject({
      inputState: "DoesNotExist",
      outputState: "ObjectWrite",
      idOperation: "None",
    });
  });

  it("an updated attribute moves to the end; taking and replacing hand the old ones back", async () => {
    const id = await registerBlob(network, inventedBlob(1000, 71));
    const calls = new Calls(network);
    const { tx } = calls;
    const insert = (key: string, value: string) =>
      calls.call("blob::insert_or_update_metadata_pair", [
        tx.object(id),
        tx.pure.string(key),
        tx.pure.string(value),
      ]);
    insert("a", "1");
    insert("b", "2");
    insert("a", "3");
    calls.call("blob::remove_metadata_pair_if_exists", [tx.object(id), tx.pure.string("nobody")]);
    await calls.succeed();
    const key = bcs.string().serialize("metadata").toBytes();
    const field = dynamicFieldId(id, "vector<u8>", key);
    const bytes = await contents(network, field);
    const text = new TextDecoder("latin1").decode(bytes.slice(32 + key.length));
    expect(text).toBe("\u0002\u0001b\u00012\u0001a\u00013");
    const replace = new Calls(network);
    replace.call("blob::add_or_replace_metadata", [replace.tx.object(id), replace.call("metadata::new", [])]);
    await replace.succeed();
    expect((await contents(network, field)).at(-1)).toBe(0);
    const take = new Calls(network);
    take.call("blob::take_metadata", [take.tx.object(id)]);
    await take.succeed();
    expect(await exists(network, field)).toBe(false);
  });

  it("burning drops a blob, its attributes and its storage without an event", async () => {
    const id = await registerBlob(network, inventedBlob(1000, 72), { deletable: false });
    const { storage } = BlobLayout.parse(await contents(network, id));
    const calls = new Calls(network);
    calls.call("blob::burn", [calls.tx.object(id)]);
    const { events, effects } = await calls.succeed();
    expect(events).toEqual([]);
    expect(await exists(network, id)).toBe(false);
    expect(effects?.changedObjects.find((each) => each.objectId === storage.id)?.idOperation).toBe("Deleted");
  });

  it("a shared blob wraps the blob and pays its extension from its funds", async () => {
    const blob = inventedBlob(1000, 73);
    const id = await certifiedBlob(network, blob);
    const share = new Calls(network);
    share.call("shared_blob::new_funded", [share.tx.object(id), share.wal(30_000n)]);
    const sharedId = createdOf(await share.succeed(), "shared_blob::SharedBlob");
    expect(await exists(network, id)).toBe(false);
    const fund = new Calls(network);
    fund.call("shared_blob::fund", [fund.tx.object(sharedId), fund.wal(5_000n)]);
    fund.call("shared_blob::extend", [fund.tx.object(sharedId), fund.system, fund.tx.pure.u32(3)]);
    const { events } = await fund.succeed();
    expect(events?.[0]?.module).toBe("shared_blob");
    const shared = SharedBlobLayout.parse(await contents(network, sharedId));
    expect(shared.funds).toBe(2_000n);
    expect([shared.blob.id, shared.blob.storage.end_epoch]).toEqual([id, 7]);
    const [object] = (await network.client.getObjects({ objectIds: [sharedId] })).objects;
    if (object === undefined || object instanceof Error) throw new Error("no shared blob");
    const initial = object.owner.$kind === "Shared" ? object.owner.Shared.initialSharedVersion : "";
    expect(BigInt(initial)).toBeLessThan(BigInt(object.version));
  });

  it("storage splits and fuses by epoch and by size, losing nothing", async () => {
    const calls = new Calls(network);
    const { tx } = calls;
    const coin = calls.wal(44_000n);
    const storage = calls.reserve(1000, 4, coin);
    const late = calls.call("storage_resource::split_by_epoch", [storage, tx.pure.u32(3)]);
    const rest = calls.call("storage_resource::split_by_size", [late, tx.pure.u64(300)]);
    calls.call("storage_resource::fuse", [late, rest]);
    calls.call("storage_resource::fuse", [late, storage]);
    calls.destroy(coin);
    calls.give([late]);
    const id = createdOf(await calls.succeed(), "storage_resource::Storage");
    const { start_epoch, end_epoch, storage_size } = StorageLayout.parse(await contents(network, id));
    expect([start_epoch, end_epoch, storage_size]).toEqual([1, 5, 1000n]);
  });

  it("a blob extends with storage that adjoins its own", async () => {
    const id = await certifiedBlob(network, inventedBlob(1000, 74), { epochs: 2 });
    const calls = new Calls(network);
    const { tx } = calls;
    const coin = calls.wal(22_000n);
    const range = [tx.pure.u64(BYTES), tx.pure.u32(3), tx.pure.u32(5)];
    const storage = calls.call("system::reserve_space_for_epochs", [calls.system, ...range, coin]);
    calls.call("system::extend_blob_with_resource", [calls.system, tx.object(id), storage]);
    calls.destroy(coin);
    await calls.succeed();
    expect(BlobLayout.parse(await contents(network, id)).storage.end_epoch).toBe(5);
  });

  it("staked WAL waits in its pool for the next epoch", async () => {
    const node = network.nodes[2]?.nodeId ?? "";
    const calls = new Calls(network);
    const staking = calls.tx.object(network.standIn.networkIds.stakingObjectId);
    const staked = calls.call("staking::stake_with_pool", [
      staking,
      calls.wal(2_000_000_000n),
      calls.tx.pure.address(node),
    ]);
    calls.give([staked]);
    createdOf(await calls.succeed(), "staked_wal::StakedWal");
    const pool = StakingPoolLayout.parse(await contents(network, node));
    expect(pool.pending_stake).toEqual([{ key: 2, value: 2_000_000_000n }]);
  });
});

describe("the network's own changes", () => {
  it("an epoch change moves the ring, pays the nodes and keeps every FROST", async () => {
    const own = await testNetwork({ seed: "epochs", maxEpochsAhead: 4 });
    await registerBlob(own, inventedBlob(1000), { epochs: 3 });
    const before = await rewards(own, 4);
    expect(own.standIn.advanceEpoch({ sync: true })).toBe(2);
    expect((await stakingOf(own)).epoch_state.$kind).toBe("EpochChangeSync");
    own.standIn.finishEpochChange();
    const [system, staking] = [await systemOf(own), await stakingOf(own)];
    expect([system.committee.epoch, staking.epoch]).toEqual([2, 2]);
    expect(staking.epoch_state.$kind).toBe("EpochChangeDone");
    expect(staking.previous_committee).toEqual(staking.committee);
    expect(system.used_capacity_size).toBe(BigInt(BYTES));
    expect(system.future_accounting.ring_buffer.map((slot) => slot.epoch).sort()).toEqual([2, 3, 4, 5]);
    const after = await rewards(own, 4);
    const pools = await Promise.all(
      own.nodes.map(async ({ nodeId }) => StakingPoolLayout.parse(await contents(own, nodeId)).rewards_pool),
    );
    const paid = pools.reduce((sum, each) => sum + each, 0n);
    const burned = ((before[0] ?? 0n) * 3n) / 100n;
    expect(paid).toBeGreaterThan(0n);
    const sum = (list: readonly bigint[]) => list.reduce((all, each) => all + each, 0n);
    expect(sum(after) + paid + burned).toBe(sum(before));
    const events = await own.client.listEvents({
      filter: { emitModule: `${own.standIn.packageId}::staking` },
    });
    expect(events.events.map((event) => event.eventType.split("::").at(-1))).toEqual([
      "EpochChangeStart",
      "EpochChangeDone",
    ]);
    own.standIn.close();
  });

  it("an upgrade moves the state to the new package; calls to the old one abort", async () => {
    const own = await testNetwork({ seed: "upgrade" });
    const old = own.standIn.packageId;
    const next = own.standIn.upgradePackage();
    expect(own.standIn.packageId).toBe(next);
    expect(next).not.toBe(old);
    expect((await systemOf(own, 4n)).committee.epoch).toBe(1);
    const stale = new Calls(own, old);
    const coin = stale.wal(11_000n);
    stale.give([stale.reserve(1000, 1, coin), coin]);
    await expect(stale.tx.build({ client: own.client })).rejects.toThrow("abort code: 1");
    await certifiedBlob(own, inventedBlob(1000));
    own.standIn.close();
  });

  it("readers answer from the state", async () => {
    const calls = new Calls(network);
    for (const name of ["epoch", "n_shards", "total_capacity_size", "used_capacity_size", "version"]) {
      calls.call(`system::${name}`, [calls.system]);
    }
    const { effects } = await calls.succeed();
    // System was only read: it keeps its version and stands among the unchanged objects.
    expect(effects?.unchangedConsensusObjects.map((each) => each.objectId)).toEqual([
      network.standIn.networkIds.systemObjectId,
    ]);
  });
});
