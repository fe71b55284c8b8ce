/**
 * One call of a Move function that the stand-in implements natively.
 *
 * The interpreter has checked every argument against the function's signature before the native runs, which is why
 * the accessors below may trust the kind of value they find; they assert it all the same.
 */
import { assert } from "../../../shared/base/errors.ts";
import type { ObjectId } from "../../../shared/protocol/ids.ts";
import { ExecutionFailure } from "../move/execution-error.ts";
import type { MoveSignature } from "../move/signature.ts";
import { FRAMEWORK } from "../move/types.ts";
import type { Session } from "./session.ts";

/** Returns the values of the signature's return types, in order. */
export type Native = (call: NativeCall) => readonly unknown[];

/** Natives by the text of their signature. */
export type NativeTable = Readonly<Record<string, Native>>;

const MAX_U64 = (1n << 64n) - 1n;

interface Readable<T> {
  parse(bytes: Uint8Array): T;
}

export class NativeCall {
  readonly session: Session;
  readonly signature: MoveSignature;
  /** The package the transaction named, and the contract version published there. */
  readonly packageId: ObjectId;
  readonly packageVersion: bigint;
  readonly typeArguments: readonly string[];
  readonly #auditPackageId: ObjectId | undefined;
  readonly #arguments: readonly unknown[];

  constructor(
    session: Session,
    signature: MoveSignature,
    at: { packageId: ObjectId; version: bigint; auditPackageId?: ObjectId | undefined },
    typeArguments: readonly string[],
    values: readonly unknown[],
  ) {
    this.session = session;
    this.signature = signature;
    this.packageId = at.packageId;
    this.packageVersion = at.version;
    this.#auditPackageId = at.auditPackageId;
    this.typeArguments = typeArguments;
    this.#arguments = values;
  }

  /** The audit package that is called, or that the gate called is of. */
  get auditPackageId(): ObjectId {
    assert(this.#auditPackageId !== undefined, "only functions of the audit packages ask");
    return this.#auditPackageId;
  }

  /** An integer of 64 bits or more. */
  big(index: number): bigint {
    const value = this.#arguments[index];
    assert(typeof value === "bigint", `argument ${index} is a bigint`);
    return value;
  }

  /** An integer of at most 32 bits. */
  int(index: number): number {
    const value = this.#arguments[index];
    assert(typeof value === "number", `argument ${index} is a number`);
    return value;
  }

  bool(index: number): boolean {
    const value = this.#arguments[index];
    assert(typeof value === "boolean", `argument ${index} is a boolean`);
    return value;
  }

  text(index: number): string {
    const value = this.#arguments[index];
    assert(typeof value === "string", `argument ${index} is a text`);
    return value;
  }

  /** Addresses and IDs. */
  id(index: number): ObjectId {
    // Their layout reads them as ObjectIds.
    return this.text(index) as ObjectId;
  }

  bytes(index: number): Uint8Array {
    const value = this.#arguments[index];
    assert(value instanceof Uint8Array, `argument ${index} is bytes`);
    return value;
  }

  /** `Option<vector<u8>>`. */
  optionalBytes(index: number): Uint8Array | null {
    return this.#arguments[index] === null ? null : this.bytes(index);
  }

  /** A struct's value; changing it in place changes what a mutable reference points to. */
  struct<T>(index: number, _layout: Readable<T>): T {
    const value = this.#arguments[index];
    assert(typeof value === "object" && value !== null, `argument ${index} is a struct`);
    // The signature names the Move type, and each Move type has exactly one layout.
    return value as T;
  }

  typeArgument(index: number): string {
    const argument = this.typeArguments[index];
    assert(argument !== undefined, `type argument ${index}`);
    return argument;
  }

  /** Aborts in a module of Walrus, named like the chain does by the original package. */
  abort(module: string, code: number, functionName: string): never {
    const packageId = this.session.types.originalPackageId;
    throw new ExecutionFailure({ kind: "MoveAbort", packageId, module, functionName, code: BigInt(code) });
  }

  /** Aborts in a module of the Sui framework. */
  abortFramework(module: string, code: number, functionName: string): never {
    const data = {
      kind: "MoveAbort",
      packageId: FRAMEWORK,
      module,
      functionName,
      code: BigInt(code),
    } as const;
    throw new ExecutionFailure(data);
  }

  /** Overflow, underflow or a cast out of range. */
  arithmeticError(): never {
    throw new ExecutionFailure({
      kind: "MovePrimitiveRuntimeError",
      packageId: this.packageId,
      module: this.signature.module,
      functionName: this.signature.name,
    });
  }

  /** The value if it fits a u64, as Move's checked arithmetic has it. */
  u64(value: bigint): bigint {
    if (value < 0n || value > MAX_U64) this.arithmeticError();
    return value;
  }

  /** Takes `amount` out of a balance or coin. */
  splitBalance(from: { balance: bigint }, amount: bigint): bigint {
    if (from.balance < amount) this.abortFramework("balance", 2, "split");
    from.balance -= amount;
    return amount;
  }

  /** An event of the module that is being called, as the chain attributes it. */
  emit(name: string, contents: Uint8Array): void {
    const { session, packageId, signature } = this;
    const type = `${session.types.originalPackageId}::events::${name}`;
    session.emit({ packageId, module: signature.module, sender: session.sender, type, contents });
  }
}
