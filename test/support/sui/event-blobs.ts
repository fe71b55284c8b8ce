/**
 * Event blobs as storage nodes write them, out of what the chain says, by an encoder that shares nothing with the
 * parser; and their way onto the embedded network.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { SuiGrpcClient } from "@mysten/sui/grpc";
import { fromBase58 } from "@mysten/sui/utils";
import type { Network } from "../../../localnet/network.ts";
import { AXES, type BlobId, blobIdToBytes, type SliverPairIndex } from "../../../shared/protocol/ids.ts";
import { shardOfPair, sliverOfPair } from "../../../shared/protocol/mapping.ts";
import { serializeBlobMetadata } from "../../../shared/protocol/metadata.ts";
import { createSuiClient } from "../../../shared/sui/client/sui-client.ts";
import { encodeBlob, pairIndexes } from "../codec/encoded-blob.ts";

export interface RawEvent {
  /** Struct name in module `events`. */
  readonly name: string;
  /** BCS as on chain. */
  readonly contents: Uint8Array;
  readonly txDigest: Uint8Array;
  readonly seq: number;
}

export interface RawCheckpoint {
  readonly sequence: number;
  readonly events: readonly RawEvent[];
}

export interface EventBlobPlan {
  readonly epoch: number;
  readonly previous: BlobId | null;
  readonly firstIndex: number;
  /** Ascending. */
  readonly checkpoints: readonly RawCheckpoint[];
}

/** `group/kind` of the nodes' enums. */
const KIND_BYTES: Readonly<Record<string, readonly [number, number]>> = {
  BlobRegistered: [0, 0],
  BlobCertified: [0, 1],
  BlobDeleted: [0, 2],
  InvalidBlobID: [0, 3],
  DenyListBlobDeleted: [0, 4],
  PooledBlobRegistered: [0, 5],
  PooledBlobCertified: [0, 6],
  PooledBlobDeleted: [0, 7],
  EpochParametersSelected: [1, 0],
  EpochChangeStart: [1, 1],
  EpochChangeDone: [1, 2],
  ShardsReceived: [1, 3],
  ShardRecoveryStart: [1, 4],
  ContractUpgraded: [2, 0],
  ContractUpgradeProposed: [2, 1],
  ContractUpgradeQuorumReached: [2, 2],
  RegisterDenyListUpdate: [3, 0],
  DenyListUpdate: [3, 1],
  ProtocolVersionUpdated: [4, 0],
  PricesUpdated: [4, 1],
  StoragePoolCreated: [5, 0],
  StoragePoolExtended: [5, 1],
};
export const EVENT_BLOB_KINDS: readonly string[] = Object.keys(KIND_BYTES);

const bigEndian = (value: number, bytes: 4 | 8): Buffer => {
  const buffer = Buffer.alloc(bytes);
  if (bytes === 4) buffer.writeUInt32BE(value);
  else buffer.writeBigUInt64BE(BigInt(value));
  return buffer;
};
const u64 = (value: number): Buffer => {
  const buffer = Buffer.alloc(8);
  buffer.writeBigUInt64LE(BigInt(value));
  return buffer;
};

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 127; rest >>= 7) bytes.push((rest & 127) | 128);
  return Buffer.from([...bytes, rest]);
}

const framed = (data: Buffer): Buffer => Buffer.concat([varint(data.length), Buffer.from([1]), data]);

export function eventEntry(event: RawEvent, checkpoint: number, counter: number, index: number): Buffer {
  const [group, kind] = KIND_BYTES[event.name] ?? [255, 255];
  return framed(
    Buffer.concat([
      Buffer.from([0, group, kind]),
      event.contents,
      Buffer.from([32]),
      event.txDigest,
      u64(event.seq),
      u64(checkpoint),
      u64(counter),
      u64(index),
    ]),
  );
}

export const endMark = (checkpoint: number, counter: number, index: number): Buffer =>
  framed(Buffer.concat([Buffer.from([1]), u64(checkpoint), u64(counter), u64(index)]));

export const eventBlobHeader = (epoch: number, previous: BlobId | null): Buffer =>
  Buffer.concat([
    Buffer.from("005ea1ce", "hex"),
    bigEndian(1, 4),
    bigEndian(epoch, 4),
    previous === null ? Buffer.alloc(32) : blobIdToBytes(previous),
    Buffer.alloc(40),
  ]);

export const eventBlobTrailer = (first: number, last: number): Buffer =>
  Buffer.concat([bigEndian(first, 8), bigEndian(last, 8)]);

export function encodeEventBlob({ epoch, previous, firstIndex, checkpoints }: EventBlobPlan): Uint8Array {
  const parts: Buffer[] = [eventBlobHeader(epoch, previous)];
  let index = firstIndex;
  for (const { sequence, events } of checkpoints) {
    for (const [counter, event] of events.entries()) {
      parts.push(eventEntry(event, sequence, counter, index++));
    }
    parts.push(endMark(sequence, events.length, index++));
  }
  parts.push(eventBlobTrailer(checkpoints[0]?.sequence ?? 0, checkpoints.at(-1)?.sequence ?? 0));
  return new Uint8Array(Buffer.concat(parts));
}

