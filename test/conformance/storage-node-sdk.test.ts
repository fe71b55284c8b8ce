// If this fails, applications built on the official SDK cannot store or read blobs on our storage nodes.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SuiGrpcClient } from "@mysten/sui/grpc";
import { Ed25519Keypair } from "@mysten/sui/keypairs/ed25519";
import { walrus } from "@mysten/walrus";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Network, type NetworkOptions, startNetwork } from "../../localnet/network.ts";
import { type BlobId, parseBlobId } from "../../shared/protocol/ids.ts";

const dataDir = mkdtempSync(join(tmpdir(), "floe-sdk-"));
const log: string[] = [];
const options: NetworkOptions = { seed: "sdk", dataDir, log: (line) => log.push(line) };
let network: Network;
beforeAll(async () => {
  network = await startNetwork(options);
});
afterAll(async () => {
  await network.close();
  rmSync(dataDir, { recursive: true });
  // Another process may have taken a port meanwhile; everything else a network reports is a fault.
  expect(log.filter((line) => !line.includes("of the last run is taken"))).toEqual([]);
});

/** A client of its own: the SDK keeps what it learned for its whole life. */
function connect() {
  const { sui, walrus: ids, wallet } = network.file;
  if (wallet === undefined) throw new Error("the local network has a wallet");
  const client = new SuiGrpcClient({ network: "testnet", baseUrl: sui.url }).$extend(
    walrus({
      packageConfig: { systemObjectId: ids.systemObjectId, stakingPoolId: ids.stakingObjectId },
      storageNodeUrlScheme: "http",
    }),
  );
  return { sdk: client.walrus, signer: Ed25519Keypair.fromSecretKey(wallet.secretKey) };
}

let blobId: BlobId;
const content = Uint8Array.from({ length: 5_000 }, (_, i) => (i * 7) % 256);

test("the unmodified SDK writes a blob, reads it and verifies its status while one node is down", async () => {
  network.setNodeFault("node-3", { kind: "down" });
  const { sdk, signer } = connect();
  const written = await sdk.writeBlob({ blob: content, deletable: true, epochs: 3, signer });
  blobId = parseBlobId(written.blobId);
  const nodes = network.file.nodes ?? [];
  const stored = nodes.map((node) => network.storedSlivers(node.name, blobId).size);
  expect(stored).toEqual(nodes.map((node) => (node.name === "node-3" ? 0 : 2 * node.shards.length)));

  const reader = connect().sdk;
  expect(await reader.readBlob({ blobId })).toEqual(content);
  expect(await reader.getVerifiedBlobStatus({ blobId })).toMatchObject({
    type: "deletable",
    initialCertifiedEpoch: network.file.epoch,
    deletableCounts: { count_deletable_total: 1, count_deletable_certified: 1 },
  });
});

test("the blob survives a restart of the whole network, and the node that was down heals", async () => {
  const { wallet, walrus: ids } = network.file;
  await network.close();
  network = await startNetwork({ ...options, heal: true, healGraceMs: 0 });
  expect(network.file).toMatchObject({ wallet, walrus: ids });
  expect(await connect().sdk.readBlob({ blobId })).toEqual(content);
  const healed = () => network.storedSlivers("node-3", blobId).size;
  await expect.poll(healed).toBe(6);
});
