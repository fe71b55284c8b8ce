/**
 * What a validator checks before it executes a transaction. A transaction refused here leaves no trace.
 */
import { type ObjectId, parseObjectId } from "../../../shared/protocol/ids.ts";
import { CLOCK_OBJECT_ID, RANDOM_OBJECT_ID } from "../../../shared/sui/client/type-names.ts";
import { invalidArgument } from "../base/grpc-error.ts";
import type { LedgerState } from "../ledger/state.ts";
import { coinBalance, PACKAGE_TYPE, type StoredObject } from "../move/objects.ts";
import { canonicalType, coinType, SUI_TYPE } from "../move/types.ts";
import { MAX_GAS_BUDGET, minimumBudget, REFERENCE_GAS_PRICE } from "./gas.ts";
import type { CallablePackages } from "./packages.ts";
import type { Access } from "./session.ts";
import {
  type CallArg,
  checkLimits,
  commandArguments,
  type Expiration,
  type FundsWithdrawal,
  type ObjectRef,
  type TransactionData,
  usesGasCoin,
} from "./transaction-data.ts";

/** Shared objects that only the validators write. */
const IMMUTABLE_SHARED: ReadonlySet<ObjectId> = new Set([CLOCK_OBJECT_ID, RANDOM_OBJECT_ID]);

export interface LedgerTime {
  /** Epoch of Sui. */
  readonly epoch: bigint;
  readonly nowMs: number;
  readonly chainId: string;
}

export type CheckedInput =
  | { readonly kind: "pure"; readonly base64: string }
  | { readonly kind: "object"; readonly object: StoredObject; readonly access: Access }
  | {
      readonly kind: "withdrawal";
      readonly owner: ObjectId;
      readonly token: string;
      readonly amount: bigint;
    };

export interface CheckedTransaction {
  readonly data: TransactionData;
  readonly sender: ObjectId;
  readonly gasOwner: ObjectId;
  readonly inputs: readonly CheckedInput[];
  /** Empty when gas is paid from the gas owner's address balance, or mocked. */
  readonly gasCoins: readonly StoredObject[];
}

export interface CheckOptions {
  /** Gas out of nowhere, for simulation: neither coins nor balances are looked at. */
  readonly mockGas?: boolean;
  /** Simulation with checks disabled: whose objects the inputs are does not matter. */
  readonly anyOwner?: boolean;
}

/**
 * @throws GrpcError `INVALID_ARGUMENT` naming what does not fit
 */
export function checkTransaction(
  state: LedgerState,
  packages: CallablePackages,
  time: LedgerTime,
  data: TransactionData,
  { mockGas = false, anyOwner = false }: CheckOptions = {},
): CheckedTransaction {
  checkLimits(data);
  const sender = parseObjectId(data.sender);
  const gasOwner = parseObjectId(data.gas.owner);
  checkPackages(packages, data);
  checkExpiration(data.expiration, time);
  const inputs = data.inputs.map((input, index) =>
    checkInput(state, input, index, { sender, gasOwner, anyOwner }),
  );
  checkDuplicates(data);
  checkRandomness(data);
  const gasCoins = mockGas ? [] : checkGasCoins(state, data, gasOwner);
  if (!mockGas) checkGas(data, inputs, gasCoins, time);
  checkFunds(state, data, inputs, gasOwner, mockGas);
  return { data, sender, gasOwner, inputs, gasCoins };
}

function checkPackages(packages: CallablePackages, data: TransactionData): void {
  for (const [index, command] of data.commands.entries()) {
    if (command.$kind !== "MoveCall" || packages.find(command.MoveCall.package) !== undefined) continue;
    throw invalidArgument(`command ${index} calls package ${command.MoveCall.package}, which does not exist`);
  }
}

function checkExpiration(expiration: Expiration, time: LedgerTime): void {
  const { epoch, nowMs, chainId } = time;
  const expired = (reason: string) => invalidArgument(`the transaction has expired: ${reason}`);
  switch (expiration.$kind) {
    case "None":
      return;
    case "Epoch":
      if (BigInt(expiration.Epoch) < epoch) throw expired(`valid to epoch ${expiration.Epoch}, now ${epoch}`);
      return;
    case "ValidDuring":
    case "Validity": {
      const range = expiration.$kind === "ValidDuring" ? expiration.ValidDuring : expiration.Validity;
      if (range.chain !== chainId) throw invalidArgument(`the transaction is for chain ${range.chain}`);
      if (range.minEpoch !== null && epoch < BigInt(range.minEpoch)) {
        throw invalidArgument(`the transaction is valid from epoch ${range.minEpoch}, now ${epoch}`);
      }
      if (range.maxEpoch !== null && epoch > BigInt(range.maxEpoch)) {
        throw expired(`valid to epoch ${range.maxEpoch}, now ${epoch}`);
      }
      if (range.minTimestamp !== null && nowMs < Number(range.minTimestamp)) {
        throw invalidArgument(`the transaction is valid from ${range.minTimestamp} ms, now ${nowMs}`);
      }
      if (range.maxTimestamp !== null && nowMs > Number(range.maxTimestamp)) {
        throw expired(`valid to ${range.maxTimestamp} ms, now ${nowMs}`);
      }
    }
  }
}

