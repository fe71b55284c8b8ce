/**
 * Makes the vectors that the Move tests run against: draws, populations and symbol proofs of our own codec, as Move
 * modules. They are checked in, so that the packages can be tested with any Move toolchain.
 */

import { MemoryPopulation, type PopulationBlob, serializeEntry } from "../../../shared/audit/population.ts";
import { refutationOf } from "../../../shared/audit/refutation.ts";
import {
  type Challenge,
  challengeOf,
  DRAW_MODES,
  type DrawMode,
  symbolIdOfChallenge,
} from "../../../shared/audit/selection.ts";
import { fromHex } from "../../../shared/base/bytes.ts";
import { assert } from "../../../shared/base/errors.ts";
import type { Codec } from "../../../shared/codec/codec.ts";
import { blake2b256 } from "../../../shared/crypto/blake2b.ts";
import {
  type Axis,
  type BlobId,
  blobIdToBytes,
  type ShardIndex,
  type SliverIndex,
  type SliverPairIndex,
} from "../../../shared/protocol/ids.ts";
import { pairOfSliver, sliverOfPair } from "../../../shared/protocol/mapping.ts";
import type { VerifiedMetadata } from "../../../shared/protocol/metadata.ts";
import type { RecoverySymbol } from "../../../shared/protocol/recovery-symbol.ts";
import { parseSliver } from "../../../shared/protocol/sliver.ts";
import { prng } from "../../support/vectors.ts";
import { bytesLiteral, chooser, pathLiteral } from "./move-literals.ts";

const HEADER =
  "// Made by test/unit/move/vectors-module.ts from the codec of this repository. Do not edit.\n\n";

const SMALL_SHARDS = 10;
const AUDIT_EPOCH = 7;
const DRAWS_PER_SHARD = 3;
const ROUND_SEED = blake2b256(new TextEncoder().encode("the seed of the round in the Move tests"));

/** A blob with all its slivers, asked for symbols as a storage node is. */
class EncodedBlob {
  readonly metadata: VerifiedMetadata;
  readonly #codec: Codec;
  readonly #sliver: (axis: Axis, index: SliverIndex) => Uint8Array;

  constructor(codec: Codec, nShards: number, bytes: Uint8Array) {
    this.#codec = codec;
    const encoder = codec.openEncoder(nShards, bytes.length);
    encoder.write(bytes);
    this.metadata = encoder.metadata();
    this.#sliver = (axis, index) => {
      const [pair] = encoder.slivers([pairOfSliver(index, axis, nShards)]);
      assert(pair !== undefined, "an encoder hands out every pair");
      return axis === "primary" ? pair.primary : pair.secondary;
    };
  }

  symbol(axis: Axis, sliver: SliverIndex, target: SliverIndex): RecoverySymbol {
    const bytes = this.#sliver(axis, sliver);
    const pair = pairOfSliver(sliver, axis, this.metadata.nShards);
    const [verified] = this.#codec.verifySlivers(this.metadata, [
      { axis, pair, sliver: parseSliver(bytes, bytes.length) },
    ]);
    assert(verified !== undefined && !(verified instanceof Error), "an encoder's slivers fit its metadata");
    return this.#codec.symbolWithProof(this.metadata, verified, target);
  }

  /** `Proof` of vectors.move. @param symbolText replaces the literal of a symbol too long for one */
  proof(axis: Axis, pair: SliverPairIndex, target: SliverIndex, symbolText?: string): string {
    const { metadata } = this;
    const symbol = this.symbol(axis, sliverOfPair(pair, axis, metadata.nShards), target);
    const { prefixedSymbol, sliverPath, otherRoot, pairPath } = refutationOf(metadata, symbol);
    const fields = [
      bytesLiteral(blobIdToBytes(metadata.blobId)),
      metadata.nShards,
      metadata.unencodedLength,
      pair,
      axis === "primary" ? 0 : 1,
      target,
      symbolText ?? bytesLiteral(prefixedSymbol),
      pathLiteral(sliverPath),
      bytesLiteral(otherRoot),
      pathLiteral(pairPath),
    ];
    return `floe_audit::vectors::proof(\n        ${fields.join(",\n        ")},\n    )`;
  }
}

export interface DrawVector {
  readonly seed: string;
  readonly mode: number;
  readonly shard: number;
  readonly t: number;
  readonly size: string;
  readonly nShards: number;
  readonly index: string;
  readonly axis: number;
  readonly symbol: number;
}

