/** What the wallet's refusals mean for an upload. */
import { MoveAbortError } from "../../shared/sui/client/move-abort.ts";
import { SuiError } from "../../shared/sui/client/sui-error.ts";
import { PriceError } from "../../shared/sui/wallet/price.ts";
import type { SubmissionErrorCode } from "../../shared/sui/wallet/submissions.ts";
import { SubmissionError } from "../../shared/sui/wallet/submissions.ts";
import { EdgeError, type EdgeErrorCode } from "../base/edge-error.ts";

/** Runs a wallet call and translates its typed errors; the numbers stay in the message. */
export async function onWallet<T>(what: "register" | "certify", call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    if (error instanceof MoveAbortError || error instanceof PriceError) {
      throw new EdgeError("CHAIN_REJECTED", `${what}: ${error.message}`, {
        details: error.details,
        cause: error,
      });
    }
    if (!(error instanceof SubmissionError)) throw error;
    throw new EdgeError(edgeCode(error.code), `${what}: ${error.message}`, {
      retryable: error.retryable,
      details: { ...error.details, walletCode: error.code },
      cause: error,
    });
  }
}

/** The wallet states that a purchase took no effect; after any other error it may have been paid. */
export function isUnpaid(error: unknown): boolean {
  if (error instanceof SubmissionError) return error.code !== "SUBMISSION_PENDING";
  return error instanceof MoveAbortError || error instanceof PriceError || error instanceof SuiError;
}

function edgeCode(code: SubmissionErrorCode): EdgeErrorCode {
  switch (code) {
    case "INSUFFICIENT_WAL":
    case "INSUFFICIENT_SUI":
      return "INSUFFICIENT_FUNDS";
    case "SUBMISSION_PENDING":
    case "SUBMISSION_GAVE_UP":
      return "CHAIN_UNAVAILABLE";
    case "WALLET_BUSY":
      return "OVERLOADED";
    case "SPENDING_CAP_EXCEEDED":
      return "PUBLISHER_CLOSED";
    case "EXECUTION_FAILED":
    case "BLOB_NOT_OWNED":
    case "SHARD_COUNT_CHANGED":
      return "CHAIN_REJECTED";
    case "INTENT_CONFLICT":
    case "INVALID_SUBMISSION":
      return "INTERNAL";
    default:
      return code satisfies never;
  }
}