/** Every Walrus event of these checkpoints, as the chain has it. @param to inclusive */
export async function rawCheckpoints(
  client: SuiGrpcClient,
  from: number,
  to: number,
): Promise<RawCheckpoint[]> {
  const found = new Map<number, RawEvent[]>();
  let after: Uint8Array | undefined;
  for (let isDone = false; !isDone; ) {
    const call = client.ledgerService.listEvents({
      readMask: { paths: ["event_type", "contents", "checkpoint", "transaction_digest"] },
      startCheckpoint: BigInt(from),
      endCheckpoint: BigInt(to + 1),
      options: { limit: 50, ...(after === undefined ? {} : { after }) },
    });
    for await (const { event, watermark, end } of call.responses) {
      after = watermark?.cursor ?? after;
      // An item limit leaves more to read; nothing else does.
      if (end !== undefined) isDone = event === undefined;
      const name = /::events::(\w+)$/.exec(event?.eventType ?? "")?.[1];
      if (event === undefined || name === undefined) continue;
      const { contents, transactionDigest = "", checkpoint } = event;
      const events = found.get(Number(checkpoint)) ?? [];
      const txDigest = fromBase58(transactionDigest);
      const seq = events.filter((each) => Buffer.compare(each.txDigest, txDigest) === 0).length;
      events.push({ name, contents: contents?.value ?? new Uint8Array(0), txDigest, seq });
      found.set(Number(checkpoint), events);
    }
  }
  return Array.from({ length: to - from + 1 }, (_, i) => {
    return { sequence: from + i, events: found.get(from + i) ?? [] };
  });
}

/** Certifies a blob as the latest event blob and gives every node its slivers. */
export async function storeEventBlob(
  network: Network,
  bytes: Uint8Array,
  lastCheckpoint: number,
): Promise<BlobId> {
  const { nShards, nodes = [] } = network.file;
  const encoded = encodeBlob(nShards, bytes);
  const { blobId } = encoded.metadata;
  network.certifyEventBlob({ blobId, lastCheckpoint, unencodedLength: bytes.length });
  await Promise.all(
    nodes.map(async ({ url, shards }) => {
      const put = async (path: string, body: Uint8Array): Promise<void> => {
        const target = `${url}/v1/blobs/${blobId}/${path}`;
        const headers = { "content-type": "application/octet-stream" };
        // A node that has not seen the registration yet says so, and is asked again.
        for (;;) {
          const response = await fetch(target, { method: "PUT", headers, body: Buffer.from(body) });
          const text = await response.text();
          if (response.ok) return;
          if (!text.includes("NOT_REGISTERED")) throw new Error(`${target}: ${response.status} ${text}`);
          await sleep(20);
        }
      };
      await put("metadata", serializeBlobMetadata(encoded.metadata));
      for (const pair of pairIndexes(nShards)) {
        if (!shards.includes(shardOfPair(pair, blobId, nShards))) continue;
        for (const axis of AXES) await put(`slivers/${pair}/${axis}`, sliverOf(pair, axis));
      }
    }),
  );
  return blobId;

  function sliverOf(pair: SliverPairIndex, axis: (typeof AXES)[number]): Uint8Array {
    return encoded.serialized(axis, sliverOfPair(pair, axis, nShards));
  }
}

/** Writes the history on, one event blob a call, as a quorum of nodes would. */
export class EventBlobWriter {
  readonly #network: Network;
  readonly #client: SuiGrpcClient;
  #next = { checkpoint: 0, index: 0 };
  #previous: BlobId | null = null;

  constructor(network: Network) {
    this.#network = network;
    this.#client = createSuiClient({ url: network.file.sui.url, fetch });
  }

  get client(): SuiGrpcClient {
    return this.#client;
  }

  /** An event blob of everything up to `last` (by default the tip), inclusive. @returns it and where it ends */
  async write(last?: number): Promise<{ blobId: BlobId; last: number }> {
    const info = await this.#client.ledgerService.getServiceInfo({});
    const to = last ?? Number(info.response.checkpointHeight);
    const checkpoints = await rawCheckpoints(this.#client, this.#next.checkpoint, to);
    const plan = { previous: this.#previous, firstIndex: this.#next.index, checkpoints };
    const bytes = encodeEventBlob({ epoch: this.#network.file.epoch, ...plan });
    const blobId = await storeEventBlob(this.#network, bytes, to);
    const events = checkpoints.reduce((sum, each) => sum + each.events.length, 0);
    this.#next = { checkpoint: to + 1, index: this.#next.index + events + checkpoints.length };
    this.#previous = blobId;
    return { blobId, last: to };
  }
}
