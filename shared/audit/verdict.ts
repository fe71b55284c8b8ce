/**
 * From attempts to a verdict: what to ask next, and what a draw finally counts as.
 *
 * A pass ends a draw at once. Anything else needs all attempts of the profile, spread over its time, and a failure of
 * possession needs more: the symbol refused twice **and** the whole sliver refused once, each time with an answer that
 * says so. A node that merely could not be reached is never called missing.
 */

import type { Outcome } from "./outcomes.ts";
import type { AuditParameters } from "./parameters.ts";

/** C1 asks for symbols of a sliver, C2 for the sliver itself. */
export type AttemptKind = "symbol" | "sliver";

export interface Attempt {
  readonly kind: AttemptKind;
  readonly startedMs: number;
  readonly outcome: Outcome;
}

/** Why a draw counts neither way. */
export type Excuse =
  | "epoch-change"
  | "shard-moved"
  | "maintenance"
  | "denied"
  | "invalid-blob"
  /** A certificate needs two thirds of the shards: the others may still be getting their slivers. */
  | "just-certified"
  | "not-owner"
  /** No node had metadata to check an answer against. */
  | "no-metadata"
  | "self-suspect";

export type VerdictOutcome = "passed" | "missing" | "invalid" | "timeout" | "refused" | "excused" | "vacuous";

export interface Verdict {
  readonly outcome: VerdictOutcome;
  readonly excuse: Excuse | null;
}

export type NextStep =
  | { readonly kind: "ask"; readonly attempt: AttemptKind; readonly notBeforeMs: number }
  | { readonly kind: "final"; readonly verdict: Verdict };

const isFailure = (outcome: Outcome): boolean =>
  outcome === "missing" || outcome === "invalid" || outcome === "disowned";

/**
 * The next request for a draw, or its verdict.
 *
 * @param attempts all so far, in order
 * @param jitter 0 <= jitter < 1, from the round's seed: moves each repetition inside its part of the spread
 * @param isOwner whether the chain, read again after the first failure, gives the shard to the node and calls the blob
 *   valid; decides what `disowned` means
 */
export function nextStep(
  attempts: readonly Attempt[],
  parameters: AuditParameters,
  jitter: number,
  isOwner: boolean,
): NextStep {
  const first = attempts[0];
  if (first === undefined) return { kind: "ask", attempt: "symbol", notBeforeMs: 0 };
  if (attempts.some(({ outcome }) => outcome === "pass")) return final("passed");
  if (attempts.some(({ outcome }) => outcome === "denied")) return final("excused", "denied");
  if (!isOwner && attempts.some(({ outcome }) => outcome === "disowned"))
    return final("excused", "not-owner");

  const failedSymbols = attempts.filter(({ kind, outcome }) => kind === "symbol" && isFailure(outcome));
  const failedSlivers = attempts.filter(({ kind, outcome }) => kind === "sliver" && isFailure(outcome));
  const answered = failedSymbols.length >= 2 && failedSlivers.length >= 1;
  const last = attempts.at(-1) ?? first;
  const isSpread = last.startedMs - first.startedMs >= parameters.attemptSpreadMs;
  if (attempts.length >= parameters.attempts && isSpread) {
    if (answered) return final(possessionFailure([...failedSymbols, ...failedSlivers]));
    // A node that failed once and cannot be asked again is unavailable, not missing; so is one never reached.
    if (failedSymbols.length === 0 || attempts.length >= 2 * parameters.attempts)
      return final(unavailable(attempts));
  }
  return {
    kind: "ask",
    attempt: failedSymbols.length >= 2 ? "sliver" : "symbol",
    notBeforeMs: notBefore(attempts.length, first.startedMs, parameters, jitter),
  };
}

/**
 * The i-th repetition comes in the i-th part of the spread, the last one at its end at the earliest; repetitions
 * beyond the profile's attempts follow one part apart.
 */
function notBefore(done: number, firstMs: number, parameters: AuditParameters, jitter: number): number {
  const part = parameters.attemptSpreadMs / Math.max(1, parameters.attempts - 1);
  const isAtEnd = done >= parameters.attempts - 1;
  return firstMs + Math.ceil(part * (isAtEnd ? done + jitter / 4 : done - 1 + jitter));
}

const final = (outcome: VerdictOutcome, excuse: Excuse | null = null): NextStep => ({
  kind: "final",
  verdict: { outcome, excuse },
});

/** Wrong bytes outweigh absent ones: they were sent. */
const possessionFailure = (failures: readonly Attempt[]): VerdictOutcome =>
  failures.some(({ outcome }) => outcome === "invalid") ? "invalid" : "missing";

/**
 * What a draw ends as that never got two answers about the sliver: a node that answered at all refused; one that never
 * did timed out (which includes unreachable).
 */
export const unavailable = (attempts: readonly Attempt[]): VerdictOutcome =>
  attempts.some(({ outcome }) => outcome === "refused") ? "refused" : "timeout";

/** Whether a verdict is a trial of possession, and which way it counts; undefined for the others. */
export function possessionTrial(verdict: Verdict): "success" | "failure" | undefined {
  if (verdict.outcome === "passed") return "success";
  return verdict.outcome === "missing" || verdict.outcome === "invalid" ? "failure" : undefined;
}

/** Whether a node showed itself; undefined when a verdict says nothing of availability. */
export function availabilityTrial(verdict: Verdict): boolean | undefined {
  switch (verdict.outcome) {
    case "passed":
    case "missing":
    case "invalid":
      return true;
    case "timeout":
    case "refused":
      return false;
    case "excused":
    case "vacuous":
      return undefined;
    default:
      return verdict.outcome satisfies never;
  }
}
