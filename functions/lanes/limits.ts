/**
 * Bounds of the fan-out over child invocations. Hitting a bound is a typed error or less speed, never a hang.
 *
 * The platform lets one request make 32 Worker invocations in all. 24 are lanes; the rest is for the edge itself, the
 * Uploader, the entrypoints that Durable Objects call, and one to spare for each.
 */

const MIB = 1024 * 1024;

export const LANE_LIMITS = {
  /** Child invocations that one invocation opens in its life, closed ones counted. */
  lanesPerInvocation: 24,
  /** Largest frame either way. A request that needs more travels without a lane. */
  frameBytes: 4 * MIB,
  /**
   * Uploads in one lane: those that it sends and as many that wait in it, so that they and their answers travel several
   * in a write. A lane is filled up when it has fallen to `refillBelow`.
   */
  uploadsPerLane: 12,
  refillBelow: 8,
  /** So many answers to uploads travel in one write, or what has come in a moment. */
  answersPerWrite: 4,
  answersGatherMs: 10,
  /** Frames joined into one write, in bytes. */
  writeBytes: 256 * 1024,
  /** Below this much expected waiting, a lane costs more than it gains. */
  worthMs: 400,
  /** What one wave of answers is taken to last at least: opening more lanes does not make it shorter. */
  waveMs: 80,
  /** A lane without work for so long is closed. */
  idleMs: 10_000,
  /** A lane that is silent for so long after the deadline of a request counts as dead. */
  graceMs: 2_000,
  /** Lanes that one request may lose before it goes on without. */
  attemptsPerRequest: 3,
} as const;
