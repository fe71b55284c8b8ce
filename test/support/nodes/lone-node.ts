/** One storage node of a committee of two, its chain written by hand, asked through `fetch` without a socket. */
import { systemClock } from "../../../host/clock.ts";
import { parseTarget } from "../../../localnet/storage-node/node-request.ts";
import { replyHeaders } from "../../../localnet/storage-node/reply.ts";
import { StorageNode } from "../../../localnet/storage-node/storage-node.ts";
import { NodeStore } from "../../../localnet/storage-node/store.ts";
import { createReferenceCodec } from "../../../shared/codec/reference-codec.ts";
import { blsPublicKey } from "../../../shared/crypto/bls.ts";
import type { Committee } from "../../../shared/protocol/committee.ts";
import {
  AXES,
  type BlobId,
  type ObjectId,
  parseObjectId,
  type ShardIndex,
  type SliverPairIndex,
} from "../../../shared/protocol/ids.ts";
import { shardOfPair } from "../../../shared/protocol/mapping.ts";
import { serializeBlobMetadata } from "../../../shared/protocol/metadata.ts";
import { ScriptedChain } from "../sui/scripted-chain.ts";
import { until } from "../until.ts";

export const N_SHARDS = 10;
export const NODE_ID = parseObjectId("0x1");
const OTHER_ID = parseObjectId("0x2");
export const SECRET_KEY = new Uint8Array(32).fill(9);
export const codec = createReferenceCodec();

/** The node under test holds shards 0 to 4 unless told otherwise; the other member holds the rest. */
export function committee(epoch: number, own: readonly number[] = [0, 1, 2, 3, 4]): Committee {
  const all = Array.from({ length: N_SHARDS }, (_, shard) => shard);
  const member = (nodeId: ObjectId, key: number, shards: readonly number[]) => ({
    nodeId,
    name: nodeId,
    networkAddress: "127.0.0.1:1",
    publicKey: blsPublicKey(new Uint8Array(32).fill(key)),
    shards: shards as ShardIndex[],
  });
  const rest = all.filter((shard) => !own.includes(shard));
  return { epoch, nShards: N_SHARDS, members: [member(NODE_ID, 9, own), member(OTHER_ID, 8, rest)] };
}

export interface TestBlob {
  readonly blobId: BlobId;
  /** Body of PUT metadata. */
  readonly metadata: Uint8Array;
  /** Bodies of PUT sliver by pair. */
  readonly pairs: readonly { readonly primary: Uint8Array; readonly secondary: Uint8Array }[];
}

export function encodeBlob(content: Uint8Array, nShards = N_SHARDS): TestBlob {
  const encoder = codec.openEncoder(nShards, content.length);
  encoder.write(content);
  const metadata = encoder.metadata();
  const pairs = encoder.slivers(Array.from({ length: nShards }, (_, pair) => pair as SliverPairIndex));
  encoder.release();
  return { blobId: metadata.blobId, metadata: serializeBlobMetadata(metadata), pairs };
}

export interface LoneNode {
  readonly node: StorageNode;
  readonly chain: ScriptedChain;
  readonly store: NodeStore;
  readonly errors: unknown[];
  readonly blocked: Set<BlobId>;
  ask(method: string, path: string, body?: Uint8Array, headers?: Record<string, string>): Promise<Response>;
  /** Waits until the node has applied every event emitted so far. */
  caughtUp(events: number): Promise<void>;
  /** Puts metadata and the slivers of the node's own shards; fails unless all are accepted. */
  upload(blob: TestBlob): Promise<void>;
  stop(): Promise<void>;
}

export async function startLoneNode(
  options: { chain?: ScriptedChain; storePath?: string; store?: NodeStore } = {},
): Promise<LoneNode> {
  const chain =
    options.chain ?? new ScriptedChain({ epoch: 5, committee: committee(5), previousCommittee: null });
  const store = options.store ?? new NodeStore(options.storePath ?? ":memory:");
  const errors: unknown[] = [];
  const blocked = new Set<BlobId>();
  const node = new StorageNode({
    keys: { nodeId: NODE_ID, secretKey: SECRET_KEY, publicKey: blsPublicKey(SECRET_KEY) },
    store,
    chain,
    codec,
    clock: systemClock,
    isBlocked: (blobId) => blocked.has(blobId),
    onError: (error) => errors.push(error),
  });
  await node.start();
  const ask: LoneNode["ask"] = async (method, path, body = new Uint8Array(), headers = {}) => {
    const reply = await node.answer({
      method,
      ...parseTarget(path),
      header: (name) => headers[name],
      body: async (maxBytes) => (body.length > maxBytes ? undefined : body.slice()),
    });
    const isBodiless = method === "HEAD" || reply.body.length === 0;
    const init = { status: reply.status, headers: replyHeaders(reply) };
    return new Response(isBodiless ? null : new Uint8Array(reply.body), init);
  };
  return {
    node,
    chain,
    store,
    errors,
    blocked,
    ask,
    async caughtUp(events) {
      const applied = (): number => node.context.follower.eventCount;
      await until(`event ${events}`, () => applied() >= events).catch((cause: unknown) => {
        throw new Error(`applied ${applied()} of ${events} events: ${String(errors[0])}`, { cause });
      });
    },
    async upload({ blobId, metadata, pairs }) {
      const put = async (path: string, body: Uint8Array) => {
        const response = await ask("PUT", `/v1/blobs/${blobId}/${path}`, body);
        if (response.status !== 201) throw new Error(`PUT ${path}: ${await response.text()}`);
      };
      await put("metadata", metadata);
      for (const [pair, slivers] of pairs.entries()) {
        const shard = shardOfPair(pair as SliverPairIndex, blobId, N_SHARDS);
        if (!node.context.ownShards().includes(shard)) continue;
        for (const axis of AXES) await put(`slivers/${pair}/${axis}`, slivers[axis]);
      }
    },
    async stop() {
      await node.stop();
      store.close();
    },
  };
}
