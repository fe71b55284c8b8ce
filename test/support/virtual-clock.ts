/** A clock that jumps: when nothing else is left to do, time moves to the earliest pending sleep. */
import { setImmediate } from "node:timers/promises";
import type { Clock } from "../../shared/base/clock.ts";

/** Turns of the event loop without a new or cancelled sleep after which nothing but time can go on. */
const IDLE_TURNS = 20;

interface Sleeper {
  readonly atMs: number;
  readonly order: number;
  readonly wake: () => void;
}

export class VirtualClock implements Clock {
  #nowMs = 1_800_000_000_000;
  #order = 0;
  #changes = 0;
  #isRunning = false;
  readonly #sleepers = new Set<Sleeper>();

  nowMs(): number {
    return this.#nowMs;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    const slept = Promise.withResolvers<void>();
    if (signal?.aborted) {
      slept.reject(signal.reason);
      return slept.promise;
    }
    const stop = (): void => {
      this.#changes++;
      this.#sleepers.delete(sleeper);
      slept.reject(signal?.reason);
    };
    const sleeper: Sleeper = {
      atMs: this.#nowMs + ms,
      order: this.#order++,
      wake: () => {
        signal?.removeEventListener("abort", stop);
        slept.resolve();
      },
    };
    signal?.addEventListener("abort", stop, { once: true });
    this.#sleepers.add(sleeper);
    this.#changes++;
    if (!this.#isRunning) void this.#run();
    return slept.promise;
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    while (this.#sleepers.size > 0) {
      for (let idle = 0, seen = this.#changes; idle < IDLE_TURNS; ) {
        await setImmediate();
        if (seen === this.#changes) idle++;
        else {
          seen = this.#changes;
          idle = 0;
        }
      }
      const next = [...this.#sleepers].sort((a, b) => a.atMs - b.atMs || a.order - b.order)[0];
      if (next === undefined) break;
      this.#sleepers.delete(next);
      this.#changes++;
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      next.wake();
    }
    this.#isRunning = false;
  }
}
