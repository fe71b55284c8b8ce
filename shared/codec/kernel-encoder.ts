/**
 * Encoding one blob with the SIMD kernels.
 *
 * The blob's bytes go straight into kernel memory. Kept there are the blob and its row parity (half a blob at 1000
 * shards); everything else is made for a few columns at a time (kernel-columns.ts). Systematic primary slivers are
 * rows of the blob as it lies; secondary slivers are columns of blob and row parity; only primary slivers from p on
 * need the column code, once per call of `slivers`, so ask for many pairs at a time.
 *
 * Peak memory in the kernel: 1.5 x the blob at 1000 shards and about 7 MB; outside, the slivers handed out.
 */
import { assert } from "../base/errors.ts";
import { type SliverPairIndex, sliverPairIndex } from "../protocol/ids.ts";
import { sliverOfPair } from "../protocol/mapping.ts";
import type { VerifiedMetadata } from "../protocol/metadata.ts";
import type { BlobLayout } from "../protocol/sizes.ts";
import { serializedSliverBytes } from "../protocol/sliver.ts";
import { type BlobEncoder, CodecError, type EncodedPair } from "./codec.ts";
import { type EncoderPlan, filledRows, planEncoder } from "./kernel-arena.ts";
import {
  type ColumnBlock,
  encodeStep,
  hashColumns,
  MIN_BLOCK_COLUMNS,
  type SourceMatrix,
  type StepObserver,
} from "./kernel-columns.ts";
import { metadataFromBlocks } from "./kernel-metadata.ts";
import type { KernelLease } from "./kernel-pool.ts";

/** A serialised sliver whose data is still to be filled in. */
interface Frame {
  readonly bytes: Uint8Array;
  /** Where its data starts. */
  readonly dataAt: number;
}

/** Recovery rows wanted of the steps, with the frames they go to. */
interface WantedRow {
  /** Row of the encoding minus p. */
  readonly recovery: number;
  readonly frame: Frame;
}

export class KernelEncoder implements BlobEncoder {
  readonly #layout: BlobLayout;
  readonly #plan: EncoderPlan;
  /** Undefined once released. */
  #lease: KernelLease | undefined;
  #writtenBytes = 0;
  /** Set by the first call that needs the complete matrix. */
  #matrix: SourceMatrix | undefined;
  #hasRowParity = false;
  #metadata: VerifiedMetadata | undefined;

