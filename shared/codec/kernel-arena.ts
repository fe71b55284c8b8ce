/**
 * Where an encoder, a decoder or a sliver job keeps what in kernel memory.
 *
 * Regions lie one after the other from `ARENA`, each aligned to a cache line. A plan is a pure function of the blob's
 * layout: it tells the bytes a job needs before any memory is asked for.
 */
import { assert } from "../base/errors.ts";
import type { BlobLayout } from "../protocol/sizes.ts";
import { ARENA, LEAF_SLACK } from "./kernel-exports.ts";
import { nextPowerOfTwo, type ReedSolomonCode } from "./reed-solomon.ts";
import { codeOfSliver } from "./symbols.ts";

const LINE = 64;
const DIGEST = 32;
/** Units of a work row: 4 x 32 bytes (kernels/assembly/reed-solomon.ts). */
const WORK_ROW = 128;
/** Columns whose trees are hashed together: 3 nodes of height 4 a row. */
export const TILE_COLUMNS = 48;
export const TILE_LEVELS = 4;
/** Recovery symbols of a column tile: small enough for an L2 cache, large enough to fill vectors. */
const TILE_SYMBOL_BYTES = 1024 * 1024;
/** Longest path of any tree, and the leaf. */
export const ZERO_NODES = 18;
/** Below this many shards a table of 65,536 digests costs more than the leaves themselves. */
const LEAF_TABLE_SHARDS = 400;
/** Number of 2-byte symbols. */
export const LEAF_TABLE_LEAVES = 65536;
export const LEAF_TABLE_BYTES = LEAF_TABLE_LEAVES * DIGEST;
/** The table is the first region of whoever uses it, so that it outlives jobs. */
const LEAF_TABLE_AT = ARENA;

/** Hands out addresses. */
class Arena {
  #next = ARENA;

  /** Address of a region with `slack` readable bytes on both sides. */
  take(bytes: number, slack = 0): number {
    const at = this.#next + slack;
    this.#next = Math.ceil((at + bytes + slack) / LINE) * LINE;
    return at;
  }

  /** Bytes of memory up to the end of the last region. */
  get end(): number {
    return this.#next;
  }
}

function takeLeafTable(arena: Arena): number {
  const at = arena.take(LEAF_TABLE_BYTES);
  assert(at === LEAF_TABLE_AT, "the leaf table comes first");
  return at;
}

const roundUp16 = (bytes: number): number => (bytes + 15) & ~15;
export const planeBytes = (symbols: number, symbolBytes: number): number =>
  roundUp16((symbols * symbolBytes) / 2);

/** Rows of the work area that encoding takes. */
function encodingRows(code: ReedSolomonCode): number {
  const { originals, blockSize } = code;
  return code.rate === "high" ? Math.ceil(originals / blockSize) * blockSize : 2 * blockSize;
}

/** Must agree with `rowGroup` of the kernel. */
const rowGroup = (rows: number, symbolBytes: number): number =>
  Math.min(rows, Math.max(1, Math.floor(256 / symbolBytes)));
/** Must agree with `columnGroup` of the kernel. */
const columnGroup = (columns: number, symbolBytes: number): number =>
  Math.min(columns, Math.max(1, Math.floor(512 / symbolBytes)));

/** Planes for expanding up to `rows` slivers of n symbols at a time. */
const expansionPlanes = (nShards: number, rows: number, symbolBytes: number): number =>
  nShards * 2 * planeBytes(rowGroup(rows, symbolBytes), symbolBytes);

/** Rows of the source matrix that hold a byte of the blob; the others are zeros. */
export const filledRows = (layout: BlobLayout): number =>
  Math.ceil(layout.unencodedLength / (layout.secondarySourceSymbols * layout.symbolBytes));

/** Bytes that putting `nodes` nodes a row together takes, and hashing the pairs of roots to the root hash. */
export function metadataScratchBytes(nShards: number, nodes: number): number {
  const rows = nShards * (nodes + 2) * DIGEST;
  const pairs = nShards * 2 * DIGEST + (nShards + 2) * DIGEST;
  return Math.max(rows, pairs + 2 * LEAF_SLACK);
}

