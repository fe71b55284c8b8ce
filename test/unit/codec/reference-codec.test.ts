// If this fails, one bad upload or lying node can crash, starve or poison the isolate that all others share.
import { describe, expect, test } from "vitest";
import { type Codec, CodecError } from "../../../shared/codec/codec.ts";
import { createReferenceCodec } from "../../../shared/codec/reference-codec.ts";
import { AXES, type BlobId, type SliverIndex, type SliverPairIndex } from "../../../shared/protocol/ids.ts";
import { maxUnencodedLength } from "../../../shared/protocol/sizes.ts";
import { parseSliver, type Sliver, type VerifiedSliver } from "../../../shared/protocol/sliver.ts";
import { encodeBlob, pairIndexes, someBlob } from "../../support/codec/encoded-blob.ts";

const codec = createReferenceCodec();
const failsWith = (code: string, details: Record<string, unknown> = {}) =>
  expect.objectContaining({ code, details: expect.objectContaining(details) });

/** Any part of what was written can be read back, before and after encoding. */
function readBack(nShards: number, blob: Uint8Array, using: Codec = codec): void {
  const encoder = using.openEncoder(nShards, blob.length);
  encoder.write(blob);
  const part = Math.floor(blob.length / 3);
  expect(encoder.source(0, blob.length)).toEqual(blob);
  encoder.metadata();
  for (const [from, to] of [
    [0, blob.length],
    [0, 0],
    [part, blob.length],
    [part, 2 * part + 1],
  ] as const) {
    expect(encoder.source(from, Math.min(to, blob.length))).toEqual(blob.subarray(from, to));
  }
  encoder.release();
  expect(() => encoder.source(0, 0)).toThrow(failsWith("RELEASED"));
}

/** Encodes in one write and decodes from the last slivers of both axes. */
function roundTrip(nShards: number, blob: Uint8Array, using: Codec = codec): void {
  const encoded = encodeBlob(nShards, blob);
  for (const axis of AXES) {
    const decoder = using.openDecoder(encoded.metadata, axis);
    for (let index = nShards - 1; index >= 0; index--) {
      if (decoder.add(encoded.sliver(axis, index)) === 0) break;
    }
    expect(decoder.blob()).toEqual(blob);
    decoder.release();
  }
  codec.verifyBlob(encoded.metadata, blob, "default");
  codec.verifyBlob(encoded.metadata, blob, "strict");
}

describe("sizes", () => {
  const boundaries = (sourceSymbols: number): number[] =>
    [0, 1, 2].concat(
      [1, 2, 62, 64, 66].flatMap((z) => [z * sourceSymbols - 1, z * sourceSymbols, z * sourceSymbols + 1]),
    );
  test.each([
    [4, 6],
    [7, 15],
    [10, 28],
  ])("n = %i: every length around the symbol boundaries survives", (n, sourceSymbols) => {
    for (const size of boundaries(sourceSymbols)) {
      roundTrip(n, someBlob(size));
      readBack(n, someBlob(size));
    }
  });

  test("the largest blob survives; one byte more is refused with the numbers", () => {
    const limit = maxUnencodedLength(4);
    roundTrip(4, someBlob(limit));
    roundTrip(4, someBlob(limit - 1));
    expect(() => codec.openEncoder(4, limit + 1)).toThrow(
      failsWith("BLOB_TOO_LARGE", { unencodedLength: 393_205, limit: 393_204, nShards: 4 }),
    );
  });

  test.each([3, 0, -1, 4.5, 49_156, Number.NaN])("%d shards are refused", (n) => {
    expect(() => codec.openEncoder(n, 10)).toThrow(failsWith("UNSUPPORTED_SHARD_COUNT"));
  });

  test.each([-1, 0.5, Number.NaN, 2 ** 53])("a length of %d is refused", (length) => {
    expect(() => codec.openEncoder(4, length)).toThrow(failsWith("BLOB_TOO_LARGE"));
  });

  test("more than 256 shards, where leaves of 2-byte symbols are looked up", () => {
    roundTrip(257, someBlob(300));
  });
});

