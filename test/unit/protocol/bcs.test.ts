// If this fails, one value has several spellings on the wire, or a hostile length makes the isolate allocate or crash.
import { describe, expect, test } from "vitest";
import { BcsReader, BcsWriter, ulebBytes } from "../../../shared/protocol/bcs.ts";
import { protocolError } from "../../support/parsers.ts";

const reader = (...bytes: number[]): BcsReader => new BcsReader(Uint8Array.from(bytes), "test");
const ULEB = [
  0,
  1,
  127,
  128,
  129,
  16_383,
  16_384,
  2_097_151,
  2_097_152,
  2 ** 28 - 1,
  2 ** 28,
  2 ** 31,
  2 ** 32 - 1,
];

describe("ULEB128", () => {
  test.each(ULEB)("%d survives in its shortest form", (value) => {
    const bytes = new BcsWriter(1).uleb(value).finish();
    expect(bytes.length).toBe(ulebBytes(value));
    const read = new BcsReader(bytes, "test");
    expect(read.uleb()).toBe(value);
    read.end();
  });

  test.each([[[0x80, 0x00]], [[0x81, 0x00]], [[0xff, 0x80, 0x00]], [[0x80, 0x80, 0x80, 0x80, 0x00]]])(
    "%j is longer than needed: refused",
    (bytes) => {
      expect(() => reader(...bytes).uleb()).toThrow(protocolError("NON_CANONICAL"));
    },
  );

  test.each([
    [[0xff, 0xff, 0xff, 0xff, 0x10]],
    [[0xff, 0xff, 0xff, 0xff, 0x7f]],
    [[0x80, 0x80, 0x80, 0x80, 0x80, 0x01]],
    [[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]],
    [[0x80]],
    [[]],
  ])("%j is above 2^32-1 or cut off: refused", (bytes) => {
    expect(() => reader(...bytes).uleb()).toThrow(protocolError("MALFORMED_BYTES"));
  });
});

describe("integers", () => {
  test("are little-endian and refuse to read past the end, saying where", () => {
    const bytes = new BcsWriter(1).u8(1).u16(0x0302).u32(0x07060504).u64(0x0f0e0d0c0b0a0908n).finish();
    expect([...bytes]).toEqual(Array.from({ length: 15 }, (_, i) => i + 1));
    const read = new BcsReader(bytes, "test");
    expect([read.u8(), read.u16(), read.u32(), read.u64()]).toEqual([
      1,
      0x0302,
      0x07060504,
      0x0f0e0d0c0b0a0908n,
    ]);
    read.end();
    expect(() => read.u8()).toThrow(
      protocolError("MALFORMED_BYTES", { layout: "test", offset: 15, need: 1, have: 0 }),
    );
  });

  test("a u64 that must be a number is refused from 2^53 on", () => {
    const read = (value: bigint) => new BcsReader(new BcsWriter().u64(value).finish(), "test").u64Number();
    expect(read(2n ** 53n - 1n)).toBe(2 ** 53 - 1);
    expect(() => read(2n ** 53n)).toThrow(protocolError("MALFORMED_BYTES"));
    expect(() => read(2n ** 64n - 1n)).toThrow(protocolError("MALFORMED_BYTES"));
  });

  test("views into a larger buffer are read from their own start", () => {
    const view = Uint8Array.of(9, 9, 1, 0, 9).subarray(2, 4);
    const read = new BcsReader(view, "test");
    expect(read.u16()).toBe(1);
    read.end();
  });
});

describe("vectors", () => {
  test("a hostile length is refused before anything is taken", () => {
    expect(() => reader(0xff, 0xff, 0xff, 0xff, 0x0f, 1, 2).vector(100)).toThrow(
      protocolError("MALFORMED_BYTES"),
    );
    expect(() => reader(3, 1, 2).vector(100)).toThrow(protocolError("MALFORMED_BYTES", { need: 3, have: 2 }));
    expect(() => reader(3, 1, 2, 3).vector(2)).toThrow(protocolError("MALFORMED_BYTES"));
    expect([...reader(3, 1, 2, 3).vector(3)]).toEqual([1, 2, 3]);
  });

  test("left-over bytes are refused with their number", () => {
    expect(() => reader(1, 2).end()).toThrow(protocolError("TRAILING_BYTES", { trailing: 2 }));
  });
});
