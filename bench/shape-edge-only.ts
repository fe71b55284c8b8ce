/**
 * What `bench -- shape` measures of the edge alone: a small range, hot reads, reads while nodes hang or lie, memory.
 *
 * Each begins with a fresh edge, so nothing is cached; it has read one other blob, so that it knows the committee and
 * how fast the nodes answer. Faults begin after that.
 */
import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { watchHeap } from "../dev/heap-watch.ts";
import type { WorkerBundle } from "../dev/worker-bundle.ts";
import type { NodeFault } from "../localnet/faults.ts";
import type { NetworkFileNode } from "../shared/network/network-file.ts";
import { bftParameters } from "../shared/protocol/bft.ts";
import { metadataBytes } from "../shared/protocol/metadata.ts";
import { blobLayout, sliverBytes } from "../shared/protocol/sizes.ts";
import { publish, type StoredBlob, timedRead } from "./shape-compare.ts";
import type { ShapeNetwork } from "./shape-network.ts";
import { medianOf, type ShapeReport } from "./shape-report.ts";
import { type EdgeSide, edgeSide, type SdkSide } from "./shape-sides.ts";

const RANGE_BYTES = 1024;
const HOT_CLIENTS = 8;
const HOT_MS = 3_000;
const WARM_UP_BYTES = 64 * 1024;
const MEMORY_GETS = 4;
const MIB = 2 ** 20;
/** Of the heap, above this only what a collection leaves counts; as in the memory test. */
const COLLECT_ABOVE = 70 * MIB;
/** The last lines of the log come a moment after the last answer. */
const LOG_MS = 300;

export class EdgeOnly {
  readonly #bundle: WorkerBundle;
  readonly #network: ShapeNetwork;
  readonly #report: ShapeReport;
  readonly #runs: number;
  /** Published by another edge. */
  readonly #publisher: EdgeSide;
  readonly #stored = new Map<number, StoredBlob[]>();

  constructor(
    bundle: WorkerBundle,
    network: ShapeNetwork,
    publisher: EdgeSide,
    report: ShapeReport,
    runs: number,
  ) {
    this.#bundle = bundle;
    this.#network = network;
    this.#publisher = publisher;
    this.#report = report;
    this.#runs = runs;
  }

