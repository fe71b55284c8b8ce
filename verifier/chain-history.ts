/** Walrus's events from the first one on, up to chosen checkpoints: blobs in memory, and how epochs went. */

import { MemoryPopulation } from "../shared/audit/population.ts";
import {
  applyPopulationEvent,
  isPopulationEvent,
  MemoryPopulationStore,
} from "../shared/audit/population-events.ts";
import { SuiError } from "../shared/sui/client/sui-error.ts";
import type { ChainReader } from "../shared/sui/walrus/chain-reader.ts";
import type { PlacedEvent } from "../shared/sui/walrus/event-pages.ts";

/** How an epoch began and went on, by checkpoints. */
export interface EpochEvents {
  readonly epoch: number;
  readonly startedAt: number;
  /** Of the transaction that began it. */
  readonly startDigest: string;
  /** When all had announced their shards; undefined while they have not. */
  readonly doneAt: number | undefined;
}

/** Told after every page: the events of all checkpoints before `checkpoint` are read, those before `target` will be. */
export type OnRead = (checkpoint: number, target: number) => void;

export class ChainHistory {
  readonly store = new MemoryPopulationStore();
  readonly #chain: ChainReader;
  readonly #nShards: number;
  readonly #roundEpoch: number;
  readonly #onRead: OnRead;
  readonly #epochs = new Map<number, EpochEvents>();
  /** Where each shard's receipt was announced, by epoch. */
  readonly #receipts = new Map<number, Map<number, number>>();
  #permanent: MemoryPopulation;
  #epoch: number | undefined;
  #firstEpoch: number | undefined;
  #readTo = 0;

  /** @param roundEpoch the only one whose permanent blobs are put in order: seconds, and 300 bytes a blob */
  constructor(chain: ChainReader, nShards: number, roundEpoch: number, onRead: OnRead = () => {}) {
    this.#chain = chain;
    this.#nShards = nShards;
    this.#roundEpoch = roundEpoch;
    this.#onRead = onRead;
    this.#permanent = new MemoryPopulation([], nShards);
  }

  /** The newest that an event spoke of; undefined before the first event. */
  get epoch(): number | undefined {
    return this.#epoch;
  }

  /** In which the network was before its first event; undefined while none of those read tells. */
  get firstEpoch(): number | undefined {
    return this.#firstEpoch;
  }

  /** Permanent blobs as of the start of the round's epoch; none when it began without events before it. */
  get permanent(): MemoryPopulation {
    return this.#permanent;
  }

  /** From this one on, in order: copied, so that reading on changes nothing in it. */
  epochsFrom(epoch: number): EpochEvents[] {
    return [...this.#epochs.values()].filter((each) => each.epoch >= epoch).sort((a, b) => a.epoch - b.epoch);
  }

  /** Checkpoints by shard; copied as well. */
  receipts(epoch: number): ReadonlyMap<number, number> {
    return new Map(this.#receipts.get(epoch));
  }

  /**
   * Reads on until the events of all checkpoints before this one are applied.
   *
   * @throws SuiError, `SUI_STALE` when the endpoint's events end before; AuditError `INVALID_EVENT_ORDER`
   */
  async readTo(checkpoint: number): Promise<void> {
    if (checkpoint <= this.#readTo) return;
    const end = await this.#read(checkpoint, () => false);
    if (end === "tip") {
      throw new SuiError("SUI_STALE", `the endpoint's events end before checkpoint ${checkpoint}`, {
        retryable: true,
        details: { beforeCheckpoint: checkpoint },
      });
    }
    this.#readTo = checkpoint;
  }

  /** Reads on until this epoch has begun, or there is no more. The blobs are then of some time after it. */
  async readOnToEpoch(epoch: number): Promise<EpochEvents | undefined> {
    const tip = await this.#chain.tip();
    await this.#read(tip, () => this.#epochs.has(epoch));
    return this.#epochs.get(epoch);
  }

  /** Reads on until it is known in which epoch the network began, or there is no more. */
  async readOnToFirstEpoch(): Promise<number | undefined> {
    await this.#read(await this.#chain.tip(), () => this.#firstEpoch !== undefined);
    return this.#firstEpoch;
  }

  async #read(before: number, isEnough: () => boolean): Promise<"bound" | "tip"> {
    let after: Uint8Array | number | undefined = this.#readTo === 0 ? undefined : this.#readTo;
    for (;;) {
      const page = await this.#chain.events(after, before);
      for (const event of page.events) this.#apply(event);
      this.#onRead(page.coveredBefore ?? page.events.at(-1)?.checkpoint ?? 0, before);
      if (page.end !== "more") return page.end;
      if (isEnough()) return "bound";
      after = page.cursor;
    }
  }

  #apply({ event, checkpoint, txDigest }: PlacedEvent): void {
    if (event.kind === "EpochChangeStart" && event.epoch === this.#roundEpoch)
      this.#permanent = new MemoryPopulation(this.store.blobs("permanent", event.epoch), this.#nShards);
    if (isPopulationEvent(event)) applyPopulationEvent(this.store, event, checkpoint);
    if ("epoch" in event) {
      this.#firstEpoch ??= event.kind === "EpochChangeStart" ? event.epoch - 1 : event.epoch;
      this.#epoch = Math.max(this.#epoch ?? 0, event.epoch);
    }
    switch (event.kind) {
      case "EpochChangeStart": {
        const { epoch } = event;
        if (!this.#epochs.has(epoch))
          this.#epochs.set(epoch, { epoch, startedAt: checkpoint, startDigest: txDigest, doneAt: undefined });
        return;
      }
      case "EpochChangeDone": {
        const known = this.#epochs.get(event.epoch);
        if (known !== undefined) this.#epochs.set(event.epoch, { ...known, doneAt: checkpoint });
        return;
      }
      case "ShardsReceived": {
        const receipts = this.#receipts.get(event.epoch) ?? new Map<number, number>();
        this.#receipts.set(event.epoch, receipts);
        for (const shard of event.shards) receipts.set(shard, checkpoint);
        return;
      }
      default:
        return;
    }
  }
}