/** `vectors.move`: types, 64 draws, claims of a ten-shard network, the largest symbol. */
export function smallVectors(codec: Codec, draws: readonly DrawVector[]): string {
  const encoded = new Map<BlobId, EncodedBlob>();
  const blobs: PopulationBlob[] = [1, 60, 500, 1000, 3000, 5000].map((length, i) => {
    const blob = new EncodedBlob(codec, SMALL_SHARDS, prng(i + 1, length));
    encoded.set(blob.metadata.blobId, blob);
    // One entry ends too early to be claimed; an auditor's own population may hold it all the same.
    const endEpoch = length === 500 ? AUDIT_EPOCH + 1 : AUDIT_EPOCH + 13;
    return { blobId: blob.metadata.blobId, unencodedLength: length, endEpoch };
  });
  const population = new MemoryPopulation(blobs, SMALL_SHARDS);
  const challenges = allClaimable(population);
  const isExpiring = (each: Challenge): boolean => each.endEpoch < AUDIT_EPOCH + 2;
  const good = challenges.filter((each) => !each.isVacuous && !isExpiring(each));
  const perByte = good.filter(({ mode }) => mode === DRAW_MODES.perByte);
  const perBlob = good.filter(({ mode }) => mode === DRAW_MODES.perBlob);
  const first = (axis: Axis, from: readonly Challenge[]): readonly Challenge[] =>
    from.filter((each) => each.axis === axis).slice(0, 2);
  const chosen = [
    ...first("primary", perBlob),
    ...first("secondary", perBlob),
    ...first("primary", perByte),
    ...first("secondary", perByte),
  ];
  const claim = (challenge: Challenge): string => {
    const { mode, shard, t, leaf, axis, pair, symbol, blobId } = challenge;
    const blob = encoded.get(blobId);
    assert(blob !== undefined, "every drawn blob was encoded");
    const id = symbolIdOfChallenge(challenge, SMALL_SHARDS);
    assert(
      id[axis === "primary" ? "secondary" : "primary"] === symbol,
      "a symbol is named by the other axis",
    );
    const entry = bytesLiteral(serializeEntry(population.leafAt(leaf)));
    const path = pathLiteral(population.path(leaf));
    return `claim(${mode}, ${shard}, ${t}, ${leaf}, ${entry}, ${path}, ${blob.proof(axis, pair, symbol)})`;
  };
  const vacuous = challenges.filter((each) => each.isVacuous && !isExpiring(each)).slice(0, 1);
  const expiring = challenges.filter((each) => !each.isVacuous && isExpiring(each)).slice(0, 1);
  const drawTexts = draws.map(
    (each) =>
      `draw(${bytesLiteral(fromHex(each.seed))}, ${each.mode}, ${each.shard}, ${each.t}, ${each.size}, ${each.nShards}, ${each.index}, ${each.axis}, ${each.symbol})`,
  );
  return [
    HEADER + TYPES,
    chooser("draw_case", "Draw", drawTexts),
    chooser("claim_case", "Claim", chosen.map(claim)),
    chooser("vacuous_claim", "Claim", vacuous.map(claim)),
    chooser("expiring_claim", "Claim", expiring.map(claim)),
    `public fun round_seed(): vector<u8> { ${bytesLiteral(ROUND_SEED)} }\n`,
    `public fun pop_size(): u64 { ${population.size} }\n`,
    `public fun pop_total(): u128 { ${population.totalBytes} }\n`,
    `public fun pop_root(): vector<u8> { ${bytesLiteral(population.root())} }\n`,
    chooser("small_proof", "Proof", smallProofs(codec)),
    largestSymbol(codec),
  ].join("\n");
}

function allClaimable(population: MemoryPopulation): Challenge[] {
  const found: Challenge[] = [];
  for (const mode of [DRAW_MODES.perBlob, DRAW_MODES.perByte] satisfies DrawMode[]) {
    for (let shard = 0; shard < SMALL_SHARDS; shard++) {
      for (let t = 0; t < DRAWS_PER_SHARD; t++) {
        const key = { mode, shard: shard as ShardIndex, t };
        found.push(challengeOf(ROUND_SEED, key, SMALL_SHARDS, population));
      }
    }
  }
  return found;
}

/** Source and parity slivers of both axes, asked for source and parity symbols, first and last indexes included. */
function smallProofs(codec: Codec): string[] {
  const blob = new EncodedBlob(codec, SMALL_SHARDS, prng(99, 100));
  const cases: readonly (readonly [Axis, number, number])[] = [
    ["primary", 0, 0],
    ["primary", 3, 9],
    ["primary", 9, 6],
    ["secondary", 0, 9],
    ["secondary", 9, 0],
    ["secondary", 4, 3],
  ];
  return cases.map(([axis, pair, target]) =>
    blob.proof(axis, pair as SliverPairIndex, target as SliverIndex),
  );
}

