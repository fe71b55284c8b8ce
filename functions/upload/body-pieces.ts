/**
 * The pieces of a request body, through one reused buffer, and not for longer than a body may take.
 *
 * The platform never delivers more than Content-Length bytes (what follows is the next request on the connection) and
 * fails the read when the client stops short, so a declared length is exact or the upload ends before anything is paid.
 */

import type { Clock } from "../../shared/base/clock.ts";
import { withDeadline } from "../../shared/base/deadline.ts";
import { EdgeError } from "../base/edge-error.ts";
import { EDGE_LIMITS } from "../base/limits.ts";
import { UPLOAD_LIMITS } from "./limits.ts";

export interface BodyLimits {
  /** Content-Length, when the client sent one. */
  readonly declaredBytes: number | undefined;
  readonly maxBytes: number;
  readonly clock: Clock;
  /** Aborts when the client has left. */
  readonly signal?: AbortSignal | undefined;
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
 * The whole body, piece by piece; a piece is only valid until the next one is asked for (copy what must stay). A caller
 * that stops early cancels the body.
 *
 * @throws EdgeError `BODY_TOO_LARGE`, `BODY_INCOMPLETE` with have/need, `BODY_TOO_SLOW`
 * Memory: `UPLOAD_LIMITS.bodyReadBytes`.
 */
export async function* bodyPieces(
  body: ReadableStream<Uint8Array> | null,
  limits: BodyLimits,
): AsyncGenerator<Uint8Array, void, undefined> {
  const { declaredBytes, clock } = limits;
  let total = 0;
  if (body !== null) {
    const reader = body.getReader({ mode: "byob" });
    let readMs = 0;
    let buffer = new ArrayBuffer(UPLOAD_LIMITS.bodyReadBytes);
    let isWhole = false;
    try {
      for (;;) {
        const startMs = clock.nowMs();
        const piece = await readPiece(reader, buffer, total, readMs, limits);
        readMs += clock.nowMs() - startMs;
        if (piece === undefined) break;
        total += piece.length;
        checkBodyBytes(total, limits.maxBytes);
        if (piece.length > 0) yield piece;
        buffer = piece.buffer;
      }
      isWhole = true;
    } finally {
      // The stream may be broken already: then there is nothing to cancel.
      if (!isWhole) reader.cancel("refused").catch(() => {});
    }
  }
  if (declaredBytes !== undefined && total !== declaredBytes) throw incomplete(total, declaredBytes);
}

async function readPiece(
  reader: ReadableStreamBYOBReader,
  buffer: ArrayBuffer,
  total: number,
  readMs: number,
  { declaredBytes, clock, signal }: BodyLimits,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const view = new Uint8Array(buffer);
  const expected = total + Math.min(view.length, Math.max(0, (declaredBytes ?? Infinity) - total));
  const allowedMs =
    EDGE_LIMITS.clientGraceMs + Math.ceil((expected / EDGE_LIMITS.clientBytesPerSecond) * 1000) - readMs;
  const tooSlow = (): EdgeError =>
    new EdgeError("BODY_TOO_SLOW", `fewer than ${expected} bytes after ${allowedMs + readMs} ms`, {
      details: { bytes: total, expected, minBytesPerSecond: EDGE_LIMITS.clientBytesPerSecond },
    });
  try {
    // `readAtLeast` is the platform's own: it fills the buffer instead of returning 4 KiB at a time.
    const result = await withDeadline(clock, Math.max(0, allowedMs), signal, tooSlow, () =>
      typeof reader.readAtLeast === "function" ? reader.readAtLeast(view.length, view) : reader.read(view),
    );
    const piece = result.value;
    if (result.done && (piece === undefined || piece.length === 0)) return undefined;
    // The view comes back over the transferred buffer it went in with.
    return piece as Uint8Array<ArrayBuffer>;
  } catch (cause) {
    if (cause instanceof EdgeError) throw cause;
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
