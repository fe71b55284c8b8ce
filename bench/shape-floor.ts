/**
 * The floor under a publish: a client without a platform sends the PUTs of one publish, and asks for confirmations.
 *
 * Encoded beforehand and registered through the official SDK. Up to 144 requests at once, as many as 24 lanes of six
 * have, first come, first served: metadata of every node, its slivers once it has the metadata, its confirmation once
 * it has the slivers. Connections are kept alive. Counted until nodes with 2f + 1 shards have confirmed, which is when a
 * publish can be certified; sending goes on to the end.
 */
import { Agent, request } from "node:http";
import { nodeCodec } from "../host/codec.ts";
import { metadataRootHash } from "../shared/codec/blob-id.ts";
import type { EncodedPair } from "../shared/codec/codec.ts";
import type { NetworkFileNode } from "../shared/network/network-file.ts";
import { NODE_PATHS } from "../shared/node/storage-node-api.ts";
import { isQuorum } from "../shared/protocol/bft.ts";
import { type BlobId, parseObjectId, type ShardIndex, type SliverPairIndex } from "../shared/protocol/ids.ts";
import { pairOfShard } from "../shared/protocol/mapping.ts";
import type { Persistence } from "../shared/protocol/messages.ts";
import { serializeBlobMetadata } from "../shared/protocol/metadata.ts";
import type { ShapeNetwork } from "./shape-network.ts";
import type { SdkSide } from "./shape-sides.ts";

const AT_ONCE = 144;
/** Nodes read the chain a moment after the registration; the clock starts afterwards. */
const REGISTRATION_SEEN_MS = 1500;

export interface FloorSample {
  /** Until nodes with 2f + 1 shards have confirmed, and until all have. */
  readonly quorumMs: number;
  readonly allMs: number;
}

interface Prepared {
  readonly blobId: BlobId;
  readonly metadata: Uint8Array;
  readonly pairs: ReadonlyMap<SliverPairIndex, EncodedPair>;
  readonly persistence: Persistence;
}

export class FloorClient {
  readonly #network: ShapeNetwork;
  readonly #sdk: SdkSide;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: AT_ONCE });
  readonly #waiting: (() => void)[] = [];
  #free = AT_ONCE;

  constructor(network: ShapeNetwork, sdk: SdkSide) {
    this.#network = network;
    this.#sdk = sdk;
  }

  async publish(content: Uint8Array): Promise<FloorSample> {
    const blob = await this.#prepare(content);
    const { nShards } = this.#network.file;
    const started = performance.now();
    let quorumMs = Number.NaN;
    let weight = 0;
    const send = async (node: NetworkFileNode): Promise<void> => {
      await this.#sendNode(node, blob);
      weight += node.shards.length;
      if (Number.isNaN(quorumMs) && isQuorum(weight, nShards)) quorumMs = performance.now() - started;
    };
    await Promise.all(this.#network.nodes.map(send));
    return { quorumMs, allMs: performance.now() - started };
  }

  close(): void {
    this.#agent.destroy();
  }

  async #prepare(content: Uint8Array): Promise<Prepared> {
    const { nShards } = this.#network.file;
    const encoder = (await nodeCodec()).openEncoder(nShards, content.length);
    try {
      encoder.write(content);
      const metadata = encoder.metadata();
      const all = Array.from({ length: nShards }, (_, pair) => pair as SliverPairIndex);
      const pairs = new Map(encoder.slivers(all).map((each) => [each.pair, each]));
      const { blobId } = metadata;
      const rootHash = metadataRootHash(metadata);
      const objectId = await this.#sdk.register({ blobId, rootHash, size: content.length });
      await new Promise((resolve) => setTimeout(resolve, REGISTRATION_SEEN_MS));
      const persistence = { kind: "deletable", objectId: parseObjectId(objectId) } as const;
      return { blobId, metadata: serializeBlobMetadata(metadata), pairs, persistence };
    } finally {
      encoder.release();
    }
  }

  async #sendNode(node: NetworkFileNode, blob: Prepared): Promise<void> {
    const { blobId, metadata, pairs, persistence } = blob;
    const { nShards } = this.#network.file;
    await this.#call(node, "PUT", NODE_PATHS.metadata(blobId), metadata);
    await Promise.all(
      node.shards.flatMap((shard) => {
        const pair = pairOfShard(shard as ShardIndex, blobId, nShards);
        const encoded = pairs.get(pair);
        if (encoded === undefined) throw new Error(`no sliver pair ${pair}`);
        return (["primary", "secondary"] as const).map((axis) =>
          this.#call(node, "PUT", NODE_PATHS.sliver(blobId, pair, axis), encoded[axis]),
        );
      }),
    );
    await this.#call(node, "GET", NODE_PATHS.confirmation(blobId, persistence));
  }

  async #call(
    { url, name }: NetworkFileNode,
    method: "GET" | "PUT",
    path: string,
    body?: Uint8Array,
  ): Promise<void> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      const status = await this.#exchange(`${url}${path}`, method, body);
      if (status >= 300) throw new Error(`${name} answered ${status} to ${method} ${path}`);
    } finally {
      // The place goes to the next in the queue without becoming free.
      const next = this.#waiting.shift();
      if (next === undefined) this.#free++;
      else next();
    }
  }

  #exchange(url: string, method: string, body: Uint8Array | undefined): Promise<number> {
    return new Promise((resolve, reject) => {
      const headers = body === undefined ? {} : { "content-length": body.length };
      const sent = request(url, { method, agent: this.#agent, headers }, (response) => {
        response.resume();
        response.on("error", reject);
        response.on("end", () => resolve(response.statusCode ?? 0));
      });
      sent.on("error", reject);
      sent.end(body);
    });
  }
}
