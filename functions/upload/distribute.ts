/**
 * Sends one blob's slivers to the storage nodes and asks each node for its confirmation. Keeps no state of its own
 * beyond this call: progress goes to `events`.
 *
 * Every node is one upload: metadata, then its slivers side by side as fast as it takes them, then its confirmation. All
 * nodes share the carrier, whose queue is first come, first served: a node that answers soon asks for its slivers soon,
 * so the fast ones make the quorum. A node that has never answered has one request under way, with a short deadline, and
 * no slivers generated for it: many silent nodes cannot hold places or memory for long.
 *
 * Peak memory on top of the encoder: the generated slivers that `distributionPlan` allows.
 */

import { discardBytes } from "../../shared/base/bytes.ts";
import { backoffMs } from "../../shared/base/deadline.ts";
import type { EncodedPair } from "../../shared/codec/codec.ts";
import type { Carrier } from "../../shared/node/carrier.ts";
import { NODE_LIMITS } from "../../shared/node/limits.ts";
import type { CallOptions } from "../../shared/node/storage-node-client.ts";
import { StorageNodeError } from "../../shared/node/storage-node-errors.ts";
import {
  AXES,
  type Axis,
  type BlobId,
  type ShardIndex,
  type SliverPairIndex,
} from "../../shared/protocol/ids.ts";
import { pairOfShard } from "../../shared/protocol/mapping.ts";
import type { Persistence, SignedMessage } from "../../shared/protocol/messages.ts";
import { blobLayout } from "../../shared/protocol/sizes.ts";
import type { ReachableNode } from "../nodes/reachable-nodes.ts";
import type { AdmittedEncoder } from "./admitted-encoder.ts";
import { UPLOAD_LIMITS } from "./limits.ts";
import { NodePace } from "./node-pace.ts";
import { SliverStock } from "./sliver-stock.ts";
import type { StoredSlivers } from "./stored-slivers.ts";
import { type DistributionPlan, distributionPlan } from "./upload-memory.ts";

export interface DistributionEvents {
  stored(node: ReachableNode, shard: ShardIndex, axis: Axis): void;
  confirmed(node: ReachableNode, signed: SignedMessage): void;
  /** A failed request, mere lag behind the chain left out; the node may still be tried again. */
  fault(node: ReachableNode, error: StorageNodeError): void;
}

export interface DistributionOptions {
  readonly blobId: BlobId;
  /** What the nodes are asked to confirm; null: nothing, they only get their slivers. */
  readonly persistence: Persistence | null;
  /** What nodes have already, kept up to date: it is not sent again unless a node says that it lacks it. */
  readonly stored: StoredSlivers;
  /** Kept open until `distribute` settles. */
  readonly encoder: AdmittedEncoder;
  /** Serialised, without the blob ID. */
  readonly metadata: Uint8Array;
  readonly nodes: readonly ReachableNode[];
  readonly carrier: Carrier;
  readonly events: DistributionEvents;
  /** Ends the work; nodes not finished by then count as failed. */
  readonly signal: AbortSignal;
}

/** How one node's upload ended. */
export interface NodeOutcome {
  readonly node: ReachableNode;
  /** Why it did not confirm; undefined when it did. */
  readonly error: StorageNodeError | undefined;
}

/**
 * Uploads to all nodes.
 *
 * @returns one promise per node, in order; each settles when its node has confirmed or finally failed, and rejects only
 *   for failures of our own (a codec error, a bug)
 */
export function distribute(options: DistributionOptions): Promise<NodeOutcome>[] {
  const { blobId, encoder, carrier, stored, nodes, signal } = options;
  const { nShards, unencodedLength } = encoder;
  const missing = nodes.flatMap(({ member }) => stored.missing(member.nodeId, member.shards));
  carrier.expect(2 * missing.length + 2 * nodes.length);
  // Whatever lanes were opened since the memory was admitted: their copies come out of it.
  const plan = distributionPlan(blobLayout(nShards, unencodedLength), encoder.sliverBytes, carrier.copies);
  const stock = new SliverStock({
    encoder,
    clock: carrier.clock,
    pairBytes: plan.pairBytes,
    maxBytes: plan.heldBytes,
    wanted: missing.map((shard) => pairOfShard(shard, blobId, nShards)),
    signal,
  });
  return nodes.map((node) => new NodeUpload(options, node, stock, plan).run());
}

/** Between two questions whether a node has caught up with the chain. */
const LAG_POLL_MS = 250;
const ROUND_BASE_MS = 200;
const ROUND_MAX_MS = 2_000;

class NodeUpload {
  readonly #options: DistributionOptions;
  readonly #node: ReachableNode;
  readonly #stock: SliverStock;
  readonly #pace: NodePace;
  readonly #plan: DistributionPlan;
  readonly #startedMs: number;
  #metadataStored: boolean;
  #hasAnswered = false;
  #contacts = 0;

  constructor(options: DistributionOptions, node: ReachableNode, stock: SliverStock, plan: DistributionPlan) {
    this.#options = options;
    this.#node = node;
    this.#stock = stock;
    this.#pace = new NodePace(options.carrier.clock);
    this.#plan = plan;
    this.#metadataStored = options.stored.hasAny(node.member.nodeId);
    this.#startedMs = options.carrier.clock.nowMs();
  }

