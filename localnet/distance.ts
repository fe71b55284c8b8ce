/**
 * How far away the storage nodes are: latency of each, and how many bytes a second its line carries.
 *
 * The nodes' latencies follow a log-logistic distribution: the node at quantile p of the network is
 *
 *   latencyMs * (p / (1 - p)) ^ (ln spread / ln 9)
 *
 * away, which makes `latencyMs` the median and `spread` the ratio of the ninetieth percentile to the median (and of
 * the median to the tenth). Node number k of N in the order of distance has p = (k + 1/2) / N, so every network of N
 * nodes has the same latencies; the seed only says which node has which. Latency is one wait per request, before the
 * node sees it; while it lasts the body is read, so that a PUT costs one latency. It does not vary from request to
 * request.
 */
import { toHex } from "../shared/base/bytes.ts";
import type { Clock } from "../shared/base/clock.ts";
import { FloeError } from "../shared/base/errors.ts";
import type { NodeDistance } from "../shared/network/network-file.ts";

export interface Distance {
  /** Median over the nodes; 0 = none at all. */
  readonly latencyMs: number;
  /** Ninetieth percentile by median, at least 1; 1 (default) = all nodes are equally far. */
  readonly spread?: number;
  /** Bytes a second that the line of each node carries, in either direction; no limit when absent. */
  readonly bandwidth?: number;
}

export class DistanceError extends FloeError<"INVALID_DISTANCE"> {}

export const MAX_LATENCY_MS = 10_000;
const MAX_SPREAD = 20;
const MIN_BANDWIDTH = 1_000;
const MAX_BANDWIDTH = 1e12;
const FIELDS = ["latencyMs", "spread", "bandwidth"] as const;

/**
 * @param fields those that may stand there; `latencyMs` has to
 * @throws DistanceError naming the field and its limits
 */
export function parseDistance(
  json: Readonly<Record<string, unknown>>,
  fields: readonly (typeof FIELDS)[number][] = FIELDS,
): Distance {
  const unknown = Object.keys(json).find((field) => !fields.some((each) => each === field));
  if (unknown !== undefined) invalid(`a distance takes no field ${unknown.slice(0, 40)}`);
  const { latencyMs, spread, bandwidth } = json;
  if (typeof latencyMs !== "number" || !(latencyMs >= 0 && latencyMs <= MAX_LATENCY_MS)) {
    invalid(`latencyMs is a number from 0 to ${MAX_LATENCY_MS}`);
  }
  if (spread !== undefined && (typeof spread !== "number" || !(spread >= 1 && spread <= MAX_SPREAD))) {
    invalid(`spread, the ninetieth percentile by the median, is a number from 1 to ${MAX_SPREAD}`);
  }
  if (
    bandwidth !== undefined &&
    (typeof bandwidth !== "number" || !(bandwidth >= MIN_BANDWIDTH && bandwidth <= MAX_BANDWIDTH))
  ) {
    invalid(`bandwidth is a number of bytes a second from ${MIN_BANDWIDTH} to ${MAX_BANDWIDTH}`);
  }
  return {
    latencyMs,
    ...(spread === undefined ? {} : { spread }),
    ...(bandwidth === undefined ? {} : { bandwidth }),
  };
}

function invalid(reason: string): never {
  throw new DistanceError("INVALID_DISTANCE", reason);
}

/** @param seededBytes bytes that follow from the network's seed and a purpose. @returns by node number */
export function distancesOfNodes(
  { latencyMs, spread = 1, bandwidth }: Distance,
  nodes: number,
  seededBytes: (purpose: string) => Uint8Array,
): NodeDistance[] {
  const exponent = Math.log(spread) / Math.log(9);
  const distances: NodeDistance[] = [];
  for (const [place, node] of shuffled(nodes, (i) => seededBytes(`distance-${i}`)).entries()) {
    const p = (place + 0.5) / nodes;
    const ms = Math.min(MAX_LATENCY_MS, Math.round(latencyMs * (p / (1 - p)) ** exponent));
    distances[node] = { latencyMs: ms, ...(bandwidth === undefined ? {} : { bandwidth }) };
  }
  return distances;
}

/** 0 to count - 1 in the order of their bytes. */
export function shuffled(count: number, bytesOf: (i: number) => Uint8Array): number[] {
  const ranked = Array.from({ length: count }, (_, i) => ({ i, rank: toHex(bytesOf(i)) }));
  ranked.sort((a, b) => (a.rank < b.rank ? -1 : 1));
  return ranked.map(({ i }) => i);
}

/**
 * The line to one node. Bytes queue on it, in each direction by themselves, in the order in which they were announced.
 */
export class Line {
  readonly #clock: Clock;
  #distance: NodeDistance = { latencyMs: 0 };
  /** When the bytes announced so far have passed. */
  #inFreeMs = 0;
  #outFreeMs = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get distance(): NodeDistance {
    return this.#distance;
  }

  /** Holds for requests that come from now on. */
  set distance(distance: NodeDistance) {
    this.#distance = distance;
    this.#inFreeMs = 0;
    this.#outFreeMs = 0;
  }

  /** Until the node has a request whose body has so many bytes. */
  arrivalMs(byteLength: number): number {
    const { latencyMs, bandwidth } = this.#distance;
    if (bandwidth === undefined) return latencyMs;
    const nowMs = this.#clock.nowMs();
    this.#inFreeMs = Math.max(nowMs, this.#inFreeMs) + (1000 * byteLength) / bandwidth;
    return latencyMs + this.#inFreeMs - nowMs;
  }

  /** Until the client has an answer of so many bytes; its latency was part of the arrival. */
  departureMs(byteLength: number): number {
    const { bandwidth } = this.#distance;
    if (bandwidth === undefined) return 0;
    const nowMs = this.#clock.nowMs();
    this.#outFreeMs = Math.max(nowMs, this.#outFreeMs) + (1000 * byteLength) / bandwidth;
    return this.#outFreeMs - nowMs;
  }
}
