/**
 * The part of `walrus::staking` that publishers and auditors read, and staking itself.
 *
 * A pool's stake decides the committee of later epochs; the embedded network keeps its committee, so staked WAL is
 * recorded as pending stake of the pool and earns nothing.
 */
import { assert } from "../../../../shared/base/errors.ts";
import { versionKey } from "../../../../shared/sui/client/type-names.ts";
import {
  CoinLayout,
  type StakingInnerLayout,
  StakingLayout,
  type StakingPoolLayout,
} from "../../../../shared/sui/walrus/layouts.ts";
import type { StakedWalLayout, StakingFieldLayout } from "../../move/types.ts";
import type { NativeCall, NativeTable } from "../../vm/native-call.ts";

export type StakingInner = ReturnType<typeof StakingInnerLayout.parse>;
type StakedWal = ReturnType<typeof StakedWalLayout.parse>;

/** 1 WAL. */
const MIN_STAKE_FROST = 1_000_000_000n;

export function stakingInner(call: NativeCall, index: number, mutably: boolean): StakingInner {
  const staking = call.struct(index, StakingLayout);
  if (staking.version !== call.packageVersion) call.abort("staking", 1, mutably ? "inner_mut" : "inner");
  const field = call.session.field(staking.id, "u64", versionKey(staking.version));
  assert(field !== undefined, "Staking has its state field");
  // The field's type names StakingInnerV1, whose layout this is.
  return (field as ReturnType<typeof StakingFieldLayout.parse>).value;
}

function stakeWithPool(call: NativeCall): readonly unknown[] {
  const inner = stakingInner(call, 0, true);
  const coin = call.struct(1, CoinLayout);
  const nodeId = call.id(2);
  const pool = call.session.ownedObject(nodeId, call.session.types.walrus("StakingPool"));
  // Borrowing from the table of pools aborts with EFieldDoesNotExist.
  if (pool === undefined) call.abortFramework("dynamic_field", 1, "borrow_child_object_mut");
  // The type asked for is StakingPool, whose layout this is.
  const { state, pending_stake: pending } = pool as ReturnType<typeof StakingPoolLayout.parse>;
  if (state.$kind !== "Active") call.abort("staking_pool", 6, "stake");
  if (coin.balance === 0n) call.abort("staking_pool", 7, "stake");
  if (coin.balance < MIN_STAKE_FROST) call.abort("staked_wal", 7, "mint");
  call.session.deleteId(coin.id);
  const isSelected = inner.epoch_state.$kind === "NextParamsSelected";
  const activationEpoch = inner.epoch + (isSelected ? 2 : 1);
  const entry = pending.find((each) => each.key === activationEpoch);
  if (entry === undefined) pending.push({ key: activationEpoch, value: coin.balance });
  else entry.value += coin.balance;
  const staked: StakedWal = {
    id: call.session.newId(),
    state: { $kind: "Staked", Staked: true },
    node_id: nodeId,
    principal: coin.balance,
    activation_epoch: activationEpoch,
  };
  return [staked];
}

export const STAKING_NATIVES: NativeTable = {
  "staking::stake_with_pool(&mut Staking, Coin<WAL>, ID, &mut TxContext): StakedWal": stakeWithPool,
  "staking::epoch(&Staking): u32": (call) => [stakingInner(call, 0, false).epoch],
};
