/** Executed transactions, their effects and checkpoints as protobuf messages. */
import { GrpcTypes } from "@mysten/sui/grpc";
import type { Effects, EffectsStatus, ObjectChange } from "../../ledger/effects.ts";
import type { BalanceDelta, Checkpoint, EmittedEvent, ExecutedTransaction } from "../../ledger/state.ts";
import { describeError, type ExecutionErrorData } from "../../move/execution-error.ts";
import { PACKAGE_TYPE } from "../../move/objects.ts";
import { parseAnyTransaction } from "../../vm/transaction-data.ts";
import { ownerMessage, timestamp } from "./proto-objects.ts";
import { transactionMessage } from "./proto-transaction.ts";

/** What an execution leaves to be told about, whether it was real or simulated. */
export type ToldTransaction = Pick<
  ExecutedTransaction,
  "bytes" | "signatures" | "effects" | "effectsBytes" | "effectsDigest" | "events" | "eventsBytes"
> & { readonly balanceChanges: readonly BalanceDelta[] };

export function executedMessage(told: ToldTransaction): GrpcTypes.ExecutedTransaction {
  const digest = told.effects.transactionDigest;
  const { eventsDigest } = told.effects;
  return {
    digest,
    transaction: transactionMessage(parseAnyTransaction(told.bytes), told.bytes, digest),
    signatures: told.signatures.map((value) => ({
      bcs: { name: "UserSignature", value },
      signature: { oneofKind: undefined },
    })),
    effects: effectsMessage(told.effects, told.effectsBytes, told.effectsDigest),
    ...(told.eventsBytes === null || eventsDigest === null
      ? {}
      : {
          events: {
            bcs: { name: "TransactionEvents", value: told.eventsBytes },
            digest: eventsDigest,
            events: told.events.map(bareEvent),
          },
        }),
    balanceChanges: told.balanceChanges.map(({ address, token, amount }) => ({
      address,
      coinType: token,
      amount: String(amount),
    })),
  };
}

/** A transaction with its place in the ledger. */
export function ledgerTransactionMessage(transaction: ExecutedTransaction): GrpcTypes.ExecutedTransaction {
  return {
    ...executedMessage(transaction),
    checkpoint: transaction.checkpoint,
    timestamp: timestamp(transaction.timestampMs),
    transactionIndex: 0n,
  };
}

/** Events inside their transaction carry no place of their own. */
function bareEvent(event: EmittedEvent): GrpcTypes.Event {
  return {
    packageId: event.packageId,
    module: event.module,
    sender: event.sender,
    eventType: event.type,
    contents: { name: event.type, value: event.contents },
  };
}

export function checkpointMessage(checkpoint: Checkpoint): GrpcTypes.Checkpoint {
  const { sequenceNumber, digest, epoch, transaction } = checkpoint;
  return {
    sequenceNumber,
    digest,
    summary: {
      digest,
      epoch,
      sequenceNumber,
      totalNetworkTransactions: checkpoint.totalTransactions,
      contentDigest: checkpoint.contentDigest,
      ...(checkpoint.previousDigest === null ? {} : { previousDigest: checkpoint.previousDigest }),
      timestamp: timestamp(checkpoint.timestampMs),
      commitments: [],
    },
    transactions: transaction === null ? [] : [ledgerTransactionMessage(transaction)],
  };
}

function effectsMessage(effects: Effects, bytes: Uint8Array, digest: string): GrpcTypes.TransactionEffects {
  const gas = effects.changes.find((change) => change.id === effects.gasObject);
  return {
    bcs: { name: "TransactionEffects", value: bytes },
    digest,
    version: 2,
    status: statusMessage(effects.status),
    epoch: effects.epoch,
    gasUsed: { ...effects.gasUsed },
    transactionDigest: effects.transactionDigest,
    ...(gas === undefined ? {} : { gasObject: changeMessage(gas) }),
    ...(effects.eventsDigest === null ? {} : { eventsDigest: effects.eventsDigest }),
    dependencies: [...effects.dependencies],
    lamportVersion: effects.lamportVersion,
    changedObjects: effects.changes.map(changeMessage),
    unchangedConsensusObjects: effects.readShared.map((read) => ({
      kind: GrpcTypes.UnchangedConsensusObject_UnchangedConsensusObjectKind.READ_ONLY_ROOT,
      objectId: read.id,
      version: read.version,
      digest: read.digest,
      objectType: read.type,
    })),
    unchangedLoadedRuntimeObjects: [],
  };
}

function changeMessage(change: ObjectChange): GrpcTypes.ChangedObject {
  const { ChangedObject_InputObjectState: input, ChangedObject_OutputObjectState: output } = GrpcTypes;
  const { before, after } = change;
  return {
    objectId: change.id,
    objectType: change.type,
    inputState: before === undefined ? input.DOES_NOT_EXIST : input.EXISTS,
    ...(before === undefined
      ? {}
      : {
          inputVersion: before.version,
          inputDigest: before.digest,
          inputOwner: ownerMessage(before.owner),
        }),
    outputState:
      after === undefined
        ? output.DOES_NOT_EXIST
        : change.type === PACKAGE_TYPE
          ? output.PACKAGE_WRITE
          : output.OBJECT_WRITE,
    ...(after === undefined
      ? {}
      : {
          outputVersion: after.version,
          outputDigest: after.digest,
          outputOwner: ownerMessage(after.owner),
        }),
    idOperation: ID_OPERATIONS[change.idOperation],
  };
}

