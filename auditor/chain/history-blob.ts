/**
 * Bytes of a blob from the storage nodes, a stretch at a time, each verified against the blob ID.
 *
 * Primary sliver r holds the blob's bytes `r * rowBytes` and on, and the metadata under the blob ID holds the root of
 * its expansion, so a row that fits its root is that part of the blob whoever gave it: the default consistency check
 * of the official clients. A row that its owner does not give is rebuilt from the other nodes' symbols.
 *
 * At 1,000 shards a row has 18 KB of a blob of 6 MB and 314 KB of one of 100 MiB; checking one takes 6 to 19 ms (2.5 GHz
 * Xeon). Held at once: the metadata (66 KB), the rows of the stretch asked for, and 667 symbols of at most 1 KB each
 * while a row is rebuilt; never the blob.
 */

import { FloeError } from "../../shared/base/errors.ts";
import { CodecError } from "../../shared/codec/codec.ts";
import { createReferenceCodec } from "../../shared/codec/reference-codec.ts";
import { checkSliver } from "../../shared/codec/sliver-check.ts";
import { askInTurn } from "../../shared/node/ask-in-turn.ts";
import { DirectCarrier, type NodeTransport } from "../../shared/node/direct-carrier.ts";
import { fetchVerifiedMetadata } from "../../shared/node/fetch-metadata.ts";
import { NODE_LIMITS } from "../../shared/node/limits.ts";
import { type NetworkKind, NodeAddressError, nodeBaseUrl } from "../../shared/node/node-address.ts";
import { collectSymbols, SliverRebuild } from "../../shared/node/rebuild.ts";
import { StorageNodeClient } from "../../shared/node/storage-node-client.ts";
import { StorageNodeError } from "../../shared/node/storage-node-errors.ts";
import { isQuorum } from "../../shared/protocol/bft.ts";
import type { Committee, CommitteeMember } from "../../shared/protocol/committee.ts";
import type { BlobId, ObjectId, SliverIndex } from "../../shared/protocol/ids.ts";
import { pairOfSliver, shardOffset, shardOfPair } from "../../shared/protocol/mapping.ts";
import type { VerifiedMetadata } from "../../shared/protocol/metadata.ts";
import { type BlobLayout, blobLayout, sliverBytes } from "../../shared/protocol/sizes.ts";

export type HistoryErrorCode =
  /** No certified event blob reaches from where the ledger stands to where the endpoint begins. Retryable: more come. */
  | "HISTORY_NOT_CERTIFIED"
  /** A quorum says that an event blob is gone: what it held cannot be had from Walrus any more. */
  | "HISTORY_EXPIRED"
  /** Too few nodes gave what belongs to an event blob. Retryable. */
  | "HISTORY_UNAVAILABLE"
  /** Event blobs contradict the chain, each other or what the ledger has applied. */
  | "HISTORY_BROKEN";

export class HistoryError extends FloeError<HistoryErrorCode> {}

/** A blob that a quorum of shards does not have. */
export class BlobGone extends FloeError<"BLOB_GONE"> {}

export interface HistoryBlobParts {
  readonly transport: NodeTransport;
  readonly networkKind: NetworkKind;
  /** Who serves now; and who did before, while shards move. */
  readonly committees: () => Promise<readonly Committee[]>;
}

const codec = createReferenceCodec();
const NODES_AT_ONCE = 4;
/** How long a node that failed is asked last: asking it costs seconds each time, and a history has 300 rows a blob. */
const SUSPECT_MS = 600_000;
/** One try, and little patience with a node that says nothing: the row is rebuilt without it. */
const CALL = { attempts: 1, headersTimeoutMs: NODE_LIMITS.readHeadersTimeoutMs } as const;

interface Row {
  readonly index: number;
  readonly data: Uint8Array;
}

