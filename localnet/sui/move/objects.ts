/**
 * Stored Move objects: owners, Sui's bytes of an object, and its digest.
 *
 *   object  = data (00, type, has public transfer u8, version u64, contents) | owner | previous transaction | rebate u64
 *   digest  = blake2b-256("Object::" || object), base58
 */
import { bcs, TypeTagSerializer } from "@mysten/sui/bcs";
import { deriveDynamicFieldID, toBase58 } from "@mysten/sui/utils";
import { assert } from "../../../shared/base/errors.ts";
import { blake2b256 } from "../../../shared/crypto/blake2b.ts";
import type { ObjectId } from "../../../shared/protocol/ids.ts";
import { SUI_TYPE, tokenOfCoin } from "./types.ts";

export type Owner =
  | { readonly kind: "address"; readonly address: ObjectId }
  /** A dynamic field of this object. */
  | { readonly kind: "object"; readonly parent: ObjectId }
  | { readonly kind: "shared"; readonly initialSharedVersion: bigint }
  | { readonly kind: "immutable" };

/** Packages are objects, too, though of no Move type; their contents are a MovePackage. */
export const PACKAGE_TYPE = "package";

/** One version of an object. Never changed in place: a write replaces the whole record. */
export interface StoredObject {
  readonly id: ObjectId;
  readonly version: bigint;
  /** Canonical name. */
  readonly type: string;
  readonly hasPublicTransfer: boolean;
  readonly contents: Uint8Array;
  readonly owner: Owner;
  readonly previousTransaction: string;
  /** MIST that come back when the object goes. */
  readonly storageRebate: bigint;
  readonly digest: string;
}

export type UnsealedObject = Omit<StoredObject, "digest" | "storageRebate">;

/** MIST per byte of a stored object: 100 units of storage at 76 MIST each. */
const STORAGE_MIST_PER_BYTE = 7600n;

const encoder = new TextEncoder();

/** Sui's digest of typed data: base58 of blake2b-256(`<tag>::` || bytes). */
export const typedDigest = (tag: string, bytes: Uint8Array): string =>
  toBase58(blake2b256(encoder.encode(`${tag}::`), bytes));

/** Adds what follows from the object's bytes: the storage it pays for and its digest. */
export function sealObject(object: UnsealedObject): StoredObject {
  const storageRebate = BigInt(objectBytes({ ...object, storageRebate: 0n }).length) * STORAGE_MIST_PER_BYTE;
  const digest = typedDigest("Object", objectBytes({ ...object, storageRebate }));
  return { ...object, storageRebate, digest };
}

/** Sui's bytes of an object; its digest is taken over them. */
export function objectBytes(object: Omit<StoredObject, "digest">): Uint8Array {
  return bcs.Object.serialize({
    data:
      object.type === PACKAGE_TYPE
        ? { Package: bcs.MovePackage.parse(object.contents) }
        : {
            Move: {
              type: moveObjectType(object.type),
              hasPublicTransfer: object.hasPublicTransfer,
              version: object.version,
              contents: object.contents,
            },
          },
    owner: ownerToBcs(object.owner),
    previousTransaction: object.previousTransaction,
    storageRebate: object.storageRebate,
  }).toBytes();
}

function moveObjectType(type: string): typeof bcs.MoveObjectType.$inferInput {
  const token = tokenOfCoin(type);
  if (token === SUI_TYPE) return { GasCoin: true };
  if (token !== undefined) return { Coin: token };
  const tag = TypeTagSerializer.parseFromStr(type, true);
  assert("struct" in tag, `objects are structs: ${type}`);
  return { Other: tag.struct };
}

export function ownerToBcs(owner: Owner): typeof bcs.Owner.$inferInput {
  switch (owner.kind) {
    case "address":
      return { AddressOwner: owner.address };
    case "object":
      return { ObjectOwner: owner.parent };
    case "shared":
      return { Shared: { initialSharedVersion: owner.initialSharedVersion } };
    case "immutable":
      return { Immutable: true };
  }
}

/** ID of the object that holds a dynamic field. */
export const dynamicFieldId = (parent: ObjectId, keyType: string, key: Uint8Array): ObjectId =>
  // The SDK returns `0x` and 64 lower-case digits, which is what an ObjectId is.
  deriveDynamicFieldID(parent, keyType, key) as ObjectId;

/** The u64 balance of a coin's contents (`id` 32 bytes, `balance` u64 LE), or undefined for other types. */
export function coinBalance(object: StoredObject): bigint | undefined {
  if (tokenOfCoin(object.type) === undefined) return undefined;
  return new DataView(object.contents.buffer, object.contents.byteOffset).getBigUint64(32, true);
}
