/**
 * Leaves and Merkle trees of many slivers at once.
 *
 *     leaf(x) = H(0x00 | x)        inner(a, b) = H(0x01 | a | b)       an odd level gets one node of 32 zero bytes
 *
 * Digests lie plain, 32 bytes each, in rows (one row per tree) of a fixed stride, so the two children of a node are
 * 64 contiguous bytes. Nodes are hashed in groups of GROUP wherever they lie: a group runs on across the end of a
 * row, so no lane idles even when a level has one node per tree. A level is written over the one below it:
 *
 *     row:   | d0 | d1 | d2 | d3 | d4 | 0 |        level of 5, padded
 *            | e0 | e1 | e2 | 0  |                 level of 3, padded
 *            | f0 | f1 |
 *            | root |
 *
 * A node's place is never beyond its children's, and a group's inputs are read before its outputs are written.
 */
import {
  block4,
  block8,
  block16,
  finishBlocks,
  inner,
  leaf1,
  leaf2,
  leaf5,
  leaf8,
  leaf16,
  startBlocks,
} from "./blake2b";
import { MASKS_FIRST, MASKS_LAST, MASKS_MIDDLE } from "./layout";

const DIGEST: usize = 32;

let leafBytes: i32 = 0;
let leafBlocks: i32 = 0;
let lastWords: i32 = 0;

/** Chooses the kernels for leaves of this many bytes; holds until the next call. */
export function setLeaf(symbolBytes: i32): void {
  leafBytes = symbolBytes + 1;
  leafBlocks = (leafBytes + 127) >> 7;
  const lastBytes = leafBytes - ((leafBlocks - 1) << 7);
  lastWords = (lastBytes + 7) >> 3;
  for (let i = 0; i < 16; i++) {
    const at = (<usize>i) << 4;
    const kept = lastBytes - (i << 3);
    const last: u64 = kept >= 8 ? u64.MAX_VALUE : kept <= 0 ? 0 : ((<u64>1) << (kept << 3)) - 1;
    // The byte before a symbol stands where the prefix 0x00 belongs.
    const first: u64 = i === 0 ? ~(<u64>255) : u64.MAX_VALUE;
    v128.store(MASKS_MIDDLE + at, i64x2.splat(u64.MAX_VALUE));
    v128.store(MASKS_LAST + at, i64x2.splat(last));
    v128.store(MASKS_FIRST + at, i64x2.splat(leafBlocks === 1 ? first & last : first));
  }
}

/** Digests of three leaves; the addresses are those of the symbols' first bytes. */
function leafGroup(o0: usize, o1: usize, o2: usize, a0: usize, a1: usize, a2: usize): void {
  a0--;
  a1--;
  a2--;
  if (leafBlocks === 1) {
    const t = <u64>leafBytes;
    if (lastWords === 1) leaf1(o0, o1, o2, a0, a1, a2, MASKS_FIRST, t);
    else if (lastWords === 2) leaf2(o0, o1, o2, a0, a1, a2, MASKS_FIRST, t);
    else if (lastWords <= 5) leaf5(o0, o1, o2, a0, a1, a2, MASKS_FIRST, t);
    else if (lastWords <= 8) leaf8(o0, o1, o2, a0, a1, a2, MASKS_FIRST, t);
    else leaf16(o0, o1, o2, a0, a1, a2, MASKS_FIRST, t);
    return;
  }
  startBlocks();
  block16(a0, a1, a2, MASKS_FIRST, 128, 0);
  let bytes: u64 = 128;
  for (let b = 2; b < leafBlocks; b++) {
    a0 += 128;
    a1 += 128;
    a2 += 128;
    bytes += 128;
    block16(a0, a1, a2, MASKS_MIDDLE, bytes, 0);
  }
  a0 += 128;
  a1 += 128;
  a2 += 128;
  const t = <u64>leafBytes;
  if (lastWords <= 4) block4(a0, a1, a2, MASKS_LAST, t, u64.MAX_VALUE);
  else if (lastWords <= 8) block8(a0, a1, a2, MASKS_LAST, t, u64.MAX_VALUE);
  else block16(a0, a1, a2, MASKS_LAST, t, u64.MAX_VALUE);
  finishBlocks(o0, o1, o2);
}

/* @inline */
function copyDigest(to: usize, from: usize): void {
  v128.store(to, v128.load(from));
  v128.store(to, v128.load(from, 16), 16);
}

/**
 * Digests of `cols` contiguous symbols in each of `rows` rows, to `out` (row by row) and, when `turned` is not null,
 * also to `turned` (column by column). Call `setLeaf` before. Reads up to 128 bytes around the symbols.
 */
export function leafRows(
  out: usize,
  outRow: usize,
  turned: usize,
  turnedRow: usize,
  symbols: usize,
  symbolRow: usize,
  rows: i32,
  cols: i32,
): void {
  const symbolBytes = <usize>(leafBytes - 1);
  let r: usize = 0;
  let c: usize = 0;
  const width = <usize>cols;
  for (let left = rows * cols; left > 0; left -= 3) {
    const a0 = symbols + r * symbolRow + c * symbolBytes;
    const o0 = out + r * outRow + c * DIGEST;
    const t0 = turned + c * turnedRow + r * DIGEST;
    if (left > 1 && ++c === width) {
      c = 0;
      r++;
    }
    const a1 = symbols + r * symbolRow + c * symbolBytes;
    const o1 = out + r * outRow + c * DIGEST;
    const t1 = turned + c * turnedRow + r * DIGEST;
    if (left > 2 && ++c === width) {
      c = 0;
      r++;
    }
    const a2 = symbols + r * symbolRow + c * symbolBytes;
    const o2 = out + r * outRow + c * DIGEST;
    const t2 = turned + c * turnedRow + r * DIGEST;
    if (++c === width) {
      c = 0;
      r++;
    }
    leafGroup(o0, o1, o2, a0, a1, a2);
    if (turned !== 0) {
      copyDigest(t0, o0);
      copyDigest(t1, o1);
      copyDigest(t2, o2);
    }
  }
}

