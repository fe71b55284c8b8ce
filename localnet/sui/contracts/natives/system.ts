/**
 * Functions of `walrus::system`: buying storage, registering, certifying, extending and deleting blobs.
 *
 * Payments are rounded up to units of 1 MiB per resource. Slot k of the ring buffer is the epoch k after the current
 * one: it holds what nodes will be paid for that epoch and how much of the capacity is sold in it. Checks run in the
 * contract's order, each with its module and code.
 */

import { assert, ProtocolError } from "../../../../shared/base/errors.ts";
import { blake2b256 } from "../../../../shared/crypto/blake2b.ts";
import { BcsWriter } from "../../../../shared/protocol/bcs.ts";
import { bytesToU256, u256ToBytes } from "../../../../shared/protocol/ids.ts";
import { ENCODING_TYPE_RS2 } from "../../../../shared/protocol/metadata.ts";
import { encodedLength, STORAGE_UNIT_BYTES } from "../../../../shared/protocol/sizes.ts";
import { versionKey } from "../../../../shared/sui/client/type-names.ts";
import { EVENT_LAYOUTS } from "../../../../shared/sui/walrus/events.ts";
import {
  BlobLayout,
  CoinLayout,
  StorageLayout,
  SystemLayout,
  type SystemStateInnerLayout,
} from "../../../../shared/sui/walrus/layouts.ts";
import type { SystemFieldLayout } from "../../move/types.ts";
import type { NativeCall, NativeTable } from "../../vm/native-call.ts";
import { certifiedBlob, certifiedInvalidBlobId, verifyCertificate } from "./certificates.ts";
import { removeMetadata } from "./metadata.ts";
import { fusePeriods } from "./storage.ts";

export type SystemInner = ReturnType<typeof SystemStateInnerLayout.parse>;
export type Blob = ReturnType<typeof BlobLayout.parse>;
type Storage = ReturnType<typeof StorageLayout.parse>;
type Coin = { balance: bigint };

const INNER = "system_state_inner";
const UNIT_BYTES = BigInt(STORAGE_UNIT_BYTES);

/** State behind the System object at argument `index`; a package of another version than System's aborts. */
export function systemInner(call: NativeCall, index: number, mutably: boolean): SystemInner {
  const system = call.struct(index, SystemLayout);
  if (system.version !== call.packageVersion) call.abort("system", 1, mutably ? "inner_mut" : "inner");
  const field = call.session.field(system.id, "u64", versionKey(system.version));
  assert(field !== undefined, "System has its state field");
  // The field's type names SystemStateInnerV1, whose layout this is.
  return (field as ReturnType<typeof SystemFieldLayout.parse>).value;
}

const epochOf = (inner: SystemInner): number => inner.committee.epoch;
const units = (bytes: bigint): bigint => (bytes + UNIT_BYTES - 1n) / UNIT_BYTES;

function slot(inner: SystemInner, offset: number) {
  const ring = inner.future_accounting;
  const found = ring.ring_buffer[(ring.current_index + offset) % ring.length];
  assert(found !== undefined && offset < ring.length, `ring slot ${offset} of ${ring.length}`);
  return found;
}

/** Moves the price of `bytes` for every epoch of `from..to-1` (offsets) out of the coin. */
function payStorage(
  call: NativeCall,
  inner: SystemInner,
  bytes: bigint,
  from: number,
  to: number,
  coin: Coin,
): void {
  const perEpoch = call.u64(inner.storage_price_per_unit_size * units(bytes));
  for (let offset = from; offset < to; offset++) {
    slot(inner, offset).rewards_to_distribute += call.splitBalance(coin, perEpoch);
  }
}

function useCapacity(
  call: NativeCall,
  inner: SystemInner,
  bytes: bigint,
  offset: number,
  where: string,
): void {
  const accounting = slot(inner, offset);
  accounting.used_capacity = call.u64(accounting.used_capacity + bytes);
  if (offset === 0) inner.used_capacity_size = accounting.used_capacity;
  if (accounting.used_capacity > inner.total_capacity_size) call.abort(INNER, 1, where);
}

function reserve(
  call: NativeCall,
  inner: SystemInner,
  bytes: bigint,
  start: number,
  end: number,
  coin: Coin,
): Storage {
  const where = "reserve_space_for_epochs";
  const epoch = epochOf(inner);
  const startEpoch = Math.max(start, epoch);
  if (end <= startEpoch) call.abort(INNER, 2, where);
  const [from, to] = [startEpoch - epoch, end - epoch];
  if (to > inner.future_accounting.length) call.abort(INNER, 2, where);
  payStorage(call, inner, bytes, from, to, coin);
  if (bytes === 0n) call.abort(INNER, 11, "reserve_space_without_payment");
  for (let offset = from; offset < to; offset++) {
    useCapacity(call, inner, bytes, offset, "reserve_space_without_payment");
  }
  return { id: call.session.newId(), start_epoch: startEpoch, end_epoch: end, storage_size: bytes };
}

