/**
 * What the network does to Walrus's own state: epoch changes, prices, upgrades, addresses of nodes.
 *
 * On the public networks these follow from votes and the calls of storage nodes. Here each is one function over a
 * session; the committee stays the same, its epoch advances.
 */
import { assert } from "../../../shared/base/errors.ts";
import type { ObjectId } from "../../../shared/protocol/ids.ts";
import { versionKey } from "../../../shared/sui/client/type-names.ts";
import { EVENT_LAYOUTS, type WalrusEventName } from "../../../shared/sui/walrus/events.ts";
import type { StakingLayout, StakingPoolLayout, SystemLayout } from "../../../shared/sui/walrus/layouts.ts";
import type { StakingFieldLayout, SystemFieldLayout } from "../move/types.ts";
import type { Session } from "../vm/session.ts";
import type { NetworkIds } from "./genesis.ts";
import type { StakingInner } from "./natives/staking.ts";
import type { SystemInner } from "./natives/system.ts";

/** Share of an epoch's rewards that is burned, in basis points. */
const BURN_BASIS_POINTS = 300n;

export interface WalrusState {
  readonly packageId: ObjectId;
  readonly system: SystemInner;
  readonly staking: StakingInner;
}

/** The version System and Staking are at, and the package to call. */
export function currentPackage(session: Session, ids: NetworkIds): { packageId: ObjectId; version: bigint } {
  const object = session.state.object(ids.systemObjectId);
  assert(object !== undefined, "genesis made System");
  // Its type is System, whose layout this is.
  const system = session.types.layout(object.type)?.parse(object.contents) as ReturnType<
    typeof SystemLayout.parse
  >;
  return { packageId: system.package_id, version: system.version };
}

/** The state of System and Staking, to be changed in place. */
export function open(session: Session, ids: NetworkIds): WalrusState {
  const { packageId, version } = currentPackage(session, ids);
  const key = versionKey(version);
  const system = session.field(ids.systemObjectId, "u64", key);
  const staking = session.field(ids.stakingObjectId, "u64", key);
  assert(system !== undefined && staking !== undefined, "genesis made the state fields");
  // The fields' types name the two structs whose layouts these are.
  return {
    packageId,
    system: (system as ReturnType<typeof SystemFieldLayout.parse>).value,
    staking: (staking as ReturnType<typeof StakingFieldLayout.parse>).value,
  };
}

/** The epoch of Walrus. */
export const walrusEpoch = (session: Session, ids: NetworkIds): number =>
  open(session, ids).system.committee.epoch;

export function emit(
  session: Session,
  packageId: ObjectId,
  module: string,
  name: WalrusEventName,
  contents: Uint8Array,
): void {
  const type = `${session.types.originalPackageId}::events::${name}`;
  session.emit({ packageId, module, sender: session.sender, type, contents });
}

/**
 * Starts the next epoch: committee, ring buffer, rewards. The state is `EpochChangeSync` until `finishEpochChange`.
 *
 * @returns the new epoch
 */
export function startEpochChange(session: Session, ids: NetworkIds): number {
  const { packageId, system, staking } = open(session, ids);
  const epoch = system.committee.epoch + 1;
  const rewards = advanceRing(system);
  const burned = (rewards.amount * BURN_BASIS_POINTS) / 10_000n;
  const perNode = splitRewards(system, rewards.amount - burned, rewards.usedCapacity);
  system.committee.epoch = epoch;
  system.event_blob_certification_state.aggregate_weight_per_blob = [];
  system.total_capacity_size =
    system.used_capacity_size > system.total_capacity_size
      ? system.used_capacity_size
      : system.total_capacity_size;
  staking.epoch = epoch;
  staking.previous_committee = staking.committee;
  staking.epoch_state = { $kind: "EpochChangeSync", EpochChangeSync: 0 };
  for (const { node_id: nodeId } of system.committee.members) {
    const pool = poolOf(session, nodeId);
    const reward = perNode.get(nodeId) ?? 0n;
    const commission = (reward * BigInt(pool.commission_rate)) / 10_000n;
    pool.commission += commission;
    pool.rewards_pool += reward - commission;
    pool.wal_balance += reward - commission;
    pool.latest_epoch = epoch;
    const active = pool.pending_stake.filter((pending) => pending.key <= epoch);
    pool.wal_balance += active.reduce((sum, pending) => sum + pending.value, 0n);
    pool.pending_stake = pool.pending_stake.filter((pending) => pending.key > epoch);
  }
  const start = EVENT_LAYOUTS.EpochChangeStart.serialize({ epoch }).toBytes();
  emit(session, packageId, "staking", "EpochChangeStart", start);
  return epoch;
}

