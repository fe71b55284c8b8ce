/** Lets calls of one object wait until something has changed in it. */
import type { Clock } from "../../shared/base/clock.ts";
import { raceWithin } from "../../shared/base/deadline.ts";

export class News {
  readonly #clock: Clock;
  #next = Promise.withResolvers<void>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** To be called before looking, so that what changes in between is not missed. */
  next(): { arrived(waitMs: number): Promise<void> } {
    const { promise } = this.#next;
    return {
      arrived: async (waitMs) => {
        await raceWithin(this.#clock, waitMs, promise);
      },
    };
  }

  tell(): void {
    this.#next.resolve();
    this.#next = Promise.withResolvers<void>();
  }
}
