/**
 * The list of blobs that a round draws from, and the Merkle root that commits to it.
 *
 * Entry, 61 bytes; ascending by blob ID bytes, each blob ID once:
 *
 * | offset | length | field                                                              |
 * |--------|--------|--------------------------------------------------------------------|
 * | 0      | 32     | blob ID                                                            |
 * | 32     | 1      | encoding type, 01 = RS2                                            |
 * | 33     | 8      | unencoded length, u64 LE                                           |
 * | 41     | 4      | end epoch (exclusive), u32 LE                                      |
 * | 45     | 16     | cum: encoded bytes of all entries before this one, u128 LE         |
 *
 * The tree is the protocol's (`shared/codec/merkle.ts`). A public network holds millions of blobs, so the root is made
 * from nodes over 1,024 leaves each: one node per slice of work, 32 bytes kept per slice, and a path needs only the
 * entries of its own slice. Lookups stand behind `PopulationIndex`, which a database can serve.
 */

import { compareBytes } from "../base/bytes.ts";
import { assert } from "../base/errors.ts";
import { foldToRoot, leafHashInto, proofFor, proofLength } from "../codec/merkle.ts";
import { blake2b256Tagged } from "../crypto/blake2b.ts";
import { BcsReader, BcsWriter } from "../protocol/bcs.ts";
import { BLOB_ID_BYTES, type BlobId, blobIdFromBytes, blobIdToBytes } from "../protocol/ids.ts";
import { ENCODING_TYPE_RS2, HASH_BYTES } from "../protocol/metadata.ts";
import { encodedLength } from "../protocol/sizes.ts";
import { AuditError } from "./audit-error.ts";

export const ENTRY_BYTES = 61;
/** Leaves under one stored node; a power of two, so that slices are whole subtrees. */
export const SLICE_LEAVES = 1024;
const SLICE_LEVELS = 10;

/** A blob that qualifies for a population. */
export interface PopulationBlob {
  readonly blobId: BlobId;
  readonly unencodedLength: number;
  /** Exclusive. */
  readonly endEpoch: number;
}

export interface PopulationEntry extends PopulationBlob {
  /** Leaf of the population's tree. */
  readonly index: number;
  /** Encoded bytes of all entries before this one. */
  readonly cumBytes: bigint;
}

/** What drawing needs of a population. Synchronous: it is served from memory or from a local database. */
export interface PopulationIndex {
  /** Entries. */
  readonly size: number;
  /** Encoded bytes of all entries. */
  readonly totalBytes: bigint;
  /** @param index 0 <= index < size */
  leafAt(index: number): PopulationEntry;
  /** Many at once, in the order asked for: in a database a third of the cost of one by one. */
  leavesAt(indexes: readonly number[]): PopulationEntry[];
  /** The entry with cum <= offset < cum + its encoded bytes. @param offset 0 <= offset < totalBytes */
  leafByCum(offset: bigint): PopulationEntry;
  /** Many at once, in the order asked for. */
  leavesByCum(offsets: readonly bigint[]): PopulationEntry[];
}

export function serializeEntry(entry: PopulationEntry): Uint8Array {
  return new BcsWriter(ENTRY_BYTES)
    .fixed(blobIdToBytes(entry.blobId))
    .u8(ENCODING_TYPE_RS2)
    .u64(BigInt(entry.unencodedLength))
    .u32(entry.endEpoch)
    .u64(entry.cumBytes & 0xffff_ffff_ffff_ffffn)
    .u64(entry.cumBytes >> 64n)
    .finish();
}

/** @throws ProtocolError for malformed bytes; AuditError `INVALID_POPULATION` for another encoding type */
export function parseEntry(bytes: Uint8Array, index: number): PopulationEntry {
  const reader = new BcsReader(bytes, "population entry");
  const blobId = blobIdFromBytes(reader.fixed(BLOB_ID_BYTES));
  const encoding = reader.u8();
  if (encoding !== ENCODING_TYPE_RS2) {
    throw new AuditError("INVALID_POPULATION", `entry ${index} has encoding type ${encoding}`, {
      details: { index, encoding },
    });
  }
  const unencodedLength = reader.u64Number();
  const endEpoch = reader.u32();
  const cumBytes = reader.u64() | (reader.u64() << 64n);
  reader.end();
  return { index, blobId, unencodedLength, endEpoch, cumBytes };
}

