/**
 * Every bound of Floe in one place. Hitting one is a typed error, never a hang.
 *
 * Platform sources: Cloudflare Workers limits (2026): 128 MB per isolate, 6 connections waiting for headers,
 * 10,000 subrequests per invocation, 2 MB per SQLite value, 32 MiB per RPC argument.
 */

const KIB = 1024;
const MIB = 1024 * KIB;

export const LIMITS = {
  /** Connections of one invocation that may wait for response headers (platform limit, a 7th waits silently). */
  requestsInFlight: 6,
  /** Own budget below the platform's 10,000 subrequests: room for retries of the runtime itself. */
  subrequests: 9_000,
  /** Largest PUT body by default; configurable (`MAX_BODY_BYTES`). */
  bodyBytes: 32 * MIB,
  /** One reused read buffer per request body. */
  bodyReadBytes: 256 * KIB,
  /** Bytes of sliver answers in flight in one read. */
  readBytesInFlight: 32 * MIB,
  /** Storage node answers other than slivers, metadata and symbols. */
  nodeJsonBytes: 64 * KIB,
  /** Network addresses on chain are at most 259 bytes. */
  networkAddressCharacters: 259,
  /** Attempts per request to one node, the first included. */
  attemptsPerNodeRequest: 3,
  /** Whole request to a storage node, armed when the call starts (not while it waits for the gate). */
  nodeRequestTimeoutMs: 10_000,
  /** From the first sliver sent until a quorum has confirmed. */
  distributeTimeoutMs: 60_000,
  /** One attempt of a Sui RPC call. */
  suiRequestTimeoutMs: 10_000,
  /** Objects per BatchGetObjects call (the full node's limit). */
  suiBatchObjects: 50,
  /** One answer of a Sui full node; the largest we ask for are 50 staking pools of some 1.5 KB. */
  suiReplyBytes: 8 * MIB,
  /** How long a chain snapshot is reused inside one isolate. */
  chainSnapshotMs: 5_000,
} as const;
