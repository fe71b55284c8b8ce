/**
 * What stands on chain behind a vote for slashing: confirmed claims against one node, bound to the committee of the
 * epoch that is still running, enough of them by the rules of escalation.
 *
 * The auditor that offers a vote and the operator that casts it both read this; neither relies on the other. A proposal
 * to slash lives in one epoch, so claims of another epoch lead to no vote any more.
 */
import type { SuiGrpcClient } from "@mysten/sui/grpc";
import { type ConfirmedClaim, mayEscalate } from "../../audit/claim.ts";
import type { AuditParameters } from "../../audit/parameters.ts";
import type { DrawMode } from "../../audit/selection.ts";
import { FloeError } from "../../base/errors.ts";
import type { ObjectId, ShardIndex } from "../../protocol/ids.ts";
import { readChainId } from "../client/checkpoints.ts";
import { presentShared, readObjects } from "../client/object-reader.ts";
import { SuiError } from "../client/sui-error.ts";
import { isWalrusType } from "../client/type-names.ts";
import type { ChainSnapshot, WalrusObjectIds } from "../walrus/chain-snapshot.ts";
import { parseLayout, StakingPoolLayout } from "../walrus/layouts.ts";
import type { AuditContracts, SlashingContracts } from "./contracts.ts";
import { gateWitnessType } from "./publishing.ts";
import {
  type ClaimOnChain,
  type RegistryState,
  readClaimsOfAnyRegistry,
  readRegistry,
  readRound,
} from "./reader.ts";
import { readSlashingProposal, readSlashingState, type SlashingState } from "./slashing.ts";

export type EscalationErrorCode =
  /** No such claim: never filed, or refuted, withdrawn or purged. */
  | "CLAIM_NOT_FOUND"
  /** Pending or lapsed. */
  | "CLAIM_NOT_CONFIRMED"
  /** Not pending any more: there is nothing to refute. */
  | "CLAIM_OVER"
  /** No gate has seen that the node owned the shard, or not the gate that is asked for. */
  | "CLAIM_NOT_BOUND"
  /** The committee it speaks of is not in office any more. */
  | "CLAIM_OF_ANOTHER_EPOCH"
  /** It was filed with another registry. */
  | "CLAIM_OF_ANOTHER_PANEL"
  /** The claims accuse several nodes, or one is named twice. */
  | "CLAIMS_DIFFER"
  /** Fewer confirmed draws, or from fewer rounds, than a vote needs. */
  | "TOO_FEW_CLAIMS"
  /** Accused or voter is no member of the committee. */
  | "NOT_IN_COMMITTEE"
  /** The key is not the one that may vote for this node. */
  | "NOT_AUTHORIZED"
  | "ALREADY_VOTED"
  /** The bundle's bytes are not one. */
  | "MALFORMED_BUNDLE"
  /** The bundle is of another chain, or of other contracts, than its reader's. */
  | "BUNDLE_OF_ANOTHER_NETWORK"
  /** The bundle says other than the chain. */
  | "BUNDLE_DIFFERS";

/** Why there is nothing to vote on, or no vote. */
export class EscalationError extends FloeError<EscalationErrorCode> {}

export interface EscalationIds {
  readonly systemObjectId: ObjectId;
  readonly stakingObjectId: ObjectId;
  readonly slashingManagerId: ObjectId;
  readonly auditPackageId: ObjectId;
  readonly auditRegistryId: ObjectId;
  readonly gatePackageId: ObjectId;
}

/** @returns undefined unless everything that a vote needs to name is known */
export function escalationIdsOf(
  walrus: WalrusObjectIds & { readonly slashingManagerId?: ObjectId | undefined },
  audit: {
    readonly packageId: ObjectId;
    readonly registryId: ObjectId;
    readonly gatePackageId?: ObjectId | undefined;
  },
): EscalationIds | undefined {
  const { systemObjectId, stakingObjectId, slashingManagerId } = walrus;
  const { packageId: auditPackageId, registryId: auditRegistryId, gatePackageId } = audit;
  if (slashingManagerId === undefined || gatePackageId === undefined) return undefined;
  return {
    systemObjectId,
    stakingObjectId,
    slashingManagerId,
    auditPackageId,
    auditRegistryId,
    gatePackageId,
  };
}

