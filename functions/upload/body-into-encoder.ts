/**
 * From a request's body to a filled encoder, in three steps: memory is admitted (`base/isolate-memory.ts`), the body is
 * read in pieces (`body-pieces.ts`), each piece is copied into the encoder (`admitted-encoder.ts`).
 *
 * | Content-Length | admitted before the first byte             | later                                              |
 * |----------------|--------------------------------------------|----------------------------------------------------|
 * | sent           | the whole upload and the read buffer       | -                                                  |
 * | not sent       | one step of the body and the read buffer   | a step at a time, at the end the upload on top     |
 *
 * Without a length the encoder can only be opened at the end: until then the pieces are held.
 */

import { maxUnencodedLength } from "../../shared/protocol/sizes.ts";
import { EdgeError } from "../base/edge-error.ts";
import { type HeldMemory, type IsolateMemory, MemoryError } from "../base/isolate-memory.ts";
import { type AdmittedEncoder, openAdmitted } from "./admitted-encoder.ts";
import { bodyPieces, checkBodyBytes } from "./body-pieces.ts";
import { UPLOAD_LIMITS } from "./limits.ts";
import type { BodyPorts } from "./ports.ts";
import { type UploadMemory, uploadMemory, uploadRequests } from "./upload-memory.ts";

const { bodyReadBytes, bodyStepBytes } = UPLOAD_LIMITS;

export interface BodySource {
  readonly body: ReadableStream<Uint8Array> | null;
  /** Content-Length, when the client sent one. */
  readonly declaredBytes: number | undefined;
  /** Aborts when the client has left. */
  readonly signal?: AbortSignal | undefined;
}

/** What an open body and its memory are, until both are in the encoder. */
interface Reading {
  readonly pieces: AsyncGenerator<Uint8Array, void, undefined>;
  readonly held: HeldMemory;
  readonly signal: AbortSignal | undefined;
}

/**
 * Reads a body into an encoder, whose release gives back the memory of the whole upload.
 *
 * @throws EdgeError `BODY_TOO_LARGE`, `BODY_INCOMPLETE`, `BODY_TOO_SLOW`; MemoryError `LEASE_FULL`. Nothing is held then.
 */
export async function bodyIntoEncoder(
  services: BodyPorts,
  nShards: number,
  { body, declaredBytes, signal }: BodySource,
): Promise<AdmittedEncoder> {
  const { memory, maxBodyBytes, maxStagedBytes } = services;
  const maxBytes = Math.min(maxBodyBytes, maxStagedBytes, maxUnencodedLength(nShards));
  if (declaredBytes !== undefined) checkBodyBytes(declaredBytes, maxBytes);
  services.carrier.expect(uploadRequests(nShards));
  const need = declaredBytes === undefined ? undefined : uploadMemory(services, nShards, declaredBytes);
  const held = await ifItEverFits(memory, declaredBytes, () =>
    memory.hold((need?.totalBytes ?? bodyStepBytes) + bodyReadBytes, { signal }),
  );
  try {
    const { clock } = services.transport;
    const reading = { pieces: bodyPieces(body, { declaredBytes, maxBytes, clock, signal }), held, signal };
    const encoder =
      declaredBytes === undefined || need === undefined
        ? await gatherAndEncode(services, nShards, reading)
        : await encodeAsItComes(services, nShards, declaredBytes, need, reading);
    held.shrink(bodyReadBytes);
    return encoder;
  } catch (error) {
    held.release();
    throw error;
  }
}

async function encodeAsItComes(
  { codec }: BodyPorts,
  nShards: number,
  bytes: number,
  need: UploadMemory,
  { pieces, held }: Reading,
): Promise<AdmittedEncoder> {
  const encoder = openAdmitted(codec, nShards, bytes, held, need);
  for await (const piece of pieces) encoder.write(piece);
  return encoder;
}

async function gatherAndEncode(
  services: BodyPorts,
  nShards: number,
  { pieces, held, signal }: Reading,
): Promise<AdmittedEncoder> {
  const { codec, memory } = services;
  const gathered: Uint8Array[] = [];
  let total = 0;
  let roomBytes: number = bodyStepBytes;
  for await (const piece of pieces) {
    gathered.push(piece.slice());
    total += piece.length;
    roomBytes -= piece.length;
    if (roomBytes < bodyReadBytes) {
      await ifItEverFits(memory, undefined, () => held.grow(bodyStepBytes, signal));
      roomBytes += bodyStepBytes;
    }
  }
  const need = uploadMemory(services, nShards, total, total + roomBytes);
  await ifItEverFits(memory, total, () => held.grow(need.totalBytes, signal));
  const encoder = openAdmitted(codec, nShards, total, held, need);
  for (let piece = gathered.shift(); piece !== undefined; piece = gathered.shift()) encoder.write(piece);
  held.shrink(total + roomBytes);
  return encoder;
}

/** What never fits into an isolate is no overload but a body too large for this service. */
async function ifItEverFits<T>(
  { maxBytes }: IsolateMemory,
  bodyBytes: number | undefined,
  admit: () => Promise<T>,
): Promise<T> {
  try {
    return await admit();
  } catch (error) {
    if (!(error instanceof MemoryError) || error.code !== "LEASE_TOO_SMALL") throw error;
    const size = bodyBytes === undefined ? "the body" : `${bodyBytes} bytes`;
    throw new EdgeError("BODY_TOO_LARGE", `${size} in memory: ${error.message}`, {
      cause: error,
      details: { maxBytes },
    });
  }
}
