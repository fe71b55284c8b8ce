/**
 * Executes one transaction against a state and says what it changes; applying that is the ledger's business.
 *
 * A transaction that fails while it runs leaves only this: gas coins merged, gas paid, versions of its owned and
 * mutable shared inputs advanced. Lamport version = 1 + the highest version among all inputs and gas coins.
 */
import type { CoinLayout } from "../../../shared/sui/walrus/layouts.ts";
import type { Execution } from "../ledger/execution.ts";
import type { CallablePackages } from "./packages.ts";

export type { Execution } from "../ledger/execution.ts";

import {
  type Effects,
  type EffectsStatus,
  effectsBytes,
  eventsBytes,
  type GasUsed,
} from "../ledger/effects.ts";
import type { BalanceDelta, LedgerState } from "../ledger/state.ts";
import type { ExecutionErrorData } from "../move/execution-error.ts";
import { coinBalance, type StoredObject, typedDigest } from "../move/objects.ts";
import { coinType, type MoveTypes, SUI_TYPE, tokenOfCoin, withdrawalType } from "../move/types.ts";
import { gasUsed, netCost } from "./gas.ts";
import { CommandFailure, type InputValue, Interpreter, pureInput, smashGas } from "./interpreter.ts";
import { type Outcome, Session, Slot } from "./session.ts";
import type { CheckedTransaction } from "./transaction-checks.ts";

export interface ExecutionContext {
  readonly state: LedgerState;
  readonly types: MoveTypes;
  readonly packages: CallablePackages;
  readonly epoch: bigint;
  readonly nowMs: number;
}

export interface ExecutionOptions {
  /** Run with gas from nowhere, for simulation. */
  readonly mockGas?: boolean;
  /** Fail without running, as a congested network does. */
  readonly cancel?: ExecutionErrorData;
}

interface Attempt {
  readonly session: Session;
  readonly gas: Slot | undefined;
  readonly status: EffectsStatus;
  readonly used: GasUsed;
}

const MOCK_GAS_ID = `0x${"f".repeat(64)}`;
const MOCK_GAS_MIST = 1_000_000_000_000_000_000n;

export function executeTransaction(
  context: ExecutionContext,
  checked: CheckedTransaction,
  digest: string,
  options: ExecutionOptions = {},
): Execution {
  const lamport = lamportVersion(checked);
  const run = (error?: { data: ExecutionErrorData; command: number | null }): Attempt =>
    attempt(context, checked, digest, lamport, options.mockGas === true, error);
  let done = options.cancel === undefined ? run() : run({ data: options.cancel, command: null });
  if (netCost(done.used) > checked.data.gas.budget && options.mockGas !== true) {
    done = run({ data: { kind: "InsufficientGas" }, command: null });
  }
  return settle(context, checked, digest, lamport, done);
}

function lamportVersion({ inputs, gasCoins }: CheckedTransaction): bigint {
  const objects = [...gasCoins, ...inputs.flatMap((input) => (input.kind === "object" ? input.object : []))];
  return 1n + objects.reduce((highest, object) => (object.version > highest ? object.version : highest), 0n);
}

