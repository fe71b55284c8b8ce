/**
 * A committee whose nodes keep real slivers of real blobs and sign real confirmations, but misbehave on demand, behind
 * a scripted `fetch`. For tests of what the edge does with misbehaviour; the protocol itself is tested on the network.
 */

import { IsolateMemory } from "../../../functions/base/isolate-memory.ts";
import { EDGE_LIMITS } from "../../../functions/base/limits.ts";
import type { EdgePorts } from "../../../functions/http/ports.ts";
import { NodeFaults } from "../../../functions/nodes/node-faults.ts";
import { SharedReads } from "../../../functions/read/shared-reads.ts";
import { concatBytes, toHex } from "../../../shared/base/bytes.ts";
import { Gate, INVOCATION_REQUESTS } from "../../../shared/base/gate.ts";
import type { Codec } from "../../../shared/codec/codec.ts";
import { createReferenceCodec } from "../../../shared/codec/reference-codec.ts";
import { blsPublicKey, blsSign } from "../../../shared/crypto/bls.ts";
import { DirectCarrier, type NodeTransport } from "../../../shared/node/direct-carrier.ts";
import {
  errorBody,
  JSON_TYPE,
  type NodeErrorName,
  type NodeRoute,
  OCTET_STREAM,
  parseNodePath,
  parseSymbolFilter,
  successBody,
} from "../../../shared/node/storage-node-api.ts";
import type { BlobStatus } from "../../../shared/protocol/blob-status.ts";
import { blobStatusToJson } from "../../../shared/protocol/blob-status.ts";
import type { Committee } from "../../../shared/protocol/committee.ts";
import {
  type Axis,
  type BlobId,
  blobIdToBytes,
  type ObjectId,
  type SliverIndex,
  shardIndex,
  sliverPairIndex,
} from "../../../shared/protocol/ids.ts";
import { shardOfPair } from "../../../shared/protocol/mapping.ts";
import { confirmationMessage, signedMessageToJson } from "../../../shared/protocol/messages.ts";
import { serializeBlobMetadataWithId, type VerifiedMetadata } from "../../../shared/protocol/metadata.ts";
import { serializeRecoverySymbols } from "../../../shared/protocol/recovery-symbol.ts";
import { parseSliver } from "../../../shared/protocol/sliver.ts";
import type { ChainSnapshot } from "../../../shared/sui/walrus/chain-snapshot.ts";
import { VirtualClock } from "../virtual-clock.ts";

export const EPOCH = 7;

/** Answers instead of the node: a response, `undefined` to let the node answer, or a promise that never settles. */
export type Script = (
  route: NodeRoute,
  request: Request,
) => Response | undefined | Promise<Response | undefined>;

export const hang: Script = () => new Promise(() => {});
export const down: Script = () => Promise.reject(new TypeError("connection refused"));
export const refuse =
  (name: NodeErrorName): Script =>
  () =>
    errorResponse(name);

export function errorResponse(name: NodeErrorName): Response {
  const { http, body } = errorBody(name, "scripted");
  return new Response(body, { status: http, headers: { "content-type": JSON_TYPE } });
}

export class ScriptedNodes {
  readonly committee: Committee;
  readonly codec: Codec = createReferenceCodec();
  readonly clock = new VirtualClock();
  readonly memory = new IsolateMemory({ clock: this.clock });
  readonly reads = new SharedReads(this.clock);
  readonly gate = new Gate(INVOCATION_REQUESTS);
  readonly scripts = new Map<number, Script>();
  /** Every request that reached a node, in order. */
  readonly requests: { readonly node: number; readonly method: string; readonly route: NodeRoute }[] = [];
  /** What the nodes take for the current one. */
  epoch = EPOCH;
  #random = 1;
  readonly #secretKeys: Uint8Array[] = [];
  readonly #metadata = new Map<BlobId, VerifiedMetadata>();
  /** By node: what it stores, by a key of blob and place. */
  readonly stored: Map<string, Uint8Array>[] = [];

