/** What is asked of a list of blobs that stands in the ledger, however it is kept there. */
import type { PopulationEntry, PopulationIndex } from "../../shared/audit/population.ts";
import type { BlobId } from "../../shared/protocol/ids.ts";

export interface ListSummary {
  readonly size: number;
  readonly totalBytes: bigint;
  readonly root: Uint8Array;
}

export interface StoredPopulation extends PopulationIndex {
  readonly root: Uint8Array;
  entries(from: number, count: number): PopulationEntry[];
  /** Siblings of a leaf, leaf upward. */
  path(index: number): Uint8Array[];
  /** Whether the blob is in the list. Cost: some 20 rows. */
  has(blobId: BlobId): boolean;
}

const CUM_BYTES = 16;

/** u128 big-endian: compares as bytes like the number. */
export function cumToBytes(cum: bigint): Uint8Array {
  const bytes = new Uint8Array(CUM_BYTES);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, cum >> 64n);
  view.setBigUint64(8, cum & 0xffff_ffff_ffff_ffffn);
  return bytes;
}

export function cumFromBytes(bytes: Uint8Array): bigint {
  const view = new DataView(bytes.buffer, bytes.byteOffset, CUM_BYTES);
  return (view.getBigUint64(0) << 64n) | view.getBigUint64(8);
}

/** The last of `count` ascending places for which `isReached` holds; -1 when it does for none. */
export function lastReached(count: number, isReached: (place: number) => boolean): number {
  let low = -1;
  let high = count - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (isReached(middle)) low = middle;
    else high = middle - 1;
  }
  return low;
}
