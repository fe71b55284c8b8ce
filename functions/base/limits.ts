/**
 * What one isolate holds, and what a client may send. The platform gives an isolate 128 MB.
 * Hitting a bound is a typed error, never a hang.
 */

const MIB = 1024 * 1024;
const KIB = 1024;

export const EDGE_LIMITS = {
  /** Largest PUT body by default; configurable (`MAX_BODY_BYTES`). */
  bodyBytes: 32 * MIB,
  /** Largest blob that a tracker holds in its own SQLite by default; configurable (`STAGING_MAX_BYTES`). */
  stagedBytes: 32 * MIB,
  /** Without a sign of life for so long, an upload is taken over by its tracker; configurable (`UPLOAD_LEASE_MS`). */
  uploadLeaseMs: 15_000,
  /**
   * Memory that the requests of one isolate may hold together: encoders, decoders, slivers under way. Of the 128 MB
   * the code, the runtime and buffers not yet collected need the rest.
   */
  memoryBytes: 64 * MIB,
  /** How long a request waits for memory before it is refused. */
  admissionWaitMs: 5_000,
  /** Requests that may wait for memory. */
  admissionQueue: 64,
  /** Memory not renewed for so long belongs to a request that the platform has ended. */
  memoryLostMs: 60_000,
  /** A body must come, and a blob be taken, at this rate, after a moment of grace. */
  clientBytesPerSecond: 8 * KIB,
  clientGraceMs: 10_000,
} as const;
