/**
 * Transactions between protobuf messages and TransactionData.
 *
 * Clients send a transaction to be simulated either as bytes, or as a message that may still be *unresolved*: object
 * inputs with only an ID, no gas. What is missing stays visibly missing in `UnresolvedTransaction`.
 */
import { GrpcTypes } from "@mysten/sui/grpc";
import { fromBase64, toBase64 } from "../../../../shared/base/bytes.ts";
import { type ObjectId, parseObjectId } from "../../../../shared/protocol/ids.ts";
import { invalidArgument } from "../../base/grpc-error.ts";
import { canonicalType } from "../../move/types.ts";
import type {
  Argument,
  CallArg,
  Command,
  Expiration,
  FundsWithdrawal,
  ObjectRef,
  TransactionData,
} from "../../vm/transaction-data.ts";
import { timestamp } from "./proto-objects.ts";

/** An object input of which the client may know nothing but the ID. */
export interface UnresolvedObject {
  readonly kind: "object";
  readonly objectId: ObjectId;
  readonly version: bigint | undefined;
  readonly digest: string | undefined;
  readonly mutable: boolean | undefined;
}
export type UnresolvedInput = { readonly kind: "resolved"; readonly input: CallArg } | UnresolvedObject;

export interface UnresolvedTransaction {
  readonly sender: ObjectId;
  readonly gasOwner: ObjectId;
  readonly payment: readonly ObjectRef[];
  readonly price: bigint | undefined;
  readonly budget: bigint | undefined;
  readonly expiration: Expiration | undefined;
  readonly inputs: readonly UnresolvedInput[];
  readonly commands: readonly Command[];
}

/** @throws GrpcError `INVALID_ARGUMENT` naming the field that is missing or wrong */
export function parseUnresolved(message: GrpcTypes.Transaction): UnresolvedTransaction {
  const data = message.kind?.data;
  if (data?.oneofKind !== "programmableTransaction") {
    throw invalidArgument("only programmable transactions can be simulated");
  }
  const { inputs, commands } = data.programmableTransaction;
  const sender = address(message.sender, "sender");
  const gas = message.gasPayment;
  return {
    sender,
    gasOwner: gas?.owner === undefined ? sender : address(gas.owner, "gas_payment.owner"),
    payment: (gas?.objects ?? []).map((reference) => ({
      objectId: address(reference.objectId, "gas_payment.objects.object_id"),
      version: String(required(reference.version, "gas_payment.objects.version")),
      digest: required(reference.digest, "gas_payment.objects.digest"),
    })),
    price: gas?.price,
    budget: gas?.budget,
    expiration: message.expiration === undefined ? undefined : parseExpiration(message.expiration),
    inputs: inputs.map(parseInput),
    commands: commands.map(parseCommand),
  };
}

function required<T>(value: T | undefined, field: string): T {
  if (value === undefined) throw invalidArgument(`${field} is missing`);
  return value;
}

function address(text: string | undefined, field: string): ObjectId {
  try {
    return parseObjectId(required(text, field));
  } catch (cause) {
    throw invalidArgument(`${field} is no address`, cause);
  }
}

function parseInput(input: GrpcTypes.Input, index: number): UnresolvedInput {
  const kinds = GrpcTypes.Input_InputKind;
  if (input.kind === kinds.PURE || (input.kind === undefined && input.pure !== undefined)) {
    const bytes = toBase64(required(input.pure, `inputs[${index}].pure`));
    return { kind: "resolved", input: { $kind: "Pure", Pure: { bytes } } };
  }
  if (input.kind === kinds.FUNDS_WITHDRAWAL) {
    return { kind: "resolved", input: parseWithdrawal(input, index) };
  }
  if (input.kind === kinds.RECEIVING || input.literal !== undefined) {
    throw invalidArgument(`inputs[${index}]: receiving objects and literals are not supported`);
  }
  return {
    kind: "object",
    objectId: address(input.objectId, `inputs[${index}].object_id`),
    version: input.version,
    digest: input.digest,
    mutable: input.mutable,
  };
}