function checkInput(
  state: LedgerState,
  input: CallArg,
  index: number,
  { sender, gasOwner, anyOwner }: { sender: ObjectId; gasOwner: ObjectId; anyOwner: boolean },
): CheckedInput {
  if (input.$kind === "Pure") return { kind: "pure", base64: input.Pure.bytes };
  if (input.$kind === "FundsWithdrawal") {
    return withdrawal(input.FundsWithdrawal, index, sender, gasOwner);
  }
  if (input.Object.$kind === "Receiving") {
    throw invalidArgument(`input ${index}: receiving objects is not supported`);
  }
  if (input.Object.$kind === "ImmOrOwnedObject") {
    const object = checkReference(state, input.Object.ImmOrOwnedObject);
    if (object.type === PACKAGE_TYPE) throw invalidArgument(`input ${index}: ${object.id} is a package`);
    if (object.owner.kind === "immutable") return { kind: "object", object, access: "immutable" };
    const isOwned = object.owner.kind === "address" && (anyOwner || object.owner.address === sender);
    if (!isOwned) {
      throw invalidArgument(`input ${index}: object ${object.id} is not owned by the sender ${sender}`);
    }
    return { kind: "object", object, access: "owned" };
  }
  const { objectId, initialSharedVersion, mutable } = input.Object.SharedObject;
  if (mutable && IMMUTABLE_SHARED.has(parseObjectId(objectId))) {
    throw invalidArgument(`input ${index}: ${objectId} can only be read`);
  }
  const object = existing(state, objectId);
  if (object.owner.kind !== "shared") throw invalidArgument(`input ${index}: ${object.id} is not shared`);
  if (object.owner.initialSharedVersion !== BigInt(initialSharedVersion)) {
    throw invalidArgument(
      `input ${index}: ${object.id} was shared at version ${object.owner.initialSharedVersion}, not ${initialSharedVersion}`,
    );
  }
  return { kind: "object", object, access: mutable ? "shared-mutable" : "shared-read" };
}

function withdrawal(
  input: FundsWithdrawal,
  index: number,
  sender: ObjectId,
  gasOwner: ObjectId,
): CheckedInput {
  if (input.withdrawFrom.$kind === "SenderAllowance") {
    throw invalidArgument(`input ${index}: withdrawing by allowance is not supported`);
  }
  const amount = BigInt(input.reservation.MaxAmountU64);
  if (amount === 0n) throw invalidArgument(`input ${index}: a withdrawal of nothing`);
  const owner = input.withdrawFrom.$kind === "Sender" ? sender : gasOwner;
  return { kind: "withdrawal", owner, token: canonicalType(input.typeArg.Balance), amount };
}

function existing(state: LedgerState, objectId: string): StoredObject {
  const object = state.object(parseObjectId(objectId));
  if (object === undefined) throw invalidArgument(`object ${objectId} does not exist`);
  return object;
}

/** An owned or immutable object at exactly this version. */
function checkReference(state: LedgerState, reference: ObjectRef): StoredObject {
  const object = existing(state, reference.objectId);
  if (object.version !== BigInt(reference.version) || object.digest !== reference.digest) {
    throw invalidArgument(
      `object ${object.id} version ${reference.version} is not available for consumption, its current version is ${object.version}`,
    );
  }
  return object;
}

function checkDuplicates({ inputs, gas }: TransactionData): void {
  const seen = new Set<string>();
  const ids = inputs.flatMap((input) => {
    if (input.$kind !== "Object") return [];
    const object = input.Object;
    return object.$kind === "SharedObject" ? object.SharedObject.objectId : objectIdOf(object);
  });
  for (const id of [...ids, ...gas.payment.map((coin) => coin.objectId)]) {
    if (seen.has(id)) throw invalidArgument(`object ${id} is used twice as an input`);
    seen.add(id);
  }
}

