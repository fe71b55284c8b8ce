/**
 * Self-healing: a node that lacks slivers of a certified blob rebuilds them from its peers.
 *
 * For each missing sliver it asks the other members for the symbols that recover it (each proven against the
 * metadata), takes what it can from its own slivers, rebuilds the sliver once enough distinct symbols are there,
 * and stores it only after its root was checked. Restart resumes by itself: what to do is read from the store.
 *
 * A blob is left alone for `graceMs` after its certification, because an upload's tail is usually still arriving.
 * A blob that failed is tried again later (1 s, doubling up to a minute), for ever. Work goes one sliver at a time.
 */

import type { Clock, RandomBytes } from "../../shared/base/clock.ts";
import { FloeError, ProtocolError } from "../../shared/base/errors.ts";
import { Gate } from "../../shared/base/gate.ts";
import { type Codec, CodecError } from "../../shared/codec/codec.ts";
import { DirectCarrier, type NodeTransport } from "../../shared/node/direct-carrier.ts";
import { fetchVerifiedMetadata } from "../../shared/node/fetch-metadata.ts";
import { nodeBaseUrl } from "../../shared/node/node-address.ts";
import { collectSymbols, SliverRebuild, type SliverTarget } from "../../shared/node/rebuild.ts";
import { StorageNodeClient } from "../../shared/node/storage-node-client.ts";
import { StorageNodeError } from "../../shared/node/storage-node-errors.ts";
import { AXES, type BlobId, otherAxis } from "../../shared/protocol/ids.ts";
import { pairOfShard, sliverOfPair } from "../../shared/protocol/mapping.ts";
import { serializeBlobMetadata, type VerifiedMetadata } from "../../shared/protocol/metadata.ts";
import type { RecoverySymbol } from "../../shared/protocol/recovery-symbol.ts";
import { parseSliver, serializeSliver, type VerifiedSliver } from "../../shared/protocol/sliver.ts";
import type { NodeContext } from "./node-context.ts";
import type { SliverKey } from "./store.ts";

const RETRY_MIN_MS = 1_000;
const RETRY_MAX_MS = 60_000;
/** How often the store is searched for blobs that lack something. */
const SCAN_MS = 1_000;
const PEERS_AT_ONCE = 4;
const REQUEST_TIMEOUT_MS = 45_000;

export type HealerErrorCode =
  /** Peers did not give enough good symbols, or no good metadata; tried again later. */
  "TOO_FEW_PEERS";

export class HealerError extends FloeError<HealerErrorCode> {}

export interface HealerOptions {
  readonly node: NodeContext;
  readonly codec: Codec;
  readonly clock: Clock;
  readonly randomBytes: RandomBytes;
  readonly fetch: (request: Request) => Promise<Response>;
  /** Since a blob was first seen certified and incomplete. */
  readonly graceMs: number;
  readonly onError: (error: unknown) => void;
}

interface Patient {
  dueMs: number;
  retryMs: number;
}

export class Healer {
  readonly #options: HealerOptions;
  readonly #transport: NodeTransport;
  /** Blobs known to be incomplete, and when to look at them. Written by the loop only. */
  readonly #patients = new Map<BlobId, Patient>();
  readonly #abort = new AbortController();
  readonly #running: Promise<void>;

  /** Starts at once. */
  constructor(options: HealerOptions) {
    this.#options = options;
    this.#transport = {
      fetch: options.fetch,
      clock: options.clock,
      randomBytes: options.randomBytes,
      gate: new Gate(PEERS_AT_ONCE),
    };
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#abort.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { clock, onError } = this.#options;
    const { signal } = this.#abort;
    while (!signal.aborted) {
      this.#scan();
      for (const [blobId, patient] of [...this.#patients]) {
        if (signal.aborted) return;
        if (patient.dueMs > clock.nowMs()) continue;
        try {
          await this.#heal(blobId);
          this.#patients.delete(blobId);
        } catch (error) {
          if (signal.aborted) return;
          onError(error);
          patient.dueMs = clock.nowMs() + patient.retryMs;
          patient.retryMs = Math.min(2 * patient.retryMs, RETRY_MAX_MS);
        }
      }
      await clock.sleep(SCAN_MS, signal).catch((error: unknown) => {
        if (!signal.aborted) throw error;
      });
    }
  }

