// If this fails, blobs Floe publishes get other blob IDs or slivers than the real network computes.
import { afterAll, describe, expect, test } from "vitest";
import { concatBytes, toHex } from "../../shared/base/bytes.ts";
import { metadataRootHash } from "../../shared/codec/blob-id.ts";
import { blake2b256 } from "../../shared/crypto/blake2b.ts";
import { blobIdToBytes, blobIdToU256, type SliverPairIndex } from "../../shared/protocol/ids.ts";
import { serializeBlobMetadata } from "../../shared/protocol/metadata.ts";
import { blobLayout, encodedLength } from "../../shared/protocol/sizes.ts";
import { allCodecs } from "../support/codec/kernel-codec.ts";
import { type Content, contentBytes, readVectors } from "../support/vectors.ts";

interface RedstuffCase {
  readonly name: string;
  readonly nShards: number;
  readonly size: number;
  readonly content: Content;
  readonly heavy?: boolean;
  readonly blobHash: string;
  readonly symbolSize: number;
  readonly primarySymbols: number;
  readonly secondarySymbols: number;
  readonly blobId: string;
  readonly blobIdHex: string;
  readonly blobIdU256: string;
  readonly rootHash: string;
  readonly encodedLength: number;
  readonly metadataLength: number;
  readonly metadataHash: string;
  readonly sliversDigest: string;
  readonly primaryHashes?: readonly string[];
  readonly secondaryHashes?: readonly string[];
  readonly full?: {
    readonly metadata: string;
    readonly primary: readonly string[];
    readonly secondary: readonly string[];
  };
}

const { cases } = readVectors<{ cases: RedstuffCase[] }>("redstuff.json");
const isLongRun = process.env["FLOE_LONG"] === "1";
/** The reference takes seven seconds for each blob at 1,000 shards; one that fills every row stands for all of them. */
const REFERENCE_AT_1000 = "n1000-445557";
const isHeavyFor = (codecName: string, { name, nShards, heavy }: RedstuffCase): boolean =>
  heavy === true || (codecName === "TypeScript" && nShards === 1000 && name !== REFERENCE_AT_1000);

describe.each(allCodecs())("%s", (codecName, codec) => {
  /** Pairs asked for at once: slivers of a 14 MB blob at n = 1000 take 64 MB together. */
  const PAIRS_PER_CALL = 250;

  describe("redstuff.json", () => {
    let compared = 0;
    for (const vector of cases) {
      const isSkipped = isHeavyFor(codecName, vector) && !isLongRun;
      test.skipIf(isSkipped)(
        `${vector.name}: metadata and every sliver are byte-identical`,
        { timeout: 120_000 },
        () => {
          compareCase(vector);
          compared++;
        },
      );
    }

    afterAll(() => {
      const skipped = isLongRun ? 0 : cases.filter((vector) => isHeavyFor(codecName, vector)).length;
      console.log(
        `redstuff.json: ${compared} of ${cases.length} cases compared, ${skipped} heavy skipped (FLOE_LONG=1)`,
      );
    });
  });

  function compareCase(vector: RedstuffCase): void {
    const { nShards, size } = vector;
    const blob = contentBytes(vector.content, size);
    expect(toHex(blake2b256(blob))).toBe(vector.blobHash);
    expect(blobLayout(nShards, size)).toMatchObject({
      symbolBytes: vector.symbolSize,
      primarySourceSymbols: vector.primarySymbols,
      secondarySourceSymbols: vector.secondarySymbols,
    });
    expect(encodedLength(nShards, size)).toBe(vector.encodedLength);

    const encoder = codec.openEncoder(nShards, size);
    try {
      encoder.write(blob);
      const metadata = encoder.metadata();
      expect(metadata.blobId).toBe(vector.blobId);
      expect(toHex(blobIdToBytes(metadata.blobId))).toBe(vector.blobIdHex);
      expect(blobIdToU256(metadata.blobId)).toBe(BigInt(vector.blobIdU256));
      expect(toHex(metadataRootHash(metadata))).toBe(vector.rootHash);
      const serialized = serializeBlobMetadata(metadata);
      expect(serialized.length).toBe(vector.metadataLength);
      expect(toHex(blake2b256(serialized))).toBe(vector.metadataHash);
      if (vector.full) expect(toHex(serialized)).toBe(vector.full.metadata);

      const primary: Uint8Array[] = [];
      const secondary: Uint8Array[] = [];
      for (let first = 0; first < nShards; first += PAIRS_PER_CALL) {
        const count = Math.min(PAIRS_PER_CALL, nShards - first);
        const pairs = Array.from({ length: count }, (_, i) => (first + i) as SliverPairIndex);
        for (const each of encoder.slivers(pairs)) {
          if (vector.full) {
            expect(toHex(each.primary)).toBe(vector.full.primary[each.pair]);
            expect(toHex(each.secondary)).toBe(vector.full.secondary[nShards - 1 - each.pair]);
          }
          primary[each.pair] = blake2b256(each.primary);
          secondary[nShards - 1 - each.pair] = blake2b256(each.secondary);
        }
      }
      if (vector.primaryHashes) expect(primary.map(toHex)).toEqual(vector.primaryHashes);
      if (vector.secondaryHashes) expect(secondary.map(toHex)).toEqual(vector.secondaryHashes);
      expect(toHex(blake2b256(concatBytes(...primary, ...secondary)))).toBe(vector.sliversDigest);
    } finally {
      encoder.release();
    }
  }
});
