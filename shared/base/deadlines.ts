/**
 * Many deadlines on one timer.
 *
 * Almost every deadline is met, so what counts is the price of setting and forgetting one: an entry in a set. The timer
 * sleeps until the earliest there was when it was set, and finds out then what is still there.
 */
import type { Clock } from "./clock.ts";

interface Entry {
  readonly atMs: number;
  readonly late: () => void;
}

export class Deadlines {
  readonly #clock: Clock;
  readonly #entries = new Set<Entry>();
  #wakeMs = Number.POSITIVE_INFINITY;
  #stop: AbortController | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Calls `late` after `ms`, unless that is forgotten before.
   *
   * @returns forgets it; doing so again changes nothing
   */
  add(ms: number, late: () => void): () => void {
    const entry = { atMs: this.#clock.nowMs() + ms, late };
    this.#entries.add(entry);
    if (entry.atMs < this.#wakeMs) this.#sleepUntil(entry.atMs);
    return () => {
      // Without entries nothing sleeps: what is idle leaves nothing behind.
      if (this.#entries.delete(entry) && this.#entries.size === 0) this.#sleepUntil(Number.POSITIVE_INFINITY);
    };
  }

  #sleepUntil(wakeMs: number): void {
    this.#stop?.abort();
    this.#stop = undefined;
    this.#wakeMs = wakeMs;
    if (wakeMs === Number.POSITIVE_INFINITY) return;
    const stop = new AbortController();
    this.#stop = stop;
    this.#clock.sleep(Math.max(0, wakeMs - this.#clock.nowMs()), stop.signal).then(
      () => this.#wake(),
      () => {}, // Another timer, or none, has taken its place.
    );
  }

  #wake(): void {
    const nowMs = this.#clock.nowMs();
    const due = [...this.#entries].filter(({ atMs }) => atMs <= nowMs);
    for (const entry of due) this.#entries.delete(entry);
    let earliestMs = Number.POSITIVE_INFINITY;
    for (const { atMs } of this.#entries) earliestMs = Math.min(earliestMs, atMs);
    this.#sleepUntil(earliestMs);
    for (const { late } of due) late();
  }
}