/** Every source symbol of this blob repeats one byte, so that the Move test can build it instead of quoting it. */
function largestSymbol(codec: Codec): string {
  const symbolBytes = 65_534;
  const columns = 7;
  const bytes = new Uint8Array(4 * columns * symbolBytes);
  const byteOf = (row: number, column: number): number => 3 + 8 * (row * columns + column);
  for (let symbol = 0; symbol < 4 * columns; symbol++) {
    const fill = byteOf(Math.floor(symbol / columns), symbol % columns);
    bytes.fill(fill, symbol * symbolBytes, (symbol + 1) * symbolBytes);
  }
  const blob = new EncodedBlob(codec, SMALL_SHARDS, bytes);
  const [row, column] = [2, 3];
  const proof = blob.proof("primary", row as SliverPairIndex, column as SliverIndex, "vector[]");
  return `/// Without its symbol, which is 65,534 times \`largest_fill()\`.\npublic fun largest(): Proof {\n    ${proof}\n}\n\npublic fun largest_fill(): u8 { ${byteOf(row, column)} }\n`;
}

/** `vectors_1000.move`: proofs at the size of a public network. */
export function largeVectors(codec: Codec): string {
  const blob = new EncodedBlob(codec, 1000, prng(7, 1_000_000));
  const cases: readonly (readonly [Axis, number, number])[] = [
    ["primary", 0, 999],
    ["primary", 999, 0],
    ["secondary", 512, 333],
  ];
  const proofs = cases.map(([axis, pair, target]) =>
    blob.proof(axis, pair as SliverPairIndex, target as SliverIndex),
  );
  const chosen = chooser("large_proof", "Proof", proofs);
  return `${HEADER}#[test_only]\nmodule floe_audit::vectors_1000;\n\nuse floe_audit::vectors::Proof;\n\n${chosen}`;
}

const TYPES = `#[test_only]
module floe_audit::vectors;

public struct Draw has copy, drop {
    seed: vector<u8>,
    mode: u8,
    shard: u16,
    t: u32,
    size: u64,
    n_shards: u16,
    index: u128,
    axis: u8,
    symbol: u16,
}

public struct Proof has copy, drop {
    blob_id: vector<u8>,
    n_shards: u16,
    unencoded_length: u64,
    pair: u16,
    axis: u8,
    symbol_index: u16,
    symbol: vector<u8>,
    sliver_path: vector<vector<u8>>,
    other_root: vector<u8>,
    pair_path: vector<vector<u8>>,
}

public struct Claim has copy, drop {
    mode: u8,
    shard: u16,
    t: u32,
    index: u64,
    entry: vector<u8>,
    path: vector<vector<u8>>,
    proof: Proof,
}

public fun draw(
    seed: vector<u8>,
    mode: u8,
    shard: u16,
    t: u32,
    size: u64,
    n_shards: u16,
    index: u128,
    axis: u8,
    symbol: u16,
): Draw {
    Draw { seed, mode, shard, t, size, n_shards, index, axis, symbol }
}

public fun proof(
    blob_id: vector<u8>,
    n_shards: u16,
    unencoded_length: u64,
    pair: u16,
    axis: u8,
    symbol_index: u16,
    symbol: vector<u8>,
    sliver_path: vector<vector<u8>>,
    other_root: vector<u8>,
    pair_path: vector<vector<u8>>,
): Proof {
    Proof {
        blob_id,
        n_shards,
        unencoded_length,
        pair,
        axis,
        symbol_index,
        symbol,
        sliver_path,
        other_root,
        pair_path,
    }
}

public fun claim(
    mode: u8,
    shard: u16,
    t: u32,
    index: u64,
    entry: vector<u8>,
    path: vector<vector<u8>>,
    proof: Proof,
): Claim {
    Claim { mode, shard, t, index, entry, path, proof }
}

public fun draw_parts(self: &Draw): (vector<u8>, u8, u16, u32, u64, u16) {
    (self.seed, self.mode, self.shard, self.t, self.size, self.n_shards)
}

public fun expected(self: &Draw): (u128, u8, u16) { (self.index, self.axis, self.symbol) }

public fun claim_parts(self: &Claim): (u8, u16, u32, u64, vector<u8>, vector<vector<u8>>) {
    (self.mode, self.shard, self.t, self.index, self.entry, self.path)
}

public fun claim_proof(self: &Claim): Proof { self.proof }

public fun blob_id(self: &Proof): vector<u8> { self.blob_id }

public fun n_shards(self: &Proof): u16 { self.n_shards }

public fun unencoded_length(self: &Proof): u64 { self.unencoded_length }

public fun pair(self: &Proof): u16 { self.pair }

public fun axis(self: &Proof): u8 { self.axis }

public fun symbol_index(self: &Proof): u16 { self.symbol_index }

public fun symbol(self: &Proof): vector<u8> { self.symbol }

public fun sliver_path(self: &Proof): vector<vector<u8>> { self.sliver_path }

public fun other_root(self: &Proof): vector<u8> { self.other_root }

public fun pair_path(self: &Proof): vector<vector<u8>> { self.pair_path }
`;
