// If this fails, some blob, size or pattern of losses that no example covers cannot be read back.
import { BlobEncoder as OfficialEncoder } from "@mysten/walrus-wasm";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { metadataRootHash } from "../../shared/codec/blob-id.ts";
import { encodeRecoveries, erasureDecoder, reedSolomonCode } from "../../shared/codec/reed-solomon.ts";
import { recoverySymbol } from "../../shared/codec/reed-solomon-closed-form.ts";
import { createReferenceCodec } from "../../shared/codec/reference-codec.ts";
import { bftParameters } from "../../shared/protocol/bft.ts";
import { AXES, otherAxis, type SliverIndex } from "../../shared/protocol/ids.ts";
import { blobLayout, sliverBytes, sliverSymbols, sliversToDecode } from "../../shared/protocol/sizes.ts";
import { serializedSliverBytes } from "../../shared/protocol/sliver.ts";
import { encodeBlob, someBlob } from "../support/codec/encoded-blob.ts";
import { PROPERTY_TIMEOUT, propertyRuns } from "../support/property.ts";
import { prng } from "../support/vectors.ts";

interface OfficialDigest {
  readonly Digest: readonly number[];
}
/** What the WASM encoder returns besides the slivers, which it writes into buffers by pair. */
type OfficialResult = [
  {
    readonly blob_id: readonly number[];
    readonly metadata: {
      readonly V1: {
        readonly hashes: readonly {
          readonly primary_hash: OfficialDigest;
          readonly secondary_hash: OfficialDigest;
        }[];
      };
    };
  },
  OfficialDigest,
];

const codec = createReferenceCodec();
const seeds = fc.integer({ min: 1, max: 2 ** 31 - 1 });
const shardCounts = fc.oneof(fc.integer({ min: 4, max: 34 }), fc.constantFrom(40, 64, 65, 100));
/** Lengths around every kind of symbol tail: z up to 130 at small n. */
const lengths = (nShards: number) => {
  const { primarySourceSymbols: p, secondarySourceSymbols: s } = bftParameters(nShards);
  const largest = Math.min(130 * p * s, 60_000);
  return fc.oneof(
    fc.integer({ min: 0, max: largest }),
    fc
      .tuple(fc.integer({ min: 0, max: Math.floor(largest / (p * s)) }), fc.integer({ min: -1, max: 1 }))
      .map(([z, delta]) => Math.max(0, z * p * s + delta)),
  );
};
const blobs = shardCounts.chain((nShards) =>
  fc.record({ nShards: fc.constant(nShards), length: lengths(nShards), seed: seeds }),
);

/** The first `count` of 0..n-1 in an order that depends on the seed. */
function pick(n: number, count: number, seed: number): number[] {
  const random = new Uint32Array(prng(seed, 4 * n).buffer);
  const order = Array.from({ length: n }, (_, i) => i).sort((a, b) => (random[a] ?? 0) - (random[b] ?? 0));
  return order.slice(0, count);
}

