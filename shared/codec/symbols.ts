/**
 * Symbols as bytes and as field elements.
 *
 * A symbol of z bytes (even) is z/2 elements. It is cut into chunks of 64 bytes, the last one possibly shorter; in a
 * chunk of t bytes the first half holds the low bytes, the second half the high bytes:
 *
 *   element i of the chunk (0 <= i < t/2) = byte[i] | byte[t/2 + i] << 8
 *
 * All coding works on elements; bytes exist at the edges only (blob, slivers, hashes).
 */
import type { BftParameters } from "../protocol/bft.ts";
import type { Axis } from "../protocol/ids.ts";
import { encodeRecoveries, type ReedSolomonCode, reedSolomonCode } from "./reed-solomon.ts";

const CHUNK_BYTES = 64;

/** The code over one sliver of this axis: primary slivers are codewords of the row code (k = s), secondary k = p. */
export function codeOfSliver(parameters: BftParameters, axis: Axis): ReedSolomonCode {
  const { nShards, primarySourceSymbols, secondarySourceSymbols } = parameters;
  const originals = axis === "primary" ? secondarySourceSymbols : primarySourceSymbols;
  return reedSolomonCode(originals, nShards - originals);
}

/** Reads whole symbols: `bytes[from ..]` into `count` symbols of elements at `elements[at ..]`. */
export function symbolsFromBytes(
  bytes: Uint8Array,
  from: number,
  elements: Uint16Array,
  at: number,
  symbolBytes: number,
  count: number,
): void {
  for (let symbol = 0; symbol < count; symbol++) {
    for (let offset = 0; offset < symbolBytes; offset += CHUNK_BYTES) {
      const half = Math.min(CHUNK_BYTES, symbolBytes - offset) >> 1;
      for (let i = 0; i < half; i++) {
        elements[at + i] = (bytes[from + i] ?? 0) | ((bytes[from + half + i] ?? 0) << 8);
      }
      at += half;
      from += 2 * half;
    }
  }
}

/** Inverse of `symbolsFromBytes`. */
export function symbolsToBytes(
  elements: Uint16Array,
  at: number,
  bytes: Uint8Array,
  from: number,
  symbolBytes: number,
  count: number,
): void {
  for (let symbol = 0; symbol < count; symbol++) {
    for (let offset = 0; offset < symbolBytes; offset += CHUNK_BYTES) {
      const half = Math.min(CHUNK_BYTES, symbolBytes - offset) >> 1;
      for (let i = 0; i < half; i++) {
        const element = elements[at + i] ?? 0;
        bytes[from + i] = element & 255;
        bytes[from + half + i] = element >> 8;
      }
      at += half;
      from += 2 * half;
    }
  }
}

/**
 * Expands a sliver to its whole row or column.
 *
 * @param data the sliver's source symbols
 * @returns all n symbols as elements, z/2 each
 */
export function expandSliver(code: ReedSolomonCode, data: Uint8Array, symbolBytes: number): Uint16Array {
  const lanes = symbolBytes / 2;
  const codeword = new Uint16Array((code.originals + code.recoveries) * lanes);
  symbolsFromBytes(data, 0, codeword, 0, symbolBytes, code.originals);
  encodeRecoveries(code, codeword, lanes);
  return codeword;
}