describe("encoder", () => {
  test("any cut of the blob into writes gives the same encoding, and input buffers may be reused", () => {
    const blob = someBlob(1000);
    const expected = encodeBlob(10, blob);
    const encoder = codec.openEncoder(10, blob.length);
    const buffer = new Uint8Array(137);
    for (let at = 0; at < blob.length; at += buffer.length) {
      const part = blob.subarray(at, at + buffer.length);
      buffer.set(part);
      encoder.write(buffer.subarray(0, part.length));
      buffer.fill(0xee);
    }
    encoder.write(new Uint8Array(0));
    expect(encoder.metadata()).toEqual(expected.metadata);
    encoder.release();
  });

  test("too many bytes and too few are refused with the numbers; the right ones still work", () => {
    const encoder = codec.openEncoder(7, 10);
    encoder.write(new Uint8Array(4));
    expect(() => encoder.write(new Uint8Array(7))).toThrow(
      failsWith("LENGTH_MISMATCH", { haveBytes: 11, declaredBytes: 10 }),
    );
    expect(() => encoder.metadata()).toThrow(failsWith("LENGTH_MISMATCH", { haveBytes: 4 }));
    expect(() => encoder.slivers([])).toThrow(failsWith("LENGTH_MISMATCH", { haveBytes: 4 }));
    encoder.write(new Uint8Array(6));
    expect(encoder.metadata().blobId).toBe(encodeBlob(7, new Uint8Array(10)).metadata.blobId);
    encoder.release();
  });

  test("pairs come in the order asked for, alone or together, as often as asked", () => {
    const blob = someBlob(5000);
    const expected = encodeBlob(13, blob);
    const encoder = codec.openEncoder(13, blob.length);
    encoder.write(blob);
    for (const order of [pairIndexes(13).reverse(), [12], [5, 5, 0], []] as SliverPairIndex[][]) {
      const pairs = encoder.slivers(order);
      expect(pairs.map((each) => each.pair)).toEqual(order);
      for (const { pair, primary, secondary } of pairs) {
        expect(primary).toEqual(expected.serialized("primary", pair));
        expect(secondary).toEqual(expected.serialized("secondary", 12 - pair));
      }
    }
    expect(() => encoder.slivers([13 as SliverPairIndex])).toThrow(
      failsWith("INVALID_INDEX", { value: 13, nShards: 13 }),
    );
    encoder.release();
  });

  test("bytes handed out are the caller's: overwriting them changes nothing", () => {
    const encoder = codec.openEncoder(4, 100);
    encoder.write(someBlob(100));
    const first = encoder.slivers(pairIndexes(4));
    const copy = structuredClone(first);
    for (const each of first) {
      each.primary.fill(0);
      each.secondary.fill(0);
    }
    expect(encoder.slivers(pairIndexes(4))).toEqual(copy);
    encoder.release();
  });

  test("after release everything is refused, and releasing again is harmless", () => {
    const encoder = codec.openEncoder(4, 0);
    encoder.metadata();
    encoder.release();
    encoder.release();
    for (const use of [
      () => encoder.write(new Uint8Array(0)),
      () => encoder.metadata(),
      () => encoder.slivers([]),
    ]) {
      expect(use).toThrow(failsWith("RELEASED"));
    }
  });
});

describe("memory", () => {
  test("is refused up front with the numbers, retryable only when waiting can help", () => {
    const need = codec.encoderBytes(4, 300_000);
    const small = createReferenceCodec({ maxBytes: need });
    const encoder = small.openEncoder(4, 300_000);
    const refusal = { needBytes: codec.encoderBytes(4, 0), heldBytes: need, maxBytes: need };
    expect(() => small.openEncoder(4, 0)).toThrow(failsWith("OUT_OF_CODEC_MEMORY", refusal));
    expect(() => small.openEncoder(4, 0)).toThrow(expect.objectContaining({ retryable: true }));
    expect(() => small.openDecoder(encodeBlob(4, someBlob(9)).metadata, "primary")).toThrow(
      failsWith("OUT_OF_CODEC_MEMORY"),
    );
    encoder.release();
    encoder.release();
    const again = small.openEncoder(4, 300_000);
    expect(() => small.openEncoder(4, 0)).toThrow(failsWith("OUT_OF_CODEC_MEMORY", refusal));
    again.release();
    expect(() => small.openEncoder(7, 600_000)).toThrow(expect.objectContaining({ retryable: false }));
  });

  test("an encoder at 1000 shards holds 1.5 blobs and less than 8 MiB", () => {
    const size = 32 * 2 ** 20;
    const held = codec.encoderBytes(1000, size);
    expect(held).toBeGreaterThan(1.5 * size);
    expect(held).toBeLessThan(1.5 * size + 8 * 2 ** 20 + 1000 * 667 * 2);
    expect(codec.decoderBytes(1000, size)).toBeGreaterThan(2 * size);
  });
});

