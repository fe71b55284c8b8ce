/**
 * Operating errors as plain data, for storage and for calls between isolates, which keep an error's fields but not its
 * class. A code belongs to one class, so the code alone brings the class back.
 */
import { type ErrorDetail, FloeError } from "../../base/errors.ts";
import { MoveAbortError } from "../client/move-abort.ts";
import { SUI_ERROR_CODES, SuiError } from "../client/sui-error.ts";
import { PriceError } from "./price.ts";
import { SUBMISSION_ERROR_CODES, SubmissionError } from "./submissions.ts";

export interface PortableError {
  readonly code: string;
  readonly message: string;
  readonly retryable: boolean;
  readonly details: Readonly<Record<string, ErrorDetail>>;
}

export const toPortableError = ({ code, message, retryable, details }: FloeError): PortableError => ({
  code,
  message,
  retryable,
  details,
});

/** The error again, of its own class as far as wallet and chain are concerned, else a plain `FloeError`. */
export function fromPortableError({ code, message, retryable, details }: PortableError): FloeError {
  const options = { retryable, details };
  const submission = SUBMISSION_ERROR_CODES.find((each) => each === code);
  if (submission !== undefined) return new SubmissionError(submission, message, options);
  const sui = SUI_ERROR_CODES.find((each) => each === code);
  if (sui !== undefined) return new SuiError(sui, message, options);
  if (code === "EPOCHS_OUT_OF_RANGE") return new PriceError(code, message, options);
  const { module, abortCode, command, function: functionName } = details;
  if (code === "MOVE_ABORT" && typeof module === "string" && typeof abortCode === "number") {
    return new MoveAbortError({
      kind: "move-abort",
      module,
      abortCode,
      function: typeof functionName === "string" ? functionName : undefined,
      command: typeof command === "number" ? command : undefined,
    });
  }
  return new FloeError(code, message, options);
}

/** What a call to another isolate threw, as an operating error if it was one; other errors come back unchanged. */
export function fromRemoteError(error: unknown): unknown {
  if (error instanceof FloeError || !(error instanceof Error)) return error;
  const { code, retryable, details }: Partial<PortableError> = error;
  if (typeof code !== "string" || typeof details !== "object" || details === null) return error;
  return fromPortableError({ code, message: error.message, retryable: retryable === true, details });
}

/** Runs a call to another isolate; what it throws has its class again. */
export async function remoteCall<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    throw fromRemoteError(error);
  }
}
