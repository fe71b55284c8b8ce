// If this fails, a round asks some shards twice and others never, or blames padding that nobody has to store.
import { describe, expect, it } from "vitest";
import { AuditError } from "../../../shared/audit/audit-error.ts";
import { MemoryPopulation } from "../../../shared/audit/population.ts";
import {
  challengeOf,
  checkpointSeed,
  compareDraws,
  draw,
  planRound,
  shuffleBySeed,
  symbolIdOfChallenge,
} from "../../../shared/audit/selection.ts";
import { isVacuous } from "../../../shared/audit/vacuous.ts";
import { toHex } from "../../../shared/base/bytes.ts";
import { createReferenceCodec } from "../../../shared/codec/reference-codec.ts";
import { AXES, type Axis, type SliverIndex, type SliverPairIndex } from "../../../shared/protocol/ids.ts";
import { shardOfPair } from "../../../shared/protocol/mapping.ts";
import { blobLayout, encodedLength } from "../../../shared/protocol/sizes.ts";
import { parseSliver } from "../../../shared/protocol/sliver.ts";
import { blobOf, challengeWith, drawKey, populationOf, seedOf } from "./fixtures.ts";

const N = 40;
const EMPTY = new MemoryPopulation([], N);

describe("a round's plan", () => {
  const permanent = populationOf(50, N);
  const counts = { 0: 2, 1: 1, 2: 1, 3: 1 };
  const populations = { permanent, deletable: populationOf(3, N), fresh: EMPTY };
  const plan = planRound(seedOf(1), N, populations, counts);

  it("asks every shard as often as every other, and nothing of an empty population", () => {
    expect(plan).toHaveLength(N * (2 + 1 + 1));
    for (let shard = 0; shard < N; shard++) {
      expect(plan.filter((each) => each.shard === shard)).toHaveLength(4);
    }
  });

  it("stands in (mode, shard, t) order", () => {
    expect([...plan].sort(compareDraws)).toEqual(plan);
  });

  it("asks a shard for the pair it holds", () => {
    for (const { pair, blobId, shard } of plan) expect(shardOfPair(pair, blobId, N)).toBe(shard);
  });

  it("is the same draw by draw, and another with another seed", () => {
    for (const each of plan.filter(({ mode }) => mode < 2)) {
      expect(challengeOf(seedOf(1), drawKey(each.mode, each.shard, each.t), N, permanent)).toEqual(each);
    }
    expect(planRound(seedOf(2), N, populations, counts)).not.toEqual(plan);
  });

  it("draws 3,000 challenges of a public network within the time of one alarm", () => {
    const population = populationOf(2_000, 1000);
    const started = process.cpuUsage();
    const challenges = planRound(
      seedOf(3),
      1000,
      { permanent: population, deletable: population, fresh: population },
      { 0: 1, 1: 1, 2: 1, 3: 0 },
    );
    expect(challenges).toHaveLength(3000);
    // The bar is 50 ms on an idle machine (measured in bench); here it only must not be a different order.
    expect(process.cpuUsage(started).user).toBeLessThan(5_000_000);
  });
});

describe("draws by bytes", () => {
  it("hit a blob in proportion to its encoded size", () => {
    const population = new MemoryPopulation([blobOf(1, 100_000), blobOf(2, 4_000_000)], N);
    let big = 0;
    const rounds = 3_000;
    for (let t = 0; t < rounds; t++) {
      if (challengeOf(seedOf(9), drawKey(1, 0, t), N, population).unencodedLength === 4_000_000) big++;
    }
    const share = encodedLength(N, 4_000_000) / (encodedLength(N, 4_000_000) + encodedLength(N, 100_000));
    const sigma = Math.sqrt((share * (1 - share)) / rounds);
    expect(Math.abs(big / rounds - share)).toBeLessThan(5 * sigma);
  });
});

describe("a draw", () => {
  it("needs a seed of 32 bytes and a population", () => {
    expect(() => draw(new Uint8Array(31), drawKey(0, 0, 0), 1n, N)).toThrow(AuditError);
    expect(() => draw(seedOf(1), drawKey(0, 0, 0), 0n, N)).toThrow(AuditError);
  });

  it("names its symbol as storage nodes do", () => {
    const of = (axis: Axis, pair: number, symbol: number) =>
      symbolIdOfChallenge(
        challengeWith({ axis, pair: pair as SliverPairIndex, symbol: symbol as SliverIndex }),
        N,
      );
    expect(of("primary", 3, 7)).toEqual({ primary: 3, secondary: 7 });
    expect(of("secondary", 3, 7)).toEqual({ primary: 7, secondary: 36 });
  });
});

describe("vacuous slivers", () => {
  const codec = createReferenceCodec();

  it.each([0, 1, 2, 13, 14, 15, 27, 55, 56, 57, 100, 113, 1000])(
    "of %i bytes are exactly those that the encoder fills with zeros",
    (length) => {
      const encoder = codec.openEncoder(10, length);
      encoder.write(new Uint8Array(length).fill(0xff));
      const layout = blobLayout(10, length);
      const pairs = Array.from({ length: 10 }, (_, pair) => pair as SliverPairIndex);
      for (const encoded of encoder.slivers(pairs)) {
        for (const axis of AXES) {
          const { data } = parseSliver(encoded[axis], encoded[axis].length);
          expect(
            data.every((byte) => byte === 0),
            `${axis} ${encoded.pair}`,
          ).toBe(isVacuous(layout, encoded.pair, axis));
        }
      }
      encoder.release();
    },
  );

  it("are as many as the official encoder makes of small blobs at a thousand shards", () => {
    const count = (length: number, axis: Axis): number => {
      const layout = blobLayout(1000, length);
      return Array.from({ length: 1000 }, (_, pair) =>
        isVacuous(layout, pair as SliverPairIndex, axis),
      ).filter(Boolean).length;
    };
    expect(count(10_240, "primary")).toBe(326);
    expect(count(1024, "primary")).toBe(333);
    expect(count(1024, "secondary")).toBe(155);
    expect(count(10_000_000, "primary") + count(10_000_000, "secondary")).toBeLessThan(60);
  });

  it("are drawn and marked, so that they can be left out", () => {
    const population = new MemoryPopulation([blobOf(1, 100)], N);
    const counts = { 0: 3, 1: 0, 2: 0, 3: 0 };
    const plan = planRound(seedOf(4), N, { permanent: population, deletable: EMPTY, fresh: EMPTY }, counts);
    const marked = plan.filter((each) => each.isVacuous);
    expect(marked.length).toBeGreaterThan(0);
    expect(marked.length).toBeLessThan(plan.length);
  });
});

describe("the order of asking", () => {
  it("is a permutation that only the seed decides", () => {
    const items = Array.from({ length: 200 }, (_, i) => i);
    const shuffled = shuffleBySeed(seedOf(1), items);
    expect([...shuffled].sort((a, b) => a - b)).toEqual(items);
    expect(shuffled).toEqual(shuffleBySeed(seedOf(1), items));
    expect(shuffled).not.toEqual(shuffleBySeed(seedOf(2), items));
    expect(shuffled).not.toEqual(items);
  });
});

describe("the seed of a checkpoint", () => {
  it("is pinned", () => {
    expect(toHex(checkpointSeed(new Uint8Array(32)))).toMatchInlineSnapshot(
      `"efc25afdcd9e0e9da4f87773c5645a92dd2e9b3bee8e4efcc0c74e55f7ae4011"`,
    );
  });
});
