// If this fails, the official SDK no longer works against the embedded network, and nothing proves that our own client does.
import { walrus } from "@mysten/walrus";
import { describe, expect, it } from "vitest";
import { blake2b256 } from "../../shared/crypto/blake2b.ts";
import { BcsWriter } from "../../shared/protocol/bcs.ts";
import { blobIdFromBytes, blobIdFromU256 } from "../../shared/protocol/ids.ts";
import { certify, FUNDS, N_SHARDS, type TestNetwork, testNetwork } from "../support/sui-network.ts";

function official({ client, standIn }: TestNetwork) {
  const { systemObjectId, stakingObjectId } = standIn.networkIds;
  return client.$extend(
    walrus({
      packageConfig: { systemObjectId, stakingPoolId: stakingObjectId },
      storageNodeUrlScheme: "http",
    }),
  ).walrus;
}

function blobOf(size: number, label = 7) {
  const rootHash = new Uint8Array(32).fill(label);
  const blobId = blobIdFromBytes(
    blake2b256(new BcsWriter(41).u8(1).u64(BigInt(size)).fixed(rootHash).finish()),
  );
  return { size, rootHash, blobId };
}

describe("the unmodified SDK", () => {
  it("reads system, staking and prices", async () => {
    const network = await testNetwork();
    const sdk = official(network);
    const system = await sdk.systemState();
    expect(system.committee.n_shards).toBe(N_SHARDS);
    expect(system.storage_price_per_unit_size).toBe("11000");
    expect((await sdk.stakingState()).epoch).toBe(1);
    expect(await sdk.storageCost(1000, 3)).toEqual({
      storageCost: 33000n,
      writeCost: 20000n,
      totalCost: 53000n,
    });
    network.standIn.close();
  });

  it("registers and certifies a blob, paying exactly its price", async () => {
    const network = await testNetwork();
    const { client, wallet, address, nodes } = network;
    const sdk = official(network);
    const blob = blobOf(1000);
    const { blob: registered } = await sdk.executeRegisterBlobTransaction({
      ...blob,
      epochs: 3,
      deletable: true,
      owner: address,
      signer: wallet,
      attributes: { a: "b" },
    });
    expect(blobIdFromU256(BigInt(registered.blob_id))).toBe(blob.blobId);
    const walBalance = await client.getBalance({
      owner: address,
      coinType: network.standIn.networkIds.walType,
    });
    expect(BigInt(walBalance.balance.balance)).toBe(FUNDS.walFrost - 53_000n);
    const objectId = registered.id as never;
    const certificate = certify(nodes, [0, 1, 2], 1, blob.blobId, { kind: "deletable", objectId });
    await sdk.executeCertifyBlobTransaction({
      blobId: blob.blobId,
      blobObjectId: registered.id,
      deletable: true,
      signer: wallet,
      certificate: {
        signers: [...certificate.signers],
        serializedMessage: certificate.message,
        signature: certificate.signature,
      },
    });
    expect(await sdk.readBlobAttributes({ blobObjectId: registered.id })).toEqual({ a: "b" });
    network.standIn.close();
  });
});
