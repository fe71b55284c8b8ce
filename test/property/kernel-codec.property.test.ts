// If this fails, the fast codec writes slivers nobody else can read, or cannot read what others wrote.
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { toHex } from "../../shared/base/bytes.ts";
import { metadataRootHash } from "../../shared/codec/blob-id.ts";
import { CodecError } from "../../shared/codec/codec.ts";
import { createReferenceCodec } from "../../shared/codec/reference-codec.ts";
import { AXES, type Axis, otherAxis, type SliverIndex } from "../../shared/protocol/ids.ts";
import { pairOfSliver } from "../../shared/protocol/mapping.ts";
import { blobLayout, sliversToDecode } from "../../shared/protocol/sizes.ts";
import { parseSliver, type VerifiedSliver } from "../../shared/protocol/sliver.ts";
import { pairIndexes } from "../support/codec/encoded-blob.ts";
import { kernelCodec, VARIANTS } from "../support/codec/kernel-codec.ts";
import { officialEncoding } from "../support/codec/official-encoder.ts";
import { longTimeout, propertyRuns } from "../support/property.ts";
import { prng } from "../support/vectors.ts";

/** Of each of the six properties, in the long suite: more than 100,000 cases together. */
const LONG_RUNS = 17_000;
const isLong = process.env["FLOE_LONG"] === "1";

const oracle = createReferenceCodec();
const codecs = VARIANTS.map((variant) => ({ variant, codec: kernelCodec(variant) }));
const fast = kernelCodec();

/** A sorted fraction of 0..1 decides: mostly small committees, some of hundreds of shards, in the long suite up to 1000. */
const shards = fc.oneof(
  { weight: 120, arbitrary: fc.integer({ min: 4, max: 60 }) },
  { weight: 40, arbitrary: fc.integer({ min: 61, max: 200 }) },
  { weight: 10, arbitrary: fc.integer({ min: 201, max: 420 }) },
  // Seconds each.
  ...(isLong ? [{ weight: 2, arbitrary: fc.integer({ min: 421, max: 1000 }) }] : []),
);
const contents = fc.constantFrom("random", "zeros", "repeats", "sparse" as const);

interface Case {
  readonly n: number;
  readonly length: number;
  readonly content: "random" | "zeros" | "repeats" | "sparse";
  readonly seed: number;
}
/** Symbol sizes up to 400 bytes, lengths around whole numbers of symbols, rows and matrices. */
const cases: fc.Arbitrary<Case> = fc
  .record({
    n: shards,
    symbols: fc.integer({ min: 0, max: 200 }),
    off: fc.integer({ min: -3, max: 3 }),
    whole: fc.constantFrom("matrix", "row", "symbol", "byte"),
    content: contents,
    seed: fc.integer({ min: 1, max: 2 ** 30 }),
  })
  .map(({ n, symbols, off, whole, content, seed }) => {
    const { primarySourceSymbols: p, secondarySourceSymbols: s } = blobLayout(n, 0);
    const unit = { matrix: 2 * p * s, row: 2 * s, symbol: 2, byte: 1 }[whole];
    const limit = n > 200 ? 100_000 : 400_000;
    return { n, length: Math.min(limit, Math.max(0, unit * symbols + off)), content, seed };
  });

function blobOf({ length, content, seed }: Case): Uint8Array {
  const bytes = prng(seed, length);
  if (content === "zeros") bytes.fill(0);
  if (content === "repeats") for (let i = 7; i < length; i++) bytes[i] = bytes[i % 7] ?? 0;
  if (content === "sparse") bytes.fill(0, Math.floor(length / 5), Math.ceil((4 * length) / 5));
  return bytes;
}

