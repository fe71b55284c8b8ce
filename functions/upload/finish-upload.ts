/** What the Uploader does: finishes uploads from their staged copies, without the clients that brought them. */

import { withTimer } from "../../shared/base/deadline.ts";
import { FloeError } from "../../shared/base/errors.ts";
import type { BlobId } from "../../shared/protocol/ids.ts";
import { serializeBlobMetadata } from "../../shared/protocol/metadata.ts";
import type { FailPointName } from "../base/fail-point-names.ts";
import { toPortableEdgeError } from "../base/portable-edge-error.ts";
import { reachableNodes } from "../nodes/reachable-nodes.ts";
import type { Tracker } from "../tracker/port.ts";
import type { AdmittedEncoder } from "./admitted-encoder.ts";
import { distribute } from "./distribute.ts";
import { UPLOAD_LIMITS } from "./limits.ts";
import type { DistributionPorts, FinishPorts, StagingPorts, WorkPorts } from "./ports.ts";
import { ProgressReporter } from "./progress-reporter.ts";
import { readStaged } from "./staging.ts";
import { StepTimes } from "./step-times.ts";
import { StoredSlivers } from "./stored-slivers.ts";
import { type HeldTurn, newWorker, withTurn } from "./turn.ts";
import { SharedEncoder, workOnUpload } from "./work-on-upload.ts";

/**
 * Makes one attempt at an intent, if no other worker is at it.
 *
 * An operating error is reported to the tracker and ends here; anything else is thrown, and the tracker finds out when
 * the turn runs out. The tail after certification goes on in the background.
 */
export async function finishUpload(services: FinishPorts, blobId: BlobId, intentId: string): Promise<void> {
  await reach(services, "uploader.before-finish");
  const worker = newWorker(services, blobId);
  const { tracker, workerId } = worker;
  const turn = await tracker.claim(
    intentId,
    { workerId, canWork: true, knowsStaged: true, attempt: null },
    0,
  );
  if (turn.kind !== "work") return;
  try {
    await withTurn(services, worker, turn, (held) => workFromStaged(services, blobId, held));
  } catch (error) {
    if (!(error instanceof FloeError)) throw error;
    services.log("attempt-failed", { blobId, intentId, attempt: turn.attempt, code: error.code });
  }
  await reach(services, "uploader.after-finish");
}

async function workFromStaged(services: WorkPorts, blobId: BlobId, held: HeldTurn): Promise<void> {
  const steps = new StepTimes(services.transport.clock);
  const encoder = await openStaged(services, blobId, held);
  if (encoder === undefined) return;
  try {
    steps.done("readMs");
    await reach(services, "uploader.after-read");
    const metadata = encoder.encoder.metadata();
    const snapshot = await services.chain.snapshot();
    steps.done("encodeMs");
    await workOnUpload(services, { ...held, encoder, metadata, snapshot, steps });
  } finally {
    encoder.done();
  }
}

/** A copy that cannot be read ends the attempt like any other failure. */
async function openStaged(
  services: StagingPorts,
  blobId: BlobId,
  { tracker, workerId, turn }: HeldTurn,
): Promise<SharedEncoder | undefined> {
  try {
    const encoder = await readStaged(services, tracker, blobId);
    return encoder === undefined ? undefined : new SharedEncoder(encoder);
  } catch (error) {
    if (!(error instanceof FloeError)) throw error;
    // Whether anything was paid is not known here.
    await tracker.leave(turn.intent.intentId, workerId, toPortableEdgeError(error), false);
    throw error;
  }
}

/** Sends slivers that their nodes lacked at certification, for as long as one stage may take. */
export async function finishTail(services: FinishPorts, blobId: BlobId): Promise<void> {
  await reach(services, "uploader.before-tail");
  const tracker = services.tracker(blobId);
  const tail = await tracker.tail();
  if (tail === null) return;
  const encoder = await readStaged(services, tracker, blobId);
  if (encoder === undefined) return;
  try {
    await sendTail(services, blobId, tracker, new StoredSlivers(tail.stored), encoder);
  } finally {
    encoder.release();
  }
  await reach(services, "uploader.after-tail");
}

async function sendTail(
  services: DistributionPorts,
  blobId: BlobId,
  tracker: Tracker,
  stored: StoredSlivers,
  encoder: AdmittedEncoder,
): Promise<void> {
  const { committee } = await services.chain.snapshot();
  const failures: unknown[] = [];
  const reporter = new ProgressReporter({
    tracker,
    intentId: null,
    committee,
    clock: services.transport.clock,
    onAnswer: () => {},
    onError: (error) => failures.push(error),
  });
  const work = new AbortController();
  const stop = (): void => work.abort(new Error("the tail's time is up"));
  await withTimer(services.transport.clock, UPLOAD_LIMITS.distributeTimeoutMs, stop, async () => {
    await Promise.all(
      distribute({
        blobId,
        persistence: null,
        stored,
        encoder,
        metadata: serializeBlobMetadata(encoder.metadata()),
        nodes: reachableNodes(services, committee).filter(
          ({ member }) => !stored.hasAll(member.nodeId, member.shards),
        ),
        carrier: services.carrier,
        signal: work.signal,
        events: reporter.events,
      }),
    );
    await reporter.flush();
  });
  services.log("tail-sent", { blobId, reportsFailed: failures.length });
}

const reach = async ({ failPoint }: StagingPorts, name: FailPointName): Promise<void> => failPoint(name);