  async run(): Promise<NodeOutcome> {
    const { carrier, signal, events } = this.#options;
    for (let round = 1; ; ) {
      try {
        await this.#round();
        return { node: this.#node, error: undefined };
      } catch (error) {
        if (!(error instanceof StorageNodeError)) {
          if (signal.aborted) return { node: this.#node, error: this.#stopped() };
          throw error;
        }
        const lagging = this.#isLagging(error);
        if (!lagging) events.fault(this.#node, error);
        if (!lagging && (!this.#mayRepeat(error) || round >= UPLOAD_LIMITS.roundsPerNode)) {
          return { node: this.#node, error };
        }
        const pauseMs = lagging
          ? LAG_POLL_MS
          : backoffMs(round, ROUND_BASE_MS, ROUND_MAX_MS, carrier.randomBytes);
        if (!lagging) round++;
        try {
          await carrier.clock.sleep(pauseMs, signal);
        } catch {
          // Only the signal ends a pause early; what the node last said is its outcome.
          return { node: this.#node, error };
        }
      }
    }
  }

  /** Goes on where the last round stopped. */
  async #round(): Promise<void> {
    const { blobId, metadata, persistence, events } = this.#options;
    const { client } = this.#node;
    if (!this.#metadataStored) {
      await this.#contact((call) => client.putMetadata(blobId, metadata, call));
      this.#metadataStored = true;
    }
    await this.#sendSlivers();
    if (persistence === null) return;
    const signed = await this.#contact((call) => client.getConfirmation(blobId, persistence, call));
    events.confirmed(this.#node, signed);
  }

  async #sendSlivers(): Promise<void> {
    const { blobId, encoder, stored } = this.#options;
    const { nodeId, shards } = this.#node.member;
    const missing = stored.missing(nodeId, shards);
    const { pairsPerBatch } = this.#plan;
    for (let from = 0; from < missing.length; from += pairsPerBatch) {
      const batch = missing.slice(from, from + pairsPerBatch);
      const pairs = await this.#stock.take(batch.map((shard) => pairOfShard(shard, blobId, encoder.nShards)));
      try {
        await this.#sendBatch(batch, pairs);
      } finally {
        this.#stock.giveBack(batch.length);
      }
    }
  }

  /** All at once, as far as the node's pace allows; after the first failure nothing more is begun. */
  async #sendBatch(shards: readonly ShardIndex[], pairs: readonly EncodedPair[]): Promise<void> {
    let failure: unknown;
    const send = async (shard: ShardIndex, pair: SliverPairIndex, axis: Axis, bytes: Uint8Array) => {
      await this.#pace.run(async (onStart) => {
        // Looked at when its turn has come, and noted before the next one's: what waited is not begun then.
        if (failure !== undefined) return;
        try {
          await this.#sendSliver(shard, pair, axis, bytes, onStart);
        } catch (error) {
          failure ??= error;
          throw error;
        }
      });
    };
    await Promise.allSettled(
      shards.flatMap((shard, i) => {
        const encoded = pairs[i];
        if (encoded === undefined) return [];
        return AXES.map((axis) => send(shard, encoded.pair, axis, encoded[axis]));
      }),
    );
    if (failure !== undefined) throw failure;
  }

  async #sendSliver(
    shard: ShardIndex,
    pair: SliverPairIndex,
    axis: Axis,
    bytes: Uint8Array,
    onStart: () => void,
  ): Promise<void> {
    const { blobId, events, stored } = this.#options;
    const { nodeId } = this.#node.member;
    if (stored.has(nodeId, shard, axis)) return;
    await this.#contact((call) => this.#node.client.putSliver(blobId, pair, axis, bytes, call), onStart);
    // Sent: the next batch need not wait for the garbage collector.
    discardBytes(bytes);
    stored.add(nodeId, shard, axis);
    events.stored(this.#node, shard, axis);
  }

  /** One attempt of one request; repeating is the business of rounds, which give memory and place back first. */
  async #contact<T>(request: (call: CallOptions) => Promise<T>, onStart?: () => void): Promise<T> {
    const { signal } = this.#options;
    const timeouts = UPLOAD_LIMITS.firstContactTimeoutsMs;
    const timeoutMs = this.#hasAnswered
      ? NODE_LIMITS.nodeRequestTimeoutMs
      : (timeouts[Math.min(this.#contacts++, timeouts.length - 1)] ?? NODE_LIMITS.nodeRequestTimeoutMs);
    signal.throwIfAborted();
    try {
      const answer = await request({
        signal,
        timeoutMs,
        attempts: 1,
        ...(onStart === undefined ? {} : { onStart }),
      });
      this.#hasAnswered = true;
      return answer;
    } catch (error) {
      if (error instanceof StorageNodeError && error.code !== "TIMEOUT" && error.code !== "UNREACHABLE") {
        this.#hasAnswered = true;
      }
      throw error;
    }
  }

  /** A node follows the chain at its own pace: shortly after the registration its ignorance is no failure. */
  #isLagging(error: StorageNodeError): boolean {
    const elapsedMs = this.#options.carrier.clock.nowMs() - this.#startedMs;
    return error.code === "NOT_REGISTERED" && elapsedMs < UPLOAD_LIMITS.registrationLagMs;
  }

  /** Notes what a refusal says about earlier steps. */
  #mayRepeat(error: StorageNodeError): boolean {
    // The node does not have the metadata (any more), or not all slivers: start over from there.
    if (error.code === "NOT_FOUND") this.#metadataStored = false;
    if (error.code === "NOT_FOUND" || error.code === "MISSING_SLIVERS") {
      this.#options.stored.forget(this.#node.member.nodeId);
    }
    return error.retryable || error.code === "NOT_FOUND" || error.code === "MISSING_SLIVERS";
  }

  #stopped(): StorageNodeError {
    return new StorageNodeError("TIMEOUT", "not finished when the upload ended", {
      node: this.#node.member.name,
      route: "upload",
      cause: this.#options.signal.reason,
    });
  }
}
