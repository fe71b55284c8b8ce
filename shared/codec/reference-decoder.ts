/**
 * Rebuilding one blob from slivers of one axis, in plain TypeScript.
 *
 * Primary slivers are rows: the column code restores missing source rows from any p of them, all columns side by side
 * in the lanes. Secondary slivers are columns: the row code restores missing source columns from any s, all rows side
 * by side. Decoding happens once, at the first call that needs a missing source row or column; later calls only copy.
 *
 * Peak memory: the slivers kept (as long as the padded blob), the bytes handed out (`blob`: once more), and work space
 * of about 2 MiB.
 */
import { equalBytes } from "../base/bytes.ts";
import { assert } from "../base/errors.ts";
import { type Axis, otherAxis } from "../protocol/ids.ts";
import { type BlobLayout, sliverBytes, sliverSymbols, sliversToDecode } from "../protocol/sizes.ts";
import type { VerifiedSliver } from "../protocol/sliver.ts";
import { type BlobDecoder, CodecError } from "./codec.ts";
import { elementsToBytesInPlace, paddedBytes } from "./matrix.ts";
import { erasureDecoder } from "./reed-solomon.ts";
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
  /** Elements of the slivers kept, by sliver index, after decoding all systematic ones; undefined once released. */
  #slivers: Map<number, Uint16Array> | undefined = new Map();

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
    const { secondarySourceSymbols: columns, symbolBytes } = this.#layout;
    const width = symbolBytes / 2;
    const rows = new Uint16Array((to - from) * columns * width);
    if (this.#axis === "primary") {
      this.#requireSources(slivers, from, to);
      for (let row = from; row < to; row++) {
        const held = slivers.get(row);
        if (held !== undefined) rows.set(held, (row - from) * columns * width);
      }
    } else {
      this.#requireSources(slivers, 0, columns);
      for (let column = 0; column < columns; column++) {
        const held = slivers.get(column);
        if (held === undefined) continue;
        for (let row = from; row < to; row++) {
          const at = ((row - from) * columns + column) * width;
          for (let i = 0; i < width; i++) rows[at + i] = held[row * width + i] ?? 0;
        }
      }
    }
    elementsToBytesInPlace(rows, symbolBytes);
    // Gives the padding back and leaves an array that owns exactly its bytes.
    return new Uint8Array(rows.buffer.transfer(byteLength));
  }

  /**
   * Sees to it that systematic slivers `from <= i < to` are held. When one is not, all missing ones are decoded at once,
   * each in place of a recovery sliver: there are as many of those as of the missing ones, and they are used up.
   */
  #requireSources(slivers: Map<number, Uint16Array>, from: number, to: number): void {
    let index = from;
    while (index < to && slivers.has(index)) index++;
    if (index === to) return;
    if (slivers.size < this.#need) {
      throw new CodecError("TOO_FEW_SLIVERS", `have ${slivers.size} of ${this.#need} ${this.#axis} slivers`, {
        details: { have: slivers.size, need: this.#need, axis: this.#axis },
      });
    }
    const decoder = erasureDecoder(codeOfSliver(this.#layout, otherAxis(this.#axis)), [...slivers.keys()]);
    const usedUp = decoder.present.filter((sliver) => sliver >= this.#need);
    const targets = new Map<number, Uint16Array>();
    decoder.missing.forEach((missing, i) => {
      const target = slivers.get(usedUp[i] ?? -1);
      assert(target !== undefined, `no recovery sliver to put sliver ${missing} in place of`);
      targets.set(missing, target);
    });
    const lanes = sliverBytes(this.#layout, this.#axis) / 2;
    decoder.decode([...slivers.values()], 0, lanes, (sliver, values, lane) => {
      targets.get(sliver)?.set(values, lane);
    });
    for (const sliver of usedUp) slivers.delete(sliver);
    for (const [sliver, elements] of targets) slivers.set(sliver, elements);
  }
}
