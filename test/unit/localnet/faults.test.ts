// If this fails, an injected fault is not the fault it claims to be, and every test that relies on it proves nothing.
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { systemClock } from "../../../host/clock.ts";
import { sliversToDrop } from "../../../localnet/faults.ts";
import { NodeHost } from "../../../localnet/node-host.ts";
import { blsPublicKey, parseBlsPublicKey, parseBlsSignature, verifyBls } from "../../../shared/crypto/bls.ts";
import { parseSuccessBody } from "../../../shared/node/storage-node-api.ts";
import { parseObjectId, type ShardIndex, type SliverIndex } from "../../../shared/protocol/ids.ts";
import { pairOfShard } from "../../../shared/protocol/mapping.ts";
import { signedMessageFromJson } from "../../../shared/protocol/messages.ts";
import { parseBlobMetadataWithId, type VerifiedMetadata } from "../../../shared/protocol/metadata.ts";
import { parseRecoverySymbols } from "../../../shared/protocol/recovery-symbol.ts";
import { parseSliver } from "../../../shared/protocol/sliver.ts";
import {
  codec,
  committee,
  encodeBlob,
  N_SHARDS,
  NODE_ID,
  SECRET_KEY,
} from "../../support/nodes/lone-node.ts";
import { ScriptedChain } from "../../support/sui/scripted-chain.ts";

const blob = encodeBlob(new Uint8Array(300).fill(5));
const pair = pairOfShard(0 as ShardIndex, blob.blobId, N_SHARDS);
const publicKey = blsPublicKey(SECRET_KEY);
let host: NodeHost;
let metadata: VerifiedMetadata;
const errors: unknown[] = [];
/** What the host waited for. */
const sleeps: number[] = [];

const url = (rest: string): string => `${host.server.url}/v1/blobs/${blob.blobId}/${rest}`;
const bytesOf = async (rest: string): Promise<Uint8Array> =>
  new Uint8Array(await (await fetch(url(rest))).arrayBuffer());
const put = (rest: string, body: Uint8Array): Promise<Response> =>
  fetch(url(rest), { method: "PUT", body: new Uint8Array(body) });

beforeAll(async () => {
  host = await NodeHost.bind({
    name: "node-0",
    keys: { nodeId: NODE_ID, secretKey: SECRET_KEY, publicKey },
    rogueKey: new Uint8Array(32).fill(7),
    storePath: ":memory:",
    host: "127.0.0.1",
    port: 0,
    clock: {
      nowMs: () => systemClock.nowMs(),
      sleep: (ms, signal) => {
        sleeps.push(ms);
        return systemClock.sleep(ms, signal);
      },
    },
    codec,
    heal: false,
    healGraceMs: 0,
    onError: (error) => errors.push(error),
  });
  const chain = new ScriptedChain({ epoch: 5, committee: committee(5), previousCommittee: null });
  chain.register(blob.blobId, parseObjectId("0xa1"), 10);
  await host.start(chain);
  while ((await put("metadata", blob.metadata)).status !== 201) await systemClock.sleep(5);
  for (let shard = 0; shard < 5; shard++) {
    const own = pairOfShard(shard as ShardIndex, blob.blobId, N_SHARDS);
    for (const axis of ["primary", "secondary"] as const) {
      expect((await put(`slivers/${own}/${axis}`, blob.pairs[own]?.[axis] ?? new Uint8Array())).status).toBe(
        201,
      );
    }
  }
  const answer = parseBlobMetadataWithId(await bytesOf("metadata"));
  metadata = codec.verifyMetadata(answer.metadata, blob.blobId, N_SHARDS);
});
afterAll(async () => {
  await host.close();
  expect(errors).toEqual([]);
});
beforeEach(() => {
  host.setFault({ kind: "none" });
  host.setDistance({ latencyMs: 0 });
});

async function sliverIsGood(): Promise<boolean> {
  const bytes = await bytesOf(`slivers/${pair}/primary`);
  const [result] = codec.verifySlivers(metadata, [
    { axis: "primary", pair, sliver: parseSliver(bytes, 65_536) },
  ]);
  return !(result instanceof Error);
}

