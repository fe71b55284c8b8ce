// If this fails, applications built on the official SDK cannot store or read blobs on our storage nodes.
import { SuiGrpcClient } from "@mysten/sui/grpc";
import { Ed25519Keypair } from "@mysten/sui/keypairs/ed25519";
import { walrus } from "@mysten/walrus";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Network, startNetwork } from "../../localnet/network.ts";
import type { BlobId } from "../../shared/protocol/ids.ts";

let network: Network;
const log: string[] = [];
beforeAll(async () => {
  network = await startNetwork({ seed: "sdk", log: (line) => log.push(line) });
});
afterAll(async () => {
  await network.close();
  expect(log).toEqual([]);
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

const content = Uint8Array.from({ length: 5_000 }, (_, i) => (i * 7) % 256);

test("the unmodified SDK writes a blob, reads it and verifies its status while one node is down", async () => {
  network.setNodeFault("node-3", { kind: "down" });
  const { sdk, signer } = connect();
  const { blobId } = await sdk.writeBlob({ blob: content, deletable: true, epochs: 3, signer });
  const nodes = network.file.nodes ?? [];
  const stored = nodes.map((node) => network.storedSlivers(node.name, blobId as BlobId).size);
  expect(stored).toEqual(nodes.map((node) => (node.name === "node-3" ? 0 : 2 * node.shards.length)));

  const reader = connect().sdk;
  expect(await reader.readBlob({ blobId })).toEqual(content);
  expect(await reader.getVerifiedBlobStatus({ blobId })).toMatchObject({
    type: "deletable",
    initialCertifiedEpoch: network.file.epoch,
    deletableCounts: { count_deletable_total: 1, count_deletable_certified: 1 },
  });
});
