/**
 * Keeps the ledger's tables of blob objects equal to the chain's events, up to a chosen checkpoint and no further.
 *
 * Events come from the endpoint, page by page, as long as it has the checkpoint that is next; what it has forgotten
 * comes from Walrus event blobs (`history.ts`). Both say where an event stands (its checkpoint, and how many Walrus
 * events of it come before), so the ledger's place means the same in both, and the source may change at any checkpoint.
 *
 * A page or stretch of events and the place behind it are written in one transaction, so an event is applied exactly
 * once, whatever dies in between. At `EpochChangeStart(e)` the follower stops until P(e) is built from what came
 * before: the list is built slice by slice, and only then is the event applied. Epochs whose committee cannot be read
 * any more get no list: no round can be held in them.
 *
 * Where it stands is in `meta`: `place`, `place_tx`, `cursor`, `read_to`, `epoch`, `unknown_event`, `building_epoch`.
 */
import { toBase58 } from "@mysten/sui/utils";
import { applyPopulationEvent, isPopulationEvent } from "../../shared/audit/population-events.ts";
import { fromBase64, toBase64 } from "../../shared/base/bytes.ts";
import type { Sql } from "../../shared/base/sql.ts";
import type { CheckpointInfo } from "../../shared/sui/client/checkpoints.ts";
import { SuiError } from "../../shared/sui/client/sui-error.ts";
import type { ChainReader } from "../../shared/sui/walrus/chain-reader.ts";
import type { EventPage } from "../../shared/sui/walrus/event-pages.ts";
import type { UnknownEvent, WalrusEvent } from "../../shared/sui/walrus/events.ts";
import { noteEpochDone, noteEpochStart, noteShardReceived } from "../ledger/epochs.ts";
import { dropMeta, readMeta, writeMeta, writeMetaOnce } from "../ledger/meta.ts";
import type { SqlPopulationStore } from "../population/object-tables.ts";
import { listName, type PopulationLists } from "../population/population-tables.ts";
import type { History, HistoryMark, LedgerPlace } from "./history.ts";
import { HistoryError } from "./history-blob.ts";

/** Steps in one call: a slice of a list is all CPU, and the platform's clock stands still meanwhile. */
const STEPS_AT_ONCE = 100;

/** Where the ledger stands once an element is applied. */
interface Progress {
  /** Undefined while the ledger's own is. */
  readonly place: LedgerPlace | undefined;
  /** Undefined behind the end of a checkpoint. */
  readonly txDigest?: string;
  readonly cursor?: Uint8Array;
  readonly mark?: HistoryMark;
}

/** When something happened, as far as the chain shows. */
interface TimeSpan {
  readonly fromMs: number;
  readonly untilMs: number;
}
/** Of events whose time is of no interest. */
const ANY_TIME: TimeSpan = { fromMs: 0, untilMs: 0 };

/** An event, or the end of a checkpoint, from either source. */
interface Followed {
  readonly event: WalrusEvent | UnknownEvent | null;
  readonly checkpoint: number;
  readonly progress: Progress;
}

export class ChainFollower {
  readonly #sql: Sql;
  readonly #chain: ChainReader;
  readonly #store: SqlPopulationStore;
  readonly #lists: PopulationLists;
  readonly #history: History;
  /**
   * The oldest checkpoint that the endpoint had when it was last asked, on the way to `before`; only `#first` writes
   * it.
   */
  #kept: { readonly first: number; readonly before: number } | undefined;

  constructor(parts: {
    readonly sql: Sql;
    readonly chain: ChainReader;
    readonly store: SqlPopulationStore;
    readonly lists: PopulationLists;
    readonly history: History;
  }) {
    this.#sql = parts.sql;
    this.#chain = parts.chain;
    this.#store = parts.store;
    this.#lists = parts.lists;
    this.#history = parts.history;
  }

