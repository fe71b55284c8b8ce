/** Populations, challenges and metadata for the tests of the auditor's core. */
import { MemoryPopulation, type PopulationBlob } from "../../../shared/audit/population.ts";
import type { Challenge, DrawKey, DrawMode } from "../../../shared/audit/selection.ts";
import { blake2b256 } from "../../../shared/crypto/blake2b.ts";
import { BcsWriter } from "../../../shared/protocol/bcs.ts";
import {
  type BlobId,
  blobIdFromBytes,
  type ObjectId,
  objectIdFromBytes,
  type ShardIndex,
  type SliverIndex,
  type SliverPairIndex,
} from "../../../shared/protocol/ids.ts";

export const seedOf = (number: number): Uint8Array => blake2b256(new BcsWriter(4).u32(number).finish());
export const blobIdOf = (number: number): BlobId => blobIdFromBytes(seedOf(number));
export const objectIdOf = (number: number): ObjectId => objectIdFromBytes(seedOf(number));

export const blobOf = (number: number, unencodedLength = 1_000_000, endEpoch = 50): PopulationBlob => ({
  blobId: blobIdOf(number),
  unencodedLength,
  endEpoch,
});

export const populationOf = (count: number, nShards: number): MemoryPopulation =>
  new MemoryPopulation(
    Array.from({ length: count }, (_, i) => blobOf(i, 1_000_000 + i)),
    nShards,
  );

export const drawKey = (mode: DrawMode, shard: number, t: number): DrawKey => ({
  mode,
  shard: shard as ShardIndex,
  t,
});

export const challengeWith = (fields: Partial<Challenge> = {}): Challenge => ({
  ...drawKey(0, 0, 0),
  offset: 0n,
  axis: "primary",
  symbol: 0 as SliverIndex,
  blobId: blobIdOf(1),
  unencodedLength: 1000,
  endEpoch: 50,
  leaf: 0,
  pair: 0 as SliverPairIndex,
  isVacuous: false,
  ...fields,
});
