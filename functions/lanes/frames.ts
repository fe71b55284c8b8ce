/**
 * The frames between an invocation and its lanes. Both ends are this Worker, of the same version; a frame that does not
 * fit its layout ends the lane.
 *
 * | offset | bytes | frame                                                                    | integers: big-endian     |
 * |--------|-------|--------------------------------------------------------------------------|--------------------------|
 * | 0      | 4     | length of what follows                                                   | all kinds                |
 * | 4      | 1     | kind                                                                     | all kinds                |
 * | 5      | 4     | id of the request, chosen by the invocation                              | all kinds                |
 * | 9      | 1     | method: 0 GET, 1 PUT with a body                                         | request                  |
 * | 10     | 1     | accept: 0 JSON, 1 octets                                                 | request                  |
 * | 11     | 12    | maxBytes, timeoutMs, headersTimeoutMs, u32 each                          | request                  |
 * | 23     | 2     | length of the URL, then the URL, then the body                           | request                  |
 * | 9      | 2     | status                                                                   | answer                   |
 * | 11     | 1 + n | length of the content type, and it; 0: none                              | answer                   |
 * |        | 1 + n | length of the content encoding, and it; 0: none; then the body           | answer                   |
 * | 9      | 1     | index of the code in `FAILURE_CODES`                                     | failure                  |
 * | 10     | 2     | status, 0: no headers came; then the message                             | failure                  |
 *
 * `cancel` has nothing more; its request is answered by a failure, or by an answer that was under way.
 */
import { FloeError } from "../../shared/base/errors.ts";
import type { CarrierError, NodeAnswer, NodeRequest } from "../../shared/node/carrier.ts";
import { JSON_TYPE, OCTET_STREAM } from "../../shared/node/storage-node-api.ts";
import { LANE_LIMITS } from "./limits.ts";

const REQUEST = 1;
const CANCEL = 2;
const ANSWER = 3;
const FAILURE = 4;
const HEAD_BYTES = 9;
const REQUEST_HEAD_BYTES = 25;
const FAILURE_HEAD_BYTES = 12;
/** Leaves room for the rest of the head in the 4096 bytes that a frame has beside its body. */
const MAX_URL_CHARACTERS = 1024;

const FAILURE_CODES = ["CANCELLED", "TIMEOUT", "UNREACHABLE", "ANSWER_TOO_LARGE"] as const;
export type FailureCode = (typeof FAILURE_CODES)[number];

/** A frame outside its layout or its bound. */
export class FrameError extends FloeError<"MALFORMED_FRAME"> {}

export type ToLane =
  | { readonly kind: "request"; readonly id: number; readonly request: NodeRequest }
  | { readonly kind: "cancel"; readonly id: number };

export type FromLane =
  | { readonly kind: "answer"; readonly id: number; readonly answer: NodeAnswer }
  | {
      readonly kind: "failure";
      readonly id: number;
      readonly code: FailureCode;
      readonly status: number;
      readonly message: string;
    };

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Can this request and its answer be framed? */
export const fitsFrame = ({ url, body, maxBytes, accept }: NodeRequest): boolean =>
  url.length <= MAX_URL_CHARACTERS &&
  Math.max(body?.length ?? 0, maxBytes) + 4096 <= LANE_LIMITS.frameBytes &&
  (accept === JSON_TYPE || accept === OCTET_STREAM);

export function requestFrame(id: number, request: NodeRequest): Uint8Array<ArrayBuffer> {
  const url = encoder.encode(request.url);
  const body = request.body ?? new Uint8Array();
  const { frame, view } = open(REQUEST, id, REQUEST_HEAD_BYTES + url.length + body.length);
  view.setUint8(9, request.method === "PUT" ? 1 : 0);
  view.setUint8(10, request.accept === OCTET_STREAM ? 1 : 0);
  view.setUint32(11, request.maxBytes);
  view.setUint32(15, request.timeoutMs);
  view.setUint32(19, request.headersTimeoutMs);
  view.setUint16(23, url.length);
  frame.set(url, REQUEST_HEAD_BYTES);
  frame.set(body, REQUEST_HEAD_BYTES + url.length);
  return frame;
}

export const cancelFrame = (id: number): Uint8Array<ArrayBuffer> => open(CANCEL, id, HEAD_BYTES).frame;

export function answerFrame(id: number, answer: NodeAnswer): Uint8Array<ArrayBuffer> {
  const type = headerBytes(answer.contentType);
  const encoding = headerBytes(answer.contentEncoding);
  const { frame, view } = open(ANSWER, id, 13 + type.length + encoding.length + answer.body.length);
  view.setUint16(9, answer.status);
  let at = 11;
  for (const text of [type, encoding]) {
    frame[at] = text.length;
    frame.set(text, at + 1);
    at += 1 + text.length;
  }
  frame.set(answer.body, at);
  return frame;
}

export function failureFrame(id: number, error: CarrierError | undefined): Uint8Array<ArrayBuffer> {
  const message = encoder.encode(error?.message ?? "").subarray(0, 1024);
  const status = error?.details["status"];
  const { frame, view } = open(FAILURE, id, FAILURE_HEAD_BYTES + message.length);
  view.setUint8(9, FAILURE_CODES.indexOf(error?.code ?? "CANCELLED"));
  view.setUint16(10, typeof status === "number" ? status : 0);
  frame.set(message, FAILURE_HEAD_BYTES);
  return frame;
}

