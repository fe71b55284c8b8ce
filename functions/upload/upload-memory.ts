/**
 * What an upload holds in memory. All of it is admitted before the first byte is paid for: `body-into-encoder.ts`.
 *
 * | held                       | bytes                                              | from .. to                      |
 * |----------------------------|----------------------------------------------------|---------------------------------|
 * | encoder                    | `codec.encoderBytes`: about 1.5 blobs              | opening .. last sliver sent     |
 * | slivers under way          | `sliverBytes`, their copies in lanes included      | the same, admitted in advance   |
 * | read buffer                | `UPLOAD_LIMITS.bodyReadBytes`                      | while the body is read          |
 * | body of unknown length     | its bytes, in steps of `UPLOAD_LIMITS.bodyStepBytes` | until it is in the encoder      |
 */

import { AXES } from "../../shared/protocol/ids.ts";
import { type BlobLayout, blobLayout, sliverBytes as dataBytesOf } from "../../shared/protocol/sizes.ts";
import { serializedSliverBytes } from "../../shared/protocol/sliver.ts";
import { UPLOAD_LIMITS } from "./limits.ts";
import type { EncoderPorts } from "./ports.ts";

/** How many slivers a distribution generates at a time. */
export interface DistributionPlan {
  /** Of one pair's two slivers, framed. */
  readonly pairBytes: number;
  /** What one node takes at a time. */
  readonly pairsPerBatch: number;
  /** The most that all nodes together hold. */
  readonly heldBytes: number;
}

/**
 * @param sliverBytes admitted for slivers
 * @param copies of `Carrier`: how often each of them may be in memory
 */
export function distributionPlan(layout: BlobLayout, sliverBytes: number, copies: number): DistributionPlan {
  const pairBytes = pairBytesOf(layout);
  const pairsPerBatch = Math.min(
    layout.nShards,
    Math.max(1, Math.floor(UPLOAD_LIMITS.sliversHeldPerNodeBytes / pairBytes)),
  );
  const room = Math.max(pairBytes, Math.floor(sliverBytes / copies));
  return { pairBytes, pairsPerBatch, heldBytes: Math.min(layout.nShards * pairBytes, room) };
}

/** Requests of one upload, roughly: two slivers a shard, and metadata and confirmation of nodes with ten shards each. */
export const uploadRequests = (nShards: number): number => Math.ceil(2.2 * nShards);

/** Bytes that an upload holds from the opening of its encoder on. */
export interface UploadMemory {
  /** For slivers outside the encoder, their copies in lanes included. */
  readonly sliverBytes: number;
  readonly totalBytes: number;
}

/**
 * What is wished for slivers, less where the rest leaves less, but never less than what an upload needs.
 *
 * @param besides what the request holds already while the encoder is opened
 */
export function uploadMemory(
  { codec, carrier, memory }: EncoderPorts,
  nShards: number,
  unencodedLength: number,
  besides = 0,
): UploadMemory {
  const { sliversHeldPerRequestBytes, sliversHeldLeastBytes, sliversHeldMostBytes } = UPLOAD_LIMITS;
  const layout = blobLayout(nShards, unencodedLength);
  const pairBytes = pairBytesOf(layout);
  const all = nShards * pairBytes;
  const perWidth = Math.max(sliversHeldLeastBytes, carrier.width * sliversHeldPerRequestBytes);
  const wish = Math.min(all, sliversHeldMostBytes, perWidth) * carrier.copies;
  const encoderBytes = codec.encoderBytes(nShards, unencodedLength);
  const room = memory.maxBytes - encoderBytes - UPLOAD_LIMITS.bodyReadBytes - besides;
  const sliverBytes = Math.max(pairBytes, Math.min(all, sliversHeldLeastBytes), Math.min(wish, room));
  return { sliverBytes, totalBytes: encoderBytes + sliverBytes };
}

const pairBytesOf = (layout: BlobLayout): number =>
  AXES.reduce((sum, axis) => sum + serializedSliverBytes(dataBytesOf(layout, axis)), 0);
