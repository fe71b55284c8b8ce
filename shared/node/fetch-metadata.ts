/** Metadata of a blob from one node that nobody trusts: the blob ID is a hash over it, so that any node will do. */
import type { Codec } from "../codec/codec.ts";
import type { BlobId } from "../protocol/ids.ts";
import { parseBlobMetadataWithId, type VerifiedMetadata } from "../protocol/metadata.ts";
import type { CallOptions, NodeClient } from "./storage-node-client.ts";

type MetadataCodec = Pick<Codec, "verifyMetadata">;

/**
 * Asks one node, and verifies what it sends by the blob ID.
 *
 * @throws StorageNodeError when the node gave no metadata (`NOT_FOUND` and `NOT_REGISTERED`: it does not have it);
 *   CodecError `BLOB_ID_MISMATCH` when it gave another blob's; ProtocolError `INVALID_METADATA` when it gave metadata for
 *   another number of shards
 * Cost: 66 n bytes and 2 n hashes, a few milliseconds at n = 1000.
 */
export async function fetchVerifiedMetadata(
  codec: MetadataCodec,
  client: Pick<NodeClient, "getMetadata">,
  blobId: BlobId,
  nShards: number,
  call: CallOptions,
): Promise<VerifiedMetadata> {
  return codec.verifyMetadata(await client.getMetadata(blobId, nShards, call), blobId, nShards);
}

/**
 * Out of the body of a node's answer to GET metadata.
 *
 * @throws ProtocolError when it is not metadata of `nShards` shards; CodecError `BLOB_ID_MISMATCH`
 */
export const parseVerifiedMetadata = (
  codec: MetadataCodec,
  body: Uint8Array,
  blobId: BlobId,
  nShards: number,
): VerifiedMetadata => codec.verifyMetadata(parseBlobMetadataWithId(body).metadata, blobId, nShards);
