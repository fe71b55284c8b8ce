/**
 * What an upload holds, and its admission before the first byte is read or paid for.
 *
 * | held                       | bytes                                              | from .. to                      |
 * |----------------------------|----------------------------------------------------|---------------------------------|
 * | encoder                    | `codec.encoderBytes`: about 1.5 blobs              | opening .. last sliver sent     |
 * | slivers under way          | `batchBytes` x `slots`, see `distributionPlan`     | the same, admitted in advance   |
 * | read buffer                | `UPLOAD_LIMITS.bodyReadBytes`                             | while the body is read          |
 * | body of unknown length     | its bytes, in steps of `UPLOAD_LIMITS.bodyStepBytes`      | until it is in the encoder      |
 */

import type { BlobEncoder, Codec } from "../../shared/codec/codec.ts";
import type { Carrier } from "../../shared/node/carrier.ts";
import { AXES } from "../../shared/protocol/ids.ts";
import { type BlobLayout, blobLayout, maxUnencodedLength, sliverBytes } from "../../shared/protocol/sizes.ts";
import { serializedSliverBytes } from "../../shared/protocol/sliver.ts";
import { EdgeError } from "../base/edge-error.ts";
import { type HeldMemory, type KernelLease, LeaseError } from "../base/isolate-memory.ts";
import type { Services } from "../services.ts";
import { UPLOAD_LIMITS } from "./limits.ts";
import { checkBodyBytes, readBody } from "./read-body.ts";

/** How many slivers a distribution generates at a time. */
export interface DistributionPlan {
  readonly pairsPerBatch: number;
  /** Node uploads that hold a batch at once. */
  readonly slots: number;
  /** The most that all of them hold. */
  readonly heldBytes: number;
}

/** @param width requests that the carrier sends at once */
export function distributionPlan(layout: BlobLayout, width: number): DistributionPlan {
  let pairBytes = 0;
  for (const axis of AXES) pairBytes += serializedSliverBytes(sliverBytes(layout, axis));
  const pairsPerBatch = Math.min(
    layout.nShards,
    Math.max(1, Math.floor(UPLOAD_LIMITS.sliversHeldPerNodeBytes / pairBytes)),
  );
  const batchBytes = pairsPerBatch * pairBytes;
  const room = Math.floor(UPLOAD_LIMITS.sliversHeldPerUploadBytes / batchBytes);
  const slots = Math.min(width, Math.max(1, room));
  return { pairsPerBatch, slots, heldBytes: slots * batchBytes };
}

/** Bytes that an upload of this length holds from the opening of its encoder on. */
export function uploadBytes(
  { codec, carrier }: { readonly codec: Codec; readonly carrier: Carrier },
  nShards: number,
  unencodedLength: number,
): number {
  const { heldBytes } = distributionPlan(blobLayout(nShards, unencodedLength), carrier.width);
  return codec.encoderBytes(nShards, unencodedLength) + heldBytes;
}

