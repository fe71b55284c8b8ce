/**
 * The Range header: one range of bytes. A superset of the official aggregator's: besides `bytes=a-b` also open-ended
 * and suffix ranges, and an end beyond the blob is clamped (RFC 9110).
 */
import { EdgeError } from "../base/edge-error.ts";

/** Half-open: `start <= byte < end`. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/** @throws EdgeError `INVALID_BYTE_RANGE`, with the size in its details */
export function parseRange(header: string, size: number): ByteRange {
  const invalid = (reason: string): never => {
    throw new EdgeError("INVALID_BYTE_RANGE", reason, { details: { size } });
  };
  const text = header.trim();
  if (!text.startsWith("bytes=")) return invalid("invalid range header format: only bytes are supported");
  if (text.includes(",")) return invalid("only support one range per request");
  const match = /^bytes=\s*([0-9]{0,16})\s*-\s*([0-9]{0,16})$/.exec(text);
  if (match === null) return invalid("invalid range header format: expected bytes=start-end");
  const [, first = "", last = ""] = match;
  if (first === "" && last === "") return invalid("must provide start index");
  if (first === "") {
    const length = Math.min(Number(last), size);
    return length === 0 ? outOfBounds(size, size) : { start: size - length, end: size };
  }
  const start = Number(first);
  const end = last === "" ? size : Math.min(Number(last) + 1, size);
  if (last !== "" && Number(last) < start) return invalid("start index must be less than end index");
  if (start >= size) return outOfBounds(start, last === "" ? size : Number(last) + 1);
  return { start, end };

  function outOfBounds(from: number, to: number): never {
    return invalid(`byte range out of bounds: requested ${from}-${to}, blob size is ${size}`);
  }
}
