/**
 * What a tracker keeps, and how long it tries. One SQLite value may have 2 MB.
 * Hitting a bound is a typed error, never a hang.
 */

const MIB = 1024 * 1024;

export const TRACKER_LIMITS = {
  /** Slivers still to be sent after the reply; `waitUntil` ends after 30 s. */
  tailTimeoutMs: 28_000,
  /** One piece of a staged blob: half of what one SQLite value may have, a fraction of what one call may carry. */
  stagedPieceBytes: MIB,
  /** Copies of one blob being staged at a time; the oldest one gives way. */
  stagingsPerBlob: 4,
  /** Longest pause between the tracker's attempts to finish an upload. */
  uploadRetryMaxMs: 300_000,
  /** How long after its last request a paid upload is tried for without the client. */
  uploadGiveUpMs: 3_600_000,
  /** One question to a tracker that waits for news. */
  trackerPollMs: 10_000,
  /** One call of the Uploader by a tracker's alarm, of the 15 minutes an alarm may run. */
  uploaderCallMs: 240_000,
  /** How long after the first certification missing slivers are sent by the tracker's alarm. */
  tailGiveUpMs: 600_000,
  /** How long a tracker remembers uploads once nothing is left to do. */
  trackerKeepMs: 86_400_000,
  /** Progress events kept per blob. */
  eventsKept: 500,
  /** Progress events sent per answer. */
  eventsPerAnswer: 100,
  /** Uploads of one blob listed by its progress route, newest first. */
  intentsShown: 100,
  /** Faults kept per blob; older ones are dropped. */
  faultsPerBlob: 200,
  /** Unfinished and finished uploads kept per blob; the oldest finished ones are dropped. */
  intentsPerBlob: 1_000,
} as const;
