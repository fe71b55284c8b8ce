/** Time as an injected dependency: production passes the platform's clock, simulations a virtual one. */
export interface Clock {
  /** Milliseconds since the Unix epoch. */
  nowMs(): number;
  /** Resolves after `ms`, or rejects with the signal's reason as soon as it aborts. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** `count` unpredictable bytes. */
export type RandomBytes = (count: number) => Uint8Array;

/** Waits on the platform's timers: the one place of `shared` that names them. */
export const platformTimers: Pick<Clock, "sleep"> = {
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

/** A clock on the platform's timers. @param nowMs the platform's time, which only a composition root may name */
export const timerClock = (nowMs: () => number): Clock => ({ nowMs, sleep: platformTimers.sleep });