/** Encoded bytes of a blob; a length whose symbols do not fit a u16 is an arithmetic error, as in Move. */
function encodedBytes(call: NativeCall, nShards: number, size: bigint, encodingType: number): bigint {
  if (encodingType !== ENCODING_TYPE_RS2) call.abort("encoding", 0, "encoded_blob_length");
  try {
    return BigInt(encodedLength(nShards, Number(size)));
  } catch (error) {
    if (error instanceof ProtocolError) return call.arithmeticError();
    throw error;
  }
}

function deriveBlobId(rootHash: bigint, encodingType: number, size: bigint): bigint {
  const bytes = new BcsWriter(41).u8(encodingType).u64(size).fixed(u256ToBytes(rootHash)).finish();
  return bytesToU256(blake2b256(bytes));
}

function registerBlob(call: NativeCall): readonly unknown[] {
  const inner = systemInner(call, 0, true);
  const storage = call.struct(1, StorageLayout);
  const [blobId, rootHash, size] = [call.big(2), call.big(3), call.big(4)];
  const [encodingType, deletable] = [call.int(5), call.bool(6)];
  const coin = call.struct(7, CoinLayout);
  const id = call.session.newId();
  const epoch = epochOf(inner);
  if (epoch < storage.start_epoch || epoch >= storage.end_epoch) call.abort("blob", 2, "new");
  const encoded = encodedBytes(call, inner.committee.n_shards, size, encodingType);
  if (encoded > storage.storage_size) call.abort("blob", 3, "new");
  if (deriveBlobId(rootHash, encodingType, size) !== blobId) call.abort("blob", 6, "new");
  const event = {
    epoch,
    blob_id: blobId,
    size,
    encoding_type: encodingType,
    end_epoch: storage.end_epoch,
    deletable,
    object_id: id,
  };
  call.emit("BlobRegistered", EVENT_LAYOUTS.BlobRegistered.serialize(event).toBytes());
  const price = call.u64(inner.write_price_per_unit_size * units(encoded));
  slot(inner, 0).rewards_to_distribute += call.splitBalance(coin, price);
  const blob: Blob = {
    id,
    registered_epoch: epoch,
    blob_id: blobId,
    size,
    encoding_type: encodingType,
    certified_epoch: null,
    storage,
    deletable,
  };
  return [blob];
}

function certifyBlob(call: NativeCall): readonly unknown[] {
  const inner = systemInner(call, 0, false);
  const blob = call.struct(1, BlobLayout);
  const certificate = { signature: call.bytes(2), bitmap: call.bytes(3), message: call.bytes(4) };
  const message = verifyCertificate(call, inner.committee, certificate, "quorum");
  const certified = certifiedBlob(call, message);
  const where = "certify_with_certified_msg";
  if (blob.blob_id !== certified.blobId) call.abort("blob", 6, where);
  if (blob.certified_epoch !== null) call.abort("blob", 5, where);
  if (epochOf(inner) >= blob.storage.end_epoch) call.abort("blob", 2, where);
  if (blob.deletable !== (certified.objectId !== undefined)) call.abort("blob", 9, where);
  if (certified.objectId !== undefined && certified.objectId !== blob.id) call.abort("blob", 10, where);
  blob.certified_epoch = epochOf(inner);
  emitCertified(call, blob, false);
  return [];
}

/** `epoch` of the event is the epoch of the first certification, also for extensions. */
function emitCertified(call: NativeCall, blob: Blob, isExtension: boolean): void {
  const { certified_epoch: epoch, blob_id, storage, deletable, id: object_id } = blob;
  assert(epoch !== null, "a certified blob has its epoch");
  const event = {
    epoch,
    blob_id,
    end_epoch: storage.end_epoch,
    deletable,
    object_id,
    is_extension: isExtension,
  };
  call.emit("BlobCertified", EVENT_LAYOUTS.BlobCertified.serialize(event).toBytes());
}

function checkCertifiedAndValid(call: NativeCall, blob: Blob, epoch: number): void {
  if (blob.certified_epoch === null) call.abort("blob", 0, "assert_certified_not_expired");
  if (epoch >= blob.storage.end_epoch) call.abort("blob", 2, "assert_certified_not_expired");
}

