/**
 * The storage committee of one epoch: who holds which shards and signs with which key.
 *
 * Members stand in contract order (ascending node ID), so a signer's index is its position here. Weight counts
 * shards. The committee's shard lists must cover every shard exactly once.
 */
import { ProtocolError } from "../base/errors.ts";
import type { ObjectId, ShardIndex } from "./ids.ts";

export interface CommitteeMember {
  /** The node's staking pool object. */
  readonly nodeId: ObjectId;
  readonly name: string;
  /** `host:port` as published on chain; untrusted. */
  readonly networkAddress: string;
  /** BLS12-381 G1 key, 48 bytes compressed, as it stands in System's committee. */
  readonly publicKey: Uint8Array;
  readonly shards: readonly ShardIndex[];
}

export interface Committee {
  readonly epoch: number;
  readonly nShards: number;
  readonly members: readonly CommitteeMember[];
}

/** Who held which shards: what is known of a committee whose epoch is over. A `Committee` is one, too. */
export interface ShardHolders {
  readonly epoch: number;
  readonly nShards: number;
  readonly members: readonly {
    readonly nodeId: ObjectId;
    readonly name: string;
    readonly shards: readonly number[];
  }[];
}

/** @throws ProtocolError `INVALID_COMMITTEE` unless every shard is held exactly once and nodes are in ID order */
export function checkCommittee(committee: Committee): Committee {
  const seen = new Uint8Array(committee.nShards);
  let previous = "";
  let held = 0;
  for (const member of committee.members) {
    if (member.nodeId <= previous) invalid(`node ${member.nodeId} is out of order or listed twice`);
    previous = member.nodeId;
    for (const shard of member.shards) {
      if (shard >= committee.nShards || seen[shard] !== 0)
        invalid(`shard ${shard} is held twice or out of range`);
      seen[shard] = 1;
      held++;
    }
  }
  if (held !== committee.nShards) invalid(`${held} of ${committee.nShards} shards are held`);
  return committee;

  function invalid(reason: string): never {
    throw new ProtocolError("INVALID_COMMITTEE", `epoch ${committee.epoch}: ${reason}`, {
      details: { epoch: committee.epoch, nShards: committee.nShards },
    });
  }
}

/** Position of the member that holds each shard, by shard index. */
export function memberOfShards(committee: Committee): Uint16Array {
  const owner = new Uint16Array(committee.nShards);
  committee.members.forEach((member, position) => {
    for (const shard of member.shards) owner[shard] = position;
  });
  return owner;
}

/** Shards held together by these members (positions; each counts once). */
export function weightOf(committee: Committee, positions: Iterable<number>): number {
  let weight = 0;
  for (const position of new Set(positions)) weight += committee.members[position]?.shards.length ?? 0;
  return weight;
}
