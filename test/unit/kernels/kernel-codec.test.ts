// If this fails, one bad job traps the kernels of an isolate, or its memory grows until the isolate is killed.
import { describe, expect, test } from "vitest";
import { type Codec, CodecError } from "../../../shared/codec/codec.ts";
import { createKernelCodec } from "../../../shared/codec/kernel-codec.ts";
import { PAGE_BYTES } from "../../../shared/codec/kernel-exports.ts";
import { AXES, type SliverIndex, type SliverPairIndex } from "../../../shared/protocol/ids.ts";
import type { RecoverySymbol } from "../../../shared/protocol/recovery-symbol.ts";
import { blobLayout, maxUnencodedLength, sliversToDecode } from "../../../shared/protocol/sizes.ts";
import { parseSliver, type Sliver, type VerifiedSliver } from "../../../shared/protocol/sliver.ts";
import { encodeBlob, pairIndexes, someBlob } from "../../support/codec/encoded-blob.ts";
import { kernelCodec, kernelModule, VARIANTS } from "../../support/codec/kernel-codec.ts";
import { officialEncoding } from "../../support/codec/official-encoder.ts";

const MIB = 1024 * 1024;
const codec = kernelCodec();
const failsWith = (code: string, details: Record<string, unknown> = {}) =>
  expect.objectContaining({ code, details: expect.objectContaining(details) });

/** Encoded with the oracle, read with the kernels from the last slivers of both axes. */
function roundTrip(nShards: number, blob: Uint8Array, using: Codec = codec): void {
  const encoded = encodeBlob(nShards, blob);
  const encoder = using.openEncoder(nShards, blob.length);
  encoder.write(blob);
  expect(Buffer.compare(encoder.source(0, blob.length), blob)).toBe(0);
  expect(encoder.metadata()).toEqual(encoded.metadata);
  const middle = Math.floor(blob.length / 2);
  expect(Buffer.compare(encoder.source(middle, blob.length), blob.subarray(middle))).toBe(0);
  encoder.release();
  for (const axis of AXES) {
    const decoder = using.openDecoder(encoded.metadata, axis);
    for (let index = nShards - 1; index >= 0; index--) {
      if (decoder.add(encoded.sliver(axis, index)) === 0) break;
    }
    expect(Buffer.compare(decoder.blob(), blob)).toBe(0);
    decoder.release();
  }
  using.verifyBlob(encoded.metadata, blob, "default");
  using.verifyBlob(encoded.metadata, blob, "strict");
}

describe("sizes", () => {
  test.each(VARIANTS)("%s: every length around the symbol boundaries survives", (variant) => {
    const kernels = kernelCodec(variant);
    for (const [n, sourceSymbols] of [
      [4, 6],
      [7, 15],
      [10, 28],
    ] as const) {
      const lengths = [1, 2, 62, 64, 66, 126, 128, 130].flatMap((z) =>
        [-1, 0, 1].map((d) => z * sourceSymbols + d),
      );
      for (const length of [0, 1, 2, ...lengths]) roundTrip(n, someBlob(length), kernels);
    }
  });

  test("the largest blob survives; one byte more is refused with the numbers", () => {
    const limit = maxUnencodedLength(4);
    roundTrip(4, someBlob(limit));
    expect(() => codec.openEncoder(4, limit + 1)).toThrow(
      failsWith("BLOB_TOO_LARGE", { unencodedLength: 393_205, limit: 393_204, nShards: 4 }),
    );
    roundTrip(4, someBlob(10));
  });

  test.each([3, 0, -1, 4.5, 49_156, Number.NaN])("%d shards are refused", (n) => {
    expect(() => codec.openEncoder(n, 10)).toThrow(failsWith("UNSUPPORTED_SHARD_COUNT"));
  });

  test("a blob of zeros, of one row, and one whose zeros end within a row, at the sizes of real committees", () => {
    for (const n of [100, 401, 1000]) {
      const rowBytes = 2 * blobLayout(n, 0).secondarySourceSymbols;
      for (const length of n === 1000 ? [0, 1000] : [0, 1, 40, rowBytes, rowBytes + 1, 3 * rowBytes]) {
        const blob = someBlob(length);
        blob.fill(0, Math.ceil(length / 2));
        const encoder = codec.openEncoder(n, length);
        encoder.write(blob);
        const pairs = encoder.slivers(pairIndexes(n));
        const expected = officialEncoding(n, blob, pairs);
        expect(encoder.metadata().blobId).toBe(expected.blobId);
        pairs.forEach(({ primary, secondary }, pair) => {
          expect(Buffer.compare(primary, expected.primary[pair] ?? primary.subarray(1))).toBe(0);
          expect(Buffer.compare(secondary, expected.secondary[pair] ?? secondary.subarray(1))).toBe(0);
        });
        encoder.release();
      }
    }
  });
});

