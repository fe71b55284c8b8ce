/** GET, PUT and status of slivers. The order of the checks is part of the API. */

import { ProtocolError } from "../../shared/base/errors.ts";
import { CodecError } from "../../shared/codec/codec.ts";
import { UPLOAD_ANSWERS } from "../../shared/node/storage-node-api.ts";
import { bftParameters } from "../../shared/protocol/bft.ts";
import type { Axis, BlobId } from "../../shared/protocol/ids.ts";
import { pairOfSliver } from "../../shared/protocol/mapping.ts";
import { MAX_SYMBOL_BYTES } from "../../shared/protocol/sizes.ts";
import { parseSliver, type Sliver } from "../../shared/protocol/sliver.ts";
import type { NodeContext } from "./node-context.ts";
import type { NodeRequest } from "./node-request.ts";
import { bytesReply, jsonReply, NodeRefusal, type NodeReply, PlainRefusal, uploadReply } from "./reply.ts";

/** Room for the BCS frame around a sliver's data, as official nodes allow it. */
const FRAME_BYTES = 128;

export function getSliver(node: NodeContext, blobId: BlobId, pairNumber: number, axis: Axis): NodeReply {
  const pair = node.pair(pairNumber);
  node.refuseBlocked(blobId);
  if (!node.isRegistered(blobId)) {
    throw new NodeRefusal("SLIVER_NOT_FOUND", `the blob is not registered in epoch ${node.epoch}`);
  }
  const shard = node.shard(blobId, pair, "read");
  const bytes = node.store.sliver({ blobId, shard, axis });
  if (bytes === undefined) throw new NodeRefusal("SLIVER_NOT_FOUND", `the ${axis} sliver is not stored here`);
  return bytesReply(bytes);
}

export function getSliverStatus(
  node: NodeContext,
  blobId: BlobId,
  pairNumber: number,
  axis: Axis,
): NodeReply {
  const shard = node.shard(blobId, node.pair(pairNumber), "read");
  return jsonReply(node.store.hasSliver({ blobId, shard, axis }) ? "stored" : "nonexistent");
}

export async function putSliver(
  node: NodeContext,
  blobId: BlobId,
  pairNumber: number,
  axis: Axis,
  pending: boolean,
  request: NodeRequest,
): Promise<NodeReply> {
  const maxDataBytes = bftParameters(node.nShards).secondarySourceSymbols * MAX_SYMBOL_BYTES;
  const body = await request.body(maxDataBytes + FRAME_BYTES);
  if (body === undefined) throw new PlainRefusal(413, "length limit exceeded");
  const pair = node.pair(pairNumber);
  const sliver = decode(body, maxDataBytes);
  if (sliver.index >= node.nShards || pairOfSliver(sliver.index, axis, node.nShards) !== pair) {
    throw new NodeRefusal(
      "SLIVER_INDEX_MISMATCH",
      `${axis} sliver ${sliver.index} does not belong to pair ${pair}`,
    );
  }
  const metadata = node.metadata(blobId);
  if (metadata === undefined) {
    if (!pending && !node.isRegistered(blobId)) {
      throw new NodeRefusal("NOT_REGISTERED", `the blob is not registered in epoch ${node.epoch}`);
    }
    throw new NodeRefusal("METADATA_REQUIRED", "the blob's metadata must be stored before its slivers");
  }
  const shard = node.shard(blobId, pair, "write");
  if (node.store.hasSliver({ blobId, shard, axis })) return uploadReply(UPLOAD_ANSWERS.sliverExisted);
  const verified = await node.checks.verifySliver(metadata, { axis, pair, sliver });
  if (verified instanceof CodecError) throw new NodeRefusal("INVALID_SLIVER", verified.message);
  // Meanwhile the blob may have been invalidated or expired, and the shard moved.
  if (!node.store.hasMetadata(blobId)) {
    throw new NodeRefusal("METADATA_REQUIRED", "the blob's metadata must be stored before its slivers");
  }
  node.store.putSliver({ blobId, shard: node.shard(blobId, pair, "write"), axis }, body);
  return uploadReply(pending ? UPLOAD_ANSWERS.sliverBuffered : UPLOAD_ANSWERS.sliverStored);
}

function decode(body: Uint8Array, maxDataBytes: number): Sliver {
  try {
    return parseSliver(body, maxDataBytes);
  } catch (cause) {
    if (!(cause instanceof ProtocolError)) throw cause;
    throw new NodeRefusal("INVALID_CONTENT_TYPE", `the sliver does not decode: ${cause.message}`, { cause });
  }
}
