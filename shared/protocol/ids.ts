/**
 * Identifiers and indexes as types that cannot be mixed up.
 *
 * A blob ID is 32 bytes. Its text form is URL-safe base64 without padding: 43 characters = 258 bits, so 2 bits are
 * unused and must be zero; the three other spellings of the same bytes are rejected, else one blob would have four
 * cache keys and four trackers. On chain the same bytes are a little-endian u256.
 */
import { fromBase64Url, toBase64Url, toHex } from "../base/bytes.ts";
import { ProtocolError } from "../base/errors.ts";

declare const brand: unique symbol;
type Branded<Base, Name extends string> = Base & { readonly [brand]: Name };

/** Canonical text form of a blob ID (43 characters). */
export type BlobId = Branded<string, "BlobId">;
/** `0x` and 64 lower-case hex digits: Sui object IDs and addresses. */
export type ObjectId = Branded<string, "ObjectId">;

/** A slice of all blobs, 0 <= shard < nShards; storage nodes own shards. */
export type ShardIndex = Branded<number, "ShardIndex">;
/** Sliver pair i holds primary sliver i and secondary sliver n-1-i; node routes address slivers by it. */
export type SliverPairIndex = Branded<number, "SliverPairIndex">;
/** Index of a sliver on its own axis; stands in the sliver's bytes. */
export type SliverIndex = Branded<number, "SliverIndex">;

/** Which way a sliver cuts the matrix: primary = a row, secondary = a column. */
export type Axis = "primary" | "secondary";
export const AXES: readonly Axis[] = ["primary", "secondary"];
export const otherAxis = (axis: Axis): Axis => (axis === "primary" ? "secondary" : "primary");

export const BLOB_ID_BYTES = 32;
const BLOB_ID_CHARACTERS = 43;

/** @throws ProtocolError `INVALID_BLOB_ID` unless `text` is the one canonical spelling */
export function parseBlobId(text: string): BlobId {
  if (text.length !== BLOB_ID_CHARACTERS) {
    throw new ProtocolError("INVALID_BLOB_ID", `a blob ID has 43 characters, this has ${text.length}`, {
      details: { characters: text.length },
    });
  }
  try {
    const bytes = fromBase64Url(text);
    if (bytes.length === BLOB_ID_BYTES && toBase64Url(bytes) === text) return text as BlobId;
  } catch (cause) {
    throw new ProtocolError("INVALID_BLOB_ID", "a blob ID is URL-safe base64 without padding", { cause });
  }
  throw new ProtocolError("INVALID_BLOB_ID", "not the canonical spelling of a blob ID");
}

export function blobIdFromBytes(bytes: Uint8Array): BlobId {
  if (bytes.length !== BLOB_ID_BYTES) {
    throw new ProtocolError("INVALID_BLOB_ID", `a blob ID has 32 bytes, this has ${bytes.length}`);
  }
  return toBase64Url(bytes) as BlobId;
}

export const blobIdToBytes = (blobId: BlobId): Uint8Array => fromBase64Url(blobId);

/** The contract's form: the 32 bytes read as a little-endian integer. */
export const blobIdToU256 = (blobId: BlobId): bigint => bytesToU256(blobIdToBytes(blobId));
export const blobIdFromU256 = (value: bigint): BlobId => blobIdFromBytes(u256ToBytes(value));

/** 32 bytes as a little-endian integer (blob IDs and root hashes on chain). */
export function bytesToU256(bytes: Uint8Array): bigint {
  let value = 0n;
  for (let i = bytes.length - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[i] ?? 0);
  return value;
}

export function u256ToBytes(value: bigint): Uint8Array {
  if (value < 0n || value >> 256n !== 0n) {
    throw new ProtocolError("MALFORMED_BYTES", "not a u256");
  }
  const bytes = new Uint8Array(32);
  for (let i = 0, rest = value; i < 32; i++, rest >>= 8n) bytes[i] = Number(rest & 0xffn);
  return bytes;
}

/** Accepts `0x` with 1..64 hex digits, or exactly 64 digits without it; returns the full lower-case form. */
export function parseObjectId(text: string): ObjectId {
  const prefixed = text.startsWith("0x");
  const digits = prefixed ? text.slice(2) : text;
  const lengthFits = prefixed ? digits.length >= 1 && digits.length <= 64 : digits.length === 64;
  if (!lengthFits || !/^[0-9a-fA-F]+$/.test(digits)) {
    throw new ProtocolError("INVALID_OBJECT_ID", "an object ID is 0x and up to 64 hex digits", {
      details: { characters: text.length },
    });
  }
  return `0x${digits.toLowerCase().padStart(64, "0")}` as ObjectId;
}

export function objectIdFromBytes(bytes: Uint8Array): ObjectId {
  if (bytes.length !== 32) {
    throw new ProtocolError("INVALID_OBJECT_ID", `an object ID has 32 bytes, this has ${bytes.length}`);
  }
  return `0x${toHex(bytes)}` as ObjectId;
}

export function objectIdToBytes(id: ObjectId): Uint8Array {
  const bytes = new Uint8Array(32);
  for (let i = 0; i < 32; i++) bytes[i] = Number.parseInt(id.slice(2 + 2 * i, 4 + 2 * i), 16);
  return bytes;
}

export const shardIndex = (value: number, nShards: number): ShardIndex =>
  checkedIndex(value, nShards, "shard index") as ShardIndex;
export const sliverPairIndex = (value: number, nShards: number): SliverPairIndex =>
  checkedIndex(value, nShards, "sliver pair index") as SliverPairIndex;
export const sliverIndex = (value: number, nShards: number): SliverIndex =>
  checkedIndex(value, nShards, "sliver index") as SliverIndex;

function checkedIndex(value: number, nShards: number, what: string): number {
  if (!Number.isInteger(value) || value < 0 || value >= nShards) {
    throw new ProtocolError("INVALID_INDEX", `${what} ${value} is not in 0..${nShards - 1}`, {
      details: { value, nShards },
    });
  }
  return value;
}
