/**
 * The arithmetic behind single slivers and symbols: what the checks of `sliver-check.ts` and `symbol-proofs.ts` need
 * computed. The rules stand there once; how to compute is exchangeable.
 */
import type { BftParameters } from "../protocol/bft.ts";
import type { Axis } from "../protocol/ids.ts";
import type { MerkleProof, RecoverySymbol } from "../protocol/recovery-symbol.ts";
import { proofFor, verifyMerkleProof } from "./merkle.ts";
import { erasureDecoder, type ReedSolomonCode } from "./reed-solomon.ts";
import { hashExpandedSliver, sliverRoot } from "./sliver-root.ts";
import { symbolsFromBytes, symbolsToBytes } from "./symbols.ts";

/** All lengths have been checked by the callers. */
export interface SliverMath {
  /** Merkle root over all n symbols of the expanded sliver. */
  root(parameters: BftParameters, axis: Axis, data: Uint8Array, symbolBytes: number): Uint8Array;
  /** Symbol `index` of the expanded sliver and its proof, freshly allocated. */
  symbolWithProof(
    parameters: BftParameters,
    axis: Axis,
    data: Uint8Array,
    symbolBytes: number,
    index: number,
  ): Pick<RecoverySymbol, "symbol" | "proof">;
  /** True when the leaf stands at `leafIndex` in the tree of `leafCount` leaves with this root. */
  proofHolds(
    root: Uint8Array,
    leaf: Uint8Array,
    leafIndex: number,
    leafCount: number,
    proof: MerkleProof,
  ): boolean;
  /**
   * The originals of one codeword, one after the other.
   *
   * @param symbols exactly k symbols by position in the codeword
   */
  decode(code: ReedSolomonCode, symbolBytes: number, symbols: ReadonlyMap<number, Uint8Array>): Uint8Array;
}

export const TYPESCRIPT_MATH: SliverMath = {
  root: sliverRoot,
  symbolWithProof(parameters, axis, data, symbolBytes, index) {
    const expanded = hashExpandedSliver(parameters, axis, data, symbolBytes);
    return {
      symbol: expanded.symbol(index),
      proof: proofFor(expanded.leafHashes, parameters.nShards, index),
    };
  },
  proofHolds: verifyMerkleProof,
  decode,
};

function decode(
  code: ReedSolomonCode,
  symbolBytes: number,
  symbols: ReadonlyMap<number, Uint8Array>,
): Uint8Array {
  const data = new Uint8Array(code.originals * symbolBytes);
  const rows: Uint16Array[] = [];
  for (const [position, symbol] of symbols) {
    if (position < code.originals) data.set(symbol, position * symbolBytes);
    const elements = new Uint16Array(symbolBytes / 2);
    symbolsFromBytes(symbol, 0, elements, 0, symbolBytes, 1);
    rows.push(elements);
  }
  const decoder = erasureDecoder(code, [...symbols.keys()]);
  const restored = new Map(decoder.missing.map((original) => [original, new Uint16Array(symbolBytes / 2)]));
  decoder.decode(rows, 0, symbolBytes / 2, (original, values, lane) => {
    restored.get(original)?.set(values, lane);
  });
  for (const [original, elements] of restored) {
    symbolsToBytes(elements, 0, data, original * symbolBytes, symbolBytes, 1);
  }
  return data;
}
