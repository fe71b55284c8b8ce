/**
 * A request to store a blob: quote, read, encode, then join or begin its upload, work on it or wait for the worker that
 * does, and answer.
 *
 * State is in the BlobTracker (what was reached), the staged copy (the bytes) and the Wallet (what was paid); this
 * invocation does the work and may die at any step. Peak memory: see `upload-memory.ts`; all of it is admitted before
 * the body is read, and given back as soon as the blob is held and another worker works.
 */
import type { BlobId, ObjectId } from "../../shared/protocol/ids.ts";
import type { VerifiedMetadata } from "../../shared/protocol/metadata.ts";
import { PriceError, registrationCost } from "../../shared/sui/wallet/price.ts";
import type { CertifiedBlob, RegisteredBlob } from "../../shared/sui/wallet/submissions.ts";
import type { ChainSnapshot } from "../../shared/sui/walrus/chain-snapshot.ts";
import { EdgeError } from "../base/edge-error.ts";
import { fromPortableEdgeError } from "../base/portable-edge-error.ts";
import { TRACKER_LIMITS } from "../tracker/limits.ts";
import type { AlreadyCertified, IntentRequest, Turn } from "../tracker/port.ts";
import { bodyIntoEncoder } from "./body-into-encoder.ts";
import { UPLOAD_LIMITS } from "./limits.ts";
import type { PublishPorts } from "./ports.ts";
import { StepTimes } from "./step-times.ts";
import { newWorker, withTurn } from "./turn.ts";
import { SharedEncoder, type UploadOutcome, workOnUpload } from "./work-on-upload.ts";

/** How a blob is to be stored. */
export interface PublishQuery {
  /** Not yet checked against what the network sells. */
  readonly epochs: number;
  readonly deletable: boolean;
  readonly force: boolean;
  readonly sendObjectTo?: ObjectId;
  readonly share: boolean;
}

export interface PublishRequest {
  readonly query: PublishQuery;
  /** Who asked, for joining and accounting. */
  readonly principal: string;
  readonly idempotencyKey: string | null;
  readonly body: ReadableStream<Uint8Array> | null;
  readonly declaredBytes: number | undefined;
  /** Aborts when the client has left; listened to until the body is read, after that the upload goes on alone. */
  readonly signal?: AbortSignal | undefined;
}

export type PublishResult =
  | {
      readonly kind: "newly-created";
      readonly registered: RegisteredBlob;
      readonly certified: CertifiedBlob;
      readonly encodedBytes: number;
      readonly epochsAhead: number;
    }
  | ({ readonly kind: "already-certified"; readonly blobId: BlobId } & Omit<AlreadyCertified, "kind">);

/** What the steps of one request share. */
interface Joining {
  readonly arrivedAtMs: number;
  readonly encoder: SharedEncoder;
  readonly metadata: VerifiedMetadata;
  readonly snapshot: ChainSnapshot;
  readonly steps: StepTimes;
}

/**
 * Stores one blob.
 *
 * @throws EdgeError as `http/errors.ts` lists them. Whatever was paid by then is used by the next request for the same.
 */
export async function publish(services: PublishPorts, request: PublishRequest): Promise<PublishResult> {
  const arrivedAtMs = services.transport.clock.nowMs();
  const snapshot = await services.chain.snapshot();
  checkEpochs(request.query.epochs, snapshot);
  const steps = new StepTimes(services.transport.clock);
  const encoder = new SharedEncoder(await bodyIntoEncoder(services, snapshot.nShards, request));
  steps.done("readMs");
  try {
    const metadata = encoder.encoder.metadata();
    steps.done("encodeMs");
    const intent = intentOf(request, metadata, snapshot);
    await services.bindIdempotencyKey(intent);
    const outcome = await joinUpload(services, intent, { arrivedAtMs, encoder, metadata, snapshot, steps });
    return resultOf(metadata.blobId, outcome);
  } finally {
    if (!encoder.isReleased) encoder.done();
  }
}

/** Refused before the body is read: upstream finds out late, and answers 500. */
function checkEpochs(epochs: number, snapshot: ChainSnapshot): void {
  try {
    registrationCost(snapshot, 0, epochs);
  } catch (error) {
    if (!(error instanceof PriceError)) throw error;
    throw new EdgeError("INVALID_EPOCHS", error.message, { cause: error, details: error.details });
  }
}

function intentOf(
  { query, principal, idempotencyKey }: PublishRequest,
  { blobId, unencodedLength, nShards }: VerifiedMetadata,
  snapshot: ChainSnapshot,
): IntentRequest {
  return {
    blobId,
    unencodedLength,
    nShards,
    principal,
    deletable: query.deletable,
    epochs: query.epochs,
    endEpoch: snapshot.epoch + query.epochs,
    sendObjectTo: query.sendObjectTo ?? null,
    share: query.share,
    idempotencyKey,
    force: query.force,
  };
}

/** Works on the upload when it is this request's turn, else waits for its outcome. */
async function joinUpload(
  services: PublishPorts,
  intent: IntentRequest,
  { arrivedAtMs, encoder, metadata, snapshot, steps }: Joining,
): Promise<UploadOutcome> {
  const { clock } = services.transport;
  const worker = newWorker(services, metadata.blobId);
  const { tracker, workerId } = worker;
  const untilMs = clock.nowMs() + UPLOAD_LIMITS.uploadJoinWaitMs;
  let turn: Turn = await tracker.begin(intent, workerId, arrivedAtMs);
  for (;;) {
    switch (turn.kind) {
      case "already-certified":
        return turn;
      case "certified":
        return certifiedOutcome(turn.intent);
      case "failed":
        throw fromPortableEdgeError(turn.error);
      case "work":
        return withTurn(services, worker, turn, (held) =>
          workOnUpload(services, { ...held, encoder, metadata, snapshot, steps }),
        );
      case "wait": {
        // From here on the copy is enough: memory is for those who work.
        if (turn.isStaged && !encoder.isReleased) encoder.done();
        if (clock.nowMs() >= untilMs) throw stillPending(turn.intent.intentId);
        turn = await tracker.claim(
          turn.intent.intentId,
          { workerId, canWork: !encoder.isReleased, knowsStaged: turn.isStaged, attempt: turn.attempt },
          TRACKER_LIMITS.trackerPollMs,
        );
        break;
      }
      default:
        return turn satisfies never;
    }
  }
}

function certifiedOutcome({
  intentId,
  registered,
  certified,
}: Extract<Turn, { kind: "certified" }>["intent"]): UploadOutcome {
  if (registered === null || certified === null) {
    throw new EdgeError("INTERNAL", `intent ${intentId} is certified without a registration`);
  }
  return { kind: "certified", registered, certified };
}

const stillPending = (intentId: string): EdgeError =>
  new EdgeError("UPLOAD_PENDING", `waited ${UPLOAD_LIMITS.uploadJoinWaitMs} ms for intent ${intentId}`, {
    retryable: true,
    details: { intentId, waitedMs: UPLOAD_LIMITS.uploadJoinWaitMs },
  });

function resultOf(blobId: BlobId, outcome: UploadOutcome): PublishResult {
  if (outcome.kind === "already-certified") return { ...outcome, blobId };
  const { registered, certified } = outcome;
  const { storage } = registered;
  return {
    kind: "newly-created",
    registered,
    certified,
    encodedBytes: storage.storageBytes,
    epochsAhead: storage.endEpoch - storage.startEpoch,
  };
}