describe("verifyMetadata", () => {
  const { metadata } = encodeBlob(7, someBlob(50));

  test("accepts what hashes to the blob ID and keeps a copy of its own", () => {
    const hashes = metadata.hashes.slice();
    const verified = codec.verifyMetadata({ ...metadata, hashes }, metadata.blobId, 7);
    hashes.fill(0);
    expect(verified.hashes).toEqual(metadata.hashes);
  });

  test("refuses another shard count, length, hash or blob ID", () => {
    const hashes = metadata.hashes.slice();
    hashes[100] = (hashes[100] ?? 0) ^ 1;
    const otherId = encodeBlob(7, someBlob(51)).metadata.blobId;
    expect(() => codec.verifyMetadata(metadata, metadata.blobId, 10)).toThrow(failsWith("INVALID_METADATA"));
    const short = { ...metadata, hashes: metadata.hashes.slice(64) };
    expect(() => codec.verifyMetadata(short, metadata.blobId, 7)).toThrow(failsWith("INVALID_METADATA"));
    for (const [changed, blobId] of [
      [{ ...metadata, hashes }, metadata.blobId],
      [{ ...metadata, unencodedLength: 51 }, metadata.blobId],
      [metadata, otherId],
    ] as [typeof metadata, BlobId][]) {
      expect(() => codec.verifyMetadata(changed, blobId, 7)).toThrow(failsWith("BLOB_ID_MISMATCH"));
    }
  });
});

describe("verifySlivers", () => {
  const encoded = encodeBlob(10, someBlob(500));
  const good = (axis: "primary" | "secondary", index: number): Sliver => {
    const bytes = encoded.serialized(axis, index);
    return parseSliver(bytes, bytes.length);
  };

  test("names the check that failed, cheap ones first, and judges each sliver alone", () => {
    const sliver = good("primary", 3);
    const pair = 3 as SliverPairIndex;
    const damaged = sliver.data.map((byte, i) => (i === 20 ? byte ^ 1 : byte));
    const results = codec.verifySlivers(encoded.metadata, [
      { axis: "primary", pair, sliver },
      { axis: "primary", pair: 10 as SliverPairIndex, sliver },
      { axis: "primary", pair: 4 as SliverPairIndex, sliver },
      { axis: "secondary", pair, sliver },
      { axis: "primary", pair, sliver: { ...sliver, data: sliver.data.subarray(sliver.symbolBytes) } },
      { axis: "primary", pair, sliver: { ...sliver, symbolBytes: 2 } },
      { axis: "primary", pair, sliver: { ...sliver, data: damaged } },
      { axis: "secondary", pair, sliver: good("secondary", 6) },
    ]);
    expect(
      results.map((each) => (each instanceof CodecError ? [each.code, each.details["check"]] : each.axis)),
    ).toEqual([
      "primary",
      ["SLIVER_MISMATCH", "pair index"],
      ["SLIVER_MISMATCH", "sliver index"],
      ["SLIVER_MISMATCH", "sliver index"],
      ["SLIVER_MISMATCH", "length"],
      ["SLIVER_MISMATCH", "symbol size"],
      ["SLIVER_MISMATCH", "Merkle root"],
      "secondary",
    ]);
    expect((results[0] as VerifiedSliver).data).toBe(sliver.data);
  });

  test("a sliver of the same blob under another index, or of another blob, is refused", () => {
    const other = encodeBlob(10, someBlob(500, 99));
    for (const [sliver, pair] of [
      [{ ...good("primary", 1), index: 2 as SliverIndex }, 2],
      [other.sliver("primary", 2), 2],
    ] as const) {
      const [result] = codec.verifySlivers(encoded.metadata, [
        { axis: "primary", pair: pair as SliverPairIndex, sliver },
      ]);
      expect(result).toEqual(failsWith("SLIVER_MISMATCH", { check: "Merkle root" }));
    }
  });
});

