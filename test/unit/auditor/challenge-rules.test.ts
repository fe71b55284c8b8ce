// If this fails, auditors overload a node, or a node can tell beforehand which symbols it will be asked.
import { describe, expect, it } from "vitest";
import {
  asksWholeSliver,
  chainedChallenge,
  firstChainSeed,
  jitterOf,
  nextChainSeed,
  nextRequestMs,
  symbolsToAsk,
} from "../../../auditor/round/challenge-rules.ts";
import { AUDIT_PROFILES } from "../../../shared/audit/parameters.ts";
import { MemoryPopulation } from "../../../shared/audit/population.ts";
import { drawDigest } from "../../../shared/audit/selection.ts";
import { shardIndex } from "../../../shared/protocol/ids.ts";
import { blobOf, challengeWith, drawKey, objectIdOf, populationOf, seedOf } from "../audit/fixtures.ts";

const P = AUDIT_PROFILES.public;
const N = 1000;
const digestOf = (t: number): Uint8Array => drawDigest(seedOf(1), drawKey(0, 5, t), 100n);

describe("the symbols of one request", () => {
  it("are the drawn one for a short sliver, 32 distinct ones for a long", () => {
    const short = challengeWith({ unencodedLength: 1_000_000 });
    const long = challengeWith({ unencodedLength: 1_000_000_000 });
    expect(symbolsToAsk(short, digestOf(0), N, P)).toEqual([short.symbol]);
    const many = symbolsToAsk(long, digestOf(0), N, P);
    expect(many[0]).toBe(long.symbol);
    expect(new Set(many).size).toBe(32);
    expect(many.every((symbol) => symbol < N)).toBe(true);
    expect(symbolsToAsk(long, digestOf(0), N, P)).toEqual(many);
    expect(symbolsToAsk(long, digestOf(1), N, P)).not.toEqual(many);
  });

  it("are at most all of them in a small network", () => {
    const long = challengeWith({ unencodedLength: 1_000_000 });
    expect(symbolsToAsk(long, digestOf(0), 10, P).sort()).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });
});

describe("whole slivers", () => {
  it("are asked about once in fifty draws", () => {
    const draws = 5_000;
    let whole = 0;
    for (let t = 0; t < draws; t++) if (asksWholeSliver(digestOf(t), P)) whole++;
    expect(whole).toBeGreaterThan(60);
    expect(whole).toBeLessThan(150);
  });
});

describe("jitter and bursts", () => {
  it("follow from the draw and from each answer", () => {
    const jitters = Array.from({ length: 500 }, (_, t) => jitterOf(digestOf(t)));
    expect(Math.min(...jitters)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...jitters)).toBeLessThan(1);
    expect(jitters.reduce((sum, each) => sum + each, 0) / 500).toBeCloseTo(0.5, 1);
    const step = nextChainSeed(seedOf(1), new Uint8Array([1, 2]));
    expect(nextChainSeed(seedOf(1), new Uint8Array([1, 3]))).not.toEqual(step);
    expect(nextChainSeed(seedOf(2), new Uint8Array([1, 2]))).not.toEqual(step);
  });
});

describe("a chained burst", () => {
  const shards = [3, 4, 5].map((shard) => shardIndex(shard, N));
  const population = populationOf(500, N);
  const step = (seed: Uint8Array, at: number) => chainedChallenge(seed, at, shards, N, population);

  it("asks one of the node's shards each, and goes where the last symbol leads", () => {
    const seed = firstChainSeed(seedOf(1), objectIdOf(7));
    expect(step(seed, 0)).toEqual(step(seed, 0));
    expect([0, 1, 2, 3].map((at) => step(seed, at)?.shard)).toEqual([3, 4, 5, 3]);
    const [one, other] = [1, 2].map((byte) => step(nextChainSeed(seed, Uint8Array.of(byte)), 1));
    expect(one).not.toEqual(other);
    expect(firstChainSeed(seedOf(1), objectIdOf(8))).not.toEqual(seed);
    expect(firstChainSeed(seedOf(2), objectIdOf(7))).not.toEqual(seed);
  });

  it("passes padding over, and asks nothing of an empty population", () => {
    const short = new MemoryPopulation([blobOf(1, 1)], N);
    for (let i = 0; i < 200; i++) {
      const challenge = chainedChallenge(seedOf(i), 0, shards, N, short);
      expect(challenge?.isVacuous ?? false).toBe(false);
    }
    expect(chainedChallenge(seedOf(1), 0, shards, N, new MemoryPopulation([], N))).toBeUndefined();
  });
});

describe("the load on a node", () => {
  it("is one request at a time, four a minute, one a second over all", () => {
    const now = 1_000_000;
    const idle = { inFlightAtNode: 0, nodeStartsMs: [], allStartsMs: [] };
    expect(nextRequestMs(idle, now, P)).toBe(now);
    expect(nextRequestMs({ ...idle, inFlightAtNode: 1 }, now, P)).toBeUndefined();
    expect(nextRequestMs({ ...idle, allStartsMs: [now - 400] }, now, P)).toBe(now + 600);
    const four = [now - 50_000, now - 40_000, now - 30_000, now - 20_000];
    expect(nextRequestMs({ ...idle, nodeStartsMs: four }, now, P)).toBe(now + 10_000);
    expect(nextRequestMs({ ...idle, nodeStartsMs: four.slice(1) }, now, P)).toBe(now);
  });

  it("stays within four a minute over an hour of asking as fast as allowed", () => {
    const starts: number[] = [];
    let now = 0;
    while (now < 3_600_000) {
      const log = { inFlightAtNode: 0, nodeStartsMs: starts, allStartsMs: starts };
      now = nextRequestMs(log, now, P) ?? now;
      starts.push(now);
    }
    for (let i = 4; i < starts.length; i++) {
      expect((starts[i] ?? 0) - (starts[i - 4] ?? 0)).toBeGreaterThanOrEqual(60_000);
    }
  });
});
