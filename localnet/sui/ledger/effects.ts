/**
 * Effects of an executed transaction, and their bytes (`TransactionEffects` version 2).
 *
 *   digest of effects = blake2b-256("TransactionEffects::" || bytes)
 *   event             = package 32, module String, sender 32, type StructTag, contents vector<u8>
 *   digest of events  = blake2b-256("TransactionEvents::" || vector of event)
 */
import { bcs, TypeTagSerializer } from "@mysten/sui/bcs";
import { assert } from "../../../shared/base/errors.ts";
import type { ObjectId } from "../../../shared/protocol/ids.ts";
import type { ExecutionErrorData } from "../move/execution-error.ts";
import { type Owner, ownerToBcs, PACKAGE_TYPE } from "../move/objects.ts";
import type { EmittedEvent } from "./records.ts";

export interface GasUsed {
  /** All in MIST. The payer loses `computationCost + storageCost - storageRebate`. */
  readonly computationCost: bigint;
  readonly storageCost: bigint;
  readonly storageRebate: bigint;
  readonly nonRefundableStorageFee: bigint;
}

export interface ObjectVersion {
  readonly version: bigint;
  readonly digest: string;
  readonly owner: Owner;
}

export interface ObjectChange {
  readonly id: ObjectId;
  readonly type: string;
  /** Absent when the object did not exist before, or lay inside another. */
  readonly before?: ObjectVersion;
  /** Absent when the object no longer exists, or now lies inside another. */
  readonly after?: ObjectVersion;
  readonly idOperation: "None" | "Created" | "Deleted";
}

export type EffectsStatus =
  | { readonly success: true }
  | { readonly success: false; readonly error: ExecutionErrorData; readonly command: number | null };

export interface Effects {
  readonly status: EffectsStatus;
  /** Epoch of Sui, not of Walrus. */
  readonly epoch: bigint;
  readonly gasUsed: GasUsed;
  readonly transactionDigest: string;
  /** Absent when gas was paid from an address balance, and for system transactions. */
  readonly gasObject?: ObjectId;
  readonly eventsDigest: string | null;
  readonly dependencies: readonly string[];
  readonly lamportVersion: bigint;
  /** By ascending ID. */
  readonly changes: readonly ObjectChange[];
  /** Shared objects that were only read. */
  readonly readShared: readonly {
    readonly id: ObjectId;
    readonly type: string;
    readonly version: bigint;
    readonly digest: string;
  }[];
}

const EventLayout = bcs.struct("Event", {
  packageId: bcs.Address,
  module: bcs.string(),
  sender: bcs.Address,
  type: bcs.StructTag,
  contents: bcs.byteVector(),
});
const EventsLayout = bcs.vector(EventLayout);

export function eventsBytes(events: readonly EmittedEvent[]): Uint8Array | null {
  if (events.length === 0) return null;
  return EventsLayout.serialize(
    events.map((event) => {
      const tag = TypeTagSerializer.parseFromStr(event.type, true);
      assert("struct" in tag, `event types are structs: ${event.type}`);
      return { ...event, type: tag.struct };
    }),
  ).toBytes();
}

export function effectsBytes(effects: Effects): Uint8Array {
  const gasObjectIndex = effects.changes.findIndex((change) => change.id === effects.gasObject);
  return bcs.TransactionEffects.serialize({
    V2: {
      status: statusToBcs(effects.status),
      executedEpoch: effects.epoch,
      gasUsed: effects.gasUsed,
      transactionDigest: effects.transactionDigest,
      gasObjectIndex: gasObjectIndex < 0 ? null : gasObjectIndex,
      eventsDigest: effects.eventsDigest,
      dependencies: [...effects.dependencies],
      lamportVersion: effects.lamportVersion,
      changedObjects: effects.changes.map((change) => [
        change.id,
        {
          inputState:
            change.before === undefined
              ? { NotExist: true }
              : { Exist: [[change.before.version, change.before.digest], ownerToBcs(change.before.owner)] },
          outputState:
            change.after === undefined
              ? { NotExist: true }
              : change.type === PACKAGE_TYPE
                ? { PackageWrite: [change.after.version, change.after.digest] }
                : { ObjectWrite: [change.after.digest, ownerToBcs(change.after.owner)] },
          idOperation: idOperationToBcs(change.idOperation),
        },
      ]),
      unchangedConsensusObjects: effects.readShared.map((read) => [
        read.id,
        { ReadOnlyRoot: [read.version, read.digest] },
      ]),
      auxDataDigest: null,
    },
  }).toBytes();
}

