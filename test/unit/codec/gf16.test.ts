// If this fails, every recovery symbol is wrong and nothing Floe stores can be read by anybody else.
import { describe, expect, test } from "vitest";
import { toHex } from "../../../shared/base/bytes.ts";
import {
  addProducts,
  EXP,
  GROUP_ORDER,
  invert,
  LOG,
  multiply,
  productTable,
  scaleByLog,
} from "../../../shared/codec/gf16.ts";
import { blake2b256 } from "../../../shared/crypto/blake2b.ts";
import { prng } from "../../support/vectors.ts";

const SAMPLES = [...new Uint16Array(prng(77, 128).buffer), 0, 1, 2, 3, 255, 256, 65535];

describe("GF(2^16)", () => {
  test("logarithms and exponentials are the official ones", () => {
    expect([1, 2, 3, 4, 5, 6, 7].map((x) => LOG[x])).toEqual([0, 21845, 43690, 17476, 4369, 34952, 8738]);
    expect([1, 2, 3].map((i) => EXP[i])).toEqual([18064, 26072, 25296]);
    const exp = EXP.slice(0, 65536);
    expect(toHex(blake2b256(new Uint8Array(LOG.slice().buffer)))).toBe(
      "b12ea12d7e19b68b72f6016a906785e71d39c4af387f6e87de9eb7aa977e74bd",
    );
    expect(toHex(blake2b256(new Uint8Array(exp.buffer)))).toBe(
      "1cd69fc106a7710cb71543e339a52fe587c916c1c8c817ba5186c62c35933dcf",
    );
  });

  test("known products and inverses", () => {
    expect(multiply(2, 2)).toBe(3);
    expect(invert(2)).toBe(3);
    expect(multiply(0x1234, 0xabcd)).toBe(0x43c1);
    expect(invert(0x1234)).toBe(0x371e);
  });

  test("field laws hold: commutative, associative, distributive, inverses, no zero divisors", () => {
    for (const a of SAMPLES) {
      expect(multiply(a, 0)).toBe(0);
      expect(multiply(a, 1)).toBe(a);
      if (a !== 0) expect(multiply(a, invert(a))).toBe(1);
      for (const b of SAMPLES) {
        expect(multiply(a, b)).toBe(multiply(b, a));
        expect(multiply(a, b) === 0).toBe(a === 0 || b === 0);
        expect(multiply(multiply(a, b), 0xbeef)).toBe(multiply(a, multiply(b, 0xbeef)));
        expect(multiply(a ^ b, 0xbeef)).toBe(multiply(a, 0xbeef) ^ multiply(b, 0xbeef));
      }
    }
  });

  test("0 has no inverse", () => {
    expect(() => invert(0)).toThrow("0 has no inverse");
  });

  test("product tables and logarithmic scaling give the same products, at any offset", () => {
    const source = Uint16Array.from(SAMPLES);
    for (const factor of SAMPLES) {
      const target = new Uint16Array(source.length + 2).fill(7);
      addProducts(target, 1, source, 2, source.length - 2, productTable(factor));
      const expected = SAMPLES.slice(2).map((x) => multiply(factor, x) ^ 7);
      expect([...target]).toEqual([7, ...expected, 7, 7, 7]);
      if (factor === 0) continue;
      const scaled = new Uint16Array(source.length);
      scaleByLog(scaled, 0, source, 0, source.length, LOG[factor] ?? 0);
      expect([...scaled]).toEqual(SAMPLES.map((x) => multiply(factor, x)));
      scaleByLog(scaled, 0, scaled, 0, source.length, GROUP_ORDER - (LOG[factor] ?? 0));
      expect([...scaled]).toEqual(SAMPLES);
    }
  });
});
