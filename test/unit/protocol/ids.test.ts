// If this fails, one blob gets several names: several cache entries, several trackers, several payments.
import { describe, expect, test } from "vitest";
import {
  blobIdFromBytes,
  blobIdFromU256,
  blobIdToBytes,
  blobIdToU256,
  objectIdFromBytes,
  objectIdToBytes,
  parseBlobId,
  parseObjectId,
  shardIndex,
  sliverIndex,
  sliverPairIndex,
  u256ToBytes,
} from "../../../shared/protocol/ids.ts";
import { pairOfShard, pairOfSliver, shardOfPair, sliverOfPair } from "../../../shared/protocol/mapping.ts";
import { parseSymbolId } from "../../../shared/protocol/recovery-symbol.ts";
import { protocolError } from "../../support/parsers.ts";
import { prng } from "../../support/vectors.ts";

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

describe("blob IDs", () => {
  test("the three other spellings of the same 32 bytes are refused, for every last character", () => {
    for (let seed = 1; seed < 60; seed++) {
      const id = blobIdFromBytes(prng(seed, 32));
      expect(parseBlobId(id)).toBe(id);
      const last = ALPHABET.indexOf(id.at(-1) ?? "");
      expect(last % 4).toBe(0);
      for (const alias of [1, 2, 3]) {
        const spelling = id.slice(0, -1) + ALPHABET[last + alias];
        expect(Buffer.from(spelling, "base64url")).toEqual(Buffer.from(id, "base64url"));
        expect(() => parseBlobId(spelling)).toThrow(protocolError("INVALID_BLOB_ID"));
      }
    }
  });

  const id = blobIdFromBytes(prng(3, 32));
  test.each([
    ["empty", ""],
    ["one character short", id.slice(1)],
    ["one character long", `${id}A`],
    ["padded", `${id}=`],
    ["of the standard alphabet", `+/${id.slice(2)}`],
    ["with a space", ` ${id.slice(1)}`],
    ["with a line end", `${id.slice(0, -1)}\n`],
    ["not ASCII", `é${id.slice(1)}`],
  ])("%s: refused", (_, text) => {
    expect(() => parseBlobId(text)).toThrow(protocolError("INVALID_BLOB_ID"));
  });

  test("bytes and u256 forms agree; the u256 is little-endian", () => {
    expect(blobIdToU256(blobIdFromBytes(Uint8Array.from({ length: 32 }, (_, i) => (i === 0 ? 1 : 0))))).toBe(
      1n,
    );
    expect(blobIdFromU256(blobIdToU256(id))).toBe(id);
    expect(blobIdFromBytes(blobIdToBytes(id))).toBe(id);
    expect(() => u256ToBytes(-1n)).toThrow(protocolError("MALFORMED_BYTES"));
    expect(() => u256ToBytes(2n ** 256n)).toThrow(protocolError("MALFORMED_BYTES"));
    for (const length of [0, 31, 33]) {
      expect(() => blobIdFromBytes(new Uint8Array(length))).toThrow(protocolError("INVALID_BLOB_ID"));
    }
  });
});

describe("object IDs", () => {
  test("short forms are padded, capitals lowered; the full form survives as bytes", () => {
    expect(parseObjectId("0x2")).toBe(`0x${"0".repeat(63)}2`);
    expect(parseObjectId("AB".repeat(32))).toBe(`0x${"ab".repeat(32)}`);
    const id = parseObjectId(`0x${"0123456789abcdef".repeat(4)}`);
    expect(objectIdFromBytes(objectIdToBytes(id))).toBe(id);
  });

  test.each(["", "0x", "2", "0x0g", `0x${"1".repeat(65)}`, "1".repeat(63), "0X2", " 0x2", "0x2\n"])(
    "%j: refused",
    (text) => {
      expect(() => parseObjectId(text)).toThrow(protocolError("INVALID_OBJECT_ID"));
    },
  );

  test("bytes of another length are refused", () => {
    expect(() => objectIdFromBytes(new Uint8Array(31))).toThrow(protocolError("INVALID_OBJECT_ID"));
  });
});

describe("indexes", () => {
  test.each([
    ["shard", shardIndex],
    ["pair", sliverPairIndex],
    ["sliver", sliverIndex],
  ])("%s indexes lie in 0..n-1 and are whole", (_, make) => {
    expect(make(0, 7)).toBe(0);
    expect(make(6, 7)).toBe(6);
    for (const bad of [-1, 7, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => make(bad, 7)).toThrow(protocolError("INVALID_INDEX", { nShards: 7 }));
    }
  });

  test("symbol IDs are two decimal indexes without signs, spaces or leading zeros", () => {
    expect(parseSymbolId("0-999", 1000)).toEqual({ primary: 0, secondary: 999 });
    const bad = [
      "",
      "0",
      "0-",
      "-0",
      "0-1000",
      "1000-0",
      "00-1",
      "1-01",
      "+1-1",
      " 1-1",
      "1-1 ",
      "1-1-1",
      "1-1\n",
      "1e1-1",
      "99999-0",
    ];
    for (const text of bad) {
      expect(() => parseSymbolId(text, 1000), JSON.stringify(text)).toThrow(protocolError("INVALID_INDEX"));
    }
  });

  test.each([4, 7, 1000])("n = %i: pairs, shards and slivers map one to one, both ways", (n) => {
    const blobId = blobIdFromBytes(prng(n, 32));
    const shards = new Set<number>();
    for (let i = 0; i < n; i++) {
      const pair = sliverPairIndex(i, n);
      const shard = shardOfPair(pair, blobId, n);
      shards.add(shardIndex(shard, n));
      expect(pairOfShard(shard, blobId, n)).toBe(pair);
      expect(sliverOfPair(pair, "primary", n)).toBe(i);
      expect(sliverOfPair(pair, "secondary", n)).toBe(n - 1 - i);
      for (const axis of ["primary", "secondary"] as const) {
        expect(pairOfSliver(sliverOfPair(pair, axis, n), axis, n)).toBe(pair);
      }
    }
    expect(shards.size).toBe(n);
  });
});
