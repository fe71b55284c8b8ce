/**
 * Follows the chain's events into the node's store, without gap and without repetition.
 *
 * The cursor is stored in the same transaction as what the events changed, so a restart resumes exactly there. A
 * subscription only rings; all events come from the list, which is ordered and complete. Should the subscription
 * be silent (lost, lagging) the list is polled: every second while there is no subscription, else ever more rarely, up
 * to every ten seconds, as long as nothing happens. One hundred nodes that each polled every second would cost a tenth
 * of a CPU for nothing.
 *
 * At EpochChangeStart the follower reads the committee again and does not go on before it has the new one: a node
 * must not sign for an epoch whose shards it does not know.
 */
import type { Clock } from "../../shared/base/clock.ts";
import type { BlobId } from "../../shared/protocol/ids.ts";
import type { BlobRegistry } from "./blob-registry.ts";
import type { ChainEvent, ChainSource, ChainView } from "./chain-source.ts";
import { parseChainView, serializeChainView } from "./chain-view-record.ts";
import type { NodeStore } from "./store.ts";

const CURSOR_KEY = "event-cursor";
const VIEW_KEY = "chain-view";
const COUNT_KEY = "event-count";
const POLL_MIN_MS = 1_000;
const POLL_MAX_MS = 10_000;
const RETRY_MIN_MS = 100;
const RETRY_MAX_MS = 5_000;

export interface ChainFollowerOptions {
  readonly source: ChainSource;
  readonly store: NodeStore;
  readonly registry: BlobRegistry;
  readonly clock: Clock;
  /** Called after the events are durable, in chain order. */
  readonly onCertified?: (blobId: BlobId) => void;
  readonly onError?: (error: unknown) => void;
}

export class ChainFollower {
  readonly #options: ChainFollowerOptions;
  readonly #abort = new AbortController();
  #view: ChainView | undefined;
  /** Written by the subscription, read and cleared by the loop. */
  #rung = false;
  /** Whether a subscription is up, as far as is known. Written by `#listen`. */
  #isListening = false;
  #wake: (() => void) | undefined;
  #running: Promise<unknown> | undefined;
  /** Events applied since the node first started; survives restarts. */
  #eventCount: number;
  #checkpoint = 0;

  constructor(options: ChainFollowerOptions) {
    this.#options = options;
    this.#eventCount = Number(new TextDecoder().decode(options.store.nodeValue(COUNT_KEY)) || "0");
  }

  /** The newest committee this node knows. Only after `start`. */
  get view(): ChainView {
    if (this.#view === undefined) throw new Error("the follower has not started");
    return this.#view;
  }
  get eventCount(): number {
    return this.#eventCount;
  }
  get checkpoint(): number {
    return this.#checkpoint;
  }

  /**
   * Starts to follow. A node that ran before starts from its stored committee when the chain is out of reach.
   * @throws the source's error when the node never saw a committee
   */
  async start(): Promise<void> {
    try {
      this.#setView(await this.#options.source.view());
    } catch (error) {
      const stored = this.#options.store.nodeValue(VIEW_KEY);
      if (stored === undefined) throw error;
      this.#options.onError?.(error);
      this.#view = parseChainView(stored);
    }
    this.#running = Promise.all([this.#follow(), this.#listen()]);
  }

  async stop(): Promise<void> {
    this.#abort.abort();
    this.#wake?.();
    await this.#running;
  }

  async #follow(): Promise<void> {
    let retryMs = RETRY_MIN_MS;
    let pollMs = POLL_MIN_MS;
    while (!this.#abort.signal.aborted) {
      try {
        this.#rung = false;
        const countBefore = this.#eventCount;
        const atTip = await this.#readPage();
        retryMs = RETRY_MIN_MS;
        const isQuiet = this.#isListening && this.#eventCount === countBefore;
        pollMs = isQuiet ? Math.min(2 * pollMs, POLL_MAX_MS) : POLL_MIN_MS;
        if (atTip && !this.#rung) await this.#sleepUntilRung(pollMs);
      } catch (error) {
        if (this.#abort.signal.aborted) return;
        this.#options.onError?.(error);
        await this.#sleepUntilRung(retryMs);
        retryMs = Math.min(retryMs * 2, RETRY_MAX_MS);
      }
    }
  }

  /** @returns whether the tip was reached */
  async #readPage(): Promise<boolean> {
    const { source, store, registry } = this.#options;
    const page = await source.read(store.nodeValue(CURSOR_KEY), this.#abort.signal);
    const newEpoch = latestEpoch(page.events);
    if (newEpoch > this.view.epoch) await this.#refreshView(newEpoch);
    if (this.#abort.signal.aborted) return false;
    if (page.cursor !== undefined) {
      const cursor = page.cursor;
      const eventCount = this.#eventCount + page.events.length;
      store.transaction(() => {
        for (const event of page.events) registry.apply(event);
        store.setNodeValue(CURSOR_KEY, cursor);
        store.setNodeValue(COUNT_KEY, new TextEncoder().encode(String(eventCount)));
      });
      this.#eventCount = eventCount;
    }
    this.#checkpoint = Math.max(this.#checkpoint, ...page.events.map((event) => event.checkpoint));
    for (const { event } of page.events) {
      if (event.kind === "BlobCertified") this.#options.onCertified?.(event.blob_id);
    }
    return page.atTip;
  }

  /** @throws when the chain does not show that epoch yet; the page is then read again later */
  async #refreshView(epoch: number): Promise<void> {
    const view = await this.#options.source.view();
    if (view.epoch < epoch) throw new Error(`the chain shows epoch ${view.epoch}, its events say ${epoch}`);
    this.#setView(view);
  }

  #setView(view: ChainView): void {
    this.#options.store.setNodeValue(VIEW_KEY, serializeChainView(view));
    this.#view = view;
  }

  async #listen(): Promise<void> {
    const { signal } = this.#abort;
    let retryMs = RETRY_MIN_MS;
    while (!signal.aborted) {
      try {
        this.#isListening = true;
        await this.#options.source.listen(signal, () => {
          retryMs = RETRY_MIN_MS;
          this.#rung = true;
          this.#wake?.();
        });
      } catch (error) {
        if (signal.aborted) return;
        this.#options.onError?.(error);
      }
      this.#isListening = false;
      this.#wake?.();
      await this.#sleep(retryMs);
      retryMs = Math.min(retryMs * 2, RETRY_MAX_MS);
    }
  }

  async #sleepUntilRung(ms: number): Promise<void> {
    const rung = new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    // A sleep that was overtaken ends by itself and wakes nothing; to abort it would cost more than to let it be.
    await Promise.race([rung, this.#sleep(ms)]);
    this.#wake = undefined;
  }

  async #sleep(ms: number): Promise<void> {
    const { signal } = this.#abort;
    try {
      await this.#options.clock.sleep(ms, signal);
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }
}

function latestEpoch(events: readonly ChainEvent[]): number {
  let epoch = 0;
  for (const { event } of events) {
    if (event.kind === "EpochChangeStart") epoch = Math.max(epoch, event.epoch);
  }
  return epoch;
}