export interface BodySource {
  readonly body: ReadableStream<Uint8Array> | null;
  readonly declaredBytes: number | undefined;
  /** Aborts when the client has left. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Reads a body into an encoder, whose release gives back the memory of the whole upload.
 *
 * @throws EdgeError `BODY_TOO_LARGE`, `BODY_INCOMPLETE`, `BODY_TOO_SLOW`; LeaseError `LEASE_FULL`. Nothing is held then.
 */
export async function readIntoEncoder(
  services: Services,
  nShards: number,
  source: BodySource,
): Promise<BlobEncoder> {
  const { maxBodyBytes, maxStagedBytes } = services;
  const maxBytes = Math.min(maxBodyBytes, maxStagedBytes, maxUnencodedLength(nShards));
  const { declaredBytes, signal } = source;
  if (declaredBytes !== undefined) checkBodyBytes(declaredBytes, maxBytes);
  const firstBytes =
    declaredBytes === undefined ? UPLOAD_LIMITS.bodyStepBytes : uploadBytes(services, nShards, declaredBytes);
  const held = await asBodyLimit(services.lease, declaredBytes, () =>
    services.lease.hold(firstBytes + UPLOAD_LIMITS.bodyReadBytes, { signal }),
  );
  try {
    const encoder =
      declaredBytes === undefined
        ? await readUnknownLength(services, nShards, source, maxBytes, held)
        : await readKnownLength(services, nShards, source, declaredBytes, maxBytes);
    held.shrink(UPLOAD_LIMITS.bodyReadBytes);
    held.onRelease(() => encoder.release());
    return releasing(encoder, held);
  } catch (error) {
    held.release();
    throw error;
  }
}

async function readKnownLength(
  { codec, transport }: Services,
  nShards: number,
  { body, signal }: BodySource,
  declaredBytes: number,
  maxBytes: number,
): Promise<BlobEncoder> {
  const encoder = codec.openEncoder(nShards, declaredBytes);
  try {
    const limits = { declaredBytes, maxBytes, clock: transport.clock, signal };
    await readBody(body, limits, (piece) => encoder.write(piece));
    return encoder;
  } catch (error) {
    encoder.release();
    throw error;
  }
}

/** Without a length the encoder can only be opened at the end: until then the pieces are held, each step admitted. */
async function readUnknownLength(
  services: Services,
  nShards: number,
  { body, signal }: BodySource,
  maxBytes: number,
  held: HeldMemory,
): Promise<BlobEncoder> {
  const { codec, transport, lease } = services;
  const pieces: Uint8Array[] = [];
  let roomBytes: number = UPLOAD_LIMITS.bodyStepBytes;
  const limits = { declaredBytes: undefined, maxBytes, clock: transport.clock, signal };
  const total = await readBody(body, limits, async (piece) => {
    roomBytes -= piece.length;
    // The buffer is copied before the wait: it is read into again only after this call has ended.
    pieces.push(piece.slice());
    if (roomBytes < UPLOAD_LIMITS.bodyReadBytes) {
      await asBodyLimit(lease, undefined, () => held.grow(UPLOAD_LIMITS.bodyStepBytes, signal));
      roomBytes += UPLOAD_LIMITS.bodyStepBytes;
    }
  });
  await asBodyLimit(lease, total, () => held.grow(uploadBytes(services, nShards, total), signal));
  const encoder = codec.openEncoder(nShards, total);
  for (let piece = pieces.shift(); piece !== undefined; piece = pieces.shift()) encoder.write(piece);
  held.shrink(total + roomBytes);
  return encoder;
}

/** An empty encoder whose release gives back the memory of the whole upload. @throws LeaseError; nothing is held then */
export async function admitEncoder(
  services: Services,
  nShards: number,
  unencodedLength: number,
): Promise<BlobEncoder> {
  const { codec, lease } = services;
  const held = await lease.hold(uploadBytes(services, nShards, unencodedLength));
  try {
    const encoder = codec.openEncoder(nShards, unencodedLength);
    held.onRelease(() => encoder.release());
    return releasing(encoder, held);
  } catch (error) {
    held.release();
    throw error;
  }
}

/** What never fits into an isolate is no overload but a body too large for this service. */
async function asBodyLimit<T>(
  lease: KernelLease,
  bodyBytes: number | undefined,
  hold: () => Promise<T>,
): Promise<T> {
  try {
    return await hold();
  } catch (error) {
    if (!(error instanceof LeaseError) || error.code !== "LEASE_TOO_SMALL") throw error;
    const size = bodyBytes === undefined ? "the body" : `${bodyBytes} bytes`;
    throw new EdgeError("BODY_TOO_LARGE", `${size} in memory: ${error.message}`, {
      cause: error,
      details: { maxBytes: lease.maxBytes },
    });
  }
}

/** The encoder, but releasing it gives back the lease's bytes too. */
function releasing(encoder: BlobEncoder, held: HeldMemory): BlobEncoder {
  return {
    nShards: encoder.nShards,
    unencodedLength: encoder.unencodedLength,
    write: (chunk) => encoder.write(chunk),
    metadata: () => encoder.metadata(),
    slivers: (pairs) => encoder.slivers(pairs),
    source: (from, to) => encoder.source(from, to),
    release: () => held.release(),
  };
}
