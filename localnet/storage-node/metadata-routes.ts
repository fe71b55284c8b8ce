/** GET, PUT and status of metadata. The order of the checks is part of the API. */

import { concatBytes } from "../../shared/base/bytes.ts";
import { ProtocolError } from "../../shared/base/errors.ts";
import { CodecError } from "../../shared/codec/codec.ts";
import { OCTET_STREAM, UPLOAD_ANSWERS } from "../../shared/node/storage-node-api.ts";
import { type BlobId, blobIdToBytes } from "../../shared/protocol/ids.ts";
import {
  type BlobMetadata,
  parseBlobMetadata,
  type VerifiedMetadata,
} from "../../shared/protocol/metadata.ts";
import type { NodeContext } from "./node-context.ts";
import type { NodeRequest } from "./node-request.ts";
import { bytesReply, jsonReply, NodeRefusal, type NodeReply, uploadReply } from "./reply.ts";

/** Body cap of the official node's web framework. */
const MAX_METADATA_BODY_BYTES = 2 * 1024 * 1024;
/** Offset of the encoding type in serialised metadata, and the retired type that still decodes. */
const ENCODING_TYPE_AT = 1;
const ENCODING_TYPE_RETIRED = 0;

/** Registered is enough: certification is not asked for. */
export function getMetadata(node: NodeContext, blobId: BlobId): NodeReply {
  node.refuseBlocked(blobId);
  const bytes = node.isRegistered(blobId) ? node.store.metadata(blobId) : undefined;
  if (bytes === undefined)
    throw new NodeRefusal("METADATA_NOT_FOUND", "the blob's metadata is not stored here");
  return bytesReply(concatBytes(blobIdToBytes(blobId), bytes));
}

export function getMetadataStatus(node: NodeContext, blobId: BlobId): NodeReply {
  return jsonReply(node.store.hasMetadata(blobId) ? "stored" : "nonexistent");
}

export async function putMetadata(
  node: NodeContext,
  blobId: BlobId,
  pending: boolean,
  request: NodeRequest,
): Promise<NodeReply> {
  const type = request.header("content-type");
  if (type !== undefined && type.split(";")[0]?.trim().toLowerCase() !== OCTET_STREAM) {
    throw new NodeRefusal("INVALID_CONTENT_TYPE", `metadata is sent as ${OCTET_STREAM}`);
  }
  const body = await request.body(MAX_METADATA_BODY_BYTES);
  if (body === undefined) {
    throw new NodeRefusal("INVALID_CONTENT_TYPE", `metadata above ${MAX_METADATA_BODY_BYTES} bytes`);
  }
  const known = node.checks.knownMetadata(body, blobId, node.nShards);
  const decoded = known ?? decode(body);
  if (node.registry.isInvalid(blobId)) {
    throw new NodeRefusal("INVALID_BLOB", "the blob ID is marked invalid on chain");
  }
  // What is stored was verified: equal or not, the new bytes change nothing.
  if (node.store.hasMetadata(blobId)) return uploadReply(UPLOAD_ANSWERS.metadataExisted);
  if (decoded instanceof NodeRefusal) throw decoded;
  const metadata = known ?? verify(node, body, blobId);
  if (!node.isRegistered(blobId)) {
    if (pending) throw new NodeRefusal("CACHE_SATURATED", "this node buffers nothing before registration");
    throw new NodeRefusal(
      "NOT_REGISTERED",
      `the blob is not registered in epoch ${node.epoch}, as far as known`,
    );
  }
  node.store.putMetadata(blobId, body);
  node.remember(metadata);
  return uploadReply(pending ? UPLOAD_ANSWERS.metadataStoredPending : UPLOAD_ANSWERS.metadataStored);
}

/**
 * @returns the refusal itself where metadata decodes and its content is at fault: that is only said after the
 *   checks that do not look at the content
 * @throws NodeRefusal `INVALID_CONTENT_TYPE` when it does not decode
 */
function decode(body: Uint8Array): BlobMetadata | NodeRefusal {
  try {
    return parseBlobMetadata(body);
  } catch (cause) {
    if (!(cause instanceof ProtocolError)) throw cause;
    if (cause.code === "UNSUPPORTED_ENCODING_TYPE" && body[ENCODING_TYPE_AT] === ENCODING_TYPE_RETIRED) {
      return new NodeRefusal("UNSUPPORTED_ENCODING_TYPE", cause.message, { cause });
    }
    if (cause.code === "INVALID_METADATA" || cause.code === "UNSUPPORTED_SHARD_COUNT") {
      return new NodeRefusal("INVALID_METADATA", cause.message, { cause });
    }
    throw new NodeRefusal("INVALID_CONTENT_TYPE", `metadata does not decode: ${cause.message}`, { cause });
  }
}

function verify(node: NodeContext, body: Uint8Array, blobId: BlobId): VerifiedMetadata {
  try {
    return node.verifiedMetadata(body, blobId);
  } catch (cause) {
    if (!(cause instanceof CodecError) && !(cause instanceof ProtocolError)) throw cause;
    throw new NodeRefusal("INVALID_METADATA", cause.message, { cause });
  }
}
