/** Objects, owners, events and times as protobuf messages. */
import { GrpcTypes } from "@mysten/sui/grpc";
import type { LedgerEvent } from "../../ledger/state.ts";
import { coinBalance, type Owner, objectBytes, PACKAGE_TYPE, type StoredObject } from "../../move/objects.ts";

export interface Timestamp {
  readonly seconds: bigint;
  readonly nanos: number;
}

export const timestamp = (ms: number): Timestamp => ({
  seconds: BigInt(Math.floor(ms / 1000)),
  nanos: (ms % 1000) * 1_000_000,
});

export function ownerMessage(owner: Owner): GrpcTypes.Owner {
  const kinds = GrpcTypes.Owner_OwnerKind;
  switch (owner.kind) {
    case "address":
      return { kind: kinds.ADDRESS, address: owner.address };
    case "object":
      return { kind: kinds.OBJECT, address: owner.parent };
    case "shared":
      return { kind: kinds.SHARED, version: owner.initialSharedVersion };
    case "immutable":
      return { kind: kinds.IMMUTABLE };
  }
}

export function objectMessage(object: StoredObject): GrpcTypes.Object {
  const balance = coinBalance(object);
  return {
    objectId: object.id,
    version: object.version,
    digest: object.digest,
    owner: ownerMessage(object.owner),
    objectType: object.type,
    hasPublicTransfer: object.hasPublicTransfer,
    // A package has no contents but its modules, which stand in its bytes.
    ...(object.type === PACKAGE_TYPE ? {} : { contents: { name: object.type, value: object.contents } }),
    bcs: { name: "Object", value: objectBytes(object) },
    previousTransaction: object.previousTransaction,
    storageRebate: object.storageRebate,
    ...(balance === undefined ? {} : { balance }),
  };
}

/** An event on its own, with its place in the ledger. */
export function eventMessage(event: LedgerEvent): GrpcTypes.Event {
  return {
    packageId: event.packageId,
    module: event.module,
    sender: event.sender,
    eventType: event.type,
    contents: { name: event.type, value: event.contents },
    checkpoint: event.checkpoint,
    transactionDigest: event.transactionDigest,
    transactionIndex: 0n,
    eventIndex: event.eventIndex,
  };
}
