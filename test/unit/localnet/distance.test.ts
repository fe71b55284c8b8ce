// If this fails, figures measured "at 80 ms" were measured at some other distance, and nobody can repeat them.
import { expect, test } from "vitest";
import { type Distance, distancesOfNodes, Line, parseDistance } from "../../../localnet/distance.ts";
import { derive } from "../../../localnet/network-plan.ts";
import { mainnetShards, mainnetWeights } from "../../../localnet/shape.ts";

const seeded =
  (seed: string) =>
  (purpose: string): Uint8Array =>
    derive(seed, purpose);
const latencies = (distance: Distance, nodes: number, seed = "floe"): number[] =>
  distancesOfNodes(distance, nodes, seeded(seed)).map(({ latencyMs }) => latencyMs);
const ascending = (values: readonly number[]): number[] => [...values].sort((a, b) => a - b);

test("the median is the latency asked for, and the ninetieth percentile is spread times as much", () => {
  const sorted = ascending(latencies({ latencyMs: 80, spread: 1.6 }, 101));
  expect(sorted[50]).toBe(80);
  expect(sorted[90]).toBeGreaterThanOrEqual(126);
  expect(sorted[90]).toBeLessThanOrEqual(130);
  expect(sorted[10]).toBeGreaterThanOrEqual(49);
  expect(sorted[10]).toBeLessThanOrEqual(51);
});

test("without a spread every node is equally far, and with a latency of 0 none is far", () => {
  expect(new Set(latencies({ latencyMs: 80 }, 13))).toEqual(new Set([80]));
  expect(new Set(latencies({ latencyMs: 0, spread: 5 }, 13))).toEqual(new Set([0]));
});

test("the seed says which node is how far, and nothing else", () => {
  const distance = { latencyMs: 80, spread: 1.6 };
  expect(latencies(distance, 100)).toEqual(latencies(distance, 100));
  expect(latencies(distance, 100, "other")).not.toEqual(latencies(distance, 100));
  expect(ascending(latencies(distance, 100, "other"))).toEqual(ascending(latencies(distance, 100)));
});

test.each([
  [{}, "latencyMs is a number from 0 to 10000"],
  [{ latencyMs: -1 }, "latencyMs is a number from 0 to 10000"],
  [{ latencyMs: 10_001 }, "latencyMs is a number from 0 to 10000"],
  [{ latencyMs: "80" }, "latencyMs is a number from 0 to 10000"],
  [
    { latencyMs: 80, spread: 0.9 },
    "spread, the ninetieth percentile by the median, is a number from 1 to 20",
  ],
  [{ latencyMs: 80, bandwidth: 999 }, "bandwidth is a number of bytes a second from 1000"],
  [{ latencyMs: 80, ms: 1 }, "a distance takes no field ms"],
])("refuses %j and names the limits", (json, message) => {
  expect(() => parseDistance(json)).toThrow(message);
});

test("bytes queue on a line, each direction by itself", () => {
  let nowMs = 1_000;
  const line = new Line({ nowMs: () => nowMs, sleep: async () => {} });
  line.distance = { latencyMs: 50, bandwidth: 10_000 };
  expect(line.arrivalMs(0)).toBe(50);
  expect(line.arrivalMs(1_000)).toBe(150);
  expect(line.arrivalMs(1_000)).toBe(250);
  expect(line.departureMs(500)).toBe(50);
  nowMs += 150;
  expect(line.arrivalMs(1_000)).toBe(200);
  nowMs += 10_000;
  expect(line.arrivalMs(1_000)).toBe(150);
  line.distance = { latencyMs: 50 };
  expect([line.arrivalMs(1_000), line.departureMs(1_000)]).toEqual([50, 0]);
});

test("mainnet's shape: 18 shards at most, f + 1 of them with 19 nodes and no fewer, 2f + 1 with 38", () => {
  const weights = mainnetWeights();
  const largest = (count: number): number => weights.slice(0, count).reduce((sum, weight) => sum + weight, 0);
  expect([weights.length, Math.max(...weights), Math.min(...weights)]).toEqual([100, 18, 2]);
  expect([largest(18) < 334, largest(19) >= 334, largest(37) < 667, largest(38) >= 667]).toEqual([
    true,
    true,
    true,
    true,
  ]);
  expect(weights).toEqual([...weights].sort((a, b) => b - a));
});

test("mainnet's shape: every shard is on one node, in ascending order, by the seed", () => {
  const shards = mainnetShards(seeded("floe"));
  expect(ascending(shards.flat())).toEqual(Array.from({ length: 1000 }, (_, shard) => shard));
  expect(shards.every((owned) => owned.every((shard, i) => i === 0 || shard > (owned[i - 1] ?? 0)))).toBe(
    true,
  );
  expect(ascending(shards.map(({ length }) => length))).toEqual(ascending(mainnetWeights()));
  expect(mainnetShards(seeded("other"))).not.toEqual(shards);
});
