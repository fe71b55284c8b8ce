/**
 * GF(2^16) in the coordinates of Leopard-RS: 16-bit values, addition is XOR.
 *
 * A value x denotes the field element P(x) = XOR of the Cantor basis elements of its set bits, inside
 * GF(2)[x]/(x^16 + x^5 + x^3 + x^2 + 1). In these coordinates {0..2^i-1} are subspaces, which is what makes the
 * additive FFT work. Products go through logarithms to the base x:
 *
 *   LOG[a], 65536 u16: discrete logarithm of P(a); LOG[0] = 65535 stands for "no logarithm"
 *   EXP[i], 131071 u16: the value with logarithm i mod 65535, long enough for the sum of two logarithms
 *
 * Source: the Rust crate reed-solomon-simd 3.x; both tables are pinned by hash in the tests.
 */
import { assert } from "../base/errors.ts";

/** Order of the multiplicative group: logarithms count modulo this. */
export const GROUP_ORDER = 65535;
const FIELD_SIZE = 65536;
const POLYNOMIAL = 0x1002d;
const CANTOR_BASIS = [
  0x0001, 0xacca, 0x3c0e, 0x163e, 0xc582, 0xed2e, 0x914c, 0x4012, 0x6c98, 0x10d8, 0x6a72, 0xb900, 0xfdb8,
  0xfb34, 0xff38, 0x991e,
];

/** Values of one factor split as 256 low bytes, then 256 high bytes: product = T[x & 255] ^ T[256 + (x >> 8)]. */
export type ProductTable = Uint16Array;
const PRODUCT_TABLE_LENGTH = 512;

const { log, exp } = buildTables();
export const LOG: Readonly<Uint16Array> = log;
export const EXP: Readonly<Uint16Array> = exp;

assert(
  LOG[2] === 21845 && EXP[1] === 18064 && multiply(0x1234, 0xabcd) === 0x43c1,
  "GF(2^16) tables are wrong",
);

export function multiply(a: number, b: number): number {
  if (a === 0 || b === 0) return 0;
  return EXP[(LOG[a] ?? 0) + (LOG[b] ?? 0)] ?? 0;
}

/** @param a not 0 */
export function invert(a: number): number {
  assert(a !== 0, "0 has no inverse");
  return EXP[GROUP_ORDER - (LOG[a] ?? 0)] ?? 0;
}

/** All products of `factor`, 1 KiB. Cost: about 1 us. */
export function productTable(
  factor: number,
  table: ProductTable = new Uint16Array(PRODUCT_TABLE_LENGTH),
): ProductTable {
  for (const half of [0, 1]) {
    const base = 256 * half;
    table[base] = 0;
    for (let bit = 0; bit < 8; bit++) {
      const product = multiply(factor, 1 << (8 * half + bit));
      // Multiplication is linear: the products of x + 2^bit follow from those of x.
      for (let x = 0; x < 1 << bit; x++) table[base + (1 << bit) + x] = (table[base + x] ?? 0) ^ product;
    }
  }
  return table;
}

/** `target[at + i] ^= factor * source[from + i]` for i < count, the factor given by its table. */
export function addProducts(
  target: Uint16Array,
  at: number,
  source: Uint16Array,
  from: number,
  count: number,
  table: ProductTable,
): void {
  for (let i = 0; i < count; i++) {
    const x = source[from + i] ?? 0;
    const product = (table[x & 255] ?? 0) ^ (table[256 + (x >> 8)] ?? 0);
    target[at + i] = (target[at + i] ?? 0) ^ product;
  }
}

/** `target[at + i] = factor * source[from + i]` for i < count, the factor given by its logarithm. */
export function scaleByLog(
  target: Uint16Array,
  at: number,
  source: Uint16Array,
  from: number,
  count: number,
  factorLog: number,
): void {
  for (let i = 0; i < count; i++) {
    const x = source[from + i] ?? 0;
    target[at + i] = x === 0 ? 0 : (EXP[(LOG[x] ?? 0) + factorLog] ?? 0);
  }
}

function buildTables(): { log: Uint16Array; exp: Uint16Array } {
  const discreteLog = new Uint16Array(FIELD_SIZE);
  for (let i = 0, power = 1; i < GROUP_ORDER; i++) {
    discreteLog[power] = i;
    power <<= 1;
    if (power >= FIELD_SIZE) power ^= POLYNOMIAL;
  }
  const element = new Uint16Array(FIELD_SIZE);
  const log = new Uint16Array(FIELD_SIZE);
  const exp = new Uint16Array(2 * GROUP_ORDER + 1);
  log[0] = GROUP_ORDER;
  for (let value = 1; value < FIELD_SIZE; value++) {
    const lowestBit = 31 - Math.clz32(value & -value);
    element[value] = (element[value & (value - 1)] ?? 0) ^ (CANTOR_BASIS[lowestBit] ?? 0);
    const logarithm = discreteLog[element[value] ?? 0] ?? 0;
    log[value] = logarithm;
    exp[logarithm] = value;
    exp[logarithm + GROUP_ORDER] = value;
  }
  exp[2 * GROUP_ORDER] = exp[0] ?? 0;
  return { log, exp };
}