async function symbolIsGood(): Promise<boolean> {
  const index = 2 as SliverIndex;
  const bytes = await bytesOf(`recoverySymbols?targetSliver=${index}&targetType=primary&proofAxis=secondary`);
  const [symbol] = parseRecoverySymbols(bytes, N_SHARDS);
  if (symbol === undefined) throw new Error("no symbol");
  try {
    codec.verifySymbol(metadata, symbol, { axis: "primary", index });
    return true;
  } catch {
    return false;
  }
}

async function signatureIsGood(): Promise<boolean> {
  const answer = parseSuccessBody(await (await fetch(url("confirmation/permanent"))).text());
  const { message, signature } = signedMessageFromJson((answer as { signed: unknown }).signed);
  return verifyBls(message, parseBlsSignature(signature), parseBlsPublicKey(publicKey));
}

test("without a fault everything it serves verifies", async () => {
  expect([await sliverIsGood(), await symbolIsGood(), await signatureIsGood()]).toEqual([true, true, true]);
});

test("down resets connections, and the node is back on its port afterwards", async () => {
  host.setFault({ kind: "down" });
  for (let i = 0; i < 3; i++) await expect(fetch(url("status"))).rejects.toThrow("fetch failed");
  host.setFault({ kind: "none" });
  // The client's pool may still hold a connection whose reset it has not read yet.
  const status = () => fetch(url("status")).then((response) => response.status);
  await expect.poll(() => status().catch(() => 0)).toBe(200);
});

test("hang accepts and never answers", async () => {
  host.setFault({ kind: "hang" });
  const outcome = fetch(url("status"), { signal: AbortSignal.timeout(150) });
  await expect(outcome).rejects.toThrow(/timeout/);
});

test("slow answers correctly, that much later, and forgets clients that left", async () => {
  host.setFault({ kind: "slow", ms: 120 });
  const started = performance.now();
  expect((await fetch(url("status"))).status).toBe(200);
  expect(performance.now() - started).toBeGreaterThanOrEqual(115);
  await expect(fetch(url("status"), { signal: AbortSignal.timeout(30) })).rejects.toThrow(/timeout/);
  await expect.poll(() => host.server.traffic.inFlight).toBe(0);
});

test("error answers 500 in the official envelope", async () => {
  host.setFault({ kind: "error" });
  const response = await fetch(url("status"));
  expect(response.status).toBe(500);
  expect(await response.json()).toMatchObject({
    error: { status: "INTERNAL", details: [{ reason: "INTERNAL_ERROR" }, {}] },
  });
});

test("corrupt-slivers serves slivers and symbols that parse and do not verify", async () => {
  host.setFault({ kind: "corrupt-slivers" });
  expect([await sliverIsGood(), await symbolIsGood(), await signatureIsGood()]).toEqual([false, false, true]);
  const good = (await host.storedSlivers(blob.blobId)).size;
  const decoding = await bytesOf("decodingSymbols?targetSlivers=0&targetType=primary");
  host.setFault({ kind: "none" });
  const honest = await bytesOf("decodingSymbols?targetSlivers=0&targetType=primary");
  expect([good, decoding.length]).toEqual([10, honest.length]);
  expect(decoding).not.toEqual(honest);
});

test("wrong-metadata serves metadata that parses and does not hash to the blob ID", async () => {
  host.setFault({ kind: "wrong-metadata" });
  const answer = parseBlobMetadataWithId(await bytesOf("metadata"));
  expect(answer.claimedBlobId).toBe(blob.blobId);
  expect(() => codec.verifyMetadata(answer.metadata, blob.blobId, N_SHARDS)).toThrow();
});

test("wrong-signature signs the right message with a key of nobody", async () => {
  host.setFault({ kind: "wrong-signature" });
  expect([await signatureIsGood(), await sliverIsGood()]).toEqual([false, true]);
});

test("restart keeps what is stored and the port", async () => {
  const before = host.storedSlivers(blob.blobId);
  await host.restart();
  expect(host.storedSlivers(blob.blobId)).toEqual(before);
  expect(await sliverIsGood()).toBe(true);
});

