/** Time as an injected dependency: production passes the platform's clock, simulations a virtual one. */
export interface Clock {
  /** Milliseconds since the Unix epoch. */
  nowMs(): number;
  /** Resolves after `ms`, or rejects with the signal's reason as soon as it aborts. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** `count` unpredictable bytes. */
export type RandomBytes = (count: number) => Uint8Array;
