/** Refusals with a gRPC status code. Whatever else is thrown while a request is served becomes `INTERNAL`. */

/** Codes of the gRPC protocol that the stand-in uses. */
export const GRPC_CODES = {
  OK: 0,
  CANCELLED: 1,
  UNKNOWN: 2,
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  RESOURCE_EXHAUSTED: 8,
  OUT_OF_RANGE: 11,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
} as const;

export type GrpcCode = keyof typeof GRPC_CODES;

export class GrpcError extends Error {
  override readonly name = "GrpcError";
  readonly code: GrpcCode;

  constructor(code: GrpcCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
  }
}

export const invalidArgument = (message: string, cause?: unknown): GrpcError =>
  new GrpcError("INVALID_ARGUMENT", message, cause);
export const notFound = (message: string): GrpcError => new GrpcError("NOT_FOUND", message);
