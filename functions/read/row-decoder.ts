/**
 * All rows of a blob from any p verified primary slivers: the way out when many systematic slivers are missing, or too
 * few nodes answer to rebuild single ones. Holds the whole blob, so it is admitted first.
 */

import { assert } from "../../shared/base/errors.ts";
import { type BlobDecoder, CodecError } from "../../shared/codec/codec.ts";
import type { SliverIndex, SliverPairIndex } from "../../shared/protocol/ids.ts";
import type { Sliver, VerifiedSliver } from "../../shared/protocol/sliver.ts";
import { EdgeError } from "../base/edge-error.ts";
import type { HeldMemory } from "../base/isolate-memory.ts";
import { gather, type Inquiry } from "./inquiry.ts";
import type { ReadPorts } from "./ports.ts";
import type { PrimarySlivers } from "./primary-slivers.ts";

export interface CollectOptions {
  readonly slivers: PrimarySlivers;
  /** Slivers asked for and not yet consumed, by index; looked at when memory is admitted. */
  readonly underWay: () => ReadonlyMap<number, Inquiry<VerifiedSliver>>;
  /** Slivers of this blob that may be on their way at once. */
  readonly width: number;
  /** Grows by the decoder's bytes. */
  readonly held: HeldMemory;
  readonly signal: AbortSignal;
}

export class RowDecoder {
  readonly #services: ReadPorts;
  readonly #slivers: PrimarySlivers;
  readonly #decoder: BlobDecoder;
  /** Rows that came as verified slivers; the others are rebuilt, and checked when asked for. */
  readonly #given = new Set<number>();
  #missing: number;

  /**
   * Collects enough slivers: those under way, then from nodes not known to be silent, then from anybody.
   *
   * @throws EdgeError `BLOB_UNAVAILABLE` with slivers had and needed, `BLOB_NOT_FOUND`, `FORBIDDEN_BLOB`; MemoryError
   */
  static async open(services: ReadPorts, options: CollectOptions): Promise<RowDecoder> {
    const { slivers, held, signal } = options;
    const { nShards, unencodedLength } = slivers.metadata;
    const bytes = services.codec.decoderBytes(nShards, unencodedLength);
    await held.grow(bytes, signal);
    try {
      signal.throwIfAborted();
      const decoder = new RowDecoder(services, slivers);
      try {
        await decoder.#collect(options);
        return decoder;
      } catch (error) {
        decoder.release();
        throw error;
      }
    } catch (error) {
      held.shrink(bytes);
      throw error;
    }
  }

  private constructor(services: ReadPorts, slivers: PrimarySlivers) {
    this.#services = services;
    this.#slivers = slivers;
    this.#decoder = services.codec.openDecoder(slivers.metadata, "primary");
    this.#missing = slivers.layout.primarySourceSymbols;
  }

  /** Row `row`, verified. @throws EdgeError `INCONSISTENT_BLOB` */
  row(row: number): Uint8Array {
    const data = this.#decoder.rows(row, row + 1);
    if (this.#given.has(row)) return data;
    const { metadata, layout } = this.#slivers;
    // Row r is primary sliver r, that of pair r.
    const sliver: Sliver = {
      data,
      symbolBytes: layout.symbolBytes,
      index: row as number as SliverIndex,
    };
    const pair = row as SliverPairIndex;
    const [checked] = this.#services.codec.verifySlivers(metadata, [{ axis: "primary", pair, sliver }]);
    if (checked !== undefined && !(checked instanceof CodecError)) return data;
    throw new EdgeError(
      "INCONSISTENT_BLOB",
      `verified slivers decode to another row ${row} than committed to`,
      { details: { blobId: metadata.blobId, row }, cause: checked },
    );
  }

  release(): void {
    this.#decoder.release();
  }

  async #collect(options: CollectOptions): Promise<void> {
    const { slivers, width } = options;
    this.#services.carrier.expect(this.#missing);
    const underWay = new Map(options.underWay());
    const fresh: number[] = [];
    for (let index = 0; index < slivers.layout.nShards; index++) {
      if (!underWay.has(index) && !slivers.hasFailed(index)) fresh.push(index);
    }
    const shared = {
      width,
      weight: () => 1,
      missing: () => this.#missing,
      take: (index: number, sliver: VerifiedSliver) => this.#add(index, sliver),
    };
    await gather<number, VerifiedSliver>({
      ...shared,
      // Those under way cost nothing more, whatever the width is.
      width: width + underWay.size,
      candidates: [...underWay.keys(), ...fresh],
      ask: (index) => underWay.get(index) ?? slivers.fetch(index),
    });
    // Rather late than never: those that were silent get the whole deadline now.
    await gather<number, VerifiedSliver>({
      ...shared,
      candidates: slivers.curable(),
      ask: (index) => slivers.fetchPatiently(index),
    });
    if (this.#missing > 0) throw slivers.unavailable(this.#missing);
  }

  #add(index: number, sliver: VerifiedSliver): void {
    this.#missing = this.#decoder.add(sliver);
    this.#given.add(index);
    assert(this.#missing >= 0, "the decoder counts down");
  }
}
