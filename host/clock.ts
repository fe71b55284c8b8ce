/** The platform's clock as the injected `Clock`. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Clock } from "../shared/base/clock.ts";

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  async sleep(ms, signal) {
    try {
      await sleep(ms, undefined, signal === undefined ? {} : { signal });
    } catch (error) {
      // The timer wraps the signal's reason; the contract is to reject with the reason itself.
      if (signal?.aborted) throw signal.reason;
      throw error;
    }
  },
};
