/**
 * Blob metadata: the hashes of all sliver pairs.
 *
 * | offset      | length | field                                                    |
 * |-------------|--------|----------------------------------------------------------|
 * | 0           | 1      | 00, variant V1                                           |
 * | 1           | 1      | 01, encoding type RS2 (00 is the retired type: rejected)  |
 * | 2           | 8      | unencoded length, u64 LE                                 |
 * | 10          | uleb   | n, number of sliver pairs                                |
 * | ..          | 66 n   | per pair: 01 primaryHash[32] 01 secondaryHash[32]         |
 *
 * Nodes answer with the 32 bytes of the blob ID in front of it. The `secondaryHash` of pair i belongs to secondary
 * sliver n-1-i. An empty hash node (`00`) has no sliver that fits it and is rejected.
 */

import { ProtocolError } from "../base/errors.ts";
import { BcsReader, BcsWriter, ulebBytes } from "./bcs.ts";
import { bftParameters, MAX_SHARDS } from "./bft.ts";
import {
  type Axis,
  BLOB_ID_BYTES,
  type BlobId,
  blobIdFromBytes,
  blobIdToBytes,
  type SliverPairIndex,
} from "./ids.ts";
import { maxUnencodedLength } from "./sizes.ts";

export const ENCODING_TYPE_RS2 = 1;
export const HASH_BYTES = 32;
const METADATA_V1 = 0;
const NODE_DIGEST = 1;
const PAIR_HASH_BYTES = 2 * HASH_BYTES;

/** Well-formed metadata whose blob ID nobody has checked yet: must not reach a decoder. */
export interface BlobMetadata {
  readonly nShards: number;
  readonly unencodedLength: number;
  /** n x 64 bytes: primary hash, then secondary hash, by sliver pair. */
  readonly hashes: Uint8Array;
}

declare const verified: unique symbol;
/** Metadata whose hashes were recomputed into this blob ID; made only by `shared/codec`. */
export interface VerifiedMetadata extends BlobMetadata {
  readonly blobId: BlobId;
  readonly [verified]: true;
}

/** Hash of one sliver of a pair, as a view. */
export function sliverHash(metadata: BlobMetadata, pair: SliverPairIndex, axis: Axis): Uint8Array {
  const start = pair * PAIR_HASH_BYTES + (axis === "primary" ? 0 : HASH_BYTES);
  return metadata.hashes.subarray(start, start + HASH_BYTES);
}

/** Exact bytes of serialised metadata for n shards (66,012 at n = 1000). */
export const metadataBytes = (nShards: number): number => 10 + ulebBytes(nShards) + 66 * nShards;

export function serializeBlobMetadata(metadata: BlobMetadata): Uint8Array {
  const writer = new BcsWriter(metadataBytes(metadata.nShards));
  writer.u8(METADATA_V1).u8(ENCODING_TYPE_RS2).u64(BigInt(metadata.unencodedLength)).uleb(metadata.nShards);
  for (let at = 0; at < metadata.hashes.length; at += HASH_BYTES) {
    writer.u8(NODE_DIGEST).fixed(metadata.hashes.subarray(at, at + HASH_BYTES));
  }
  return writer.finish();
}

/**
 * @returns metadata owning its bytes
 * @throws ProtocolError `MALFORMED_BYTES`, `TRAILING_BYTES`, `NON_CANONICAL`, `UNSUPPORTED_ENCODING_TYPE`,
 *   `UNSUPPORTED_SHARD_COUNT`, or `INVALID_METADATA` when the unencoded length is above the maximum for n
 */
export function parseBlobMetadata(bytes: Uint8Array): BlobMetadata {
  return readMetadata(new BcsReader(bytes, "BlobMetadata"));
}

/** `blobId[32]` followed by metadata: the answer to GET metadata. The claimed ID is not checked here. */
export function parseBlobMetadataWithId(bytes: Uint8Array): {
  claimedBlobId: BlobId;
  metadata: BlobMetadata;
} {
  const reader = new BcsReader(bytes, "BlobMetadataWithId");
  const claimedBlobId = blobIdFromBytes(reader.fixed(BLOB_ID_BYTES));
  return { claimedBlobId, metadata: readMetadata(reader) };
}

export function serializeBlobMetadataWithId(blobId: BlobId, metadata: BlobMetadata): Uint8Array {
  const body = serializeBlobMetadata(metadata);
  const bytes = new Uint8Array(BLOB_ID_BYTES + body.length);
  bytes.set(blobIdToBytes(blobId));
  bytes.set(body, BLOB_ID_BYTES);
  return bytes;
}

function readMetadata(reader: BcsReader): BlobMetadata {
  if (reader.u8() !== METADATA_V1) reader.fail("unknown metadata variant");
  const encodingType = reader.u8();
  if (encodingType !== ENCODING_TYPE_RS2) {
    throw new ProtocolError(
      "UNSUPPORTED_ENCODING_TYPE",
      `encoding type ${encodingType}; only RS2 (1) is supported`,
    );
  }
  const unencodedLength = reader.u64Number();
  const nShards = reader.uleb();
  if (nShards > MAX_SHARDS || nShards * 66 > reader.remaining) {
    reader.fail(`${nShards} sliver pairs do not fit in ${reader.remaining} bytes`);
  }
  bftParameters(nShards);
  if (unencodedLength > maxUnencodedLength(nShards)) {
    throw new ProtocolError("INVALID_METADATA", `unencoded length ${unencodedLength} is above the maximum`, {
      details: { unencodedLength, limit: maxUnencodedLength(nShards), nShards },
    });
  }
  const hashes = new Uint8Array(nShards * PAIR_HASH_BYTES);
  for (let at = 0; at < hashes.length; at += HASH_BYTES) {
    if (reader.u8() !== NODE_DIGEST) reader.fail("a sliver hash is not a digest");
    hashes.set(reader.fixed(HASH_BYTES), at);
  }
  reader.end();
  return { nShards, unencodedLength, hashes };
}
