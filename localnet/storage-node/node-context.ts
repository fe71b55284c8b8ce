/** What every handler of one node works with, and the questions they all ask. */

import type { Clock } from "../../shared/base/clock.ts";
import type { Codec } from "../../shared/codec/codec.ts";
import {
  type BlobId,
  type ObjectId,
  type ShardIndex,
  type SliverPairIndex,
  sliverPairIndex,
} from "../../shared/protocol/ids.ts";
import { shardOfPair } from "../../shared/protocol/mapping.ts";
import { parseBlobMetadata, type VerifiedMetadata } from "../../shared/protocol/metadata.ts";
import type { BlobRegistry } from "./blob-registry.ts";
import type { ChainFollower } from "./chain-follower.ts";
import type { ChainView } from "./chain-source.ts";
import { SharedChecks } from "./checks.ts";
import { NodeRefusal } from "./reply.ts";
import type { NodeStore } from "./store.ts";

/** Verified metadata kept in memory: 64 KiB each at n = 1000. */
const METADATA_CACHE_ENTRIES = 64;

export interface NodeKeys {
  readonly nodeId: ObjectId;
  /** 32-byte BLS scalar. */
  readonly secretKey: Uint8Array;
  /** 48 bytes. */
  readonly publicKey: Uint8Array;
}

export class NodeContext {
  readonly keys: NodeKeys;
  readonly store: NodeStore;
  readonly registry: BlobRegistry;
  readonly follower: ChainFollower;
  readonly codec: Codec;
  readonly clock: Clock;
  readonly checks: SharedChecks;
  readonly isBlocked: (blobId: BlobId) => boolean;
  readonly startedAtMs: number;
  readonly #metadata = new Map<BlobId, VerifiedMetadata>();
  #own: { readonly committee: ChainView["committee"]; readonly shards: readonly ShardIndex[] } | undefined;

  constructor(parts: {
    keys: NodeKeys;
    store: NodeStore;
    registry: BlobRegistry;
    follower: ChainFollower;
    codec: Codec;
    clock: Clock;
    isBlocked: (blobId: BlobId) => boolean;
  }) {
    this.keys = parts.keys;
    this.store = parts.store;
    this.registry = parts.registry;
    this.follower = parts.follower;
    this.codec = parts.codec;
    this.clock = parts.clock;
    this.checks = SharedChecks.of(parts.codec);
    this.isBlocked = parts.isBlocked;
    this.startedAtMs = parts.clock.nowMs();
  }

  get view(): ChainView {
    return this.follower.view;
  }
  get epoch(): number {
    return this.view.epoch;
  }
  get nShards(): number {
    return this.view.committee.nShards;
  }

  /** Shards this node owns in the newest committee; it accepts uploads for these. */
  ownShards(): readonly ShardIndex[] {
    const { committee } = this.view;
    if (this.#own?.committee !== committee) {
      this.#own = { committee, shards: shardsOf(committee, this.keys.nodeId) };
    }
    return this.#own.shards;
  }

  /** Own shards, and those lost at the last epoch change: locked for writing, still served as hand-over source. */
  lockedShards(): readonly ShardIndex[] {
    const own = new Set(this.ownShards());
    return shardsOf(this.view.previousCommittee, this.keys.nodeId).filter((shard) => !own.has(shard));
  }

  isRegistered(blobId: BlobId): boolean {
    return this.registry.isRegistered(blobId, this.epoch);
  }

  /** @throws NodeRefusal `INDEX_OUT_OF_RANGE` */
  pair(value: number): SliverPairIndex {
    if (value >= this.nShards) {
      throw new NodeRefusal("INDEX_OUT_OF_RANGE", `sliver pair ${value} is not below ${this.nShards} shards`);
    }
    return sliverPairIndex(value, this.nShards);
  }

  /** @throws NodeRefusal `SHARD_NOT_ASSIGNED` */
  shard(blobId: BlobId, pair: SliverPairIndex, use: "read" | "write"): ShardIndex {
    const shard = shardOfPair(pair, blobId, this.nShards);
    if (this.ownShards().includes(shard)) return shard;
    if (use === "read" && this.lockedShards().includes(shard)) return shard;
    throw new NodeRefusal(
      "SHARD_NOT_ASSIGNED",
      `shard ${shard} is not assigned to this node, epoch ${this.epoch}`,
    );
  }

  /**
   * Stored metadata, verified again when it comes from the disk.
   * @throws CodecError `BLOB_ID_MISMATCH` when the disk gives back other bytes than were stored
   */
  metadata(blobId: BlobId): VerifiedMetadata | undefined {
    const cached = this.#metadata.get(blobId);
    // The store may have dropped it since: garbage collection, invalidation.
    if (cached !== undefined && this.store.hasMetadata(blobId)) return cached;
    const bytes = this.store.metadata(blobId);
    if (bytes === undefined) return undefined;
    return this.remember(this.verifiedMetadata(bytes, blobId));
  }

  /** @throws ProtocolError or CodecError when these bytes are not the blob's metadata */
  verifiedMetadata(bytes: Uint8Array, blobId: BlobId): VerifiedMetadata {
    const known = this.checks.knownMetadata(bytes, blobId, this.nShards);
    if (known !== undefined) return known;
    const metadata = this.codec.verifyMetadata(parseBlobMetadata(bytes), blobId, this.nShards);
    this.checks.keepMetadata(bytes, metadata);
    return metadata;
  }

  /** Keeps metadata that was just verified at hand for the slivers that follow it. */
  remember(metadata: VerifiedMetadata): VerifiedMetadata {
    if (this.#metadata.size >= METADATA_CACHE_ENTRIES) {
      for (const oldest of this.#metadata.keys()) {
        this.#metadata.delete(oldest);
        break;
      }
    }
    this.#metadata.set(metadata.blobId, metadata);
    return metadata;
  }

  /** @throws NodeRefusal `FORBIDDEN_BLOB` */
  refuseBlocked(blobId: BlobId): void {
    if (this.isBlocked(blobId)) throw new NodeRefusal("FORBIDDEN_BLOB", "this node does not serve the blob");
  }
}

function shardsOf(committee: ChainView["previousCommittee"], nodeId: ObjectId): readonly ShardIndex[] {
  return committee?.members.find((member) => member.nodeId === nodeId)?.shards ?? [];
}
