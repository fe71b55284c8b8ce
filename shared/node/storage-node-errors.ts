/**
 * How a call to a storage node can fail, as the caller has to act on it.
 *
 * Every error names the node and the route; `details.reason` is the node's own reason when it sent one. The texts of
 * nodes are never repeated in full: they are untrusted.
 */
import { FloeError } from "../base/errors.ts";

export type StorageNodeErrorCode =
  /** No answer within the deadline, armed when the call started. Unknown outcome for a PUT. */
  | "TIMEOUT"
  /** Connection refused, reset, DNS or TLS failure. Unknown outcome for a PUT. */
  | "UNREACHABLE"
  /** 404: not registered here, or registered and not stored yet. */
  | "NOT_FOUND"
  /** 451: the operator refuses to serve this blob. */
  | "FORBIDDEN"
  /** The node has not seen the blob's registration (yet). */
  | "NOT_REGISTERED"
  /** Our committee is stale, or a hand-over is running. */
  | "SHARD_NOT_ASSIGNED"
  /** Confirmation refused: slivers are missing on the node. */
  | "MISSING_SLIVERS"
  /** 429, 503 or CACHE_SATURATED: back off. */
  | "THROTTLED"
  /** Any other 4xx: the request is wrong, a repetition will not help. */
  | "REFUSED"
  | "SERVER_ERROR"
  /** 3xx: redirects are never followed. */
  | "REDIRECTED"
  | "ANSWER_TOO_LARGE"
  /** A success whose type, shape or bytes are not the protocol's. */
  | "MALFORMED_ANSWER";

export interface StorageNodeFailure {
  readonly node: string;
  readonly route: string;
  readonly status?: number;
  /** The node's reason, only when it is one of the protocol's words. */
  readonly reason?: string;
  readonly cause?: unknown;
}

const RETRYABLE: ReadonlySet<StorageNodeErrorCode> = new Set([
  "TIMEOUT",
  "UNREACHABLE",
  "NOT_REGISTERED",
  "THROTTLED",
  "SERVER_ERROR",
]);

export class StorageNodeError extends FloeError<StorageNodeErrorCode> {
  constructor(code: StorageNodeErrorCode, message: string, failure: StorageNodeFailure) {
    super(code, `${failure.node} ${failure.route}: ${message}`, {
      retryable: RETRYABLE.has(code),
      cause: failure.cause,
      details: {
        node: failure.node,
        route: failure.route,
        ...(failure.status === undefined ? {} : { status: failure.status }),
        ...(failure.reason === undefined ? {} : { reason: failure.reason }),
      },
    });
  }
}

/** What an error answer means: the reason decides where it is known, else the status alone. */
export function codeOfAnswer(status: number, reason: string | undefined): StorageNodeErrorCode {
  switch (reason) {
    case "NOT_REGISTERED":
      return "NOT_REGISTERED";
    case "SHARD_NOT_ASSIGNED":
      return "SHARD_NOT_ASSIGNED";
    case "MISSING_SLIVERS":
      return "MISSING_SLIVERS";
    case "CACHE_SATURATED":
      return "THROTTLED";
    case "FORBIDDEN_BLOB":
      return "FORBIDDEN";
    // 404 on GET metadata, 400 on PUT sliver: either way the node does not have the metadata.
    case "METADATA_NOT_FOUND":
      return "NOT_FOUND";
  }
  if (status >= 300 && status < 400) return "REDIRECTED";
  if (status === 404) return "NOT_FOUND";
  if (status === 451) return "FORBIDDEN";
  if (status === 429 || status === 503) return "THROTTLED";
  return status >= 500 ? "SERVER_ERROR" : "REFUSED";
}
