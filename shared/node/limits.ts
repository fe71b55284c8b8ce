/** What a storage node may send, and how long it may take. Hitting a bound is a typed error, never a hang. */

const KIB = 1024;

export const NODE_LIMITS = {
  /** Storage node answers other than slivers, metadata and symbols. */
  nodeJsonBytes: 64 * KIB,
  /** Network addresses on chain are at most 259 bytes. */
  networkAddressCharacters: 259,
  /** Attempts per request to one node, the first included. */
  attemptsPerNodeRequest: 3,
  /** Whole request to a storage node, armed when the call starts (not while it waits for the gate). */
  nodeRequestTimeoutMs: 10_000,
  /** Response headers of a read; a slow body is another matter. */
  readHeadersTimeoutMs: 2_000,
} as const;