const ID_OPERATIONS = {
  None: GrpcTypes.ChangedObject_IdOperation.NONE,
  Created: GrpcTypes.ChangedObject_IdOperation.CREATED,
  Deleted: GrpcTypes.ChangedObject_IdOperation.DELETED,
} as const;

function statusMessage(status: EffectsStatus): GrpcTypes.ExecutionStatus {
  if (status.success) return { success: true };
  return {
    success: false,
    error: {
      description: describeError(status.error),
      ...(status.command === null ? {} : { command: BigInt(status.command) }),
      kind: errorKind(status.error),
      errorDetails: errorDetails(status.error),
    },
  };
}

function errorKind({ kind }: ExecutionErrorData): GrpcTypes.ExecutionError_ExecutionErrorKind {
  const kinds = GrpcTypes.ExecutionError_ExecutionErrorKind;
  const byKind = {
    MoveAbort: kinds.MOVE_ABORT,
    MovePrimitiveRuntimeError: kinds.MOVE_PRIMITIVE_RUNTIME_ERROR,
    CommandArgumentError: kinds.COMMAND_ARGUMENT_ERROR,
    TypeArgumentError: kinds.TYPE_ARGUMENT_ERROR,
    UnusedValueWithoutDrop: kinds.UNUSED_VALUE_WITHOUT_DROP,
    Congestion: kinds.EXECUTION_CANCELED_DUE_TO_CONSENSUS_OBJECT_CONGESTION,
    InsufficientGas: kinds.INSUFFICIENT_GAS,
    FeatureNotYetSupported: kinds.FEATURE_NOT_YET_SUPPORTED,
    InsufficientCoinBalance: kinds.INSUFFICIENT_COIN_BALANCE,
    CoinBalanceOverflow: kinds.COIN_BALANCE_OVERFLOW,
    FunctionNotFound: kinds.FUNCTION_NOT_FOUND,
    ArityMismatch: kinds.ARITY_MISMATCH,
    TypeArityMismatch: kinds.TYPE_ARITY_MISMATCH,
    InvalidTransferObject: kinds.INVALID_TRANSFER_OBJECT,
    PublishUpgradeMissingDependency: kinds.PUBLISH_UPGRADE_MISSING_DEPENDENCY,
  } as const satisfies Record<ExecutionErrorData["kind"], number>;
  return byKind[kind];
}

function errorDetails(error: ExecutionErrorData): GrpcTypes.ExecutionError["errorDetails"] {
  switch (error.kind) {
    case "MoveAbort": {
      const { packageId, module, functionName, code } = error;
      const location = { package: packageId, module, function: 0, instruction: 0, functionName };
      return { oneofKind: "abort", abort: { abortCode: code, location } };
    }
    case "CommandArgumentError":
      return {
        oneofKind: "commandArgumentError",
        commandArgumentError: {
          argument: error.argument,
          kind: ARGUMENT_ERRORS[error.error],
          ...(error.index === undefined
            ? {}
            : {
                indexError: {
                  index: error.index,
                  ...(error.subindex === undefined ? {} : { subresult: error.subindex }),
                },
              }),
        },
      };
    case "TypeArgumentError":
      return {
        oneofKind: "typeArgumentError",
        typeArgumentError: {
          typeArgument: error.argument,
          kind: GrpcTypes.TypeArgumentError_TypeArgumentErrorKind.TYPE_NOT_FOUND,
        },
      };
    case "UnusedValueWithoutDrop":
      return {
        oneofKind: "indexError",
        indexError: { index: error.result, subresult: error.subresult },
      };
    case "Congestion":
      return { oneofKind: "congestedObjects", congestedObjects: { objects: [...error.objects] } };
    default:
      return { oneofKind: undefined };
  }
}

const argumentErrors = GrpcTypes.CommandArgumentError_CommandArgumentErrorKind;
const ARGUMENT_ERRORS = {
  TypeMismatch: argumentErrors.TYPE_MISMATCH,
  InvalidBCSBytes: argumentErrors.INVALID_BCS_BYTES,
  InvalidUsageOfPureArg: argumentErrors.INVALID_USAGE_OF_PURE_ARGUMENT,
  IndexOutOfBounds: argumentErrors.INDEX_OUT_OF_BOUNDS,
  SecondaryIndexOutOfBounds: argumentErrors.SECONDARY_INDEX_OUT_OF_BOUNDS,
  InvalidResultArity: argumentErrors.INVALID_RESULT_ARITY,
  InvalidGasCoinUsage: argumentErrors.INVALID_GAS_COIN_USAGE,
  InvalidValueUsage: argumentErrors.INVALID_VALUE_USAGE,
  InvalidObjectByValue: argumentErrors.INVALID_OBJECT_BY_VALUE,
  InvalidObjectByMutRef: argumentErrors.INVALID_OBJECT_BY_MUT_REF,
} as const;