describe("decoder", () => {
  const encoded = encodeBlob(10, someBlob(777));

  test("counts down what it needs, ignores repeats and extras, and says what is missing", () => {
    const decoder = codec.openDecoder(encoded.metadata, "primary");
    expect(() => decoder.blob()).toThrow(failsWith("TOO_FEW_SLIVERS", { have: 0, need: 4 }));
    expect([9, 9, 0, 5].map((index) => decoder.add(encoded.sliver("primary", index)))).toEqual([3, 3, 2, 1]);
    expect(() => decoder.blob()).toThrow(failsWith("TOO_FEW_SLIVERS", { have: 3, need: 4 }));
    expect([7, 1].map((index) => decoder.add(encoded.sliver("primary", index)))).toEqual([0, 0]);
    expect(decoder.blob()).toEqual(encoded.blob);
    expect(decoder.blob()).toEqual(encoded.blob);
    decoder.release();
    decoder.release();
    const uses = [
      () => decoder.blob(),
      () => decoder.rows(0, 1),
      () => decoder.add(encoded.sliver("primary", 0)),
    ];
    for (const use of uses) expect(use).toThrow(failsWith("RELEASED"));
  });

  test("refuses slivers of another axis or length, and two different ones of one index", () => {
    const decoder = codec.openDecoder(encoded.metadata, "primary");
    expect(() => decoder.add(encoded.sliver("secondary", 0))).toThrow(failsWith("SLIVER_MISMATCH"));
    const longer = encodeBlob(10, someBlob(7777));
    expect(() => decoder.add(longer.sliver("primary", 0))).toThrow(failsWith("SLIVER_MISMATCH"));
    decoder.add(encoded.sliver("primary", 0));
    const other = encodeBlob(10, someBlob(777, 5));
    expect(() => decoder.add(other.sliver("primary", 0))).toThrow(
      failsWith("CONTRADICTORY_SLIVERS", { sliverIndex: 0 }),
    );
    for (const index of [4, 5, 6]) decoder.add(encoded.sliver("primary", index));
    expect(decoder.blob()).toEqual(encoded.blob);
    decoder.release();
  });

  test.each(AXES)("rows of %s slivers are the blob's rows, zero-padded at its end", (axis) => {
    const decoder = codec.openDecoder(encoded.metadata, axis);
    for (let index = 9; decoder.add(encoded.sliver(axis, index)) > 0; index--);
    const rowBytes = encoded.sliver("primary", 0).data.length;
    const padded = new Uint8Array(4 * rowBytes);
    padded.set(encoded.blob);
    for (let from = 0; from <= 4; from++) {
      for (let to = from; to <= 4; to++) {
        expect(decoder.rows(from, to)).toEqual(padded.slice(from * rowBytes, to * rowBytes));
      }
    }
    expect(() => decoder.rows(0, 5)).toThrow();
    expect(() => decoder.rows(3, 2)).toThrow();
    decoder.release();
  });

  test("rows held as systematic slivers come out before enough slivers for the whole blob are there", () => {
    const decoder = codec.openDecoder(encoded.metadata, "primary");
    decoder.add(encoded.sliver("primary", 1));
    expect(decoder.rows(1, 2)).toEqual(encoded.sliver("primary", 1).data);
    expect(() => decoder.rows(0, 2)).toThrow(failsWith("TOO_FEW_SLIVERS", { have: 1, need: 4 }));
    decoder.release();
  });

  test("the blob handed out owns exactly its bytes and is not shared", () => {
    const decoder = codec.openDecoder(encoded.metadata, "secondary");
    for (let index = 0; decoder.add(encoded.sliver("secondary", index)) > 0; index++);
    const first = decoder.blob();
    expect(first.buffer.byteLength).toBe(777);
    first.fill(0);
    expect(decoder.blob()).toEqual(encoded.blob);
    decoder.release();
  });
});

