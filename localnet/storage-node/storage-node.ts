/**
 * One storage node: an HTTP face over one store, fed by the chain's events.
 *
 *   NodeRequest -> parse path -> handler -> NodeReply
 *   chain   -> ChainFollower -> BlobRegistry -> store
 *
 * The node trusts nobody: metadata must hash to the blob ID, slivers must fit the metadata, and only blobs that the
 * chain says are registered are taken in. What it stored it keeps over a restart. It shares nothing with other nodes
 * but HTTP.
 */

import type { Clock } from "../../shared/base/clock.ts";
import type { Codec } from "../../shared/codec/codec.ts";
import {
  NODE_METHODS,
  type NodeRoute,
  parseHealthQuery,
  parseNodePath,
  parseUploadQuery,
} from "../../shared/node/storage-node-api.ts";
import type { BlobId } from "../../shared/protocol/ids.ts";
import { BlobRegistry } from "./blob-registry.ts";
import { ChainFollower } from "./chain-follower.ts";
import type { ChainSource } from "./chain-source.ts";
import { getConfirmation, postInconsistencyProof } from "./confirmation.ts";
import { getMetadata, getMetadataStatus, putMetadata } from "./metadata-routes.ts";
import { NodeContext, type NodeKeys } from "./node-context.ts";
import type { NodeRequest } from "./node-request.ts";
import { errorReply, type NodeReply, PlainRefusal, preflightReply, replyForError } from "./reply.ts";
import { getSliver, getSliverStatus, putSliver } from "./sliver-routes.ts";
import { getBlobStatus, getHealth } from "./status-routes.ts";
import type { NodeStore } from "./store.ts";
import { getDecodingSymbols, getRecoverySymbols } from "./symbol-routes.ts";

export interface StorageNodeOptions {
  readonly keys: NodeKeys;
  /** Open; the node does not close it. */
  readonly store: NodeStore;
  readonly chain: ChainSource;
  readonly codec: Codec;
  readonly clock: Clock;
  /** The operator's deny list: reads of these blobs are refused, everything else goes on. */
  readonly isBlocked?: (blobId: BlobId) => boolean;
  /** Called after a certification is durable here. */
  readonly onCertified?: (blobId: BlobId) => void;
  /** Told of failures of the node itself: broken disk, unreachable chain. */
  readonly onError?: (error: unknown) => void;
}

export class StorageNode {
  readonly context: NodeContext;
  readonly #options: StorageNodeOptions;
  #failures = 0;

  constructor(options: StorageNodeOptions) {
    this.#options = options;
    const registry = new BlobRegistry(options.store);
    const follower = new ChainFollower({
      source: options.chain,
      store: options.store,
      registry,
      clock: options.clock,
      ...(options.onCertified === undefined ? {} : { onCertified: options.onCertified }),
      ...(options.onError === undefined ? {} : { onError: options.onError }),
    });
    this.context = new NodeContext({
      keys: options.keys,
      store: options.store,
      registry,
      follower,
      codec: options.codec,
      clock: options.clock,
      isBlocked: options.isBlocked ?? (() => false),
    });
  }

  /** Learns the committee and starts to follow the chain; requests may come once it resolved. */
  start(): Promise<void> {
    return this.context.follower.start();
  }

  /** Stops following. Requests still running finish. */
  stop(): Promise<void> {
    return this.context.follower.stop();
  }

  /** Never rejects: what goes wrong inside is an answer too. */
  async answer(request: NodeRequest): Promise<NodeReply> {
    if (request.method === "OPTIONS") return preflightReply;
    try {
      const route = parseNodePath(request.pathname);
      if (route === undefined) throw new PlainRefusal(404, "");
      const methods = NODE_METHODS[route.name];
      if (!methods.includes(request.method))
        throw new PlainRefusal(405, "", { headers: { allow: methods.join(",") } });
      return await this.#dispatch(route, request);
    } catch (error) {
      const reply = replyForError(error);
      if (reply !== undefined) return reply;
      this.#options.onError?.(error);
      this.#failures++;
      return errorReply("INTERNAL_ERROR", "internal error", this.#failures.toString(16).padStart(32, "0"));
    }
  }

  #dispatch(route: NodeRoute, request: NodeRequest): NodeReply | Promise<NodeReply> {
    const node = this.context;
    const { query } = request;
    switch (route.name) {
      case "metadata":
        if (request.method !== "PUT") return getMetadata(node, route.blobId);
        return putMetadata(node, route.blobId, parseUploadQuery(query).pending, request);
      case "metadata-status":
        return getMetadataStatus(node, route.blobId);
      case "sliver":
        if (request.method !== "PUT") return getSliver(node, route.blobId, route.pair, route.axis);
        return putSliver(
          node,
          route.blobId,
          route.pair,
          route.axis,
          parseUploadQuery(query).pending,
          request,
        );
      case "sliver-status":
        return getSliverStatus(node, route.blobId, route.pair, route.axis);
      case "confirmation":
        return getConfirmation(node, route.blobId, route.persistence);
      case "recovery-symbols":
        return getRecoverySymbols(node, route.blobId, query);
      case "decoding-symbols":
        return getDecodingSymbols(node, route.blobId, query);
      case "inconsistency-proof":
        return postInconsistencyProof(node, route.blobId, route.axis, request);
      case "blob-status":
        return getBlobStatus(node, route.blobId);
      case "health":
        return getHealth(node, parseHealthQuery(query).detailed);
      default:
        return route satisfies never;
    }
  }
}
