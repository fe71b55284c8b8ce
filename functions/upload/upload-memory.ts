/**
 * What an upload holds in memory. All of it is admitted before the first byte is paid for: `body-into-encoder.ts`.
 *
 * | held                       | bytes                                              | from .. to                      |
 * |----------------------------|----------------------------------------------------|---------------------------------|
 * | encoder                    | `codec.encoderBytes`: about 1.5 blobs              | opening .. last sliver sent     |
 * | slivers under way          | `heldBytes`, see `distributionPlan`                | the same, admitted in advance   |
 * | their copies in lanes      | as much again at most                              | the same, admitted in advance   |
 * | read buffer                | `UPLOAD_LIMITS.bodyReadBytes`                      | while the body is read          |
 * | body of unknown length     | its bytes, in steps of `UPLOAD_LIMITS.bodyStepBytes` | until it is in the encoder      |
 */

import type { Codec } from "../../shared/codec/codec.ts";
import type { Carrier } from "../../shared/node/carrier.ts";
import { AXES } from "../../shared/protocol/ids.ts";
import { type BlobLayout, blobLayout, sliverBytes } from "../../shared/protocol/sizes.ts";
import { serializedSliverBytes } from "../../shared/protocol/sliver.ts";
import { UPLOAD_LIMITS } from "./limits.ts";

/** How many slivers a distribution generates at a time. */
export interface DistributionPlan {
  /** Of one pair's two slivers, framed. */
  readonly pairBytes: number;
  /** What one node takes at a time. */
  readonly pairsPerBatch: number;
  /** The most that all nodes together hold. */
  readonly heldBytes: number;
}

/** @param width requests that the carrier sends at once */
export function distributionPlan(layout: BlobLayout, width: number): DistributionPlan {
  let pairBytes = 0;
  for (const axis of AXES) pairBytes += serializedSliverBytes(sliverBytes(layout, axis));
  const { sliversHeldPerNodeBytes, sliversHeldPerRequestBytes, sliversHeldLeastBytes, sliversHeldMostBytes } =
    UPLOAD_LIMITS;
  const pairsPerBatch = Math.min(
    layout.nShards,
    Math.max(1, Math.floor(sliversHeldPerNodeBytes / pairBytes)),
  );
  const room = Math.min(
    sliversHeldMostBytes,
    Math.max(sliversHeldLeastBytes, width * sliversHeldPerRequestBytes),
  );
  const heldBytes = Math.min(layout.nShards * pairBytes, Math.max(pairBytes, room));
  return { pairBytes, pairsPerBatch, heldBytes };
}

/** Requests of one upload, roughly: two slivers a shard, and metadata and confirmation of nodes with ten shards each. */
export const uploadRequests = (nShards: number): number => Math.ceil(2.2 * nShards);

/** Bytes that an upload of this length holds from the opening of its encoder on. */
export function uploadBytes(
  { codec, carrier }: { readonly codec: Codec; readonly carrier: Carrier },
  nShards: number,
  unencodedLength: number,
): number {
  const { heldBytes } = distributionPlan(blobLayout(nShards, unencodedLength), carrier.width);
  return codec.encoderBytes(nShards, unencodedLength) + heldBytes * carrier.copies;
}
