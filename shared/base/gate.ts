/**
 * A counting gate in front of every outbound call of one Worker invocation.
 *
 * The platform lets 6 connections wait for response headers and queues a 7th silently; a deadline armed at the call
 * would then run while the call has not even started. So we bound concurrency ourselves, and deadlines are armed
 * inside the gate. Waiters enter in the order they came, which interleaves the callers: somebody who makes one call
 * after the other gets one turn per round.
 */
/** Connections of one Worker invocation that may wait for response headers: the platform's limit. */
export const INVOCATION_REQUESTS = 6;

export class Gate {
  readonly #limit: number;
  readonly #waiting: (() => void)[] = [];
  #inFlight = 0;
  #peak = 0;

  /** @param limit tasks that may run at once */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Tasks that may run at once. */
  get limit(): number {
    return this.#limit;
  }
  /** Tasks running now. */
  get inFlight(): number {
    return this.#inFlight;
  }
  /** The most tasks that ever ran at once. */
  get peak(): number {
    return this.#peak;
  }

  /** Runs `task` as soon as there is room; its place is free again when its promise settles. */
  async run<T>(task: () => Promise<T>): Promise<T> {
    if (this.#inFlight >= this.#limit) {
      // The one who leaves hands its place over without giving it up, so nobody can slip in between.
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    } else {
      this.#inFlight++;
    }
    this.#peak = Math.max(this.#peak, this.#inFlight);
    try {
      return await task();
    } finally {
      const next = this.#waiting.shift();
      if (next) next();
      else this.#inFlight--;
    }
  }
}
