// If this fails, somebody's file does not come back as it was published, at a size or on a committee that matters.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { bytesOf, prng, type System, sameBytes, startSystem } from "../support/system.ts";

const SIZES = [0, 1, 1024, 1024 * 1024, 8 * 1024 * 1024];
const COMMITTEES = [
  { nodes: 13, shards: 40 },
  { nodes: 16, shards: 100 },
];

describe.each(COMMITTEES)("$shards shards on $nodes nodes", ({ nodes, shards }) => {
  let system: System;
  beforeAll(async () => {
    system = await startSystem({ nodes, shards, seed: `sizes-${shards}` });
  });
  afterAll(() => system[Symbol.asyncDispose]());

  it.each(SIZES)("publishes and returns exactly the same %i bytes", async (size) => {
    const content = prng(size + 7, size);
    const blobId = await system.publishBlob(content);
    const response = await system.read(blobId);
    expect(response.status).toBe(200);
    expect(response.headers.get("content-length")).toBe(String(size));
    expect(response.headers.get("etag")).toBe(`"${blobId}"`);
    expect(sameBytes(await bytesOf(response), content)).toBe(true);

    const head = await system.read(blobId, { method: "HEAD" });
    expect(head.status).toBe(200);
    expect(head.headers.get("content-length")).toBe(String(size));
  });
});