/** @param frame from its first byte, the length, on. @throws FrameError */
export function parseToLane(frame: Uint8Array): ToLane {
  const view = viewOf(frame);
  const id = view.getUint32(5);
  const kind = view.getUint8(4);
  if (kind === CANCEL && frame.length === HEAD_BYTES) return { kind: "cancel", id };
  if (kind !== REQUEST || frame.length < REQUEST_HEAD_BYTES) throw malformed(kind, frame.length);
  const bodyAt = REQUEST_HEAD_BYTES + view.getUint16(23);
  const method = view.getUint8(9);
  const accept = view.getUint8(10);
  const isPut = method === 1;
  const isWhole = isPut ? bodyAt <= frame.length : bodyAt === frame.length;
  if (!isWhole || method > 1 || accept > 1) throw malformed(kind, frame.length);
  return {
    kind: "request",
    id,
    request: {
      method: isPut ? "PUT" : "GET",
      url: decoder.decode(frame.subarray(REQUEST_HEAD_BYTES, bodyAt)),
      accept: accept === 1 ? OCTET_STREAM : JSON_TYPE,
      // An own copy: the runtime may take bodies by reference.
      body: isPut ? frame.slice(bodyAt) : undefined,
      maxBytes: view.getUint32(11),
      timeoutMs: view.getUint32(15),
      headersTimeoutMs: view.getUint32(19),
    },
  };
}

/** @param frame from its first byte, the length, on. @throws FrameError */
export function parseFromLane(frame: Uint8Array): FromLane {
  const view = viewOf(frame);
  const id = view.getUint32(5);
  const kind = view.getUint8(4);
  if (kind === FAILURE && frame.length >= FAILURE_HEAD_BYTES) {
    const code = FAILURE_CODES[view.getUint8(9)];
    if (code === undefined) throw malformed(kind, frame.length);
    const message = decoder.decode(frame.subarray(FAILURE_HEAD_BYTES));
    return { kind: "failure", id, code, status: view.getUint16(10), message };
  }
  if (kind !== ANSWER || frame.length < 13) throw malformed(kind, frame.length);
  const [contentType, encodingAt] = header(frame, 11);
  const [contentEncoding, bodyAt] = header(frame, encodingAt);
  const body = frame.slice(bodyAt);
  return { kind: "answer", id, answer: { status: view.getUint16(9), contentType, contentEncoding, body } };
}

/** Cuts a stream of bytes into frames. Holds one unfinished frame at most; each of its bytes is copied once. */
export class FrameCutter {
  /** What has come of the length of the next frame. */
  #head = new Uint8Array();
  #frame = new Uint8Array();
  #filled = 0;

  /** @returns the frames that are complete now: valid until the next call, or the chunk changes. @throws FrameError */
  add(chunk: Uint8Array): Uint8Array[] {
    const frames: Uint8Array[] = [];
    let rest = chunk;
    while (rest.length > 0) {
      if (this.#frame.length === 0) {
        if (this.#head.length > 0) rest = joined([this.#head, rest]);
        this.#head = new Uint8Array();
        if (rest.length < 4) {
          this.#head = rest.slice();
          break;
        }
        const bytes = 4 + viewOf(rest).getUint32(0);
        if (bytes < HEAD_BYTES || bytes > LANE_LIMITS.frameBytes + 4) throw malformed(0, bytes);
        if (bytes <= rest.length) {
          frames.push(rest.subarray(0, bytes));
          rest = rest.subarray(bytes);
          continue;
        }
        this.#frame = new Uint8Array(bytes);
        this.#filled = 0;
      }
      const part = rest.subarray(0, this.#frame.length - this.#filled);
      this.#frame.set(part, this.#filled);
      this.#filled += part.length;
      rest = rest.subarray(part.length);
      if (this.#filled < this.#frame.length) break;
      frames.push(this.#frame);
      this.#frame = new Uint8Array();
    }
    return frames;
  }
}

export function joined(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

function open(kind: number, id: number, bytes: number): { frame: Uint8Array<ArrayBuffer>; view: DataView } {
  const frame = new Uint8Array(bytes);
  const view = viewOf(frame);
  view.setUint32(0, bytes - 4);
  view.setUint8(4, kind);
  view.setUint32(5, id);
  return { frame, view };
}

const viewOf = (bytes: Uint8Array): DataView =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** Longer than a byte counts is none of the protocol's types: what is left of it is refused like any other. */
const headerBytes = (text: string | undefined): Uint8Array => encoder.encode(text ?? "").subarray(0, 255);

function header(frame: Uint8Array, at: number): [text: string | undefined, next: number] {
  const length = frame[at];
  if (length === undefined || at + 1 + length > frame.length) throw malformed(ANSWER, frame.length);
  const next = at + 1 + length;
  return [length === 0 ? undefined : decoder.decode(frame.subarray(at + 1, next)), next];
}

const malformed = (kind: number, bytes: number): FrameError =>
  new FrameError("MALFORMED_FRAME", `a frame of kind ${kind} with ${bytes} bytes`, {
    details: { kind, bytes },
  });
