// If this fails, blobs stay thinner than they should: slivers that no node holds until somebody repairs them.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { toHex } from "../../shared/base/bytes.ts";
import { createReferenceCodec } from "../../shared/codec/reference-codec.ts";
import { blake2b256 } from "../../shared/crypto/blake2b.ts";
import type { BlobId, SliverPairIndex } from "../../shared/protocol/ids.ts";
import { shardOfPair } from "../../shared/protocol/mapping.ts";
import { prng, type System, startSystem } from "../support/system.ts";

const SHARDS = 40;

describe("with all nodes healthy and healing off", () => {
  let system: System;
  beforeAll(async () => {
    system = await startSystem({ nodes: 13, shards: SHARDS, seed: "tail" });
  });
  afterAll(() => system[Symbol.asyncDispose]());

  it("puts all 2n slivers on their nodes after the reply", async () => {
    const content = prng(21, 100_000);
    const blobId = (await system.publishBlob(content)) as BlobId;
    const expected = expectedSlivers(content, blobId);
    const missing = (): string[] => {
      const stored =
        system.network.file.nodes?.map((node) => system.network.storedSlivers(node.name, blobId)) ?? [];
      return [...expected]
        .filter(([key, hash]) => !stored.some((slivers) => slivers.get(key) === hash))
        .map(([key]) => key);
    };
    await expect.poll(missing).toEqual([]);
    expect(expected.size).toBe(2 * SHARDS);
  });
});

/** `shard/axis` -> hex blake2b-256 of the serialised sliver, from our own encoding. */
function expectedSlivers(content: Uint8Array, blobId: BlobId): Map<string, string> {
  const encoder = createReferenceCodec().openEncoder(SHARDS, content.length);
  encoder.write(content);
  const pairs = Array.from({ length: SHARDS }, (_, pair) => pair as SliverPairIndex);
  const hashes = new Map<string, string>();
  for (const { pair, primary, secondary } of encoder.slivers(pairs)) {
    const shard = shardOfPair(pair, blobId, SHARDS);
    hashes.set(`${shard}/primary`, toHex(blake2b256(primary)));
    hashes.set(`${shard}/secondary`, toHex(blake2b256(secondary)));
  }
  encoder.release();
  return hashes;
}
