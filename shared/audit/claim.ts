/**
 * An accusation's life, on chain and in the ledger, and when one may be made.
 *
 *   pending -> refuted     an account shows the symbol before the deadline; the claim is deleted
 *   pending -> withdrawn   by the accuser, before another auditor stands behind it; deleted
 *   pending -> confirmed   after the deadline, with a quorum of active auditors behind it
 *   pending -> lapsed      after the deadline, without
 *
 * Nothing is filed on suspicion alone: a claim needs a node that is already suspect and a fresh failure of a claimable
 * draw that repetition and the whole sliver confirmed. A vote needs several confirmed draws from several rounds; it is
 * offered to committee operators, never cast.
 */
import { assert } from "../base/errors.ts";
import type { AuditParameters } from "./parameters.ts";
import { type Challenge, compareDraws, type DrawKey, isClaimableMode } from "./selection.ts";
import type { NodeState } from "./statistics.ts";
import type { Verdict } from "./verdict.ts";

export type ClaimState = "pending" | "refuted" | "withdrawn" | "confirmed" | "lapsed";

/** Numbers of the states in which a claim object exists on chain. */
export const CHAIN_CLAIM_STATES: Readonly<Record<number, ClaimState>> = {
  0: "pending",
  2: "confirmed",
  3: "lapsed",
};

/** Why a failure is not claimed; undefined when it may be. */
export type ClaimObstacle =
  | "not-suspect"
  | "not-a-failure"
  | "mode"
  | "vacuous"
  | "expiring"
  | "too-many-open";

export function claimObstacle(
  failure: {
    readonly challenge: Challenge;
    readonly verdict: Verdict;
    readonly nodeState: NodeState;
    readonly openClaimsOfNode: number;
    readonly epoch: number;
  },
  parameters: AuditParameters,
): ClaimObstacle | undefined {
  const { challenge, verdict, nodeState } = failure;
  if (!isClaimableMode(challenge.mode)) return "mode";
  if (challenge.isVacuous) return "vacuous";
  if (verdict.outcome !== "missing" && verdict.outcome !== "invalid") return "not-a-failure";
  if (challenge.endEpoch < failure.epoch + 2) return "expiring";
  if (nodeState !== "suspect" && nodeState !== "confirmed") return "not-suspect";
  return failure.openClaimsOfNode >= parameters.maxOpenClaimsPerNode ? "too-many-open" : undefined;
}

export interface ConfirmedClaim extends DrawKey {
  readonly round: number;
  readonly epoch: number;
  /** The gate saw the node own the shard. */
  readonly isBound: boolean;
}

/**
 * Whether a vote may be offered to operators: enough distinct confirmed draws, from enough rounds of one epoch. Claims
 * of several auditors on one draw count once; claims that no gate bound to the committee do not count.
 */
export function mayEscalate(
  claims: readonly ConfirmedClaim[],
  epoch: number,
  parameters: AuditParameters,
): boolean {
  const distinct: ConfirmedClaim[] = [];
  for (const claim of claims) {
    assert(isClaimableMode(claim.mode), `a claim of mode ${claim.mode}`);
    if (claim.epoch !== epoch || !claim.isBound) continue;
    const isKnown = distinct.some((each) => each.round === claim.round && compareDraws(each, claim) === 0);
    if (!isKnown) distinct.push(claim);
  }
  const rounds = new Set(distinct.map(({ round }) => round));
  return (
    distinct.length >= parameters.confirmedForEscalation && rounds.size >= parameters.roundsForEscalation
  );
}
