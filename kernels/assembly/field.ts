/**
 * GF(2^16) as the protocol's code uses it, and as a tower over GF(2^8) for SIMD.
 *
 * An element is a u16 in Cantor coordinates; addition is XOR; LOG and EXP are built from the polynomial 0x1002D and
 * the Cantor basis. Two facts make table look-ups of 16 entries (one byte shuffle) enough:
 *
 * - the elements below 256 are closed under multiplication: they are GF(2^8);
 * - w = 256 satisfies w^2 = w + w7 with w7 in GF(2^8), so every element is a + b*w with bytes a and b, and
 *
 *     c * (a + b w)         = ca + cb w                                       c in GF(2^8): 4 shuffles a vector pair
 *     (c + d w) * (a + b w) = (ca + d w7 b) + (da + (c + d) b) w              any element:  8 shuffles
 *
 * A product with a constant c is a linear map of 8 bits: NIBBLES[c] holds it for the low and for the high nibble.
 * About 80 % of all butterflies of the code have a multiplier in GF(2^8). Both ways are about twice and once and a
 * half as fast as eight nibble tables over the Cantor bytes, and need 8 KB of tables instead of 8 MB.
 */
import { CONVERT, EXP, LOG, NIBBLE_MASK, NIBBLES, TIMES_W7, TOWER_HIGH, TOWER_LOW } from "./layout";
import { lookup } from "./simd";

/** Cantor basis in the polynomial representation. */
const BASIS: StaticArray<u16> = [
  0x0001, 0xacca, 0x3c0e, 0x163e, 0xc582, 0xed2e, 0x914c, 0x4012, 0x6c98, 0x10d8, 0x6a72, 0xb900, 0xfdb8,
  0xfb34, 0xff38, 0x991e,
];
const W: u32 = 256;

/* @inline */
function log(x: u32): u32 {
  return load<u16>(LOG + ((<usize>x) << 1));
}

/* @inline */
function exp(x: u32): u32 {
  return load<u16>(EXP + ((<usize>x) << 1));
}

export function multiply(x: u32, y: u32): u32 {
  if (x === 0 || y === 0) return 0;
  const sum = log(x) + log(y);
  return exp((sum + (sum >> 16)) & 0xffff);
}

/** Fills every table of layout.ts; called once per memory. Costs about 2 ms. */
export function initField(): void {
  // EXP serves as the table of discrete logarithms of the polynomial representation until LOG is complete.
  let state: u32 = 1;
  for (let i: u32 = 0; i < 65535; i++) {
    store<u16>(EXP + ((<usize>state) << 1), <u16>i);
    state <<= 1;
    if (state >= 65536) state ^= 0x1002d;
  }
  store<u16>(EXP, 65535);
  store<u16>(LOG, 0);
  for (let bit = 0; bit < 16; bit++) {
    const width: u32 = 1 << bit;
    for (let j: u32 = 0; j < width; j++) {
      store<u16>(LOG + ((<usize>(j + width)) << 1), <u16>(log(j) ^ <u32>BASIS[bit]));
    }
  }
  for (let x: u32 = 0; x < 65536; x++) store<u16>(LOG + ((<usize>x) << 1), <u16>exp(log(x)));
  for (let x: u32 = 0; x < 65536; x++) store<u16>(EXP + ((<usize>log(x)) << 1), <u16>x);
  store<u16>(EXP + 131070, load<u16>(EXP));
  initTower();
}

function initTower(): void {
  v128.store(NIBBLE_MASK, i8x16.splat(15));
  for (let b: u32 = 0; b < 256; b++) {
    const product = multiply(b, W);
    const high = <usize>(product >> 8);
    store<u8>(TOWER_HIGH + high, <u8>b);
    store<u8>(TOWER_LOW + high, <u8>product);
  }
  const w7 = multiply(W, W) ^ W;
  for (let c: u32 = 0; c < 256; c++) {
    store<u8>(TIMES_W7 + <usize>c, <u8>multiply(c, w7));
    for (let x: u32 = 0; x < 16; x++) {
      const row = NIBBLES + ((<usize>c) << 5) + <usize>x;
      store<u8>(row, <u8>multiply(c, x));
      store<u8>(row, <u8>multiply(c, x << 4), 16);
    }
  }
  for (let x: usize = 0; x < 16; x++) {
    store<u8>(CONVERT + x, load<u8>(TOWER_LOW + x));
    store<u8>(CONVERT + x, load<u8>(TOWER_LOW + (x << 4)), 16);
    store<u8>(CONVERT + x, load<u8>(TOWER_HIGH + x), 32);
    store<u8>(CONVERT + x, load<u8>(TOWER_HIGH + (x << 4)), 48);
    const low = multiply(<u32>x, W);
    const high = multiply((<u32>x) << 4, W);
    store<u8>(CONVERT + x, <u8>low, 64);
    store<u8>(CONVERT + x, <u8>high, 80);
    store<u8>(CONVERT + x, <u8>(low >> 8), 96);
    store<u8>(CONVERT + x, <u8>(high >> 8), 112);
  }
}

