/**
 * Slivers that are padding only.
 *
 * A blob fills the source matrix row by row and zeros fill the rest, so a short blob leaves whole rows and columns of
 * zeros. Any node can answer for them without storing a byte: a draw that hits one is recorded and counts nowhere.
 *
 * With z bytes per symbol and s symbols per row, primary sliver i < p is zeros iff i s z >= length, secondary
 * sliver j < s iff j z >= length. Parity slivers mix all rows or columns and are not zero, unless the blob is empty.
 */
import type { Axis, SliverPairIndex } from "../protocol/ids.ts";
import { sliverOfPair } from "../protocol/mapping.ts";
import type { BlobLayout } from "../protocol/sizes.ts";

export function isVacuous(layout: BlobLayout, pair: SliverPairIndex, axis: Axis): boolean {
  const { nShards, primarySourceSymbols, secondarySourceSymbols, symbolBytes, unencodedLength } = layout;
  if (unencodedLength === 0) return true;
  const sliver = sliverOfPair(pair, axis, nShards);
  return axis === "primary"
    ? sliver < primarySourceSymbols && sliver * secondarySourceSymbols * symbolBytes >= unencodedLength
    : sliver < secondarySourceSymbols && sliver * symbolBytes >= unencodedLength;
}
