/** Bounds of a read. Hitting a bound is a typed error, never a hang. */

const MIB = 1024 * 1024;

export const READ_LIMITS = {
  /** Rows read ahead of the client, in bytes; one row at least. */
  readWindowBytes: 8 * MIB,
  /** How long an isolate remembers that nobody has a blob. */
  absenceMs: 1_500,
  /** For how many blobs it does. */
  absencesKept: 1_000,
  /** When a second node is asked for metadata although the first has not failed. */
  metadataHedgeMs: 300,
  /** One node's blob status; a wrong guess here pays for a blob twice, so it waits longer than a read. */
  statusTimeoutMs: 5_000,
} as const;
