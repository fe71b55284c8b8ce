/** Errors of everything that talks to Sui: the transport, the snapshot, transactions and the submitter. */
import { FloeError } from "../../base/errors.ts";

export const SUI_ERROR_CODES = [
  /** No endpoint answered: connection refused, reset, HTTP error, service unavailable. The call took no effect. */
  "SUI_UNREACHABLE",
  /** No answer in time. A read took no effect; of an execution nothing is known (`SUI_OUTCOME_UNKNOWN`). */
  "SUI_TIMEOUT",
  /** Rate limited by every endpoint. */
  "SUI_OVERLOADED",
  /** The endpoint does not know the object or transaction. Of a transaction this proves nothing. */
  "SUI_NOT_FOUND",
  /** The endpoint refused the request as such: it will refuse it again. */
  "SUI_REJECTED",
  /** The answer is not what the protocol allows: bytes, fields or invariants. */
  "SUI_MALFORMED",
  /** An execution was sent and no answer tells what became of it. Only the identical bytes may be sent again. */
  "SUI_OUTCOME_UNKNOWN",
  /** The endpoint has forgotten where the list asked for begins: full nodes keep some days. Another one may have it. */
  "SUI_FORGOTTEN",
  /** An endpoint's snapshot is older than asked for, after waiting. */
  "SUI_STALE",
] as const;
export type SuiErrorCode = (typeof SUI_ERROR_CODES)[number];

export class SuiError extends FloeError<SuiErrorCode> {}