/** @param mask the 16 bytes at NIBBLE_MASK */
/* @inline */
export function lowNibbles(x: v128, mask: v128): v128 {
  return v128.and(x, mask);
}

/* @inline */
export function highNibbles(x: v128, mask: v128): v128 {
  return v128.and(i64x2.shr_u(x, 4), mask);
}

/**
 * Turns `units` times 16 elements, given as planes of low and high Cantor bytes, into tower coordinates at `at`:
 * a (16 bytes), b (16 bytes) a unit.
 */
export function loadTower(at: usize, low: usize, high: usize, units: i32): void {
  const mask = v128.load(NIBBLE_MASK);
  const a0 = v128.load(CONVERT);
  const a1 = v128.load(CONVERT, 16);
  const b0 = v128.load(CONVERT, 32);
  const b1 = v128.load(CONVERT, 48);
  for (let i = 0; i < units; i++) {
    const h = v128.load(high);
    const hl = lowNibbles(h, mask);
    const hh = highNibbles(h, mask);
    v128.store(at, v128.xor(v128.load(low), v128.xor(lookup(a0, hl), lookup(a1, hh))));
    v128.store(at, v128.xor(lookup(b0, hl), lookup(b1, hh)), 16);
    at += 32;
    low += 16;
    high += 16;
  }
}

/** The inverse of `loadTower`. */
export function storeTower(at: usize, low: usize, high: usize, units: i32): void {
  const mask = v128.load(NIBBLE_MASK);
  const l0 = v128.load(CONVERT, 64);
  const l1 = v128.load(CONVERT, 80);
  const h0 = v128.load(CONVERT, 96);
  const h1 = v128.load(CONVERT, 112);
  for (let i = 0; i < units; i++) {
    const b = v128.load(at, 16);
    const bl = lowNibbles(b, mask);
    const bh = highNibbles(b, mask);
    v128.store(low, v128.xor(v128.load(at), v128.xor(lookup(l0, bl), lookup(l1, bh))));
    v128.store(high, v128.xor(lookup(h0, bl), lookup(h1, bh)));
    at += 32;
    low += 16;
    high += 16;
  }
}

/** Tower coordinate c of element e = c + d w. */
/* @inline */
export function towerLow(e: u32): u32 {
  return (e & 255) ^ <u32>load<u8>(TOWER_LOW + <usize>(e >> 8));
}

/** Tower coordinate d of element e = c + d w. */
/* @inline */
export function towerHigh(e: u32): u32 {
  return load<u8>(TOWER_HIGH + <usize>(e >> 8));
}

/**
 * Writes the erasure locator's value at `count` points (u16) as field elements (u16): the product of (x + y) over
 * the `setCount` points y of `set` other than x; inverted when `invert` is set. Cost: count * setCount look-ups,
 * about 0.4 ms at 1000 shards.
 */
export function locator(
  out: usize,
  points: usize,
  count: i32,
  set: usize,
  setCount: i32,
  invert: bool,
): void {
  const setEnd = set + ((<usize>setCount) << 1);
  for (let i = 0; i < count; i++) {
    const x = load<u16>(points + ((<usize>i) << 1));
    let sum: u64 = 0;
    for (let p = set; p < setEnd; p += 2) {
      const difference = <u32>(x ^ load<u16>(p));
      if (difference !== 0) sum += <u64>log(difference);
    }
    let exponent = <u32>(sum % 65535);
    if (invert) exponent = 65535 - exponent;
    store<u16>(out + ((<usize>i) << 1), <u16>exp(exponent));
  }
}
