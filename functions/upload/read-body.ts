/**
 * Reads a request body through one reused buffer.
 *
 * The platform never delivers more than Content-Length bytes (what follows is the next request on the connection) and
 * fails the read when the client stops short, so a declared length is exact or the upload ends before anything is paid.
 */
import { LIMITS } from "../../shared/protocol/limits.ts";
import { EdgeError } from "../edge-error.ts";

export interface BodyLimits {
  /** Content-Length, when the client sent one. */
  readonly declaredBytes: number | undefined;
  readonly maxBytes: number;
}

/** Content-Length as a number; a malformed one is treated like a short body. @throws EdgeError `BODY_INCOMPLETE` */
export function declaredLength(headers: Headers): number | undefined {
  const text = headers.get("content-length");
  if (text === null) return undefined;
  const value = Number(text);
  if (!/^[0-9]+$/.test(text) || !Number.isSafeInteger(value)) {
    throw new EdgeError("BODY_INCOMPLETE", "Content-Length is not a number");
  }
  return value;
}

/** @throws EdgeError `BODY_TOO_LARGE` with both numbers */
export function checkBodyBytes(bytes: number, maxBytes: number): void {
  if (bytes > maxBytes) {
    throw new EdgeError("BODY_TOO_LARGE", `${bytes} bytes or more, at most ${maxBytes}`, {
      details: { bytes, maxBytes },
    });
  }
}

/**
 * Hands the whole body to `write`, piece by piece; a piece is only valid during the call (copy what must stay).
 *
 * @returns the number of bytes
 * @throws EdgeError `BODY_TOO_LARGE`, `BODY_INCOMPLETE` with have/need
 * Memory: `LIMITS.bodyReadBytes`.
 */
export async function readBody(
  body: ReadableStream<Uint8Array> | null,
  { declaredBytes, maxBytes }: BodyLimits,
  write: (piece: Uint8Array) => void,
): Promise<number> {
  if (declaredBytes !== undefined) checkBodyBytes(declaredBytes, maxBytes);
  let total = 0;
  if (body !== null) {
    const reader = body.getReader({ mode: "byob" });
    let buffer = new ArrayBuffer(LIMITS.bodyReadBytes);
    for (;;) {
      const piece = await readPiece(reader, buffer, total, declaredBytes);
      if (piece === undefined) break;
      total += piece.length;
      if (total > maxBytes) {
        await reader.cancel("body too large");
        checkBodyBytes(total, maxBytes);
      }
      if (piece.length > 0) write(piece);
      buffer = piece.buffer;
    }
  }
  if (declaredBytes !== undefined && total !== declaredBytes) throw incomplete(total, declaredBytes);
  return total;
}

async function readPiece(
  reader: ReadableStreamBYOBReader,
  buffer: ArrayBuffer,
  total: number,
  declaredBytes: number | undefined,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const view = new Uint8Array(buffer);
  try {
    // `readAtLeast` is the platform's own: it fills the buffer instead of returning 4 KiB at a time.
    const result =
      typeof reader.readAtLeast === "function"
        ? await reader.readAtLeast(view.length, view)
        : await reader.read(view);
    const piece = result.value;
    if (result.done && (piece === undefined || piece.length === 0)) return undefined;
    // The view comes back over the transferred buffer it went in with.
    return piece as Uint8Array<ArrayBuffer>;
  } catch (cause) {
    throw incomplete(total, declaredBytes, cause);
  }
}

function incomplete(total: number, declaredBytes: number | undefined, cause?: unknown): EdgeError {
  const expected = declaredBytes === undefined ? "its end" : `${declaredBytes} bytes`;
  return new EdgeError("BODY_INCOMPLETE", `the body stopped after ${total} bytes, before ${expected}`, {
    cause,
    details: { bytes: total, declaredBytes: declaredBytes ?? null },
  });
}
