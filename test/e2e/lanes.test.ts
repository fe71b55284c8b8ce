// If this fails, blobs on far nodes are slow, or a client that leaves keeps the edge asking storage nodes for it.
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  bytesOf,
  prng,
  requestsOnceQuiet,
  type System,
  sameBytes,
  startSystem,
  uploadsOver,
} from "../support/system.ts";
import { until } from "../support/until.ts";

const MIB = 1024 * 1024;
const LATENCY_MS = 60;
/** Nodes may have requests on the wire when their client leaves, and count them when they arrive. */
const ON_THE_WAY_MS = 1_000;

const namesOf = (system: System): string[] => (system.network.file.nodes ?? []).map(({ name }) => name);
const requests = (system: System): number =>
  namesOf(system).reduce((sum, name) => sum + system.network.nodeStats(name).requests, 0);

describe("on 25 nodes 60 ms away", () => {
  let system: System;
  const content = prng(1, 3 * MIB);
  let blobId: string;
  beforeAll(async () => {
    system = await startSystem({ nodes: 25, shards: 100, distance: { latencyMs: LATENCY_MS } });
  });
  afterAll(() => system[Symbol.asyncDispose]());

  it("a blob goes out and comes back through lanes, within the platform's rules", async () => {
    blobId = await system.publishBlob(content);
    expect(sameBytes(await bytesOf(await system.read(blobId)), content)).toBe(true);
    await uploadsOver(system, [blobId]);
    await until("the reports of both requests", () => {
      const { reports } = system.invocations;
      const lanes = reports.filter(({ kind }) => kind === "lane").length;
      return lanes > 0 && lanes === system.invocations.lanesOpened;
    });
    expect(system.invocations.violations()).toEqual([]);
  });

  it("a range of one sliver opens no lane", async () => {
    const before = system.invocations.reports.length;
    const part = await system.read(blobId, { headers: { range: "bytes=1000-1999" } });
    expect(await bytesOf(part)).toEqual(content.subarray(1000, 2000));
    await until("its report", () => system.invocations.reports.length > before);
    expect(system.invocations.reports.slice(before)).toMatchObject([{ kind: "edge", lanesOpened: 0 }]);
  });

  it("a client that leaves in the middle of a read ends its lanes: no node is asked afterwards", async () => {
    const leaving = new AbortController();
    const before = system.invocations.reports.length;
    const response = await system.read(blobId, { signal: leaving.signal });
    const body = response.body?.getReader();
    expect((await body?.read())?.value?.length).toBeGreaterThan(0);
    leaving.abort();
    await sleep(ON_THE_WAY_MS);
    const atOnce = requests(system);
    await sleep(1_000);
    expect(requests(system)).toBe(atOnce);
    expect(await requestsOnceQuiet(system.network, namesOf(system))).toBe(atOnce);
    const reports = system.invocations.reports.slice(before);
    const opened = reports.reduce((sum, { lanesOpened }) => sum + lanesOpened, 0);
    expect(reports.filter(({ kind }) => kind === "lane")).toHaveLength(opened);
  });

  it("requests to silent nodes that are given up do not wait beside six others", async () => {
    const silent = namesOf(system).slice(0, 8);
    for (const name of silent) system.network.setNodeFault(name, { kind: "hang" });
    try {
      const small = prng(5, 2_000);
      const id = await system.publishBlob(small);
      expect(sameBytes(await bytesOf(await system.read(id)), small)).toBe(true);
    } finally {
      for (const name of silent) system.network.setNodeFault(name, { kind: "none" });
    }
    await until("the reports", () => system.invocations.reports.some(({ peakWaiting }) => peakWaiting === 6));
    expect(system.invocations.violations()).toEqual([]);
  });

  it("a client that leaves while its blob is read in, before any payment, asks no node for anything", async () => {
    const before = requests(system);
    const leaving = new AbortController();
    const half = new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(prng(2, MIB)),
    });
    const request = { method: "PUT", body: half, duplex: "half", signal: leaving.signal } as const;
    const answer = fetch(`${system.edge.url}/v1/blobs?epochs=1`, request);
    await sleep(300);
    leaving.abort();
    await expect(answer).rejects.toThrow();
    await sleep(ON_THE_WAY_MS);
    expect(requests(system)).toBe(before);
  });
});

describe("on 13 nodes that answer at once", () => {
  it("no lane is opened", async () => {
    const content = prng(3, 100_000);
    const system = await startSystem({ nodes: 13, shards: 40 });
    try {
      // The first requests measure how near the nodes are.
      await system.publishBlob(prng(4, 1_000));
      const before = system.invocations.lanesOpened;
      const blobId = await system.publishBlob(content);
      expect(sameBytes(await bytesOf(await system.read(blobId)), content)).toBe(true);
      await uploadsOver(system, [blobId]);
      await until("the reports", () => system.invocations.reports.length >= 3);
      expect(system.invocations.lanesOpened).toBe(before);
      expect(before).toBe(0);
    } finally {
      await system[Symbol.asyncDispose]();
    }
  });
});