export interface EscalatedClaim extends ClaimOnChain {
  /** Of its round; undefined when that was pruned. */
  readonly seed: Uint8Array | undefined;
}

export interface Escalation {
  readonly ids: EscalationIds;
  readonly chainId: string;
  readonly epoch: number;
  readonly candidate: ObjectId;
  /** Ordered by round, mode, shard, t, ID. */
  readonly claims: readonly EscalatedClaim[];
  readonly registry: RegistryState;
  readonly contracts: AuditContracts;
  readonly slashing: SlashingContracts;
  readonly slashingState: SlashingState;
  readonly snapshot: ChainSnapshot;
}

/** Claims of one vote; each is one command and one input of its transaction. */
export const MAX_ESCALATED_CLAIMS = 16;

/**
 * Reads the claims and checks that a vote may rest on them.
 *
 * @param snapshot of the network that the IDs name, fresh
 * @throws EscalationError with the first reason why it may not; SuiError
 * Cost: five requests and one per round the claims are of.
 */
export async function readEscalation(
  client: SuiGrpcClient,
  ids: EscalationIds,
  snapshot: ChainSnapshot,
  parameters: AuditParameters,
  claimIds: readonly ObjectId[],
): Promise<Escalation> {
  if (claimIds.length === 0 || claimIds.length > MAX_ESCALATED_CLAIMS)
    refuse("CLAIMS_DIFFER", `${claimIds.length} claims; 1 to ${MAX_ESCALATED_CLAIMS} fit a vote`);
  if (new Set(claimIds).size !== claimIds.length) refuse("CLAIMS_DIFFER", "a claim is named twice");
  const { auditPackageId: packageId, auditRegistryId: registryId, stakingObjectId } = ids;
  const registry = await readRegistry(client, { packageId, registryId });
  const [found, slashingState, [staking], chainId] = await Promise.all([
    readClaimsOfAnyRegistry(client, registry.contracts, claimIds),
    readSlashingState(client, ids.slashingManagerId),
    readObjects(client, [stakingObjectId]),
    readChainId(client),
  ]);
  const claims = found.map((claim, i) =>
    checkClaim(claim, claimIds[i] ?? registryId, registry, ids, snapshot),
  );
  const { initialSharedVersion } = presentShared(staking, "Walrus Staking", stakingObjectId);
  return {
    ids,
    chainId,
    epoch: snapshot.epoch,
    candidate: checkTogether(claims, snapshot, parameters),
    claims: (await withSeeds(client, registry, claims)).sort(compareClaims),
    registry,
    contracts: registry.contracts,
    slashing: {
      walrusPackageId: snapshot.packageId,
      slashingManager: slashingState.manager,
      staking: { objectId: stakingObjectId, initialSharedVersion },
    },
    slashingState,
    snapshot,
  };
}

function checkClaim(
  claim: ClaimOnChain | undefined,
  id: ObjectId,
  registry: RegistryState,
  { auditRegistryId, gatePackageId }: EscalationIds,
  { epoch }: ChainSnapshot,
): ClaimOnChain {
  if (claim === undefined) return refuse("CLAIM_NOT_FOUND", `claim ${id} is not on chain`);
  if (claim.registry !== auditRegistryId)
    refuse("CLAIM_OF_ANOTHER_PANEL", `claim ${id} was filed with registry ${claim.registry}`);
  const { state, isBound } = claim;
  if (state !== "confirmed") refuse("CLAIM_NOT_CONFIRMED", `claim ${id} is ${state}`);
  if (!isBound) refuse("CLAIM_NOT_BOUND", `no gate has tied claim ${id} to the committee`);
  // As `std::type_name` writes it: the address without 0x.
  if (registry.gate !== gateWitnessType(gatePackageId).slice(2))
    refuse("CLAIM_NOT_BOUND", `the registry's gate is ${registry.gate ?? "none"}, not ${gatePackageId}`);
  if (claim.epoch !== epoch)
    refuse("CLAIM_OF_ANOTHER_EPOCH", `claim ${id} is of epoch ${claim.epoch}, Walrus is in ${epoch}`);
  return claim;
}

