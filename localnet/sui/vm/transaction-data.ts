/**
 * TransactionData as parsed from its BCS bytes: strict (one spelling, nothing left over) and bounded.
 */
import { bcs } from "@mysten/sui/bcs";
import { equalBytes } from "../../../shared/base/bytes.ts";
import { assert } from "../../../shared/base/errors.ts";
import { invalidArgument } from "../base/grpc-error.ts";
import { typedDigest } from "../move/objects.ts";

export type CallArg = typeof bcs.CallArg.$inferType;
export type Command = typeof bcs.Command.$inferType;
export type Argument = typeof bcs.Argument.$inferType;
export type Expiration = typeof bcs.TransactionExpiration.$inferType;
export type ObjectRef = typeof bcs.SuiObjectRef.$inferType;
export type FundsWithdrawal = Extract<CallArg, { $kind: "FundsWithdrawal" }>["FundsWithdrawal"];

export interface TransactionData {
  readonly sender: string;
  readonly gas: {
    readonly payment: readonly ObjectRef[];
    readonly owner: string;
    readonly price: bigint;
    readonly budget: bigint;
  };
  readonly expiration: Expiration;
  readonly inputs: readonly CallArg[];
  readonly commands: readonly Command[];
}

/** Limits of Sui's protocol configuration. */
export const TRANSACTION_LIMITS = {
  bytes: 128 * 1024,
  inputs: 2048,
  commands: 1024,
  arguments: 512,
  pureBytes: 16 * 1024,
  gasPayment: 256,
  events: 1024,
} as const;

/** @throws GrpcError `INVALID_ARGUMENT` for bytes that are no transaction a user may send */
export function parseTransaction(bytes: Uint8Array): TransactionData {
  if (bytes.length > TRANSACTION_LIMITS.bytes) {
    throw invalidArgument(`transaction of ${bytes.length} bytes; at most ${TRANSACTION_LIMITS.bytes}`);
  }
  let parsed: typeof bcs.TransactionData.$inferType;
  let canonical: Uint8Array;
  try {
    parsed = bcs.TransactionData.parse(bytes);
    canonical = bcs.TransactionData.serialize(parsed).toBytes();
  } catch (cause) {
    throw invalidArgument("the transaction's bytes do not parse as TransactionData", cause);
  }
  if (!equalBytes(canonical, bytes)) throw invalidArgument("the transaction's bytes are not canonical");
  const { kind } = parsed.V1;
  if (kind.$kind !== "ProgrammableTransaction") {
    throw invalidArgument(`transactions of kind ${kind.$kind} are the system's own`);
  }
  const data = dataOf(parsed.V1, kind.ProgrammableTransaction);
  checkLimits(data);
  return data;
}

/** Reads the ledger's own bytes back, system transactions included. */
export function parseAnyTransaction(bytes: Uint8Array): { data: TransactionData; isSystem: boolean } {
  const { V1 } = bcs.TransactionData.parse(bytes);
  const { kind } = V1;
  if (kind.$kind === "ProgrammableTransaction") {
    return { data: dataOf(V1, kind.ProgrammableTransaction), isSystem: false };
  }
  assert(kind.$kind === "ProgrammableSystemTransaction", `the ledger holds no ${kind.$kind}`);
  return { data: dataOf(V1, kind.ProgrammableSystemTransaction), isSystem: true };
}

type ParsedData = (typeof bcs.TransactionData.$inferType)["V1"];

function dataOf(
  { sender, gasData, expiration }: ParsedData,
  { inputs, commands }: typeof bcs.ProgrammableTransaction.$inferType,
): TransactionData {
  return {
    sender,
    gas: {
      payment: gasData.payment,
      owner: gasData.owner,
      price: BigInt(gasData.price),
      budget: BigInt(gasData.budget),
    },
    expiration,
    inputs,
    commands,
  };
}

/** @throws GrpcError `INVALID_ARGUMENT` naming the limit */
export function checkLimits({ inputs, commands, gas }: TransactionData): void {
  const check = (what: string, count: number, limit: number): void => {
    if (count > limit) throw invalidArgument(`${count} ${what}; at most ${limit}`);
  };
  check("inputs", inputs.length, TRANSACTION_LIMITS.inputs);
  check("commands", commands.length, TRANSACTION_LIMITS.commands);
  check("gas coins", gas.payment.length, TRANSACTION_LIMITS.gasPayment);
  for (const command of commands) {
    check("arguments of a command", commandArguments(command).length, TRANSACTION_LIMITS.arguments);
  }
  for (const input of inputs) {
    if (input.$kind === "Pure")
      check("base64 characters of a pure input", input.Pure.bytes.length, PURE_CHARACTERS);
  }
}
const PURE_CHARACTERS = 4 * Math.ceil(TRANSACTION_LIMITS.pureBytes / 3);

/** Every argument of a command, in order. */
export function commandArguments(command: Command): readonly Argument[] {
  switch (command.$kind) {
    case "MoveCall":
      return command.MoveCall.arguments;
    case "TransferObjects":
      return [...command.TransferObjects.objects, command.TransferObjects.address];
    case "SplitCoins":
      return [command.SplitCoins.coin, ...command.SplitCoins.amounts];
    case "MergeCoins":
      return [command.MergeCoins.destination, ...command.MergeCoins.sources];
    case "MakeMoveVec":
      return command.MakeMoveVec.elements;
    case "Upgrade":
      return [command.Upgrade.ticket];
    case "Publish":
      return [];
  }
}

/** Whether a command uses the gas coin, which then has to be a coin object. */
export const usesGasCoin = (commands: readonly Command[]): boolean =>
  commands.some((command) => commandArguments(command).some((argument) => argument.$kind === "GasCoin"));

/** BCS bytes of a transaction; system transactions differ in their kind only. */
export function transactionBytes(data: TransactionData, isSystem = false): Uint8Array {
  const programmable = { inputs: [...data.inputs], commands: [...data.commands] };
  return bcs.TransactionData.serialize({
    V1: {
      kind: isSystem
        ? { ProgrammableSystemTransaction: programmable }
        : { ProgrammableTransaction: programmable },
      sender: data.sender,
      gasData: {
        payment: [...data.gas.payment],
        owner: data.gas.owner,
        price: data.gas.price,
        budget: data.gas.budget,
      },
      expiration: data.expiration,
    },
  }).toBytes();
}

export const transactionDigest = (bytes: Uint8Array): string => typedDigest("TransactionData", bytes);
