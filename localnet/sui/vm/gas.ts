/**
 * What a transaction costs in gas, in MIST.
 *
 *   computation  = 1000 units (the lowest bucket, which every supported call falls into) at the transaction's price
 *   storage      = 7600 per byte of every object written
 *   rebate       = 99 % of what the replaced and removed objects had paid; the rest is not refundable
 */
import type { GasUsed } from "../ledger/effects.ts";
import type { LedgerState } from "../ledger/state.ts";
import type { Outcome } from "./session.ts";

const COMPUTATION_UNITS = 1000n;
const REFUNDABLE_BASIS_POINTS = 9900n;

/** MIST per gas unit that the network asks for at least. */
export const REFERENCE_GAS_PRICE = 1000n;
/** 50 SUI: Sui's largest budget. */
export const MAX_GAS_BUDGET = 50_000_000_000n;

/** The smallest budget a transaction may have: its computation. */
export const minimumBudget = (price: bigint): bigint => COMPUTATION_UNITS * price;

export function gasUsed(state: LedgerState, outcome: Outcome, price: bigint): GasUsed {
  const storageCost = outcome.written.reduce((sum, object) => sum + object.storageRebate, 0n);
  const paidBefore = outcome.changes.reduce(
    (sum, change) => sum + (state.object(change.id)?.storageRebate ?? 0n),
    0n,
  );
  const storageRebate = (paidBefore * REFUNDABLE_BASIS_POINTS) / 10_000n;
  return {
    computationCost: COMPUTATION_UNITS * price,
    storageCost,
    storageRebate,
    nonRefundableStorageFee: paidBefore - storageRebate,
  };
}

export const FREE: GasUsed = {
  computationCost: 0n,
  storageCost: 0n,
  storageRebate: 0n,
  nonRefundableStorageFee: 0n,
};

/** What the payer loses; negative when the rebate is larger than the cost. */
export const netCost = (used: GasUsed): bigint =>
  used.computationCost + used.storageCost - used.storageRebate;

/** A budget that lets the same transaction succeed a little later: its cost and a tenth, at least its computation. */
export function suggestedBudget(used: GasUsed): bigint {
  const cost = netCost(used) > used.computationCost ? netCost(used) : used.computationCost;
  return cost + cost / 10n + used.computationCost;
}
