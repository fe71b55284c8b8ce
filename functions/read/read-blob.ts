/**
 * Reads a blob from its slivers: the systematic primary slivers hold its bytes in order, so sliver r is fetched, its
 * Merkle root checked against the metadata, and its bytes go out, while the next ones are on their way.
 *
 * What is missing, late or wrong is restored (`row-reader.ts`), each restored row checked against the metadata too. Not
 * one unverified byte leaves here. Memory: a window of rows, admitted before the first request; restoring is admitted
 * when it comes to that. It does not grow with the blob unless the whole of it has to be decoded.
 */

import { discardBytes, equalBytes } from "../../shared/base/bytes.ts";
import { CodecError } from "../../shared/codec/codec.ts";
import type { Committee } from "../../shared/protocol/committee.ts";
import type { SliverIndex, SliverPairIndex } from "../../shared/protocol/ids.ts";
import { sliverHash, type VerifiedMetadata } from "../../shared/protocol/metadata.ts";
import { blobLayout, sliverBytes } from "../../shared/protocol/sizes.ts";
import type { Sliver } from "../../shared/protocol/sliver.ts";
import { EdgeError } from "../base/edge-error.ts";
import { READ_LIMITS } from "./limits.ts";
import type { ReadPorts } from "./ports.ts";
import type { ByteRange } from "./range.ts";
import { rebuildBytes } from "./rebuild-sliver.ts";
import { RowReader } from "./row-reader.ts";

/**
 * The bytes of `range`, in pieces of at most one sliver, each valid until the next one is asked for.
 *
 * @param signal ends the read, for a client that has left
 * @throws EdgeError from any step of the iteration: `BLOB_UNAVAILABLE` with slivers had and needed, `BLOB_NOT_FOUND`,
 *   `FORBIDDEN_BLOB`, `INCONSISTENT_BLOB`; MemoryError, `LEASE_FULL` before anybody is asked
 */
export async function* readBlob(
  services: ReadPorts,
  committee: Committee,
  metadata: VerifiedMetadata,
  range: ByteRange,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  if (range.start === range.end) return;
  const layout = blobLayout(metadata.nShards, metadata.unencodedLength);
  const rowBytes = sliverBytes(layout, "primary");
  const rows = { from: Math.floor(range.start / rowBytes), to: Math.ceil(range.end / rowBytes) };
  services.carrier.expect(rows.to - rows.from);
  const wish = Math.min(
    rows.to - rows.from,
    // One set under way, one set waiting for its place.
    2 * services.carrier.width,
    Math.max(1, Math.floor(READ_LIMITS.readWindowBytes / rowBytes)),
  );
  // One row more than asked for ahead: the one that is going out.
  const fixedBytes = rowBytes + rebuildBytes(layout);
  const underWayBytes = rowBytes * services.carrier.copies;
  const held = await services.memory.hold(fixedBytes + wish * underWayBytes, {
    kind: "read",
    atLeastBytes: fixedBytes + underWayBytes,
    signal,
  });
  const windowRows = Math.max(1, Math.floor((held.bytes - fixedBytes) / underWayBytes));
  const work = new AbortController();
  const ended = signal === undefined ? work.signal : AbortSignal.any([signal, work.signal]);
  const reader = new RowReader(services, {
    committee,
    metadata,
    held,
    windowRows,
    endRow: rows.to,
    signal: ended,
  });
  held.onRelease(() => reader.close());
  try {
    for (let row = rows.from; row < rows.to; row++) {
      const data = await reader.row(row);
      const base = row * rowBytes;
      checkTail(metadata, data, base);
      yield data.subarray(Math.max(0, range.start - base), Math.min(rowBytes, range.end - base));
      discardBytes(data);
    }
  } finally {
    work.abort(new Error("the read has ended"));
    held.release();
  }
}

/**
 * Checks what a whole read does not fetch: rows that hold only padding must be committed to as zeros. With the check
 * of every row that is read this is the official default consistency check. Cost: one sliver's hashing.
 *
 * @throws EdgeError `INCONSISTENT_BLOB`
 */
export function checkPaddingRows(services: ReadPorts, metadata: VerifiedMetadata): void {
  const layout = blobLayout(metadata.nShards, metadata.unencodedLength);
  const rowBytes = sliverBytes(layout, "primary");
  const first = Math.ceil(metadata.unencodedLength / rowBytes);
  if (first >= layout.primarySourceSymbols) return;
  // Primary sliver r is sliver r of pair r, so row numbers are both indexes.
  const pair = first as SliverPairIndex;
  const zeros: Sliver = {
    data: new Uint8Array(rowBytes),
    symbolBytes: layout.symbolBytes,
    index: first as number as SliverIndex,
  };
  const [checked] = services.codec.verifySlivers(metadata, [{ axis: "primary", pair, sliver: zeros }]);
  if (checked === undefined || checked instanceof CodecError) inconsistent(metadata, first);
  const zeroHash = sliverHash(metadata, pair, "primary");
  for (let row = first + 1; row < layout.primarySourceSymbols; row++) {
    if (!equalBytes(sliverHash(metadata, row as SliverPairIndex, "primary"), zeroHash))
      inconsistent(metadata, row);
  }
}

/** Bytes after the blob's end are padding. */
function checkTail(metadata: VerifiedMetadata, data: Uint8Array, base: number): void {
  for (let at = Math.max(0, metadata.unencodedLength - base); at < data.length; at++) {
    if (data[at] !== 0) inconsistent(metadata, base / data.length);
  }
}

function inconsistent(metadata: VerifiedMetadata, row: number): never {
  throw new EdgeError("INCONSISTENT_BLOB", `row ${row} is padded with other bytes than zeros`, {
    details: { blobId: metadata.blobId, row },
  });
}