describe("verifyBlob", () => {
  const encoded = encodeBlob(7, someBlob(100));

  test("finds a single changed byte at both levels, and a wrong length", () => {
    for (const at of [0, 50, 99]) {
      const changed = encoded.blob.map((byte, i) => (i === at ? byte ^ 1 : byte));
      for (const level of ["default", "strict"] as const) {
        expect(() => codec.verifyBlob(encoded.metadata, changed, level)).toThrow(
          failsWith("INCONSISTENT_ENCODING"),
        );
      }
    }
    for (const level of ["default", "strict"] as const) {
      expect(() => codec.verifyBlob(encoded.metadata, encoded.blob.subarray(1), level)).toThrow(
        failsWith("LENGTH_MISMATCH"),
      );
    }
  });

  test("a strict check gives its memory back also when it fails", () => {
    const small = createReferenceCodec({ maxBytes: codec.encoderBytes(7, 100) });
    for (let i = 0; i < 3; i++) {
      expect(() => small.verifyBlob(encoded.metadata, new Uint8Array(100), "strict")).toThrow(
        failsWith("INCONSISTENT_ENCODING"),
      );
    }
    small.verifyBlob(encoded.metadata, encoded.blob, "strict");
  });
});

describe("symbols", () => {
  const encoded = encodeBlob(7, someBlob(200));
  const index = (value: number): SliverIndex => value as SliverIndex;
  const symbol = codec.symbolWithProof(encoded.metadata, encoded.sliver("primary", 2), index(5));
  const toSecondary = { axis: "secondary", index: index(5) } as const;

  test("a symbol recovers the two slivers it lies on and no other", () => {
    for (const axis of AXES) {
      for (let i = 0; i < 7; i++) {
        const check = () => codec.verifySymbol(encoded.metadata, symbol, { axis, index: index(i) });
        if (i === (axis === "primary" ? 2 : 5)) check();
        else expect(check).toThrow(failsWith("SYMBOL_MISMATCH", { check: "target" }));
      }
    }
  });

  test("wrong indexes, lengths, bytes and proofs are refused by name", () => {
    const changed = symbol.symbol.map((byte) => byte ^ 1);
    for (const [broken, check] of [
      [{ ...symbol, sourceIndex: index(7) }, "index"],
      [{ ...symbol, targetIndex: index(7) }, "index"],
      [{ ...symbol, symbol: symbol.symbol.subarray(2) }, "length"],
      [{ ...symbol, targetIndex: index(4) }, "target"],
      [{ ...symbol, symbol: changed }, "Merkle proof"],
      [{ ...symbol, sourceIndex: index(3) }, "Merkle proof"],
      [{ ...symbol, proof: symbol.proof.slice(1) }, "Merkle proof"],
    ] as const) {
      expect(() => codec.verifySymbol(encoded.metadata, broken, toSecondary)).toThrow(
        failsWith("SYMBOL_MISMATCH", { check }),
      );
    }
    expect(() => codec.symbolWithProof(encoded.metadata, encoded.sliver("primary", 2), index(7))).toThrow(
      failsWith("SYMBOL_MISMATCH", { check: "target index" }),
    );
  });

  test("a symbol of the right index but the other axis does not pass as the wanted one", () => {
    // Source 5 on the primary axis and target 5 on the secondary axis share only the number.
    const other = codec.symbolWithProof(encoded.metadata, encoded.sliver("primary", 5), index(1));
    expect(() => codec.verifySymbol(encoded.metadata, other, toSecondary)).toThrow(
      failsWith("SYMBOL_MISMATCH", { check: "target" }),
    );
  });

  test("a sliver is not recovered from repeated symbols or symbols of another sliver", () => {
    const three = [0, 1, 2].map((i) =>
      codec.symbolWithProof(encoded.metadata, encoded.sliver("primary", i), index(5)),
    );
    expect(codec.recoverSliver(encoded.metadata, toSecondary, three).data).toEqual(
      encoded.sliver("secondary", 5).data,
    );
    const repeated = [three[0], three[0], three[1]].flatMap((each) => each ?? []);
    expect(() => codec.recoverSliver(encoded.metadata, toSecondary, repeated)).toThrow(
      failsWith("TOO_FEW_SYMBOLS", { have: 2, need: 3 }),
    );
    const foreign = codec.symbolWithProof(encoded.metadata, encoded.sliver("primary", 0), index(4));
    expect(() => codec.recoverSliver(encoded.metadata, toSecondary, [foreign, ...three])).toThrow(
      failsWith("SYMBOL_MISMATCH"),
    );
  });
});
