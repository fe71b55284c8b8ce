/**
 * How many cases each property tries: its own small default, or `FLOE_RUNS` when that is more. fast-check prints seed
 * and path of a failure; `FLOE_SEED` tries that seed again.
 */
import type { Parameters } from "fast-check";

const askedRuns = Number(process.env["FLOE_RUNS"] ?? 0);

export function propertyRuns<Values>(defaultRuns: number): Parameters<Values> {
  const seed = process.env["FLOE_SEED"];
  return { numRuns: Math.max(defaultRuns, askedRuns), ...(seed && { seed: Number(seed) }) };
}

/** Time limit of one property, long enough for a second per case asked for. */
export const PROPERTY_TIMEOUT = { timeout: 60_000 + 1000 * askedRuns };
