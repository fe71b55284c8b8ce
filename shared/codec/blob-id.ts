/**
 * Blob IDs from metadata.
 *
 * | offset | length | hashed into the blob ID    |
 * |--------|--------|----------------------------|
 * | 0      | 1      | encoding type, 01 = RS2    |
 * | 1      | 8      | unencoded length, u64 LE   |
 * | 9      | 32     | root hash                  |
 *
 * Root hash = Merkle root over n leaves, leaf i = primary hash and secondary hash of sliver pair i (64 bytes). The
 * contract recomputes the blob ID from the same three values when a blob is registered.
 */

import { assert } from "../base/errors.ts";
import { blake2b256 } from "../crypto/blake2b.ts";
import { BcsWriter } from "../protocol/bcs.ts";
import { type BlobId, blobIdFromBytes } from "../protocol/ids.ts";
import { type BlobMetadata, ENCODING_TYPE_RS2, HASH_BYTES } from "../protocol/metadata.ts";
import { merkleRoot } from "./merkle.ts";

/** Root hash of metadata, 32 bytes. Cost: 2n hashes. */
export function metadataRootHash(metadata: BlobMetadata): Uint8Array {
  const root = merkleRoot(metadata.hashes, 2 * HASH_BYTES);
  assert(root !== null, "metadata has no sliver hashes");
  return root;
}

export function computeBlobId(rootHash: Uint8Array, unencodedLength: number): BlobId {
  const preimage = new BcsWriter(41)
    .u8(ENCODING_TYPE_RS2)
    .u64(BigInt(unencodedLength))
    .fixed(rootHash)
    .finish();
  return blobIdFromBytes(blake2b256(preimage));
}
