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
  let offset = 0;
  for (const byte of blobIdToBytes(blobId)) offset = (offset * 256 + byte) % nShards;
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
