/**
 * What a tracker has to do by itself, and when: the alarm's plan. All of it follows from rows, so an alarm that comes
 * twice finds nothing to do, one that comes late does what is due by then, and one that is lost is replaced by the next
 * call, which sets it again.
 *
 * | job      | due                                                                                                |
 * |----------|----------------------------------------------------------------------------------------------------|
 * | finish   | an unfinished intent whose blob is staged: its worker's turn and its pause are over                 |
 * | drop     | an intent nothing was paid for, whose worker died before the blob was staged (after the time of two more turns, in which a request that joined it may take over) |
 * | abandon  | an unfinished intent at `give_up_at_ms`                                                            |
 * | tail     | slivers are missing after certification: half a minute later, then with growing pauses             |
 * | clean    | objects in the bucket that are not needed any more                                                 |
 * | forget   | nothing is left to do since `TRACKER_LIMITS.trackerKeepMs`: everything is wiped                            |
 */

import { doubledMs } from "../../shared/base/deadline.ts";
import { UPLOAD_LOST } from "../base/portable-edge-error.ts";
import type { TrackerConfirmations } from "./confirmation-log.ts";
import type { TrackerEvents } from "./events.ts";
import type { TrackerIntents } from "./intents.ts";
import { TRACKER_LIMITS } from "./limits.ts";
import type { TrackerStaging } from "./staging.ts";
import type { IntentRow, TrackerTables } from "./tables.ts";

export type TrackerJob =
  | { readonly kind: "finish"; readonly intentId: string }
  | { readonly kind: "tail" }
  | { readonly kind: "clean"; readonly stagingIds: readonly string[] }
  | { readonly kind: "forget" };

/** The invocation that certified has this long for the tail, and some time to report it. */
const FIRST_TAIL_MS = TRACKER_LIMITS.tailTimeoutMs + 2_000;
/** Turns for which a joined request may take over an upload whose blob is not staged. */
const TAKE_OVER_TURNS = 2;
/** One after the other, so that all of them fit into the 15 minutes of an alarm. */
const FINISHED_PER_ALARM = 3;
const CLEAN_BATCH = 100;
const CLEAN_RETRY_MS = 60_000;

export class TrackerSchedule {
  readonly #tables: TrackerTables;
  readonly #events: TrackerEvents;
  readonly #intents: TrackerIntents;
  readonly #staging: TrackerStaging;
  readonly #confirmations: TrackerConfirmations;
  readonly #turnMs: number;
  /** After a failed deletion in the bucket. Lost with the object: then it is tried at once. */
  #cleanAfterMs = 0;

  constructor(
    tables: TrackerTables,
    events: TrackerEvents,
    intents: TrackerIntents,
    staging: TrackerStaging,
    confirmations: TrackerConfirmations,
    turnMs: number,
  ) {
    this.#tables = tables;
    this.#events = events;
    this.#intents = intents;
    this.#staging = staging;
    this.#confirmations = confirmations;
    this.#turnMs = turnMs;
  }

