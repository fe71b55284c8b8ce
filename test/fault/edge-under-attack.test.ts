// If this fails, nodes that hang, lie or die decide what a client of the edge gets.
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { NODE_LIMITS } from "../../shared/node/limits.ts";
import { bytesOf, prng, type System, sameBytes, startSystem } from "../support/system.ts";

/** 100 shards on 16 nodes: nodes 0 to 3 hold 7 each, the others 6. f = 33. */
const SHARDS = 100;
const NODES = 16;
const BODY_LIMIT = 70_000;
/** 33 rows of 2010 bytes. */
const content = prng(5, 65_536);
const node = (index: number): string => `node-${index}`;
/** 7 + 7 + 7 + 6 + 6 = 33 shards. */
const F_SHARDS = [0, 1, 2, 4, 5].map(node);

describe("the edge in workerd", () => {
  let system: System;
  let blobId: string;

  beforeAll(async () => {
    system = await startSystem(
      { nodes: NODES, shards: SHARDS },
      { bindings: { MAX_BODY_BYTES: String(BODY_LIMIT) } },
    );
    blobId = await system.publishBlob(content);
  });
  beforeEach(() => setAll({ kind: "none" }));
  afterAll(() => system[Symbol.asyncDispose]());

  function setAll(fault: Parameters<System["network"]["setNodeFault"]>[1], names?: readonly string[]): void {
    for (const name of names ?? Array.from({ length: NODES }, (_, index) => node(index))) {
      system.network.setNodeFault(name, fault);
    }
  }

  it("publishes and reads without waiting for one hanging node after the other", async () => {
    setAll({ kind: "hang" }, F_SHARDS);
    const fresh = prng(6, 3_000);
    const published = await system.publishBlob(fresh);
    const startMs = performance.now();
    expect(sameBytes(await bytesOf(await system.read(published)), fresh)).toBe(true);
    expect(sameBytes(await bytesOf(await system.read(blobId)), content)).toBe(true);
    // One deadline each, as is shown in virtual time (test/fault/matrix/nodes.test.ts), and room for a machine that
    // pauses: five nodes one after the other are more.
    expect(performance.now() - startMs).toBeLessThan(4 * NODE_LIMITS.nodeRequestTimeoutMs);
  });

  it.each(["wrong-signature", "wrong-metadata", "error"] as const)(
    "publishes and reads while nodes of f shards answer with %s",
    async (kind) => {
      setAll({ kind }, F_SHARDS);
      const fresh = prng(kind.length, 500);
      const published = await system.publishBlob(fresh);
      expect(sameBytes(await bytesOf(await system.read(published)), fresh)).toBe(true);
    },
  );

  it("cuts the connection instead of ending short when the nodes die in the middle of a read", async () => {
    setAll({ kind: "slow", ms: 250 });
    const response = await system.read(blobId);
    expect(response.headers.get("content-length")).toBe(String(content.length));
    const reader = response.body?.getReader();
    const received: number[] = [];
    const read = async (): Promise<void> => {
      for (;;) {
        const result = await reader?.read();
        if (result === undefined || result.done) return;
        if (received.length === 0) setAll({ kind: "down" });
        received.push(...result.value);
      }
    };
    await expect(read()).rejects.toThrow();
    expect(received.length).toBeGreaterThan(0);
    expect(received.length).toBeLessThan(content.length);
    expect(sameBytes(Uint8Array.from(received), content.subarray(0, received.length))).toBe(true);
  });

  it("refuses a body over the limit, declared or not, and takes one at the limit", async () => {
    const over = prng(7, BODY_LIMIT + 1);
    const declared = await system.publish(over);
    expect([declared.status, await declared.text()]).toEqual([
      413,
      `Failed to buffer the request body: length limit exceeded; ${BODY_LIMIT + 1} bytes or more, at most ${BODY_LIMIT}`,
    ]);
    const chunked = await fetch(`${system.edge.url}/v1/blobs`, {
      method: "PUT",
      body: new Blob([over.slice()]).stream(),
      duplex: "half",
    } as RequestInit);
    expect(chunked.status).toBe(413);
    await chunked.text();
    const atLimit = over.subarray(0, BODY_LIMIT);
    expect(sameBytes(await bytesOf(await system.read(await system.publishBlob(atLimit))), atLimit)).toBe(
      true,
    );
  });

  it("answers HEAD, ranges and conditional requests with exact lengths over HTTP", async () => {
    const head = await system.read(blobId, { method: "HEAD" });
    expect([head.status, head.headers.get("content-length")]).toEqual([200, String(content.length)]);
    const ranged = await system.read(blobId, { headers: { range: "bytes=2000-2020" } });
    expect([ranged.status, ranged.headers.get("content-range")]).toEqual([
      206,
      `bytes 2000-2020/${content.length}`,
    ]);
    expect(sameBytes(await bytesOf(ranged), content.subarray(2000, 2021))).toBe(true);
    const suffix = await system.read(blobId, { headers: { range: "bytes=-1" } });
    expect(sameBytes(await bytesOf(suffix), content.subarray(-1))).toBe(true);
    const unchanged = await system.read(blobId, { headers: { "if-none-match": `"${blobId}"` } });
    expect([unchanged.status, await unchanged.text()]).toEqual([304, ""]);
    const strict = await fetch(`${system.edge.url}/v1/blobs/${blobId}?strict_consistency_check=true`);
    expect(sameBytes(await bytesOf(strict), content)).toBe(true);
  });

  it("pays once for a permanent blob and says so the second time", async () => {
    const fresh = prng(8, 100);
    const first = await system.publish(fresh, "permanent=true&epochs=3");
    expect(Object.keys((await first.json()) as object)).toEqual(["newlyCreated"]);
    const second = await system.publish(fresh, "permanent=true&epochs=3");
    const { alreadyCertified } = (await second.json()) as { alreadyCertified: Record<string, unknown> };
    expect(Object.keys(alreadyCertified)).toEqual(["blobId", "event", "endEpoch"]);
    const longer = await system.publish(fresh, "permanent=true&epochs=9");
    expect(Object.keys((await longer.json()) as object)).toEqual(["newlyCreated"]);
  });

  it("shares or sends the object as asked", async () => {
    const shared = await system.publish(prng(9, 10), "permanent=true&share=true");
    const { newlyCreated } = (await shared.json()) as { newlyCreated: { sharedBlobObject?: string } };
    expect(newlyCreated.sharedBlobObject).toMatch(/^0x[0-9a-f]{64}$/);
    const sent = await system.publish(prng(10, 10), "send_object_to=0x2a");
    expect(sent.status).toBe(200);
    await sent.text();
  });

  it("answers 404 for an unknown blob within one round", async () => {
    const response = await system.read("M4hsZGQ1oCktdzegB6HnI6Mi28S2nqOPHxK-W7_4BUk");
    expect(response.status).toBe(404);
    expect(response.headers.get("cache-control")).toBe("no-store");
    expect(await response.text()).toContain("BLOB_NOT_FOUND");
  });
});