describe("codec", () => {
  test("any sufficient slivers of either axis decode to the blob, whole or by rows", PROPERTY_TIMEOUT, () => {
    fc.assert(
      fc.property(blobs, seeds, ({ nShards, length, seed }, loss) => {
        const encoded = encodeBlob(nShards, someBlob(length, seed));
        const layout = blobLayout(nShards, length);
        const rowBytes = sliverBytes(layout, "primary");
        for (const axis of AXES) {
          const decoder = codec.openDecoder(encoded.metadata, axis);
          for (const index of pick(nShards, sliversToDecode(layout, axis), loss))
            decoder.add(encoded.sliver(axis, index));
          expect(decoder.blob()).toEqual(encoded.blob);
          const from = loss % layout.primarySourceSymbols;
          const to = Math.min(from + 2, layout.primarySourceSymbols);
          const expected = new Uint8Array((to - from) * rowBytes);
          expected.set(encoded.blob.subarray(from * rowBytes, to * rowBytes));
          expect(decoder.rows(from, to)).toEqual(expected);
          decoder.release();
        }
        codec.verifyBlob(encoded.metadata, encoded.blob, "default");
      }),
      propertyRuns(25),
    );
  });

  test("every sliver is recovered from random symbols with random proof axes", PROPERTY_TIMEOUT, () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 4, max: 16 }),
        fc.integer({ min: 0, max: 5000 }),
        seeds,
        (nShards, length, seed) => {
          const encoded = encodeBlob(nShards, someBlob(length, seed));
          const layout = blobLayout(nShards, length);
          for (const axis of AXES) {
            for (let i = 0; i < nShards; i++) {
              const target = { axis, index: i as SliverIndex };
              const symbols = pick(nShards, sliverSymbols(layout, axis), seed + i).map((source) => {
                const symbol =
                  (seed >> (source % 31)) & 1
                    ? codec.symbolWithProof(encoded.metadata, encoded.sliver(axis, i), source as SliverIndex)
                    : codec.symbolWithProof(
                        encoded.metadata,
                        encoded.sliver(otherAxis(axis), source),
                        target.index,
                      );
                codec.verifySymbol(encoded.metadata, symbol, target);
                return symbol;
              });
              expect(codec.recoverSliver(encoded.metadata, target, symbols)).toEqual(encoded.sliver(axis, i));
            }
          }
        },
      ),
      propertyRuns(6),
    );
  });

  test(
    "metadata and every sliver equal those of the official WASM encoder, which decodes ours",
    PROPERTY_TIMEOUT,
    () => {
      fc.assert(
        fc.property(blobs, seeds, ({ nShards, length, seed }, loss) => {
          const encoded = encodeBlob(nShards, someBlob(length, seed));
          const layout = blobLayout(nShards, length);
          const official = new OfficialEncoder(nShards);
          const buffers = (axis: "primary" | "secondary") =>
            Array.from(
              { length: nShards },
              () => new Uint8Array(serializedSliverBytes(sliverBytes(layout, axis))),
            );
          const [primary, secondary] = [buffers("primary"), buffers("secondary")];
          const [{ blob_id: blobId, metadata }, rootHash] = official.encode(
            encoded.blob,
            primary,
            secondary,
          ) as OfficialResult;
          for (let i = 0; i < nShards; i++) {
            expect(encoded.serialized("primary", i)).toEqual(primary[i]);
            expect(encoded.serialized("secondary", nShards - 1 - i)).toEqual(secondary[i]);
          }
          expect(Buffer.from(blobId).toString("base64url")).toBe(encoded.metadata.blobId);
          expect(rootHash.Digest).toEqual([...metadataRootHash(encoded.metadata)]);
          const hashes = metadata.V1.hashes.flatMap((pair) => [
            pair.primary_hash.Digest,
            pair.secondary_hash.Digest,
          ]);
          expect(encoded.metadata.hashes).toEqual(Uint8Array.from(hashes.flat()));
          const some = pick(nShards, layout.primarySourceSymbols, loss).map((i) =>
            encoded.serialized("primary", i),
          );
          const decoded = new Uint8Array(length);
          official.decode([...new Uint8Array(32)], BigInt(length), some, decoded);
          official.free();
          expect(decoded).toEqual(encoded.blob);
        }),
        propertyRuns(25),
      );
    },
  );
});

describe("Reed-Solomon code", () => {
  const codes = fc.tuple(fc.integer({ min: 1, max: 90 }), fc.integer({ min: 1, max: 90 }));

  test(
    "transforms equal the closed form, and any k symbols restore the originals, for any k and r",
    PROPERTY_TIMEOUT,
    () => {
      fc.assert(
        fc.property(codes, fc.integer({ min: 1, max: 9 }), seeds, ([k, r], lanes, seed) => {
          const code = reedSolomonCode(k, r);
          const codeword = new Uint16Array((k + r) * lanes);
          codeword.set(new Uint16Array(prng(seed, 2 * k * lanes).buffer, 0, k * lanes));
          encodeRecoveries(code, codeword, lanes);
          const row = (index: number): Uint16Array => codeword.subarray(index * lanes, (index + 1) * lanes);
          for (let j = 0; j < r; j++) {
            expect(row(k + j)).toEqual(recoverySymbol(code, j, codeword.subarray(0, k * lanes), lanes));
          }
          const decoder = erasureDecoder(code, pick(k + r, k, seed));
          let restored = 0;
          decoder.decode(decoder.present.map(row), 0, lanes, (original, values) => {
            expect(values).toEqual(row(original));
            restored++;
          });
          expect(restored).toBe(decoder.missing.length);
        }),
        propertyRuns(60),
      );
    },
  );
});