  /** @param shardsOf how many shards each node holds */
  constructor(shardsOf: readonly number[]) {
    let next = 0;
    const nShards = shardsOf.reduce((sum, count) => sum + count, 0);
    const members = shardsOf.map((count, position) => {
      const secretKey = new Uint8Array(32).fill(position + 1);
      this.#secretKeys.push(secretKey);
      this.stored.push(new Map());
      const shards = Array.from({ length: count }, () => shardIndex(next++, nShards));
      return {
        nodeId: `0x${(position + 1).toString(16).padStart(64, "0")}` as ObjectId,
        name: `node-${position}`,
        networkAddress: `node-${position}:80`,
        publicKey: publicKeyOf(position, secretKey),
        shards,
      };
    });
    this.committee = { epoch: EPOCH, nShards, members };
  }

  /** Encodes a blob and puts its slivers on the nodes, as a finished upload would have. */
  store(content: Uint8Array): VerifiedMetadata {
    const { nShards, members } = this.committee;
    const encoder = this.codec.openEncoder(nShards, content.length);
    encoder.write(content);
    const metadata = encoder.metadata();
    this.#metadata.set(metadata.blobId, metadata);
    const pairs = Array.from({ length: nShards }, (_, pair) => sliverPairIndex(pair, nShards));
    const bytes = serializeBlobMetadataWithId(metadata.blobId, metadata);
    for (const kept of this.stored) kept.set(`${metadata.blobId} metadata`, bytes);
    for (const { pair, primary, secondary } of encoder.slivers(pairs)) {
      const shard = shardOfPair(pair, metadata.blobId, nShards);
      const node = members.findIndex((member) => member.shards.includes(shard));
      this.stored[node]?.set(`${metadata.blobId} ${pair} primary`, primary);
      this.stored[node]?.set(`${metadata.blobId} ${pair} secondary`, secondary);
    }
    encoder.release();
    return metadata;
  }

  readonly fetch = async (request: Request): Promise<Response> => {
    const url = new URL(request.url);
    const node = Number(/^node-([0-9]+)$/.exec(url.hostname)?.[1]);
    const route = parseNodePath(url.pathname);
    if (route === undefined) return new Response(null, { status: 404 });
    this.requests.push({ node, method: request.method, route });
    const scripted = await this.scripts.get(node)?.(route, request);
    return scripted ?? this.#answer(node, route, request);
  };

  async #answer(node: number, route: NodeRoute, request: Request): Promise<Response> {
    const kept = this.stored[node];
    if (kept === undefined) return new Response(null, { status: 500 });
    switch (route.name) {
      case "metadata":
        return this.#data(kept, `${route.blobId} metadata`, request, "METADATA_NOT_FOUND");
      case "sliver":
        return this.#data(kept, sliverKey(route.blobId, route.pair, route.axis), request, "SLIVER_NOT_FOUND");
      case "confirmation": {
        const { blobId, persistence } = route;
        const message = confirmationMessage({ epoch: this.epoch, blobId, persistence });
        const signature = signatureOf(node, message, this.#secretKeys[node] ?? new Uint8Array(32));
        return json(200, { signed: signedMessageToJson({ message, signature }) });
      }
      case "recovery-symbols":
        return this.#symbols(node, route.blobId, new URL(request.url).searchParams);
      case "blob-status": {
        const status: BlobStatus = { kind: "nonexistent" };
        return json(200, blobStatusToJson(status));
      }
      default:
        return new Response(null, { status: 404 });
    }
  }

