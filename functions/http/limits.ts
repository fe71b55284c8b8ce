/** Bounds of an answer. Hitting a bound is a typed error, never a hang. */

export const HTTP_LIMITS = {
  /** Life of one event stream. */
  eventStreamMs: 900_000,
} as const;