describe("memory", () => {
  test("a job above what is free is refused with the numbers, retryably if it can ever fit", () => {
    const length = 20_000;
    const needBytes = Math.ceil(codec.encoderBytes(10, length) / PAGE_BYTES) * PAGE_BYTES;
    const small = kernelCodec("relaxed", needBytes + PAGE_BYTES);
    const first = small.openEncoder(10, length);
    const refused = expect.objectContaining({
      code: "OUT_OF_CODEC_MEMORY",
      retryable: true,
      details: expect.objectContaining({ needBytes, heldBytes: needBytes, maxBytes: needBytes + PAGE_BYTES }),
    });
    expect(() => small.openEncoder(10, length)).toThrow(refused);
    first.release();
    small.openEncoder(10, length).release();
    expect(() => small.openEncoder(10, 200_000)).toThrow(
      expect.objectContaining({ code: "OUT_OF_CODEC_MEMORY", retryable: false }),
    );
    roundTrip(10, someBlob(length), small);
  });

  test("instances are reused, grown or replaced, and never exceed the limit together", () => {
    const limit = 24 * MIB;
    const bounded = kernelCodec("relaxed", limit);
    for (const length of [0, 5 * MIB, 10, 2 * MIB, 4 * MIB]) {
      const blob = someBlob(length);
      const encoder = bounded.openEncoder(31, length);
      encoder.write(blob);
      encoder.metadata();
      const small = bounded.openEncoder(7, 1000);
      expect(bounded.heldBytes).toBeLessThanOrEqual(limit);
      small.release();
      encoder.release();
    }
    expect(bounded.heldBytes).toBeLessThanOrEqual(limit);
  });

  test("releasing twice gives an instance back once", () => {
    const twice = createKernelCodec({ module: kernelModule(), maxMemoryBytes: 64 * MIB });
    const first = twice.openEncoder(7, 100);
    first.release();
    first.release();
    const [a, b] = [twice.openEncoder(7, 3), twice.openEncoder(7, 3)];
    a.write(new Uint8Array([1, 2, 3]));
    b.write(new Uint8Array([4, 5, 6]));
    expect(a.metadata()).toEqual(encodeBlob(7, new Uint8Array([1, 2, 3])).metadata);
    expect(b.metadata()).toEqual(encodeBlob(7, new Uint8Array([4, 5, 6])).metadata);
  });

  test("slivers handed out stay what they were while the kernel is reused, grown and overwritten", () => {
    const blob = someBlob(5000);
    const encoder = codec.openEncoder(10, blob.length);
    encoder.write(blob);
    blob.fill(9);
    const pairs = encoder.slivers(pairIndexes(10));
    const metadata = encoder.metadata();
    encoder.release();
    const copies = pairs.map(({ primary, secondary }) => [primary.slice(), secondary.slice()]);
    const hashes = metadata.hashes.slice();
    roundTrip(10, someBlob(5000, 7));
    roundTrip(31, someBlob(600_000, 8));
    expect(pairs.map(({ primary, secondary }) => [primary, secondary])).toEqual(copies);
    expect(metadata.hashes).toEqual(hashes);
    for (const { primary } of pairs) expect(primary.buffer.byteLength).toBe(primary.length);
  });

  test("jobs open at the same time do not touch each other", () => {
    const blobs = [someBlob(100, 1), someBlob(40_000, 2), someBlob(0, 3), someBlob(7_000, 4)];
    const encoders = blobs.map((blob) => codec.openEncoder(13, blob.length));
    blobs.forEach((blob, i) => {
      encoders[i]?.write(blob.subarray(0, blob.length >> 1));
    });
    blobs.forEach((blob, i) => {
      encoders[i]?.write(blob.subarray(blob.length >> 1));
    });
    blobs.forEach((blob, i) => {
      expect(encoders[i]?.metadata()).toEqual(encodeBlob(13, blob).metadata);
    });
    for (const encoder of encoders) encoder.release();
  });
});

describe("misuse of an encoder", () => {
  test("too many bytes, too few bytes, and any call after release are refused", () => {
    const encoder = codec.openEncoder(7, 10);
    encoder.write(new Uint8Array(4));
    expect(() => encoder.metadata()).toThrow(
      failsWith("LENGTH_MISMATCH", { haveBytes: 4, declaredBytes: 10 }),
    );
    expect(() => encoder.slivers([])).toThrow(failsWith("LENGTH_MISMATCH"));
    expect(() => encoder.write(new Uint8Array(7))).toThrow(
      failsWith("LENGTH_MISMATCH", { haveBytes: 11, declaredBytes: 10 }),
    );
    encoder.write(new Uint8Array(6));
    encoder.metadata();
    expect(() => encoder.slivers([7 as SliverPairIndex])).toThrow(failsWith("INVALID_INDEX"));
    encoder.release();
    for (const call of [
      () => encoder.write(new Uint8Array(0)),
      () => encoder.metadata(),
      () => encoder.slivers([]),
    ]) {
      expect(call).toThrow(failsWith("RELEASED"));
    }
  });
});

