// If this fails, an operator who stores nothing is not found out in time, or one who stores everything is accused.
import { describe, expect, it } from "vitest";
import { AUDIT_PROFILES } from "../../../shared/audit/parameters.ts";
import { challengeOf } from "../../../shared/audit/selection.ts";
import {
  addTrial,
  expectedTrialsToSuspect,
  newPossession,
  nodeState,
  type PossessionState,
  possessionTest,
} from "../../../shared/audit/statistics.ts";
import { blake2b256 } from "../../../shared/crypto/blake2b.ts";
import { BcsWriter } from "../../../shared/protocol/bcs.ts";
import { blobIdToBytes } from "../../../shared/protocol/ids.ts";
import { drawKey, populationOf, seedOf } from "./fixtures.ts";

const IS_LONG = process.env["FLOE_LONG"] === "1";
const N = 1000;
const NODES = 105;
const TEST = possessionTest(AUDIT_PROFILES.public);
const population = populationOf(2_000, N);

/** xorshift32 as a stream of numbers in [0, 1). */
function randomStream(seed: number): () => number {
  let x = seed | 1;
  return () => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return (x >>> 0) / 2 ** 32;
  };
}

/** The shards of node 0 among 105: 1000 / 105, rounded up. */
const SHARDS = 10;

/**
 * Real draws against a node that lost this share of its slivers, chosen by hash: counted trials until the node is
 * suspect and until the first missing symbol.
 */
function untilFound(
  loss: number,
  seed: number,
  maxTrials: number,
): { suspect: number; firstMissing: number } {
  const salt = seedOf(seed + 1_000_000);
  const hasLost = (blobId: Uint8Array, pair: number, axis: string): boolean => {
    const digest = blake2b256(
      salt,
      blobId,
      new BcsWriter(3)
        .u16(pair)
        .u8(axis === "primary" ? 0 : 1)
        .finish(),
    );
    return new DataView(digest.buffer).getUint32(0) / 2 ** 32 < loss;
  };
  let state: PossessionState = newPossession();
  let firstMissing = Number.POSITIVE_INFINITY;
  for (let round = 0; state.trials < maxTrials; round++) {
    const roundSeed = blake2b256(seedOf(seed), new BcsWriter(4).u32(round).finish());
    for (let shard = 0; shard < SHARDS; shard++) {
      const challenge = challengeOf(roundSeed, drawKey(0, shard, 0), N, population);
      if (challenge.isVacuous) continue;
      const isFailure = hasLost(blobIdToBytes(challenge.blobId), challenge.pair, challenge.axis);
      state = addTrial(state, isFailure, TEST);
      if (isFailure) firstMissing = Math.min(firstMissing, state.trials);
      if (nodeState(state, TEST, 0) === "suspect") return { suspect: state.trials, firstMissing };
    }
  }
  return { suspect: Number.POSITIVE_INFINITY, firstMissing };
}

const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;

const seeds = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

describe("a node that lost slivers", () => {
  it("of one third is suspect within 23 counted draws (median)", () => {
    const runs = seeds(IS_LONG ? 2_001 : 101).map((seed) => untilFound(1 / 3, seed, 2_000).suspect);
    console.log(`33 % loss: suspect after a median of ${median(runs)} counted draws (${runs.length} runs)`);
    expect(median(runs)).toBeLessThanOrEqual(23);
  });

  it("of one twentieth is suspect within 234 counted draws (median)", () => {
    const runs = seeds(IS_LONG ? 501 : 61).map((seed) => untilFound(0.05, seed, 3_000).suspect);
    console.log(`5 % loss: suspect after a median of ${median(runs)} counted draws (${runs.length} runs)`);
    expect(median(runs)).toBeLessThanOrEqual(234);
  });

  it("of one hundredth has a published missing symbol within 359 draws in 95 of 100 runs", () => {
    const runs = seeds(IS_LONG ? 1_000 : 100).map((seed) => untilFound(0.01, seed, 359).firstMissing);
    const found = runs.filter((first) => first <= 359).length / runs.length;
    console.log(
      `1 % loss: missing symbol within 359 draws in ${(100 * found).toFixed(1)} % (${runs.length} runs)`,
    );
    expect(found).toBeGreaterThanOrEqual(0.95);
  });
});

describe("honest nodes with 0.5 % noise", () => {
  const rounds = 10_000;
  const roundsPerEpoch = 336;

  it(`are never suspected: 105 nodes, 1000 shards, ${rounds} rounds`, () => {
    const random = randomStream(20_260_820);
    let suspected = 0;
    let highest = 0;
    let states = Array.from({ length: NODES }, () => newPossession());
    for (let round = 0; round < rounds; round++) {
      if (round % roundsPerEpoch === 0) states = states.map((state) => newPossession(state));
      for (let shard = 0; shard < N; shard++) {
        const node = shard % NODES;
        const state = addTrial(states[node] ?? newPossession(), random() < 0.005, TEST);
        states[node] = state;
        if (state.logLikelihoodRatio > highest) highest = state.logLikelihoodRatio;
        if (state.logLikelihoodRatio >= TEST.suspectAt) suspected++;
      }
    }
    console.log(
      `0.5 % noise: highest log-likelihood ratio ${highest.toFixed(2)} of ${TEST.suspectAt.toFixed(2)}`,
    );
    expect(suspected).toBe(0);
  });
});

describe("the detection curve", () => {
  it("follows theory", () => {
    const lines = [0.33, 0.2, 0.1, 0.05].map((loss) => {
      const runs = seeds(IS_LONG ? 501 : 41).map((seed) => untilFound(loss, seed, 3_000).suspect);
      const expected = expectedTrialsToSuspect(loss, TEST) ?? Number.NaN;
      expect(median(runs)).toBeGreaterThan(0.7 * expected);
      expect(median(runs)).toBeLessThan(1.6 * expected + 3);
      return `${100 * loss} % loss: median ${median(runs)}, theory ${expected.toFixed(0)}`;
    });
    console.log(lines.join("\n"));
  });
});
