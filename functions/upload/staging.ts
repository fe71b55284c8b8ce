/**
 * Holds the blob durably before anything is paid, and brings it back for an Uploader.
 *
 * With a bucket: one object per copy. Without: pieces of at most `TRACKER_LIMITS.stagedPieceBytes` in the tracker, a few on
 * their way at a time. The copy is made from what the encoder holds, so it is the blob that was named; what is read
 * back is encoded anew and has to give the same blob ID.
 * Peak memory beside the encoder: `stagedPiecesInFlight` pieces.
 */

import { Gate } from "../../shared/base/gate.ts";
import type { BlobEncoder } from "../../shared/codec/codec.ts";
import type { BlobId } from "../../shared/protocol/ids.ts";
import { EdgeError } from "../base/edge-error.ts";
import type { FailPointName } from "../base/fail-point-names.ts";
import { TRACKER_LIMITS } from "../tracker/limits.ts";
import type { StagedCopy, Tracker } from "../tracker/port.ts";
import { stagedObjectKey } from "../tracker/staged-objects.ts";
import { type AdmittedEncoder, admitEncoder } from "./admitted-encoder.ts";
import { UPLOAD_LIMITS } from "./limits.ts";
import type { StagingPorts } from "./ports.ts";

/** Durable when it returns. May be repeated; copies that are not needed any more are given up by the tracker. */
export async function stageBlob(
  services: StagingPorts,
  tracker: Tracker,
  blobId: BlobId,
  encoder: BlobEncoder,
): Promise<void> {
  const objects = services.stagedObjects;
  await reach(services, "staging.before-open");
  const stagingId = await tracker.openStaging(objects === undefined ? "sqlite" : "r2");
  if (stagingId === undefined) return;
  if (objects === undefined) {
    await sendPieces(services, tracker, stagingId, encoder);
  } else {
    await objects.put(stagedObjectKey(blobId, stagingId), encoder.unencodedLength, piecesOf(encoder));
    await reach(services, "staging.after-piece");
  }
  await reach(services, "staging.before-hold");
  await tracker.holdStaged(stagingId);
  await reach(services, "staging.after-hold");
}

async function sendPieces(
  services: StagingPorts,
  tracker: Tracker,
  stagingId: string,
  encoder: BlobEncoder,
): Promise<void> {
  const lanes = new Gate(UPLOAD_LIMITS.stagedPiecesInFlight);
  let isWanted = true;
  await Promise.all(
    pieceStarts(encoder.unencodedLength).map((at) =>
      lanes.run(async () => {
        // Another worker's copy was complete first.
        if (!isWanted) return;
        const bytes = encoder.source(
          at,
          Math.min(at + TRACKER_LIMITS.stagedPieceBytes, encoder.unencodedLength),
        );
        if (!(await tracker.stagePiece(stagingId, at, bytes))) isWanted = false;
        await reach(services, "staging.after-piece");
      }),
    ),
  );
}

/**
 * An encoder filled with the staged copy; its memory is admitted first.
 *
 * @returns undefined when nothing is staged
 * @throws EdgeError `INTERNAL` when the copy is damaged (it is given up); MemoryError when there is no memory now
 */
export async function readStaged(
  services: StagingPorts,
  tracker: Tracker,
  blobId: BlobId,
): Promise<AdmittedEncoder | undefined> {
  const copy = await tracker.staged();
  if (copy === null) return undefined;
  const encoder = await admitEncoder(services, copy.nShards, copy.bytes);
  try {
    const isWhole = await fill(services, tracker, blobId, copy, encoder);
    if (isWhole && encoder.metadata().blobId === blobId) return encoder;
    await tracker.discardStaged(copy.stagingId);
    throw new EdgeError("INTERNAL", `the staged copy of ${copy.bytes} bytes is not the blob`, {
      details: { blobId, bytes: copy.bytes, store: copy.store },
    });
  } catch (error) {
    encoder.release();
    throw error;
  }
}

/** @returns false when bytes are missing or there are too many */
async function fill(
  { stagedObjects }: StagingPorts,
  tracker: Tracker,
  blobId: BlobId,
  copy: StagedCopy,
  encoder: BlobEncoder,
): Promise<boolean> {
  if (copy.store === "sqlite") {
    for (const at of pieceStarts(copy.bytes)) encoder.write(await tracker.stagedPiece(copy.stagingId, at));
    return true;
  }
  const stream = await stagedObjects?.get(stagedObjectKey(blobId, copy.stagingId));
  if (stream === undefined) return false;
  let total = 0;
  const reader = stream.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return total === copy.bytes;
    total += value.length;
    if (total > copy.bytes) {
      await reader.cancel("too long");
      return false;
    }
    encoder.write(value);
  }
}

function pieceStarts(bytes: number): number[] {
  return Array.from(
    { length: Math.ceil(bytes / TRACKER_LIMITS.stagedPieceBytes) },
    (_, index) => index * TRACKER_LIMITS.stagedPieceBytes,
  );
}

function* piecesOf(encoder: BlobEncoder): Generator<Uint8Array> {
  for (const at of pieceStarts(encoder.unencodedLength)) {
    yield encoder.source(at, Math.min(at + TRACKER_LIMITS.stagedPieceBytes, encoder.unencodedLength));
  }
}

const reach = async ({ failPoint }: StagingPorts, name: FailPointName): Promise<void> => failPoint(name);
