/**
 * Simulation, and with it the resolution of transactions: clients leave object versions and gas to the server.
 *
 * - owned and immutable inputs get their current version and digest, shared ones their *initial* shared version;
 * - a shared input is mutable when some Move call takes it by `&mut` (or by value), as the functions' signatures say;
 * - with gas selection: all SUI coins of the gas owner that are not inputs (at most 256) pay; without coins, an
 *   address balance does, and the transaction gets an expiration of two epochs;
 * - budget = what the simulation cost, plus a margin. Without selection and payment the gas is mocked.
 *
 * What the client did say is kept: version, digest, mutability, payment, price, budget, expiration.
 */
import { type ObjectId, parseObjectId } from "../../../shared/protocol/ids.ts";
import { invalidArgument, notFound } from "../base/grpc-error.ts";
import type { LedgerState } from "../ledger/state.ts";
import { coinBalance } from "../move/objects.ts";
import { coinType, SUI_TYPE } from "../move/types.ts";
import { type Execution, type ExecutionContext, executeTransaction } from "../vm/executor.ts";
import { MAX_GAS_BUDGET, REFERENCE_GAS_PRICE, suggestedBudget } from "../vm/gas.ts";
import type { CallablePackages } from "../vm/packages.ts";
import { type CheckOptions, checkTransaction, type LedgerTime } from "../vm/transaction-checks.ts";
import {
  type CallArg,
  type Command,
  type ObjectRef,
  TRANSACTION_LIMITS,
  type TransactionData,
  transactionBytes,
  transactionDigest,
  usesGasCoin,
} from "../vm/transaction-data.ts";
import type { UnresolvedInput, UnresolvedObject, UnresolvedTransaction } from "./wire/proto-transaction.ts";

export interface Simulation {
  readonly data: TransactionData;
  readonly bytes: Uint8Array;
  readonly execution: Execution;
}

export interface SimulationOptions {
  readonly selectGas: boolean;
  /** False simulates with mocked gas and without asking who owns the inputs. */
  readonly checks: boolean;
  /** 32 bits that make a transaction without versioned inputs unique. */
  readonly nonce: () => number;
}

/** Fills in what the client left out, and runs the result without keeping it. */
export function simulateUnresolved(
  context: ExecutionContext,
  time: LedgerTime,
  unresolved: UnresolvedTransaction,
  options: SimulationOptions,
): Simulation {
  const draft: TransactionData = {
    sender: unresolved.sender,
    gas: {
      payment: unresolved.payment,
      owner: unresolved.gasOwner,
      price: unresolved.price ?? REFERENCE_GAS_PRICE,
      budget: unresolved.budget ?? MAX_GAS_BUDGET,
    },
    expiration: unresolved.expiration ?? { $kind: "None", None: true },
    inputs: unresolved.inputs.map((input, index) => resolveInput(context, unresolved, input, index)),
    commands: unresolved.commands,
  };
  if (!options.checks) return simulate(context, time, draft, { mockGas: true, anyOwner: true });
  if (!options.selectGas || draft.gas.payment.length > 0) {
    const mockGas = unresolved.budget === undefined || draft.gas.payment.length === 0;
    const simulation = simulate(context, time, draft, { mockGas });
    if (unresolved.budget !== undefined) return simulation;
    return withBudget(simulation, suggestedBudget(simulation.execution.effects.gasUsed));
  }
  const estimate = simulate(context, time, draft, { mockGas: true });
  // What fails without gas fails with it; the client wants to know why, not to hear about coins.
  if (!estimate.execution.effects.status.success) return estimate;
  const budget = unresolved.budget ?? suggestedBudget(estimate.execution.effects.gasUsed);
  const data = selectGas(context.state, time, { ...draft, gas: { ...draft.gas, budget } }, options.nonce);
  return simulate(context, time, data, {});
}

/**
 * Runs a complete transaction without keeping it.
 *
 * A transaction that names no gas coin is run with mocked gas, unless gas is to be selected: then an address balance
 * that suffices pays, else coins do.
 */
export function simulateResolved(
  context: ExecutionContext,
  time: LedgerTime,
  data: TransactionData,
  { selectGas: isSelecting, checks, nonce }: SimulationOptions,
): Simulation {
  if (!checks) return simulate(context, time, data, { mockGas: true, anyOwner: true });
  if (data.gas.payment.length > 0) return simulate(context, time, data, {});
  if (!isSelecting) return simulate(context, time, data, { mockGas: true });
  const funds = context.state.addressBalance(parseObjectId(data.gas.owner), SUI_TYPE);
  const paying = funds >= data.gas.budget ? data : selectGas(context.state, time, data, nonce);
  return simulate(context, time, paying, {});
}