/** After a command that reads randomness only coins and objects may move: no command can abort on what was drawn. */
function checkRandomness({ inputs, commands }: TransactionData): void {
  const random = inputs.findIndex(
    (input) =>
      input.$kind === "Object" &&
      input.Object.$kind === "SharedObject" &&
      parseObjectId(input.Object.SharedObject.objectId) === RANDOM_OBJECT_ID,
  );
  if (random < 0) return;
  const first = commands.findIndex((command) =>
    commandArguments(command).some((each) => each.$kind === "Input" && each.Input === random),
  );
  if (first < 0) return;
  const bad = commands.findIndex(
    ({ $kind }, index) => index > first && $kind !== "TransferObjects" && $kind !== "MergeCoins",
  );
  if (bad >= 0) throw invalidArgument(`command ${bad} follows one that reads randomness`);
}

function objectIdOf(
  object: Exclude<Extract<CallArg, { $kind: "Object" }>["Object"], { $kind: "SharedObject" }>,
) {
  return object.$kind === "ImmOrOwnedObject" ? object.ImmOrOwnedObject.objectId : object.Receiving.objectId;
}

function checkGasCoins(state: LedgerState, data: TransactionData, gasOwner: ObjectId): StoredObject[] {
  return data.gas.payment.map((reference) => {
    const coin = checkReference(state, reference);
    if (coin.type !== coinType(SUI_TYPE)) throw invalidArgument(`gas object ${coin.id} is no SUI coin`);
    if (coin.owner.kind !== "address" || coin.owner.address !== gasOwner) {
      throw invalidArgument(`gas coin ${coin.id} is not owned by the gas owner ${gasOwner}`);
    }
    return coin;
  });
}

function checkGas(
  { gas, expiration, commands }: TransactionData,
  inputs: readonly CheckedInput[],
  coins: readonly StoredObject[],
  time: LedgerTime,
) {
  if (gas.price < REFERENCE_GAS_PRICE) {
    throw invalidArgument(`gas price ${gas.price} is below the reference price ${REFERENCE_GAS_PRICE}`);
  }
  if (gas.budget < minimumBudget(gas.price) || gas.budget > MAX_GAS_BUDGET) {
    throw invalidArgument(
      `gas budget ${gas.budget} is not in ${minimumBudget(gas.price)}..${MAX_GAS_BUDGET} MIST`,
    );
  }
  if (coins.length > 0) {
    const balance = coins.reduce((sum, coin) => sum + (coinBalance(coin) ?? 0n), 0n);
    if (balance < gas.budget) {
      throw invalidArgument(
        `balance of gas objects ${balance} is lower than the needed amount ${gas.budget}`,
      );
    }
    return;
  }
  if (usesGasCoin(commands)) throw invalidArgument("the gas coin is used but no gas coin pays");
  // An input of one version runs once. Without any, the transaction must expire soon and name its chain.
  if (inputs.some((input) => input.kind === "object" && input.access === "owned")) return;
  const { minEpoch, maxEpoch } =
    expiration.$kind === "ValidDuring"
      ? expiration.ValidDuring
      : expiration.$kind === "Validity"
        ? expiration.Validity
        : { minEpoch: null, maxEpoch: null };
  if (minEpoch === null || maxEpoch === null || BigInt(maxEpoch) > BigInt(minEpoch) + 1n) {
    throw invalidArgument(
      `gas from an address balance needs an expiration ValidDuring of at most two epochs, e.g. ${time.epoch} to ${time.epoch + 1n}`,
    );
  }
}

/** Everything a transaction may take from address balances must be there before it starts. */
function checkFunds(
  state: LedgerState,
  data: TransactionData,
  inputs: readonly CheckedInput[],
  gasOwner: ObjectId,
  mockGas: boolean,
): void {
  const reserved = new Map<string, { owner: ObjectId; token: string; amount: bigint }>();
  const reserve = (owner: ObjectId, token: string, amount: bigint): void => {
    const key = `${owner} ${token}`;
    reserved.set(key, { owner, token, amount: (reserved.get(key)?.amount ?? 0n) + amount });
  };
  for (const input of inputs) {
    if (input.kind === "withdrawal") reserve(input.owner, input.token, input.amount);
  }
  if (!mockGas && data.gas.payment.length === 0) reserve(gasOwner, SUI_TYPE, data.gas.budget);
  for (const { owner, token, amount } of reserved.values()) {
    const balance = state.addressBalance(owner, token);
    if (balance < amount) {
      throw invalidArgument(
        `address balance of ${owner} is ${balance} of ${token}, the transaction may need ${amount}`,
      );
    }
  }
}
