/**
 * The systematic Reed-Solomon code of the protocol (Leopard, GF(2^16)) over planes of many codewords at once.
 *
 * K originals, R recoveries, P2(x) the smallest power of two >= x:
 *
 *     high rate, P2(K) > P2(R), or equal and K <= R:  m = P2(R)
 *         originals in chunks of m at points m, 2m, ..: IFFT each, XOR the results, FFT at 0, first R rows
 *     low rate otherwise:                             m = P2(K)
 *         originals at points 0..: IFFT once; per chunk of m recoveries FFT at m, 2m, ..
 *
 * Planes: row i (symbol i of all codewords) has `planeBytes` low bytes, then `planeBytes` high bytes; a multiple of
 * 16. They are worked off in columns of at most 64 elements, so that the work area stays in the L2 cache:
 * 1024 rows x 128 bytes for 1000 shards.
 */
import { loadTower, storeTower } from "./field";
import { copyShort, joinRun, joinSymbol, splitRun, splitSymbol } from "./planes";
import { addRows, fft, ifft, multiplyAdd } from "./transform";

const UNITS: i32 = 4;

function powerOfTwo(x: i32): i32 {
  return x <= 1 ? 1 : 1 << (32 - clz(x - 1));
}

function storeRows(work: usize, units: i32, out: usize, planeBytes: usize, count: i32): void {
  for (let r = 0; r < count; r++) {
    storeTower(work, out, out + planeBytes, units);
    out += planeBytes << 1;
    work += (<usize>units) << 5;
  }
}

/**
 * Recovery rows `from <= r < to` of K original rows in planes, of which the rows at and after `filled` are zero.
 * Recovery row r is written to row r - from of `out`.
 */
export function encodePlanes(
  planes: usize,
  out: usize,
  planeBytes: usize,
  K: i32,
  filled: i32,
  R: i32,
  from: i32,
  to: i32,
  work: usize,
): void {
  const high = powerOfTwo(K) > powerOfTwo(R) || (powerOfTwo(K) === powerOfTwo(R) && K <= R);
  const m = powerOfTwo(high ? R : K);
  const used = high ? <i32>((max(filled, 1) + m - 1) / m) * m : m;
  for (let x: usize = 0; x < planeBytes; x += (<usize>UNITS) << 4) {
    const units = min(UNITS, <i32>((planeBytes - x) >> 4));
    const row = (<usize>units) << 5;
    for (let r = 0; r < filled; r++) {
      const low = planes + <usize>r * (planeBytes << 1) + x;
      loadTower(work + <usize>r * row, low, low + planeBytes, units);
    }
    memory.fill(work + <usize>filled * row, 0, <usize>(used - filled) * row);
    if (high) {
      ifft(work, row, m, min(m, filled), m);
      for (let c = m; c < filled; c += m) {
        const chunk = work + <usize>c * row;
        ifft(chunk, row, m, min(m, filled - c), c + m);
        addRows(work, chunk, <usize>m * row);
      }
      fft(work, row, m, from, to, 0);
      storeRows(work + <usize>from * row, units, out + x, planeBytes, to - from);
    } else {
      ifft(work, row, m, filled, 0);
      const copy = work + <usize>m * row;
      for (let c = 0; c < to; c += m) {
        const first = max(from - c, 0);
        const last = min(to - c, m);
        if (first >= last) continue;
        memory.copy(copy, work, <usize>m * row);
        fft(copy, row, m, first, last, c + m);
        const target = out + <usize>(c + first - from) * (planeBytes << 1) + x;
        storeRows(copy + <usize>first * row, units, target, planeBytes, last - first);
      }
    }
  }
}

/** Splits `cols` contiguous symbols of each of `rows` rows into planes, starting at element `offset` of each row. */
export function splitRows(
  symbols: usize,
  symbolRow: usize,
  rows: i32,
  cols: i32,
  planes: usize,
  planeBytes: usize,
  offset: usize,
  symbolBytes: i32,
): void {
  for (let r = 0; r < rows; r++) {
    const low = planes + offset;
    splitRun(symbols, low, low + planeBytes, symbolBytes, cols);
    symbols += symbolRow;
    planes += planeBytes << 1;
  }
}

