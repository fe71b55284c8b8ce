/** Event blobs behind the latest that are read for the past. Hitting a bound is a typed error, never a hang. */

const MIB = 1024 * 1024;

export const HISTORY_LIMITS = {
  /** One event blob: nodes end one with the checkpoint in which it passes 100 MiB. */
  eventBlobBytes: 112 * MIB,
  /** Event blobs behind the latest that are walked back: 53 epochs of two weeks are some 1,200. */
  eventBlobsWalked: 10_000,
} as const;
