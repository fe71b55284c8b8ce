/**
 * Votes for slashing in the Walrus contracts (module `slashing`): what stands behind an open proposal.
 *
 * | layout           | bytes                                                                             |
 * |------------------|-----------------------------------------------------------------------------------|
 * | SlashingManager  | id 32, slashing_candidates Table (id 32, size u64)                                |
 * | SlashingProposal | epoch u32, node_id 32, voting_weight u16, voters vector<ID>                       |
 *
 * Proposals are dynamic fields of the table, named by the candidate's node ID. A proposal belongs to one epoch; the
 * next vote in a later epoch starts it anew. Weight counts shards. The contracts emit no event about any of it.
 */
import { bcs } from "@mysten/sui/bcs";
import type { SuiGrpcClient } from "@mysten/sui/grpc";
import type { ObjectId } from "../../protocol/ids.ts";
import { fieldId, presentShared, readObjects } from "../client/object-reader.ts";
import { fieldLayout, objectId, parseLayout, TableLayout } from "../walrus/layouts.ts";
import type { SharedRef } from "./contracts.ts";
import { auditKeys, ID_KEY_TYPE } from "./layouts.ts";

export const SlashingManagerLayout = bcs.struct("SlashingManager", {
  id: objectId,
  slashing_candidates: TableLayout,
});

export const SlashingProposalLayout = bcs.struct("SlashingProposal", {
  epoch: bcs.u32(),
  node_id: objectId,
  /** Shards of the voters. */
  voting_weight: bcs.u16(),
  voters: bcs.vector(objectId),
});

export const SlashingProposalFieldLayout = fieldLayout(objectId, SlashingProposalLayout);

export const SLASHING_STRUCTS = {
  SlashingManager: "slashing::SlashingManager",
  SlashingProposal: "slashing::SlashingProposal",
} as const;

export interface SlashingState {
  readonly manager: SharedRef;
  readonly candidatesTable: ObjectId;
  readonly proposalCount: number;
}

export interface SlashingProposal {
  /** Only votes of this epoch count, and only in it can the slashing be executed. */
  readonly epoch: number;
  readonly candidate: ObjectId;
  /** Shards. */
  readonly votingWeight: number;
  readonly voters: readonly ObjectId[];
}

/** @throws SuiError `SUI_NOT_FOUND`, `SUI_MALFORMED` or of the transport */
export async function readSlashingState(client: SuiGrpcClient, managerId: ObjectId): Promise<SlashingState> {
  const [object] = await readObjects(client, [managerId]);
  const { initialSharedVersion, content } = presentShared(object, "the slashing manager", managerId);
  const { slashing_candidates } = parseLayout(SlashingManagerLayout, content);
  return {
    manager: { objectId: managerId, initialSharedVersion },
    candidatesTable: slashing_candidates.id,
    proposalCount: Number(slashing_candidates.size),
  };
}

/** undefined = no node has voted against this one, or the proposal was executed or cleaned up. */
export async function readSlashingProposal(
  client: SuiGrpcClient,
  { candidatesTable }: SlashingState,
  candidate: ObjectId,
): Promise<SlashingProposal | undefined> {
  const id = fieldId(candidatesTable, ID_KEY_TYPE, auditKeys.id(candidate));
  const [object] = await readObjects(client, [id]);
  if (object === undefined) return undefined;
  const { value } = parseLayout(SlashingProposalFieldLayout, object.content);
  return {
    epoch: value.epoch,
    candidate: value.node_id,
    votingWeight: value.voting_weight,
    voters: value.voters,
  };
}
