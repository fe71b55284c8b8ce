/**
 * Hashing a range of the encoding's columns: the pure part that may be split over threads or isolates.
 *
 * A tile of 48 columns is encoded in steps (all n rows of a few columns), its leaves are hashed once and used twice:
 *
 *                      48 columns                     by row:     n rows of 48 leaves -> 3 nodes of height 4 kept
 *     source rows   | blob / row parity |            by column:  48 columns of n leaves -> 48 column roots
 *     other rows    | made per step     |
 *
 * Symbols below the source rows exist for one step at a time only, leaf digests for one tile. Of the rows there remain
 * n x n/16 nodes, 2 MB at 1000 shards.
 *
 * Source rows behind the end of the blob are zeros, and so are all columns of a blob of a single row beyond its last
 * symbol. Their nodes are known without hashing: two fifths of all nodes of a 1 KiB blob at 1000 shards.
 */
import { HASH_BYTES } from "../protocol/metadata.ts";
import type { BlobLayout } from "../protocol/sizes.ts";
import { type EncoderPlan, planeBytes, TILE_COLUMNS, TILE_LEVELS, ZERO_NODES } from "./kernel-arena.ts";
import { type Kernel, LEAF_SLACK } from "./kernel-exports.ts";
import { ensureLeafTable } from "./kernel-leaf-table.ts";
import { proofLength } from "./merkle.ts";

/** What a range of columns contributes to the metadata. Plain bytes, safe to send to another thread. */
export interface ColumnBlock {
  /** Columns `from <= c < to`. */
  readonly from: number;
  readonly to: number;
  /** Roots of the columns in order, 32 bytes each. */
  readonly columnRoots: Uint8Array;
  /** Columns below each row node, a power of two. */
  readonly nodeColumns: number;
  /** For every row its nodes over the range in order, 32 bytes each. */
  readonly rowNodes: Uint8Array;
}

/** The blob as it lies in kernel memory, its row parity made. */
export interface SourceMatrix {
  readonly kernel: Kernel;
  readonly layout: BlobLayout;
  readonly plan: EncoderPlan;
  /** Leading source rows that are not known to be zeros; the one behind them is zeros in memory. */
  readonly filled: number;
}

/** Called per step with the address of n-p rows of `columns` recovery symbols, from column `first` on. */
export type StepObserver = (symbols: number, first: number, columns: number) => void;

/** Columns a block may have: powers of two, at least one tile node. Blocks start at multiples of their width. */
export const MIN_BLOCK_COLUMNS = 2 ** TILE_LEVELS;

/** Nodes of a tile have at most this height; trees of few leaves are lower. */
const tileLevels = (nShards: number): number => Math.min(TILE_LEVELS, proofLength(nShards));

/**
 * Roots and row nodes of columns `from <= c < to`; `from` is a multiple of `nodeColumns`, `to` as well or n.
 *
 * Cost: (to - from) * n leaves and about twice as many inner nodes.
 */
export function hashColumns(
  matrix: SourceMatrix,
  from: number,
  to: number,
  nodeColumns: number,
  observe?: StepObserver,
): ColumnBlock {
  const { kernel, layout } = matrix;
  const { exports } = kernel;
  const { nShards } = layout;
  const levels = tileLevels(nShards);
  const columnRoots = new Uint8Array((to - from) * HASH_BYTES);

  exports.setLeaf(layout.symbolBytes);
  const zeroRoot = makeZeroNodes(matrix);
  // All 2-byte symbols lie for a moment where the row leaves of a tile come later.
  if (matrix.plan.leafTable !== 0)
    ensureLeafTable(kernel, matrix.plan.leafTable, matrix.plan.byRow + LEAF_SLACK);
  let nodes = 0;
  for (let first = from; first < to; first += TILE_COLUMNS) {
    const columns = Math.min(TILE_COLUMNS, to - first);
    const isZero = isZeroRange(matrix, first, columns);
    if (isZero) fillZeroTile(matrix, nodes, columns >> levels, columnRoots, first - from, zeroRoot);
    else {
      hashTile(matrix, first, columns, observe);
      foldTileRows(matrix, columns, levels, nodes);
      foldTileColumns(matrix, columns, columnRoots, first - from);
    }
    if (isZero && observe !== undefined) observeZeros(matrix, first, columns, observe);
    nodes += Math.ceil(columns / 2 ** levels);
  }
  // A single block as wide as the tree or wider ends at the root.
  const height = Math.min(proofLength(nodeColumns), proofLength(nShards));
  const rowNodes = foldRowNodes(matrix, nodes, levels, height);
  return { from, to, columnRoots, nodeColumns, rowNodes };
}

/** Source rows that are hashed: those that are filled and one row of zeros, which stands for all others. */
const hashedRows = (layout: BlobLayout, filled: number): number =>
  Math.min(layout.primarySourceSymbols, filled + 1);