  async range(size: number): Promise<void> {
    const blobs = await this.#blobs(size, this.#runs);
    const { shards } = this.#shape;
    const sliver = sliverBytes(blobLayout(shards, size), "primary");
    await this.#withEdge({}, async (edge) => {
      const ms: number[] = [];
      const requests: number[] = [];
      const slivers: number[] = [];
      const bytesOut: number[] = [];
      for (const [i, { blobId, content }] of blobs.entries()) {
        const from = Math.floor(((i + 1) * size) / (blobs.length + 2));
        const part = { blobId, content: content.subarray(from, from + RANGE_BYTES) };
        const before = await this.#network.traffic();
        const sample = await timedRead(this.#network, edge, part, () =>
          edge.range(blobId, from, RANGE_BYTES),
        );
        const after = await this.#network.quiet();
        const metadata =
          ((after.byRoute["GET metadata"] ?? 0) - (before.byRoute["GET metadata"] ?? 0)) *
          metadataBytes(shards);
        ms.push(sample.ms);
        requests.push(after.requests - before.requests);
        bytesOut.push(after.bytesOut - before.bytesOut);
        slivers.push(Math.max(0, after.bytesOut - before.bytesOut - metadata) / sliver);
      }
      const more = { slivers: medianOf(slivers), bytesOut: medianOf(bytesOut) };
      this.#report.add({ op: "range", size, side: "edge", ms, requests, more });
    });
  }

  async hot(size: number, sdk: SdkSide): Promise<void> {
    const [blob] = await this.#blobs(size, 1);
    if (blob === undefined) throw new Error("no blob to read");
    const official: number[] = [];
    for (let i = 0; i < this.#runs; i++) official.push((await timedRead(this.#network, sdk, blob)).ms);
    await this.#withEdge({}, async (edge) => {
      await timedRead(this.#network, edge, blob);
      await this.#network.quiet();
      const samples = [];
      for (let i = 0; i < this.#runs; i++) samples.push(await timedRead(this.#network, edge, blob));
      const ms = samples.map((each) => each.ms);
      this.#report.add({
        op: "hot",
        size,
        side: "edge",
        ms,
        ratio: medianOf(official) / medianOf(ms),
        requests: samples.map((each) => each.requests),
        more: { readsPerSecond: await readsPerSecond(edge, blob) },
      });
      this.#report.add({ op: "hot", size, side: "sdk", ms: official });
    });
  }

  async degraded(size: number): Promise<void> {
    const blobs = await this.#blobs(size, this.#runs);
    const { chosen, shards } = this.#nodesOfF();
    const read = async (fault: NodeFault): Promise<number[]> => {
      const ms: number[] = [];
      await this.#withEdge({}, async (edge) => {
        await this.#network.setFault(chosen, fault);
        try {
          for (const blob of blobs) ms.push((await timedRead(this.#network, edge, blob)).ms);
        } finally {
          await this.#network.setFault(chosen, { kind: "none" });
        }
      });
      return ms;
    };
    const undisturbed = await read({ kind: "none" });
    const add = (fault: string, ms: number[]): void => {
      const ratio = medianOf(ms) / medianOf(undisturbed);
      this.#report.add({
        op: "readDegraded",
        size,
        side: "edge",
        ms,
        ratio,
        more: { fault, faultyShards: shards },
      });
    };
    add("none", undisturbed);
    for (const kind of ["hang", "corrupt-slivers"] as const) add(kind, await read({ kind }));
  }

  /** One PUT and four GETs at once, each of another blob. */
  async memory(size: number): Promise<void> {
    const blobs = await this.#blobs(size, MEMORY_GETS);
    await this.#withEdge({ inspector: true }, async (edge) => {
      const { inspectorUrl } = edge.runtime;
      if (inspectorUrl === undefined) throw new Error("the edge has no inspector");
      const heap = await watchHeap(inspectorUrl, COLLECT_ABOVE);
      try {
        const started = performance.now();
        const results = await Promise.allSettled([
          publish(edge, randomBytes(size)),
          ...blobs.slice(0, MEMORY_GETS).map((blob) => timedRead(this.#network, edge, blob)),
        ]);
        const ms = [performance.now() - started];
        await sleep(LOG_MS);
        const refused = results.filter((each) => each.status === "rejected");
        // Refused for want of room is an answer; anything else is a failure.
        for (const { reason } of refused) if (!String(reason).includes(" 503")) throw reason;
        this.#report.add({
          op: "memory",
          size,
          side: "edge",
          ms,
          peakMb: (heap.peakBytes + edge.kernelBytes) / MIB,
          more: {
            heapMb: heap.peakBytes / MIB,
            kernelsMb: edge.kernelBytes / MIB,
            heapSamples: heap.samples,
            refused: refused.length,
          },
        });
      } finally {
        heap.stop();
      }
      await this.#network.quiet();
    });
  }

  get #shape(): { readonly shards: number } {
    return { shards: this.#network.file.nShards };
  }

  /** Nodes with no more than f shards together. */
  #nodesOfF(): { readonly chosen: NetworkFileNode[]; readonly shards: number } {
    const { maxFaultyShards } = bftParameters(this.#shape.shards);
    const chosen: NetworkFileNode[] = [];
    let shards = 0;
    for (const node of this.#network.nodes) {
      if (shards + node.shards.length > maxFaultyShards) continue;
      chosen.push(node);
      shards += node.shards.length;
    }
    return { chosen, shards };
  }

  /** Of this size, with their tails stored; the same ones each time, and every fresh edge reads them anew. */
  async #blobs(size: number, count: number): Promise<StoredBlob[]> {
    const stored = this.#stored.get(size) ?? [];
    this.#stored.set(size, stored);
    while (stored.length < count) {
      stored.push(await publish(this.#publisher, randomBytes(size)));
      await this.#network.quiet();
    }
    return stored.slice(0, count);
  }

  async #withEdge(
    options: { readonly inspector?: boolean },
    work: (edge: EdgeSide) => Promise<void>,
  ): Promise<void> {
    const [warmUp] = await this.#blobs(WARM_UP_BYTES, 1);
    if (warmUp === undefined) throw new Error("no blob to warm up with");
    const edge = await edgeSide(this.#bundle, this.#network, options);
    try {
      await timedRead(this.#network, edge, warmUp);
      await this.#network.quiet();
      await work(edge);
    } finally {
      await edge.close();
    }
  }
}

async function readsPerSecond(edge: EdgeSide, { blobId, content }: StoredBlob): Promise<number> {
  const started = performance.now();
  let reads = 0;
  const client = async (): Promise<void> => {
    while (performance.now() - started < HOT_MS) {
      const { bytes } = await edge.read(blobId);
      if (bytes.length !== content.length) throw new Error(`a hot read returned ${bytes.length} bytes`);
      reads++;
    }
  };
  await Promise.all(Array.from({ length: HOT_CLIENTS }, client));
  return (1000 * reads) / (performance.now() - started);
}
