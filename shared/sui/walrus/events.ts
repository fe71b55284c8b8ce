/**
 * Events of the Walrus contracts (module `events`), in exact field order.
 *
 * `epoch` and all other epochs are u32, blob IDs u256 (32 bytes), object and node IDs 32 bytes. For example
 * BlobCertified has 74 bytes: epoch 4, blob_id 32, end_epoch 4, deletable 1, object_id 32, is_extension 1.
 *
 * An event's own `package_id` and `module` name the function called at the top of the transaction; only its
 * `event_type` names the struct.
 */

import { type BcsType, bcs } from "@mysten/sui/bcs";
import { type BlobId, blobIdFromU256 } from "../../protocol/ids.ts";
import { parseStructName } from "../client/type-names.ts";
import { objectId, parseLayout, u64, u256 } from "./layouts.ts";

const epoch = bcs.u32();
const shards = bcs.vector(bcs.u16());
const digest = bcs.byteVector();
const denyList = { epoch, root: u256, sequence_number: u64, node_id: objectId };

export const EVENT_LAYOUTS = {
  BlobRegistered: bcs.struct("BlobRegistered", {
    epoch,
    blob_id: u256,
    size: u64,
    encoding_type: bcs.u8(),
    end_epoch: bcs.u32(),
    deletable: bcs.bool(),
    object_id: objectId,
  }),
  BlobCertified: bcs.struct("BlobCertified", {
    epoch,
    blob_id: u256,
    end_epoch: bcs.u32(),
    deletable: bcs.bool(),
    object_id: objectId,
    is_extension: bcs.bool(),
  }),
  BlobDeleted: bcs.struct("BlobDeleted", {
    epoch,
    blob_id: u256,
    end_epoch: bcs.u32(),
    object_id: objectId,
    was_certified: bcs.bool(),
  }),
  InvalidBlobID: bcs.struct("InvalidBlobID", { epoch, blob_id: u256 }),
  EpochChangeStart: bcs.struct("EpochChangeStart", { epoch }),
  EpochChangeDone: bcs.struct("EpochChangeDone", { epoch }),
  ShardsReceived: bcs.struct("ShardsReceived", { epoch, shards }),
  EpochParametersSelected: bcs.struct("EpochParametersSelected", { next_epoch: bcs.u32() }),
  ShardRecoveryStart: bcs.struct("ShardRecoveryStart", { epoch, shards }),
  ContractUpgraded: bcs.struct("ContractUpgraded", { epoch, package_id: objectId, version: u64 }),
  RegisterDenyListUpdate: bcs.struct("RegisterDenyListUpdate", denyList),
  DenyListUpdate: bcs.struct("DenyListUpdate", denyList),
  DenyListBlobDeleted: bcs.struct("DenyListBlobDeleted", { epoch, blob_id: u256 }),
  ContractUpgradeProposed: bcs.struct("ContractUpgradeProposed", { epoch, package_digest: digest }),
  ContractUpgradeQuorumReached: bcs.struct("ContractUpgradeQuorumReached", { epoch, package_digest: digest }),
  ProtocolVersionUpdated: bcs.struct("ProtocolVersionUpdated", {
    epoch,
    start_epoch: bcs.u32(),
    protocol_version: u64,
  }),
  PricesUpdated: bcs.struct("PricesUpdated", { epoch, storage_price: u64, write_price: u64 }),
  StoragePoolCreated: bcs.struct("StoragePoolCreated", {
    epoch,
    storage_pool_id: objectId,
    capacity: u64,
    start_epoch: bcs.u32(),
    end_epoch: bcs.u32(),
  }),
  PooledBlobRegistered: bcs.struct("PooledBlobRegistered", {
    epoch,
    blob_id: u256,
    unencoded_size: u64,
    encoding_type: bcs.u8(),
    deletable: bcs.bool(),
    object_id: objectId,
    storage_pool_id: objectId,
  }),
  PooledBlobCertified: bcs.struct("PooledBlobCertified", {
    epoch,
    blob_id: u256,
    deletable: bcs.bool(),
    object_id: objectId,
    storage_pool_id: objectId,
  }),
  PooledBlobDeleted: bcs.struct("PooledBlobDeleted", {
    epoch,
    blob_id: u256,
    object_id: objectId,
    was_certified: bcs.bool(),
    storage_pool_id: objectId,
  }),
  StoragePoolExtended: bcs.struct("StoragePoolExtended", {
    epoch,
    storage_pool_id: objectId,
    new_end_epoch: bcs.u32(),
  }),
} as const;

export type WalrusEventName = keyof typeof EVENT_LAYOUTS;

type Parsed<Name extends WalrusEventName> = ReturnType<(typeof EVENT_LAYOUTS)[Name]["parse"]>;

/** The fields of an event by their Move names, with `blob_id` as a `BlobId`. */
type EventFields<Name extends WalrusEventName> = {
  readonly [Field in keyof Parsed<Name>]: Field extends "blob_id" ? BlobId : Parsed<Name>[Field];
};

/** One event, told apart by its struct's name in `kind`. */
export type WalrusEvent = {
  readonly [Name in WalrusEventName]: { readonly kind: Name } & EventFields<Name>;
}[WalrusEventName];

/** An event of a kind that a later release of the contracts brought: it has its place among the others, no more. */
export interface UnknownEvent {
  readonly kind: "Unknown";
  /** Of the struct; in an event blob, which does not say it, group and kind as `4/2`. */
  readonly name: string;
  /** Of a group whose events no blob depends on. */
  readonly isHarmless: boolean;
}

export type WalrusEventOf<Name extends WalrusEventName> = Extract<WalrusEvent, { kind: Name }>;

/**
 * Reads an event by the full name of its type.
 *
 * Whether the type's package is one of Walrus's is the caller's to check: an event's defining package is not always
 * the original one.
 *
 * @param typeName `<package>::events::<Name>`
 * @returns undefined for types that are no Walrus event
 * @throws SuiError `SUI_MALFORMED` for bytes that are not exactly one such event
 */
export function parseWalrusEvent(typeName: string, contents: Uint8Array): WalrusEvent | undefined {
  const { module, name } = parseStructName(typeName);
  if (module !== "events" || !Object.hasOwn(EVENT_LAYOUTS, name)) return undefined;
  const kind = name as WalrusEventName;
  // The layouts differ in their fields, which is what `kind` tells apart; reading treats them alike.
  const layout = EVENT_LAYOUTS[kind] as unknown as BcsType<Record<string, unknown>>;
  const fields = parseLayout(layout, contents);
  const blobId = fields["blob_id"];
  // The table pairs each name with its layout, so the fields read are those of `kind`.
  return {
    kind,
    ...fields,
    ...(typeof blobId === "bigint" ? { blob_id: blobIdFromU256(blobId) } : {}),
  } as unknown as WalrusEvent;
}
