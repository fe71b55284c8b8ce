/**
 * Runs the commands of a programmable transaction on a session.
 *
 * Rules of use: a value is used up when taken by value (unless it can be copied); within one command nothing may be
 * both borrowed mutably, or taken, and used again; shared inputs are taken only by functions that end them; read-only
 * inputs are never borrowed mutably; the gas coin leaves only by transfer. At the end every result that cannot be
 * dropped must have been used.
 */
import { fromBase64 } from "@mysten/sui/utils";
import { equalBytes } from "../../../shared/base/bytes.ts";
import { assert } from "../../../shared/base/errors.ts";
import type { ObjectId } from "../../../shared/protocol/ids.ts";
import { auditType } from "../../../shared/sui/audit/layouts.ts";
import { UPGRADE_CAP } from "../../../shared/sui/audit/publishing.ts";
import type { CoinLayout } from "../../../shared/sui/walrus/layouts.ts";
import { ExecutionFailure, fail, failArgument } from "../move/execution-error.ts";
import { type Passing, typeName } from "../move/signature.ts";
import { canonicalType, FRAMEWORK, STDLIB, tokenOfCoin } from "../move/types.ts";
import { type KnownPackage, type Linkage, packageObject, recognisePackage } from "./known-packages.ts";
import { NativeCall } from "./native-call.ts";
import type { CallablePackages, MoveFunction } from "./packages.ts";
import { idOf, type Session, Slot } from "./session.ts";
import type { Argument, Command } from "./transaction-data.ts";

/** An input as the commands see it: bytes without a type, or a value. */
export type InputValue = { readonly kind: "pure"; readonly bytes: Uint8Array } | Slot;

export const pureInput = (base64: string): InputValue => ({ kind: "pure", bytes: fromBase64(base64) });

export interface InterpreterInputs {
  readonly inputs: readonly InputValue[];
  /** Absent when gas is paid from an address balance. */
  readonly gas: Slot | undefined;
}

const MAX_U64 = (1n << 64n) - 1n;

/** A failure with the position of the command that failed. */
export class CommandFailure extends Error {
  readonly command: number | null;
  readonly failure: ExecutionFailure;

  constructor(failure: ExecutionFailure, command: number | null) {
    super(failure.message, { cause: failure });
    this.failure = failure;
    this.command = command;
  }
}

export class Interpreter {
  readonly #session: Session;
  readonly #packages: CallablePackages;
  readonly #inputs: readonly InputValue[];
  readonly #gas: Slot | undefined;
  readonly #results: Slot[][] = [];
  /** How each value is used by the command that is running. */
  readonly #uses = new Map<Slot, Passing>();

  constructor(session: Session, packages: CallablePackages, { inputs, gas }: InterpreterInputs) {
    this.#session = session;
    this.#packages = packages;
    this.#inputs = inputs;
    this.#gas = gas;
  }

  /** @throws CommandFailure naming the command; the session is then of no more use */
  run(commands: readonly Command[]): void {
    let position: number | null = null;
    try {
      for (const [index, command] of commands.entries()) {
        position = index;
        this.#uses.clear();
        this.#results.push(this.#execute(command));
      }
      position = null;
      this.#checkNothingLeft();
    } catch (error) {
      if (error instanceof ExecutionFailure) throw new CommandFailure(error, position);
      throw error;
    }
  }

