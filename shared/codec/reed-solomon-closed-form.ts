/**
 * The same Reed-Solomon code as a matrix: one coefficient per (recovery, original).
 *
 *   high: recovery_j = sum over i of C(m+i, j) * original_i
 *   low:  recovery_j = sum over i of C(m+j, i) * original_i        C(x, y) = (x >> log2 m) / (x ^ y)
 *
 * {0..m-1} is a subspace of the field whose vanishing polynomial maps x to x >> log2 m and has derivative 1, so these
 * are values of its Lagrange basis. One symbol costs k products per lane, so a few symbols come cheaper this way
 * than by FFT; it is also the clear twin that the FFT is tested against.
 */
import { addProducts, invert, multiply, productTable } from "./gf16.ts";
import type { ReedSolomonCode } from "./reed-solomon.ts";

/** The factor of one original in one recovery (0 <= recovery < r, 0 <= original < k). */
export function coefficient(code: ReedSolomonCode, recovery: number, original: number): number {
  const { rate, blockSize } = code;
  const outside = blockSize + (rate === "high" ? original : recovery);
  const inside = rate === "high" ? recovery : original;
  return multiply(outside >> Math.log2(blockSize), invert(outside ^ inside));
}

/**
 * Computes one recovery for all lanes.
 *
 * @param originals k rows of `lanes` elements, one after the other
 * @returns `lanes` elements
 */
export function recoverySymbol(
  code: ReedSolomonCode,
  recovery: number,
  originals: Uint16Array,
  lanes: number,
): Uint16Array {
  const symbol = new Uint16Array(lanes);
  const table = new Uint16Array(512);
  for (let original = 0; original < code.originals; original++) {
    productTable(coefficient(code, recovery, original), table);
    addProducts(symbol, 0, originals, original * lanes, lanes, table);
  }
  return symbol;
}