function deleteBlob(call: NativeCall): readonly unknown[] {
  const inner = systemInner(call, 0, false);
  const blob = call.struct(1, BlobLayout);
  removeMetadata(call, blob.id);
  if (!blob.deletable) call.abort("blob", 1, "delete");
  if (blob.storage.end_epoch <= epochOf(inner)) call.abort("blob", 2, "delete");
  call.session.deleteId(blob.id);
  const event = {
    epoch: epochOf(inner),
    blob_id: blob.blob_id,
    end_epoch: blob.storage.end_epoch,
    object_id: blob.id,
    was_certified: blob.certified_epoch !== null,
  };
  call.emit("BlobDeleted", EVENT_LAYOUTS.BlobDeleted.serialize(event).toBytes());
  return [blob.storage];
}

/** Extends a blob's storage against payment; also used for shared blobs, which pay from their own funds. */
export function extendBlob(
  call: NativeCall,
  inner: SystemInner,
  blob: Blob,
  epochs: number,
  coin: Coin,
): void {
  checkCertifiedAndValid(call, blob, epochOf(inner));
  const from = blob.storage.end_epoch - epochOf(inner);
  const to = from + epochs;
  if (to > 0xffff_ffff) call.arithmeticError();
  if (epochs === 0 || to > inner.future_accounting.length) call.abort(INNER, 2, "extend_blob");
  payStorage(call, inner, blob.storage.storage_size, from, to, coin);
  for (let offset = from; offset < to; offset++) {
    useCapacity(call, inner, blob.storage.storage_size, offset, "extend_blob");
  }
  blob.storage.end_epoch += epochs;
  emitCertified(call, blob, true);
}

function extendBlobWithResource(call: NativeCall): readonly unknown[] {
  const inner = systemInner(call, 0, false);
  const [blob, extension] = [call.struct(1, BlobLayout), call.struct(2, StorageLayout)];
  checkCertifiedAndValid(call, blob, epochOf(inner));
  if (extension.end_epoch <= blob.storage.end_epoch) call.abort("blob", 2, "extend_with_resource");
  fusePeriods(call, blob.storage, extension);
  emitCertified(call, blob, true);
  return [];
}

function invalidateBlobId(call: NativeCall): readonly unknown[] {
  const inner = systemInner(call, 0, false);
  const certificate = { signature: call.bytes(1), bitmap: call.bytes(2), message: call.bytes(3) };
  const message = verifyCertificate(call, inner.committee, certificate, "one-correct-node");
  const blobId = certifiedInvalidBlobId(call, message);
  const event = { epoch: epochOf(inner), blob_id: blobId };
  call.emit("InvalidBlobID", EVENT_LAYOUTS.InvalidBlobID.serialize(event).toBytes());
  return [blobId];
}

const reader =
  (read: (inner: SystemInner) => unknown) =>
  (call: NativeCall): readonly unknown[] => [read(systemInner(call, 0, false))];

export const SYSTEM_NATIVES: NativeTable = {
  "system::reserve_space(&mut System, u64, u32, &mut Coin<WAL>, &mut TxContext): Storage": (call) => {
    const inner = systemInner(call, 0, true);
    const epochs = call.int(2);
    if (epochs === 0 || epochs > inner.future_accounting.length) call.abort(INNER, 2, "reserve_space");
    const start = epochOf(inner);
    return [reserve(call, inner, call.big(1), start, start + epochs, call.struct(3, CoinLayout))];
  },
  "system::reserve_space_for_epochs(&mut System, u64, u32, u32, &mut Coin<WAL>, &mut TxContext): Storage": (
    call,
  ) => {
    const inner = systemInner(call, 0, true);
    return [reserve(call, inner, call.big(1), call.int(2), call.int(3), call.struct(4, CoinLayout))];
  },
  "system::register_blob(&mut System, Storage, u256, u256, u64, u8, bool, &mut Coin<WAL>, &mut TxContext): Blob":
    registerBlob,
  "system::certify_blob(&System, &mut Blob, vector<u8>, vector<u8>, vector<u8>)": certifyBlob,
  "system::delete_blob(&System, Blob): Storage": deleteBlob,
  "system::extend_blob(&mut System, &mut Blob, u32, &mut Coin<WAL>)": (call) => {
    const inner = systemInner(call, 0, true);
    extendBlob(call, inner, call.struct(1, BlobLayout), call.int(2), call.struct(3, CoinLayout));
    return [];
  },
  "system::extend_blob_with_resource(&System, &mut Blob, Storage)": extendBlobWithResource,
  "system::invalidate_blob_id(&System, vector<u8>, vector<u8>, vector<u8>): u256": invalidateBlobId,
  "system::epoch(&System): u32": reader(epochOf),
  "system::n_shards(&System): u16": reader((inner) => inner.committee.n_shards),
  "system::total_capacity_size(&System): u64": reader((inner) => inner.total_capacity_size),
  "system::used_capacity_size(&System): u64": reader((inner) => inner.used_capacity_size),
  "system::version(&System): u64": (call) => [call.struct(0, SystemLayout).version],
};
