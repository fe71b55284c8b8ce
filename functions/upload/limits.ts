/** Bounds of an upload. Hitting a bound is a typed error, never a hang. */

const MIB = 1024 * 1024;
const KIB = 1024;

export const UPLOAD_LIMITS = {
  /** One reused read buffer per request body. */
  bodyReadBytes: 256 * KIB,
  /** Room asked for at a time while a body of unknown length is read. */
  bodyStepBytes: MIB,
  /** First requests to a node that has not answered yet: a silent node must not hold a connection for long. */
  firstContactTimeoutsMs: [2_000, 5_000, 10_000],
  /** From the first sliver sent until a quorum has confirmed. */
  distributeTimeoutMs: 60_000,
  /** How long nodes still at work may finish once no quorum can come together any more. */
  doomedUploadGraceMs: 5_000,
  /** How long confirmations that make no quorum wait for others before they are reported. */
  confirmationsGatherMs: 200,
  /** How long a node may be behind the chain before its NOT_REGISTERED counts as a failure. */
  registrationLagMs: 15_000,
  /** Rounds of one node's upload, each going on where the last one failed. */
  roundsPerNode: 3,
  /** Requests that one node gets at once: at first, and when it answers them all fast. */
  requestsPerNodeAtFirst: 4,
  requestsPerNodeMost: 24,
  /** Generated slivers held by one node's upload at a time (at least one pair). */
  sliversHeldPerNodeBytes: MIB,
  /**
   * Generated slivers held by one blob's upload: fewer nodes are served at once when theirs are larger. So many for each
   * request that the carrier sends at once, within these bounds.
   */
  sliversHeldPerRequestBytes: 128 * KIB,
  sliversHeldLeastBytes: 6 * MIB,
  sliversHeldMostBytes: 12 * MIB,
  /** Pieces on their way to or from the tracker at a time. */
  stagedPiecesInFlight: 3,
  /** How long a request waits for the outcome of an upload that another one works on. */
  uploadJoinWaitMs: 150_000,
  /** Certificates collected for one upload in one go; each but the first after a change of epoch. */
  certificatesPerUpload: 3,
  /** How long an Idempotency-Key stands for its request. */
  idempotencyKeepMs: 86_400_000,
} as const;
