// If this fails, Floe is no drop-in: what the official SDK writes or reads differs from what the edge writes or reads.
import { SuiGrpcClient } from "@mysten/sui/grpc";
import { Ed25519Keypair } from "@mysten/sui/keypairs/ed25519";
import { walrus } from "@mysten/walrus";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseObjectId } from "../../shared/protocol/ids.ts";
import { bytesOf, prng, type System, sameBytes, startSystem } from "../support/system.ts";

function officialClient(system: System) {
  const { file } = system.network;
  const client = new SuiGrpcClient({ network: "testnet", baseUrl: file.sui.url }).$extend(
    walrus({
      packageConfig: {
        systemObjectId: file.walrus.systemObjectId,
        stakingPoolId: file.walrus.stakingObjectId,
      },
      storageNodeUrlScheme: "http",
    }),
  );
  return client.walrus;
}

describe("the unmodified official SDK and the edge on one network", () => {
  let system: System;
  beforeAll(async () => {
    system = await startSystem({ nodes: 13, shards: 40, seed: "sdk" });
  });
  afterAll(() => system[Symbol.asyncDispose]());

  it.each([1, 1024, 300_000])("reads with the SDK the %i bytes that the edge published", async (size) => {
    const content = prng(size, size);
    const blobId = await system.publishBlob(content);
    const sdk = officialClient(system);
    expect(sameBytes(await sdk.readBlob({ blobId }), content)).toBe(true);
  });

  it("says certified of a permanent blob from the edge, verified over the nodes", async () => {
    const blobId = await system.publishBlob(prng(31, 5000), "epochs=3&permanent=true");
    const status = await officialClient(system).getVerifiedBlobStatus({ blobId });
    expect(status).toMatchObject({ type: "permanent", isCertified: true });
  });

  it("says certified of a deletable blob from the edge, verified over the nodes", async () => {
    const blobId = await system.publishBlob(prng(32, 5000), "epochs=3&deletable=true");
    const status = await officialClient(system).getVerifiedBlobStatus({ blobId });
    expect(status).toMatchObject({
      type: "deletable",
      deletableCounts: { count_deletable_total: 1, count_deletable_certified: 1 },
    });
  });

  it.each([0, 1, 77_777])("reads through the edge the %i bytes that the SDK published", async (size) => {
    const content = prng(size + 99, size);
    const signer = Ed25519Keypair.generate();
    await system.network.faucet(parseObjectId(signer.toSuiAddress()), {
      suiMist: 10n ** 10n,
      walFrost: 10n ** 10n,
    });
    const { blobId } = await officialClient(system).writeBlob({
      blob: content,
      deletable: true,
      epochs: 3,
      signer,
    });
    const response = await system.read(blobId);
    expect(response.status).toBe(200);
    expect(sameBytes(await bytesOf(response), content)).toBe(true);
  });
});