describe("misuse of a decoder", () => {
  const blob = someBlob(900);
  const encoded = encodeBlob(10, blob);
  const layout = blobLayout(10, blob.length);

  test.each(AXES)("%s: too few, duplicate, contradictory and foreign slivers", (axis) => {
    const need = sliversToDecode(layout, axis);
    const decoder = codec.openDecoder(encoded.metadata, axis);
    expect(() => decoder.blob()).toThrow(failsWith("TOO_FEW_SLIVERS", { have: 0, need }));
    const first = encoded.sliver(axis, 9);
    expect(decoder.add(first)).toBe(need - 1);
    expect(decoder.add(first)).toBe(need - 1);
    const data = first.data.slice();
    data[3] = (data[3] ?? 0) ^ 1;
    // A second version of a sliver cannot be verified; the decoder must notice it all the same.
    const other = { ...first, data } as unknown as VerifiedSliver;
    expect(() => decoder.add(other)).toThrow(failsWith("CONTRADICTORY_SLIVERS", { axis, sliverIndex: 9 }));
    const foreign = encodeBlob(10, someBlob(2000)).sliver(axis, 8);
    expect(() => decoder.add(foreign)).toThrow(failsWith("SLIVER_MISMATCH", { sliverIndex: 8 }));
    expect(() => decoder.rows(0, 1)).toThrow(failsWith("TOO_FEW_SLIVERS", { have: 1, need }));
    for (let index = 8; index >= 10 - need; index--) decoder.add(encoded.sliver(axis, index));
    expect(Buffer.compare(decoder.blob(), blob)).toBe(0);
    // More slivers than needed change nothing, before and after decoding.
    expect(decoder.add(encoded.sliver(axis, 0))).toBe(0);
    expect(decoder.add(encoded.sliver(axis, 9))).toBe(0);
    expect(Buffer.compare(decoder.blob(), blob)).toBe(0);
    decoder.release();
    decoder.release();
    expect(() => decoder.blob()).toThrow(failsWith("RELEASED"));
    expect(() => decoder.add(first)).toThrow(failsWith("RELEASED"));
  });

  test("held systematic rows are given without the others", () => {
    const decoder = codec.openDecoder(encoded.metadata, "primary");
    decoder.add(encoded.sliver("primary", 1));
    const rowBytes = layout.secondarySourceSymbols * layout.symbolBytes;
    expect(Buffer.compare(decoder.rows(1, 2), blob.subarray(rowBytes, 2 * rowBytes))).toBe(0);
    expect(() => decoder.rows(1, 3)).toThrow(failsWith("TOO_FEW_SLIVERS"));
    decoder.release();
  });

  test("a source sliver that disagrees with itself after decoding is noticed", () => {
    const decoder = codec.openDecoder(encoded.metadata, "primary");
    const need = sliversToDecode(layout, "primary");
    for (let index = 1; index <= need; index++) decoder.add(encoded.sliver("primary", index));
    decoder.blob();
    const held = encoded.sliver("primary", 1);
    const bent = { ...held, data: held.data.map((byte) => byte ^ 1) } as unknown as VerifiedSliver;
    expect(() => decoder.add(bent)).toThrow(failsWith("CONTRADICTORY_SLIVERS"));
    decoder.release();
  });
});

