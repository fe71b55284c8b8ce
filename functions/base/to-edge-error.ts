/** One translation of what lower layers throw, for answers and for the tracker alike. */
import { FloeError } from "../../shared/base/errors.ts";
import { CodecError } from "../../shared/codec/codec.ts";
import { SuiError } from "../../shared/sui/client/sui-error.ts";
import { EdgeError } from "./edge-error.ts";
import { MemoryError } from "./isolate-memory.ts";

/** Translates what lower layers throw, unless a use case has translated it. The cause stays for the log. */
export function toEdgeError(error: unknown): EdgeError {
  if (error instanceof EdgeError) return error;
  if (error instanceof CodecError && error.code === "OUT_OF_CODEC_MEMORY") {
    return new EdgeError("OVERLOADED", error.message, { retryable: true, cause: error });
  }
  if (error instanceof MemoryError) {
    const code = error.code === "LEASE_FULL" ? "OVERLOADED" : "BLOB_TOO_LARGE";
    return new EdgeError(code, error.message, { retryable: error.retryable, cause: error });
  }
  if (error instanceof CodecError && error.code === "INCONSISTENT_ENCODING") {
    return new EdgeError("INCONSISTENT_BLOB", error.message, { cause: error });
  }
  if (error instanceof SuiError) {
    return new EdgeError(error.retryable ? "CHAIN_UNAVAILABLE" : "CHAIN_REJECTED", error.message, {
      retryable: error.retryable,
      cause: error,
    });
  }
  const message = error instanceof FloeError ? `${error.code}: ${error.message}` : "unforeseen failure";
  return new EdgeError("INTERNAL", message, { cause: error });
}