/** `leafRows` for symbols of 2 bytes, from the digests of all 65,536 of them. */
export function leafRowsFromTable(
  out: usize,
  outRow: usize,
  turned: usize,
  turnedRow: usize,
  symbols: usize,
  symbolRow: usize,
  rows: i32,
  cols: i32,
  table: usize,
): void {
  for (let r: usize = 0; r < <usize>rows; r++) {
    for (let c: usize = 0; c < <usize>cols; c++) {
      const digest = table + ((<usize>load<u16>(symbols + (c << 1))) << 5);
      copyDigest(out + c * DIGEST, digest);
      if (turned !== 0) copyDigest(turned + c * turnedRow + r * DIGEST, digest);
    }
    symbols += symbolRow;
    out += outRow;
  }
}

/** Writes one digest to nodes `from <= i < to` of every row. */
export function fillNodes(nodes: usize, row: usize, rows: i32, from: i32, to: i32, digest: usize): void {
  for (let r = 0; r < rows; r++) {
    for (let i = from; i < to; i++) copyDigest(nodes + ((<usize>i) << 5), digest);
    nodes += row;
  }
}

/** Copies the first `count` digests of every row. */
export function copyNodes(to: usize, toRow: usize, from: usize, fromRow: usize, rows: i32, count: i32): void {
  for (let r = 0; r < rows; r++) {
    memory.copy(to, from, (<usize>count) << 5);
    to += toRow;
    from += fromRow;
  }
}

/**
 * One level up: node i of a row becomes inner(node 2i, node 2i+1), for 0 <= i < pairs except skipFrom <= i < skipTo.
 * `out` may be `nodes` when the strides are equal.
 */
export function innerRows(
  out: usize,
  outRow: usize,
  nodes: usize,
  nodeRow: usize,
  rows: i32,
  pairs: i32,
  skipFrom: i32,
  skipTo: i32,
): void {
  if (skipFrom >= skipTo) {
    skipFrom = pairs;
    skipTo = pairs;
  }
  const width = pairs - (skipTo - skipFrom);
  if (width <= 0) return;
  const start: usize = skipFrom === 0 ? <usize>skipTo : 0;
  const stop: usize = skipTo === pairs ? <usize>skipFrom : <usize>pairs;
  const hole = <usize>skipFrom;
  const resume = <usize>skipTo;
  let r: usize = 0;
  let i: usize = start;
  for (let left = rows * width; left > 0; left -= 3) {
    const a0 = nodes + r * nodeRow + (i << 6);
    const o0 = out + r * outRow + (i << 5);
    if (left > 1) {
      if (++i === hole) i = resume;
      if (i >= stop) {
        i = start;
        r++;
      }
    }
    const a1 = nodes + r * nodeRow + (i << 6);
    const o1 = out + r * outRow + (i << 5);
    if (left > 2) {
      if (++i === hole) i = resume;
      if (i >= stop) {
        i = start;
        r++;
      }
    }
    const a2 = nodes + r * nodeRow + (i << 6);
    const o2 = out + r * outRow + (i << 5);
    if (++i === hole) i = resume;
    if (i >= stop) {
      i = start;
      r++;
    }
    inner(o0, o1, o2, a0, a1, a2);
  }
}

/** Writes the empty node (32 zero bytes) behind the `count` nodes of every row. */
export function padRows(nodes: usize, row: usize, rows: i32, count: i32): void {
  let at = nodes + ((<usize>count) << 5);
  for (let r = 0; r < rows; r++) {
    v128.store(at, i64x2.splat(0));
    v128.store(at, i64x2.splat(0), 16);
    at += row;
  }
}

/**
 * Folds the `count` nodes of every row `levels` times, in place. Rows need room for an even number of nodes.
 *
 * Nodes zeroFrom <= i < zeroTo are known to be zero subtrees: they are not hashed, but taken from `zeroNodes` (the
 * digests of zero subtrees by height), in which they stand at height `height`.
 *
 * @returns nodes left in every row
 */
export function foldRows(
  nodes: usize,
  row: usize,
  rows: i32,
  count: i32,
  levels: i32,
  zeroFrom: i32,
  zeroTo: i32,
  zeroNodes: usize,
  height: i32,
): i32 {
  for (let level = 0; level < levels; level++) {
    if (count & 1) padRows(nodes, row, rows, count);
    const pairs = (count + 1) >> 1;
    zeroFrom = (zeroFrom + 1) >> 1;
    zeroTo = zeroTo >> 1;
    height++;
    innerRows(nodes, row, nodes, row, rows, pairs, zeroFrom, zeroTo);
    if (zeroFrom < zeroTo) {
      fillNodes(nodes, row, rows, zeroFrom, zeroTo, zeroNodes + ((<usize>height) << 5));
    }
    count = pairs;
  }
  return count;
}