  #scan(): void {
    const { node, clock, graceMs } = this.#options;
    const incomplete = node.registry
      .certifiedBlobs(node.epoch)
      .filter((blobId) => this.#missing(blobId).length > 0);
    const wanted = new Set(incomplete);
    for (const blobId of this.#patients.keys()) if (!wanted.has(blobId)) this.#patients.delete(blobId);
    for (const blobId of incomplete) {
      if (this.#patients.has(blobId)) continue;
      this.#patients.set(blobId, { dueMs: clock.nowMs() + graceMs, retryMs: RETRY_MIN_MS });
    }
  }

  #missing(blobId: BlobId): SliverKey[] {
    const { node } = this.#options;
    const missing: SliverKey[] = [];
    for (const shard of node.ownShards()) {
      for (const axis of AXES) {
        const key = { blobId, shard, axis };
        if (!node.store.hasSliver(key)) missing.push(key);
      }
    }
    return missing;
  }

  async #heal(blobId: BlobId): Promise<void> {
    const { node } = this.#options;
    const metadata = node.metadata(blobId) ?? (await this.#fetchMetadata(blobId));
    // Secondary slivers need fewer symbols, and then help to rebuild the primary ones.
    const missing = this.#missing(blobId).sort((a, b) => b.axis.localeCompare(a.axis));
    for (const key of missing) {
      const pair = pairOfShard(key.shard, blobId, node.nShards);
      const target = { axis: key.axis, index: sliverOfPair(pair, key.axis, node.nShards) };
      const sliver = await this.#rebuild(metadata, target);
      if (this.#abort.signal.aborted) return;
      node.store.putSliver(key, serializeSliver(sliver));
    }
  }

  async #fetchMetadata(blobId: BlobId): Promise<VerifiedMetadata> {
    const { node, codec } = this.#options;
    for (const [at, client] of this.#peers(blobId, 0).entries()) {
      try {
        const call = this.#callOptions();
        const metadata = await fetchVerifiedMetadata(codec, client, blobId, node.nShards, call);
        node.store.putMetadata(blobId, serializeBlobMetadata(metadata));
        return node.remember(metadata);
      } catch (error) {
        this.#expectPeerFailure(error, `metadata from peer ${at}`);
      }
    }
    throw new HealerError("TOO_FEW_PEERS", `no peer has good metadata of ${blobId}`, { retryable: true });
  }

  async #rebuild(metadata: VerifiedMetadata, target: SliverTarget): Promise<VerifiedSliver> {
    const { node, codec } = this.#options;
    const { blobId } = metadata;
    const what = `${target.axis} sliver ${target.index}`;
    const rebuild = new SliverRebuild(codec, metadata, target);
    rebuild.add(this.#ownSymbols(metadata, target));
    await collectSymbols(rebuild, {
      nodes: this.#peers(blobId, target.index),
      width: PEERS_AT_ONCE,
      ask: async (client) => {
        try {
          return await rebuild.request(client, node.nShards, this.#callOptions());
        } catch (error) {
          this.#expectPeerFailure(error, `symbols of ${what}`);
          return undefined;
        }
      },
      wrong: (_, error) => this.#expectPeerFailure(error, `symbols of ${what}`),
    });
    if (rebuild.missing > 0) {
      const { have, need } = rebuild;
      throw new HealerError("TOO_FEW_PEERS", `${what} of ${blobId}: ${have} of ${need} symbols`, {
        retryable: true,
        details: { have, need },
      });
    }
    return rebuild.sliver();
  }

  #ownSymbols(metadata: VerifiedMetadata, target: SliverTarget): RecoverySymbol[] {
    const { node, codec } = this.#options;
    const { blobId } = metadata;
    const axis = otherAxis(target.axis);
    return node.ownShards().flatMap((shard) => {
      const bytes = node.store.sliver({ blobId, shard, axis });
      if (bytes === undefined) return [];
      const pair = pairOfShard(shard, blobId, node.nShards);
      const sliver = parseSliver(bytes, bytes.length);
      const [verified] = codec.verifySlivers(metadata, [{ axis, pair, sliver }]);
      if (verified === undefined || verified instanceof CodecError) return [];
      return [codec.symbolWithProof(metadata, verified, target.index)];
    });
  }

  /** The other members, starting at a place that differs by sliver so that the load spreads. */
  #peers(blobId: BlobId, turn: number): StorageNodeClient[] {
    const { node } = this.#options;
    const others = node.view.committee.members.filter((member) => member.nodeId !== node.keys.nodeId);
    const start = (turn + blobId.charCodeAt(0)) % Math.max(others.length, 1);
    return [...others.slice(start), ...others.slice(0, start)].map(
      (member) =>
        new StorageNodeClient(
          nodeBaseUrl(member.networkAddress, "local"),
          member.name,
          new DirectCarrier(this.#transport),
        ),
    );
  }

  #callOptions() {
    return { signal: this.#abort.signal, timeoutMs: REQUEST_TIMEOUT_MS, attempts: 1 };
  }

  /** A peer that is down or lies is expected: the others are asked. Anything else is a failure of our own. */
  #expectPeerFailure(error: unknown, what: string): void {
    const expected =
      error instanceof StorageNodeError || error instanceof CodecError || error instanceof ProtocolError;
    if (!expected || this.#abort.signal.aborted) throw error;
    if (error instanceof CodecError) this.#options.onError(new Error(`bad ${what}`, { cause: error }));
  }
}