describe("encoding", () => {
  test(
    "every sliver and the blob ID are those of the official encoder, in both builds",
    longTimeout(LONG_RUNS),
    () => {
      fc.assert(
        fc.property(cases, fc.boolean(), (input, slivers1st) => {
          const blob = blobOf(input);
          for (const { codec } of codecs) {
            const encoder = codec.openEncoder(input.n, blob.length);
            encoder.write(blob);
            // Asked for first, slivers are made in the same pass as the hashes; else in a pass of their own.
            const early = slivers1st ? encoder.slivers(pairIndexes(input.n)) : undefined;
            const metadata = encoder.metadata();
            const pairs = early ?? encoder.slivers(pairIndexes(input.n));
            encoder.release();
            const expected = officialEncoding(input.n, blob, pairs);
            expect(metadata.blobId).toBe(expected.blobId);
            expect(toHex(metadataRootHash(metadata))).toBe(toHex(expected.rootHash));
            pairs.forEach(({ primary, secondary }, pair) => {
              expect(Buffer.compare(primary, expected.primary[pair] ?? primary.subarray(1))).toBe(0);
              expect(Buffer.compare(secondary, expected.secondary[pair] ?? secondary.subarray(1))).toBe(0);
            });
          }
        }),
        propertyRuns(25, LONG_RUNS),
      );
    },
  );

  test(
    "all hashes are those of the oracle, however the bytes arrive and whatever pairs are asked for",
    longTimeout(LONG_RUNS),
    () => {
      fc.assert(
        fc.property(
          cases.filter(({ n }) => n <= 100),
          fc.array(fc.integer({ min: 1, max: 5000 }), { maxLength: 5 }),
          fc.array(fc.nat(), { minLength: 1, maxLength: 6 }),
          (input, chunks, picks) => {
            const blob = blobOf(input);
            const [a, b] = [oracle, fast].map((codec) => codec.openEncoder(input.n, blob.length));
            if (a === undefined || b === undefined) throw new Error("two encoders");
            let at = 0;
            for (const chunk of chunks) {
              b.write(blob.subarray(at, at + chunk));
              at = Math.min(blob.length, at + chunk);
            }
            b.write(blob.subarray(at));
            a.write(blob);
            expect(b.metadata()).toEqual(a.metadata());
            const pairs = picks.map((pick) => pairIndexes(input.n)[pick % input.n] ?? pairIndexes(1)[0]);
            const wanted = pairs.filter((pair) => pair !== undefined);
            expect(b.slivers(wanted)).toEqual(a.slivers(wanted));
            a.release();
            b.release();
          },
        ),
        propertyRuns(20, LONG_RUNS),
      );
    },
  );

  test(
    "hashed in column blocks anywhere and put together, the metadata is the same",
    longTimeout(LONG_RUNS),
    () => {
      fc.assert(
        fc.property(cases, fc.constantFrom(16, 32, 64, 128), (input, width) => {
          const blob = blobOf(input);
          const encoder = fast.openEncoder(input.n, blob.length);
          encoder.write(blob);
          const blocks = [];
          for (let from = 0; from < input.n; from += width) {
            blocks.unshift(encoder.columnBlock(from, Math.min(input.n, from + width), width));
          }
          const combined = fast.combineColumnBlocks(input.n, blob.length, blocks);
          expect(combined).toEqual(encoder.metadata());
          encoder.release();
        }),
        propertyRuns(20, LONG_RUNS),
      );
    },
  );
});