/** All nodes have their shards: the epoch change is done. */
export function finishEpochChange(session: Session, ids: NetworkIds, nowMs: number): void {
  const { packageId, staking } = open(session, ids);
  const { epoch } = staking;
  staking.epoch_state = { $kind: "EpochChangeDone", EpochChangeDone: BigInt(nowMs) };
  const done = EVENT_LAYOUTS.EpochChangeDone.serialize({ epoch }).toBytes();
  emit(session, packageId, "staking", "EpochChangeDone", done);
}

/** Takes the current epoch's slot out of the ring and appends one at its far end. */
function advanceRing(system: SystemInner): { amount: bigint; usedCapacity: bigint } {
  const ring = system.future_accounting;
  const current = ring.ring_buffer[ring.current_index];
  assert(current !== undefined && current.epoch === system.committee.epoch, "the ring starts at this epoch");
  // Pushing at the end and swap-removing the current slot leaves the new one in its place.
  ring.ring_buffer[ring.current_index] = {
    epoch: current.epoch + ring.length,
    used_capacity: 0n,
    rewards_to_distribute: 0n,
  };
  ring.current_index = (ring.current_index + 1) % ring.length;
  const next = ring.ring_buffer[ring.current_index];
  assert(next !== undefined, "the ring is full");
  system.used_capacity_size = next.used_capacity;
  return { amount: current.rewards_to_distribute, usedCapacity: current.used_capacity };
}

/** Rewards by shards held, of an epoch in which anything was stored; what does not divide stays in the ring. */
function splitRewards(system: SystemInner, amount: bigint, usedCapacity: bigint): Map<ObjectId, bigint> {
  const { members } = system.committee;
  const weighted = members.map((member) => BigInt(member.weight) * usedCapacity);
  const sum = weighted.reduce((total, each) => total + each, 0n);
  const total = sum === 0n ? 1n : sum;
  const rewards = new Map(
    members.map((member, position) => [member.node_id, ((weighted[position] ?? 0n) * amount) / total]),
  );
  const paid = [...rewards.values()].reduce((all, each) => all + each, 0n);
  const ring = system.future_accounting;
  const slot = ring.ring_buffer[ring.current_index];
  assert(slot !== undefined, "the ring is full");
  slot.rewards_to_distribute += amount - paid;
  return rewards;
}

function poolOf(session: Session, nodeId: ObjectId): ReturnType<typeof StakingPoolLayout.parse> {
  const pool = session.ownedObject(nodeId, session.types.walrus("StakingPool"));
  assert(pool !== undefined, `genesis made the pool of ${nodeId}`);
  // Asked for by its type, whose layout this is.
  return pool as ReturnType<typeof StakingPoolLayout.parse>;
}

/** Prices in FROST per unit and epoch (storage) and per unit (write); they apply at once. */
export function setPrices(
  session: Session,
  ids: NetworkIds,
  prices: { storagePricePerUnit: bigint; writePricePerUnit: bigint },
): void {
  const { packageId, system } = open(session, ids);
  system.storage_price_per_unit_size = prices.storagePricePerUnit;
  system.write_price_per_unit_size = prices.writePricePerUnit;
  const event = {
    epoch: system.committee.epoch,
    storage_price: prices.storagePricePerUnit,
    write_price: prices.writePricePerUnit,
  };
  const contents = EVENT_LAYOUTS.PricesUpdated.serialize(event).toBytes();
  emit(session, packageId, "staking", "PricesUpdated", contents);
}

/** What a storage node publishes when it moves to another address. */
export function setNetworkAddress(session: Session, nodeId: ObjectId, networkAddress: string): void {
  poolOf(session, nodeId).node_info.network_address = networkAddress;
}

/** Moves System and Staking to the next contract version, published as `packageId`. */
export function upgradePackage(
  session: Session,
  ids: NetworkIds,
  next: { packageId: ObjectId; version: bigint },
): void {
  const { system: systemState, staking: stakingState } = open(session, ids);
  const { version } = currentPackage(session, ids);
  const { types } = session;
  const move = (
    rootId: ObjectId,
    struct: "SystemStateInnerV1" | "StakingInnerV1",
    value: SystemInner | StakingInner,
  ) => {
    const object = session.state.object(rootId);
    assert(object !== undefined, "genesis made the root objects");
    // Both roots have the same layout.
    const root = session.input(object, "shared-mutable").data as ReturnType<typeof StakingLayout.parse>;
    root.version = next.version;
    root.package_id = next.packageId;
    root.new_package_id = null;
    session.removeField(rootId, "u64", versionKey(version));
    const fresh = { name: next.version, value };
    session.addField(rootId, "u64", versionKey(next.version), types.walrus(struct), fresh);
  };
  move(ids.systemObjectId, "SystemStateInnerV1", systemState);
  move(ids.stakingObjectId, "StakingInnerV1", stakingState);
  const { epoch } = systemState.committee;
  const event = { epoch, package_id: next.packageId, version: next.version };
  const contents = EVENT_LAYOUTS.ContractUpgraded.serialize(event).toBytes();
  emit(session, next.packageId, "upgrade", "ContractUpgraded", contents);
}