test("drop-slivers loses that share once, goes on confirming, and takes them again", async () => {
  host.setFault({ kind: "drop-slivers", fraction: 0.5 });
  expect(host.storedSlivers(blob.blobId).size).toBe(5);
  expect(await signatureIsGood()).toBe(true);
  host.setFault({ kind: "drop-slivers", fraction: 1 });
  expect(host.storedSlivers(blob.blobId).size).toBe(0);
  expect((await fetch(url(`slivers/${pair}/primary`))).status).toBe(404);
  host.setFault({ kind: "none" });
  expect((await fetch(url(`slivers/${pair}/primary`))).status).toBe(404);
  const again = blob.pairs[pair]?.primary ?? new Uint8Array();
  expect((await put(`slivers/${pair}/primary`, again)).status).toBe(201);
  expect(await sliverIsGood()).toBe(true);
});

async function elapsedMs(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await work();
  return performance.now() - started;
}

test("distance holds beside every fault, and none does not end it", async () => {
  host.setDistance({ latencyMs: 150 });
  host.setFault({ kind: "slow", ms: 100 });
  expect(await elapsedMs(() => fetch(url("status")))).toBeGreaterThanOrEqual(245);
  host.setFault({ kind: "corrupt-slivers" });
  expect(
    await elapsedMs(async () => {
      expect(await sliverIsGood()).toBe(false);
    }),
  ).toBeGreaterThanOrEqual(145);
  host.setFault({ kind: "error" });
  expect(
    await elapsedMs(async () => {
      expect((await fetch(url("status"))).status).toBe(500);
    }),
  ).toBeGreaterThanOrEqual(145);
  host.setFault({ kind: "none" });
  expect(await elapsedMs(() => fetch(url("status")))).toBeGreaterThanOrEqual(145);
  host.setFault({ kind: "down" });
  await expect(fetch(url("status"))).rejects.toThrow("fetch failed");
});

test("a distant node waits by one timer a request, and reads a body of any size meanwhile", async () => {
  host.setDistance({ latencyMs: 300 });
  const bytesBefore = host.server.traffic.bytesIn;
  sleeps.length = 0;
  // The blob has its metadata already, so other bytes change nothing; that is answered once all of them were read.
  const answer = put("metadata", new Uint8Array(2_000_000));
  await expect.poll(() => host.server.traffic.bytesIn - bytesBefore).toBe(2_000_000);
  expect(host.server.traffic.inFlight).toBe(1);
  expect((await answer).status).toBe(200);
  await Promise.all(Array.from({ length: 50 }, () => fetch(url("status"))));
  expect(sleeps.filter((ms) => ms === 300)).toHaveLength(51);
});

test("bandwidth makes bytes take their time in both directions", async () => {
  host.setDistance({ latencyMs: 0, bandwidth: 2_000_000 });
  expect(await elapsedMs(() => put("metadata", new Uint8Array(400_000)))).toBeGreaterThanOrEqual(195);
  host.setDistance({ latencyMs: 0, bandwidth: 1_000 });
  const metadataBytes = (await bytesOf("metadata")).length;
  expect(await elapsedMs(() => bytesOf("metadata"))).toBeGreaterThanOrEqual(metadataBytes - 5);
});

test("drops the same slivers on every run", () => {
  const keys = Array.from({ length: 10 }, (_, shard) => ({
    blobId: blob.blobId,
    shard: shard as ShardIndex,
    axis: "primary" as const,
  }));
  const chosen = sliversToDrop(keys, 0.25).map(({ shard }) => shard);
  expect(chosen).toHaveLength(3);
  expect(sliversToDrop([...keys].reverse(), 0.25).map(({ shard }) => shard)).toEqual(chosen);
});

test("counts requests, routes, concurrency and body bytes", () => {
  const stats = host.stats();
  expect(stats.byRoute["PUT sliver"]).toBe(11);
  expect(stats.requests).toBe(Object.values(stats.byRoute).reduce((sum, count) => sum + count, 0));
  expect(stats.peakInFlight).toBeGreaterThan(0);
  const uploaded = blob.pairs.reduce((sum, { primary }, at) => sum + (at < 5 ? primary.length : 0), 0);
  expect(stats.bytesIn).toBeGreaterThan(uploaded);
  expect(stats.bytesOut).toBeGreaterThan(0);
});