export interface EncoderPlan {
  readonly bytes: number;
  /** Columns encoded at a time; divides TILE_COLUMNS. */
  readonly stepColumns: number;
  readonly work: number;
  readonly planes: number;
  /** Recovery symbols of a step: n-p rows of stepColumns symbols. */
  readonly symbols: number;
  /** Leaf digests of a tile by row, then its nodes. */
  readonly byRow: number;
  readonly byRowStride: number;
  /** Leaf digests of a tile by column, then the column roots. */
  readonly byColumn: number;
  readonly byColumnStride: number;
  /** Nodes of height TILE_LEVELS of all rows. */
  readonly rowNodes: number;
  readonly rowNodesStride: number;
  /** Digests of zero subtrees by height. */
  readonly zeroNodes: number;
  /** Digests of all 2-byte symbols; 0 when they do not pay. */
  readonly leafTable: number;
  readonly blob: number;
  /** Symbols s..n-1 of the filled rows. */
  readonly rowParity: number;
}

export function planEncoder(layout: BlobLayout): EncoderPlan {
  const { nShards, symbolBytes, primarySourceSymbols: p, secondarySourceSymbols: s } = layout;
  const filled = filledRows(layout);
  const tile = Math.min(TILE_COLUMNS, nShards);
  let stepColumns = TILE_COLUMNS;
  while (stepColumns > 3 && (nShards - p) * stepColumns * symbolBytes > TILE_SYMBOL_BYTES) stepColumns /= 2;
  const step = Math.min(stepColumns, tile);

  const arena = new Arena();
  const leafTable = symbolBytes === 2 && nShards >= LEAF_TABLE_SHARDS ? takeLeafTable(arena) : 0;
  const rows = Math.max(
    encodingRows(codeOfSliver(layout, "primary")),
    encodingRows(codeOfSliver(layout, "secondary")),
  );
  const work = arena.take(rows * WORK_ROW);
  const planes = arena.take(
    Math.max(
      nShards * 2 * planeBytes(step, symbolBytes),
      expansionPlanes(nShards, Math.max(1, filled), symbolBytes),
    ),
  );
  const symbols = arena.take((nShards - p) * step * symbolBytes, LEAF_SLACK);
  const byRowStride = DIGEST * (tile + (tile % 2));
  const byRow = arena.take(nShards * byRowStride);
  const byColumnStride = DIGEST * (nShards + 2);
  // The column roots are put together with the row nodes in the same place (kernel-metadata.ts).
  const byColumn = arena.take(Math.max(tile * byColumnStride, metadataScratchBytes(nShards, 1)));
  const rowNodesStride = DIGEST * (Math.ceil(nShards / 2 ** TILE_LEVELS) + 2);
  const rowNodes = arena.take(nShards * rowNodesStride);
  const zeroNodes = arena.take(ZERO_NODES * DIGEST + 2 * DIGEST);
  // One more row than is filled, kept zero: it stands for all the zero rows behind it.
  const blob = arena.take((filled + 1) * s * symbolBytes, LEAF_SLACK);
  const rowParity = arena.take((filled + 1) * (nShards - s) * symbolBytes, LEAF_SLACK);
  return {
    bytes: arena.end,
    stepColumns,
    work,
    planes,
    symbols,
    byRow,
    byRowStride,
    byColumn,
    byColumnStride,
    rowNodes,
    rowNodesStride,
    zeroNodes,
    leafTable,
    blob,
    rowParity,
  };
}

export interface DecoderPlan {
  readonly bytes: number;
  /** Symbols that decode: slots. */
  readonly slotCount: number;
  readonly slotBytes: number;
  /** Symbols in a slot. */
  readonly columns: number;
  readonly symbolBytes: number;
  readonly work: number;
  readonly planes: number;
  readonly planesBytes: number;
  /** Arrays of u16: by slot, by missing original, by original. */
  readonly points: number;
  readonly factors: number;
  readonly missingSlots: number;
  readonly missingPoints: number;
  readonly missingFactors: number;
  readonly order: number;
  /** u16: the points whose differences the locator multiplies. */
  readonly set: number;
  readonly slots: number;
}

