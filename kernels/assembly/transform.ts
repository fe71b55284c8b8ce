/**
 * The additive FFT of the code over rows of elements in tower coordinates.
 *
 * Work area: one row per field point, `units` units a row, 32 bytes a unit (16 elements):
 *
 *     row r:  | a0..a15 | b0..b15 | a16..a31 | b16..b31 | ...        element = a + b w
 *
 * A layer of distance d joins rows r..r+d-1 with rows r+d..r+2d-1. Rows being contiguous, a whole block is one flat
 * loop over d * units units at two addresses. The multiplier of a block is (base + r) / d, read as an element:
 * that closed form was checked against every entry of the reference's 65,535-entry skew table.
 *
 *     FFT butterfly:   x += q y;  y += x            IFFT butterfly:   y += x;  x += q y
 */
import { highNibbles, lowNibbles, towerHigh, towerLow } from "./field";
import { NIBBLES, TIMES_W7 } from "./layout";
import { lookup } from "./simd";

/* @inline */
function tableOf(c: u32): usize {
  return NIBBLES + ((<usize>c) << 5);
}

/** Adds `bytes` (a multiple of 32) at `from` to those at `to`. */
export function addRows(to: usize, from: usize, bytes: usize): void {
  const end = to + bytes;
  while (to < end) {
    v128.store(to, v128.xor(v128.load(to), v128.load(from)));
    v128.store(to, v128.xor(v128.load(to, 16), v128.load(from, 16)), 16);
    to += 32;
    from += 32;
  }
}

function fftByte(x: usize, y: usize, bytes: usize, q: u32): void {
  const low = v128.load(tableOf(q));
  const high = v128.load(tableOf(q), 16);
  const end = x + bytes;
  while (x < end) {
    const ya = v128.load(y);
    const yb = v128.load(y, 16);
    const pa = v128.xor(lookup(low, lowNibbles(ya)), lookup(high, highNibbles(ya)));
    const pb = v128.xor(lookup(low, lowNibbles(yb)), lookup(high, highNibbles(yb)));
    const xa = v128.xor(v128.load(x), pa);
    const xb = v128.xor(v128.load(x, 16), pb);
    v128.store(x, xa);
    v128.store(x, xb, 16);
    v128.store(y, v128.xor(ya, xa));
    v128.store(y, v128.xor(yb, xb), 16);
    x += 32;
    y += 32;
  }
}

function ifftByte(x: usize, y: usize, bytes: usize, q: u32): void {
  const low = v128.load(tableOf(q));
  const high = v128.load(tableOf(q), 16);
  const end = x + bytes;
  while (x < end) {
    const xa = v128.load(x);
    const xb = v128.load(x, 16);
    const ya = v128.xor(v128.load(y), xa);
    const yb = v128.xor(v128.load(y, 16), xb);
    v128.store(y, ya);
    v128.store(y, yb, 16);
    const pa = v128.xor(lookup(low, lowNibbles(ya)), lookup(high, highNibbles(ya)));
    const pb = v128.xor(lookup(low, lowNibbles(yb)), lookup(high, highNibbles(yb)));
    v128.store(x, v128.xor(xa, pa));
    v128.store(x, v128.xor(xb, pb), 16);
    x += 32;
    y += 32;
  }
}

function fftWord(x: usize, y: usize, bytes: usize, q: u32): void {
  const c = towerLow(q);
  const d = towerHigh(q);
  const dw = <u32>load<u8>(TIMES_W7 + <usize>d);
  const c0 = v128.load(tableOf(c));
  const c1 = v128.load(tableOf(c), 16);
  const w0 = v128.load(tableOf(dw));
  const w1 = v128.load(tableOf(dw), 16);
  const d0 = v128.load(tableOf(d));
  const d1 = v128.load(tableOf(d), 16);
  const e0 = v128.load(tableOf(c ^ d));
  const e1 = v128.load(tableOf(c ^ d), 16);
  const end = x + bytes;
  while (x < end) {
    const ya = v128.load(y);
    const yb = v128.load(y, 16);
    const al = lowNibbles(ya);
    const ah = highNibbles(ya);
    const bl = lowNibbles(yb);
    const bh = highNibbles(yb);
    const pa = v128.xor(v128.xor(lookup(c0, al), lookup(c1, ah)), v128.xor(lookup(w0, bl), lookup(w1, bh)));
    const pb = v128.xor(v128.xor(lookup(d0, al), lookup(d1, ah)), v128.xor(lookup(e0, bl), lookup(e1, bh)));
    const xa = v128.xor(v128.load(x), pa);
    const xb = v128.xor(v128.load(x, 16), pb);
    v128.store(x, xa);
    v128.store(x, xb, 16);
    v128.store(y, v128.xor(ya, xa));
    v128.store(y, v128.xor(yb, xb), 16);
    x += 32;
    y += 32;
  }
}