  /**
   * One symbol from each of the node's secondary slivers, proven over that sliver. It has to be asked for so: without a
   * proof axis a real node proves them over the row itself where it has it.
   */
  #symbols(node: number, blobId: BlobId, query: URLSearchParams): Response {
    const filter = parseSymbolFilter(query);
    const metadata = this.#metadata.get(blobId);
    const isRow = filter?.kind === "target" && filter.axis === "primary" && filter.proofAxis === "secondary";
    if (!isRow || metadata === undefined) return errorResponse("INVALID_FILTER");
    const symbols = [...(this.stored[node] ?? [])].flatMap(([key, bytes]) => {
      const [id, pairText, axis] = key.split(" ");
      if (id !== blobId || axis !== "secondary") return [];
      const pair = sliverPairIndex(Number(pairText), metadata.nShards);
      const sliver = parseSliver(bytes, bytes.length);
      const [checked] = this.codec.verifySlivers(metadata, [{ axis: "secondary", pair, sliver }]);
      if (checked === undefined || checked instanceof Error) return [];
      return [this.codec.symbolWithProof(metadata, checked, filter.index as SliverIndex)];
    });
    if (symbols.length === 0) return errorResponse("SLIVER_NOT_FOUND");
    const body = serializeRecoverySymbols(symbols).slice();
    return new Response(body, { headers: { "content-type": OCTET_STREAM } });
  }

  async #data(
    kept: Map<string, Uint8Array>,
    key: string,
    request: Request,
    missing: NodeErrorName,
  ): Promise<Response> {
    if (request.method === "PUT") {
      const body = new Uint8Array(await request.arrayBuffer());
      // GET metadata answers with the blob ID in front of what PUT metadata brought.
      const blobId = key.split(" ")[0] as BlobId;
      kept.set(key, key.endsWith("metadata") ? concatBytes(blobIdToBytes(blobId), body) : body);
      return json(201, "stored");
    }
    const bytes = kept.get(key);
    if (bytes === undefined) return errorResponse(missing);
    return new Response(bytes.slice(), { headers: { "content-type": OCTET_STREAM } });
  }

  /** Ports for the use cases under test; parts that a test does not use throw. */
  services(overrides: Partial<EdgePorts> = {}): EdgePorts & { readonly background: Promise<unknown>[] } {
    const unused = (what: string) => (): never => {
      throw new Error(`${what} is not part of this test`);
    };
    const background: Promise<unknown>[] = [];
    const transport: NodeTransport = {
      fetch: this.fetch,
      clock: this.clock,
      randomBytes: (count) => Uint8Array.from({ length: count }, () => this.#randomByte()),
      gate: this.gate,
    };
    return {
      requestId: "0".repeat(32),
      networkKind: "local",
      maxBodyBytes: 1 << 20,
      maxStagedBytes: EDGE_LIMITS.stagedBytes,
      turnMs: EDGE_LIMITS.uploadLeaseMs,
      stagedObjects: undefined,
      transport,
      carrier: new DirectCarrier(transport),
      codec: this.codec,
      memory: this.memory,
      reads: this.reads,
      chain: { snapshot: async () => this.snapshot() },
      wallet: { register: unused("register"), certify: unused("certify") },
      tracker: unused("tracker"),
      bindIdempotencyKey: async () => {},
      faults: new NodeFaults(this.clock, () => {}),
      edgeReads: undefined,
      failPoint: () => {},
      waitUntil: (work) => {
        background.push(work);
      },
      log: () => {},
      background,
      ...overrides,
    };
  }

  /** Different for every invocation, the same in every run. */
  #randomByte(): number {
    this.#random = (Math.imul(this.#random, 1_103_515_245) + 12_345) >>> 0;
    return this.#random >>> 24;
  }

  snapshot(overrides: Partial<ChainSnapshot> = {}): ChainSnapshot {
    const id = `0x${"ab".repeat(32)}` as ObjectId;
    return {
      epoch: EPOCH,
      nShards: this.committee.nShards,
      epochState: { kind: "EpochChangeDone", atMs: 0 },
      epochDurationMs: 0,
      committee: this.committee,
      previousCommittee: null,
      storagePricePerUnit: 11_000n,
      writePricePerUnit: 20_000n,
      maxEpochsAhead: 53,
      version: 1n,
      packageId: id,
      originalPackageId: id,
      walType: "0x1::wal::WAL",
      systemObjectId: id,
      systemInitialSharedVersion: 1n,
      stakingObjectId: id,
      readAtMs: this.clock.nowMs(),
      ...overrides,
    };
  }
}

// Keys and messages repeat from test to test, and each costs 5 to 20 ms.
const publicKeys = new Map<number, Uint8Array>();
const signatures = new Map<string, Uint8Array>();

function publicKeyOf(node: number, secretKey: Uint8Array): Uint8Array {
  const key = publicKeys.get(node) ?? blsPublicKey(secretKey);
  publicKeys.set(node, key);
  return key;
}

function signatureOf(node: number, message: Uint8Array, secretKey: Uint8Array): Uint8Array {
  const name = `${node} ${toHex(message)}`;
  const signature = signatures.get(name) ?? blsSign(message, secretKey);
  signatures.set(name, signature);
  return signature;
}

export const sliverKey = (blobId: string, pair: number, axis: Axis): string => `${blobId} ${pair} ${axis}`;

function json(status: number, data: unknown): Response {
  return new Response(successBody(status, data), { status, headers: { "content-type": JSON_TYPE } });
}
