/**
 * What else belongs to a challenge beside its one drawn symbol: all of it follows from the seed, nothing is chosen.
 *
 * | what            | hashed as H(domain, draw digest, i u32 LE)   | taken as                                   |
 * |-----------------|----------------------------------------------|--------------------------------------------|
 * | further symbols | "floe-audit/extra/v1", i = 0, 1, ...         | big-endian [0..6) mod n, repeats skipped   |
 * | whole sliver    | "floe-audit/sliver/v1", 0                    | big-endian [0..6) mod `wholeSliverOneIn`   |
 * | jitter          | "floe-audit/jitter/v1", 0                    | big-endian [0..6) / 2^48                   |
 *
 * One symbol of a long sliver is cheap to fetch from another node; many of one sliver in one request are not.
 */

import type { AuditParameters } from "../../shared/audit/parameters.ts";
import type { PopulationIndex } from "../../shared/audit/population.ts";
import { type Challenge, challengeOf, DRAW_MODES } from "../../shared/audit/selection.ts";
import { blake2b256 } from "../../shared/crypto/blake2b.ts";
import { BcsWriter } from "../../shared/protocol/bcs.ts";
import {
  type ObjectId,
  objectIdToBytes,
  type ShardIndex,
  type SliverIndex,
} from "../../shared/protocol/ids.ts";
import { blobLayout, sliverBytes } from "../../shared/protocol/sizes.ts";

const encoder = new TextEncoder();
const EXTRA = encoder.encode("floe-audit/extra/v1");
const WHOLE_SLIVER = encoder.encode("floe-audit/sliver/v1");
const JITTER = encoder.encode("floe-audit/jitter/v1");
const CHAIN = encoder.encode("floe-audit/chain/v1");
const MINUTE_MS = 60_000;

/** 48 bits of the i-th hash of a draw: exact as a number. */
function derived(domain: Uint8Array, digest: Uint8Array, i: number): number {
  const hash = blake2b256(domain, digest, new BcsWriter(4).u32(i).finish());
  const view = new DataView(hash.buffer, hash.byteOffset);
  return view.getUint32(0) * 0x1_0000 + view.getUint16(4);
}

/**
 * The symbols of one sliver to ask in one request: the drawn one first, more when the sliver is long.
 *
 * @param digest `drawDigest` of the challenge
 */
export function symbolsToAsk(
  challenge: Challenge,
  digest: Uint8Array,
  nShards: number,
  parameters: AuditParameters,
): SliverIndex[] {
  const layout = blobLayout(nShards, challenge.unencodedLength);
  const isLong = sliverBytes(layout, challenge.axis) > parameters.manySymbolsAboveBytes;
  const count = isLong ? Math.min(parameters.symbolsPerRequest, nShards) : 1;
  const symbols = new Set<SliverIndex>([challenge.symbol]);
  for (let i = 0; symbols.size < count; i++)
    symbols.add((derived(EXTRA, digest, i) % nShards) as SliverIndex);
  return [...symbols];
}

/** Whether this draw asks for the whole sliver as well. */
export const asksWholeSliver = (digest: Uint8Array, parameters: AuditParameters): boolean =>
  derived(WHOLE_SLIVER, digest, 0) % parameters.wholeSliverOneIn === 0;

/** 0 <= jitter < 1, for the times of a draw's repetitions. */
export const jitterOf = (digest: Uint8Array): number => derived(JITTER, digest, 0) / 2 ** 48;

/**
 * The seed of the next step of a burst: it cannot be known before the symbol of this step is, so a node has to answer
 * one after the other. A signal by its total time, never evidence.
 */
export const nextChainSeed = (seed: Uint8Array, symbol: Uint8Array): Uint8Array =>
  blake2b256(CHAIN, seed, symbol);

/** The seed of a node's burst in a round. */
export const firstChainSeed = (roundSeed: Uint8Array, node: ObjectId): Uint8Array =>
  blake2b256(CHAIN, roundSeed, objectIdToBytes(node));

/** A drawn sliver that is padding only is passed over, this often. */
const MAX_PADDING = 16;

/**
 * The challenge of one step of a burst: drawn per blob from the chain's seed for one of the node's shards in turn.
 *
 * @returns undefined for an empty population, or when it hits padding again and again
 */
export function chainedChallenge(
  chainSeed: Uint8Array,
  step: number,
  shards: readonly ShardIndex[],
  nShards: number,
  population: PopulationIndex,
): Challenge | undefined {
  const shard = shards[step % shards.length];
  if (population.size === 0 || shard === undefined) return undefined;
  for (let t = 0; t < MAX_PADDING; t++) {
    const challenge = challengeOf(chainSeed, { mode: DRAW_MODES.perBlob, shard, t }, nShards, population);
    if (!challenge.isVacuous) return challenge;
  }
  return undefined;
}

/** What has been asked lately, of one node and of all; times ascend. */
export interface RequestLog {
  readonly inFlightAtNode: number;
  readonly nodeStartsMs: readonly number[];
  readonly allStartsMs: readonly number[];
}

/**
 * When the next request to a node may start: one in flight at a time, a few per minute, a bounded rate in total.
 *
 * @returns undefined while a request to the node is in flight
 */
export function nextRequestMs(
  log: RequestLog,
  nowMs: number,
  parameters: AuditParameters,
): number | undefined {
  if (log.inFlightAtNode > 0) return undefined;
  const ofNode = log.nodeStartsMs.at(-parameters.requestsPerMinutePerNode);
  const last = log.allStartsMs.at(-1);
  const gapMs = Math.ceil(1_000_000 / parameters.requestsPerThousandSeconds);
  return Math.max(
    nowMs,
    ofNode === undefined ? 0 : ofNode + MINUTE_MS,
    last === undefined ? 0 : last + gapMs,
  );
}