function parseWithdrawal(input: GrpcTypes.Input, index: number): CallArg {
  const field = `inputs[${index}].funds_withdrawal`;
  const { amount, coinType, source } = required(input.fundsWithdrawal, field);
  const sources = GrpcTypes.FundsWithdrawal_Source;
  if (source === sources.SENDER_ALLOWANCE) throw invalidArgument(`${field}: allowances are not supported`);
  let token: string;
  try {
    token = canonicalType(required(coinType, `${field}.coin_type`));
  } catch (cause) {
    throw invalidArgument(`${field}.coin_type is no type`, cause);
  }
  const withdrawFrom: FundsWithdrawal["withdrawFrom"] =
    source === sources.SPONSOR ? { $kind: "Sponsor", Sponsor: true } : { $kind: "Sender", Sender: true };
  const MaxAmountU64 = String(required(amount, `${field}.amount`));
  return {
    $kind: "FundsWithdrawal",
    FundsWithdrawal: {
      reservation: { $kind: "MaxAmountU64", MaxAmountU64 },
      typeArg: { $kind: "Balance", Balance: token },
      withdrawFrom,
    },
  };
}

function parseArgument(argument: GrpcTypes.Argument | undefined): Argument {
  const kinds = GrpcTypes.Argument_ArgumentKind;
  switch (argument?.kind) {
    case kinds.GAS:
      return { $kind: "GasCoin", GasCoin: true };
    case kinds.INPUT:
      return { $kind: "Input", Input: u16(argument.input, "argument.input") };
    case kinds.RESULT: {
      const result = u16(argument.result, "argument.result");
      if (argument.subresult === undefined) return { $kind: "Result", Result: result };
      const NestedResult: [number, number] = [result, u16(argument.subresult, "argument.subresult")];
      return { $kind: "NestedResult", NestedResult };
    }
    default:
      throw invalidArgument("an argument without a kind");
  }
}

function u16(value: number | undefined, field: string): number {
  const number = required(value, field);
  if (number > 0xffff) throw invalidArgument(`${field} ${number} is above 65535`);
  return number;
}

function parseCommand({ command }: GrpcTypes.Command, index: number): Command {
  const at = `commands[${index}]`;
  switch (command.oneofKind) {
    case "moveCall": {
      const { moveCall: call } = command;
      return {
        $kind: "MoveCall",
        MoveCall: {
          package: address(call.package, `${at}.package`),
          module: required(call.module, `${at}.module`),
          function: required(call.function, `${at}.function`),
          typeArguments: call.typeArguments.map((text) => type(text, `${at}.type_arguments`)),
          arguments: call.arguments.map(parseArgument),
        },
      };
    }
    case "transferObjects": {
      const { objects, address: recipient } = command.transferObjects;
      const TransferObjects = { objects: objects.map(parseArgument), address: parseArgument(recipient) };
      return { $kind: "TransferObjects", TransferObjects };
    }
    case "splitCoins": {
      const { coin, amounts } = command.splitCoins;
      const SplitCoins = { coin: parseArgument(coin), amounts: amounts.map(parseArgument) };
      return { $kind: "SplitCoins", SplitCoins };
    }
    case "mergeCoins": {
      const { coin, coinsToMerge } = command.mergeCoins;
      const MergeCoins = { destination: parseArgument(coin), sources: coinsToMerge.map(parseArgument) };
      return { $kind: "MergeCoins", MergeCoins };
    }
    case "makeMoveVector": {
      const { elementType, elements } = command.makeMoveVector;
      return {
        $kind: "MakeMoveVec",
        MakeMoveVec: {
          type: elementType === undefined ? null : type(elementType, `${at}.element_type`),
          elements: elements.map(parseArgument),
        },
      };
    }
    case "publish": {
      const { modules, dependencies } = command.publish;
      return {
        $kind: "Publish",
        Publish: {
          modules: modules.map(toBase64),
          dependencies: dependencies.map((id) => address(id, `${at}.dependencies`)),
        },
      };
    }
    default:
      throw invalidArgument(`${at}: ${command.oneofKind ?? "nothing"} is not supported`);
  }
}

