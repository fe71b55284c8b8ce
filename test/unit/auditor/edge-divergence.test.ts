// If this fails, an honest node is shown as one that cheats readers, or one that cheats is not.
import { describe, expect, it } from "vitest";
import {
  chanceIfEqual,
  chanceOfNoise,
  DIVERGES_BELOW,
  divergenceOf,
  EDGE_NOISE,
  type Trials,
} from "../../../auditor/edge-reads/edge-divergence.ts";

const of = (failures: number, trials: number): Trials => ({ failures, trials });

/** C(n, k), exactly. */
function choose(n: number, k: number): bigint {
  let result = 1n;
  for (let i = 0; i < k; i++) result = (result * BigInt(n - i)) / BigInt(i + 1);
  return result;
}
const ratio = (a: bigint, b: bigint): number => Number((a * 10n ** 30n) / b) / 1e30;

describe("the comparison of reads with challenges", () => {
  it("is Fisher's exact test, term by term", () => {
    for (const [n, m] of [
      [1, 1],
      [6, 24],
      [30, 7],
      [60, 60],
    ] as const) {
      for (let j = 0; j <= n; j += Math.ceil(n / 6)) {
        for (const k of new Set([0, 1, m])) {
          let tail = 0n;
          for (let x = j; x <= Math.min(n, j + k); x++) tail += choose(n, x) * choose(m, j + k - x);
          const exact = ratio(tail, choose(n + m, j + k));
          expect(chanceIfEqual(of(j, n), of(k, m)), `${j}/${n} against ${k}/${m}`).toBeCloseTo(exact, 10);
          if (exact > 1e-20) expect(chanceIfEqual(of(j, n), of(k, m)) / exact).toBeCloseTo(1, 8);
        }
      }
    }
  });

  it("is a binomial test against noise, term by term", () => {
    for (const [j, n] of [
      [0, 5],
      [1, 5],
      [3, 40],
      [5, 5],
      [12, 300],
    ] as const) {
      let tail = 0;
      for (let x = j; x <= n; x++)
        tail += Number(choose(n, x)) * EDGE_NOISE ** x * (1 - EDGE_NOISE) ** (n - x);
      expect(chanceOfNoise(of(j, n)) / tail, `${j} of ${n}`).toBeCloseTo(1, 8);
    }
  });

  it.each<[string, Trials, Trials, boolean]>([
    ["denies every reader and passed 24 challenges", of(7, 7), of(0, 24), true],
    ["denies every reader and passed a day's challenges of one shard", of(4, 4), of(0, 84), true],
    ["denies one reader in ten and passed 840 challenges", of(20, 200), of(0, 840), true],
    ["has not been audited, whatever readers say", of(500, 500), of(0, 0), false],
    [
      "fails challenges as it fails readers: it has lost blobs, and is not hiding it",
      of(50, 100),
      of(50, 100),
      false,
    ],
    ["failed three readers once", of(3, 3), of(0, 84), false],
    ["fails 1.1 % of very many reads, which passes for noise", of(220, 20_000), of(0, 100_000), false],
    ["fails 2 % of very many reads and no challenge", of(2_000, 100_000), of(0, 10_000), true],
    ["never failed", of(0, 100_000), of(0, 10_000), false],
    ["was never read from", of(0, 0), of(0, 840), false],
    ["fails challenges only", of(0, 100), of(30, 100), false],
  ])("of a node that %s", (_, reads, challenges, diverges) => {
    expect(divergenceOf(reads, challenges).diverges).toBe(diverges);
  });

  it("stays finite and in bounds for the largest counts a ledger can hold", () => {
    for (const [reads, challenges] of [
      [of(12_000, 50_000_000), of(3, 100_000)],
      [of(12_000, 12_000), of(0, 100_000)],
      [of(1, 50_000_000), of(100_000, 100_000)],
    ] as const) {
      const { chance } = divergenceOf(reads, challenges);
      expect(chance).toBeGreaterThanOrEqual(0);
      expect(chance).toBeLessThanOrEqual(1);
    }
  });

  it("of honest nodes at the noise allowed is wrong as seldom as promised", () => {
    // The exact chance that an honest node diverges at one look: sum over what may be seen.
    const [n, m] = [300, 200];
    const binomial = (count: number, p: number): number[] => {
      let term = (1 - p) ** count;
      return Array.from({ length: count + 1 }, (_, x) => {
        const now = term;
        term *= ((count - x) / (x + 1)) * (p / (1 - p));
        return now;
      });
    };
    const reads = binomial(n, EDGE_NOISE);
    const challenges = binomial(m, EDGE_NOISE / 2);
    let wrong = 0;
    for (let j = 0; j < 60; j++)
      for (let k = 0; k < 30; k++)
        if (divergenceOf(of(j, n), of(k, m)).diverges) wrong += (reads[j] ?? 0) * (challenges[k] ?? 0);
    expect(wrong).toBeLessThanOrEqual(DIVERGES_BELOW);
  });
});
