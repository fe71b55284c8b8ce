/**
 * How many cases each property tries: its own small default, or `FLOE_RUNS` when that is more; in the long suite
 * (`FLOE_LONG`) at least its long number. The default cases are the same in every run, so that a change is judged by
 * the change; more cases are drawn anew each time. fast-check prints seed and path of a failure; `FLOE_SEED` tries that
 * seed again.
 */
import type { Parameters } from "fast-check";

const askedRuns = Number(process.env["FLOE_RUNS"] ?? 0);
const isLong = process.env["FLOE_LONG"] === "1";
const DEFAULT_SEED = 1;

export function propertyRuns<Values>(defaultRuns: number, longRuns = defaultRuns): Parameters<Values> {
  const numRuns = Math.max(defaultRuns, askedRuns, isLong ? longRuns : 0);
  const seed = process.env["FLOE_SEED"] ?? (isLong || askedRuns > 0 ? undefined : DEFAULT_SEED);
  return { numRuns, ...(seed !== undefined && { seed: Number(seed) }) };
}

/** Time limit of one property, long enough for a second per case asked for. */
export const PROPERTY_TIMEOUT = { timeout: 600_000 + 1000 * askedRuns };

/** Time limit of one property with a long number of its own. */
export const longTimeout = (longRuns: number): { timeout: number } => ({
  timeout: 600_000 + 1000 * Math.max(askedRuns, isLong ? longRuns : 0),
});
