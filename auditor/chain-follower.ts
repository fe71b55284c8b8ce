/**
 * Keeps the ledger's tables of blob objects equal to the chain's events, up to a chosen checkpoint and no further.
 *
 * A page of events and the cursor behind it are written in one transaction, so an event is applied exactly once,
 * whatever dies in between. At `EpochChangeStart(e)` the follower stops until P(e) is built from what came before:
 * the list is built slice by slice, and only then is the event applied.
 */
import { applyPopulationEvent, isPopulationEvent } from "../shared/audit/population-events.ts";
import { fromBase64, toBase64 } from "../shared/protocol/bytes.ts";
import type { PlacedEvent } from "../shared/sui/event-pages.ts";
import type { WalrusEvent } from "../shared/sui/events.ts";
import { SuiError } from "../shared/sui/sui-error.ts";
import type { ChainReader } from "./chain-reader.ts";
import { type LedgerSql, readMeta, writeMeta } from "./ledger-sql.ts";
import { listName, type PopulationLists, type SqlPopulationStore } from "./population-tables.ts";

export class ChainFollower {
  readonly #sql: LedgerSql;
  readonly #chain: ChainReader;
  readonly #store: SqlPopulationStore;
  readonly #lists: PopulationLists;

  constructor(parts: {
    readonly sql: LedgerSql;
    readonly chain: ChainReader;
    readonly store: SqlPopulationStore;
    readonly lists: PopulationLists;
  }) {
    this.#sql = parts.sql;
    this.#chain = parts.chain;
    this.#store = parts.store;
    this.#lists = parts.lists;
  }

  /** The newest Walrus epoch that an event spoke of; undefined before the first event. */
  get epoch(): number | undefined {
    const text = readMeta(this.#sql, "epoch");
    return text === undefined ? undefined : Number(text);
  }

  /** Events of all checkpoints before this one are applied. */
  get readTo(): number {
    return Number(readMeta(this.#sql, "read_to") ?? "0");
  }

  /**
   * One page of events, or one slice of the population that an epoch change asks for.
   *
   * @param beforeCheckpoint where to stop (exclusive); the chain must have it
   * @returns true once everything before it is applied
   * @throws SuiError; AuditError `INVALID_EVENT_ORDER` when the endpoint's history begins too late
   */
  async step(beforeCheckpoint: number, nShards: number): Promise<boolean> {
    if (this.readTo >= beforeCheckpoint) return true;
    const pending = readMeta(this.#sql, "building_epoch");
    if (pending !== undefined) {
      if (!this.#lists.build(listName("permanent", Number(pending)), nShards)) return false;
      this.#sql.exec("DELETE FROM meta WHERE name = 'building_epoch'");
    }
    const cursorText = readMeta(this.#sql, "cursor");
    const after = cursorText === undefined ? undefined : fromBase64(cursorText);
    const page = await this.#chain.events(after, beforeCheckpoint);
    const times = await this.#epochTimes(page.events);
    const isWhole = this.#sql.transaction(() => this.#applyAll(page.events, times));
    if (!isWhole) return false;
    this.#sql.transaction(() => {
      // At a bound the cursor of the last event is safe whatever the endpoint makes of the bound itself.
      if (page.cursor !== undefined && page.end === "more")
        writeMeta(this.#sql, "cursor", toBase64(page.cursor));
      if (page.end === "bound") writeMeta(this.#sql, "read_to", `${beforeCheckpoint}`);
    });
    if (page.end === "tip") {
      throw new SuiError("SUI_STALE", `the endpoint's events end before checkpoint ${beforeCheckpoint}`, {
        retryable: true,
        details: { beforeCheckpoint },
      });
    }
    return page.end === "bound";
  }

  /** Events that speak of hand-overs carry no time; their checkpoints do. Rare: some hundred per epoch. */
  async #epochTimes(events: readonly PlacedEvent[]): Promise<ReadonlyMap<number, number>> {
    const times = new Map<number, number>();
    for (const { event, checkpoint } of events) {
      const { kind } = event;
      const isTimed = kind === "EpochChangeStart" || kind === "EpochChangeDone" || kind === "ShardsReceived";
      if (!isTimed || times.has(checkpoint)) continue;
      times.set(checkpoint, (await this.#chain.checkpoint(checkpoint)).timestampMs);
    }
    return times;
  }

  /** @returns false when it stopped in front of an epoch whose population is not built yet */
  #applyAll(events: readonly PlacedEvent[], times: ReadonlyMap<number, number>): boolean {
    for (const { event, checkpoint, cursor } of events) {
      if (event.kind === "EpochChangeStart") {
        const list = listName("permanent", event.epoch);
        if (this.#lists.summary(list) === undefined) {
          this.#lists.begin(list, "permanent", event.epoch);
          writeMeta(this.#sql, "building_epoch", `${event.epoch}`);
          return false;
        }
      }
      this.#apply(event, checkpoint, times.get(checkpoint) ?? 0);
      writeMeta(this.#sql, "cursor", toBase64(cursor));
    }
    return true;
  }

  #apply(event: WalrusEvent, checkpoint: number, timeMs: number): void {
    if (isPopulationEvent(event)) applyPopulationEvent(this.#store, event, checkpoint);
    if ("epoch" in event && event.epoch > (this.epoch ?? -1)) writeMeta(this.#sql, "epoch", `${event.epoch}`);
    switch (event.kind) {
      case "EpochChangeStart":
        this.#sql.exec(
          "INSERT OR IGNORE INTO epoch_change (epoch, start_ms) VALUES (?, ?)",
          event.epoch,
          timeMs,
        );
        return;
      case "EpochChangeDone":
        this.#sql.exec("UPDATE epoch_change SET done_ms = ? WHERE epoch = ?", timeMs, event.epoch);
        return;
      case "ShardsReceived":
        for (const shard of event.shards) {
          this.#sql.exec(
            "INSERT OR REPLACE INTO shard_receipt (epoch, shard, received_ms) VALUES (?, ?, ?)",
            event.epoch,
            shard,
            timeMs,
          );
        }
        return;
      default:
        return;
    }
  }
}
