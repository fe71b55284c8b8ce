/**
 * The one JSON text of a value: keys sorted by code unit, no spaces, no fractions, no exponents.
 *
 * Evidence leaves and parameter profiles are hashed in this form, so two programs must never spell one value in two
 * ways. Hence only strings, safe integers, booleans, null, arrays and plain objects without undefined members.
 */
import { AuditError } from "./audit-error.ts";

export type CanonicalValue =
  | string
  | number
  | boolean
  | null
  | readonly CanonicalValue[]
  | { readonly [key: string]: CanonicalValue };

/** @throws AuditError `NOT_CANONICAL_JSON` for a number that is no safe integer, or a value of another type */
export function canonicalJson(value: CanonicalValue): string {
  if (value === null || typeof value === "boolean") return String(value);
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value === "number") {
    if (Number.isSafeInteger(value) && !Object.is(value, -0)) return String(value);
    throw new AuditError("NOT_CANONICAL_JSON", `${value} is no safe integer`);
  }
  if (Array.isArray(value)) return `[${value.map((item: CanonicalValue) => canonicalJson(item)).join(",")}]`;
  if (typeof value === "object") {
    const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
    return `{${members.map(([key, member]) => `${JSON.stringify(key)}:${canonicalJson(member)}`).join(",")}}`;
  }
  throw new AuditError("NOT_CANONICAL_JSON", `a ${typeof value} has no canonical JSON`);
}

export const canonicalBytes = (value: CanonicalValue): Uint8Array =>
  new TextEncoder().encode(canonicalJson(value));
