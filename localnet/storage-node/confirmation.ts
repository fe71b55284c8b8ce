/**
 * What a node puts its name to.
 *
 * Confirmation, the rule in one line: registered now, and every shard of its own in the newest committee stored both
 * slivers, and (deletable) that very object is registered -> sign for the newest epoch. Nothing is read again or
 * re-hashed. The signature depends on (node, epoch, blob, persistence) only. A permanent confirmation is signed also
 * for a blob that is only registered as deletable: the contract refuses that mismatch.
 */

import { ProtocolError } from "../../shared/base/errors.ts";
import { CodecError } from "../../shared/codec/codec.ts";
import { blsSign } from "../../shared/crypto/bls.ts";
import { bftParameters } from "../../shared/protocol/bft.ts";
import type { Axis, BlobId } from "../../shared/protocol/ids.ts";
import {
  confirmationMessage,
  invalidBlobIdMessage,
  type Persistence,
  type SignedMessageJson,
  signedMessageToJson,
} from "../../shared/protocol/messages.ts";
import { parseInconsistencyProof } from "../../shared/protocol/recovery-symbol.ts";
import type { NodeContext } from "./node-context.ts";
import type { NodeRequest } from "./node-request.ts";
import { jsonReply, NodeRefusal, type NodeReply, PlainRefusal } from "./reply.ts";

/** Body cap of the official node's web framework. */
const MAX_PROOF_BODY_BYTES = 2 * 1024 * 1024;

export function getConfirmation(node: NodeContext, blobId: BlobId, persistence: Persistence): NodeReply {
  const { epoch } = node;
  if (!node.registry.isRegistered(blobId, epoch)) {
    throw new NodeRefusal("NOT_REGISTERED", `the blob is not registered in epoch ${epoch}, as far as known`);
  }
  if (!node.store.acceptedAllSlivers(blobId, node.ownShards())) {
    throw new NodeRefusal(
      "MISSING_SLIVERS",
      `not all slivers of ${node.ownShards().length} shards are stored`,
    );
  }
  if (
    persistence.kind === "deletable" &&
    !node.registry.isObjectRegistered(persistence.objectId, blobId, epoch)
  ) {
    throw new NodeRefusal("NOT_REGISTERED", `the object is not registered for this blob in epoch ${epoch}`);
  }
  return jsonReply({ signed: sign(node, confirmationMessage({ epoch, blobId, persistence })) });
}

/** Attests on proof that a blob's slivers contradict its metadata. */
export async function postInconsistencyProof(
  node: NodeContext,
  blobId: BlobId,
  axis: Axis,
  request: NodeRequest,
): Promise<NodeReply> {
  const body = await request.body(MAX_PROOF_BODY_BYTES);
  if (body === undefined) throw new PlainRefusal(413, "length limit exceeded");
  if (node.isBlocked(blobId)) throw new NodeRefusal("FORBIDDEN_PROOF", "this node does not serve the blob");
  const metadata = node.isRegistered(blobId) ? node.metadata(blobId) : undefined;
  if (metadata === undefined) {
    throw new NodeRefusal("METADATA_REQUIRED", "the metadata of a registered blob must be stored");
  }
  try {
    const { secondarySourceSymbols } = bftParameters(node.nShards);
    node.codec.verifyInconsistencyProof(
      metadata,
      parseInconsistencyProof(body, axis, secondarySourceSymbols),
    );
  } catch (cause) {
    if (cause instanceof ProtocolError) {
      throw new NodeRefusal("INVALID_CONTENT_TYPE", `the proof does not decode: ${cause.message}`, { cause });
    }
    if (!(cause instanceof CodecError)) throw cause;
    throw new NodeRefusal("INVALID_PROOF", cause.message, { cause });
  }
  return jsonReply(sign(node, invalidBlobIdMessage(node.epoch, blobId)));
}

function sign(node: NodeContext, message: Uint8Array): SignedMessageJson {
  return signedMessageToJson({ message, signature: blsSign(message, node.keys.secretKey) });
}
