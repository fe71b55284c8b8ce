/**
 * Functions of `walrus::auth` and `walrus::slashing`: votes of committee operators against a node.
 *
 * A proposal belongs to one epoch and weighs its voters' shards; executing it burns the commission that the node's
 * pool has gathered. No event tells of any of it. The treasury's own books of the WAL supply are not kept here.
 */
import { assert } from "../../../../shared/base/errors.ts";
import type { ObjectId } from "../../../../shared/protocol/ids.ts";
import { auditKeys } from "../../../../shared/sui/audit/layouts.ts";
import {
  SlashingManagerLayout,
  type SlashingProposalFieldLayout,
  type SlashingProposalLayout,
} from "../../../../shared/sui/audit/slashing.ts";
import type { AuthorizedLayout, StakingPoolLayout } from "../../../../shared/sui/walrus/layouts.ts";
import { ID_TYPE } from "../../move/types.ts";
import type { NativeCall, NativeTable } from "../../vm/native-call.ts";
import { type StakingInner, stakingInner } from "./staking.ts";

const CODE = { notAuthorized: 0, duplicateVote: 1, noProposal: 2, wrongEpoch: 3, notEnoughVotes: 4 } as const;
const NOT_IN_COMMITTEE = 4;

type Manager = ReturnType<typeof SlashingManagerLayout.parse>;
type Proposal = ReturnType<typeof SlashingProposalLayout.parse>;
type Authenticated = ReturnType<typeof AuthorizedLayout.parse>;
/** Proofs of identity only live inside a transaction and are never read from bytes. */
const AuthenticatedShape = {
  parse: (_: Uint8Array): Authenticated => {
    throw new Error("Authenticated has no bytes");
  },
};

function proposalOf(call: NativeCall, manager: Manager, candidate: ObjectId): Proposal | undefined {
  const field = call.session.field(manager.slashing_candidates.id, ID_TYPE, auditKeys.id(candidate));
  // Entries of this table have one type, whose layout this is.
  return (field as ReturnType<typeof SlashingProposalFieldLayout.parse> | undefined)?.value;
}

function addProposal(call: NativeCall, manager: Manager, proposal: Proposal): void {
  const { slashing_candidates: table } = manager;
  const key = auditKeys.id(proposal.node_id);
  const field = { name: proposal.node_id, value: proposal };
  call.session.addField(table.id, ID_TYPE, key, call.session.types.slashingProposal, field);
  table.size += 1n;
}

function removeProposal(call: NativeCall, manager: Manager, candidate: ObjectId): void {
  const { slashing_candidates: table } = manager;
  call.session.removeField(table.id, ID_TYPE, auditKeys.id(candidate));
  table.size -= 1n;
}

function poolOf(call: NativeCall, nodeId: ObjectId): ReturnType<typeof StakingPoolLayout.parse> {
  const pool = call.session.ownedObject(nodeId, call.session.types.walrus("StakingPool"));
  // Borrowing from the table of pools aborts with EFieldDoesNotExist.
  if (pool === undefined) call.abortFramework("dynamic_field", 1, "borrow_child_object");
  // The type asked for is StakingPool, whose layout this is.
  return pool as ReturnType<typeof StakingPoolLayout.parse>;
}

const sameIdentity = (a: Authenticated, b: Authenticated): boolean =>
  a.$kind === "Address"
    ? b.$kind === "Address" && a.Address === b.Address
    : b.$kind === "ObjectID" && a.ObjectID === b.ObjectID;

const isQuorum = (inner: StakingInner, weight: number): boolean => 3 * weight >= 2 * inner.n_shards + 1;

function vote(call: NativeCall): readonly unknown[] {
  const manager = call.struct(0, SlashingManagerLayout);
  const inner = stakingInner(call, 1, false);
  const auth = call.struct(2, AuthenticatedShape);
  const [voter, candidate] = [call.id(3), call.id(4)];
  if (!sameIdentity(auth, poolOf(call, voter).governance_authorized)) {
    call.abort("slashing", CODE.notAuthorized, "vote_for_slashing");
  }
  const member = inner.committee.find(({ key }) => key === voter);
  if (member === undefined) call.abort("staking_inner", NOT_IN_COMMITTEE, "get_current_node_weight");
  let proposal = proposalOf(call, manager, candidate);
  if (proposal === undefined) {
    proposal = { epoch: inner.epoch, node_id: candidate, voting_weight: 0, voters: [] };
    addProposal(call, manager, proposal);
  } else if (proposal.epoch !== inner.epoch) {
    proposal.epoch = inner.epoch;
    proposal.voting_weight = 0;
    proposal.voters = [];
  }
  if (proposal.voters.includes(voter)) call.abort("slashing", CODE.duplicateVote, "add_vote");
  proposal.voters.push(voter);
  proposal.voting_weight += member.value.length;
  return [];
}

function execute(call: NativeCall): readonly unknown[] {
  const manager = call.struct(0, SlashingManagerLayout);
  const inner = stakingInner(call, 1, true);
  const candidate = call.id(3);
  const where = "execute_slashing";
  const proposal = proposalOf(call, manager, candidate);
  if (proposal === undefined) return call.abort("slashing", CODE.noProposal, where);
  removeProposal(call, manager, candidate);
  if (proposal.epoch !== inner.epoch) call.abort("slashing", CODE.wrongEpoch, where);
  if (!isQuorum(inner, proposal.voting_weight)) call.abort("slashing", CODE.notEnoughVotes, where);
  poolOf(call, candidate).commission = 0n;
  return [];
}

function cleanUp(call: NativeCall): readonly unknown[] {
  const manager = call.struct(0, SlashingManagerLayout);
  const { epoch } = stakingInner(call, 1, false);
  const nodeIds = call.struct(2, { parse: (_: Uint8Array): ObjectId[] => [] });
  assert(Array.isArray(nodeIds), "the signature says vector<ID>");
  for (const nodeId of nodeIds) {
    const proposal = proposalOf(call, manager, nodeId);
    if (proposal !== undefined && proposal.epoch < epoch) removeProposal(call, manager, nodeId);
  }
  return [];
}

export const SLASHING_NATIVES: NativeTable = {
  "auth::authenticate_sender(&TxContext): Authenticated": (call) => [
    { $kind: "Address", Address: call.session.sender } satisfies Authenticated,
  ],
  "slashing::vote_for_slashing(&mut SlashingManager, &Staking, Authenticated, ID, ID)": vote,
  "slashing::execute_slashing(&mut SlashingManager, &mut Staking, &mut ProtectedTreasury, ID, &mut TxContext)":
    execute,
  "slashing::cleanup_slashing_proposals(&mut SlashingManager, &Staking, vector<ID>)": cleanUp,
};
