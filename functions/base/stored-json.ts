/**
 * JSON for stored rows: plain data that may also hold bigints and bytes.
 *
 * A bigint is written as `{"$bigint": "<decimal>"}`, bytes as `{"$bytes": "<base64>"}`; no stored record has such keys
 * of its own.
 */
import { fromBase64, toBase64 } from "../../shared/base/bytes.ts";

export function toStoredJson(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) => {
    if (typeof part === "bigint") return { $bigint: part.toString() };
    if (part instanceof Uint8Array) return { $bytes: toBase64(part) };
    return part;
  });
}

/** @returns what `toStoredJson` was given, as the type the caller stored under this key */
export function fromStoredJson<T>(json: string): T {
  return JSON.parse(json, (_key, part: unknown) => {
    if (typeof part !== "object" || part === null) return part;
    if ("$bigint" in part && typeof part.$bigint === "string") return BigInt(part.$bigint);
    if ("$bytes" in part && typeof part.$bytes === "string") return fromBase64(part.$bytes);
    return part;
  }) as T;
}
