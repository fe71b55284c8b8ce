/**
 * The source matrix in memory: p rows of s symbols, row-major, as elements.
 *
 * A blob zero-padded to p*s*z bytes *is* that matrix, so bytes turn into elements within the same buffer and back,
 * without a second copy of the blob.
 */
import type { BlobLayout } from "../protocol/sizes.ts";
import { symbolsFromBytes, symbolsToBytes } from "./symbols.ts";

/** Symbols are converted through a bounce buffer of about this size. */
const BOUNCE_BYTES = 64 * 1024;

const sourceSymbols = (layout: BlobLayout): number =>
  layout.primarySourceSymbols * layout.secondarySourceSymbols;

/** Bytes of the zero-padded blob. */
export const paddedBytes = (layout: BlobLayout): number => sourceSymbols(layout) * layout.symbolBytes;

/** Rewrites a buffer of whole symbols from bytes to elements. */
export function bytesToElementsInPlace(elements: Uint16Array, symbolBytes: number): void {
  convertInPlace(elements, symbolBytes, (bounce, bytes, at, count) => {
    bounce.set(bytes.subarray(at, at + count * symbolBytes));
    symbolsFromBytes(bounce, 0, elements, at / 2, symbolBytes, count);
  });
}

/** Rewrites a buffer of whole symbols from elements to bytes; the array is then a view of bytes, not of elements. */
export function elementsToBytesInPlace(elements: Uint16Array, symbolBytes: number): void {
  convertInPlace(elements, symbolBytes, (bounce, bytes, at, count) => {
    symbolsToBytes(elements, at / 2, bounce, 0, symbolBytes, count);
    bytes.set(bounce.subarray(0, count * symbolBytes), at);
  });
}

function convertInPlace(
  elements: Uint16Array,
  symbolBytes: number,
  convert: (bounce: Uint8Array, bytes: Uint8Array, at: number, count: number) => void,
): void {
  const bytes = new Uint8Array(elements.buffer, elements.byteOffset, elements.byteLength);
  const total = bytes.length / symbolBytes;
  const perBatch = Math.max(1, Math.floor(BOUNCE_BYTES / symbolBytes));
  const bounce = new Uint8Array(perBatch * symbolBytes);
  for (let symbol = 0; symbol < total; symbol += perBatch) {
    convert(bounce, bytes, symbol * symbolBytes, Math.min(perBatch, total - symbol));
  }
}
