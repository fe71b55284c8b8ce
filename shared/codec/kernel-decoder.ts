/**
 * Rebuilding one blob from slivers of one axis with the SIMD kernels.
 *
 * Slivers are copied into slots of kernel memory as they come. The first request that needs it decodes all missing
 * ones in place, once. Primary slivers are rows of the blob; secondary slivers are columns, so their rows are gathered.
 *
 * Peak memory in the kernel: as much as the padded blob and 1 MB; outside, the bytes handed out.
 */
import { equalBytes } from "../base/bytes.ts";
import { assert } from "../base/errors.ts";
import { type Axis, otherAxis } from "../protocol/ids.ts";
import { type BlobLayout, sliverBytes, sliverSymbols, sliversToDecode } from "../protocol/sizes.ts";
import type { VerifiedSliver } from "../protocol/sliver.ts";
import { type BlobDecoder, CodecError } from "./codec.ts";
import { type DecoderPlan, planDecoder } from "./kernel-arena.ts";
import { decodeErasures } from "./kernel-erasures.ts";
import type { Kernel } from "./kernel-exports.ts";
import type { KernelLease } from "./kernel-pool.ts";
import type { ReedSolomonCode } from "./reed-solomon.ts";
import { codeOfSliver } from "./symbols.ts";

/** Primary slivers decode by the column code, once per column; secondary ones by the row code, once per row. */
const decodingCode = (layout: BlobLayout, axis: Axis): ReedSolomonCode =>
  codeOfSliver(layout, otherAxis(axis));

export const planBlobDecoder = (layout: BlobLayout, axis: Axis): DecoderPlan =>
  planDecoder(decodingCode(layout, axis), sliverSymbols(layout, axis), layout.symbolBytes);

export class KernelDecoder implements BlobDecoder {
  readonly #layout: BlobLayout;
  readonly #axis: Axis;
  readonly #plan: DecoderPlan;
  readonly #need: number;
  /** Undefined once released. */
  #lease: KernelLease | undefined;
  /** Slot by sliver index, in order of arrival. */
  readonly #slots = new Map<number, number>();
  /** Slot of every source sliver; set by decoding, after which the slots of other slivers are overwritten. */
  #decoded: Uint16Array | undefined;

  /** @param lease of at least `planBlobDecoder(layout, axis).bytes` bytes */
  constructor(layout: BlobLayout, axis: Axis, lease: KernelLease) {
    this.#layout = layout;
    this.#axis = axis;
    this.#plan = planBlobDecoder(layout, axis);
    this.#need = sliversToDecode(layout, axis);
    this.#lease = lease;
    lease.kernel.leafTableAt = 0;
  }

  add(sliver: VerifiedSliver): number {
    const kernel = this.#open();
    this.#check(sliver);
    const held = this.#slots.get(sliver.index);
    if (held !== undefined) {
      const isOverwritten = this.#decoded !== undefined && sliver.index >= this.#need;
      if (!isOverwritten && !equalBytes(this.#slot(kernel, held), sliver.data)) {
        throw new CodecError("CONTRADICTORY_SLIVERS", `two different ${this.#axis} slivers ${sliver.index}`, {
          details: { axis: this.#axis, sliverIndex: sliver.index },
        });
      }
    } else if (this.#slots.size < this.#need) {
      const slot = this.#slots.size;
      this.#slot(kernel, slot).set(sliver.data);
      this.#slots.set(sliver.index, slot);
    }
    return this.#need - this.#slots.size;
  }

  blob(): Uint8Array {
    return this.#sourceBytes(0, this.#layout.primarySourceSymbols, this.#layout.unencodedLength);
  }

  rows(from: number, to: number): Uint8Array {
    assert(from >= 0 && from <= to && to <= this.#layout.primarySourceSymbols, `rows ${from} to ${to}`);
    const rowBytes = sliverBytes(this.#layout, "primary");
    const bytes = this.#sourceBytes(from, to, (to - from) * rowBytes);
    // A blob encoded with other padding than zeros must not look consistent.
    const blobEnd = this.#layout.unencodedLength - from * rowBytes;
    if (blobEnd < bytes.length) bytes.fill(0, Math.max(0, blobEnd));
    return bytes;
  }

  release(): void {
    const lease = this.#lease;
    this.#lease = undefined;
    this.#decoded = undefined;
    lease?.release();
  }

  #open(): Kernel {
    if (this.#lease === undefined) throw new CodecError("RELEASED", "this decoder was released");
    return this.#lease.kernel;
  }

  #check(sliver: VerifiedSliver): void {
    const { symbolBytes, nShards } = this.#layout;
    const expectedBytes = sliverBytes(this.#layout, this.#axis);
    const fits =
      sliver.axis === this.#axis &&
      sliver.index < nShards &&
      sliver.symbolBytes === symbolBytes &&
      sliver.data.length === expectedBytes;
    if (fits) return;
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

  #slot(kernel: Kernel, slot: number): Uint8Array {
    const at = this.#plan.slots + slot * this.#plan.slotBytes;
    return kernel.bytes.subarray(at, at + this.#plan.slotBytes);
  }

  /** The first `byteLength` bytes of source rows `from <= r < to`. */
  #sourceBytes(from: number, to: number, byteLength: number): Uint8Array {
    const kernel = this.#open();
    const out = new Uint8Array(byteLength);
    if (this.#axis === "primary") this.#copyRows(kernel, from, to, out);
    else this.#gatherRows(kernel, from, to, out);
    return out;
  }

  #copyRows(kernel: Kernel, from: number, to: number, out: Uint8Array): void {
    const rowBytes = this.#plan.slotBytes;
    for (let row = from; row < to; row++) {
      const at = (row - from) * rowBytes;
      if (at >= out.length) return;
      const slot = this.#decoded?.[row] ?? this.#slots.get(row) ?? this.#decode(kernel)[row] ?? 0;
      out.set(this.#slot(kernel, slot).subarray(0, out.length - at), at);
    }
  }

  #gatherRows(kernel: Kernel, from: number, to: number, out: Uint8Array): void {
    const { slots, slotBytes, slotCount, symbolBytes, planes, planesBytes, order } = this.#plan;
    const slotOf = this.#decode(kernel);
    new Uint16Array(kernel.bytes.buffer, order, slotCount).set(slotOf);
    const rowBytes = slotCount * symbolBytes;
    const perPass = Math.floor(planesBytes / rowBytes);
    for (let row = from; row < to; row += perPass) {
      const at = (row - from) * rowBytes;
      if (at >= out.length) return;
      const count = Math.min(perPass, to - row);
      kernel.exports.gatherRows(planes, slots, slotBytes, order, slotCount, row, count, symbolBytes);
      const bytes = Math.min(count * rowBytes, out.length - at);
      out.set(kernel.bytes.subarray(planes, planes + bytes), at);
    }
  }

  #decode(kernel: Kernel): Uint16Array {
    if (this.#slots.size < this.#need) {
      throw new CodecError(
        "TOO_FEW_SLIVERS",
        `have ${this.#slots.size} of ${this.#need} ${this.#axis} slivers`,
        {
          details: { have: this.#slots.size, need: this.#need, axis: this.#axis },
        },
      );
    }
    const code = decodingCode(this.#layout, this.#axis);
    this.#decoded ??= decodeErasures(kernel, this.#plan, code, [...this.#slots.keys()]);
    return this.#decoded;
  }
}
