/**
 * Merkle trees of RS2.
 *
 *   leaf(x)     = H(00 || x)
 *   inner(a, b) = H(01 || a || b)
 *
 * Level by level: a level of more than one node and odd length gets one Empty node (32 zero bytes as hash input) at its
 * end, then nodes pair up. One leaf is its own root; no leaf at all has the Empty node as root. A proof lists siblings
 * from the leaf upward, ceil(log2(leaves)) of them.
 */

import { equalBytes } from "../base/bytes.ts";
import { assert } from "../base/errors.ts";
import { blake2b256Tagged } from "../crypto/blake2b.ts";
import { HASH_BYTES } from "../protocol/metadata.ts";
import type { MerkleProof } from "../protocol/recovery-symbol.ts";

const LEAF_TAG = 0;
const INNER_TAG = 1;

/** Writes the hash of the leaf `bytes[from..to)` to `out[at..at+32)`. */
export function leafHashInto(bytes: Uint8Array, from: number, to: number, out: Uint8Array, at: number): void {
  blake2b256Tagged(LEAF_TAG, bytes, from, to, out, at);
}

/** Siblings from leaf to root of a tree with this many leaves. */
export const proofLength = (leafCount: number): number =>
  leafCount <= 1 ? 0 : 32 - Math.clz32(leafCount - 1);

/**
 * Folds leaf hashes to the root.
 *
 * @param hashes leaf hashes one after the other, then room for one more; **overwritten**
 * @returns the root, freshly allocated; `null` for no leaves
 */
export function foldToRoot(hashes: Uint8Array, leafCount: number): Uint8Array | null {
  if (leafCount === 0) return null;
  for (let count = leafCount; count > 1; count = (count + 1) >> 1) foldLevel(hashes, count, hashes);
  return hashes.slice(0, HASH_BYTES);
}

/** Root over leaves of equal length lying one after the other; `null` for no leaves. */
export function merkleRoot(leaves: Uint8Array, leafBytes: number): Uint8Array | null {
  const count = leaves.length / leafBytes;
  return foldToRoot(leafHashes(leaves, leafBytes), count);
}

/** Hashes of equal-length leaves, with the room for one more that `foldToRoot` and `proofFor` need. */
export function leafHashes(leaves: Uint8Array, leafBytes: number): Uint8Array {
  const count = leaves.length / leafBytes;
  assert(Number.isInteger(count), `${leaves.length} bytes are no whole leaves of ${leafBytes}`);
  const hashes = new Uint8Array((count + 1) * HASH_BYTES);
  for (let leaf = 0; leaf < count; leaf++) {
    leafHashInto(leaves, leaf * leafBytes, (leaf + 1) * leafBytes, hashes, leaf * HASH_BYTES);
  }
  return hashes;
}

/**
 * Siblings of one leaf, leaf upward.
 *
 * @param hashes as for `foldToRoot`; **overwritten** (afterwards the root stands in front)
 */
export function proofFor(hashes: Uint8Array, leafCount: number, leafIndex: number): MerkleProof {
  assert(leafIndex >= 0 && leafIndex < leafCount, `leaf ${leafIndex} of ${leafCount}`);
  const proof: (Uint8Array | null)[] = [];
  let index = leafIndex;
  for (let count = leafCount; count > 1; count = (count + 1) >> 1) {
    const sibling = index ^ 1;
    proof.push(sibling < count ? hashes.slice(sibling * HASH_BYTES, (sibling + 1) * HASH_BYTES) : null);
    foldLevel(hashes, count, hashes);
    index >>= 1;
  }
  return proof;
}