/** Geometry of erasure decoding; positions of the code's symbols among the points. */
export interface ErasureGeometry {
  /** Points at and after it are known zeros (high rate) or count as erased (low rate). */
  readonly end: number;
  /** Transform size: the power of two from `end` on. */
  readonly size: number;
  readonly pointOf: (symbol: number) => number;
}

export function erasureGeometry(code: ReedSolomonCode): ErasureGeometry {
  const { originals: k, recoveries: r, blockSize: m } = code;
  const isHigh = code.rate === "high";
  const end = isHigh ? m + k : m + r;
  const pointOf = (symbol: number): number => {
    if (symbol < k) return isHigh ? m + symbol : symbol;
    return isHigh ? symbol - k : m + symbol - k;
  };
  return { end, size: nextPowerOfTwo(end), pointOf };
}

/**
 * Decoding codewords of `code`, `columns` of them side by side.
 *
 * Memory: k slots of columns * symbolBytes, at 1000 shards and for a blob's slivers as much as the padded blob.
 */
export function planDecoder(code: ReedSolomonCode, columns: number, symbolBytes: number): DecoderPlan {
  const { originals: k, blockSize: m } = code;
  const arena = new Arena();
  const slotBytes = columns * symbolBytes;
  // One row of the matrix must fit as well: `gatherRows` puts rows together there.
  const planesBytes = k * 2 * planeBytes(columnGroup(columns, symbolBytes), symbolBytes);
  const work = arena.take(erasureGeometry(code).size * WORK_ROW);
  const planes = arena.take(planesBytes);
  const points = arena.take(2 * k);
  const factors = arena.take(2 * k);
  const missingSlots = arena.take(2 * k);
  const missingPoints = arena.take(2 * k);
  const missingFactors = arena.take(2 * k);
  const order = arena.take(2 * k);
  const set = arena.take(2 * Math.max(m, k));
  const slots = arena.take(k * slotBytes);
  const addresses = { work, planes, points, factors, missingSlots, missingPoints, missingFactors, order };
  return {
    bytes: arena.end,
    slotCount: k,
    slotBytes,
    columns,
    symbolBytes,
    planesBytes,
    set,
    slots,
    ...addresses,
  };
}

export interface SliverPlan {
  readonly bytes: number;
  /** Digests of all 2-byte symbols; 0 when they are not used. */
  readonly leafTable: number;
  /** Free until slivers are hashed: room for all 2-byte symbols when the table is used. */
  readonly tableSymbols: number;
  readonly work: number;
  readonly planes: number;
  /** Source symbols of `batch` slivers, then of each its recovery symbols. */
  readonly data: number;
  readonly parity: number;
  readonly nodes: number;
  readonly nodesStride: number;
}

/** Expanding and hashing `batch` slivers of one code. */
export function planSlivers(
  nShards: number,
  code: ReedSolomonCode,
  symbolBytes: number,
  batch: number,
  useLeafTable = false,
): SliverPlan {
  const arena = new Arena();
  const leafTable = useLeafTable ? takeLeafTable(arena) : 0;
  const tableSymbols = useLeafTable ? arena.take(2 * LEAF_TABLE_LEAVES, LEAF_SLACK) : 0;
  const work = arena.take(encodingRows(code) * WORK_ROW);
  const planes = arena.take(expansionPlanes(nShards, batch, symbolBytes));
  const data = arena.take(batch * code.originals * symbolBytes, LEAF_SLACK);
  const parity = arena.take(batch * code.recoveries * symbolBytes, LEAF_SLACK);
  const nodesStride = DIGEST * (nShards + 2);
  const nodes = arena.take(batch * nodesStride);
  return { bytes: arena.end, leafTable, tableSymbols, work, planes, data, parity, nodes, nodesStride };
}
