/**
 * Sends one blob's slivers to the storage nodes and asks each node for its confirmation. Keeps no state of its own
 * beyond this call: progress goes to `events`.
 *
 * Every node is one sequential upload (metadata, slivers, confirmation) with at most one request in flight, and all
 * share the invocation's gate, whose queue is first come, first served: nodes take turns, and one that hangs holds one
 * lane until its deadline. A node that has never answered gets short deadlines first, so that many silent nodes cannot
 * hold all lanes for long.
 *
 * Peak memory on top of the encoder: the generated slivers that `distributionPlan` allows.
 */

import { discardBytes } from "../../shared/base/bytes.ts";
import { backoffMs } from "../../shared/base/deadline.ts";
import { Gate } from "../../shared/base/gate.ts";
import type { BlobEncoder } from "../../shared/codec/codec.ts";
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
import { UPLOAD_LIMITS } from "./limits.ts";
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
  readonly encoder: BlobEncoder;
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
  const { nShards, unencodedLength } = options.encoder;
  const plan = distributionPlan(blobLayout(nShards, unencodedLength), options.carrier.width);
  const slots = new Gate(plan.slots);
  return options.nodes.map((node) => new NodeUpload(options, node, slots, plan).run());
}

/** Between two questions whether a node has caught up with the chain. */
const LAG_POLL_MS = 250;
const ROUND_BASE_MS = 200;
const ROUND_MAX_MS = 2_000;

class NodeUpload {
  readonly #options: DistributionOptions;
  readonly #node: ReachableNode;
  /** Uploads that hold generated slivers. */
  readonly #slots: Gate;
  readonly #plan: DistributionPlan;
  readonly #startedMs: number;
  #metadataStored: boolean;
  #hasAnswered = false;
  #contacts = 0;

  constructor(options: DistributionOptions, node: ReachableNode, slots: Gate, plan: DistributionPlan) {
    this.#options = options;
    this.#node = node;
    this.#slots = slots;
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
    const { blobId, encoder } = this.#options;
    const { nShards } = encoder;
    const missing = this.#node.member.shards.filter((shard) => AXES.some((axis) => !this.#has(shard, axis)));
    const { pairsPerBatch } = this.#plan;
    for (let from = 0; from < missing.length; from += pairsPerBatch) {
      const shards = missing.slice(from, from + pairsPerBatch);
      const shardOf = new Map<SliverPairIndex, ShardIndex>(
        shards.map((shard) => [pairOfShard(shard, blobId, nShards), shard]),
      );
      // The slot is given back between batches and rounds, so that no waiting node keeps slivers in memory.
      await this.#slots.run(async () => {
        this.#options.signal.throwIfAborted();
        for (const encoded of encoder.slivers([...shardOf.keys()])) {
          const shard = shardOf.get(encoded.pair);
          if (shard === undefined) continue;
          await this.#sendSliver(shard, encoded.pair, "primary", encoded.primary);
          await this.#sendSliver(shard, encoded.pair, "secondary", encoded.secondary);
        }
      });
    }
  }

  async #sendSliver(shard: ShardIndex, pair: SliverPairIndex, axis: Axis, bytes: Uint8Array): Promise<void> {
    if (this.#has(shard, axis)) return;
    const { blobId, events } = this.#options;
    await this.#contact((call) => this.#node.client.putSliver(blobId, pair, axis, bytes, call));
    // Sent: the next batch need not wait for the garbage collector.
    discardBytes(bytes);
    this.#options.stored.add(this.#node.member.nodeId, shard, axis);
    events.stored(this.#node, shard, axis);
  }

  /** One attempt of one request; repeating is the business of rounds, which give slot and lane back first. */
  async #contact<T>(request: (call: CallOptions) => Promise<T>): Promise<T> {
    const { signal } = this.#options;
    const timeouts = UPLOAD_LIMITS.firstContactTimeoutsMs;
    const timeoutMs = this.#hasAnswered
      ? NODE_LIMITS.nodeRequestTimeoutMs
      : (timeouts[Math.min(this.#contacts++, timeouts.length - 1)] ?? NODE_LIMITS.nodeRequestTimeoutMs);
    signal.throwIfAborted();
    try {
      const answer = await request({ signal, timeoutMs, attempts: 1 });
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

  #has(shard: ShardIndex, axis: Axis): boolean {
    return this.#options.stored.has(this.#node.member.nodeId, shard, axis);
  }

  #stopped(): StorageNodeError {
    return new StorageNodeError("TIMEOUT", "not finished when the upload ended", {
      node: this.#node.member.name,
      route: "upload",
      cause: this.#options.signal.reason,
    });
  }
}