/** True when the leaf with these bytes stands at `leafIndex` in the tree of `leafCount` leaves with this root. */
export function verifyMerkleProof(
  root: Uint8Array,
  leaf: Uint8Array,
  leafIndex: number,
  leafCount: number,
  proof: MerkleProof,
): boolean {
  if (leafIndex < 0 || leafIndex >= leafCount || proof.length !== proofLength(leafCount)) return false;
  const pair = new Uint8Array(2 * HASH_BYTES);
  const current = new Uint8Array(HASH_BYTES);
  leafHashInto(leaf, 0, leaf.length, current, 0);
  let index = leafIndex;
  for (const sibling of proof) {
    const isRight = (index & 1) === 1;
    pair.fill(0);
    pair.set(current, isRight ? HASH_BYTES : 0);
    if (sibling !== null) pair.set(sibling, isRight ? 0 : HASH_BYTES);
    blake2b256Tagged(INNER_TAG, pair, 0, pair.length, current, 0);
    index >>= 1;
  }
  return equalBytes(current, root);
}

/** Parents of `count` nodes; `to` may be `from`, for a parent lies before its children. */
function foldLevel(from: Uint8Array, count: number, to: Uint8Array): void {
  if (count % 2 === 1) from.fill(0, count * HASH_BYTES, (count + 1) * HASH_BYTES);
  for (let node = 0; node < count; node += 2) {
    const at = node * HASH_BYTES;
    blake2b256Tagged(INNER_TAG, from, at, at + 2 * HASH_BYTES, to, at / 2);
  }
}

/**
 * Many trees of equally many leaves that grow together, one leaf of every tree at a time.
 *
 * Encoding makes the symbols column by column but hashes rows too: this keeps log2(leaves) nodes per row (320 bytes at
 * n = 1000) where the leaf hashes of all rows would take 32 n^2 bytes.
 */
export class MerkleForest {
  readonly #leafCount: number;
  readonly #levels: number;
  /** Per tree and level, room for a left node and the right one that completes the pair. */
  readonly #pending: Uint8Array;
  readonly #roots: Uint8Array;

  constructor(treeCount: number, leafCount: number) {
    this.#leafCount = leafCount;
    this.#levels = Math.max(1, proofLength(leafCount));
    this.#pending = new Uint8Array(treeCount * this.#levels * 2 * HASH_BYTES);
    this.#roots = new Uint8Array(treeCount * HASH_BYTES);
  }

  static bytes(treeCount: number, leafCount: number): number {
    return treeCount * HASH_BYTES * (1 + 2 * Math.max(1, proofLength(leafCount)));
  }

  /** Appends leaf number `leafIndex` to one tree; every tree gets its leaves in order 0, 1, ... */
  push(tree: number, leafIndex: number, hashes: Uint8Array, at: number): void {
    let index = leafIndex;
    let count = this.#leafCount;
    let slot = tree * this.#levels * 2 * HASH_BYTES;
    if (count === 1) {
      this.#roots.set(hashes.subarray(at, at + HASH_BYTES), tree * HASH_BYTES);
      return;
    }
    this.#pending.set(hashes.subarray(at, at + HASH_BYTES), slot + (index & 1) * HASH_BYTES);
    // A node completes its pair when it is the right one, or the last of an odd level, next to the Empty node.
    for (; (index & 1) === 1 || index === count - 1; slot += 2 * HASH_BYTES) {
      if ((index & 1) === 0) this.#pending.fill(0, slot + HASH_BYTES, slot + 2 * HASH_BYTES);
      index >>= 1;
      count = (count + 1) >> 1;
      const isRoot = count === 1;
      const parentAt = isRoot ? tree * HASH_BYTES : slot + (2 + (index & 1)) * HASH_BYTES;
      const target = isRoot ? this.#roots : this.#pending;
      blake2b256Tagged(INNER_TAG, this.#pending, slot, slot + 2 * HASH_BYTES, target, parentAt);
      if (isRoot) return;
    }
  }

  /** Root of one tree, as a view; meaningful once all its leaves are pushed. */
  root(tree: number): Uint8Array {
    return this.#roots.subarray(tree * HASH_BYTES, (tree + 1) * HASH_BYTES);
  }
}