/** Rows that are hashed, in runs; of an empty blob all rows are zeros. */
function forRowRuns({ layout, filled }: SourceMatrix, visit: (first: number, count: number) => void): void {
  const { nShards, primarySourceSymbols: p } = layout;
  visit(0, hashedRows(layout, filled));
  if (filled > 0) visit(p, nShards - p);
}

/** The row whose digests stand for those of `row`. */
function representative({ layout, filled }: SourceMatrix, row: number): number {
  const isZero = filled === 0 || (row >= filled && row < layout.primarySourceSymbols);
  return isZero ? filled : row;
}

/** A blob within one row leaves the columns behind its last symbol empty. */
function isZeroRange(matrix: SourceMatrix, first: number, columns: number): boolean {
  const { secondarySourceSymbols: s, symbolBytes, unencodedLength } = matrix.layout;
  if (columns !== TILE_COLUMNS || first + columns > s) return false;
  const used = matrix.filled === 0 ? 0 : Math.ceil(unencodedLength / symbolBytes);
  return matrix.filled <= 1 && first >= used;
}

/** Digests of zero subtrees by height; returns the root over n zero leaves. */
function makeZeroNodes({ kernel, layout, plan }: SourceMatrix): Uint8Array {
  const { exports } = kernel;
  const { nShards, symbolBytes } = layout;
  const pair = plan.zeroNodes + ZERO_NODES * HASH_BYTES;
  kernel.bytes.fill(0, plan.symbols, plan.symbols + symbolBytes);
  exports.leafRows(plan.zeroNodes, 0, 0, 0, plan.symbols, 0, 1, 1);
  for (let height = 1; height < ZERO_NODES; height++) {
    const below = plan.zeroNodes + (height - 1) * HASH_BYTES;
    exports.fillNodes(pair, 0, 1, 0, 2, below);
    exports.innerRows(below + HASH_BYTES, 0, pair, 0, 1, 1, 0, 0);
  }
  const { byColumn, byColumnStride, zeroNodes } = plan;
  exports.fillNodes(byColumn, byColumnStride, 1, 0, nShards, zeroNodes);
  exports.foldRows(byColumn, byColumnStride, 1, nShards, proofLength(nShards), 0, nShards, zeroNodes, 0);
  return kernel.bytes.slice(byColumn, byColumn + HASH_BYTES);
}

/**
 * Encodes columns and leaves the recovery rows' symbols at `plan.symbols`, n-p rows of `columns` symbols.
 *
 * @param from, to only recovery rows `from <= r < to` are made, at the start of `plan.symbols`
 */
export function encodeStep(
  { kernel, layout, plan, filled }: SourceMatrix,
  first: number,
  columns: number,
  from: number,
  to: number,
): void {
  const { exports } = kernel;
  const { nShards, symbolBytes, primarySourceSymbols: p, secondarySourceSymbols: s } = layout;
  const bytes = planeBytes(columns, symbolBytes);
  const inBlob = Math.max(0, Math.min(s - first, columns));
  if (inBlob > 0) {
    const source = plan.blob + first * symbolBytes;
    exports.splitRows(source, s * symbolBytes, filled, inBlob, plan.planes, bytes, 0, symbolBytes);
  }
  if (inBlob < columns) {
    const source = plan.rowParity + (first + inBlob - s) * symbolBytes;
    const row = (nShards - s) * symbolBytes;
    const offset = (inBlob * symbolBytes) / 2;
    exports.splitRows(source, row, filled, columns - inBlob, plan.planes, bytes, offset, symbolBytes);
  }
  const out = plan.planes + p * 2 * bytes;
  exports.encodePlanes(plan.planes, out, bytes, p, filled, nShards - p, from, to, plan.work);
  exports.joinRows(plan.symbols, columns * symbolBytes, to - from, columns, out, bytes, symbolBytes);
}

/** Leaves of all rows of a tile, by row and by column. */
function hashTile(matrix: SourceMatrix, first: number, columns: number, observe?: StepObserver): void {
  const { kernel, layout, plan, filled } = matrix;
  const { nShards, symbolBytes, primarySourceSymbols: p, secondarySourceSymbols: s } = layout;
  const { byColumn, byColumnStride } = plan;
  for (let at = 0; at < columns && filled > 0; at += plan.stepColumns) {
    const count = Math.min(plan.stepColumns, columns - at);
    encodeStep(matrix, first + at, count, 0, nShards - p);
    hashLeaves(matrix, p, nShards - p, at, count, plan.symbols, count * symbolBytes);
    observe?.(plan.symbols, first + at, count);
  }
  const hashed = hashedRows(layout, filled);
  const inBlob = Math.max(0, Math.min(s - first, columns));
  hashLeaves(matrix, 0, hashed, 0, inBlob, plan.blob + first * symbolBytes, s * symbolBytes);
  const parity = plan.rowParity + (first + inBlob - s) * symbolBytes;
  hashLeaves(matrix, 0, hashed, inBlob, columns - inBlob, parity, (nShards - s) * symbolBytes);
  const zeroEnd = filled === 0 ? nShards : p;
  kernel.exports.fillNodes(byColumn, byColumnStride, columns, filled, zeroEnd, plan.zeroNodes);
}

