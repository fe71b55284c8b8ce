// If this fails, a node forgets blobs over a restart, misses events, or signs for what it does not hold.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { NodeStore } from "../../../localnet/storage-node/store.ts";
import { toHex } from "../../../shared/base/bytes.ts";
import { blsPublicKey, parseBlsPublicKey, parseBlsSignature, verifyBls } from "../../../shared/crypto/bls.ts";
import { parseSuccessBody } from "../../../shared/node/storage-node-api.ts";
import { parseObjectId, type ShardIndex } from "../../../shared/protocol/ids.ts";
import { pairOfShard } from "../../../shared/protocol/mapping.ts";
import {
  confirmationMessage,
  parseConfirmation,
  type SignedMessage,
  signedMessageFromJson,
} from "../../../shared/protocol/messages.ts";
import {
  committee,
  encodeBlob,
  type LoneNode,
  N_SHARDS,
  SECRET_KEY,
  startLoneNode,
} from "../../support/nodes/lone-node.ts";
import { ScriptedChain } from "../../support/sui/scripted-chain.ts";

const blob = encodeBlob(Uint8Array.of(1, 2, 3, 4));
const PERMANENT = parseObjectId("0xa1");
const DELETABLE = parseObjectId("0xa2");
const LATER = parseObjectId("0xa3");
const path = (rest: string): string => `/v1/blobs/${blob.blobId}/${rest}`;
const at = (
  epoch: number,
  own?: readonly number[],
  previous: ReturnType<typeof committee> | null = null,
) => ({
  epoch,
  committee: committee(epoch, own),
  previousCommittee: previous,
});

const running: LoneNode[] = [];
async function start(options: Parameters<typeof startLoneNode>[0] = {}): Promise<LoneNode> {
  const node = await startLoneNode(options);
  running.push(node);
  return node;
}
const directories: string[] = [];
afterEach(async () => {
  for (const node of running.splice(0)) await node.stop();
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true });
});
function temporaryFile(): string {
  const directory = mkdtempSync(join(tmpdir(), "floe-node-"));
  directories.push(directory);
  return join(directory, "node.sqlite");
}

async function confirmation(node: LoneNode, kind = "permanent"): Promise<SignedMessage | string> {
  const response = await node.ask("GET", path(`confirmation/${kind}`));
  const text = await response.text();
  if (response.status !== 200) return JSON.parse(text).error.details[0].reason as string;
  return signedMessageFromJson((parseSuccessBody(text) as { signed: unknown }).signed);
}

async function status(node: LoneNode): Promise<unknown> {
  return parseSuccessBody(await (await node.ask("GET", path("status"))).text());
}

test("signs exactly the confirmation bytes, once registered and both slivers of every own shard are stored", async () => {
  const node = await start();
  expect(await confirmation(node)).toBe("NOT_REGISTERED");
  node.chain.register(blob.blobId, DELETABLE, 10, true);
  await node.caughtUp(1);
  expect(await confirmation(node)).toBe("MISSING_SLIVERS");
  await node.upload(blob);
  expect(await confirmation(node, `deletable/${PERMANENT}`)).toBe("NOT_REGISTERED");

  for (const [kind, persistence] of [
    ["permanent", { kind: "permanent" }],
    [`deletable/${DELETABLE}`, { kind: "deletable", objectId: DELETABLE }],
  ] as const) {
    const signed = await confirmation(node, kind);
    if (typeof signed === "string") throw new Error(signed);
    expect(toHex(signed.message)).toBe(
      toHex(confirmationMessage({ epoch: 5, blobId: blob.blobId, persistence })),
    );
    const key = parseBlsPublicKey(blsPublicKey(SECRET_KEY));
    expect(verifyBls(signed.message, parseBlsSignature(signed.signature), key)).toBe(true);
  }
});

test("refuses to confirm while one single sliver of its shards is missing", async () => {
  const node = await start();
  node.chain.register(blob.blobId, PERMANENT, 10);
  await node.caughtUp(1);
  await node.upload(blob);
  node.store.run("DELETE FROM slivers WHERE rowid = (SELECT max(rowid) FROM slivers)");
  expect(await confirmation(node)).toBe("MISSING_SLIVERS");
});

test("keeps slivers, registrations and its place in the chain over a restart", async () => {
  const storePath = temporaryFile();
  const chain = new ScriptedChain(at(5));
  const first = await startLoneNode({ chain, storePath });
  chain.register(blob.blobId, PERMANENT, 10);
  await first.caughtUp(1);
  await first.upload(blob);
  const before = await confirmation(first);
  await first.stop();

  chain.certify(blob.blobId, PERMANENT, 10);
  chain.reads.length = 0;
  const second = await start({ chain, storePath });
  expect(await confirmation(second)).toEqual(before);
  await second.caughtUp(2);
  expect(chain.reads[0]).toBe(1);
  expect(await status(second)).toMatchObject({ permanent: { isCertified: true, initialCertifiedEpoch: 5 } });
});

test("starts from its stored committee while the chain is out of reach, and catches up afterwards", async () => {
  const storePath = temporaryFile();
  const chain = new ScriptedChain(at(5));
  await (await startLoneNode({ chain, storePath })).stop();
  chain.failure = new Error("no chain");
  await expect(startLoneNode({ chain })).rejects.toThrow("no chain");
  const node = await start({ chain, storePath });
  expect((await node.ask("GET", "/v1/health")).status).toBe(200);
  chain.failure = undefined;
  chain.register(blob.blobId, PERMANENT, 10);
  await node.caughtUp(1);
  expect(node.errors.length).toBeGreaterThan(0);
});

