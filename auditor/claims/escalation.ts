/**
 * What the auditor hands to committee operators: confirmed claims against one node, its own evidence, an unsigned vote.
 *
 * The claims are read from the chain at each request, so that nothing is offered that the chain does not confirm.
 */
import { pathOfLeaf } from "../../shared/audit/evidence.ts";
import { toHex } from "../../shared/base/bytes.ts";
import type { Sql } from "../../shared/base/sql.ts";
import type { ObjectId } from "../../shared/protocol/ids.ts";
import { type EscalationIds, MAX_ESCALATED_CLAIMS, refuse } from "../../shared/sui/audit/escalation.ts";
import {
  BUNDLE_FORMAT,
  type BundleEvidence,
  bundleClaim,
  bundleText,
  networkOf,
  voteKind,
} from "../../shared/sui/audit/escalation-bundle.ts";
import type { ClaimOnChain } from "../../shared/sui/audit/reader.ts";
import { claimRecord, confirmedBeside } from "../ledger/claim-records.ts";
import type { Rounds } from "../ledger/rounds.ts";
import { leavesOf } from "../ledger/verdicts.ts";
import type { ClaimChain } from "./claim-chain.ts";

export interface EscalationParts {
  readonly sql: Sql;
  readonly rounds: Rounds;
  readonly claimChain: ClaimChain;
}

/**
 * The bundle of a confirmed claim, with the node's other confirmed claims of the epoch.
 *
 * @param voter whose vote to make; null = a template
 * @returns canonical JSON
 * @throws EscalationError, SuiError
 */
export async function escalationBundle(
  { sql, rounds, claimChain }: EscalationParts,
  ids: EscalationIds,
  claimId: ObjectId,
  voter: ObjectId | null,
): Promise<string> {
  const escalation = await claimChain.escalation(ids, await claimsTogether(sql, claimChain, claimId));
  if (voter !== null && !escalation.snapshot.committee.members.some(({ nodeId }) => nodeId === voter))
    refuse("NOT_IN_COMMITTEE", `the voter ${voter} is not in the committee of epoch ${escalation.epoch}`);
  return bundleText({
    format: BUNDLE_FORMAT,
    network: networkOf(escalation),
    auditor: claimChain.auditor,
    claim: claimId,
    candidate: escalation.candidate,
    epoch: escalation.epoch,
    claims: escalation.claims.map(bundleClaim),
    evidence: escalation.claims.flatMap((claim) => evidenceOf(sql, rounds, claim) ?? []),
    vote: { voter, transactionKind: await voteKind(escalation, voter) },
  });
}

/** The claim and the others that count beside it: one a draw, bound, of the same node and epoch. */
async function claimsTogether(sql: Sql, claimChain: ClaimChain, claimId: ObjectId): Promise<ObjectId[]> {
  const own = claimRecord(sql, claimId);
  if (own === undefined) return refuse("CLAIM_NOT_FOUND", `this auditor has not dealt with claim ${claimId}`);
  const others = confirmedBeside(sql, own, MAX_ESCALATED_CLAIMS - 1);
  // Of the others only those that do count; of the one that is asked for, the reader hears why it does not.
  const found = await claimChain.claims(others);
  return [claimId, ...others.filter((_, i) => found[i]?.state === "confirmed" && found[i]?.isBound === true)];
}

/** @returns undefined when this auditor did not hold the claim's round, or came to another verdict */
function evidenceOf(sql: Sql, rounds: Rounds, claim: ClaimOnChain): BundleEvidence | undefined {
  const { round: no, mode, shard, t } = claim;
  const round = rounds.round(no);
  if (round?.evidenceRoot === undefined || round.evidenceRoot === null) return undefined;
  const leaves = leavesOf(sql, no);
  const index = leaves.findIndex((leaf) => {
    // Written by the ledger in canonical form.
    const record = JSON.parse(leaf) as { mode: number; shard: number; t: number; outcome: string };
    const isFailure = record.outcome === "missing" || record.outcome === "invalid";
    return isFailure && record.mode === mode && record.shard === shard && record.t === t;
  });
  const leaf = leaves[index];
  if (leaf === undefined) return undefined;
  const encoder = new TextEncoder();
  const path = pathOfLeaf(
    leaves.map((each) => encoder.encode(each)),
    index,
  );
  return {
    claim: claim.ref.objectId,
    index,
    size: leaves.length,
    leaf,
    path: path.map((sibling) => (sibling === null ? null : toHex(sibling))),
    root: round.evidenceRoot,
    reportTx: round.tx,
  };
}
