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
 *
 * Two layers are done at once where all multipliers are in GF(2^8), which saves every other load and store.
 */
import { highNibbles, lowNibbles, towerHigh, towerLow } from "./field";
import { NIBBLE_MASK, NIBBLES, TIMES_W7 } from "./layout";
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
  const mask = v128.load(NIBBLE_MASK);
  const low = v128.load(tableOf(q));
  const high = v128.load(tableOf(q), 16);
  const end = x + bytes;
  while (x < end) {
    const ya = v128.load(y);
    const yb = v128.load(y, 16);
    const pa = v128.xor(lookup(low, lowNibbles(ya, mask)), lookup(high, highNibbles(ya, mask)));
    const pb = v128.xor(lookup(low, lowNibbles(yb, mask)), lookup(high, highNibbles(yb, mask)));
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
  const mask = v128.load(NIBBLE_MASK);
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
    const pa = v128.xor(lookup(low, lowNibbles(ya, mask)), lookup(high, highNibbles(ya, mask)));
    const pb = v128.xor(lookup(low, lowNibbles(yb, mask)), lookup(high, highNibbles(yb, mask)));
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
  const mask = v128.load(NIBBLE_MASK);
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
    const al = lowNibbles(ya, mask);
    const ah = highNibbles(ya, mask);
    const bl = lowNibbles(yb, mask);
    const bh = highNibbles(yb, mask);
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
  const mask = v128.load(NIBBLE_MASK);
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
    const al = lowNibbles(ya, mask);
    const ah = highNibbles(ya, mask);
    const bl = lowNibbles(yb, mask);
    const bh = highNibbles(yb, mask);
    const pa = v128.xor(v128.xor(lookup(c0, al), lookup(c1, ah)), v128.xor(lookup(w0, bl), lookup(w1, bh)));
    const pb = v128.xor(v128.xor(lookup(d0, al), lookup(d1, ah)), v128.xor(lookup(e0, bl), lookup(e1, bh)));
    v128.store(x, v128.xor(v128.and(v128.load(x), keep), pa));
    v128.store(x, v128.xor(v128.and(v128.load(x, 16), keep), pb), 16);
    x += 32;
    y += 32;
  }
}

/* @inline */
function product(low: v128, high: v128, mask: v128, y: v128): v128 {
  return v128.xor(lookup(low, lowNibbles(y, mask)), lookup(high, highNibbles(y, mask)));
}

/**
 * Two FFT layers at once over four runs of rows, each `bytes` long and lying one after the other:
 *
 *     layer 1   (x0, x2) and (x1, x3) by q        layer 2   (x0, x1) by r, (x2, x3) by s
 *
 * All multipliers are below 256, which treats a and b bytes alike. Half the loads and stores of two single layers.
 */
function fftBytes(x0: usize, bytes: usize, q: u32, r: u32, s: u32): void {
  const mask = v128.load(NIBBLE_MASK);
  const q0 = v128.load(tableOf(q));
  const q1 = v128.load(tableOf(q), 16);
  const r0 = v128.load(tableOf(r));
  const r1 = v128.load(tableOf(r), 16);
  const s0 = v128.load(tableOf(s));
  const s1 = v128.load(tableOf(s), 16);
  const end = x0 + bytes;
  let x1 = end;
  let x2 = x1 + bytes;
  let x3 = x2 + bytes;
  while (x0 < end) {
    let c = v128.load(x2);
    let d = v128.load(x3);
    let a = v128.xor(v128.load(x0), product(q0, q1, mask, c));
    let b = v128.xor(v128.load(x1), product(q0, q1, mask, d));
    c = v128.xor(c, a);
    d = v128.xor(d, b);
    a = v128.xor(a, product(r0, r1, mask, b));
    b = v128.xor(b, a);
    c = v128.xor(c, product(s0, s1, mask, d));
    d = v128.xor(d, c);
    v128.store(x0, a);
    v128.store(x1, b);
    v128.store(x2, c);
    v128.store(x3, d);
    x0 += 16;
    x1 += 16;
    x2 += 16;
    x3 += 16;
  }
}

