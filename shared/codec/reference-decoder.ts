/**
 * Rebuilding one blob from slivers of one axis, in plain TypeScript.
 *
 * Primary slivers are rows: the column code restores missing source rows from any p of them, all columns side by side
 * in the lanes. Secondary slivers are columns: the row code restores missing source columns from any s, all rows side
 * by side. The erasure pattern is the same for every lane, so its locator is evaluated once.
 *
 * Peak memory: the slivers kept (as long as the padded blob), the bytes handed out (`blob`: once more), and work space
 * of about 2 MiB.
 */
import { equalBytes } from "../protocol/bytes.ts";
import { assert } from "../protocol/errors.ts";
import { type Axis, otherAxis } from "../protocol/ids.ts";
import { type BlobLayout, sliverBytes, sliverSymbols, sliversToDecode } from "../protocol/sizes.ts";
import type { VerifiedSliver } from "../protocol/sliver.ts";
import { type BlobDecoder, CodecError } from "./codec.ts";
import { elementsToBytesInPlace, paddedBytes } from "./matrix.ts";
import { type ErasureDecoder, erasureDecoder } from "./reed-solomon.ts";
import { codeOfSliver, symbolsFromBytes, symbolsToBytes } from "./symbols.ts";

const WORK_BYTES = 2 * 1024 * 1024;

/** Bytes an open decoder holds at most, the blob it hands out included. */
export function decoderBytes(layout: BlobLayout): number {
  return 2 * paddedBytes(layout) + WORK_BYTES;
}

export class ReferenceDecoder implements BlobDecoder {
  readonly #layout: BlobLayout;
  readonly #axis: Axis;
  readonly #need: number;
  readonly #giveBack: () => void;
  /** Elements of the slivers kept, by sliver index; undefined once released. */
  #slivers: Map<number, Uint16Array> | undefined = new Map();
  /** Made at the first decoding; the slivers kept do not change any more then. */
  #erasures: ErasureDecoder | undefined;

  /** @param giveBack called once, on release */
  constructor(layout: BlobLayout, axis: Axis, giveBack: () => void) {
    this.#layout = layout;
    this.#axis = axis;
    this.#need = sliversToDecode(layout, axis);
    this.#giveBack = giveBack;
  }