/** The inverse of `splitRows` with offset 0. */
export function joinRows(
  symbols: usize,
  symbolRow: usize,
  rows: i32,
  cols: i32,
  planes: usize,
  planeBytes: usize,
  symbolBytes: i32,
): void {
  for (let r = 0; r < rows; r++) {
    joinRun(symbols, planes, planes + planeBytes, symbolBytes, cols);
    symbols += symbolRow;
    planes += planeBytes << 1;
  }
}

/**
 * Recovery symbols of `rows` codewords that each lie as K contiguous symbols: R contiguous symbols per codeword.
 * As many codewords as fill a column of elements are worked off together, side by side in transposed planes.
 *
 * @param planes scratch of (K + R) * 2 * roundUp16(groupRows * symbolBytes / 2) bytes, see `rowGroup`
 */
export function encodeRows(
  source: usize,
  sourceRow: usize,
  target: usize,
  targetRow: usize,
  rows: i32,
  K: i32,
  R: i32,
  symbolBytes: i32,
  planes: usize,
  work: usize,
): void {
  const half = symbolBytes >> 1;
  const group = rowGroup(rows, symbolBytes);
  for (let r0 = 0; r0 < rows; r0 += group) {
    const count = min(group, rows - r0);
    const planeBytes = <usize>((count * half + 15) & ~15);
    const planeRow = planeBytes << 1;
    const out = planes + <usize>K * planeRow;
    for (let r = 0; r < count; r++) {
      let symbol = source + <usize>(r0 + r) * sourceRow;
      let low = planes + <usize>(r * half);
      for (let c = 0; c < K; c++) {
        splitSymbol(symbol, low, low + planeBytes, symbolBytes);
        symbol += <usize>symbolBytes;
        low += planeRow;
      }
    }
    encodePlanes(planes, out, planeBytes, K, K, R, 0, R, work);
    for (let r = 0; r < count; r++) {
      let symbol = target + <usize>(r0 + r) * targetRow;
      let low = out + <usize>(r * half);
      for (let c = 0; c < R; c++) {
        joinSymbol(symbol, low, low + planeBytes, symbolBytes);
        symbol += <usize>symbolBytes;
        low += planeRow;
      }
    }
  }
}

/** Codewords that `encodeRows` takes at a time. */
export function rowGroup(rows: i32, symbolBytes: i32): i32 {
  return min(rows, max(1, 256 / symbolBytes));
}

/** Symbols of a codeword's other dimension that `decodeSlots` takes at a time. */
export function columnGroup(columns: i32, symbolBytes: i32): i32 {
  return min(columns, max(1, 512 / symbolBytes));
}

/**
 * Turns `columns` neighbouring symbols of each of `rows` rows into columns: `rows` symbols one after the other, then
 * the next column. Many columns at a time read whole cache lines and pages of the rows.
 */
export function gatherColumns(
  target: usize,
  source: usize,
  sourceRow: usize,
  rows: i32,
  columns: i32,
  symbolBytes: i32,
): void {
  const columnBytes = <usize>rows * <usize>symbolBytes;
  for (let r = 0; r < rows; r++) {
    let from = source;
    let to = target;
    for (let c = 0; c < columns; c++) {
      copyShort(to, from, <usize>symbolBytes);
      from += <usize>symbolBytes;
      to += columnBytes;
    }
    target += <usize>symbolBytes;
    source += sourceRow;
  }
}

/**
 * Rows of a matrix whose columns lie in slots: symbols `first <= r < first + rows` of every slot, row by row.
 *
 * @param order slot of each column, u16
 */