function idOperationToBcs(operation: ObjectChange["idOperation"]) {
  switch (operation) {
    case "None":
      return { None: true } as const;
    case "Created":
      return { Created: true } as const;
    case "Deleted":
      return { Deleted: true } as const;
  }
}

type StatusInput = Extract<
  NonNullable<Parameters<typeof bcs.TransactionEffects.serialize>[0]>,
  { V2: unknown }
>["V2"]["status"];
type FailureInput = Extract<StatusInput, { Failure: unknown }>["Failure"]["error"];

function statusToBcs(status: EffectsStatus): StatusInput {
  if (status.success) return { Success: true };
  return { Failure: { error: failureToBcs(status.error), command: status.command } };
}

function failureToBcs(error: ExecutionErrorData): FailureInput {
  switch (error.kind) {
    case "MoveAbort":
      return { MoveAbort: [moveLocation(error), error.code] };
    case "MovePrimitiveRuntimeError":
      return { MovePrimitiveRuntimeError: moveLocation(error) };
    case "CommandArgumentError":
      return { CommandArgumentError: { argIdx: error.argument, kind: argumentErrorToBcs(error) } };
    case "TypeArgumentError":
      return { TypeArgumentError: { argumentIdx: error.argument, kind: { TypeNotFound: true } } };
    case "UnusedValueWithoutDrop":
      return { UnusedValueWithoutDrop: { resultIdx: error.result, secondaryIdx: error.subresult } };
    case "Congestion":
      return { ExecutionCancelledDueToSharedObjectCongestion: { congested_objects: [...error.objects] } };
    case "InsufficientGas":
      return { InsufficientGas: true };
    case "FeatureNotYetSupported":
      return { FeatureNotYetSupported: true };
    case "InsufficientCoinBalance":
      return { InsufficientCoinBalance: true };
    case "CoinBalanceOverflow":
      return { CoinBalanceOverflow: true };
    case "FunctionNotFound":
      return { FunctionNotFound: true };
    case "ArityMismatch":
      return { ArityMismatch: true };
    case "TypeArityMismatch":
      return { TypeArityMismatch: true };
    case "InvalidTransferObject":
      return { InvalidTransferObject: true };
    case "PublishUpgradeMissingDependency":
      return { PublishUpgradeMissingDependency: true };
  }
}

type ArgumentError = Extract<ExecutionErrorData, { kind: "CommandArgumentError" }>;
type ArgumentErrorInput = Extract<
  FailureInput,
  { CommandArgumentError: unknown }
>["CommandArgumentError"]["kind"];

function argumentErrorToBcs({ error, index = 0, subindex = 0 }: ArgumentError): ArgumentErrorInput {
  switch (error) {
    case "TypeMismatch":
      return { TypeMismatch: true };
    case "InvalidBCSBytes":
      return { InvalidBCSBytes: true };
    case "InvalidUsageOfPureArg":
      return { InvalidUsageOfPureArg: true };
    case "IndexOutOfBounds":
      return { IndexOutOfBounds: { idx: index } };
    case "SecondaryIndexOutOfBounds":
      return { SecondaryIndexOutOfBounds: { resultIdx: index, secondaryIdx: subindex } };
    case "InvalidResultArity":
      return { InvalidResultArity: { resultIdx: index } };
    case "InvalidGasCoinUsage":
      return { InvalidGasCoinUsage: true };
    case "InvalidValueUsage":
      return { InvalidValueUsage: true };
    case "InvalidObjectByValue":
      return { InvalidObjectByValue: true };
    case "InvalidObjectByMutRef":
      return { InvalidObjectByMutRef: true };
  }
}

/** Function and instruction offsets exist only in bytecode, of which there is none here. */
function moveLocation(at: { packageId: ObjectId; module: string; functionName: string }) {
  return {
    module: { address: at.packageId, name: at.module },
    function: 0,
    instruction: 0,
    functionName: at.functionName,
  };
}