function ifftWord(x: usize, y: usize, bytes: usize, q: u32): void {
  addRows(y, x, bytes);
  multiplyAdd(x, y, bytes, q, true);
}

/** x = q y, or x += q y when `add` is set; x may equal y. */
export function multiplyAdd(x: usize, y: usize, bytes: usize, q: u32, add: bool): void {
  const c = towerLow(q);
  const d = towerHigh(q);
  const dw = <u32>load<u8>(TIMES_W7 + <usize>d);
  const c0 = v128.load(tableOf(c));
  const c1 = v128.load(tableOf(c), 16);
  const w0 = v128.load(tableOf(dw));
  const w1 = v128.load(tableOf(dw), 16);
  const d0 = v128.load(tableOf(d));
  const d1 = v128.load(tableOf(d), 16);
  const e0 = v128.load(tableOf(c ^ d));
  const e1 = v128.load(tableOf(c ^ d), 16);
  const keep = add ? i8x16.splat(-1) : i8x16.splat(0);
  const end = x + bytes;
  while (x < end) {
    const ya = v128.load(y);
    const yb = v128.load(y, 16);
    const al = lowNibbles(ya);
    const ah = highNibbles(ya);
    const bl = lowNibbles(yb);
    const bh = highNibbles(yb);
    const pa = v128.xor(v128.xor(lookup(c0, al), lookup(c1, ah)), v128.xor(lookup(w0, bl), lookup(w1, bh)));
    const pb = v128.xor(v128.xor(lookup(d0, al), lookup(d1, ah)), v128.xor(lookup(e0, bl), lookup(e1, bh)));
    v128.store(x, v128.xor(v128.and(v128.load(x), keep), pa));
    v128.store(x, v128.xor(v128.and(v128.load(x, 16), keep), pb), 16);
    x += 32;
    y += 32;
  }
}

/**
 * Evaluates at points base .. base + size - 1. Only rows `from <= r < to` of the result are needed; blocks that do not
 * lead to them are skipped, so other rows are left unfinished.
 */
export function fft(work: usize, row: usize, size: i32, from: i32, to: i32, base: i32): void {
  let shift = 31 - clz(size) - 1;
  for (let d = size >> 1; d > 0; d >>= 1, shift--) {
    const bytes = <usize>d * row;
    const width = d << 1;
    for (let r = from & ~(width - 1); r < to; r += width) {
      const q = <u32>((base + r) >> shift);
      const x = work + <usize>r * row;
      if (q === 0) addRows(x + bytes, x, bytes);
      else if (q < 256) fftByte(x, x + bytes, bytes, q);
      else fftWord(x, x + bytes, bytes, q);
    }
  }
}

/** Interpolates from points base .. base + size - 1; rows at and after `filled` hold zeros. */
export function ifft(work: usize, row: usize, size: i32, filled: i32, base: i32): void {
  let shift = 0;
  for (let d = 1; d < size; d <<= 1, shift++) {
    const bytes = <usize>d * row;
    const width = d << 1;
    for (let r = 0; r < filled; r += width) {
      const q = <u32>((base + r) >> shift);
      const x = work + <usize>r * row;
      if (q === 0) addRows(x + bytes, x, bytes);
      else if (q < 256) ifftByte(x, x + bytes, bytes, q);
      else ifftWord(x, x + bytes, bytes, q);
    }
  }
}
