/**
 * Rows of a blob, in order, a few ahead of the reader. Each is fetched from the node that holds it; when that fails, or
 * is late, the row is restored from others while the late answer may still win.
 *
 * Which way to restore is a matter of cost: symbols of the one row, or all rows by the decoder. The decoder wins when
 * several rows of the rest are missing, symbols when the blob is long or does not fit into memory, and each stands in
 * for the other: rebuilding needs s = n-f shards, decoding only p = n-2f. Last of all the row's own node is asked again,
 * with the whole deadline. A read that has begun never fails for lack of memory: one rebuilding at a time is admitted
 * with the window, and the last way needs none.
 */

import { FloeError } from "../../shared/base/errors.ts";
import { Gate } from "../../shared/base/gate.ts";
import type { Committee } from "../../shared/protocol/committee.ts";
import type { SliverIndex } from "../../shared/protocol/ids.ts";
import type { VerifiedMetadata } from "../../shared/protocol/metadata.ts";
import type { VerifiedSliver } from "../../shared/protocol/sliver.ts";
import { EdgeError } from "../base/edge-error.ts";
import { type HeldMemory, MemoryError } from "../base/isolate-memory.ts";
import type { Inquiry } from "./inquiry.ts";
import { nodesByPreference } from "./locate.ts";
import type { ReadPorts } from "./ports.ts";
import { PrimarySlivers } from "./primary-slivers.ts";
import { rebuildBytes, rebuildSliver } from "./rebuild-sliver.ts";
import { RowDecoder } from "./row-decoder.ts";

/** What a request costs beside its bytes, as bytes that could have come in the meantime. */
const REQUEST_COST_BYTES = 64 * 1024;

export interface RowReaderOptions {
  readonly committee: Committee;
  readonly metadata: VerifiedMetadata;
  /** The bytes of `windowRows` + 1 rows and of one rebuilding; a decoder is added when it comes to that. */
  readonly held: HeldMemory;
  /** Rows asked for at once. */
  readonly windowRows: number;
  /** The last row that will be asked for, exclusive. */
  readonly endRow: number;
  readonly signal: AbortSignal;
}

export class RowReader {
  readonly rowBytes: number;
  readonly #services: ReadPorts;
  readonly #options: RowReaderOptions;
  readonly #slivers: PrimarySlivers;
  readonly #ahead = new Map<number, Promise<Uint8Array>>();
  readonly #inquiries = new Map<number, Inquiry<VerifiedSliver>>();
  /** Rows that need restoring, known so far. */
  readonly #missing = new Set<number>();
  /** Room for one is admitted. */
  readonly #rebuilding = new Gate(1);
  #opening: Promise<RowDecoder> | undefined;
  #decoder: RowDecoder | undefined;
  #isClosed = false;

  constructor(services: ReadPorts, options: RowReaderOptions) {
    this.#services = services;
    this.#options = options;
    this.#slivers = new PrimarySlivers(services, options.committee, options.metadata, options.signal);
    this.rowBytes = this.#slivers.rowBytes;
  }

