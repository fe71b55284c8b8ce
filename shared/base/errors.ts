/**
 * The one base class of operating errors.
 *
 * Operating errors (node down, bad sliver, malformed bytes) are expected: typed, tested, counted. Programmer
 * errors are `assert` failures and are not caught. Every operating error says which numbers led to it.
 */

/** Values that may stand in an error's details and in a log line: never payloads, keys or credentials. */
export type ErrorDetail = string | number | bigint | boolean | null;

export interface ErrorOptionsWithDetails {
  /** True when the same call may succeed later without any change by the caller. */
  readonly retryable?: boolean;
  readonly details?: Readonly<Record<string, ErrorDetail>>;
  readonly cause?: unknown;
}

/** Base of all operating errors: a stable `code`, whether a retry may help, and the numbers. */
export class FloeError<Code extends string = string> extends Error {
  readonly code: Code;
  readonly retryable: boolean;
  readonly details: Readonly<Record<string, ErrorDetail>>;

  constructor(code: Code, message: string, options: ErrorOptionsWithDetails = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = new.target.name;
    this.code = code;
    this.retryable = options.retryable ?? false;
    this.details = options.details ?? {};
  }
}

export type ProtocolErrorCode =
  | "MALFORMED_BYTES"
  | "TRAILING_BYTES"
  | "NON_CANONICAL"
  | "INVALID_BLOB_ID"
  | "INVALID_OBJECT_ID"
  | "INVALID_INDEX"
  | "UNSUPPORTED_SHARD_COUNT"
  | "UNSUPPORTED_ENCODING_TYPE"
  | "BLOB_TOO_LARGE"
  | "INVALID_METADATA"
  | "INVALID_SLIVER"
  | "INVALID_MESSAGE"
  | "INVALID_BITMAP"
  | "INVALID_COMMITTEE"
  | "INVALID_STATUS"
  | "INVALID_NETWORK_FILE";

/** Bytes, identifiers or numbers from outside that the protocol does not allow. Never retryable. */
export class ProtocolError extends FloeError<ProtocolErrorCode> {}

/** Stops the program when an invariant of our own does not hold; stays on in production. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new AssertionFailure(message);
}

/** A bug in Floe itself. Nothing catches this to carry on. */
export class AssertionFailure extends Error {
  override readonly name = "AssertionFailure";
}
