/**
 * Everything that can go wrong on a request, in the words of this Worker.
 *
 * Lower layers throw their own typed errors; the use cases translate them here, and `http/errors.ts` alone turns a
 * code into a status and a public message.
 */
import { FloeError } from "../../shared/base/errors.ts";

export type EdgeErrorCode =
  /** The query string breaks the strict rules: unknown, duplicate or malformed parameter. */
  | "INVALID_QUERY"
  /** A path parameter is no canonical blob ID. */
  | "INVALID_PATH"
  | "INVALID_BLOB_PERSISTENCE"
  /** `epochs` is 0 or beyond what the network sells. */
  | "INVALID_EPOCHS"
  | "INVALID_CONSISTENCY_CHECK"
  | "INVALID_BYTE_RANGE"
  | "BODY_TOO_LARGE"
  /** Fewer bytes than Content-Length announced. */
  | "BODY_INCOMPLETE"
  /** The client sends less than `EDGE_LIMITS.clientBytesPerSecond`. */
  | "BODY_TOO_SLOW"
  /** This deployment has no wallet, or is not configured to publish for all clients. */
  | "PUBLISHER_CLOSED"
  | "BLOB_NOT_FOUND"
  | "BLOB_UNAVAILABLE"
  | "FORBIDDEN_BLOB"
  /** Larger than this deployment checks strictly or serves. */
  | "BLOB_TOO_LARGE"
  /** The blob was encoded inconsistently: no reader gets bytes. */
  | "INCONSISTENT_BLOB"
  /** The network has proof that this blob ID is inconsistent: it cannot be stored. */
  | "BLOB_MARKED_INVALID"
  | "INSUFFICIENT_CONFIRMATIONS"
  /** The upload is not finished, but may still be: ask again, or look at its progress. */
  | "UPLOAD_PENDING"
  /** No upload of this blob is remembered. */
  | "UPLOAD_NOT_FOUND"
  /** The key came with another request before. */
  | "IDEMPOTENCY_KEY_REUSED"
  | "INSUFFICIENT_FUNDS"
  /** Not enough memory to admit this request now; nothing was paid. */
  | "OVERLOADED"
  /** Sui cannot be asked. Nothing was paid by this request unless the message states it. */
  | "CHAIN_UNAVAILABLE"
  /** Sui refused what we asked. */
  | "CHAIN_REJECTED"
  | "CONFIGURATION"
  /** A bug, or a failure that was not foreseen. */
  | "INTERNAL";

export class EdgeError extends FloeError<EdgeErrorCode> {}