/**
 * Puts blobs in the population's order and sums up their encoded bytes.
 *
 * @throws AuditError `INVALID_POPULATION` when a blob ID occurs twice
 * Cost: one sort; 1,000,000 blobs take seconds and about 300 MB. Large networks fill a database in order instead.
 */
export function orderPopulation(blobs: Iterable<PopulationBlob>, nShards: number): PopulationEntry[] {
  const sorted = [...blobs].map((blob) => ({ blob, bytes: blobIdToBytes(blob.blobId) }));
  sorted.sort((a, b) => compareBytes(a.bytes, b.bytes));
  let cumBytes = 0n;
  let previous: BlobId | undefined;
  return sorted.map(({ blob }, index) => {
    if (blob.blobId === previous) {
      throw new AuditError("INVALID_POPULATION", `blob ${blob.blobId} occurs twice`, { details: { index } });
    }
    previous = blob.blobId;
    const { blobId, unencodedLength, endEpoch } = blob;
    const entry = { index, blobId, unencodedLength, endEpoch, cumBytes };
    cumBytes += BigInt(encodedLength(nShards, unencodedLength));
    return entry;
  });
}

/** A population in memory: for small networks, for verification and for tests. */
export class MemoryPopulation implements PopulationIndex {
  readonly entries: readonly PopulationEntry[];
  readonly totalBytes: bigint;

  constructor(blobs: Iterable<PopulationBlob>, nShards: number) {
    this.entries = orderPopulation(blobs, nShards);
    const last = this.entries.at(-1);
    this.totalBytes =
      last === undefined ? 0n : last.cumBytes + BigInt(encodedLength(nShards, last.unencodedLength));
  }

  get size(): number {
    return this.entries.length;
  }

  leafAt(index: number): PopulationEntry {
    const entry = this.entries[index];
    assert(entry !== undefined, `leaf ${index} of ${this.size}`);
    return entry;
  }

  leavesAt(indexes: readonly number[]): PopulationEntry[] {
    return indexes.map((index) => this.leafAt(index));
  }

  leafByCum(offset: bigint): PopulationEntry {
    assert(offset >= 0n && offset < this.totalBytes, `byte ${offset} of ${this.totalBytes}`);
    // The last entry whose cum is not above the offset; every entry has encoded bytes.
    let low = 0;
    let high = this.size - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.leafAt(middle).cumBytes <= offset) low = middle;
      else high = middle - 1;
    }
    return this.leafAt(low);
  }

  leavesByCum(offsets: readonly bigint[]): PopulationEntry[] {
    return offsets.map((offset) => this.leafByCum(offset));
  }

  /** Root of the whole tree. Cost: 2 hashes per entry, 1.7 us each. */
  root(): Uint8Array {
    return rootOfSlices(this.#sliceNodes(), this.size);
  }

  /** Siblings of a leaf, leaf upward; 32 zero bytes stand for a missing one, as the contract takes them. */
  path(index: number): Uint8Array[] {
    const slice = Math.floor(index / SLICE_LEAVES);
    const first = slice * SLICE_LEAVES;
    const entries = this.entries.slice(first, first + SLICE_LEAVES);
    return populationPath(index, this.size, entries.map(serializeEntry), this.#sliceNodes());
  }

  #sliceNodes(): Uint8Array[] {
    const nodes: Uint8Array[] = [];
    for (let first = 0; first < this.size; first += SLICE_LEAVES) {
      nodes.push(sliceNode(this.entries.slice(first, first + SLICE_LEAVES).map(serializeEntry), this.size));
    }
    return nodes;
  }
}

