/**
 * An accusation's life, on chain and in the ledger, and when one may be made.
 *
 *   pending -> refuted     anybody shows the symbol before the deadline; the claim is deleted
 *   pending -> withdrawn   by the accuser, before anybody else stands behind it; deleted
 *   pending -> confirmed   after the deadline, with a quorum of active auditors behind it
 *   pending -> lapsed      after the deadline, without
 *
 * Nothing is filed on suspicion alone: a claim needs a node that is already suspect and a fresh failure of a claimable
 * draw that repetition and the whole sliver confirmed. A vote needs several confirmed draws from several rounds; it is
 * offered to committee operators, never cast.
 */
import { assert } from "../protocol/errors.ts";
import type { ObjectId } from "../protocol/ids.ts";
import { AuditError } from "./audit-error.ts";
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

export interface ClaimStatus {
  readonly state: ClaimState;
  readonly accuser: ObjectId;
  /** Auditors behind it, the accuser included, each once. */
  readonly attestors: readonly ObjectId[];
  readonly deadlineMs: number;
}

export type ClaimStep =
  | { readonly kind: "attest"; readonly auditor: ObjectId; readonly atMs: number }
  | { readonly kind: "refute"; readonly atMs: number }
  | { readonly kind: "withdraw"; readonly by: ObjectId }
  | { readonly kind: "finalize"; readonly atMs: number; readonly isActive: (auditor: ObjectId) => boolean };

/**
 * What a step makes of a claim; the same rules as the contract's.
 *
 * @param quorum auditors needed, as the claim's round has it
 * @throws AuditError `INVALID_CLAIM_STEP` when the contract would abort
 */
export function stepClaim(claim: ClaimStatus, step: ClaimStep, quorum: number): ClaimStatus {
  if (claim.state !== "pending") refuse(claim, step, `is ${claim.state}`);
  switch (step.kind) {
    case "attest":
      if (step.atMs > claim.deadlineMs) refuse(claim, step, "is past its deadline");
      if (claim.attestors.includes(step.auditor)) refuse(claim, step, "has this auditor behind it");
      return { ...claim, attestors: [...claim.attestors, step.auditor] };
    case "refute":
      if (step.atMs > claim.deadlineMs) refuse(claim, step, "is past its deadline");
      return { ...claim, state: "refuted" };
    case "withdraw":
      if (step.by !== claim.accuser) refuse(claim, step, "is another auditor's");
      if (claim.attestors.length > 1) refuse(claim, step, "has other auditors behind it");
      return { ...claim, state: "withdrawn" };
    case "finalize": {
      if (step.atMs <= claim.deadlineMs) refuse(claim, step, "is before its deadline");
      const standing = claim.attestors.filter((auditor) => step.isActive(auditor)).length;
      return { ...claim, state: standing >= quorum ? "confirmed" : "lapsed" };
    }
    default:
      return step satisfies never;
  }
}

function refuse(claim: ClaimStatus, step: ClaimStep, reason: string): never {
  throw new AuditError("INVALID_CLAIM_STEP", `${step.kind}: the claim ${reason}`, {
    details: { step: step.kind, state: claim.state, attestors: claim.attestors.length },
  });
}

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
