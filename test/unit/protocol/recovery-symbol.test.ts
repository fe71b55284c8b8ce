// If this fails, honest answers of recovery symbols are cut off as too large, or a node may send far more than it holds.
import { expect, test } from "vitest";
import { computeBlobId, metadataRootHash } from "../../../shared/codec/blob-id.ts";
import { CodecError } from "../../../shared/codec/codec.ts";
import { createReferenceCodec } from "../../../shared/codec/reference-codec.ts";
import { sliverRoot } from "../../../shared/codec/sliver-root.ts";
import type { SliverIndex, SliverPairIndex } from "../../../shared/protocol/ids.ts";
import { HASH_BYTES, type VerifiedMetadata } from "../../../shared/protocol/metadata.ts";
import {
  maxRecoverySymbolBytes,
  maxRecoverySymbolsBytes,
  type RecoverySymbol,
  serializeRecoverySymbols,
} from "../../../shared/protocol/recovery-symbol.ts";
import { blobLayout, MAX_SYMBOL_BYTES, sliverBytes } from "../../../shared/protocol/sizes.ts";
import type { VerifiedSliver } from "../../../shared/protocol/sliver.ts";
import { prng } from "../../support/vectors.ts";

const SHARDS = 1000;
const codec = createReferenceCodec();

/** Primary sliver 0 of a blob at n = 1000, under metadata that names the roots of no other sliver. */
function firstRow(symbolBytes: number): { metadata: VerifiedMetadata; sliver: VerifiedSliver } {
  const { primarySourceSymbols, secondarySourceSymbols } = blobLayout(SHARDS, 0);
  const unencodedLength = primarySourceSymbols * secondarySourceSymbols * symbolBytes;
  const layout = blobLayout(SHARDS, unencodedLength);
  const data = prng(7, sliverBytes(layout, "primary"));
  const hashes = new Uint8Array(2 * HASH_BYTES * SHARDS);
  hashes.set(sliverRoot(layout, "primary", data, symbolBytes));
  const claimed = { nShards: SHARDS, unencodedLength, hashes };
  const blobId = computeBlobId(metadataRootHash(claimed), unencodedLength);
  const metadata = codec.verifyMetadata(claimed, blobId, SHARDS);
  const sliver = { data, symbolBytes, index: 0 as SliverIndex };
  const [checked] = codec.verifySlivers(metadata, [{ axis: "primary", pair: 0 as SliverPairIndex, sliver }]);
  if (checked === undefined || checked instanceof CodecError) throw new Error("the sliver does not verify");
  return { metadata, sliver: checked };
}

test.each([
  [2, 337],
  [584, 338],
])(
  "a symbol of %i bytes at n = 1000 has a frame of %i bytes, and the bound holds it",
  (symbolBytes, frame) => {
    const { metadata, sliver } = firstRow(symbolBytes);
    // The first, a middle and the last leaf: the last one's path has empty nodes, of one byte each.
    const symbols = [0, 499, 999].map((at) => codec.symbolWithProof(metadata, sliver, at as SliverIndex));
    const sizes = symbols.map((symbol) => serializeRecoverySymbols([symbol]).length - 1);
    expect(Math.max(...sizes)).toBe(symbolBytes + frame);
    expect(symbolBytes + frame).toBeLessThanOrEqual(maxRecoverySymbolBytes(symbolBytes));
    expect(serializeRecoverySymbols(symbols).length).toBeLessThanOrEqual(
      maxRecoverySymbolsBytes(3, symbolBytes),
    );
  },
);

test("the bound holds the longest symbol and path that the parser takes, and 11 bytes more a symbol", () => {
  const symbol: RecoverySymbol = {
    proofAxis: "primary",
    sourceIndex: 0xffff as SliverIndex,
    targetIndex: 0xffff as SliverIndex,
    symbol: new Uint8Array(MAX_SYMBOL_BYTES),
    proof: Array.from({ length: 16 }, (_, seed) => prng(seed, HASH_BYTES)),
  };
  expect(serializeRecoverySymbols([symbol]).length - 1 + 11).toBe(maxRecoverySymbolBytes(MAX_SYMBOL_BYTES));
  expect(serializeRecoverySymbols([]).length).toBeLessThanOrEqual(maxRecoverySymbolsBytes(0, 2));
});
