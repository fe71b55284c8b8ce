/**
 * The HTTP face of every error: one exhaustive function from code to status and public message.
 *
 * Official routes keep the official shapes. Handlers answer JSON,
 * `{"error":{"status","code","message","details":[{"@type":"ErrorInfo","reason","domain","metadata":{}}]}}`; what is
 * raised before a handler (query, path, body length) is plain text. A message is the official fixed text, then "; "
 * and the numbers. Internal failures show only a trace ID, which is the request ID of our log.
 */

import { toEdgeError } from "../base/to-edge-error.ts";

const DOMAIN = "daemon.walrus.space";
/** Clients should wait at least this long before they repeat a request that met an overload. */
const RETRY_AFTER_SECONDS = 2;

type JsonStatus =
  | "INVALID_ARGUMENT"
  | "FAILED_PRECONDITION"
  | "PERMISSION_DENIED"
  | "SIZE_EXCEEDED"
  | "NOT_FOUND"
  | "ALREADY_EXISTS"
  | "RANGE_NOT_SATISFIABLE"
  | "UNAVAILABLE_FOR_LEGAL_REASONS"
  | "INTERNAL"
  | "UNAVAILABLE"
  | "DEADLINE_EXCEEDED";

const HTTP_STATUS: Record<JsonStatus, number> = {
  INVALID_ARGUMENT: 400,
  FAILED_PRECONDITION: 400,
  PERMISSION_DENIED: 403,
  SIZE_EXCEEDED: 403,
  NOT_FOUND: 404,
  ALREADY_EXISTS: 409,
  RANGE_NOT_SATISFIABLE: 416,
  UNAVAILABLE_FOR_LEGAL_REASONS: 451,
  INTERNAL: 500,
  UNAVAILABLE: 503,
  DEADLINE_EXCEEDED: 504,
};