test("applies every event once and in order over many pages", async () => {
  const chain = new ScriptedChain(at(5));
  chain.pageEvents = 3;
  const ids = Array.from({ length: 20 }, (_, i) => parseObjectId(`0x${(i + 1).toString(16)}`));
  for (const id of ids) chain.register(blob.blobId, id, 10, true);
  const node = await start({ chain });
  await node.caughtUp(20);
  expect(await status(node)).toMatchObject({ deletable: { deletableCounts: { count_deletable_total: 20 } } });
  expect(chain.reads.slice(0, 7)).toEqual([0, 3, 6, 9, 12, 15, 18]);
});

test("follows a blob's life: the longest permanent object counts, deletion and expiry end it", async () => {
  const node = await start();
  const { chain } = node;
  chain.register(blob.blobId, PERMANENT, 8);
  chain.register(blob.blobId, DELETABLE, 20, true);
  chain.certify(blob.blobId, DELETABLE, 20, true);
  await node.caughtUp(3);
  const deletableCounts = { count_deletable_total: 1, count_deletable_certified: 1 };
  expect(await status(node)).toEqual({
    permanent: {
      endEpoch: 8,
      isCertified: false,
      statusEvent: { txDigest: "digest-0", eventSeq: "0" },
      deletableCounts,
      initialCertifiedEpoch: 5,
    },
  });
  chain.certify(blob.blobId, PERMANENT, 8);
  chain.certify(blob.blobId, PERMANENT, 12, false, true);
  chain.register(blob.blobId, LATER, 12);
  await node.caughtUp(6);
  expect(await status(node)).toMatchObject({
    permanent: { endEpoch: 12, isCertified: true, statusEvent: { txDigest: "digest-4", eventSeq: "4" } },
  });
  chain.emit({
    kind: "BlobDeleted",
    epoch: 5,
    blob_id: blob.blobId,
    end_epoch: 20,
    object_id: DELETABLE,
    was_certified: true,
  });
  await node.caughtUp(7);
  expect(await status(node)).toMatchObject({
    permanent: { deletableCounts: { count_deletable_total: 0, count_deletable_certified: 0 } },
  });
  chain.setView(at(12));
  chain.emit({ kind: "EpochChangeStart", epoch: 12 });
  await node.caughtUp(8);
  expect(await status(node)).toBe("nonexistent");
});

test("drops the data of an invalidated blob and never takes it back", async () => {
  const node = await start();
  node.chain.register(blob.blobId, PERMANENT, 10);
  await node.caughtUp(1);
  await node.upload(blob);
  node.chain.emit({ kind: "InvalidBlobID", epoch: 5, blob_id: blob.blobId });
  await node.caughtUp(2);
  expect(node.store.slivers(blob.blobId)).toEqual([]);
  expect((await node.ask("GET", path("metadata"))).status).toBe(404);
  expect(await confirmation(node)).toBe("NOT_REGISTERED");
});

test("keeps an expired blob's bytes for one epoch, answers 404 at once, and then frees them", async () => {
  const node = await start();
  node.chain.register(blob.blobId, PERMANENT, 6);
  await node.caughtUp(1);
  await node.upload(blob);
  for (const [epoch, left] of [
    [6, 10],
    [7, 0],
  ] as const) {
    node.chain.setView(at(epoch));
    node.chain.emit({ kind: "EpochChangeStart", epoch });
    await node.caughtUp(epoch - 4);
    expect((await node.ask("GET", path("metadata"))).status).toBe(404);
    expect(node.store.slivers(blob.blobId)).toHaveLength(left);
  }
});

test("signs for the new epoch after an epoch change, serves a lost shard and takes no more uploads for it", async () => {
  const node = await start();
  node.chain.register(blob.blobId, PERMANENT, 10);
  await node.caughtUp(1);
  await node.upload(blob);
  node.chain.setView(at(6, [0, 1, 2, 3], committee(5)));
  node.chain.emit({ kind: "EpochChangeStart", epoch: 6 });
  await node.caughtUp(2);
  const signed = await confirmation(node);
  if (typeof signed === "string") throw new Error(signed);
  expect(parseConfirmation(signed.message).epoch).toBe(6);
  const { context } = node.node;
  expect(context.lockedShards()).toEqual([4]);
  const lost = pairOfShard(4 as ShardIndex, blob.blobId, N_SHARDS);
  expect((await node.ask("GET", path(`slivers/${lost}/primary`))).status).toBe(200);
  const put = await node.ask("PUT", path(`slivers/${lost}/primary`), blob.pairs[lost]?.primary);
  expect(await put.text()).toContain("SHARD_NOT_ASSIGNED");
});

test("does not go on past an epoch change before it knows the new committee", async () => {
  const node = await start();
  node.chain.emit({ kind: "EpochChangeStart", epoch: 6 });
  node.chain.register(blob.blobId, PERMANENT, 10);
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(node.node.context.follower.eventCount).toBe(0);
  node.chain.setView(at(6));
  await node.caughtUp(2);
  expect(node.node.context.epoch).toBe(6);
});

test("refuses a database of another schema and rolls a failed transaction back", () => {
  const file = temporaryFile();
  const store = new NodeStore(file);
  expect(() =>
    store.transaction(() => {
      store.putSliver({ blobId: blob.blobId, shard: 1 as ShardIndex, axis: "primary" }, Uint8Array.of(1));
      throw new Error("stop");
    }),
  ).toThrow("stop");
  expect(store.slivers(blob.blobId)).toEqual([]);
  store.run("PRAGMA user_version = 9");
  store.close();
  expect(() => new NodeStore(file)).toThrow("schema 9");
});