export class HistoryBlobReader {
  readonly #parts: HistoryBlobParts;
  readonly #suspectUntilMs = new Map<ObjectId, number>();
  /** Of the blob read last; only `open` and `read` write them. */
  #metadata: VerifiedMetadata | undefined;
  #lastRow: Row | undefined;

  constructor(parts: HistoryBlobParts) {
    this.#parts = parts;
  }

  /**
   * Length of a blob, by metadata that fits its ID.
   *
   * @throws BlobGone; HistoryError `HISTORY_UNAVAILABLE`, retryable
   */
  async length(blobId: BlobId): Promise<number> {
    return (await this.#open(blobId)).unencodedLength;
  }

  /**
   * The blob's bytes `from <= i < to`, freshly allocated.
   *
   * @param to at most the blob's length
   * @throws as `length`
   */
  async read(blobId: BlobId, from: number, to: number): Promise<Uint8Array> {
    const metadata = await this.#open(blobId);
    const layout = blobLayout(metadata.nShards, metadata.unencodedLength);
    const rowBytes = sliverBytes(layout, "primary");
    const bytes = new Uint8Array(to - from);
    const firstRow = Math.floor(from / rowBytes);
    const indexes = Array.from({ length: Math.ceil(to / rowBytes) - firstRow }, (_, i) => firstRow + i);
    const known = this.#lastRow;
    const wanted = indexes.map((index) => {
      return known?.index === index ? Promise.resolve(known) : this.#row(metadata, layout, index);
    });
    // All of them end before this does: nothing is left running when one fails.
    for (const result of await Promise.allSettled(wanted)) {
      if (result.status === "rejected") throw result.reason;
      const { index, data } = result.value;
      const start = index * rowBytes - from;
      bytes.set(
        data.subarray(Math.max(0, -start), Math.min(rowBytes, to - index * rowBytes)),
        Math.max(0, start),
      );
      this.#lastRow = result.value;
    }
    return bytes;
  }

  async #open(blobId: BlobId): Promise<VerifiedMetadata> {
    if (this.#metadata?.blobId === blobId) return this.#metadata;
    this.#lastRow = undefined;
    this.#metadata = await this.#fetchMetadata(blobId);
    return this.#metadata;
  }

  async #fetchMetadata(blobId: BlobId): Promise<VerifiedMetadata> {
    const { nShards, members } = await this.#committee();
    let found: VerifiedMetadata | undefined;
    let absentShards = 0;
    await askInTurn({
      candidates: this.#inOrder(members, shardOffset(blobId, members.length)),
      width: NODES_AT_ONCE,
      isEnough: () => found !== undefined || isQuorum(absentShards, nShards),
      ask: async (member) => {
        const answer = await this.#ask(member, async (client) => {
          try {
            return await fetchVerifiedMetadata(codec, client, blobId, nShards, CALL);
          } catch (error) {
            if (!isAbsence(error)) throw error;
            absentShards += member.shards.length;
            return undefined;
          }
        });
        // Others answered meanwhile.
        found ??= answer;
      },
    });
    if (found !== undefined) return found;
    const details = { blobId, absentShards, nShards };
    if (isQuorum(absentShards, nShards)) {
      throw new BlobGone("BLOB_GONE", `${absentShards} of ${nShards} shards do not have blob ${blobId}`, {
        details,
      });
    }
    throw unavailable(`no node gave the metadata of blob ${blobId}`, details);
  }

  async #row(metadata: VerifiedMetadata, layout: BlobLayout, index: number): Promise<Row> {
    const { blobId, nShards } = metadata;
    const target = index as SliverIndex; // Rows are the primary slivers from 0 on.
    const pair = pairOfSliver(target, "primary", nShards);
    const shard = shardOfPair(pair, blobId, nShards);
    const maxBytes = sliverBytes(layout, "primary");
    for (const { members } of await this.#parts.committees()) {
      const owner = members.find(({ shards }) => shards.includes(shard));
      if (owner === undefined || this.#isSuspect(owner)) continue;
      const data = await this.#ask(owner, async (client) => {
        const sliver = await client.getSliver(blobId, pair, "primary", maxBytes, CALL);
        const checked = checkSliver(metadata, { axis: "primary", pair, sliver });
        if (checked instanceof CodecError) throw checked;
        return checked.data;
      });
      if (data !== undefined) return { index, data };
    }
    return { index, data: await this.#rebuild(metadata, target) };
  }

  /** A row out of the other nodes' symbols, each proven. */
  async #rebuild(metadata: VerifiedMetadata, index: SliverIndex): Promise<Uint8Array> {
    const { blobId, nShards } = metadata;
    const { members } = await this.#committee();
    const rebuild = new SliverRebuild(codec, metadata, { axis: "primary", index });
    await collectSymbols(rebuild, {
      nodes: this.#inOrder(members, index),
      width: NODES_AT_ONCE,
      ask: (member) => this.#ask(member, (client) => rebuild.request(client, member.shards.length, CALL)),
      wrong: (member) => this.#suspect(member),
    });
    if (rebuild.missing > 0) {
      const { have, need } = rebuild;
      const details = { blobId, row: index, have, need, nShards };
      throw unavailable(`row ${index} of blob ${blobId}: ${have} of ${need} symbols`, details);
    }
    try {
      return rebuild.sliver().data;
    } catch (cause) {
      if (!(cause instanceof CodecError) || cause.code !== "INCONSISTENT_ENCODING") throw cause;
      throw new HistoryError("HISTORY_BROKEN", `event blob ${blobId} was encoded inconsistently`, {
        cause,
        details: { blobId, row: index },
      });
    }
  }

  async #committee(): Promise<Committee> {
    const [committee] = await this.#parts.committees();
    if (committee === undefined) throw unavailable("there is no committee", {});
    return committee;
  }

  /** From a place on, so that the load spreads; nodes that failed lately come last. */
  #inOrder(members: readonly CommitteeMember[], start: number): CommitteeMember[] {
    return rotated(members, start).sort((a, b) => Number(this.#isSuspect(a)) - Number(this.#isSuspect(b)));
  }

  /** @returns undefined when the node did not give what was asked: an operating error of its own */
  async #ask<T>(
    member: CommitteeMember,
    ask: (client: StorageNodeClient) => Promise<T>,
  ): Promise<T | undefined> {
    const { transport, networkKind } = this.#parts;
    try {
      const baseUrl = nodeBaseUrl(member.networkAddress, networkKind);
      const answer = await ask(new StorageNodeClient(baseUrl, member.name, new DirectCarrier(transport)));
      this.#suspectUntilMs.delete(member.nodeId);
      return answer;
    } catch (error) {
      const isNodes = error instanceof StorageNodeError || error instanceof NodeAddressError;
      if (!isNodes && !(error instanceof FloeError)) throw error;
      this.#suspect(member);
      return undefined;
    }
  }

  #suspect({ nodeId }: CommitteeMember): void {
    this.#suspectUntilMs.set(nodeId, this.#parts.transport.clock.nowMs() + SUSPECT_MS);
  }

  #isSuspect({ nodeId }: CommitteeMember): boolean {
    return (this.#suspectUntilMs.get(nodeId) ?? 0) > this.#parts.transport.clock.nowMs();
  }
}

/** The node says that it has no such blob; an answer that is missing says nothing. */
const isAbsence = (error: unknown): boolean =>
  error instanceof StorageNodeError && (error.code === "NOT_FOUND" || error.code === "NOT_REGISTERED");

const rotated = <T>(items: readonly T[], by: number): T[] => {
  const at = items.length === 0 ? 0 : by % items.length;
  return [...items.slice(at), ...items.slice(0, at)];
};

const unavailable = (message: string, details: Record<string, string | number>): HistoryError =>
  new HistoryError("HISTORY_UNAVAILABLE", message, { retryable: true, details });
