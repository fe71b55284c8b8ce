/** Publish and cold reads of `bench -- shape`, both sides in turn (A B B A), and the floor under a publish. */
import { randomBytes } from "node:crypto";
import type { FloorClient, FloorSample } from "./shape-floor.ts";
import type { ShapeNetwork } from "./shape-network.ts";
import { type Figure, medianOf, type Op, type ShapeReport } from "./shape-report.ts";
import type { EdgeSide, Read, SdkSide, Side } from "./shape-sides.ts";

/** A blob in the network, to compare what is read with what was published. */
export interface StoredBlob {
  readonly blobId: string;
  readonly content: Uint8Array;
}

interface Sample {
  readonly ms: number;
  readonly requests: number;
  readonly cpuMs: number | undefined;
}

interface ReadSample extends Sample {
  readonly firstByteMs: number;
}

interface Samples {
  readonly publish: Sample[];
  readonly read: ReadSample[];
  readonly readAfterPublish: ReadSample[];
}

const noSamples = (): Samples => ({ publish: [], read: [], readAfterPublish: [] });

export interface Compared {
  readonly network: ShapeNetwork;
  readonly edge: EdgeSide;
  readonly sdk: SdkSide;
  readonly floor: FloorClient;
  readonly report: ShapeReport;
  readonly ops: readonly Op[];
  readonly runs: number;
}

/**
 * One size. The edge publishes twice a run, so that the CPU and the requests of a publish are without a read's: the
 * second blob is read at once. Cold reads are of what the other side published, once each.
 */
export async function compareSize(compared: Compared, size: number): Promise<void> {
  const { network, edge, sdk, floor, ops, runs } = compared;
  const samples = { edge: noSamples(), sdk: noSamples() };
  const floorSamples: FloorSample[] = [];
  const stepsBefore = edge.steps.length;
  for (let i = 0; i < runs; i++) {
    const order: readonly Side[] = i % 2 === 0 ? [edge, sdk] : [sdk, edge];
    const blobs = new Map<Side, StoredBlob>();
    for (const side of order) {
      const content = randomBytes(size);
      const { blobId, ...published } = await timedPublish(network, side, content);
      samples[side.name].publish.push(published);
      blobs.set(side, { blobId, content });
      if (ops.includes("readAfterPublish")) {
        const fresh = side === edge ? await publish(edge, randomBytes(size)) : { blobId, content };
        samples[side.name].readAfterPublish.push(await timedRead(network, side, fresh));
        await network.quiet();
      }
    }
    if (ops.includes("read") || ops.includes("firstByte")) {
      for (const side of order) {
        const other = blobs.get(side === edge ? sdk : edge);
        if (other === undefined) throw new Error("the other side published nothing");
        samples[side.name].read.push(await timedRead(network, side, other));
      }
    }
    if (ops.includes("publish")) {
      floorSamples.push(await floor.publish(randomBytes(size)));
      await network.quiet();
    }
  }
  const steps = edge.steps.slice(stepsBefore);
  reportAll(compared, size, samples, floorSamples, steps);
}

export async function publish(side: Side, content: Uint8Array): Promise<StoredBlob> {
  return { blobId: await side.publish(content), content };
}

async function timedPublish(
  network: ShapeNetwork,
  side: Side,
  content: Uint8Array,
): Promise<Sample & { readonly blobId: string }> {
  const before = await network.quiet();
  const cpuBefore = side.cpuMs();
  const started = performance.now();
  const blobId = await side.publish(content);
  const ms = performance.now() - started;
  // The SDK sends nothing after it returns; the wait would add this process's polling to its CPU.
  const cpuAtReply = side.cpuMs();
  const after = side.name === "edge" ? await network.quiet() : await network.traffic();
  const cpuAfter = side.name === "edge" ? side.cpuMs() : cpuAtReply;
  return { blobId, ms, requests: after.requests - before.requests, cpuMs: difference(cpuBefore, cpuAfter) };
}

/** @throws Error when a byte is wrong */
export async function timedRead(
  network: ShapeNetwork,
  side: Side,
  { blobId, content }: StoredBlob,
  read: () => Promise<Read> = () => side.read(blobId),
): Promise<ReadSample> {
  const before = await network.traffic();
  const cpuBefore = side.cpuMs();
  const { bytes, firstByteMs, ms } = await read();
  const cpuMs = difference(cpuBefore, side.cpuMs());
  if (Buffer.compare(bytes, content) !== 0) throw new Error(`${side.name} returned other bytes of ${blobId}`);
  const after = await network.traffic();
  return { ms, firstByteMs, requests: after.requests - before.requests, cpuMs };
}

function reportAll(
  { report, ops }: Compared,
  size: number,
  samples: Readonly<Record<"edge" | "sdk", Samples>>,
  floorSamples: readonly FloorSample[],
  steps: EdgeSide["steps"],
): void {
  const pair = (op: Op, of: (each: Samples) => readonly Sample[], isCounted = true): void => {
    if (!ops.includes(op)) return;
    const [edge, sdk] = [
      figure(op, size, "edge", of(samples.edge)),
      figure(op, size, "sdk", of(samples.sdk)),
    ];
    const ratio = medianOf(sdk.ms) / medianOf(edge.ms);
    for (const each of [{ ...edge, ratio }, sdk]) {
      const { requests: _, cpuMs: __, ...timesOnly } = each;
      report.add(isCounted ? each : timesOnly);
    }
  };
  pair("publish", (each) => each.publish);
  if (ops.includes("publish")) {
    const encodeMs = medianOf(steps.map((each) => each.encodeMs));
    const chainMs = medianOf(steps.map((each) => each.registerMs + each.certifyMs));
    const ms = floorSamples.map(({ quorumMs }) => quorumMs + encodeMs + chainMs);
    report.add({
      op: "publish",
      size,
      side: "floor",
      ms,
      ratio: medianOf(samples.edge.publish.map((each) => each.ms)) / medianOf(ms),
      more: {
        quorumMs: medianOf(floorSamples.map(({ quorumMs }) => quorumMs)),
        allMs: medianOf(floorSamples.map(({ allMs }) => allMs)),
        encodeMs,
        chainMs,
      },
    });
  }
  pair("read", (each) => each.read);
  if (size >= 2 ** 20) {
    pair("firstByte", (each) => each.read.map((read) => ({ ...read, ms: read.firstByteMs })), false);
  }
  // Requests of the edge's tail go on during this read.
  pair("readAfterPublish", (each) => each.readAfterPublish, false);
}

function figure(op: Op, size: number, side: "edge" | "sdk", samples: readonly Sample[]): Figure {
  const cpuMs = samples.flatMap((each) => (each.cpuMs === undefined ? [] : [each.cpuMs]));
  return {
    op,
    size,
    side,
    ms: samples.map((each) => each.ms),
    requests: samples.map((each) => each.requests),
    ...(cpuMs.length === 0 ? {} : { cpuMs }),
  };
}

const difference = (before: number | undefined, after: number | undefined): number | undefined =>
  before === undefined || after === undefined ? undefined : after - before;
