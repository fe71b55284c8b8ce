// If this fails, a few silent, slow or lying nodes decide how long a read takes, or whether it succeeds.
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { NodeFault } from "../../localnet/faults.ts";
import { NODE_LIMITS } from "../../shared/node/limits.ts";
import { encodeBlob } from "../support/codec/encoded-blob.ts";
import { bytesOf, prng, requestsOnceQuiet, type System, sameBytes, startSystem } from "../support/system.ts";

/** 40 shards on 13 nodes: f = 13, 14 rows; node-0 holds 4 shards, the others 3. */
const NODES = Array.from({ length: 13 }, (_, index) => `node-${index}`);
const from = (first: number, count: number): string[] =>
  Array.from({ length: count }, (_, index) => NODES[(first + index) % NODES.length] ?? "");
/** Any four nodes hold 12 or 13 shards. */
const fShards = (first: number): string[] => from(first, 4);
/** Six nodes hold 18 or 19 shards: more than f, but 21 primary slivers are left, of which 14 decode. */
const six = (first: number): string[] => from(first, 6);
const CONTENT = prng(31, 300_000);
/**
 * That a read takes at most one deadline more is shown in virtual time (test/fault/matrix/nodes.test.ts). Here, where
 * processes may pause, silent nodes must only not be waited for one after the other.
 */
const NOT_HELD_UP_MS = 3 * NODE_LIMITS.nodeRequestTimeoutMs;

describe("reads through workerd", () => {
  let system: System;
  let blobId: string;
  let healthyMs: number;

  beforeAll(async () => {
    system = await startSystem({ nodes: 13, shards: 40, seed: "reads" });
    blobId = await system.publishBlob(CONTENT);
    await timedRead();
    healthyMs = Math.max(await timedRead(), await timedRead());
  });
  beforeEach(() => inject({ kind: "none" }, NODES));
  afterAll(() => system[Symbol.asyncDispose]());

  function inject(fault: NodeFault, names: readonly string[]): void {
    for (const name of names) system.network.setNodeFault(name, fault);
  }

  async function timedRead(): Promise<number> {
    const startMs = performance.now();
    const response = await system.read(blobId);
    const bytes = await bytesOf(response);
    expect(response.status).toBe(200);
    expect(sameBytes(bytes, CONTENT)).toBe(true);
    return performance.now() - startMs;
  }

  // Other nodes in each case: the edge remembers for a while who was silent.
  it.each<[string, NodeFault, readonly string[]]>([
    ["six nodes hang at once", { kind: "hang" }, six(0)],
    ["six nodes answer after 8 s", { kind: "slow", ms: 8_000 }, six(6)],
    ["nodes of f shards hang", { kind: "hang" }, fShards(12)],
    ["nodes of f shards answer after 1 s", { kind: "slow", ms: 1_000 }, fShards(3)],
    ["nodes of f shards reset connections", { kind: "down" }, fShards(7)],
    ["nodes of f shards answer 500", { kind: "error" }, fShards(11)],
    ["nodes of f shards corrupt slivers and symbols", { kind: "corrupt-slivers" }, fShards(2)],
    ["twelve of thirteen nodes serve wrong metadata", { kind: "wrong-metadata" }, NODES.slice(0, 12)],
  ])("are not held up while %s", async (name, fault, names) => {
    inject(fault, names);
    const firstMs = await timedRead();
    const secondMs = await timedRead();
    console.log(
      `reads: ${name}: ${firstMs.toFixed(0)} ms, again ${secondMs.toFixed(0)} ms; healthy ${healthyMs.toFixed(0)} ms`,
    );
    expect(firstMs).toBeLessThan(healthyMs + NOT_HELD_UP_MS);
    expect(secondMs).toBeLessThan(healthyMs + NOT_HELD_UP_MS);
  });

  it("give the same bytes at every consistency level and for every range while nodes of f shards lie", async () => {
    inject({ kind: "corrupt-slivers" }, fShards(5));
    for (const level of ["strict_consistency_check", "skip_consistency_check"]) {
      const response = await fetch(`${system.edge.url}/v1/blobs/${blobId}?${level}=true`);
      expect(sameBytes(await bytesOf(response), CONTENT)).toBe(true);
    }
    for (const [first, last] of [
      [0, 0],
      [21_000, 64_000],
      [299_000, 299_999],
    ] as const) {
      const response = await system.read(blobId, { headers: { range: `bytes=${first}-${last}` } });
      expect(response.status).toBe(206);
      expect(sameBytes(await bytesOf(response), CONTENT.subarray(first, last + 1))).toBe(true);
    }
  });

  it("answer 404 once for what nobody has, and ask no node again at once; publishing ends that", async () => {
    const fresh = prng(32, 900);
    const freshId = encodeBlob(40, fresh).metadata.blobId;
    const requestsOfRead = async (): Promise<number> => {
      const before = await requestsOnceQuiet(system.network, NODES);
      expect((await system.read(freshId)).status).toBe(404);
      return (await requestsOnceQuiet(system.network, NODES)) - before;
    };
    expect(await requestsOfRead()).toBeGreaterThan(0);
    // What is remembered for a second and a half may be forgotten on a machine that pauses: then it is asked again,
    // and the read after that is the one that asks nobody.
    let asked = await requestsOfRead();
    for (let more = 0; more < 20 && asked > 0; more++) asked = await requestsOfRead();
    expect(asked).toBe(0);
    expect(await system.publishBlob(fresh)).toBe(freshId);
    expect(sameBytes(await bytesOf(await system.read(freshId)), fresh)).toBe(true);
  });

  it("of many clients at once are all answered right while nodes of f shards hang", async () => {
    // Twelve healthy ones at once on this machine, now.
    inject({ kind: "none" }, NODES);
    const twelve = (): Promise<number[]> => Promise.all(Array.from({ length: 12 }, () => timedRead()));
    const healthy = await twelve();
    inject({ kind: "hang" }, fShards(5));
    const times = await twelve();
    expect(Math.max(...times)).toBeLessThan(2 * Math.max(...healthy) + NOT_HELD_UP_MS);
  });

  it("leave no request open at any node", async () => {
    const inFlight = () => NODES.map((name) => system.network.nodeStats(name).inFlight);
    await expect.poll(inFlight).toEqual(NODES.map(() => 0));
  });
});