  add(sliver: VerifiedSliver): number {
    const slivers = this.#open();
    const { symbolBytes, nShards } = this.#layout;
    const expectedBytes = sliverBytes(this.#layout, this.#axis);
    const fits =
      sliver.axis === this.#axis &&
      sliver.index < nShards &&
      sliver.symbolBytes === symbolBytes &&
      sliver.data.length === expectedBytes;
    if (!fits) {
      throw new CodecError(
        "SLIVER_MISMATCH",
        `${sliver.axis} sliver ${sliver.index} of ${sliver.data.length} bytes; ${this.#axis} ones of ${expectedBytes} decode this blob`,
        {
          details: {
            axis: sliver.axis,
            sliverIndex: sliver.index,
            sliverBytes: sliver.data.length,
            expectedBytes,
          },
        },
      );
    }
    const held = slivers.get(sliver.index);
    if (held !== undefined) {
      if (!equalBytes(this.#toBytes(held), sliver.data)) {
        throw new CodecError("CONTRADICTORY_SLIVERS", `two different ${this.#axis} slivers ${sliver.index}`, {
          details: { axis: this.#axis, sliverIndex: sliver.index },
        });
      }
    } else if (slivers.size < this.#need) {
      const elements = new Uint16Array(expectedBytes / 2);
      symbolsFromBytes(sliver.data, 0, elements, 0, symbolBytes, sliverSymbols(this.#layout, this.#axis));
      slivers.set(sliver.index, elements);
    }
    return this.#need - slivers.size;
  }

  blob(): Uint8Array {
    return this.#sourceBytes(0, this.#layout.primarySourceSymbols, this.#layout.unencodedLength);
  }

  rows(from: number, to: number): Uint8Array {
    const rowBytes = sliverBytes(this.#layout, "primary");
    assert(from >= 0 && from <= to && to <= this.#layout.primarySourceSymbols, `rows ${from} to ${to}`);
    const bytes = this.#sourceBytes(from, to, (to - from) * rowBytes);
    // A blob encoded with other padding than zeros must not look consistent.
    const blobEnd = this.#layout.unencodedLength - from * rowBytes;
    if (blobEnd < bytes.length) bytes.fill(0, Math.max(0, blobEnd));
    return bytes;
  }

  release(): void {
    this.#slivers = undefined;
    this.#erasures = undefined;
    this.#giveBack();
  }

  #open(): Map<number, Uint16Array> {
    if (this.#slivers === undefined) throw new CodecError("RELEASED", "this decoder was released");
    return this.#slivers;
  }

  #toBytes(elements: Uint16Array): Uint8Array {
    const bytes = new Uint8Array(2 * elements.length);
    const { symbolBytes } = this.#layout;
    symbolsToBytes(elements, 0, bytes, 0, symbolBytes, bytes.length / symbolBytes);
    return bytes;
  }

  /** The first `byteLength` bytes of source rows `from <= r < to`. */
  #sourceBytes(from: number, to: number, byteLength: number): Uint8Array {
    const slivers = this.#open();
    const width = this.#layout.symbolBytes / 2;
    const rows = new Uint16Array((to - from) * this.#layout.secondarySourceSymbols * width);
    if (this.#axis === "primary") this.#restoreRows(slivers, from, to, rows);
    else this.#restoreColumns(slivers, from, to, rows);
    elementsToBytesInPlace(rows, this.#layout.symbolBytes);
    // Gives the padding back and leaves an array that owns exactly its bytes.
    return new Uint8Array(rows.buffer.transfer(byteLength));
  }

  #restoreRows(slivers: Map<number, Uint16Array>, from: number, to: number, rows: Uint16Array): void {
    const rowElements = sliverBytes(this.#layout, "primary") / 2;
    let missing = 0;
    for (let row = from; row < to; row++) {
      const held = slivers.get(row);
      if (held === undefined) missing++;
      else rows.set(held, (row - from) * rowElements);
    }
    if (missing === 0) return;
    this.#decode(slivers, 0, rowElements, (row, values, lane) => {
      if (row >= from && row < to) rows.set(values, (row - from) * rowElements + lane);
    });
  }

  #restoreColumns(slivers: Map<number, Uint16Array>, from: number, to: number, rows: Uint16Array): void {
    const width = this.#layout.symbolBytes / 2;
    const columns = this.#layout.secondarySourceSymbols;
    /** Element `lane` of a column is element `lane % width` of its symbol in row `floor(lane / width)`. */
    const place = (column: number, values: Uint16Array, lane: number): void => {
      let row = Math.floor(lane / width);
      let offset = lane % width;
      for (let i = 0; i < values.length; i++) {
        rows[((row - from) * columns + column) * width + offset] = values[i] ?? 0;
        offset++;
        if (offset === width) {
          offset = 0;
          row++;
        }
      }
    };
    let missing = 0;
    for (let column = 0; column < columns; column++) {
      const held = slivers.get(column);
      if (held === undefined) missing++;
      else place(column, held.subarray(from * width, to * width), from * width);
    }
    if (missing > 0) this.#decode(slivers, from * width, to * width, place);
  }

  #decode(
    slivers: Map<number, Uint16Array>,
    from: number,
    to: number,
    emit: (original: number, values: Uint16Array, lane: number) => void,
  ): void {
    if (slivers.size < this.#need) {
      throw new CodecError("TOO_FEW_SLIVERS", `have ${slivers.size} of ${this.#need} ${this.#axis} slivers`, {
        details: { have: slivers.size, need: this.#need, axis: this.#axis },
      });
    }
    this.#erasures ??= erasureDecoder(codeOfSliver(this.#layout, otherAxis(this.#axis)), [...slivers.keys()]);
    this.#erasures.decode([...slivers.values()], from, to, emit);
  }
}