  /** @param lease of at least `planEncoder(layout).bytes` bytes */
  constructor(layout: BlobLayout, lease: KernelLease) {
    this.#layout = layout;
    this.#plan = planEncoder(layout);
    this.#lease = lease;
    if (lease.kernel.leafTableAt !== this.#plan.leafTable) lease.kernel.leafTableAt = 0;
  }

  get nShards(): number {
    return this.#layout.nShards;
  }
  get unencodedLength(): number {
    return this.#layout.unencodedLength;
  }

  write(chunk: Uint8Array): void {
    const { kernel } = this.#open();
    const total = this.#writtenBytes + chunk.length;
    if (total > this.unencodedLength) throw this.#lengthMismatch(total);
    kernel.bytes.set(chunk, this.#plan.blob + this.#writtenBytes);
    this.#writtenBytes = total;
  }

  metadata(): VerifiedMetadata {
    const matrix = this.#complete();
    this.#metadata ??= this.#hashAll(matrix);
    return this.#metadata;
  }

  /**
   * Row nodes and column roots of columns `from <= c < to` alone: one part of the work of `metadata`, to be put
   * together by `metadataFromBlocks`.
   *
   * @param nodeColumns width of all blocks, a power of two of at least 16 that divides `from` and, unless it is n, `to`
   */
  columnBlock(from: number, to: number, nodeColumns: number): ColumnBlock {
    const isPower = Number.isInteger(Math.log2(nodeColumns)) && nodeColumns >= MIN_BLOCK_COLUMNS;
    assert(isPower, `blocks of ${nodeColumns} columns`);
    const fits = from >= 0 && from < to && to <= this.nShards && from % nodeColumns === 0;
    assert(fits && (to % nodeColumns === 0 || to === this.nShards), `columns ${from} to ${to}`);
    const matrix = this.#complete(to > this.#layout.secondarySourceSymbols);
    return hashColumns(matrix, from, to, nodeColumns);
  }

  slivers(pairs: readonly SliverPairIndex[]): EncodedPair[] {
    const matrix = this.#complete();
    for (const pair of pairs) sliverPairIndex(pair, this.nShards);
    const { primarySourceSymbols: p, secondarySourceSymbols: s, symbolBytes } = this.#layout;
    const wanted: WantedRow[] = [];
    const frames = pairs.map((pair) => {
      const frame = this.#frame(s * symbolBytes, pair);
      if (pair >= p) wanted.push({ recovery: pair - p, frame });
      else this.#copySourceRow(matrix, pair, frame);
      return frame;
    });
    if (wanted.length > 0) this.#makeRows(matrix, wanted);
    const secondaries = this.#secondaries(matrix, pairs);
    return pairs.map((pair, i) => {
      const [primary, secondary] = [frames[i], secondaries[i]];
      assert(primary !== undefined && secondary !== undefined, "two frames per pair");
      return { pair, primary: primary.bytes, secondary: secondary.bytes };
    });
  }

  source(from: number, to: number): Uint8Array {
    const { kernel } = this.#complete(false);
    assert(0 <= from && from <= to && to <= this.unencodedLength, `bytes ${from} to ${to} of the blob`);
    return kernel.bytes.slice(this.#plan.blob + from, this.#plan.blob + to);
  }

  release(): void {
    this.#matrix = undefined;
    const lease = this.#lease;
    this.#lease = undefined;
    lease?.release();
  }

  #open(): KernelLease {
    if (this.#lease === undefined) throw new CodecError("RELEASED", "this encoder was released");
    return this.#lease;
  }

  #lengthMismatch(have: number): CodecError {
    return new CodecError("LENGTH_MISMATCH", `${have} of ${this.unencodedLength} declared bytes`, {
      details: { haveBytes: have, declaredBytes: this.unencodedLength },
    });
  }

  /** The source matrix with all bytes written, its row parity made unless no column beyond the source is needed. */
  #complete(needsRowParity = true): SourceMatrix {
    const { kernel } = this.#open();
    if (this.#writtenBytes !== this.unencodedLength) throw this.#lengthMismatch(this.#writtenBytes);
    const { nShards, secondarySourceSymbols: s, symbolBytes } = this.#layout;
    const { blob, rowParity, planes, work } = this.#plan;
    const rowBytes = s * symbolBytes;
    if (this.#matrix === undefined) {
      const rows = filledRows(this.#layout);
      kernel.bytes.fill(0, blob + this.#writtenBytes, blob + (rows + 1) * rowBytes);
      const filled = Math.ceil(lastNonZero(kernel.bytes, blob, this.#writtenBytes) / rowBytes);
      this.#matrix = { kernel, layout: this.#layout, plan: this.#plan, filled };
    }
    const { filled } = this.#matrix;
    if (needsRowParity && !this.#hasRowParity) {
      const parityBytes = (nShards - s) * symbolBytes;
      kernel.exports.encodeRows(
        ...([
          blob,
          rowBytes,
          rowParity,
          parityBytes,
          filled,
          s,
          nShards - s,
          symbolBytes,
          planes,
          work,
        ] as const),
      );
      kernel.bytes.fill(0, rowParity + filled * parityBytes, rowParity + (filled + 1) * parityBytes);
      this.#hasRowParity = true;
    }
    return this.#matrix;
  }

  #hashAll(matrix: SourceMatrix, observe?: StepObserver): VerifiedMetadata {
    const { nShards, unencodedLength } = this.#layout;
    const width = 2 ** Math.ceil(Math.log2(nShards));
    const block = hashColumns(matrix, 0, nShards, width, observe);
    return metadataFromBlocks(matrix.kernel, this.#plan.byColumn, nShards, unencodedLength, [block]);
  }

  /** Written by hand: there are 2n of them, and a writer each would cost more than some of their copies. */
  #frame(dataBytes: number, index: number): Frame {
    const { symbolBytes } = this.#layout;
    const bytes = new Uint8Array(serializedSliverBytes(dataBytes));
    let dataAt = 0;
    let rest = dataBytes;
    for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes[dataAt++] = (rest % 0x80) | 0x80;
    bytes[dataAt++] = rest;
    const end = dataAt + dataBytes;
    bytes[end] = symbolBytes & 0xff;
    bytes[end + 1] = symbolBytes >> 8;
    bytes[end + 2] = index & 0xff;
    bytes[end + 3] = index >> 8;
    return { bytes, dataAt };
  }

  #copySourceRow(
    { kernel, layout, plan, filled }: SourceMatrix,
    row: number,
    { bytes, dataAt }: Frame,
  ): void {
    if (row >= filled) return;
    const rowBytes = layout.secondarySourceSymbols * layout.symbolBytes;
    const at = plan.blob + row * rowBytes;
    bytes.set(kernel.bytes.subarray(at, at + rowBytes), dataAt);
  }

  /** Fills rows behind the source rows, and on the way computes the metadata when it is not known yet. */
  #makeRows(matrix: SourceMatrix, wanted: readonly WantedRow[]): void {
    const { kernel, filled, plan } = matrix;
    const { secondarySourceSymbols: s, symbolBytes } = this.#layout;
    if (filled === 0) return;
    const copyFrom = (from: number) => (symbols: number, first: number, columns: number) => {
      const bytes = Math.min(columns, s - first) * symbolBytes;
      if (bytes <= 0) return;
      for (const { recovery, frame } of wanted) {
        const at = symbols + (recovery - from) * columns * symbolBytes;
        frame.bytes.set(kernel.bytes.subarray(at, at + bytes), frame.dataAt + first * symbolBytes);
      }
    };
    if (this.#metadata === undefined) {
      this.#metadata = this.#hashAll(matrix, copyFrom(0));
      return;
    }
    const from = Math.min(...wanted.map(({ recovery }) => recovery));
    const to = 1 + Math.max(...wanted.map(({ recovery }) => recovery));
    const copy = copyFrom(from);
    for (let first = 0; first < s; first += plan.stepColumns) {
      const columns = Math.min(plan.stepColumns, s - first);
      encodeStep(matrix, first, columns, from, to);
      copy(plan.symbols, first, columns);
    }
  }

  /** Secondary slivers are columns of blob and row parity; neighbouring ones are gathered together. */
  #secondaries(matrix: SourceMatrix, pairs: readonly SliverPairIndex[]): Frame[] {
    const { kernel, layout, plan, filled } = matrix;
    const { nShards, primarySourceSymbols: p, secondarySourceSymbols: s, symbolBytes } = layout;
    const frames = pairs.map((pair) =>
      this.#frame(p * symbolBytes, sliverOfPair(pair, "secondary", nShards)),
    );
    const columns = pairs
      .map((pair, i) => ({ column: sliverOfPair(pair, "secondary", nShards) as number, frame: frames[i] }))
      .sort((a, b) => a.column - b.column);
    const columnBytes = filled * symbolBytes;
    for (let at = 0; at < columns.length; ) {
      const first = columns[at]?.column ?? 0;
      const isSource = first < s;
      // The planes are scratch between steps and hold the columns of one.
      const limit = Math.min(first + plan.stepColumns, isSource ? s : nShards);
      const group = columns.slice(at, at + plan.stepColumns).filter(({ column }) => column < limit);
      const count = Math.max(...group.map(({ column }) => column)) + 1 - first;
      const source = isSource ? plan.blob + first * symbolBytes : plan.rowParity + (first - s) * symbolBytes;
      const row = (isSource ? s : nShards - s) * symbolBytes;
      kernel.exports.gatherColumns(plan.planes, source, row, filled, count, symbolBytes);
      for (const { column, frame } of group) {
        const from = plan.planes + (column - first) * columnBytes;
        frame?.bytes.set(kernel.bytes.subarray(from, from + columnBytes), frame.dataAt);
      }
      at += group.length;
    }
    return frames;
  }
}

/** Length up to the last byte that is not zero, of the `length` bytes at `at`. */
function lastNonZero(bytes: Uint8Array, at: number, length: number): number {
  let end = at + length;
  while (end > at && bytes[end - 1] === 0) end--;
  return end - at;
}
