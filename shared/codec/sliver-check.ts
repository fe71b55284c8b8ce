/** Checking one received sliver against metadata; the only place that makes `VerifiedSliver`s. */
import { equalBytes } from "../base/bytes.ts";
import { sliverOfPair } from "../protocol/mapping.ts";
import { sliverHash, type VerifiedMetadata } from "../protocol/metadata.ts";
import { blobLayout, sliverBytes } from "../protocol/sizes.ts";
import type { VerifiedSliver } from "../protocol/sliver.ts";
import { CodecError, type SliverToVerify } from "./codec.ts";
import { type SliverMath, TYPESCRIPT_MATH } from "./sliver-math.ts";

/**
 * Checks index, length, symbol size, then the Merkle root, in this order: cheap first.
 *
 * @returns the sliver with its data shared, or what does not fit
 */
export function checkSliver(
  metadata: VerifiedMetadata,
  received: SliverToVerify,
  math: SliverMath = TYPESCRIPT_MATH,
): VerifiedSliver | CodecError {
  const misfit = checkSliverForm(metadata, received);
  if (misfit !== undefined) return misfit;
  const layout = blobLayout(metadata.nShards, metadata.unencodedLength);
  const { axis, sliver } = received;
  return checkSliverRoot(metadata, received, math.root(layout, axis, sliver.data, layout.symbolBytes));
}

/** Everything but the root: pair, index, length, symbol size. */
export function checkSliverForm(
  metadata: VerifiedMetadata,
  received: SliverToVerify,
): CodecError | undefined {
  const { axis, pair, sliver } = received;
  const { nShards } = metadata;
  const layout = blobLayout(nShards, metadata.unencodedLength);
  const expectedBytes = sliverBytes(layout, axis);
  if (pair >= nShards) return mismatch(received, "pair index", pair, `below ${nShards}`);
  const index = sliverOfPair(pair, axis, nShards);
  if (sliver.index !== index) return mismatch(received, "sliver index", sliver.index, index);
  if (sliver.data.length !== expectedBytes) {
    return mismatch(received, "length", sliver.data.length, expectedBytes);
  }
  if (sliver.symbolBytes !== layout.symbolBytes) {
    return mismatch(received, "symbol size", sliver.symbolBytes, layout.symbolBytes);
  }
  return undefined;
}

/** @param root of the expanded sliver, which has passed `checkSliverForm` */
export function checkSliverRoot(
  metadata: VerifiedMetadata,
  received: SliverToVerify,
  root: Uint8Array,
): VerifiedSliver | CodecError {
  const { axis, pair, sliver } = received;
  if (!equalBytes(root, sliverHash(metadata, pair, axis))) {
    return mismatch(received, "Merkle root", "another", "the one in the metadata");
  }
  // Every check of the specification has passed: this is what the brand stands for.
  return { ...sliver, axis } as VerifiedSliver;
}

function mismatch(
  { axis, pair }: SliverToVerify,
  check: string,
  have: string | number,
  need: string | number,
): CodecError {
  return new CodecError(
    "SLIVER_MISMATCH",
    `${axis} sliver of pair ${pair}: ${check} is ${have}, must be ${need}`,
    {
      details: { check, axis, pair, have, need },
    },
  );
}
