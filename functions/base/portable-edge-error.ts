/** How an attempt at an upload failed, as the tracker keeps it and as requests that waited for it get it. */
import { type PortableError, toPortableError } from "../../shared/sui/wallet/portable-error.ts";
import { EdgeError, type EdgeErrorCode } from "./edge-error.ts";
import { toEdgeError } from "./to-edge-error.ts";

export const toPortableEdgeError = (error: unknown): PortableError => toPortableError(toEdgeError(error));

export function fromPortableEdgeError({ code, message, retryable, details }: PortableError): EdgeError {
  // Failures are stored by `toPortableEdgeError` and below only.
  return new EdgeError(code as EdgeErrorCode, message, { retryable, details });
}

/** The worker died before the blob was held, so only a client that sends it again can go on. */
export const UPLOAD_LOST: PortableError = {
  code: "UPLOAD_PENDING" satisfies EdgeErrorCode,
  message:
    "the request that brought the blob ended before it was stored, and nothing was certified; send it again",
  retryable: true,
  details: {},
};
