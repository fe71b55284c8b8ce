/** What an isolate remembers of storage nodes. Hitting a bound is a typed error, never a hang. */

export const FAULT_LIMITS = {
  /** How long a node that did not answer is asked last. */
  suspectMs: 10_000,
  /** Faults kept per isolate; older ones are dropped. */
  faultsKept: 200,
} as const;