export function gatherRows(
  target: usize,
  slots: usize,
  slotBytes: usize,
  order: usize,
  columns: i32,
  first: i32,
  rows: i32,
  symbolBytes: i32,
): void {
  for (let r = first; r < first + rows; r++) {
    for (let c = 0; c < columns; c++) {
      const slot = <usize>load<u16>(order + ((<usize>c) << 1));
      copyShort(target, slots + slot * slotBytes + <usize>r * <usize>symbolBytes, <usize>symbolBytes);
      target += <usize>symbolBytes;
    }
  }
}

/**
 * Erasure decoding in place. Slot i holds `columns` contiguous symbols that stand at point points[i] of as many
 * codewords. For each of `missing` originals a slot that held a recovery is overwritten with the original.
 *
 *     value[i] = locator(points[i]) * slot i        at its point, 0 elsewhere
 *     IFFT over `size` points, formal derivative, FFT of the needed rows
 *     original at x = row x / locator(x)
 *
 * The pattern of erasures is that of all columns, so the locator is computed once (`locator` in field.ts); computing
 * it for every column is what costs the official decoder 1.3 s for a tiny blob.
 *
 * Arrays of u16: points and factors by slot; missingSlots, missingPoints, missingFactors by missing original.
 *
 * @param end points at and after it hold zeros; @param from, to the rows the missing originals lie in
 * @param fftSize smallest power of two >= to
 */
export function decodeSlots(
  slots: usize,
  slotBytes: usize,
  slotCount: i32,
  columns: i32,
  symbolBytes: i32,
  points: usize,
  factors: usize,
  missing: i32,
  missingSlots: usize,
  missingPoints: usize,
  missingFactors: usize,
  size: i32,
  end: i32,
  from: i32,
  to: i32,
  fftSize: i32,
  planes: usize,
  work: usize,
): void {
  const half = symbolBytes >> 1;
  const group = columnGroup(columns, symbolBytes);
  for (let c0 = 0; c0 < columns; c0 += group) {
    const count = min(group, columns - c0);
    const planeBytes = <usize>((count * half + 15) & ~15);
    const planeRow = planeBytes << 1;
    const first = slots + <usize>c0 * <usize>symbolBytes;
    splitRows(first, slotBytes, slotCount, count, planes, planeBytes, 0, symbolBytes);
    for (let x: usize = 0; x < planeBytes; x += (<usize>UNITS) << 4) {
      const units = min(UNITS, <i32>((planeBytes - x) >> 4));
      const row = (<usize>units) << 5;
      memory.fill(work, 0, <usize>size * row);
      for (let i = 0; i < slotCount; i++) {
        const at = work + <usize>load<u16>(points + ((<usize>i) << 1)) * row;
        const low = planes + <usize>i * planeRow + x;
        loadTower(at, low, low + planeBytes, units);
        multiplyAdd(at, at, row, load<u16>(factors + ((<usize>i) << 1)), false);
      }
      ifft(work, row, size, end, 0);
      differentiate(work, row, size, fftSize);
      fft(work, row, fftSize, from, to, 0);
      for (let i = 0; i < missing; i++) {
        const at = work + <usize>load<u16>(missingPoints + ((<usize>i) << 1)) * row;
        multiplyAdd(at, at, row, load<u16>(missingFactors + ((<usize>i) << 1)), false);
        const low = planes + <usize>load<u16>(missingSlots + ((<usize>i) << 1)) * planeRow + x;
        storeTower(at, low, low + planeBytes, units);
      }
    }
    for (let i = 0; i < missing; i++) {
      const slot = <usize>load<u16>(missingSlots + ((<usize>i) << 1));
      const low = planes + slot * planeRow;
      joinRun(first + slot * slotBytes, low, low + planeBytes, symbolBytes, count);
    }
  }
}

/** Formal derivative of the polynomial given in the additive basis; only rows below `keep` are completed. */
function differentiate(work: usize, row: usize, size: i32, keep: i32): void {
  for (let i = 1; i < size; i++) {
    const width = i & -i;
    const target = i - width;
    if (target >= keep) continue;
    addRows(work + <usize>target * row, work + <usize>i * row, <usize>min(width, keep - target) * row);
  }
}
