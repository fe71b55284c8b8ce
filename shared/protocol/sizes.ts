/**
 * Sizes that follow from the number of shards and the unencoded length.
 *
 *   z = ceil(max(length, 1) / (p*s)), rounded up to even      symbol bytes
 *   encodedLength = n*(64n + 32) + n*(p + s)*z                what the chain charges for
 *
 * All values stay below 2^53 for every supported n and length, so plain numbers are exact.
 */

import { ProtocolError } from "../base/errors.ts";
import { type BftParameters, bftParameters } from "./bft.ts";
import type { Axis } from "./ids.ts";

/** Symbol sizes are u16 and even. */
export const MAX_SYMBOL_BYTES = 65534;
/** Storage is priced per started unit of 1 MiB. */
export const STORAGE_UNIT_BYTES = 1024 * 1024;

export interface BlobLayout extends BftParameters {
  readonly unencodedLength: number;
  /** z, even, 2..65534 */
  readonly symbolBytes: number;
}

/** @throws ProtocolError `BLOB_TOO_LARGE` with the length and the limit */
export function blobLayout(nShards: number, unencodedLength: number): BlobLayout {
  const parameters = bftParameters(nShards);
  const limit = maxUnencodedLength(nShards);
  if (!Number.isSafeInteger(unencodedLength) || unencodedLength < 0 || unencodedLength > limit) {
    throw new ProtocolError(
      "BLOB_TOO_LARGE",
      `blob of ${unencodedLength} bytes; at ${nShards} shards at most ${limit}`,
      {
        details: { unencodedLength, limit, nShards },
      },
    );
  }
  const sourceSymbols = parameters.primarySourceSymbols * parameters.secondarySourceSymbols;
  const exact = Math.ceil(Math.max(unencodedLength, 1) / sourceSymbols);
  return { ...parameters, unencodedLength, symbolBytes: exact + (exact % 2) };
}

export function maxUnencodedLength(nShards: number): number {
  const { primarySourceSymbols, secondarySourceSymbols } = bftParameters(nShards);
  return primarySourceSymbols * secondarySourceSymbols * MAX_SYMBOL_BYTES;
}

/** Symbols in a sliver of this axis (its source symbols, not its expansion). */
export const sliverSymbols = (parameters: BftParameters, axis: Axis): number =>
  axis === "primary" ? parameters.secondarySourceSymbols : parameters.primarySourceSymbols;

/** Slivers of this axis that decode a blob; also the symbols needed to recover a sliver of the *other* axis. */
export const sliversToDecode = (parameters: BftParameters, axis: Axis): number =>
  axis === "primary" ? parameters.primarySourceSymbols : parameters.secondarySourceSymbols;

/** Data bytes of a sliver, without its BCS frame. */
export const sliverBytes = (layout: BlobLayout, axis: Axis): number =>
  sliverSymbols(layout, axis) * layout.symbolBytes;

/** Bytes of metadata as the chain counts them: 64 n + 32. */
export const chargedMetadataBytes = (nShards: number): number => 64 * nShards + 32;

export function encodedLength(nShards: number, unencodedLength: number): number {
  const layout = blobLayout(nShards, unencodedLength);
  const symbols = layout.primarySourceSymbols + layout.secondarySourceSymbols;
  return nShards * (chargedMetadataBytes(nShards) + symbols * layout.symbolBytes);
}

/** Started units of 1 MiB: what reserve, register and extend charge for. */
export const storageUnits = (bytes: number): number => Math.ceil(bytes / STORAGE_UNIT_BYTES);
