/** The platform's clock and randomness, for composition roots and Durable Objects to inject. */
import type { Clock, RandomBytes } from "../shared/protocol/clock.ts";

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  sleep(ms, signal) {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) {
        reject(signal.reason);
        return;
      }
      const stop = () => {
        clearTimeout(timer);
        reject(signal?.reason);
      };
      const timer = setTimeout(() => {
        signal?.removeEventListener("abort", stop);
        resolve();
      }, ms);
      signal?.addEventListener("abort", stop, { once: true });
    });
  },
};

export const systemRandom: RandomBytes = (count) => crypto.getRandomValues(new Uint8Array(count));
