/**
 * What a round asks of a shard: recomputable from the round's seed and the populations.
 *
 *   D      = H( "floe-audit/select/v1" || seed 32 || mode u8 || shard u16 LE || t u32 LE || size u64 LE )
 *   x      = big-endian D[0..16)
 *   axis   = D[16] & 1                     0 primary, 1 secondary
 *   symbol = big-endian D[24..30) mod n    leaf of the audited sliver
 *   pair   = the pair that the shard holds of the drawn blob
 *
 * | mode | population               | size           | leaf                                        | claimable |
 * |------|--------------------------|----------------|---------------------------------------------|-----------|
 * | 0    | permanent blobs, P(e)    | entries        | x mod size                                  | yes       |
 * | 1    | permanent blobs, P(e)    | encoded bytes  | where cum <= x mod size < cum + own bytes   | yes       |
 * | 2    | deletable blobs, D       | entries        | x mod size                                  | no        |
 * | 3    | blobs of this epoch, F   | entries        | x mod size                                  | no        |
 *
 * The Move module `floe_audit::select` computes the same.
 */

import { assert } from "../base/errors.ts";
import { blake2b256 } from "../crypto/blake2b.ts";
import { BcsWriter } from "../protocol/bcs.ts";
import type { Axis, BlobId, ShardIndex, SliverIndex, SliverPairIndex } from "../protocol/ids.ts";
import { pairOfShard, sliverOfPair } from "../protocol/mapping.ts";
import type { SymbolId } from "../protocol/recovery-symbol.ts";
import { blobLayout } from "../protocol/sizes.ts";
import { AuditError } from "./audit-error.ts";
import type { AuditParameters } from "./parameters.ts";
import type { PopulationEntry, PopulationIndex } from "./population.ts";
import { isVacuous } from "./vacuous.ts";

const DOMAIN = new TextEncoder().encode("floe-audit/select/v1");
const ORDER_DOMAIN = new TextEncoder().encode("floe-audit/order/v1");
const CHECKPOINT_SEED_DOMAIN = new TextEncoder().encode("floe-audit/seed/ckpt/v1");
const SEED_BYTES = 32;
const DIGEST_BYTES = 32;

export const DRAW_MODES = { perBlob: 0, perByte: 1, deletable: 2, fresh: 3 } as const;
export type DrawMode = (typeof DRAW_MODES)[keyof typeof DRAW_MODES];
/** Failures of these modes may be claimed on chain. */
export const isClaimableMode = (mode: DrawMode): boolean =>
  mode === DRAW_MODES.perBlob || mode === DRAW_MODES.perByte;

/** One draw of a round: the number `t` of its mode for a shard. */
export interface DrawKey {
  readonly mode: DrawMode;
  readonly shard: ShardIndex;
  readonly t: number;
}

/** What the digest says, before it is known which blob stands at the index. */
export interface Draw extends DrawKey {
  /** x mod size: a leaf in modes 0, 2 and 3, a byte offset in mode 1. */
  readonly offset: bigint;
  readonly axis: Axis;
  /** Leaf of the audited sliver's tree = sliver index on the other axis. */
  readonly symbol: SliverIndex;
}

/** A draw with its blob: what the owner of `shard` is asked. */
export interface Challenge extends Draw {
  readonly blobId: BlobId;
  readonly unencodedLength: number;
  readonly endEpoch: number;
  /** Position of the blob in its population. */
  readonly leaf: number;
  readonly pair: SliverPairIndex;
  /** True when the sliver is padding only: recorded, asked of no node, counted nowhere. */
  readonly isVacuous: boolean;
}

export const compareDraws = (a: DrawKey, b: DrawKey): number =>
  a.mode - b.mode || a.shard - b.shard || a.t - b.t;

const SEED_AT = DOMAIN.length;
const MODE_AT = SEED_AT + SEED_BYTES;
const message = new Uint8Array(MODE_AT + 15);
message.set(DOMAIN);
const messageView = new DataView(message.buffer);

/** The digest of one draw. @throws AuditError `INVALID_DRAW` for a seed that has not 32 bytes */
export function drawDigest(seed: Uint8Array, key: DrawKey, size: bigint): Uint8Array {
  if (seed.length !== SEED_BYTES) {
    throw new AuditError("INVALID_DRAW", `a seed has ${SEED_BYTES} bytes, this has ${seed.length}`, {
      details: { seedBytes: seed.length },
    });
  }
  // The layout of the header; one buffer serves all draws, since hashing keeps none of it.
  message.set(seed, SEED_AT);
  messageView.setUint8(MODE_AT, key.mode);
  messageView.setUint16(MODE_AT + 1, key.shard, true);
  messageView.setUint32(MODE_AT + 3, key.t, true);
  messageView.setBigUint64(MODE_AT + 7, size, true);
  return blake2b256(message);
}

/**
 * @param size entries, in mode 1 encoded bytes, of the mode's population
 * @throws AuditError `INVALID_DRAW` for an empty population
 */
export function draw(seed: Uint8Array, key: DrawKey, size: bigint, nShards: number): Draw {
  if (size <= 0n) {
    throw new AuditError("INVALID_DRAW", `mode ${key.mode} draws from an empty population`, {
      details: { mode: key.mode, shard: key.shard, t: key.t },
    });
  }
  const digest = drawDigest(seed, key, size);
  const view = new DataView(digest.buffer, digest.byteOffset, DIGEST_BYTES);
  const x = (view.getBigUint64(0) << 64n) | view.getBigUint64(8);
  // 48 bits: exact as a number.
  const symbol = (view.getUint32(24) * 0x1_0000 + view.getUint16(28)) % nShards;
  return {
    ...key,
    offset: x % size,
    axis: (view.getUint8(16) & 1) === 0 ? "primary" : "secondary",
    symbol: symbol as SliverIndex,
  };
}