  /** To be called in the transaction of anything that may end the last piece of work. */
  settle(): void {
    const blob = this.#tables.blob();
    if (blob === undefined) return;
    let { tail } = blob;
    const nowMs = this.#tables.clock.nowMs();
    const isComplete = this.#confirmations.storedCount >= 2 * blob.nShards;
    if (tail === "none" && this.#hasCertified()) {
      tail = "open";
      this.#tables.changeBlob({
        tail,
        tailUntilMs: nowMs + TRACKER_LIMITS.tailGiveUpMs,
        tailRetryAtMs: nowMs + FIRST_TAIL_MS,
      });
    }
    if ((tail === "open" || tail === "expired") && isComplete) {
      tail = "complete";
      this.#tables.changeBlob({ tail });
      this.#events.add("tail-complete", null);
    } else if (blob.tail === "open" && (nowMs >= blob.tailUntilMs || !this.#staging.isHeld)) {
      tail = "expired";
      this.#tables.changeBlob({ tail });
      this.#events.add("tail-expired", null, { storedSlivers: this.#confirmations.storedCount });
    }
    if (tail !== "open" && !this.#intents.hasUnfinished) this.#staging.release();
  }

  /** Does what is decided here and names the jobs for the outside; to be called inside one transaction. */
  due(): TrackerJob[] {
    const blob = this.#tables.blob();
    if (blob === undefined) return [];
    const nowMs = this.#tables.clock.nowMs();
    const jobs: TrackerJob[] = [];
    for (const row of this.#intents.unfinished()) {
      if (this.#dueMs(row) > nowMs) continue;
      const action = this.#actionOf(row);
      if (action === "finish") {
        if (jobs.length >= FINISHED_PER_ALARM) continue;
        jobs.push({ kind: "finish", intentId: row.intentId });
        // Also when the Uploader cannot even be called, the next call waits.
        this.#tables.changeIntent(row.intentId, { retryAtMs: nowMs + this.#turnMs });
      } else {
        if (row.failure === null) this.#tables.changeIntent(row.intentId, { failure: UPLOAD_LOST });
        this.#intents.end(row, action);
      }
    }
    this.settle();
    const after = this.#tables.blob();
    if (after?.tail === "open" && after.tailRetryAtMs <= nowMs) {
      this.#tables.changeBlob({
        tailAttempt: after.tailAttempt + 1,
        tailRetryAtMs:
          nowMs + doubledMs(after.tailAttempt + 1, FIRST_TAIL_MS, TRACKER_LIMITS.uploadRetryMaxMs),
      });
      jobs.push({ kind: "tail" });
    }
    const stagingIds = this.#staging.garbage(CLEAN_BATCH);
    if (stagingIds.length > 0 && nowMs >= this.#cleanAfterMs) jobs.push({ kind: "clean", stagingIds });
    if (jobs.length === 0 && this.#forgetMs() <= nowMs) jobs.push({ kind: "forget" });
    return jobs;
  }

  cleanFailed(): void {
    this.#cleanAfterMs = this.#tables.clock.nowMs() + CLEAN_RETRY_MS;
  }

  /** When the alarm has to go off next; undefined only for an object that remembers nothing. */
  nextMs(): number | undefined {
    const blob = this.#tables.blob();
    if (blob === undefined) return undefined;
    const times = this.#intents.unfinished().map((row) => this.#dueMs(row));
    if (blob.tail === "open") times.push(Math.min(blob.tailRetryAtMs, blob.tailUntilMs));
    if (this.#staging.garbage(1).length > 0) {
      times.push(Math.max(this.#tables.clock.nowMs(), this.#cleanAfterMs));
    }
    if (times.length === 0) times.push(this.#forgetMs());
    return Math.min(...times);
  }

  #actionOf(row: IntentRow): "finish" | "dropped" | "abandoned" {
    const isStaged = this.#staging.isHeld;
    // Nothing is paid before the blob is held; afterwards the wallet may have been asked, even if the copy is lost.
    if (row.state === "begun" && row.steps.staged === undefined) return "dropped";
    // An attempt that was due before the end is made, however late the alarm comes.
    return isStaged && row.retryAtMs < row.giveUpAtMs ? "finish" : "abandoned";
  }

  #dueMs(row: IntentRow): number {
    switch (this.#actionOf(row)) {
      case "finish":
        return Math.max(row.turnUntilMs, row.retryAtMs);
      case "dropped":
        return row.turnUntilMs + TAKE_OVER_TURNS * this.#turnMs;
      case "abandoned":
        return Math.max(row.turnUntilMs, row.giveUpAtMs);
    }
  }

  /** Infinite while anything is left to do. */
  #forgetMs(): number {
    const blob = this.#tables.blob();
    const isBusy = blob === undefined || blob.tail === "open" || this.#intents.hasUnfinished;
    return isBusy ? Number.POSITIVE_INFINITY : blob.quietSinceMs + TRACKER_LIMITS.trackerKeepMs;
  }

  #hasCertified(): boolean {
    return this.#tables.sql.exec("SELECT 1 FROM intent WHERE state = 'certified' LIMIT 1").length > 0;
  }
}