describe("slivers and symbols from outside", () => {
  const encoded = encodeBlob(13, someBlob(3000));
  const { metadata } = encoded;

  test("a batch of good and bad slivers of both axes gets one answer each, in order", () => {
    const good = (axis: "primary" | "secondary", index: number) => ({
      axis,
      pair: (axis === "primary" ? index : 12 - index) as SliverPairIndex,
      sliver: encoded.sliver(axis, index) as Sliver,
    });
    const bent = good("primary", 3);
    const data = bent.sliver.data.slice();
    data[0] = (data[0] ?? 0) ^ 128;
    const results = codec.verifySlivers(metadata, [
      good("primary", 0),
      { ...bent, sliver: { ...bent.sliver, data } },
      good("secondary", 12),
      { ...good("primary", 2), pair: 5 as SliverPairIndex },
      { ...good("primary", 2), pair: 13 as SliverPairIndex },
      { ...bent, sliver: { ...bent.sliver, data: data.subarray(2) } },
      { ...bent, sliver: { ...bent.sliver, symbolBytes: 4 } },
      good("primary", 12),
    ]);
    const checks = results.map((result) =>
      result instanceof CodecError ? result.details["check"] : "verified",
    );
    expect(checks).toEqual([
      "verified",
      "Merkle root",
      "verified",
      "sliver index",
      "pair index",
      "length",
      "symbol size",
      "verified",
    ]);
    expect(codec.verifySlivers(metadata, [])).toEqual([]);
  });

  test("slivers of 2-byte symbols verify before and after their leaves are looked up", () => {
    const n = 401;
    const fresh = kernelCodec();
    const blob = someBlob(2000);
    const encoder = fresh.openEncoder(n, blob.length);
    encoder.write(blob);
    const wide = encoder.metadata();
    const pairs = encoder.slivers(pairIndexes(n).slice(0, 4));
    encoder.release();
    const received = pairs.flatMap(({ pair, primary, secondary }) => [
      { axis: "primary" as const, pair, sliver: parseSliver(primary, MIB) },
      { axis: "secondary" as const, pair, sliver: parseSliver(secondary, MIB) },
    ]);
    // 65,536 leaves without the table, then the table; a job in between overwrites it.
    for (let round = 0; round < 40; round++) {
      if (round === 30) roundTrip(31, someBlob(3000), fresh);
      const results = fresh.verifySlivers(wide, received);
      expect(results.filter((result) => result instanceof CodecError)).toEqual([]);
    }
  });

  test("wrong metadata is refused", () => {
    expect(codec.verifyMetadata(metadata, metadata.blobId, 13)).toEqual(metadata);
    const { blobId } = encodeBlob(13, someBlob(3001)).metadata;
    expect(() => codec.verifyMetadata(metadata, blobId, 13)).toThrow(failsWith("BLOB_ID_MISMATCH"));
    expect(() => codec.verifyMetadata(metadata, metadata.blobId, 14)).toThrow(failsWith("INVALID_METADATA"));
  });

  test("too few symbols, symbols of another sliver and bent proofs are refused", () => {
    const target = { axis: "primary", index: 5 as SliverIndex } as const;
    const need = sliversToDecode(blobLayout(13, 3000), "secondary");
    const symbols = Array.from({ length: need }, (_, i) =>
      codec.symbolWithProof(metadata, encoded.sliver("secondary", i + 2), target.index),
    );
    const [first, ...rest] = symbols;
    if (first === undefined) throw new Error("symbols");
    expect(() => codec.recoverSliver(metadata, target, rest)).toThrow(
      failsWith("TOO_FEW_SYMBOLS", { have: need - 1, need }),
    );
    expect(() => codec.recoverSliver(metadata, target, [...rest, ...rest])).toThrow(
      failsWith("TOO_FEW_SYMBOLS"),
    );
    const stray = codec.symbolWithProof(metadata, encoded.sliver("secondary", 2), 6 as SliverIndex);
    expect(() => codec.recoverSliver(metadata, target, [stray, ...rest])).toThrow(
      failsWith("SYMBOL_MISMATCH"),
    );
    const bent = { ...first, symbol: first.symbol.map((byte) => byte ^ 1) };
    expect(() => codec.recoverSliver(metadata, target, [bent, ...rest])).toThrow(
      failsWith("INCONSISTENT_ENCODING"),
    );
    const wrong: RecoverySymbol[] = [
      bent,
      stray,
      { ...first, proof: first.proof.slice(1) },
      { ...first, proof: [...first.proof, null] },
      { ...first, proof: first.proof.map(() => null) },
      { ...first, symbol: first.symbol.slice(2) },
      { ...first, targetIndex: 13 as SliverIndex },
    ];
    for (const symbol of wrong) {
      expect(() => codec.verifySymbol(metadata, symbol, target)).toThrow(failsWith("SYMBOL_MISMATCH"));
    }
    codec.verifySymbol(metadata, first, target);
    expect(codec.recoverSliver(metadata, target, symbols)).toEqual(encoded.sliver("primary", 5));
    expect(() =>
      codec.verifyInconsistencyProof(metadata, { targetAxis: "primary", targetIndex: target.index, symbols }),
    ).toThrow(failsWith("INVALID_INCONSISTENCY_PROOF"));
  });

  test("a blob that is not the one of the metadata is refused at both levels", () => {
    const blob = someBlob(3000);
    blob[2999] = (blob[2999] ?? 0) ^ 1;
    for (const level of ["default", "strict"] as const) {
      expect(() => codec.verifyBlob(metadata, blob, level)).toThrow(failsWith("INCONSISTENT_ENCODING"));
      expect(() => codec.verifyBlob(metadata, blob.subarray(1), level)).toThrow(failsWith("LENGTH_MISMATCH"));
      codec.verifyBlob(metadata, someBlob(3000), level);
    }
  });
});
