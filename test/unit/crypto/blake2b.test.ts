// If this fails, every blob ID, sliver hash and Merkle proof Floe makes is wrong on the real network.
import { blake2b } from "@noble/hashes/blake2.js";
import { describe, expect, test } from "vitest";
import { toHex } from "../../../shared/base/bytes.ts";
import { blake2b256, blake2b256Tagged } from "../../../shared/crypto/blake2b.ts";

const oracle = (bytes: Uint8Array): string => toHex(blake2b(bytes, { dkLen: 32 }));
const pattern = (length: number, seed: number): Uint8Array =>
  Uint8Array.from({ length }, (_, i) => (i * 131 + seed * 29 + (i >> 5) * seed) & 255);

describe("blake2b256", () => {
  test("gives the published digests", () => {
    const abc = new TextEncoder().encode("abc");
    expect(toHex(blake2b256(abc))).toBe("bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319");
    expect(toHex(blake2b256())).toBe("0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8");
  });

  test("equals @noble/hashes for every length from 0 to 520 bytes", () => {
    for (let length = 0; length <= 520; length++) {
      const bytes = pattern(length, length);
      expect(toHex(blake2b256(bytes)), `${length} bytes`).toBe(oracle(bytes));
    }
  });

  test("hashes parts as their concatenation, wherever they are cut", () => {
    const bytes = pattern(300, 7);
    for (const [a, b] of [
      [0, 0],
      [1, 299],
      [127, 129],
      [128, 256],
      [128, 128],
      [300, 300],
    ] as const) {
      const parts = [bytes.subarray(0, a), bytes.subarray(a, b), bytes.subarray(b)];
      expect(toHex(blake2b256(...parts))).toBe(oracle(bytes));
    }
  });

  test("carries the length beyond the first 32 bits' worth of state: many blocks", () => {
    const bytes = pattern(1_000_003, 3);
    expect(toHex(blake2b256(bytes))).toBe(oracle(bytes));
  });
});

describe("blake2b256Tagged", () => {
  test("puts the tag in front and may overwrite its own input", () => {
    const buffer = pattern(200, 9);
    const tagged = Uint8Array.of(1, ...buffer.subarray(10, 74));
    blake2b256Tagged(1, buffer, 10, 74, buffer, 20);
    expect(toHex(buffer.subarray(20, 52))).toBe(oracle(tagged));
  });

  test("leaves nothing behind that changes the next hash", () => {
    const out = new Uint8Array(32);
    for (const length of [0, 63, 64, 127, 128, 5]) {
      const bytes = pattern(length, 1);
      blake2b256Tagged(0, bytes, 0, length, out, 0);
      expect(toHex(out)).toBe(oracle(Uint8Array.of(0, ...bytes)));
    }
  });
});
