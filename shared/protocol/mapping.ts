/**
 * Conversions between shards, sliver pairs and slivers. They live here and nowhere else.
 *
 *   offset = blob ID bytes as a BIG-endian integer mod n
 *   shard  = (pair + offset) mod n
 *   pair i holds primary sliver i and secondary sliver n-1-i
 */
import {
  type Axis,
  type BlobId,
  blobIdToBytes,
  type ShardIndex,
  type SliverIndex,
  type SliverPairIndex,
} from "./ids.ts";

/** Rotation of pairs over shards. Note the opposite endianness from the contract's u256. */
export function shardOffset(blobId: BlobId, nShards: number): number {
  const bytes = blobIdToBytes(blobId);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let offset = 0;
  // Four bytes at a time: with up to 65,535 shards every step is below 2^48, exact as a number.
  for (let at = 0; at < bytes.length; at += 4)
    offset = (offset * 0x1_0000_0000 + view.getUint32(at)) % nShards;
  return offset;
}

export const shardOfPair = (pair: SliverPairIndex, blobId: BlobId, nShards: number): ShardIndex =>
  ((pair + shardOffset(blobId, nShards)) % nShards) as ShardIndex;

export const pairOfShard = (shard: ShardIndex, blobId: BlobId, nShards: number): SliverPairIndex =>
  ((nShards + shard - shardOffset(blobId, nShards)) % nShards) as SliverPairIndex;

export const sliverOfPair = (pair: SliverPairIndex, axis: Axis, nShards: number): SliverIndex =>
  (axis === "primary" ? pair : nShards - 1 - pair) as number as SliverIndex;

export const pairOfSliver = (sliver: SliverIndex, axis: Axis, nShards: number): SliverPairIndex =>
  (axis === "primary" ? sliver : nShards - 1 - sliver) as number as SliverPairIndex;
