/**
 * Does a node treat readers worse than it treats the auditor? Two tests, and only what both find implausible diverges.
 *
 *   n blobs asked by edge reads, j of them failed; m challenges that counted, k of them failed, in the same hours
 *
 * **As the auditor was served** (Fisher's exact test). Were a read and a challenge equally likely to fail, whatever that
 * chance is, any j of the j + k failures would be among the reads as likely as any others: the chance of at least j is
 * the upper tail of the hypergeometric distribution of (n + m, j + k, n). Without challenges it is 1: what was not
 * audited cannot diverge.
 *
 * **As a noisy but honest node serves** (binomial test). A read asks once where a challenge asks three times over half an
 * hour, so it sees more of the noise: `EDGE_NOISE` of blobs, twice what challenges allow. The chance of at least j of n
 * at that rate keeps a large number of reads from turning a small difference into a significant one.
 *
 * The greater of the two chances has to be `DIVERGES_BELOW` or less. Looks at one node come once an hour, so an honest
 * node is shown as diverging with a chance below 0.1 % a month, even were each look independent of the one before.
 */
import { incompleteBeta, logGamma } from "../../shared/audit/statistics.ts";

export const EDGE_NOISE = 0.01;
export const DIVERGES_BELOW = 1e-6;

export interface Trials {
  readonly trials: number;
  readonly failures: number;
}

export interface Divergence {
  /** The greater of the two chances. */
  readonly chance: number;
  readonly diverges: boolean;
}

/** @param reads blobs that passed or failed @param challenges of the same hours. Cost: the number of failures. */
export function divergenceOf(reads: Trials, challenges: Trials): Divergence {
  const chance = Math.max(chanceIfEqual(reads, challenges), chanceOfNoise(reads));
  return { chance, diverges: chance <= DIVERGES_BELOW };
}

/** P(X >= failures) for X binomial of `trials` at `EDGE_NOISE`. */
export const chanceOfNoise = ({ trials, failures }: Trials): number =>
  failures === 0 ? 1 : incompleteBeta(EDGE_NOISE, failures, trials - failures + 1);

/** P(X >= failures of reads) for X hypergeometric. */
export function chanceIfEqual(reads: Trials, challenges: Trials): number {
  const { trials: n, failures: j } = reads;
  const { trials: m, failures: k } = challenges;
  const failed = j + k;
  let term = Math.exp(logChoose(n, j) + logChoose(m, failed - j) - logChoose(n + m, failed));
  let sum = term;
  // Each term from the one before: C(n, x) C(m, failed - x) for x = j + 1, j + 2, ...
  for (let x = j; x < Math.min(n, failed); x++) {
    term *= ((n - x) * (failed - x)) / ((x + 1) * (m - failed + x + 1));
    sum += term;
  }
  return Math.min(1, sum);
}

const logChoose = (n: number, k: number): number => logGamma(n + 1) - logGamma(k + 1) - logGamma(n - k + 1);
