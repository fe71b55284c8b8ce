// If this fails, blobs stay thinner than they should: slivers that no node holds until somebody repairs them.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createReferenceCodec } from "../../shared/codec/reference-codec.ts";
import { blake2b256 } from "../../shared/crypto/blake2b.ts";
import { toHex } from "../../shared/protocol/bytes.ts";
import type { BlobId, SliverPairIndex } from "../../shared/protocol/ids.ts";
import { shardOfPair } from "../../shared/protocol/mapping.ts";
import { prng, type System, startSystem } from "../support/system.ts";

const SHARDS = 40;
const WITHIN_MS = 30_000;

describe("with all nodes healthy and healing off", () => {
  let system: System;
  beforeAll(async () => {
    system = await startSystem({ nodes: 13, shards: SHARDS, seed: "tail" });
  });
  afterAll(() => system[Symbol.asyncDispose]());

  it("puts all 2n slivers on their nodes within 30 s of the reply", async () => {
    const content = prng(21, 100_000);
    const blobId = (await system.publishBlob(content)) as BlobId;
    const repliedAt = performance.now();
    const expected = expectedSlivers(content, blobId);
    let missing = expected.size;
    while (missing > 0 && performance.now() - repliedAt < WITHIN_MS) {
      const stored =
        system.network.file.nodes?.map((node) => system.network.storedSlivers(node.name, blobId)) ?? [];
      missing = [...expected].filter(
        ([key, hash]) => !stored.some((slivers) => slivers.get(key) === hash),
      ).length;
      if (missing > 0) await new Promise((resolve) => setTimeout(resolve, 100));
    }
    expect(missing).toBe(0);
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
