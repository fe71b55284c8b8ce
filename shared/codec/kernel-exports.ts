/**
 * The SIMD kernels as seen from TypeScript: functions over addresses in one WebAssembly memory.
 *
 * The module is compiled from `kernels/assembly` and injected by the composition root. Addresses below `ARENA` hold the
 * kernels' own tables; everything above is laid out by the callers (`kernel-arena.ts`). The kernels trust their
 * arguments: bounds are the layout's business, and nothing here may be called with lengths from outside.
 */
import { assert } from "../base/errors.ts";

/** First address that belongs to the callers. */
export const ARENA = 0x60000;
export const PAGE_BYTES = 65536;
/** Leaves are read up to this many bytes before and behind their symbols. */
export const LEAF_SLACK = 128;

type I = number;

export interface KernelExports {
  initField(): void;
  locator(out: I, points: I, count: I, set: I, setCount: I, invert: I): void;

  splitRows(
    symbols: I,
    symbolRow: I,
    rows: I,
    cols: I,
    planes: I,
    planeBytes: I,
    offset: I,
    symbolBytes: I,
  ): void;
  joinRows(symbols: I, symbolRow: I, rows: I, cols: I, planes: I, planeBytes: I, symbolBytes: I): void;
  encodePlanes(
    planes: I,
    out: I,
    planeBytes: I,
    originals: I,
    filled: I,
    recoveries: I,
    from: I,
    to: I,
    work: I,
  ): void;
  encodeRows(
    source: I,
    sourceRow: I,
    target: I,
    targetRow: I,
    rows: I,
    originals: I,
    recoveries: I,
    symbolBytes: I,
    planes: I,
    work: I,
  ): void;
  gatherColumns(target: I, source: I, sourceRow: I, rows: I, columns: I, symbolBytes: I): void;
  gatherRows(
    target: I,
    slots: I,
    slotBytes: I,
    order: I,
    columns: I,
    first: I,
    rows: I,
    symbolBytes: I,
  ): void;
  /** Codewords that `encodeRows` takes side by side. */
  rowGroup(rows: I, symbolBytes: I): I;
  /** Columns that `decodeSlots` takes side by side. */
  columnGroup(columns: I, symbolBytes: I): I;
  decodeSlots(
    slots: I,
    slotBytes: I,
    slotCount: I,
    columns: I,
    symbolBytes: I,
    points: I,
    factors: I,
    missing: I,
    missingSlots: I,
    missingPoints: I,
    missingFactors: I,
    size: I,
    end: I,
    from: I,
    to: I,
    fftSize: I,
    planes: I,
    work: I,
  ): void;

  setLeaf(symbolBytes: I): void;
  leafRows(out: I, outRow: I, turned: I, turnedRow: I, symbols: I, symbolRow: I, rows: I, cols: I): void;
  leafRowsFromTable(
    out: I,
    outRow: I,
    turned: I,
    turnedRow: I,
    symbols: I,
    symbolRow: I,
    rows: I,
    cols: I,
    table: I,
  ): void;
  innerRows(out: I, outRow: I, nodes: I, nodeRow: I, rows: I, pairs: I, skipFrom: I, skipTo: I): void;
  foldRows(
    nodes: I,
    row: I,
    rows: I,
    count: I,
    levels: I,
    zeroFrom: I,
    zeroTo: I,
    zeroNodes: I,
    height: I,
  ): I;
  padRows(nodes: I, row: I, rows: I, count: I): void;
  fillNodes(nodes: I, row: I, rows: I, from: I, to: I, digest: I): void;
  copyNodes(to: I, toRow: I, from: I, fromRow: I, rows: I, count: I): void;
}

/** One instance with a memory of its own, its tables filled. Costs about 5 ms. */
export class Kernel {
  readonly exports: KernelExports;
  readonly #memory: WebAssembly.Memory;
  /** View of the whole memory; replaced when it grows, so never keep it across `ensure`. */
  #bytes: Uint8Array;
  /** The digests of all 2-byte symbols are at this address; 0 when they are not made or their place was reused. */
  leafTableAt = 0;

  constructor(module: WebAssembly.Module, bytes: number, maxBytes: number) {
    this.#memory = new WebAssembly.Memory({ initial: pages(bytes), maximum: pages(maxBytes) });
    const instance = new WebAssembly.Instance(module, { env: { memory: this.#memory, abort: unreachable } });
    // The module is ours and built together with this interface; a test calls every export.
    this.exports = instance.exports as unknown as KernelExports;
    this.#bytes = new Uint8Array(this.#memory.buffer);
    this.exports.initField();
  }

  get bytes(): Uint8Array {
    return this.#bytes;
  }

  /** Grows the memory to at least `bytes`; WebAssembly memory never shrinks. */
  ensure(bytes: number): void {
    const missing = pages(bytes) - pages(this.#bytes.length);
    if (missing <= 0) return;
    this.#memory.grow(missing);
    this.#bytes = new Uint8Array(this.#memory.buffer);
  }
}

export const pages = (bytes: number): number => Math.ceil(bytes / PAGE_BYTES);

function unreachable(): never {
  assert(false, "a kernel aborted");
}
