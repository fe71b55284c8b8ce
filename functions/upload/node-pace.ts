/**
 * How many requests one storage node gets at a time: more while it answers as fast as it can, fewer when its answers
 * become slow, and one after a failure. A node that is busy is not helped by more requests, and places in the carrier
 * are better used for others.
 */
import type { Clock } from "../../shared/base/clock.ts";
import { UPLOAD_LIMITS } from "./limits.ts";

/** An answer so much slower than the fastest one means that requests wait in the node. */
const SLOW_FACTOR = 2;
const SLOW_MARGIN_MS = 50;

export class NodePace {
  readonly #clock: Clock;
  readonly #waiting: (() => void)[] = [];
  #width = UPLOAD_LIMITS.requestsPerNodeAtFirst as number;
  #inFlight = 0;
  #fastestMs = Number.POSITIVE_INFINITY;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Requests that the node may get at once now. */
  get width(): number {
    return this.#width;
  }

  /**
   * Runs one request when there is room.
   *
   * @param request calls `started` when it is sent: until then it does not count against the node, and never when it
   *   is not sent at all
   */
  async run<T>(request: (started: () => void) => Promise<T>): Promise<T> {
    while (this.#inFlight >= Math.floor(this.#width)) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    this.#inFlight++;
    let startMs: number | undefined;
    try {
      const answer = await request(() => {
        startMs = this.#clock.nowMs();
      });
      if (startMs !== undefined) this.#answered(this.#clock.nowMs() - startMs);
      return answer;
    } catch (error) {
      this.#width = 1;
      throw error;
    } finally {
      this.#inFlight--;
      for (let room = Math.floor(this.#width) - this.#inFlight; room > 0; room--) this.#waiting.shift()?.();
    }
  }

  #answered(ms: number): void {
    this.#fastestMs = Math.min(this.#fastestMs, ms);
    const isSlow = ms > SLOW_FACTOR * this.#fastestMs + SLOW_MARGIN_MS;
    const wished = isSlow ? this.#width * 0.75 : this.#width + 1;
    this.#width = Math.max(1, Math.min(UPLOAD_LIMITS.requestsPerNodeMost, wished));
  }
}