interface PublicError {
  readonly status: number;
  readonly contentType: "application/json" | "text/plain; charset=utf-8";
  readonly body: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** Status, headers and body for an error, as sent to a client. */
export function publicError(error: unknown, requestId: string): PublicError {
  const edge = toEdgeError(error);
  const numbers = edge.message;
  switch (edge.code) {
    case "INVALID_QUERY":
      return plain(400, `Failed to deserialize query string: ${numbers}`);
    case "INVALID_PATH":
      return plain(400, "Invalid URL: failed to parse a blob ID");
    case "BODY_TOO_LARGE":
      return plain(413, `Failed to buffer the request body: length limit exceeded; ${numbers}`);
    case "BODY_INCOMPLETE":
      return plain(400, `Failed to buffer the request body: ${numbers}`);
    case "BODY_TOO_SLOW":
      return plain(408, `Failed to buffer the request body: it comes too slowly; ${numbers}`);
    case "INVALID_BLOB_PERSISTENCE":
      return json(
        "INVALID_ARGUMENT",
        edge.code,
        "the blob cannot be defined as both deletable and permanent",
      );
    case "INVALID_EPOCHS":
      return json("INVALID_ARGUMENT", edge.code, `the number of epochs is out of range; ${numbers}`);
    case "INVALID_CONSISTENCY_CHECK":
      return json("INVALID_ARGUMENT", edge.code, "cannot set both strict and skip consistency check options");
    case "INVALID_BYTE_RANGE":
      return json("RANGE_NOT_SATISFIABLE", edge.code, `invalid byte range parameters: ${numbers}`, {
        // RFC 9110: the current length, so that a client can ask again.
        ...(typeof edge.details["size"] === "number"
          ? { "content-range": `bytes */${edge.details["size"]}` }
          : {}),
      });
    case "PUBLISHER_CLOSED":
      return json("PERMISSION_DENIED", edge.code, `this service does not publish for you; ${numbers}`);
    case "BLOB_NOT_FOUND":
      return json(
        "NOT_FOUND",
        edge.code,
        `the requested blob ID does not exist on Walrus, ensure that it was entered correctly; ${numbers}`,
      );
    case "BLOB_UNAVAILABLE":
      return json(
        "UNAVAILABLE",
        edge.code,
        `the requested blob is currently not retrievable from Walrus; this may be transient — retry with backoff; ${numbers}`,
        { "retry-after": String(RETRY_AFTER_SECONDS) },
      );
    case "FORBIDDEN_BLOB":
      return json(
        "UNAVAILABLE_FOR_LEGAL_REASONS",
        edge.code,
        `the requested metadata is blocked; ${numbers}`,
      );
    case "BLOB_TOO_LARGE":
      return json("SIZE_EXCEEDED", edge.code, `the blob size exceeds the maximum allowed size: ${numbers}`);
    case "INSUFFICIENT_CONFIRMATIONS":
      return json(
        "DEADLINE_EXCEEDED",
        edge.code,
        `the service timed-out while waiting for confirmations, please try again; ${numbers}`,
      );
    case "UPLOAD_PENDING":
      return json(
        "UNAVAILABLE",
        edge.code,
        `the upload is not finished, please try again later; ${numbers}`,
        {
          "retry-after": String(RETRY_AFTER_SECONDS),
        },
      );
    case "UPLOAD_NOT_FOUND":
      return json("NOT_FOUND", edge.code, `no upload of this blob is known here; ${numbers}`);
    case "IDEMPOTENCY_KEY_REUSED":
      return json("ALREADY_EXISTS", edge.code, `the Idempotency-Key stands for another request; ${numbers}`);
    case "OVERLOADED":
      return json("UNAVAILABLE", edge.code, `the service is overloaded, please try again later; ${numbers}`, {
        "retry-after": String(RETRY_AFTER_SECONDS),
      });
    case "CHAIN_UNAVAILABLE":
      return json("UNAVAILABLE", edge.code, `Sui cannot be reached, please try again later; ${numbers}`, {
        "retry-after": String(RETRY_AFTER_SECONDS),
      });
    case "INSUFFICIENT_FUNDS":
      return internal(
        `could not find ${edge.details["walletCode"] === "INSUFFICIENT_SUI" ? "SUI" : "WAL"} coins with sufficient balance; ${numbers}`,
        requestId,
      );
    case "CHAIN_REJECTED":
      return internal(`the Sui transaction failed; ${numbers}`, requestId);
    case "INCONSISTENT_BLOB":
      return internal("the blob ID corresponds to an invalid blob", requestId);
    case "BLOB_MARKED_INVALID":
      return internal(
        "the blob was marked invalid, which is likely a system error, please report it",
        requestId,
      );
    case "CONFIGURATION":
      return internal("the service is not configured", requestId);
    case "INTERNAL":
      return internal("internal error", requestId);
    default:
      return edge.code satisfies never;
  }
}

function plain(status: number, body: string): PublicError {
  return { status, contentType: "text/plain; charset=utf-8", body, headers: {} };
}

function json(
  status: JsonStatus,
  reason: string,
  message: string,
  headers: Readonly<Record<string, string>> = {},
): PublicError {
  return jsonWith(status, message, [errorInfo(reason)], headers);
}

function internal(message: string, requestId: string): PublicError {
  const debugInfo = { "@type": "DebugInfo", stackEntries: [], detail: `TraceID: ${requestId}` };
  return jsonWith("INTERNAL", message, [errorInfo("INTERNAL_ERROR"), debugInfo], {});
}

const errorInfo = (reason: string) => ({ "@type": "ErrorInfo", reason, domain: DOMAIN, metadata: {} });

function jsonWith(
  status: JsonStatus,
  message: string,
  details: readonly unknown[],
  headers: Readonly<Record<string, string>>,
): PublicError {
  const code = HTTP_STATUS[status];
  return {
    status: code,
    contentType: "application/json",
    body: JSON.stringify({ error: { status, code, message, details } }),
    headers,
  };
}