/** Slices that a population of this many entries has. */
export const sliceCount = (size: number): number => Math.ceil(size / SLICE_LEAVES);

/**
 * The node over one slice: the only thing that has to be kept of it until the root is made.
 *
 * @param leaves serialised entries of the slice in order: 1,024, fewer only in the last one
 * @param size entries of the whole population
 */
export function sliceNode(leaves: readonly Uint8Array[], size: number): Uint8Array {
  const hashes = hashLeaves(leaves);
  if (size <= SLICE_LEAVES) return rootOf(hashes, leaves.length);
  let count = leaves.length;
  for (let level = 0; level < SLICE_LEVELS; level++) count = foldLevel(hashes, count);
  return hashes.slice(0, HASH_BYTES);
}

/** Root of the population's tree. @param nodes of all slices, in order; an empty population has 32 zero bytes */
export function rootOfSlices(nodes: readonly Uint8Array[], size: number): Uint8Array {
  checkSlices(nodes, size);
  return rootOf(joinNodes(nodes), nodes.length);
}

/**
 * Siblings of one leaf, from the entries of its own slice and the nodes of all slices.
 *
 * @param leaves serialised entries of the slice that holds `index`
 */
export function populationPath(
  index: number,
  size: number,
  leaves: readonly Uint8Array[],
  nodes: readonly Uint8Array[],
): Uint8Array[] {
  checkSlices(nodes, size);
  assert(index >= 0 && index < size, `leaf ${index} of ${size}`);
  const hashes = hashLeaves(leaves);
  const path: Uint8Array[] = [];
  let count = leaves.length;
  let position = index % SLICE_LEAVES;
  const levels = Math.min(SLICE_LEVELS, proofLength(size));
  for (let level = 0; level < levels; level++) {
    const sibling = position ^ 1;
    path.push(
      sibling < count
        ? hashes.slice(sibling * HASH_BYTES, (sibling + 1) * HASH_BYTES)
        : new Uint8Array(HASH_BYTES),
    );
    count = foldLevel(hashes, count);
    position >>= 1;
  }
  const upper = proofFor(joinNodes(nodes), nodes.length, Math.floor(index / SLICE_LEAVES));
  return [...path, ...upper.map((sibling) => sibling ?? new Uint8Array(HASH_BYTES))];
}

function checkSlices(nodes: readonly Uint8Array[], size: number): void {
  if (nodes.length !== sliceCount(size)) {
    throw new AuditError("INVALID_POPULATION", `${nodes.length} slices for ${size} entries`, {
      details: { slices: nodes.length, size },
    });
  }
}

/** Leaf hashes with the room for one more that folding needs. */
function hashLeaves(leaves: readonly Uint8Array[]): Uint8Array {
  const hashes = new Uint8Array((leaves.length + 1) * HASH_BYTES);
  leaves.forEach((leaf, i) => {
    leafHashInto(leaf, 0, leaf.length, hashes, i * HASH_BYTES);
  });
  return hashes;
}

function joinNodes(nodes: readonly Uint8Array[]): Uint8Array {
  const joined = new Uint8Array((nodes.length + 1) * HASH_BYTES);
  nodes.forEach((node, i) => {
    joined.set(node, i * HASH_BYTES);
  });
  return joined;
}

const rootOf = (hashes: Uint8Array, count: number): Uint8Array =>
  foldToRoot(hashes, count) ?? new Uint8Array(HASH_BYTES);

/**
 * One level up, in place. Unlike the codec's fold it also lifts a single node: the last slice of several stands in a
 * level that others make longer, so its last node gets a zero sibling on every level. @returns the nodes left
 */
function foldLevel(hashes: Uint8Array, count: number): number {
  if (count % 2 === 1) hashes.fill(0, count * HASH_BYTES, (count + 1) * HASH_BYTES);
  for (let node = 0; node < count; node += 2) {
    const at = node * HASH_BYTES;
    blake2b256Tagged(1, hashes, at, at + 2 * HASH_BYTES, hashes, at / 2);
  }
  return (count + 1) >> 1;
}
