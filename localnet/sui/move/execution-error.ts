/**
 * How a transaction fails: as data that effects carry, and as the exception that carries it out of the interpreter.
 *
 * A failed transaction is executed all the same: it has effects, costs gas and bumps versions. What is refused before
 * execution is a `GrpcError` instead and leaves no trace.
 */
import type { ObjectId } from "../../../shared/protocol/ids.ts";

/** Names as in Sui's `CommandArgumentError`. */
export type ArgumentErrorName =
  | "TypeMismatch"
  | "InvalidBCSBytes"
  | "InvalidUsageOfPureArg"
  | "IndexOutOfBounds"
  | "SecondaryIndexOutOfBounds"
  | "InvalidResultArity"
  | "InvalidGasCoinUsage"
  | "InvalidValueUsage"
  | "InvalidObjectByValue"
  | "InvalidObjectByMutRef";

/** Failures without further fields, names as in Sui's `ExecutionFailureStatus`. */
export type PlainErrorName =
  | "InsufficientGas"
  | "FeatureNotYetSupported"
  | "InsufficientCoinBalance"
  | "CoinBalanceOverflow"
  | "FunctionNotFound"
  | "ArityMismatch"
  | "TypeArityMismatch"
  | "InvalidTransferObject"
  | "PublishUpgradeMissingDependency";

export type ExecutionErrorData =
  | { readonly kind: PlainErrorName }
  | {
      readonly kind: "MoveAbort";
      readonly packageId: ObjectId;
      readonly module: string;
      readonly functionName: string;
      readonly code: bigint;
    }
  | {
      readonly kind: "MovePrimitiveRuntimeError";
      readonly packageId: ObjectId;
      readonly module: string;
      readonly functionName: string;
    }
  | {
      readonly kind: "CommandArgumentError";
      readonly argument: number;
      readonly error: ArgumentErrorName;
      /** For the errors about indices. */
      readonly index?: number;
      readonly subindex?: number;
    }
  | { readonly kind: "TypeArgumentError"; readonly argument: number }
  | { readonly kind: "UnusedValueWithoutDrop"; readonly result: number; readonly subresult: number }
  | { readonly kind: "Congestion"; readonly objects: readonly ObjectId[] };

export class ExecutionFailure extends Error {
  override readonly name = "ExecutionFailure";
  readonly data: ExecutionErrorData;

  constructor(data: ExecutionErrorData) {
    super(describeError(data));
    this.data = data;
  }
}

export const fail = (kind: PlainErrorName): never => {
  throw new ExecutionFailure({ kind });
};

export function failArgument(
  argument: number,
  error: ArgumentErrorName,
  index?: number,
  subindex?: number,
): never {
  throw new ExecutionFailure({
    kind: "CommandArgumentError",
    argument,
    error,
    ...(index === undefined ? {} : { index }),
    ...(subindex === undefined ? {} : { subindex }),
  });
}

/** One line for people; clients read the structured fields. */
export function describeError(data: ExecutionErrorData): string {
  switch (data.kind) {
    case "MoveAbort":
      return `Move abort ${data.code} in ${data.packageId}::${data.module}::${data.functionName}`;
    case "MovePrimitiveRuntimeError":
      return `Arithmetic error in ${data.packageId}::${data.module}::${data.functionName}`;
    case "CommandArgumentError":
      return `Invalid command argument at ${data.argument}: ${data.error}`;
    case "TypeArgumentError":
      return `Invalid type argument at ${data.argument}`;
    case "UnusedValueWithoutDrop":
      return `Unused result without the drop ability: result ${data.result}, value ${data.subresult}`;
    case "Congestion":
      return `Canceled: ${data.objects.length} congested consensus objects`;
    default:
      return data.kind;
  }
}
