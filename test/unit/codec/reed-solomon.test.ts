// If this fails, slivers cannot be rebuilt from each other, or not by the official implementation.
import { describe, expect, test } from "vitest";
import { bytesToElementsInPlace, elementsToBytesInPlace } from "../../../shared/codec/matrix.ts";
import { encodeRecoveries, erasureDecoder, reedSolomonCode } from "../../../shared/codec/reed-solomon.ts";
import { coefficient, recoverySymbol } from "../../../shared/codec/reed-solomon-closed-form.ts";
import { symbolsFromBytes, symbolsToBytes } from "../../../shared/codec/symbols.ts";
import { bftParameters } from "../../../shared/protocol/bft.ts";
import { prng } from "../../support/vectors.ts";

const elements = (seed: number, count: number): Uint16Array =>
  new Uint16Array(prng(seed, 2 * count).buffer, 0, count);

describe("code selection", () => {
  test.each([
    [4, "high", 2, "high", 1],
    [7, "high", 4, "high", 2],
    [10, "low", 4, "high", 4],
    [13, "high", 8, "high", 4],
    [31, "low", 16, "high", 16],
    [100, "low", 64, "high", 64],
    [1000, "low", 512, "high", 512],
  ] as const)(
    "n = %i: column code %s %i, row code %s %i",
    (n, columnRate, columnBlock, rowRate, rowBlock) => {
      const { primarySourceSymbols: p, secondarySourceSymbols: s } = bftParameters(n);
      expect(reedSolomonCode(p, n - p)).toMatchObject({ rate: columnRate, blockSize: columnBlock });
      expect(reedSolomonCode(s, n - s)).toMatchObject({ rate: rowRate, blockSize: rowBlock });
    },
  );

  test("codes that do not fit the field are refused", () => {
    expect(() => reedSolomonCode(0, 1)).toThrow();
    expect(() => reedSolomonCode(1, 0)).toThrow();
    expect(() => reedSolomonCode(32768, 32769)).toThrow();
    expect(reedSolomonCode(32768, 32768).blockSize).toBe(32768);
  });
});

describe("coefficients", () => {
  test.each([
    [2, 2, 0, 0, 3],
    [3, 4, 0, 0, 0xc],
    [3, 4, 3, 2, 0xf],
    [4, 6, 0, 0, 0xc],
    [4, 6, 5, 3, 0x8],
    [334, 666, 0, 0, 0xe146],
    [334, 666, 665, 333, 0x5073],
    [667, 333, 332, 666, 0xfb96],
  ])("(%i, %i): recovery %i, original %i", (k, r, recovery, original, expected) => {
    expect(coefficient(reedSolomonCode(k, r), recovery, original)).toBe(expected);
  });
});

describe("transforms", () => {
  test.each([
    [1, 1, 3],
    [2, 2, 1],
    [3, 1, 5],
    [1, 3, 5],
    [4, 6, 2],
    [9, 4, 7],
    [14, 26, 40],
    [67, 33, 3],
    [334, 666, 2],
    [667, 333, 2],
    // More lanes than one tile of work space takes.
    [3, 5, 9001],
    [20, 100, 5000],
  ])("k = %i, r = %i, %i lanes: recoveries equal the closed form", (k, r, lanes) => {
    const code = reedSolomonCode(k, r);
    const codeword = new Uint16Array((k + r) * lanes);
    codeword.set(elements(k + r, k * lanes));
    encodeRecoveries(code, codeword, lanes);
    const originals = codeword.subarray(0, k * lanes);
    const checked = r > 40 ? [0, 1, r >> 1, r - 2, r - 1] : Array.from({ length: r }, (_, j) => j);
    for (const j of checked) {
      const expected = recoverySymbol(code, j, originals, lanes);
      expect(codeword.subarray((k + j) * lanes, (k + j + 1) * lanes)).toEqual(expected);
    }
  });

  test("any k of n symbols restore the originals: every subset of small codes", () => {
    for (const [k, r] of [
      [1, 1],
      [2, 2],
      [3, 1],
      [3, 4],
      [5, 2],
      [4, 6],
    ] as const) {
      const code = reedSolomonCode(k, r);
      const codeword = new Uint16Array((k + r) * 2);
      codeword.set(elements(9, 2 * k));
      encodeRecoveries(code, codeword, 2);
      for (let mask = 0; mask < 1 << (k + r); mask++) {
        const present = Array.from({ length: k + r }, (_, i) => i).filter((i) => (mask >> i) & 1);
        if (present.length !== k) continue;
        const decoder = erasureDecoder(code, present.reverse());
        const rows = decoder.present.map((i) => codeword.subarray(2 * i, 2 * i + 2));
        const restored: number[] = [];
        decoder.decode(rows, 0, 2, (original, values, lane) => {
          expect(lane).toBe(0);
          expect(values).toEqual(codeword.subarray(2 * original, 2 * original + 2));
          restored.push(original);
        });
        expect(restored).toEqual(decoder.missing);
      }
    }
  });

  test("decodes just the lanes asked for, over several tiles of work space", () => {
    const [k, r, lanes] = [5, 8, 20_000];
    const code = reedSolomonCode(k, r);
    const codeword = new Uint16Array((k + r) * lanes);
    codeword.set(elements(4, k * lanes));
    encodeRecoveries(code, codeword, lanes);
    const decoder = erasureDecoder(code, [12, 1, 7, 6, 9]);
    const rows = decoder.present.map((i) => codeword.subarray(i * lanes, (i + 1) * lanes));
    const seen = new Map<number, number>();
    decoder.decode(rows, 77, 19_001, (original, values, lane) => {
      expect(values).toEqual(
        codeword.subarray(original * lanes + lane, original * lanes + lane + values.length),
      );
      seen.set(original, (seen.get(original) ?? 0) + values.length);
    });
    expect([...seen]).toEqual([0, 2, 3, 4].map((original) => [original, 19_001 - 77]));
  });

  test("a decoder takes exactly k distinct symbols", () => {
    const code = reedSolomonCode(3, 4);
    for (const present of [
      [0, 1],
      [0, 1, 1],
      [0, 1, 2, 3],
    ])
      expect(() => erasureDecoder(code, present)).toThrow();
  });
});

describe("symbol bytes", () => {
  test("a chunk's halves hold low and high bytes; a tail splits at its own middle", () => {
    const bytes = Uint8Array.from({ length: 70 }, (_, i) => i);
    const out = new Uint16Array(35);
    symbolsFromBytes(bytes, 0, out, 0, 70, 1);
    expect(out[0]).toBe(0x2000);
    expect(out[31]).toBe(0x3f1f);
    expect(out[32]).toBe(64 | (67 << 8));
    expect(out[34]).toBe(66 | (69 << 8));
  });

  test.each([2, 4, 62, 64, 66, 126, 128, 130])(
    "symbols of %i bytes survive the way to elements and back",
    (z) => {
      const bytes = prng(z, 7 * z);
      const out = new Uint16Array((7 * z) / 2 + 3);
      symbolsFromBytes(bytes, 0, out, 3, z, 7);
      const back = new Uint8Array(7 * z + 5);
      symbolsToBytes(out, 3, back, 5, z, 7);
      expect(back.subarray(5)).toEqual(bytes);
      const inPlace = new Uint16Array(bytes.slice().buffer);
      bytesToElementsInPlace(inPlace, z);
      expect(inPlace).toEqual(out.slice(3));
      elementsToBytesInPlace(inPlace, z);
      expect(new Uint8Array(inPlace.buffer)).toEqual(bytes);
    },
  );
});
