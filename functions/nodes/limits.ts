/** What an isolate remembers of storage nodes. Hitting a bound is a typed error, never a hang. */

export const FAULT_LIMITS = {
  /** How long a node that did not answer is asked last. */
  suspectMs: 10_000,
  /** Faults kept per isolate; older ones are dropped. */
  faultsKept: 200,
} as const;

/** How answer times are remembered and judged. */
export const ANSWER_LIMITS = {
  /** Answer times of an isolate that make up "now", and those of one node. */
  timesKept: 64,
  timesKeptPerNode: 16,
  /** Nodes that are remembered: more than a committee and the one before it. */
  nodesKept: 512,
  /** An answer is never late before the first, and always late after the second. */
  hedgeLeastMs: 300,
  hedgeMostMs: 2_000,
  /** Late is so many times the median of all nodes, or the node's own slow answers, whichever is longer. */
  hedgeFactor: 4,
  ownHedgeFactor: 2,
  /** Late answers of an isolate that are not waited for: so many at once, and one more for every ten answers. */
  hedgesKept: 40,
  hedgesPerAnswer: 0.1,
} as const;
