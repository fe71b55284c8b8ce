// If this fails, losing some storage nodes loses uploads or reads, or an upload claims more than its nodes confirmed.
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { certifiedBlobIds } from "../support/sui/chain.ts";
import { bytesOf, prng, type System, sameBytes, startSystem } from "../support/system.ts";

// 40 shards on 13 nodes: f = 13 shards may fail, 14 primary slivers decode, node-0 holds 4 shards, the others 3.
const FAULTY_UP_TO_F = ["node-1", "node-2", "node-3", "node-0"]; // 3 + 3 + 3 + 4 = 13 shards
const ONE_MORE = "node-4"; // 16 shards
const CONTENT = prng(11, 200_000);

describe("40 shards on 13 nodes", () => {
  let system: System;
  beforeEach(async () => {
    system = await startSystem({ nodes: 13, shards: 40, seed: "loss" });
  });
  afterEach(() => system[Symbol.asyncDispose]());

  it("publishes and reads with 13 of 40 shards down", async () => {
    const before = await system.publishBlob(CONTENT);
    for (const name of FAULTY_UP_TO_F) system.network.setNodeFault(name, { kind: "down" });
    const during = await system.publishBlob(prng(12, 50_000));
    expect(sameBytes(await bytesOf(await system.read(before)), CONTENT)).toBe(true);
    expect(sameBytes(await bytesOf(await system.read(during)), prng(12, 50_000))).toBe(true);
  });

  it("refuses to certify with 16 of 40 shards down, says the numbers, and still reads older blobs", async () => {
    const before = await system.publishBlob(CONTENT);
    for (const name of [...FAULTY_UP_TO_F, ONE_MORE]) system.network.setNodeFault(name, { kind: "down" });
    const response = await system.publish(prng(13, 1000));
    expect(response.status).toBe(504);
    const { error } = (await response.json()) as {
      error: { status: string; code: number; message: string; details: { reason?: string }[] };
    };
    expect(error.status).toBe("DEADLINE_EXCEEDED");
    expect(error.details[0]?.reason).toBe("INSUFFICIENT_CONFIRMATIONS");
    // 24 shards are left; a machine that pauses may time out on some of them before it gives up.
    const confirmed = Number(/have (\d+) of 27 shards/.exec(error.message)?.[1]);
    expect(confirmed).toBeGreaterThan(0);
    expect(confirmed).toBeLessThanOrEqual(24);
    const certified = await certifiedBlobIds(system.network.file);
    expect(certified).toEqual([before]);
    expect(sameBytes(await bytesOf(await system.read(before)), CONTENT)).toBe(true);
  });

  it("fails a read without a wrong byte once more than n-p = 26 shards are gone", async () => {
    const blobId = await system.publishBlob(CONTENT);
    // node-0..node-7 hold 4 + 7 * 3 = 25 shards, node-8 makes it 28: 12 are left, 14 are needed.
    for (let i = 0; i <= 8; i++) system.network.setNodeFault(`node-${i}`, { kind: "down" });
    const response = await system.read(blobId).catch((error: unknown) => error as Error);
    if (response instanceof Error) return;
    if (response.status === 200) {
      // Rows that arrived before the loss showed may have been streamed: then the body must break off, being right.
      const read = await readUntilError(response);
      expect(read.complete).toBe(false);
      expect(sameBytes(read.bytes, CONTENT.subarray(0, read.bytes.length))).toBe(true);
    } else {
      expect(response.status).toBe(503);
      expect(await response.text()).toContain("BLOB_UNAVAILABLE");
    }
  });

  it("returns the right bytes while 13 of 40 shards serve corrupted slivers", async () => {
    const blobId = await system.publishBlob(CONTENT);
    for (const name of FAULTY_UP_TO_F) system.network.setNodeFault(name, { kind: "corrupt-slivers" });
    const response = await system.read(blobId);
    expect(response.status).toBe(200);
    expect(sameBytes(await bytesOf(response), CONTENT)).toBe(true);
  });
});

async function readUntilError(response: Response): Promise<{ bytes: Uint8Array; complete: boolean }> {
  const parts: Uint8Array[] = [];
  try {
    for await (const part of response.body as unknown as AsyncIterable<Uint8Array>) parts.push(part);
    return { bytes: Buffer.concat(parts), complete: true };
  } catch {
    return { bytes: Buffer.concat(parts), complete: false };
  }
}