function simulate(
  context: ExecutionContext,
  time: LedgerTime,
  data: TransactionData,
  options: CheckOptions,
): Simulation {
  const checked = checkTransaction(context.state, context.packages, time, data, options);
  const bytes = transactionBytes(data);
  const execution = executeTransaction(context, checked, transactionDigest(bytes), {
    mockGas: options.mockGas === true,
  });
  return { data, bytes, execution };
}

function withBudget(simulation: Simulation, budget: bigint): Simulation {
  const data = { ...simulation.data, gas: { ...simulation.data.gas, budget } };
  return { ...simulation, data, bytes: transactionBytes(data) };
}

function resolveInput(
  { state, packages }: ExecutionContext,
  { commands }: UnresolvedTransaction,
  input: UnresolvedInput,
  index: number,
): CallArg {
  if (input.kind === "resolved") return input.input;
  const object = state.object(input.objectId);
  if (object === undefined) throw notFound(`object ${input.objectId} not found`);
  if (object.owner.kind === "shared") {
    return sharedInput(input, object.owner.initialSharedVersion, isUsedMutably(packages, commands, index));
  }
  const reference: ObjectRef = {
    objectId: object.id,
    version: String(input.version ?? object.version),
    digest: input.digest ?? object.digest,
  };
  return { $kind: "Object", Object: { $kind: "ImmOrOwnedObject", ImmOrOwnedObject: reference } };
}

function sharedInput(input: UnresolvedObject, initialVersion: bigint, mutable: boolean): CallArg {
  const SharedObject = {
    objectId: input.objectId,
    initialSharedVersion: String(input.version ?? initialVersion),
    mutable: input.mutable ?? mutable,
  };
  return { $kind: "Object", Object: { $kind: "SharedObject", SharedObject } };
}

/** Whether any Move call takes input `index` by mutable reference or by value. */
function isUsedMutably(packages: CallablePackages, commands: readonly Command[], index: number): boolean {
  return commands.some((command) => {
    if (command.$kind !== "MoveCall") return false;
    const call = command.MoveCall;
    const found = packages.function(call.package, call.module, call.function);
    return call.arguments.some((argument, position) => {
      if (argument.$kind !== "Input" || argument.Input !== index) return false;
      return found?.signature.parameters[position]?.passing !== "reference";
    });
  });
}

function selectGas(
  state: LedgerState,
  time: LedgerTime,
  data: TransactionData,
  nonce: () => number,
): TransactionData {
  const owner = parseObjectId(data.gas.owner);
  const used = new Set(data.inputs.flatMap(ownedInputId));
  const coins = state
    .ownedBy(owner)
    .filter((object) => object.type === coinType(SUI_TYPE) && !used.has(object.id))
    .sort((a, b) => Number((coinBalance(b) ?? 0n) - (coinBalance(a) ?? 0n)))
    .slice(0, TRANSACTION_LIMITS.gasPayment);
  const balance = coins.reduce((sum, coin) => sum + (coinBalance(coin) ?? 0n), 0n);
  if (balance >= data.gas.budget) {
    const payment = coins.map(({ id, version, digest }) => ({
      objectId: id,
      version: String(version),
      digest,
    }));
    return { ...data, gas: { ...data.gas, payment } };
  }
  const funds = state.addressBalance(owner, SUI_TYPE);
  if (funds < data.gas.budget || usesGasCoin(data.commands)) {
    throw invalidArgument(
      `unable to select sufficient gas coins: ${owner} has ${balance} MIST in coins and ${funds} in its address balance, ${data.gas.budget} are needed`,
    );
  }
  if (data.expiration.$kind !== "None") return data;
  const expiration: TransactionData["expiration"] = {
    $kind: "ValidDuring",
    ValidDuring: {
      minEpoch: String(time.epoch),
      maxEpoch: String(time.epoch + 1n),
      minTimestamp: null,
      maxTimestamp: null,
      chain: time.chainId,
      nonce: nonce(),
    },
  };
  return { ...data, expiration };
}

function ownedInputId(input: CallArg): ObjectId[] {
  if (input.$kind !== "Object" || input.Object.$kind !== "ImmOrOwnedObject") return [];
  return [parseObjectId(input.Object.ImmOrOwnedObject.objectId)];
}