/** The populations a round draws from, and how often. */
export interface RoundPopulations {
  readonly permanent: PopulationIndex;
  readonly deletable: PopulationIndex;
  readonly fresh: PopulationIndex;
}

/** Draws per shard, by mode. */
export type DrawCounts = Readonly<Record<DrawMode, number>>;

/** Draws per shard of round `no`. */
export const drawCounts = (no: number, parameters: AuditParameters): DrawCounts => ({
  [DRAW_MODES.perBlob]: parameters.drawsPerBlob,
  [DRAW_MODES.perByte]: no % parameters.perByteEveryRounds === 0 ? parameters.drawsPerByte : 0,
  [DRAW_MODES.deletable]: parameters.drawsDeletable,
  [DRAW_MODES.fresh]: parameters.drawsFresh,
});

/**
 * All challenges of a round in (mode, shard, t) order; a mode whose population is empty draws nothing.
 *
 * Cost: one hash, one modular reduction of 128 bits and one look-up per draw (3,000 draws: about 15 ms).
 */
export function planRound(
  seed: Uint8Array,
  nShards: number,
  populations: RoundPopulations,
  counts: DrawCounts,
): Challenge[] {
  const challenges: Challenge[] = [];
  for (const mode of Object.values(DRAW_MODES)) {
    const population = populationOf(mode, populations);
    if (population.size === 0) continue;
    const draws: Draw[] = [];
    for (let shard = 0; shard < nShards; shard++) {
      for (let t = 0; t < counts[mode]; t++) {
        draws.push(draw(seed, { mode, shard: shard as ShardIndex, t }, drawnSize(mode, population), nShards));
      }
    }
    challenges.push(...challengesOf(draws, nShards, population));
  }
  return challenges;
}

/** The challenge of one draw; what `planRound` makes of the same key. */
export function challengeOf(
  seed: Uint8Array,
  key: DrawKey,
  nShards: number,
  population: PopulationIndex,
): Challenge {
  const drawn = draw(seed, key, drawnSize(key.mode, population), nShards);
  const [challenge] = challengesOf([drawn], nShards, population);
  assert(challenge !== undefined, "one challenge a draw");
  return challenge;
}

const isByBytes = (mode: DrawMode): boolean => mode === DRAW_MODES.perByte;

const drawnSize = (mode: DrawMode, population: PopulationIndex): bigint =>
  isByBytes(mode) ? population.totalBytes : BigInt(population.size);

/** @param draws all of one mode */
function challengesOf(draws: readonly Draw[], nShards: number, population: PopulationIndex): Challenge[] {
  const entries =
    draws[0] !== undefined && isByBytes(draws[0].mode)
      ? population.leavesByCum(draws.map(({ offset }) => offset))
      : population.leavesAt(draws.map(({ offset }) => Number(offset)));
  return draws.map((drawn, i) => {
    const entry = entries[i];
    assert(entry !== undefined, "an entry per draw");
    return { ...drawn, ...blobOf(entry, drawn.shard, drawn.axis, nShards) };
  });
}

function blobOf(entry: PopulationEntry, shard: ShardIndex, axis: Axis, nShards: number) {
  const { blobId, unencodedLength, endEpoch, index } = entry;
  const pair = pairOfShard(shard, blobId, nShards);
  return {
    blobId,
    unencodedLength,
    endEpoch,
    leaf: index,
    pair,
    isVacuous: isVacuous(blobLayout(nShards, unencodedLength), pair, axis),
  };
}

function populationOf(mode: DrawMode, populations: RoundPopulations): PopulationIndex {
  switch (mode) {
    case DRAW_MODES.perBlob:
    case DRAW_MODES.perByte:
      return populations.permanent;
    case DRAW_MODES.deletable:
      return populations.deletable;
    case DRAW_MODES.fresh:
      return populations.fresh;
    default:
      return mode satisfies never;
  }
}

/** The symbol's ID in a request: for the primary sliver of pair p (p, symbol), for the secondary (symbol, n-1-p). */
export function symbolIdOfChallenge(
  challenge: Pick<Challenge, "axis" | "pair" | "symbol">,
  nShards: number,
): SymbolId {
  const sliver = sliverOfPair(challenge.pair, challenge.axis, nShards);
  return challenge.axis === "primary"
    ? { primary: sliver, secondary: challenge.symbol }
    : { primary: challenge.symbol, secondary: sliver };
}

/**
 * The order in which an auditor works through a round: by hash, so that no node is always asked first, and the same
 * for every verifier.
 */
export function shuffleBySeed<Item>(seed: Uint8Array, items: readonly Item[]): Item[] {
  const keyed = items.map((item, position) => {
    const digest = blake2b256(ORDER_DOMAIN, seed, new BcsWriter(4).u32(position).finish());
    return { item, position, rank: new DataView(digest.buffer, digest.byteOffset).getBigUint64(0) };
  });
  keyed.sort((a, b) => (a.rank < b.rank ? -1 : a.rank > b.rank ? 1 : a.position - b.position));
  return keyed.map(({ item }) => item);
}

/**
 * The seed of a round when no package is deployed: fixed by the first checkpoint at or after the round's start.
 * Validators could bias it, which is why a report has to name its seed's source.
 */
export const checkpointSeed = (checkpointDigest: Uint8Array): Uint8Array =>
  blake2b256(CHECKPOINT_SEED_DOMAIN, checkpointDigest);