/** Leaves of `count` columns of a tile in `rows` rows; the symbols of a row lie one after the other. */
function hashLeaves(
  { kernel, plan }: SourceMatrix,
  row: number,
  rows: number,
  column: number,
  count: number,
  symbols: number,
  symbolRow: number,
): void {
  const { byRow, byRowStride, byColumn, byColumnStride, leafTable } = plan;
  if (rows === 0 || count === 0) return;
  const out = byRow + row * byRowStride + column * HASH_BYTES;
  const turned = byColumn + column * byColumnStride + row * HASH_BYTES;
  if (leafTable === 0) {
    kernel.exports.leafRows(out, byRowStride, turned, byColumnStride, symbols, symbolRow, rows, count);
  } else {
    const { leafRowsFromTable } = kernel.exports;
    leafRowsFromTable(out, byRowStride, turned, byColumnStride, symbols, symbolRow, rows, count, leafTable);
  }
}

/** Folds the tile's rows to nodes of height `levels` and puts them behind the first `nodes` nodes of each row. */
function foldTileRows(matrix: SourceMatrix, columns: number, levels: number, nodes: number): void {
  const { kernel, plan } = matrix;
  const { byRow, byRowStride, rowNodes, rowNodesStride, zeroNodes } = plan;
  forRowRuns(matrix, (row, count) => {
    const at = byRow + row * byRowStride;
    const left = kernel.exports.foldRows(at, byRowStride, count, columns, levels, 0, 0, zeroNodes, 0);
    const target = rowNodes + row * rowNodesStride + nodes * HASH_BYTES;
    kernel.exports.copyNodes(target, rowNodesStride, at, byRowStride, count, left);
  });
}

function foldTileColumns(
  { kernel, layout, plan, filled }: SourceMatrix,
  columns: number,
  columnRoots: Uint8Array,
  at: number,
): void {
  const { byColumn, byColumnStride, zeroNodes } = plan;
  const { nShards, primarySourceSymbols: p } = layout;
  const zeroEnd = filled === 0 ? nShards : p;
  const levels = proofLength(nShards);
  kernel.exports.foldRows(byColumn, byColumnStride, columns, nShards, levels, filled, zeroEnd, zeroNodes, 0);
  for (let column = 0; column < columns; column++) {
    const root = byColumn + column * byColumnStride;
    columnRoots.set(kernel.bytes.subarray(root, root + HASH_BYTES), (at + column) * HASH_BYTES);
  }
}

function fillZeroTile(
  matrix: SourceMatrix,
  nodes: number,
  count: number,
  columnRoots: Uint8Array,
  at: number,
  zeroRoot: Uint8Array,
): void {
  const { kernel, layout, plan } = matrix;
  const zero = plan.zeroNodes + tileLevels(layout.nShards) * HASH_BYTES;
  forRowRuns(matrix, (row, rows) => {
    const target = plan.rowNodes + row * plan.rowNodesStride;
    kernel.exports.fillNodes(target, plan.rowNodesStride, rows, nodes, nodes + count, zero);
  });
  for (let column = 0; column < TILE_COLUMNS; column++) {
    columnRoots.set(zeroRoot, (at + column) * HASH_BYTES);
  }
}

/** Recovery symbols of a tile of zeros are zeros as well. */
function observeZeros(
  { kernel, layout, plan }: SourceMatrix,
  first: number,
  columns: number,
  observe: StepObserver,
): void {
  const { nShards, primarySourceSymbols: p, symbolBytes } = layout;
  for (let at = 0; at < columns; at += plan.stepColumns) {
    const count = Math.min(plan.stepColumns, columns - at);
    kernel.bytes.fill(0, plan.symbols, plan.symbols + (nShards - p) * count * symbolBytes);
    observe(plan.symbols, first + at, count);
  }
}

/** Folds the rows' nodes of height `levels` up to `height` and returns them row by row. */
function foldRowNodes(matrix: SourceMatrix, nodes: number, levels: number, height: number): Uint8Array {
  const { kernel, layout, plan } = matrix;
  const { rowNodes, rowNodesStride, zeroNodes } = plan;
  const folds = Math.max(0, height - levels);
  forRowRuns(matrix, (row, count) => {
    const at = rowNodes + row * rowNodesStride;
    kernel.exports.foldRows(at, rowNodesStride, count, nodes, folds, 0, 0, zeroNodes, 0);
  });
  const bytes = Math.ceil(nodes / 2 ** folds) * HASH_BYTES;
  const out = new Uint8Array(layout.nShards * bytes);
  for (let row = 0; row < layout.nShards; row++) {
    const at = rowNodes + representative(matrix, row) * rowNodesStride;
    out.set(kernel.bytes.subarray(at, at + bytes), row * bytes);
  }
  return out;
}