  #execute(command: Command): Slot[] {
    switch (command.$kind) {
      case "MoveCall":
        return this.#moveCall(command.MoveCall);
      case "SplitCoins":
        return this.#splitCoins(command.SplitCoins);
      case "MergeCoins":
        return this.#mergeCoins(command.MergeCoins);
      case "TransferObjects":
        return this.#transfer(command.TransferObjects);
      case "MakeMoveVec":
        return this.#makeVector(command.MakeMoveVec);
      case "Publish":
        return this.#publish(command.Publish);
      case "Upgrade":
        return fail("FeatureNotYetSupported");
    }
  }

  #moveCall(call: Extract<Command, { $kind: "MoveCall" }>["MoveCall"]): Slot[] {
    const target = this.#packages.find(call.package);
    const found: MoveFunction | undefined = target?.functions.get(`${call.module}::${call.function}`);
    if (target === undefined || found === undefined) return fail("FunctionNotFound");
    const { signature, native } = found;
    if (call.typeArguments.length !== signature.typeParameters) return fail("TypeArityMismatch");
    if (call.arguments.length !== signature.parameters.length) return fail("ArityMismatch");
    const typeArguments = call.typeArguments.map((text, position) => {
      try {
        return canonicalType(text);
      } catch {
        throw new ExecutionFailure({ kind: "TypeArgumentError", argument: position });
      }
    });
    const values = signature.parameters.map((parameter, position) => {
      const argument = call.arguments[position];
      assert(argument !== undefined, "arity was checked");
      const type = typeName(parameter.type, typeArguments);
      return this.#value(argument, position, type, parameter.passing, true);
    });
    const { packageId, walrusVersion: version, auditPackageId } = target;
    const at = { packageId, version, auditPackageId };
    const returned = native(new NativeCall(this.#session, signature, at, typeArguments, values));
    assert(returned.length === signature.returns.length, `${signature.name} returns what it declares`);
    return signature.returns.map(
      (type, position) => new Slot(typeName(type, typeArguments), "result", returned[position]),
    );
  }

  #splitCoins({ coin, amounts }: Extract<Command, { $kind: "SplitCoins" }>["SplitCoins"]): Slot[] {
    const source = this.#coin(coin, 0, "mutable-reference");
    const values = amounts.map((amount, position) => {
      const value = this.#value(amount, position + 1, "u64", "value");
      assert(typeof value === "bigint", "u64 values are bigints");
      return value;
    });
    return values.map((amount) => {
      if (source.data.balance < amount) return fail("InsufficientCoinBalance");
      source.data.balance -= amount;
      return new Slot(source.type, "result", { id: this.#session.newId(), balance: amount });
    });
  }

  #mergeCoins({ destination, sources }: Extract<Command, { $kind: "MergeCoins" }>["MergeCoins"]): Slot[] {
    const target = this.#coin(destination, 0, "mutable-reference");
    for (const [position, source] of sources.entries()) {
      const merged = this.#coin(source, position + 1, "value");
      if (merged.type !== target.type) failArgument(position + 1, "TypeMismatch");
      if (target.data.balance + merged.data.balance > MAX_U64) fail("CoinBalanceOverflow");
      target.data.balance += merged.data.balance;
      this.#session.deleteId(merged.data.id);
    }
    return [];
  }

  #transfer({ objects, address }: Extract<Command, { $kind: "TransferObjects" }>["TransferObjects"]): Slot[] {
    const moved = objects.map((argument, position) => {
      const slot = this.#slot(argument, position);
      const { key, store } = this.#session.types.abilities(slot.type);
      if (!key || !store) return fail("InvalidTransferObject");
      return { type: slot.type, data: this.#take(slot, position, argument.$kind === "GasCoin") };
    });
    const recipient = this.#value(address, objects.length, "address", "value");
    assert(typeof recipient === "string", "addresses are texts");
    for (const { type, data } of moved) {
      // Layouts read addresses as ObjectIds.
      this.#session.place(type, data, { kind: "address", address: recipient as ObjectId });
    }
    return [];
  }

  #makeVector({ type, elements }: Extract<Command, { $kind: "MakeMoveVec" }>["MakeMoveVec"]): Slot[] {
    const first = elements[0];
    if (type === null && first === undefined) return fail("FeatureNotYetSupported");
    const element =
      type === null && first !== undefined ? this.#slot(first, 0).type : canonicalType(type ?? "u8");
    const values = elements.map((argument, position) => this.#value(argument, position, element, "value"));
    // A vector of bytes is held as bytes, like everywhere else.
    const data = element === "u8" ? Uint8Array.from(values as number[]) : values;
    return [new Slot(`vector<${element}>`, "result", data)];
  }

  #publish({ modules, dependencies }: Extract<Command, { $kind: "Publish" }>["Publish"]): Slot[] {
    const known = recognisePackage(modules.map((module) => fromBase64(module)));
    if (known === undefined || !this.#hasModels(known)) return fail("FeatureNotYetSupported");
    const linkage = dependencies.map((id): Linkage => {
      const found = this.#packages.find(id);
      if (found === undefined) return fail("PublishUpgradeMissingDependency");
      const { packageId, version } = found;
      const originalId = version > 0n ? this.#session.types.originalPackageId : packageId;
      return { originalId, packageId, version: version > 0n ? version : 1n };
    });
    const linked = new Set(linkage.map(({ originalId }) => originalId));
    const needed =
      known.kind === "gate" ? [STDLIB, FRAMEWORK, known.audit, known.walrus] : [STDLIB, FRAMEWORK];
    if (needed.some((id) => !linked.has(id))) return fail("PublishUpgradeMissingDependency");
    const packageId = this.#session.newId();
    const { digest, sender } = this.#session;
    this.#session.publish(packageObject(packageId, known.modules, linkage, digest));
    const cap = { id: this.#session.newId(), package: packageId, version: 1n, policy: 0 };
    // What `init` of module `audit` does; the gate has none.
    if (known.kind === "audit") {
      const adminCap = { id: this.#session.newId() };
      this.#session.place(auditType(packageId, "AdminCap"), adminCap, { kind: "address", address: sender });
    }
    return [new Slot(UPGRADE_CAP, "result", cap)];
  }

  /** A gate's calls are those of this Walrus and of an audit package; for others there is no model. */
  #hasModels(known: KnownPackage): boolean {
    if (known.kind === "audit") return true;
    const isAudit = this.#packages.find(known.audit)?.auditPackageId === known.audit;
    return isAudit && known.walrus === this.#session.types.originalPackageId;
  }

  #coin(argument: Argument, position: number, passing: Passing): CoinValue {
    const slot = this.#slot(argument, position);
    if (tokenOfCoin(slot.type) === undefined) failArgument(position, "TypeMismatch");
    const data = this.#use(slot, position, passing);
    // Its type is a coin's, whose layout this is.
    return { type: slot.type, data: data as ReturnType<typeof CoinLayout.parse> };
  }

  /** The value of an argument as a parameter of this type takes it. */
  #value(argument: Argument, position: number, type: string, passing: Passing, isMoveCall = false): unknown {
    const operand = this.#operand(argument, position);
    if (!(operand instanceof Slot)) {
      return passing === "mutable-reference"
        ? failArgument(position, "InvalidUsageOfPureArg")
        : this.#pure(operand.bytes, position, type);
    }
    if (operand.type !== type) return failArgument(position, "TypeMismatch");
    // A Move function that takes a shared object ends it: none of those here shares it anew.
    if (isMoveCall && passing === "value" && operand.access === "shared-mutable") {
      this.#claim(operand, position, passing);
      operand.moved = true;
      return operand.data;
    }
    return this.#use(operand, position, passing);
  }

  #pure(bytes: Uint8Array, position: number, type: string): unknown {
    const { types } = this.#session;
    const layout = types.layout(type);
    // Only values without identity may come as bytes: integers, addresses, texts and vectors of them.
    if (layout === undefined || types.abilities(type).key || !types.abilities(type).copy) {
      return failArgument(position, "InvalidUsageOfPureArg");
    }
    let value: unknown;
    try {
      value = layout.parse(bytes);
      if (!equalBytes(layout.serialize(value).toBytes(), bytes)) failArgument(position, "InvalidBCSBytes");
    } catch (error) {
      if (error instanceof ExecutionFailure) throw error;
      failArgument(position, "InvalidBCSBytes");
    }
    return value;
  }

  #use(slot: Slot, position: number, passing: Passing): unknown {
    if (passing === "value") return this.#take(slot, position, false);
    this.#claim(slot, position, passing);
    const isReadOnly = slot.access === "shared-read" || slot.access === "immutable";
    if (passing === "mutable-reference" && isReadOnly) failArgument(position, "InvalidObjectByMutRef");
    return slot.data;
  }

  #take(slot: Slot, position: number, mayBeGas: boolean): unknown {
    this.#claim(slot, position, "value");
    if (slot.access === "gas" && !mayBeGas) failArgument(position, "InvalidGasCoinUsage");
    if (slot.access !== "result" && slot.access !== "owned" && slot.access !== "gas") {
      failArgument(position, "InvalidObjectByValue");
    }
    if (!this.#session.types.abilities(slot.type).copy) slot.moved = true;
    return slot.data;
  }

  /** Refuses values that are gone, and conflicting uses within one command. */
  #claim(slot: Slot, position: number, passing: Passing): void {
    if (slot.moved) failArgument(position, "InvalidValueUsage");
    const earlier = this.#uses.get(slot);
    const mayShare = passing === "reference" && earlier === "reference";
    const isCopied = this.#session.types.abilities(slot.type).copy && passing === "value";
    if (earlier !== undefined && !mayShare && !isCopied) failArgument(position, "InvalidValueUsage");
    this.#uses.set(slot, passing);
  }

  #slot(argument: Argument, position: number): Slot {
    const operand = this.#operand(argument, position);
    return operand instanceof Slot ? operand : failArgument(position, "InvalidUsageOfPureArg");
  }

  #operand(argument: Argument, position: number): InputValue {
    switch (argument.$kind) {
      case "GasCoin":
        return this.#gas ?? failArgument(position, "InvalidGasCoinUsage");
      case "Input":
        return this.#inputs[argument.Input] ?? failArgument(position, "IndexOutOfBounds", argument.Input);
      case "Result": {
        const results = this.#resultsOf(argument.Result, position);
        const [only] = results;
        if (only === undefined || results.length !== 1) {
          return failArgument(position, "InvalidResultArity", argument.Result);
        }
        return only;
      }
      case "NestedResult": {
        const [command, index] = argument.NestedResult;
        const result = this.#resultsOf(command, position)[index];
        return result ?? failArgument(position, "SecondaryIndexOutOfBounds", command, index);
      }
    }
  }

  #resultsOf(command: number, position: number): Slot[] {
    return this.#results[command] ?? failArgument(position, "IndexOutOfBounds", command);
  }

  #checkNothingLeft(): void {
    for (const [result, slots] of this.#results.entries()) {
      for (const [subresult, slot] of slots.entries()) {
        if (slot.moved || this.#isDroppable(slot)) continue;
        throw new ExecutionFailure({ kind: "UnusedValueWithoutDrop", result, subresult });
      }
    }
  }

  #isDroppable(slot: Slot): boolean {
    // An empty vector of objects still cannot be dropped, as in Move.
    return this.#session.types.abilities(slot.type).drop;
  }
}

interface CoinValue {
  readonly type: string;
  readonly data: ReturnType<typeof CoinLayout.parse>;
}

/** Merges all gas coins into the first, which then pays; the others cease to exist. */
export function smashGas(session: Session, coins: readonly Slot[]): Slot | undefined {
  const [first, ...rest] = coins;
  if (first === undefined) return undefined;
  // Checked to be SUI coins before anything runs.
  const target = first.data as ReturnType<typeof CoinLayout.parse>;
  for (const coin of rest) {
    target.balance += (coin.data as ReturnType<typeof CoinLayout.parse>).balance;
    coin.moved = true;
    session.deleteId(idOf(coin.data));
  }
  return first;
}