describe("reading", () => {
  /** Encodes, then takes slivers of one axis in random order. */
  function shuffled(input: Case, axis: Axis, order: readonly number[]) {
    const blob = blobOf(input);
    const encoder = fast.openEncoder(input.n, blob.length);
    encoder.write(blob);
    const pairs = encoder.slivers(pairIndexes(input.n));
    const metadata = encoder.metadata();
    encoder.release();
    const received = pairs
      .map((each, i) => ({ each, key: order[i % order.length] ?? i, i }))
      .sort((a, b) => a.key - b.key || a.i - b.i)
      .map(({ each }) => ({ axis, pair: each.pair, sliver: parseSliver(each[axis], 1 << 24) }));
    return { blob, metadata, received };
  }
  const orders = fc.array(fc.nat(), { minLength: 1, maxLength: 300 });
  const isVerified = (result: VerifiedSliver | CodecError): result is VerifiedSliver =>
    !(result instanceof CodecError);

  test(
    "any sufficient slivers of either axis give the blob and its rows; all verify",
    longTimeout(LONG_RUNS),
    () => {
      fc.assert(
        fc.property(cases, fc.constantFrom(...AXES), orders, fc.nat(), (input, axis, order, pick) => {
          const { blob, metadata, received } = shuffled(input, axis, order);
          const verified = fast.verifySlivers(metadata, received).filter(isVerified);
          expect(verified.length).toBe(input.n);
          const layout = blobLayout(input.n, blob.length);
          const need = sliversToDecode(layout, axis);
          const decoder = fast.openDecoder(metadata, axis);
          verified.slice(0, need).forEach((sliver, i) => {
            expect(decoder.add(sliver)).toBe(need - 1 - i);
          });
          expect(Buffer.compare(decoder.blob(), blob)).toBe(0);
          const from = pick % layout.primarySourceSymbols;
          const rowBytes = layout.secondarySourceSymbols * layout.symbolBytes;
          const row = new Uint8Array(rowBytes);
          row.set(blob.subarray(from * rowBytes, (from + 1) * rowBytes));
          expect(Buffer.compare(decoder.rows(from, from + 1), row)).toBe(0);
          decoder.release();
          fast.verifyBlob(metadata, blob, "default");
        }),
        propertyRuns(25, LONG_RUNS),
      );
    },
  );

  test("inconsistent slivers decode to what the oracle decodes them to", longTimeout(LONG_RUNS), () => {
    fc.assert(
      fc.property(
        cases.filter(({ n }) => n <= 60),
        fc.constantFrom(...AXES),
        orders,
        (input, axis, order) => {
          const { blob, metadata, received } = shuffled(input, axis, order);
          const [a, b] = [oracle.openDecoder(metadata, axis), fast.openDecoder(metadata, axis)];
          received.forEach(({ sliver }, i) => {
            const data = prng(input.seed + i, sliver.data.length);
            // What arithmetic makes of arbitrary bytes is the question here, so nothing verifies them.
            const unverified = { ...sliver, data, axis } as unknown as VerifiedSliver;
            expect(b.add(unverified)).toBe(a.add(unverified));
          });
          const p = blobLayout(input.n, blob.length).primarySourceSymbols;
          expect(Buffer.compare(a.blob(), b.blob())).toBe(0);
          expect(Buffer.compare(a.rows(0, p), b.rows(0, p))).toBe(0);
          a.release();
          b.release();
        },
      ),
      propertyRuns(25, LONG_RUNS),
    );
  });

  test(
    "symbols of all four quadrants prove themselves and rebuild slivers of both axes",
    longTimeout(LONG_RUNS),
    () => {
      fc.assert(
        fc.property(
          cases.filter(({ n }) => n <= 60),
          fc.constantFrom(...AXES),
          orders,
          fc.nat(),
          (input, axis, order, pick) => {
            const { metadata, received } = shuffled(input, axis, order);
            const verified = fast.verifySlivers(metadata, received).filter(isVerified);
            const layout = blobLayout(input.n, metadata.unencodedLength);
            const target = { axis: otherAxis(axis), index: (pick % input.n) as SliverIndex };
            const symbols = verified
              .slice(0, sliversToDecode(layout, axis))
              .map((sliver) => fast.symbolWithProof(metadata, sliver, target.index));
            for (const symbol of symbols.slice(0, 3)) {
              const source = verified.find(({ index }) => index === symbol.sourceIndex);
              if (source === undefined) throw new Error("a symbol of no sliver");
              expect(symbol).toEqual(oracle.symbolWithProof(metadata, source, target.index));
              fast.verifySymbol(metadata, symbol, target);
              const bent = { ...symbol, symbol: symbol.symbol.slice() };
              bent.symbol[pick % bent.symbol.length] = (bent.symbol[pick % bent.symbol.length] ?? 0) ^ 1;
              expect(() => fast.verifySymbol(metadata, bent, target)).toThrow(CodecError);
            }
            const rebuilt = fast.recoverSliver(metadata, target, symbols);
            expect(rebuilt).toEqual(oracle.recoverSliver(metadata, target, symbols));
            const pair = pairOfSliver(rebuilt.index, target.axis, input.n);
            expect(fast.verifySlivers(metadata, [{ axis: target.axis, pair, sliver: rebuilt }])).toEqual([
              rebuilt,
            ]);
          },
        ),
        propertyRuns(20, LONG_RUNS),
      );
    },
  );
});
