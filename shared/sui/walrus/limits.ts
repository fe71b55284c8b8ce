/** How old what is known of the chain may be, and how large an event. Hitting a bound is a typed error, never a hang. */

const KIB = 1024;

export const CHAIN_LIMITS = {
  /** One entry of an event blob; the longest event, of 1,000 shards received, has some 2 KB. */
  eventEntryBytes: 64 * KIB,
  /** How long a chain snapshot is reused inside one isolate. */
  chainSnapshotMs: 5_000,
  /** How long a chain snapshot still serves when no endpoint answers. */
  chainSnapshotStaleMs: 600_000,
} as const;