  /** Row `row`, verified; the following ones are asked for meanwhile. */
  async row(row: number): Promise<Uint8Array> {
    const { endRow, windowRows } = this.#options;
    // The decoder has all rows: nothing is gained by copying them out early.
    const end = this.#decoder === undefined ? Math.min(endRow, row + windowRows) : row + 1;
    for (let next = row; next < end; next++) {
      if (this.#ahead.has(next)) continue;
      const data = this.#obtain(next);
      data.catch(() => {}); // What fails ahead of the reader is thrown when the row is consumed.
      this.#ahead.set(next, data);
    }
    const data = this.#ahead.get(row) ?? this.#obtain(row);
    this.#ahead.delete(row);
    try {
      return await data;
    } finally {
      this.#inquiries.delete(row);
    }
  }

  /** Gives the decoder back; the caller ends the requests by the signal. */
  close(): void {
    this.#isClosed = true;
    this.#decoder?.release();
    this.#decoder = undefined;
  }

  async #obtain(row: number): Promise<Uint8Array> {
    if (this.#decoder !== undefined) return this.#decoder.row(row);
    const inquiry = this.#slivers.fetch(row);
    this.#inquiries.set(row, inquiry);
    const sliver = await Promise.race([inquiry.answer, inquiry.late]);
    if (sliver !== undefined && !(sliver instanceof FloeError)) return sliver.data;
    this.#missing.add(row);
    // Nodes that fall silent together are late together: a moment shows how much is missing.
    await this.#services.transport.clock.sleep(1, this.#options.signal);
    const restored = this.#restore(row);
    if (sliver !== undefined) return restored;
    const lateData = inquiry.answer.then((late) => {
      if (late instanceof FloeError) throw late;
      return late.data;
    });
    try {
      return await Promise.any([restored, lateData]);
    } catch {
      // Neither came: why the row cannot be restored says more than why its node failed.
      return restored;
    }
  }

  async #restore(row: number): Promise<Uint8Array> {
    const prefersSymbols = this.#opening === undefined && this.#symbolsAreCheaper(row);
    const ways = prefersSymbols ? [this.#rebuild, this.#decode] : [this.#decode, this.#rebuild];
    let failure: EdgeError | undefined;
    for (const way of [...ways, this.#waitForOwner]) {
      try {
        const data = await way.call(this, row);
        if (data !== undefined) return data;
      } catch (error) {
        const isOtherWayOpen =
          error instanceof MemoryError || (error instanceof EdgeError && error.code === "BLOB_UNAVAILABLE");
        if (!isOtherWayOpen) throw error;
        if (error instanceof EdgeError) failure = error;
      }
    }
    throw failure ?? this.#slivers.unavailable(1);
  }

  #symbolsAreCheaper(row: number): boolean {
    const { layout, rowBytes } = this.#slivers;
    const { endRow, committee } = this.#options;
    const { primarySourceSymbols: p, secondarySourceSymbols: s, nShards } = layout;
    let missing = 0;
    let present = 0;
    for (let next = row; next < endRow; next++) {
      if (this.#missing.has(next) || this.#slivers.isLikelyMissing(next)) missing++;
      else if (this.#inquiries.has(next)) present++;
    }
    const requests = Math.ceil((committee.members.length * s) / nShards);
    const symbolCost = missing * (rebuildBytes(layout) + requests * REQUEST_COST_BYTES);
    const decoderCost = Math.max(1, p - present) * (rowBytes + REQUEST_COST_BYTES);
    return symbolCost <= decoderCost;
  }

  #rebuild(row: number): Promise<Uint8Array | undefined> {
    return this.#rebuilding.run(async () => {
      const { committee, metadata } = this.#options;
      const nodes = nodesByPreference(this.#services, committee);
      const index = row as number as SliverIndex;
      const sliver = await rebuildSliver(this.#services, metadata, index, nodes, this.#slivers.inquirer);
      return sliver?.data;
    });
  }

  async #decode(row: number): Promise<Uint8Array> {
    return (await this.#openDecoder()).row(row);
  }

  async #waitForOwner(row: number): Promise<Uint8Array | undefined> {
    const sliver = await this.#slivers.fetchPatiently(row).answer;
    return sliver instanceof FloeError ? undefined : sliver.data;
  }

  #openDecoder(): Promise<RowDecoder> {
    this.#opening ??= this.#open();
    return this.#opening;
  }

  async #open(): Promise<RowDecoder> {
    const { held, windowRows, signal } = this.#options;
    const width = Math.max(1, Math.min(windowRows, this.#services.carrier.width));
    const decoder = await RowDecoder.open(this.#services, {
      slivers: this.#slivers,
      underWay: () => this.#inquiries,
      width,
      held,
      signal,
    });
    if (this.#isClosed) decoder.release();
    else this.#decoder = decoder;
    return decoder;
  }
}