/** Runs the commands, or, given an error, only what a failed transaction does. */
function attempt(
  context: ExecutionContext,
  checked: CheckedTransaction,
  digest: string,
  lamport: bigint,
  mockGas: boolean,
  error?: { data: ExecutionErrorData; command: number | null },
): Attempt {
  const { data } = checked;
  const session = new Session(context.state, context.types, digest, checked.sender, context.nowMs);
  const inputs = checked.inputs.map((input): InputValue => {
    if (input.kind === "pure") return pureInput(input.base64);
    if (input.kind === "object") return session.input(input.object, input.access);
    return new Slot(withdrawalType(input.token), "result", { owner: input.owner, amount: input.amount });
  });
  const coins = checked.gasCoins.map((coin) => session.input(coin, "gas"));
  const gas = mockGas ? mockedGas() : smashGas(session, coins);
  const gasData = gas === undefined ? undefined : coinOf(gas);
  const status: EffectsStatus =
    error === undefined ? { success: true } : { success: false, error: error.data, command: error.command };
  if (error === undefined) {
    // The budget is set aside while the commands run, so that what is left of the coin always covers the gas.
    if (gasData !== undefined) gasData.balance -= data.gas.budget;
    try {
      new Interpreter(session, context.packages, { inputs, gas }).run(data.commands);
    } catch (failure) {
      if (!(failure instanceof CommandFailure)) throw failure;
      const { failure: cause, command } = failure;
      return attempt(context, checked, digest, lamport, mockGas, { data: cause.data, command });
    }
    if (gasData !== undefined) gasData.balance += data.gas.budget;
  }
  const used = gasUsed(context.state, session.outcome(lamport), data.gas.price);
  if (mockGas) return { session, gas: undefined, status, used };
  // A failed transaction pays at most its budget.
  const cost = status.success || netCost(used) <= data.gas.budget ? netCost(used) : data.gas.budget;
  if (gasData !== undefined) gasData.balance -= cost;
  else session.adjustBalance(checked.gasOwner, SUI_TYPE, -cost);
  return { session, gas, status, used };
}

/** A coin that exists only for a simulation; it is in nobody's ledger and never written. */
function mockedGas(): Slot {
  return new Slot(coinType(SUI_TYPE), "gas", { id: MOCK_GAS_ID, balance: MOCK_GAS_MIST });
}

// Gas coins were checked to be SUI coins, whose layout this is.
const coinOf = (slot: Slot) => slot.data as ReturnType<typeof CoinLayout.parse>;

function settle(
  context: ExecutionContext,
  checked: CheckedTransaction,
  digest: string,
  lamport: bigint,
  { session, gas, status, used }: Attempt,
): Execution {
  const outcome = session.outcome(lamport);
  const events = status.success ? session.events : [];
  const bytesOfEvents = eventsBytes(events);
  const objects = checked.inputs.flatMap((input) => (input.kind === "object" ? input : []));
  const before = [...objects.map((input) => input.object), ...checked.gasCoins];
  const effects: Effects = {
    status,
    epoch: context.epoch,
    gasUsed: used,
    transactionDigest: digest,
    ...(gas === undefined ? {} : { gasObject: coinOf(gas).id }),
    eventsDigest: bytesOfEvents === null ? null : typedDigest("TransactionEvents", bytesOfEvents),
    dependencies: [...new Set(before.map((object) => object.previousTransaction))].sort(),
    lamportVersion: lamport,
    changes: outcome.changes,
    readShared: objects
      .filter((input) => input.access === "shared-read")
      .map(({ object: { id, type, version, digest } }) => ({ id, type, version, digest })),
  };
  const bytes = effectsBytes(effects);
  return {
    effects,
    effectsBytes: bytes,
    effectsDigest: typedDigest("TransactionEffects", bytes),
    events,
    eventsBytes: bytesOfEvents,
    written: outcome.written,
    removed: outcome.removed,
    balances: session.balanceDeltas,
    balanceChanges: balanceChanges(context.state, outcome, session.balanceDeltas),
  };
}

/** Sums per address and coin type; what cancels out is left away. */
export function balanceChanges(
  state: LedgerState,
  outcome: Outcome,
  deltas: readonly BalanceDelta[],
): BalanceDelta[] {
  const sums = new Map<string, BalanceDelta>();
  const add = ({ address, token, amount }: BalanceDelta): void => {
    const key = `${address} ${token}`;
    sums.set(key, { address, token, amount: (sums.get(key)?.amount ?? 0n) + amount });
  };
  const addCoin = (object: StoredObject | undefined, sign: bigint): void => {
    const token = object === undefined ? undefined : tokenOfCoin(object.type);
    if (object === undefined || token === undefined || object.owner.kind !== "address") return;
    add({ address: object.owner.address, token, amount: sign * (coinBalance(object) ?? 0n) });
  };
  for (const change of outcome.changes) addCoin(state.object(change.id), -1n);
  for (const object of outcome.written) addCoin(object, 1n);
  deltas.forEach(add);
  return [...sums.values()].filter((each) => each.amount !== 0n);
}