/** Two IFFT layers at once: first (x0, x1) by r and (x2, x3) by s, then (x0, x2) and (x1, x3) by q. */
function ifftBytes(x0: usize, bytes: usize, q: u32, r: u32, s: u32): void {
  const mask = v128.load(NIBBLE_MASK);
  const q0 = v128.load(tableOf(q));
  const q1 = v128.load(tableOf(q), 16);
  const r0 = v128.load(tableOf(r));
  const r1 = v128.load(tableOf(r), 16);
  const s0 = v128.load(tableOf(s));
  const s1 = v128.load(tableOf(s), 16);
  const end = x0 + bytes;
  let x1 = end;
  let x2 = x1 + bytes;
  let x3 = x2 + bytes;
  while (x0 < end) {
    let a = v128.load(x0);
    const b = v128.xor(v128.load(x1), a);
    let c = v128.load(x2);
    let d = v128.xor(v128.load(x3), c);
    a = v128.xor(a, product(r0, r1, mask, b));
    c = v128.xor(c, product(s0, s1, mask, d));
    c = v128.xor(c, a);
    d = v128.xor(d, b);
    v128.store(x2, c);
    v128.store(x3, d);
    v128.store(x0, v128.xor(a, product(q0, q1, mask, c)));
    v128.store(x1, v128.xor(b, product(q0, q1, mask, d)));
    x0 += 16;
    x1 += 16;
    x2 += 16;
    x3 += 16;
  }
}

function fftBlock(x: usize, bytes: usize, q: u32): void {
  if (q === 0) addRows(x + bytes, x, bytes);
  else if (q < 256) fftByte(x, x + bytes, bytes, q);
  else fftWord(x, x + bytes, bytes, q);
}

function ifftBlock(x: usize, bytes: usize, q: u32): void {
  if (q === 0) addRows(x + bytes, x, bytes);
  else if (q < 256) ifftByte(x, x + bytes, bytes, q);
  else ifftWord(x, x + bytes, bytes, q);
}

/**
 * Evaluates at points base .. base + size - 1. Only rows `from <= r < to` of the result are needed; blocks that do not
 * lead to them are skipped, so other rows are left unfinished.
 */
export function fft(work: usize, row: usize, size: i32, from: i32, to: i32, base: i32): void {
  // `d` is the distance of the second of two layers, `shift` its logarithm.
  let shift = 31 - clz(size) - 2;
  let d = size >> 2;
  for (; d > 0; d >>= 2, shift -= 2) {
    const bytes = <usize>d * row;
    const width = d << 2;
    for (let r = from & ~(width - 1); r < to; r += width) {
      const first = <u32>((base + r) >> (shift + 1));
      const left = <u32>((base + r) >> shift);
      const x = work + <usize>r * row;
      const middle = r + (d << 1);
      if (left < 254 && middle < to && middle > from) {
        fftBytes(x, bytes, first, left, left + 2);
        continue;
      }
      fftBlock(x, bytes << 1, first);
      if (middle > from) fftBlock(x, bytes, left);
      if (middle < to) fftBlock(x + (bytes << 1), bytes, left + 2);
    }
  }
  if (shift === -1) {
    for (let r = from & ~1; r < to; r += 2) fftBlock(work + <usize>r * row, row, <u32>(base + r));
  }
}

/** Interpolates from points base .. base + size - 1; rows at and after `filled` hold zeros. */
export function ifft(work: usize, row: usize, size: i32, filled: i32, base: i32): void {
  let shift = 0;
  let d = 1;
  for (; d << 1 < size; d <<= 2, shift += 2) {
    const bytes = <usize>d * row;
    const width = d << 2;
    for (let r = 0; r < filled; r += width) {
      const last = <u32>((base + r) >> (shift + 1));
      const left = <u32>((base + r) >> shift);
      const x = work + <usize>r * row;
      const hasRight = r + (d << 1) < filled;
      if (left < 254 && hasRight) {
        ifftBytes(x, bytes, last, left, left + 2);
        continue;
      }
      ifftBlock(x, bytes, left);
      if (hasRight) ifftBlock(x + (bytes << 1), bytes, left + 2);
      ifftBlock(x, bytes << 1, last);
    }
  }
  if (d < size) ifftBlock(work, <usize>d * row, <u32>(base >> shift));
}
