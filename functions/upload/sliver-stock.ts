/**
 * Slivers of one blob, generated for the nodes that are ready for them, within a bound of bytes.
 *
 * Generating costs a pass over the blob whatever it yields, so requests that come close together share one. Small blobs
 * are generated as a whole, once. Whoever takes slivers gives their bytes back when they are sent.
 */
import type { Clock } from "../../shared/base/clock.ts";
import { assert } from "../../shared/base/errors.ts";
import type { BlobEncoder, EncodedPair } from "../../shared/codec/codec.ts";
import type { SliverPairIndex } from "../../shared/protocol/ids.ts";

export interface SliverStockOptions {
  readonly encoder: BlobEncoder;
  readonly clock: Clock;
  /** Of one pair's two slivers, framed. */
  readonly pairBytes: number;
  /** All slivers that exist outside the encoder. */
  readonly maxBytes: number;
  /** What will be asked for, each pair once; a repetition is made anew. */
  readonly wanted: readonly SliverPairIndex[];
  readonly signal: AbortSignal;
}

interface Order {
  readonly pairs: readonly SliverPairIndex[];
  readonly filled: PromiseWithResolvers<EncodedPair[]>;
}

/** How long the first request waits for others to share its pass. */
const GATHER_MS = 10;
/** A pass is made when so much of the bound is free: many small passes cost more than they save. */
const FREE_SHARE = 1 / 3;

export class SliverStock {
  readonly #options: SliverStockOptions;
  readonly #orders: Order[] = [];
  /** Made ahead of the requests, when everything fits. */
  #ready: Map<SliverPairIndex, EncodedPair> | undefined;
  #heldBytes = 0;
  #isGathering = false;

  constructor(options: SliverStockOptions) {
    this.#options = options;
    options.signal.addEventListener("abort", () => this.#refuseAll(), { once: true });
  }

  get #fitsWhole(): boolean {
    const { wanted, pairBytes, maxBytes } = this.#options;
    return wanted.length * pairBytes <= maxBytes;
  }

  /** Bytes generated and not given back. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  /**
   * The slivers of these pairs, in their order.
   *
   * @throws CodecError of the encoder; the signal's reason when that aborts
   */
  take(pairs: readonly SliverPairIndex[]): Promise<EncodedPair[]> {
    this.#options.signal.throwIfAborted();
    const order = { pairs, filled: Promise.withResolvers<EncodedPair[]>() };
    this.#orders.push(order);
    if (!this.#isGathering) void this.#gather();
    return order.filled.promise;
  }

  /** So many pairs are sent, or will not be. */
  giveBack(pairs: number): void {
    this.#heldBytes -= pairs * this.#options.pairBytes;
    assert(this.#heldBytes >= 0, "no more is given back than was taken");
    if (!this.#isGathering) this.#fill();
  }

  async #gather(): Promise<void> {
    this.#isGathering = true;
    try {
      if (!this.#fitsWhole) await this.#options.clock.sleep(GATHER_MS, this.#options.signal);
    } catch {
      // Aborted: everything is refused already.
    } finally {
      this.#isGathering = false;
    }
    this.#fill();
  }

  #fill(): void {
    try {
      this.#fillFromReady();
      const { maxBytes, pairBytes } = this.#options;
      const freeBytes = maxBytes - this.#heldBytes;
      if (this.#orders.length === 0) return;
      // Of a small blob only repetitions get here: they fit where they were, and must not wait for silent nodes.
      if (!this.#fitsWhole && this.#heldBytes > 0 && freeBytes < maxBytes * FREE_SHARE) return;
      const taken: Order[] = [];
      let pairs = 0;
      for (const order of this.#orders) {
        const bytes = (pairs + order.pairs.length) * pairBytes;
        if (bytes > freeBytes && (pairs > 0 || this.#heldBytes > 0)) break;
        taken.push(order);
        pairs += order.pairs.length;
      }
      if (taken.length === 0) return;
      // An order stays in the list until its pass has succeeded: what fails refuses all that are there.
      const made = this.#make(taken.flatMap((order) => order.pairs));
      this.#orders.splice(0, taken.length);
      for (const order of taken) this.#hand(order, made);
    } catch (error) {
      this.#refuseAll(error);
    }
  }

  /** When everything fits, one pass makes everything; what is asked for again afterwards is made anew. */
  #fillFromReady(): void {
    if (!this.#fitsWhole || this.#orders.length === 0) return;
    this.#ready ??= this.#make(this.#options.wanted);
    const ready = this.#ready;
    for (let at = 0; at < this.#orders.length; ) {
      const order = this.#orders[at];
      if (order?.pairs.every((pair) => ready.has(pair))) {
        this.#orders.splice(at, 1);
        this.#hand(order, ready);
        for (const pair of order.pairs) ready.delete(pair);
      } else at++;
    }
  }

  #make(pairs: readonly SliverPairIndex[]): Map<SliverPairIndex, EncodedPair> {
    const sorted = [...new Set(pairs)].sort((a, b) => a - b);
    const made = new Map(this.#options.encoder.slivers(sorted).map((each) => [each.pair, each]));
    this.#heldBytes += pairs.length * this.#options.pairBytes;
    return made;
  }

  #hand(order: Order, made: ReadonlyMap<SliverPairIndex, EncodedPair>): void {
    order.filled.resolve(
      order.pairs.map((pair) => {
        const encoded = made.get(pair);
        assert(encoded !== undefined, "every pair was made");
        return encoded;
      }),
    );
  }

  #refuseAll(error: unknown = this.#options.signal.reason): void {
    for (const { filled } of this.#orders.splice(0)) filled.reject(error);
    this.#ready = undefined;
  }
}
