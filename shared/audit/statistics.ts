/**
 * What an auditor concludes about a node from many challenges. Two quantities, never mixed.
 *
 * **Possession** counts only challenges that the node answered: pass, or missing/invalid. The decision is a sequential
 * likelihood-ratio test of p0 (honest noise) against p1 (loss):
 *
 *   failure adds ln(p1/p0), pass adds ln((1-p1)/(1-p0)); suspect once the sum reaches ln(1/alpha)
 *
 * The running product is a nonnegative supermartingale for every failure rate <= p0, so P(ever reaching 1/alpha) <=
 * alpha however often one looks (Ville). With the public profile: +2.302585, -0.046281, threshold 13.815511. Each
 * epoch starts anew, because shards move. At 1 % loss the drift is negative and the test never fires, by design.
 *
 * **Availability** counts windows, not challenges: a burst of timeouts is one event.
 *
 * CUSUM (early warning) and the Beta reputation (ranking) are shown; neither ever feeds a claim.
 */
import { assert } from "../base/errors.ts";
import type { AuditParameters } from "./parameters.ts";

const MILLION = 1_000_000;

/** Increments and thresholds of the possession test, in natural-log units. */
export interface PossessionTest {
  readonly onFailure: number;
  readonly onPass: number;
  readonly suspectAt: number;
  readonly alarmAt: number;
  readonly forgetting: number;
}

export function possessionTest(parameters: AuditParameters): PossessionTest {
  const p0 = parameters.honestNoiseMillionths / MILLION;
  const p1 = parameters.lossMillionths / MILLION;
  return {
    onFailure: Math.log(p1 / p0),
    onPass: Math.log((1 - p1) / (1 - p0)),
    suspectAt: Math.log(MILLION / parameters.alphaMillionths),
    alarmAt: parameters.cusumAlarmMillionths / MILLION,
    forgetting: parameters.forgettingMillionths / MILLION,
  };
}

/** Possession of one node in one epoch; plain data, so that a ledger can keep it. */
export interface PossessionState {
  readonly trials: number;
  readonly failures: number;
  readonly logLikelihoodRatio: number;
  /** The highest the ratio ever was: being suspect is not forgotten within an epoch. */
  readonly maxLogLikelihoodRatio: number;
  readonly cusum: number;
  readonly alpha: number;
  readonly beta: number;
}

/** Beta(1000, 0): a new node ranks with those that never failed, and its record outweighs that soon. */
const NEW_REPUTATION = { alpha: 1000, beta: 0 } as const;

/** A node's state at the start of an epoch; its reputation carries over. */
export const newPossession = (
  reputation: { readonly alpha: number; readonly beta: number } = NEW_REPUTATION,
): PossessionState => ({
  trials: 0,
  failures: 0,
  logLikelihoodRatio: 0,
  maxLogLikelihoodRatio: 0,
  cusum: 0,
  alpha: reputation.alpha,
  beta: reputation.beta,
});

/** The state after one counted trial. */
export function addTrial(state: PossessionState, isFailure: boolean, test: PossessionTest): PossessionState {
  const increment = isFailure ? test.onFailure : test.onPass;
  const logLikelihoodRatio = state.logLikelihoodRatio + increment;
  return {
    trials: state.trials + 1,
    failures: state.failures + (isFailure ? 1 : 0),
    logLikelihoodRatio,
    maxLogLikelihoodRatio: Math.max(state.maxLogLikelihoodRatio, logLikelihoodRatio),
    cusum: Math.max(0, state.cusum + increment),
    alpha: test.forgetting * state.alpha + (isFailure ? 0 : 1),
    beta: test.forgetting * state.beta + (isFailure ? 1 : 0),
  };
}

export type NodeState = "unaudited" | "healthy" | "watch" | "suspect" | "confirmed";

/** @param confirmedClaims claims against the node confirmed on chain in this epoch */
export function nodeState(state: PossessionState, test: PossessionTest, confirmedClaims: number): NodeState {
  if (confirmedClaims > 0) return "confirmed";
  if (state.maxLogLikelihoodRatio >= test.suspectAt) return "suspect";
  if (state.cusum >= test.alarmAt) return "watch";
  return state.trials === 0 ? "unaudited" : "healthy";
}

/** Counted challenges after which loss of a fraction q has shown itself at least once with this confidence. */
export function trialsToDetect(lossFraction: number, confidence: number): number {
  assert(lossFraction > 0 && lossFraction < 1 && confidence > 0 && confidence < 1, "fractions are in (0, 1)");
  return Math.ceil(Math.log1p(-confidence) / Math.log1p(-lossFraction));
}

/** P(at least one failure) = 1 - (1-q)^m, whatever the size of the population. */
export const detectionPower = (lossFraction: number, trials: number): number =>
  -Math.expm1(trials * Math.log1p(-lossFraction));

/** The smallest loss that `trials` counted challenges show with this confidence; 1 before the first challenge. */
export const detectableLoss = (trials: number, confidence: number): number =>
  trials === 0 ? 1 : -Math.expm1(Math.log1p(-confidence) / trials);

