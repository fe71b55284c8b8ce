/** How many counted draws it takes until a node that lost a share of its slivers is suspect: simulated beside theory. */
import { AUDIT_PROFILES } from "../shared/audit/parameters.ts";
import {
  addTrial,
  expectedTrialsToSuspect,
  newPossession,
  nodeState,
  type PossessionState,
  possessionTest,
} from "../shared/audit/statistics.ts";
import { spread } from "./statistics.ts";

const LOSSES = [0.01, 0.05, 0.1, 0.2, 0.33, 0.5, 1];
/** Draws of the published bar for a loss of one hundredth. */
const MISSING_WITHIN = 359;
const MAX_TRIALS = 5_000;

export function detectionCurve(runs: number): { text: string; figures: Record<string, unknown> }[] {
  const test = possessionTest(AUDIT_PROFILES.public);
  const random = randomStream(20_260_820);
  return LOSSES.map((loss) => {
    const found = Array.from({ length: runs }, () => untilFound(loss, random));
    const suspect = spread(found.map((each) => each.suspect)).median;
    const seen = found.filter((each) => each.firstMissing <= MISSING_WITHIN).length / runs;
    const theory = expectedTrialsToSuspect(loss, test) ?? null;
    const seenInTheory = 1 - (1 - loss) ** MISSING_WITHIN;
    const draws = (value: number | null): string =>
      value === null || !Number.isFinite(value) ? "never" : value.toFixed(0);
    const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
    return {
      text:
        `loss ${percent(loss).padStart(7)}: suspect after ${draws(suspect)} counted draws (median of ${runs}; theory ` +
        `${draws(theory)}); a missing symbol within ${MISSING_WITHIN} in ${percent(seen)} (theory ${percent(seenInTheory)})`,
      figures: { op: "detection", loss, runs, suspect, theory, seen, seenInTheory },
    };
  });

  function untilFound(loss: number, next: () => number): { suspect: number; firstMissing: number } {
    let state: PossessionState = newPossession();
    let firstMissing = Number.POSITIVE_INFINITY;
    while (state.trials < MAX_TRIALS) {
      const isFailure = next() < loss;
      state = addTrial(state, isFailure, test);
      if (isFailure) firstMissing = Math.min(firstMissing, state.trials);
      const isSuspect = nodeState(state, test, 0) === "suspect";
      if (isSuspect && state.trials >= Math.min(firstMissing, MISSING_WITHIN)) {
        return { suspect: state.trials, firstMissing };
      }
    }
    return { suspect: Number.POSITIVE_INFINITY, firstMissing };
  }
}

/** xorshift32 as numbers in [0, 1). */
function randomStream(seed: number): () => number {
  let x = seed | 1;
  return () => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return (x >>> 0) / 2 ** 32;
  };
}
