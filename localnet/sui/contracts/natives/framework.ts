/** Functions of the Sui framework (`0x2`) that Walrus transactions are built from: coins, balances, funds. */
import type { ObjectId } from "../../../../shared/protocol/ids.ts";
import { CoinLayout } from "../../../../shared/sui/walrus/layouts.ts";
import { SYSTEM_ADDRESS } from "../../move/types.ts";
import type { NativeCall, NativeTable } from "../../vm/native-call.ts";

/** A withdrawal from an address balance, as a `FundsWithdrawal` input presents it. */
export interface Withdrawal {
  readonly owner: ObjectId;
  readonly amount: bigint;
}
/** Withdrawals only live inside a transaction and are never read from bytes. */
const WithdrawalShape = { parse: (_: Uint8Array): Withdrawal => ({ owner: SYSTEM_ADDRESS, amount: 0n }) };

function newCoin(call: NativeCall, balance: bigint) {
  return { id: call.session.newId(), balance };
}

/** Takes a whole coin apart and returns what was in it. */
function spend(call: NativeCall, index: number): bigint {
  const coin = call.struct(index, CoinLayout);
  call.session.deleteId(coin.id);
  return coin.balance;
}

function redeem(call: NativeCall): bigint {
  const { owner, amount } = call.struct(0, WithdrawalShape);
  call.session.adjustBalance(owner, call.typeArgument(0), -amount);
  return amount;
}

function destroyZero(call: NativeCall, balance: bigint): readonly unknown[] {
  if (balance !== 0n) call.abortFramework("balance", 0, "destroy_zero");
  return [];
}

export const FRAMEWORK_NATIVES: NativeTable = {
  "tx_context::sender(&TxContext): address": (call) => [call.session.sender],
  "coin::zero<T>(&mut TxContext): Coin<T>": (call) => [newCoin(call, 0n)],
  "coin::value<T>(&Coin<T>): u64": (call) => [call.struct(0, CoinLayout).balance],
  "coin::destroy_zero<T>(Coin<T>)": (call) => destroyZero(call, spend(call, 0)),
  "coin::split<T>(&mut Coin<T>, u64, &mut TxContext): Coin<T>": (call) => [
    newCoin(call, call.splitBalance(call.struct(0, CoinLayout), call.big(1))),
  ],
  "coin::join<T>(&mut Coin<T>, Coin<T>)": (call) => {
    const coin = call.struct(0, CoinLayout);
    coin.balance = call.u64(coin.balance + spend(call, 1));
    return [];
  },
  "coin::into_balance<T>(Coin<T>): Balance<T>": (call) => [spend(call, 0)],
  "coin::from_balance<T>(Balance<T>, &mut TxContext): Coin<T>": (call) => [newCoin(call, call.big(0))],
  "coin::send_funds<T>(Coin<T>, address)": (call) => {
    call.session.adjustBalance(call.id(1), call.typeArgument(0), spend(call, 0));
    return [];
  },
  "coin::redeem_funds<T>(Withdrawal<Balance<T>>, &mut TxContext): Coin<T>": (call) => [
    newCoin(call, redeem(call)),
  ],
  "balance::zero<T>(): Balance<T>": () => [0n],
  "balance::value<T>(&Balance<T>): u64": (call) => [call.big(0)],
  "balance::destroy_zero<T>(Balance<T>)": (call) => destroyZero(call, call.big(0)),
  "balance::send_funds<T>(Balance<T>, address)": (call) => {
    call.session.adjustBalance(call.id(1), call.typeArgument(0), call.big(0));
    return [];
  },
  "balance::redeem_funds<T>(Withdrawal<Balance<T>>): Balance<T>": (call) => [redeem(call)],
};