  /** The newest Walrus epoch that an event spoke of; undefined before the first event. */
  get epoch(): number | undefined {
    return readMeta(this.#sql, "epoch");
  }

  /** Events of all checkpoints before this one are applied. */
  get readTo(): number {
    return readMeta(this.#sql, "read_to") ?? 0;
  }

  /**
   * Steps until everything before `beforeCheckpoint` is applied, or the invocation has done enough: a first reading
   * takes thousands of them.
   *
   * @param isSpent asked after every step
   * @returns whether it is there
   * @throws as `step`
   */
  async follow(beforeCheckpoint: number, nShards: number, isSpent: () => boolean): Promise<boolean> {
    for (let step = 0; step < STEPS_AT_ONCE; step++) {
      if (await this.step(beforeCheckpoint, nShards)) return true;
      if (isSpent()) break;
    }
    return false;
  }

  /**
   * One page or stretch of events, one step back through the history, or one slice of the population that an epoch
   * change asks for.
   *
   * @param beforeCheckpoint where to stop (exclusive); the chain must have it
   * @returns true once everything before it is applied
   * @throws SuiError; HistoryError or EventBlobError when neither endpoint nor event blobs have what is next; AuditError
   *   `INVALID_EVENT_ORDER` for events that contradict each other
   */
  async step(beforeCheckpoint: number, nShards: number): Promise<boolean> {
    if (this.readTo >= beforeCheckpoint) return true;
    const pending = readMeta(this.#sql, "building_epoch");
    if (pending !== undefined) {
      if (!this.#lists.build(listName("permanent", pending), nShards)) return false;
      dropMeta(this.#sql, "building_epoch");
    }
    const place = placeIn(this.#sql);
    const cursorText = readMeta(this.#sql, "cursor");
    const cursor = cursorText === undefined ? undefined : fromBase64(cursorText);
    // In the middle of a checkpoint only the source that led there knows how to go on.
    const isInsideBlob = cursor === undefined && (place?.count ?? 0) > 0;
    const first = await this.#first(beforeCheckpoint);
    if (!isInsideBlob && first <= (place?.checkpoint ?? this.readTo))
      return this.#followEndpoint(beforeCheckpoint, place, cursor);
    if (place === undefined) {
      throw new HistoryError("HISTORY_BROKEN", "the ledger does not know how far it has read its last page", {
        details: { first, readTo: this.readTo },
      });
    }
    return this.#followHistory(beforeCheckpoint, place);
  }

  async #followEndpoint(
    before: number,
    place: LedgerPlace | undefined,
    cursor: Uint8Array | undefined,
  ): Promise<boolean> {
    const from = place?.checkpoint ?? this.readTo;
    const page = await this.#chain.events(cursor ?? from, before).catch(async (error: unknown) => {
      if (!(error instanceof SuiError) || error.code !== "SUI_FORGOTTEN") throw error;
      // It forgot meanwhile, or behind its address are several that keep different spans: then another may know.
      if ((await this.#first(before, true)) <= from) throw error;
      return undefined;
    });
    // One that cuts a list off instead of refusing, and forgets while it answers: what it still has was complete.
    if (page === undefined || (await this.#first(before, true)) > from) return false;
    const isWhole = await this.#applyAll(followedOf(page, place), before);
    if (!isWhole) return false;
    this.#sql.transaction(() => {
      if (page.cursor !== undefined && page.end === "more") {
        writeMeta(this.#sql, "cursor", toBase64(page.cursor));
        this.#moveTo({ checkpoint: page.coveredBefore ?? 0, count: 0 });
      }
      if (page.end === "bound") {
        // The next page starts with the bound: the last event may be forgotten by then, however quiet the chain was.
        dropMeta(this.#sql, "cursor");
        writeMeta(this.#sql, "read_to", before);
        this.#moveTo({ checkpoint: before, count: 0 });
      }
    });
    if (page.end === "tip") {
      throw new SuiError("SUI_STALE", `the endpoint's events end before checkpoint ${before}`, {
        retryable: true,
        details: { beforeCheckpoint: before },
      });
    }
    return page.end === "bound";
  }

  async #followHistory(before: number, place: LedgerPlace): Promise<boolean> {
    const stretch = await this.#history.next(place, readMeta(this.#sql, "place_tx"));
    if (stretch === undefined) return false;
    const followed = stretch.elements
      .filter(({ element }) => element.place.checkpoint < before)
      .map(({ element: { event, place: at, txDigest }, mark }): Followed => {
        const digest = event === null ? {} : { txDigest: toBase58(txDigest) };
        return { event, checkpoint: at.checkpoint, progress: { place: mark.next, mark, ...digest } };
      });
    if (!(await this.#applyAll(followed, before))) return false;
    const isThere = followed.length < stretch.elements.length || stretch.mark.next.checkpoint >= before;
    this.#sql.transaction(() => {
      if (stretch.elements.length === 0) this.#history.keep(stretch.mark);
      if (isThere) writeMeta(this.#sql, "read_to", before);
    });
    return isThere;
  }

  /** Forwards only: a page's watermark may lag behind its last event. */
  #moveTo(place: LedgerPlace): void {
    const now = placeIn(this.#sql);
    if (now !== undefined && now.checkpoint >= place.checkpoint) return;
    writeMeta(this.#sql, "place", `${place.checkpoint}:${place.count}`);
    dropMeta(this.#sql, "place_tx");
  }

  /** @param again asks even if it was asked before */
  async #first(before: number, again = false): Promise<number> {
    if (again || this.#kept?.before !== before)
      this.#kept = { first: await this.#chain.firstAvailable(), before };
    return this.#kept.first;
  }

  /** @returns false when it stopped in front of an epoch whose population is not built yet */
  async #applyAll(followed: readonly Followed[], before: number): Promise<boolean> {
    const times = await this.#epochTimes(followed, before);
    const hasEpoch = followed.some(({ event }) => event?.kind === "EpochChangeStart");
    const epochNow = hasEpoch ? (await this.#chain.snapshot()).epoch : 0;
    return this.#sql.transaction(() => {
      let last: Progress | undefined;
      let isWhole = true;
      for (const { event, checkpoint, progress } of followed) {
        if (event?.kind === "EpochChangeStart" && !this.#hasPopulation(event.epoch, epochNow)) {
          isWhole = false;
          break;
        }
        if (event !== null) this.#apply(event, checkpoint, times.get(checkpoint) ?? ANY_TIME);
        last = progress;
      }
      if (last !== undefined) this.#keep(last);
      return isWhole;
    });
  }

  #keep({ place, txDigest, cursor, mark }: Progress): void {
    if (place !== undefined) writeMeta(this.#sql, "place", `${place.checkpoint}:${place.count}`);
    if (txDigest !== undefined) writeMeta(this.#sql, "place_tx", txDigest);
    if (cursor !== undefined) writeMeta(this.#sql, "cursor", toBase64(cursor));
    else dropMeta(this.#sql, "cursor");
    if (mark !== undefined) this.#history.keep(mark);
  }

  /** Begins the epoch's list when it needs one and has none. */
  #hasPopulation(epoch: number, epochNow: number): boolean {
    const list = listName("permanent", epoch);
    if (epoch + 1 < epochNow || this.#lists.summary(list) !== undefined) return true;
    this.#lists.begin(list, "permanent", epoch);
    writeMeta(this.#sql, "building_epoch", epoch);
    return false;
  }

  /**
   * Events that speak of hand-overs carry no time; their checkpoints do. Rare: some hundred per epoch. One in a
   * checkpoint that the endpoint has forgotten happened before the first one it has, it is not known how long: a
   * hand-over that is taken for longer than it was excuses more, never less.
   */
  async #epochTimes(followed: readonly Followed[], before: number): Promise<ReadonlyMap<number, TimeSpan>> {
    const times = new Map<number, TimeSpan>();
    let first: CheckpointInfo | undefined;
    for (const { event, checkpoint } of followed) {
      const kind = event?.kind;
      const isTimed = kind === "EpochChangeStart" || kind === "EpochChangeDone" || kind === "ShardsReceived";
      if (!isTimed || times.has(checkpoint)) continue;
      // Asked anew: reading a history takes hours, and meanwhile the endpoint forgets.
      first ??= await this.#chain.checkpoint(await this.#first(before, true));
      if (checkpoint < first.sequence) times.set(checkpoint, { fromMs: 0, untilMs: first.timestampMs });
      else {
        const { timestampMs } = await this.#chain.checkpoint(checkpoint);
        times.set(checkpoint, { fromMs: timestampMs, untilMs: timestampMs });
      }
    }
    return times;
  }

  #apply(event: WalrusEvent | UnknownEvent, checkpoint: number, time: TimeSpan): void {
    if (event.kind === "Unknown") {
      if (!event.isHarmless) noteUnknown(this.#sql, event.name, checkpoint);
      return;
    }
    if (isPopulationEvent(event)) applyPopulationEvent(this.#store, event, checkpoint);
    if ("epoch" in event && event.epoch > (this.epoch ?? -1)) writeMeta(this.#sql, "epoch", event.epoch);
    switch (event.kind) {
      case "EpochChangeStart":
        noteEpochStart(this.#sql, event.epoch, time.fromMs);
        return;
      case "EpochChangeDone":
        noteEpochDone(this.#sql, event.epoch, time.untilMs);
        return;
      case "ShardsReceived":
        for (const shard of event.shards) noteShardReceived(this.#sql, event.epoch, shard, time.untilMs);
        return;
      default:
        return;
    }
  }
}

/** What a ledger has passed over without knowing what it means for blobs. */
export interface PassedOver {
  readonly name: string;
  readonly checkpoint: number;
}

function noteUnknown(sql: Sql, name: string, checkpoint: number): void {
  const passed: PassedOver = { name, checkpoint };
  writeMetaOnce(sql, "unknown_event", JSON.stringify(passed));
}

export function passedOver(sql: Sql): PassedOver | null {
  const text = readMeta(sql, "unknown_event");
  // Only `noteUnknown` writes it.
  return text === undefined ? null : (JSON.parse(text) as PassedOver);
}

/** How far a ledger is; undefined in one that was last written before places were kept. */
export function placeIn(sql: Sql): LedgerPlace | undefined {
  const text = readMeta(sql, "place");
  if (text === undefined)
    return readMeta(sql, "cursor") === undefined ? { checkpoint: 0, count: 0 } : undefined;
  const [checkpoint, count] = text.split(":");
  return { checkpoint: Number(checkpoint), count: Number(count) };
}

/** A page's events with their places, counted on from where the ledger stands. */
function followedOf({ events }: EventPage, from: LedgerPlace | undefined): Followed[] {
  let place = from;
  return events.map(({ event, checkpoint, cursor, txDigest }): Followed => {
    place = place && { checkpoint, count: checkpoint === place.checkpoint ? place.count + 1 : 1 };
    return { event, checkpoint, progress: { place, cursor, txDigest } };
  });
}
