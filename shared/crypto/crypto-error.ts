/** What goes wrong with keys and signatures from outside. */
import { FloeError } from "../base/errors.ts";

export type CryptoErrorCode =
  | "INVALID_SIGNATURE"
  | "INVALID_PUBLIC_KEY"
  | "INVALID_SECRET_KEY"
  | "NOTHING_TO_AGGREGATE";

/** Keys or signatures from outside that are no points of the right group. Never retryable. */
export class CryptoError extends FloeError<CryptoErrorCode> {}
