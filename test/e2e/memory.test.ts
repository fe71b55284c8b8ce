// If this fails, a handful of large uploads and reads at once kill the isolate, and everybody's requests with it.

import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type HeapWatch, watchHeap } from "../../dev/heap-watch.ts";
import { INVOCATION_REQUESTS } from "../../shared/base/gate.ts";
import { chainEvents } from "../support/sui/chain.ts";
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
const AT_ONCE = 10;
/** Of the platform's 128 MB per isolate. */
const PEAK_LIMIT = 110 * MIB;
/** The kernels' memories and this make `PEAK_LIMIT`, or less. */
const COLLECT_ABOVE = 70 * MIB;
const SAMPLES_THAT_LAST = 8;
const NODES = Array.from({ length: 13 }, (_, index) => `node-${index}`);
interface Created {
  readonly blobObject: { readonly blobId: string };
}
const content = (index: number): Uint8Array => prng(100 + index, 8 * MIB - index);

describe("one isolate", () => {
  let system: System;
  let heap: HeapWatch;
  const stored: string[] = [];
  /** Every blob that was published. */
  const published: string[] = [];
  const publish = async (content: Uint8Array): Promise<string> => {
    const blobId = await system.publishBlob(content);
    published.push(blobId);
    return blobId;
  };
  let small: string;
  /** WebAssembly memory, which the inspector does not count. It only grows, until it is dropped whole. */
  let kernelBytes = 0;
  function noteKernelBytes(line: string): void {
    if (!line.includes("kernel-memory-peak")) return;
    const { kernelBytes: bytes } = JSON.parse(line) as { kernelBytes: number };
    kernelBytes = Math.max(kernelBytes, bytes);
  }

  beforeAll(async () => {
    system = await startSystem({ nodes: 13, shards: 40 }, { inspector: true, onLog: noteKernelBytes });
    for (let index = 0; index < 2; index++) stored.push(await publish(content(index)));
    small = await publish(prng(4, MIB));
    const { inspectorUrl } = system.edge;
    if (inspectorUrl === undefined) throw new Error("the edge has no inspector");
    heap = await watchHeap(inspectorUrl, COLLECT_ABOVE);
  });
  afterAll(async () => {
    heap.stop();
    await system[Symbol.asyncDispose]();
  });

  it("holds ten 8 MiB uploads and ten reads at once below 110 MB: each finishes, or gets 503 before it pays", async () => {
    const paidBefore = (await chainEvents(system.network.file, "BlobRegistered")).length;
    const uploads = Array.from({ length: AT_ONCE }, async (_, index) => {
      const response = await system.publish(content(10 + index));
      const { newlyCreated } = JSON.parse(await response.text()) as { newlyCreated?: Created };
      if (newlyCreated !== undefined) published.push(newlyCreated.blobObject.blobId);
      return response;
    });
    const reads = Array.from({ length: AT_ONCE }, async (_, index) => {
      const response = await system.read(stored[index % stored.length] ?? "");
      return { response, bytes: await bytesOf(response) };
    });
    const [puts, gets] = await Promise.all([Promise.all(uploads), Promise.all(reads)]);
    const finished = puts.filter(({ status }) => status === 200).length;
    const read = gets.filter(({ response }) => response.status === 200).length;
    const peakBytes = heap.peakBytes + kernelBytes;
    const [inHeap, inKernels] = [heap.peakBytes, kernelBytes].map((bytes) => (bytes / MIB).toFixed(1));
    console.log(
      `memory: peak ${(peakBytes / MIB).toFixed(1)} MiB of ${PEAK_LIMIT / MIB}: heap and buffers ${inHeap} in ` +
        `${heap.samples} samples and ${heap.collections} collections, kernels ${inKernels}; ` +
        `${finished} of ${AT_ONCE} uploads and ${read} of ${AT_ONCE} reads finished, the others were refused with 503`,
    );
    for (const response of [...puts, ...gets.map((each) => each.response)]) {
      expect([200, 503]).toContain(response.status);
      if (response.status === 503) expect(Number(response.headers.get("retry-after"))).toBeGreaterThan(0);
    }
    gets.forEach(({ response, bytes }, index) => {
      if (response.status === 200) expect(sameBytes(bytes, content(index % stored.length))).toBe(true);
    });
    const paid = (await chainEvents(system.network.file, "BlobRegistered")).length - paidBefore;
    expect(paid).toBe(finished);
    expect(finished).toBeGreaterThan(0);
    expect(read).toBeGreaterThan(0);
    expect(heap.samples).toBeGreaterThan(0);
    expect(heap.peakBytes).toBeGreaterThan(MIB);
    expect(kernelBytes).toBeGreaterThan(0);
    expect(peakBytes).toBeLessThanOrEqual(PEAK_LIMIT);
  });

  it("gives everything back: afterwards one request after the other finds room", async () => {
    await uploadsOver(system, published);
    for (let index = 0; index < 4; index++) {
      const response = await system.read(stored[0] ?? "");
      expect(response.status).toBe(200);
      expect(sameBytes(await bytesOf(response), content(0))).toBe(true);
    }
    await publish(content(30));
  });

  it.each([
    ["a read", () => system.read(small)],
    ["an upload", () => system.publish(prng(3, MIB))],
  ])(
    "has at most 6 requests of %s under way for each of its invocations, counted at the nodes",
    async (_, request) => {
      // Tails of earlier uploads are other invocations, and between two of their requests nothing is in flight.
      await uploadsOver(system, published);
      await requestsOnceQuiet(system.network, NODES);
      for (const name of NODES) system.network.setNodeFault(name, { kind: "slow", ms: 60 });
      // A node hears of an answer taken or of an abort a moment after the edge; a seventh request lasts 60 ms.
      let peak = 0;
      const lasting: number[] = [];
      const counting = new AbortController();
      const count = async (): Promise<void> => {
        while (!counting.signal.aborted) {
          lasting.push(NODES.reduce((sum, name) => sum + system.network.nodeStats(name).inFlight, 0));
          if (lasting.length > SAMPLES_THAT_LAST) lasting.shift();
          if (lasting.length === SAMPLES_THAT_LAST) peak = Math.max(peak, Math.min(...lasting));
          await sleep(2);
        }
      };
      const counted = count();
      const lanesBefore = system.invocations.lanesOpened;
      const reportsBefore = system.invocations.reports.length;
      const response = await request();
      await response.arrayBuffer();
      counting.abort();
      await counted;
      // An invocation reports once its work after the reply is over too.
      await until("the report of the invocation", () => system.invocations.reports.length > reportsBefore);
      for (const name of NODES) system.network.setNodeFault(name, { kind: "none" });
      expect(response.status).toBe(200);
      // That each invocation keeps to six is checked by its own count when the system is closed.
      const invocations = 1 + system.invocations.lanesOpened - lanesBefore;
      expect(peak).toBeLessThanOrEqual(INVOCATION_REQUESTS * invocations);
      expect(peak).toBeGreaterThan(1);
    },
  );
});