/** Trials that the test needs on average at a failure rate, or undefined where its drift never reaches the threshold. */
export function expectedTrialsToSuspect(failureRate: number, test: PossessionTest): number | undefined {
  const drift = failureRate * test.onFailure + (1 - failureRate) * test.onPass;
  return drift <= 0 ? undefined : test.suspectAt / drift;
}

/** Windows of availability: index = floor(time / window). */
export interface AvailabilityWindow {
  readonly index: number;
  readonly isUp: boolean;
}

/** Notes one challenge; a window is up once any challenge in it was answered. Windows stand in ascending order. */
export function noteAvailability(
  windows: readonly AvailabilityWindow[],
  atMs: number,
  isAnswered: boolean,
  parameters: AuditParameters,
): AvailabilityWindow[] {
  const index = Math.floor(atMs / parameters.availabilityWindowMs);
  const kept = Math.ceil((parameters.availabilityDays * 86_400_000) / parameters.availabilityWindowMs);
  const known = windows.find((window) => window.index === index);
  const noted = { index, isUp: isAnswered || known?.isUp === true };
  const newest = Math.max(index, windows.at(-1)?.index ?? index);
  return [...windows.filter((window) => window !== known), noted]
    .filter((window) => window.index > newest - kept)
    .sort((a, b) => a.index - b.index);
}

/** Mean over the windows that had a challenge; undefined when none had. */
export function availabilityScore(windows: readonly AvailabilityWindow[]): number | undefined {
  if (windows.length === 0) return undefined;
  return windows.filter(({ isUp }) => isUp).length / windows.length;
}

export interface Interval {
  readonly mean: number;
  readonly low: number;
  readonly high: number;
}

/** Mean and central 95 % interval of Beta(alpha + 1/2, beta + 1/2): proper for a node that never failed, too. */
export function reputationInterval(reputation: { readonly alpha: number; readonly beta: number }): Interval {
  const a = reputation.alpha + 0.5;
  const b = reputation.beta + 0.5;
  return { mean: a / (a + b), low: betaQuantile(0.025, a, b), high: betaQuantile(0.975, a, b) };
}

/** Inverse of the regularised incomplete beta function by bisection: 60 halvings, exact to 1e-15. */
function betaQuantile(probability: number, a: number, b: number): number {
  let low = 0;
  let high = 1;
  for (let step = 0; step < 60; step++) {
    const middle = (low + high) / 2;
    if (incompleteBeta(middle, a, b) < probability) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/** Regularised incomplete beta function by its continued fraction (Lentz). Source: DLMF 8.17.22. */
export function incompleteBeta(x: number, a: number, b: number): number {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  // The fraction converges fast below the mean; above it the symmetric form does.
  if (x > (a + 1) / (a + b + 2)) return 1 - incompleteBeta(1 - x, b, a);
  const front = Math.exp(logGamma(a + b) - logGamma(a) - logGamma(b) + a * Math.log(x) + b * Math.log1p(-x));
  const tiny = 1e-300;
  let c = 1;
  let d = 1 / guarded(1 - ((a + b) * x) / (a + 1));
  let fraction = d;
  for (let m = 1; m <= 500; m++) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m));
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1));
    for (const term of [even, odd]) {
      d = 1 / guarded(1 + term * d);
      c = guarded(1 + term / c);
      fraction *= c * d;
    }
    if (Math.abs(c * d - 1) < 1e-15) break;
  }
  return (front * fraction) / a;

  function guarded(value: number): number {
    return Math.abs(value) < tiny ? tiny : value;
  }
}

/** ln Gamma(x) for x > 0: Stirling's series at 15 or above, brought back by the recurrence; error below 1e-13. */
export function logGamma(x: number): number {
  let shift = 0;
  let z = x;
  while (z < 15) {
    shift += Math.log(z);
    z++;
  }
  const inverse = 1 / z;
  const square = inverse * inverse;
  const series = inverse * (1 / 12 - square * (1 / 360 - square * (1 / 1260 - square * (1 / 1680))));
  return (z - 0.5) * Math.log(z) - z + 0.5 * Math.log(2 * Math.PI) + series - shift;
}

/** Times of one node's answers, in milliseconds; a signal beside the statistics, part of none. */
export interface LatencyQuantiles {
  readonly answers: number;
  readonly p50Ms: number;
  readonly p95Ms: number;
}

/** By nearest rank: each is a time that was measured. @returns undefined without any */
export function latencyQuantiles(timesMs: readonly number[]): LatencyQuantiles | undefined {
  const inOrder = [...timesMs].sort((a, b) => a - b);
  const rank = (share: number): number | undefined => inOrder[Math.ceil(share * inOrder.length) - 1];
  const [p50Ms, p95Ms] = [rank(0.5), rank(0.95)];
  return p50Ms === undefined || p95Ms === undefined ? undefined : { answers: inOrder.length, p50Ms, p95Ms };
}
