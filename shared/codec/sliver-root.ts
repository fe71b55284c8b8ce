/** Merkle hashes over the expansion of one sliver: what metadata commits to. */

import { assert } from "../base/errors.ts";
import type { BftParameters } from "../protocol/bft.ts";
import type { Axis } from "../protocol/ids.ts";
import { HASH_BYTES } from "../protocol/metadata.ts";
import { foldToRoot, leafHashInto } from "./merkle.ts";
import { codeOfSliver, expandSliver, symbolsToBytes } from "./symbols.ts";

/** A sliver with its recovery symbols computed, and the leaf hashes of all n symbols. */
export interface ExpandedSliver {
  /** Bytes of one symbol, freshly allocated. */
  symbol(index: number): Uint8Array;
  /** n leaf hashes and room for one more, as `foldToRoot` and `proofFor` use up. */
  readonly leafHashes: Uint8Array;
}

/**
 * Cost: one encoding of the sliver and n hashes of z bytes. Memory: n*z bytes for the symbols, 32n for the hashes.
 *
 * @param data source symbols of the sliver, of the length the axis demands
 */
export function hashExpandedSliver(
  parameters: BftParameters,
  axis: Axis,
  data: Uint8Array,
  symbolBytes: number,
): ExpandedSliver {
  const code = codeOfSliver(parameters, axis);
  assert(data.length === code.originals * symbolBytes, `a sliver of ${data.length} bytes`);
  const elements = expandSliver(code, data, symbolBytes);
  const leafHashes = new Uint8Array((parameters.nShards + 1) * HASH_BYTES);
  const bytes = new Uint8Array(symbolBytes);
  for (let index = 0; index < parameters.nShards; index++) {
    symbolsToBytes(elements, (index * symbolBytes) / 2, bytes, 0, symbolBytes, 1);
    leafHashInto(bytes, 0, symbolBytes, leafHashes, index * HASH_BYTES);
  }
  const symbol = (index: number): Uint8Array => {
    const copy = new Uint8Array(symbolBytes);
    symbolsToBytes(elements, (index * symbolBytes) / 2, copy, 0, symbolBytes, 1);
    return copy;
  };
  return { symbol, leafHashes };
}

/** Merkle root over all n symbols of the expanded sliver: its hash in the metadata. */
export function sliverRoot(
  parameters: BftParameters,
  axis: Axis,
  data: Uint8Array,
  symbolBytes: number,
): Uint8Array {
  const { leafHashes } = hashExpandedSliver(parameters, axis, data, symbolBytes);
  const root = foldToRoot(leafHashes, parameters.nShards);
  assert(root !== null, "a sliver has symbols");
  return root;
}
