// If this fails, a storage node can pass off wrong symbols as proven, or Floe refuses right ones.
import { describe, expect, test } from "vitest";
import {
  foldToRoot,
  leafHashes,
  MerkleForest,
  merkleRoot,
  proofFor,
  proofLength,
  verifyMerkleProof,
} from "../../../shared/codec/merkle.ts";
import { prng } from "../../support/vectors.ts";

const LEAF_BYTES = 6;
const COUNTS = [1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 16, 17, 31, 33, 100];
const rootOf = (leaves: Uint8Array): Uint8Array => merkleRoot(leaves, LEAF_BYTES) ?? new Uint8Array();
const leafOf = (leaves: Uint8Array, i: number): Uint8Array =>
  leaves.subarray(i * LEAF_BYTES, (i + 1) * LEAF_BYTES);

describe("trees", () => {
  test("no leaves have no root, one leaf is its own root", () => {
    expect(merkleRoot(new Uint8Array(), LEAF_BYTES)).toBeNull();
    expect(rootOf(prng(1, LEAF_BYTES))).toEqual(leafHashes(prng(1, LEAF_BYTES), LEAF_BYTES).slice(0, 32));
  });

  test("path lengths are ceil(log2(leaves))", () => {
    expect([0, 1, 2, 3, 4, 5, 8, 9, 1000, 1024, 1025].map(proofLength)).toEqual([
      0, 0, 1, 2, 2, 3, 3, 4, 10, 10, 11,
    ]);
  });

  test.each(COUNTS)("%i leaves: a forest grown leaf by leaf has the roots of whole trees", (count) => {
    const trees = [1, 2, 3].map((seed) => prng(seed, count * LEAF_BYTES));
    const hashes = trees.map((leaves) => leafHashes(leaves, LEAF_BYTES));
    const forest = new MerkleForest(trees.length, count);
    for (let leaf = 0; leaf < count; leaf++) {
      hashes.forEach((each, tree) => {
        forest.push(tree, leaf, each, 32 * leaf);
      });
    }
    trees.forEach((leaves, tree) => {
      expect(forest.root(tree)).toEqual(rootOf(leaves));
    });
  });
});

describe("proofs", () => {
  test.each(COUNTS)("%i leaves: every leaf is proven, and at no other place", (count) => {
    const leaves = prng(count, count * LEAF_BYTES);
    const root = rootOf(leaves);
    for (let i = 0; i < count; i++) {
      const proof = proofFor(leafHashes(leaves, LEAF_BYTES), count, i);
      for (let j = 0; j < count; j++) {
        expect(verifyMerkleProof(root, leafOf(leaves, i), j, count, proof)).toBe(i === j);
      }
    }
  });

  test("any changed leaf, sibling, root or path length is refused", () => {
    const count = 11;
    const leaves = prng(5, count * LEAF_BYTES);
    const root = rootOf(leaves);
    const index = 10;
    const leaf = leafOf(leaves, index);
    const proof = proofFor(leafHashes(leaves, LEAF_BYTES), count, index);
    expect(verifyMerkleProof(root, leaf, index, count, proof)).toBe(true);
    expect(proof.filter((sibling) => sibling === null).length).toBeGreaterThan(0);
    const flip = (bytes: Uint8Array): Uint8Array => bytes.map((byte, i) => (i === 3 ? byte ^ 1 : byte));
    expect(verifyMerkleProof(root, flip(leaf), index, count, proof)).toBe(false);
    expect(verifyMerkleProof(flip(root), leaf, index, count, proof)).toBe(false);
    proof.forEach((sibling, level) => {
      const changed = proof.with(level, sibling === null ? new Uint8Array(32).fill(1) : flip(sibling));
      expect(verifyMerkleProof(root, leaf, index, count, changed)).toBe(false);
      if (sibling !== null)
        expect(verifyMerkleProof(root, leaf, index, count, proof.with(level, null))).toBe(false);
    });
    expect(verifyMerkleProof(root, leaf, index, count, proof.slice(1))).toBe(false);
    expect(verifyMerkleProof(root, leaf, index, count, [...proof, null])).toBe(false);
    for (const outside of [-1, 11, 16, 26])
      expect(verifyMerkleProof(root, leaf, outside, count, proof)).toBe(false);
  });

  test("an inner node is no leaf: the tags keep them apart", () => {
    const leaves = prng(8, 2 * LEAF_BYTES);
    const hashes = leafHashes(leaves, LEAF_BYTES);
    const inner = hashes.slice(0, 64);
    expect(foldToRoot(hashes, 2)).toEqual(rootOf(leaves));
    expect(verifyMerkleProof(rootOf(leaves), inner, 0, 1, [])).toBe(false);
  });
});