function type(text: string, field: string): string {
  try {
    return canonicalType(text);
  } catch (cause) {
    throw invalidArgument(`${field} is no type`, cause);
  }
}

function parseExpiration(expiration: GrpcTypes.TransactionExpiration): Expiration {
  const kinds = GrpcTypes.TransactionExpiration_TransactionExpirationKind;
  switch (expiration.kind) {
    case kinds.NONE:
      return { $kind: "None", None: true };
    case kinds.EPOCH:
      return { $kind: "Epoch", Epoch: Number(required(expiration.epoch, "expiration.epoch")) };
    case kinds.VALID_DURING:
      return {
        $kind: "ValidDuring",
        ValidDuring: {
          minEpoch: expiration.minEpoch === undefined ? null : String(expiration.minEpoch),
          maxEpoch: expiration.epoch === undefined ? null : String(expiration.epoch),
          minTimestamp: milliseconds(expiration.minTimestamp),
          maxTimestamp: milliseconds(expiration.maxTimestamp),
          chain: required(expiration.chain, "expiration.chain"),
          nonce: required(expiration.nonce, "expiration.nonce"),
        },
      };
    default:
      throw invalidArgument(`expiration of kind ${expiration.kind ?? "none"} is not supported`);
  }
}

const milliseconds = (at: { seconds: bigint; nanos: number } | undefined): string | null =>
  at === undefined ? null : String(at.seconds * 1000n + BigInt(Math.floor(at.nanos / 1_000_000)));

/** A resolved transaction as a message. */
export function transactionMessage(
  { data, isSystem }: { data: TransactionData; isSystem: boolean },
  bytes: Uint8Array,
  digest: string,
): GrpcTypes.Transaction {
  const kinds = GrpcTypes.TransactionKind_Kind;
  return {
    bcs: { name: "TransactionData", value: bytes },
    digest,
    version: 1,
    sender: data.sender,
    kind: {
      kind: isSystem ? kinds.PROGRAMMABLE_SYSTEM_TRANSACTION : kinds.PROGRAMMABLE_TRANSACTION,
      data: {
        oneofKind: "programmableTransaction",
        programmableTransaction: {
          inputs: data.inputs.map(inputMessage),
          commands: data.commands.map(commandMessage),
        },
      },
    },
    gasPayment: {
      objects: data.gas.payment.map(referenceMessage),
      owner: data.gas.owner,
      price: data.gas.price,
      budget: data.gas.budget,
    },
    expiration: expirationMessage(data.expiration),
  };
}

const referenceMessage = ({ objectId, version, digest }: ObjectRef) => ({
  objectId,
  version: BigInt(version),
  digest,
});

function inputMessage(input: CallArg): GrpcTypes.Input {
  const kinds = GrpcTypes.Input_InputKind;
  if (input.$kind === "Pure") return { kind: kinds.PURE, pure: fromBase64(input.Pure.bytes) };
  if (input.$kind === "FundsWithdrawal") {
    const { reservation, typeArg, withdrawFrom } = input.FundsWithdrawal;
    const sources = GrpcTypes.FundsWithdrawal_Source;
    const source = withdrawFrom.$kind === "Sponsor" ? sources.SPONSOR : sources.SENDER;
    const amount = BigInt(reservation.MaxAmountU64);
    return {
      kind: kinds.FUNDS_WITHDRAWAL,
      fundsWithdrawal: { amount, coinType: typeArg.Balance, source },
    };
  }
  switch (input.Object.$kind) {
    case "ImmOrOwnedObject":
      return { kind: kinds.IMMUTABLE_OR_OWNED, ...referenceMessage(input.Object.ImmOrOwnedObject) };
    case "Receiving":
      return { kind: kinds.RECEIVING, ...referenceMessage(input.Object.Receiving) };
    case "SharedObject": {
      const { objectId, initialSharedVersion, mutable } = input.Object.SharedObject;
      return { kind: kinds.SHARED, objectId, version: BigInt(initialSharedVersion), mutable };
    }
  }
}

