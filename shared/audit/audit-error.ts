/** Operating errors of the auditor's core. */
import { FloeError } from "../base/errors.ts";

export type AuditErrorCode =
  /** A draw is asked for that the protocol does not define (mode, seed length, empty population). */
  | "INVALID_DRAW"
  /** A population's bytes, order or size are not canonical. */
  | "INVALID_POPULATION"
  /** Chain events contradict each other or begin too late: a population made of them would be wrong. */
  | "INVALID_EVENT_ORDER"
  /** A parameter profile is out of its bounds. */
  | "INVALID_PARAMETERS"
  /** A value has no canonical JSON. */
  | "NOT_CANONICAL_JSON"
  /** A leaf, order or path of the evidence does not fit its root. */
  | "INVALID_EVIDENCE"
  /** Rows or totals of a report do not add up or do not fit their fields. */
  | "INVALID_REPORT";

export class AuditError extends FloeError<AuditErrorCode> {}