/** @returns the node that all accuse */
function checkTogether(
  claims: readonly ClaimOnChain[],
  { epoch, committee }: ChainSnapshot,
  parameters: AuditParameters,
): ObjectId {
  const [candidate, another] = new Set(claims.map(({ node }) => node));
  if (candidate === undefined || another !== undefined)
    return refuse("CLAIMS_DIFFER", "the claims accuse more than one node");
  if (!committee.members.some(({ nodeId }) => nodeId === candidate))
    refuse("NOT_IN_COMMITTEE", `the accused ${candidate} is not in the committee of epoch ${epoch}`);
  if (!mayEscalate(claims.map(confirmedClaim), epoch, parameters)) {
    const { confirmedForEscalation, roundsForEscalation } = parameters;
    const rounds = new Set(claims.map(({ round }) => round)).size;
    refuse(
      "TOO_FEW_CLAIMS",
      `${claims.length} confirmed claims of ${rounds} rounds against ${candidate}; a vote needs ${confirmedForEscalation} different draws of ${roundsForEscalation} rounds`,
    );
  }
  return candidate;
}

/** The contract checked the draw when the claim was filed. */
const confirmedClaim = (claim: ClaimOnChain): ConfirmedClaim => ({
  round: claim.round,
  mode: claim.mode as DrawMode,
  shard: claim.shard as ShardIndex,
  t: claim.t,
  epoch: claim.epoch,
  isBound: claim.isBound,
});

async function withSeeds(
  client: SuiGrpcClient,
  registry: RegistryState,
  claims: readonly ClaimOnChain[],
): Promise<EscalatedClaim[]> {
  const seeds = new Map<number, Uint8Array | undefined>();
  for (const { round } of claims)
    if (!seeds.has(round)) seeds.set(round, (await readRound(client, registry, round))?.seed);
  return claims.map((claim) => ({ ...claim, seed: seeds.get(claim.round) }));
}

function compareClaims(a: ClaimOnChain, b: ClaimOnChain): number {
  const order = a.round - b.round || a.mode - b.mode || a.shard - b.shard || a.t - b.t;
  return order || (a.ref.objectId < b.ref.objectId ? -1 : 1);
}

/** Nodes that this address may vote for. Cost: one request per `SUI_LIMITS.suiBatchObjects` members. */
export async function votersOf(
  client: SuiGrpcClient,
  { committee, originalPackageId }: ChainSnapshot,
  address: ObjectId,
): Promise<ObjectId[]> {
  const ids = committee.members.map(({ nodeId }) => nodeId);
  const pools = await readObjects(client, ids);
  return ids.filter((id, i) => {
    const pool = pools[i];
    if (pool === undefined || !isWalrusType(pool.type, originalPackageId, "StakingPool"))
      throw new SuiError("SUI_MALFORMED", `node ${id} has no staking pool`);
    const { governance_authorized: authority } = parseLayout(StakingPoolLayout, pool.content);
    return authority.$kind === "Address" && authority.Address === address;
  });
}

/** @throws EscalationError `NOT_IN_COMMITTEE`, or `ALREADY_VOTED` in this epoch */
export async function checkVoter(
  client: SuiGrpcClient,
  { snapshot, slashingState, candidate, epoch }: Escalation,
  voter: ObjectId,
): Promise<void> {
  if (!snapshot.committee.members.some(({ nodeId }) => nodeId === voter))
    refuse("NOT_IN_COMMITTEE", `the voter ${voter} is not in the committee of epoch ${epoch}`);
  if (await hasVoted(client, slashingState, { voter, candidate, epoch }))
    refuse("ALREADY_VOTED", `node ${voter} has voted to slash ${candidate} in epoch ${epoch}`);
}

/** Whether the vote stands in the proposal of this epoch. */
export async function hasVoted(
  client: SuiGrpcClient,
  state: SlashingState,
  vote: { readonly voter: ObjectId; readonly candidate: ObjectId; readonly epoch: number },
): Promise<boolean> {
  const proposal = await readSlashingProposal(client, state, vote.candidate);
  return proposal?.epoch === vote.epoch && proposal.voters.includes(vote.voter);
}

export function refuse(code: EscalationErrorCode, message: string): never {
  throw new EscalationError(code, message);
}