function argumentMessage(argument: Argument): GrpcTypes.Argument {
  const kinds = GrpcTypes.Argument_ArgumentKind;
  switch (argument.$kind) {
    case "GasCoin":
      return { kind: kinds.GAS };
    case "Input":
      return { kind: kinds.INPUT, input: argument.Input };
    case "Result":
      return { kind: kinds.RESULT, result: argument.Result };
    case "NestedResult": {
      const [result, subresult] = argument.NestedResult;
      return { kind: kinds.RESULT, result, subresult };
    }
  }
}

function commandMessage(command: Command): GrpcTypes.Command {
  switch (command.$kind) {
    case "MoveCall": {
      const call = command.MoveCall;
      const moveCall = {
        package: call.package,
        module: call.module,
        function: call.function,
        typeArguments: [...call.typeArguments],
        arguments: call.arguments.map(argumentMessage),
      };
      return { command: { oneofKind: "moveCall", moveCall } };
    }
    case "TransferObjects": {
      const { objects, address: recipient } = command.TransferObjects;
      const transferObjects = {
        objects: objects.map(argumentMessage),
        address: argumentMessage(recipient),
      };
      return { command: { oneofKind: "transferObjects", transferObjects } };
    }
    case "SplitCoins": {
      const { coin, amounts } = command.SplitCoins;
      const splitCoins = { coin: argumentMessage(coin), amounts: amounts.map(argumentMessage) };
      return { command: { oneofKind: "splitCoins", splitCoins } };
    }
    case "MergeCoins": {
      const { destination, sources } = command.MergeCoins;
      const mergeCoins = {
        coin: argumentMessage(destination),
        coinsToMerge: sources.map(argumentMessage),
      };
      return { command: { oneofKind: "mergeCoins", mergeCoins } };
    }
    case "MakeMoveVec": {
      const { type: elementType, elements } = command.MakeMoveVec;
      const makeMoveVector = {
        ...(elementType === null ? {} : { elementType }),
        elements: elements.map(argumentMessage),
      };
      return { command: { oneofKind: "makeMoveVector", makeMoveVector } };
    }
    case "Publish": {
      const { modules, dependencies } = command.Publish;
      const publish = { modules: modules.map(fromBase64), dependencies: [...dependencies] };
      return { command: { oneofKind: "publish", publish } };
    }
    case "Upgrade":
      // This fails when executed; the message only says that it was there.
      return { command: { oneofKind: undefined } };
  }
}

function expirationMessage(expiration: Expiration): GrpcTypes.TransactionExpiration {
  const kinds = GrpcTypes.TransactionExpiration_TransactionExpirationKind;
  switch (expiration.$kind) {
    case "None":
      return { kind: kinds.NONE };
    case "Epoch":
      return { kind: kinds.EPOCH, epoch: BigInt(expiration.Epoch) };
    case "ValidDuring":
    case "Validity": {
      const range = expiration.$kind === "ValidDuring" ? expiration.ValidDuring : expiration.Validity;
      const { minEpoch, maxEpoch, minTimestamp, maxTimestamp, chain, nonce } = range;
      return {
        kind: expiration.$kind === "ValidDuring" ? kinds.VALID_DURING : kinds.VALIDITY,
        ...(minEpoch === null ? {} : { minEpoch: BigInt(minEpoch) }),
        ...(maxEpoch === null ? {} : { epoch: BigInt(maxEpoch) }),
        ...(minTimestamp === null ? {} : { minTimestamp: timestamp(Number(minTimestamp)) }),
        ...(maxTimestamp === null ? {} : { maxTimestamp: timestamp(Number(maxTimestamp)) }),
        chain,
        nonce,
      };
    }
  }
}
