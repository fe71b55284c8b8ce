/** Checking one received sliver against metadata; the only place that makes `VerifiedSliver`s. */
import { equalBytes } from "../protocol/bytes.ts";
import { sliverOfPair } from "../protocol/mapping.ts";
import { sliverHash, type VerifiedMetadata } from "../protocol/metadata.ts";
import { blobLayout, sliverBytes } from "../protocol/sizes.ts";
import type { VerifiedSliver } from "../protocol/sliver.ts";
import { CodecError, type SliverToVerify } from "./codec.ts";
import { sliverRoot } from "./sliver-root.ts";

/**
 * Checks index, length, symbol size, then the Merkle root, in this order: cheap first.
 *
 * @returns the sliver with its data shared, or what does not fit
 */
export function checkSliver(
  metadata: VerifiedMetadata,
  { axis, pair, sliver }: SliverToVerify,
): VerifiedSliver | CodecError {
  const { nShards } = metadata;
  const layout = blobLayout(nShards, metadata.unencodedLength);
  const expectedBytes = sliverBytes(layout, axis);
  const mismatch = (check: string, have: string | number, need: string | number): CodecError =>
    new CodecError(
      "SLIVER_MISMATCH",
      `${axis} sliver of pair ${pair}: ${check} is ${have}, must be ${need}`,
      {
        details: { check, axis, pair, have, need },
      },
    );

  if (pair >= nShards) return mismatch("pair index", pair, `below ${nShards}`);
  const index = sliverOfPair(pair, axis, nShards);
  if (sliver.index !== index) return mismatch("sliver index", sliver.index, index);
  if (sliver.data.length !== expectedBytes) return mismatch("length", sliver.data.length, expectedBytes);
  if (sliver.symbolBytes !== layout.symbolBytes) {
    return mismatch("symbol size", sliver.symbolBytes, layout.symbolBytes);
  }
  const root = sliverRoot(layout, axis, sliver.data, layout.symbolBytes);
  if (!equalBytes(root, sliverHash(metadata, pair, axis))) {
    return mismatch("Merkle root", "another", "the one in the metadata");
  }
  // Every check of the specification has passed: this is what the brand stands for.
  return { ...sliver, axis } as VerifiedSliver;
}
