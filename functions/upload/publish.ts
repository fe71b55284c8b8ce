/**
 * The life of an upload: quote, encode, register, distribute, certify, reply.
 *
 * State is in the BlobTracker (what was reached) and the Wallet (what was paid); this invocation is the muscle and may
 * die at any step. Repeating the request joins the unfinished intent and goes on: every step is idempotent.
 * Peak memory: see `upload-memory.ts`; all of it is admitted before the body is read.
 */
import { metadataRootHash } from "../../shared/codec/blob-id.ts";
import type { Certificate } from "../../shared/protocol/certificate.ts";
import type { Clock } from "../../shared/protocol/clock.ts";
import { ProtocolError } from "../../shared/protocol/errors.ts";
import type { BlobId } from "../../shared/protocol/ids.ts";
import type { Persistence } from "../../shared/protocol/messages.ts";
import { serializeBlobMetadata, type VerifiedMetadata } from "../../shared/protocol/metadata.ts";
import type { ChainSnapshot } from "../../shared/sui/chain-snapshot.ts";
import { PriceError, registrationCost } from "../../shared/sui/price.ts";
import type { CertifiedBlob, RegisteredBlob } from "../../shared/sui/submissions.ts";
import { EdgeError } from "../edge-error.ts";
import type { PublishQuery } from "../query.ts";
import { verifiedBlobStatus } from "../read/blob-status.ts";
import type { Services } from "../services.ts";
import { collectCertificate } from "./collect-certificate.ts";
import type { AlreadyCertified, IntentView, Tracker } from "./tracker-port.ts";
import { readIntoEncoder } from "./upload-memory.ts";
import { onWallet } from "./wallet-errors.ts";

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

/** One upload under way, as its steps share it. */
interface Upload {
  readonly query: PublishQuery;
  readonly principal: string;
  readonly snapshot: ChainSnapshot;
  readonly endEpoch: number;
  readonly metadata: VerifiedMetadata;
  readonly tracker: Tracker;
  readonly begun: IntentView;
  readonly steps: StepTimes;
}

/**
 * Stores one blob.
 *
 * @throws EdgeError as `http-errors.ts` lists them. Whatever was paid by then is used by the next request for the same.
 */
export async function publish(services: Services, request: PublishRequest): Promise<PublishResult> {
  const snapshot = await services.chain.snapshot();
  const { query, principal } = request;
  checkEpochs(query.epochs, snapshot);
  const steps = new StepTimes(services.transport.clock);
  const encoder = await readIntoEncoder(services, snapshot.nShards, request);
  steps.done("readMs");
  // Released here unless the distribution, which needs it beyond the reply, takes it over.
  let release = (): void => encoder.release();
  try {
    const metadata = encoder.metadata();
    const { blobId } = metadata;
    steps.done("encodeMs");
    const tracker = services.tracker(blobId);
    const endEpoch = snapshot.epoch + query.epochs;
    const begun = await tracker.begin({
      blobId,
      unencodedLength: metadata.unencodedLength,
      principal,
      deletable: query.deletable,
      endEpoch,
      sendObjectTo: query.sendObjectTo ?? null,
      share: query.share,
      idempotencyKey: request.idempotencyKey,
      force: query.force,
    });
    if (begun.kind === "already-certified") return { ...begun, blobId };
    const upload: Upload = { query, principal, snapshot, endEpoch, metadata, tracker, begun, steps };
    const existing = await findPermanent(services, upload);
    if (existing !== undefined) return { ...existing, kind: "already-certified", blobId };
    const registered = begun.registered ?? (await register(services, upload));
    steps.done("registerMs");
    const onFinished = release;
    release = () => {};
    const certificate = await collectCertificate(services, {
      intentId: begun.intentId,
      tracker,
      committee: snapshot.committee,
      blobId,
      persistence: persistenceOf(registered),
      encoder,
      metadata: serializeBlobMetadata(metadata),
      onFinished,
    });
    steps.done("collectMs");
    return await certify(services, upload, registered, certificate);
  } finally {
    release();
  }
}

const persistenceOf = ({ deletable, objectId }: RegisteredBlob): Persistence =>
  deletable ? { kind: "deletable", objectId } : { kind: "permanent" };

/** How long each step of an upload took, for its log line. Production's clock stands still during CPU work. */
class StepTimes {
  readonly times: Record<string, number> = {};
  readonly #clock: Clock;
  #sinceMs: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#sinceMs = clock.nowMs();
  }

  done(step: "readMs" | "encodeMs" | "registerMs" | "collectMs" | "certifyMs"): void {
    const nowMs = this.#clock.nowMs();
    this.times[step] = nowMs - this.#sinceMs;
    this.#sinceMs = nowMs;
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

/** The official rule: only `permanent=true` without `force` looks for a permanent blob that lives long enough. */
async function findPermanent(services: Services, upload: Upload): Promise<AlreadyCertified | undefined> {
  const { query, begun, snapshot, endEpoch, tracker } = upload;
  const { blobId } = upload.metadata;
  if (query.deletable || query.force || begun.state !== "begun") return undefined;
  const status = await verifiedBlobStatus(services, snapshot.committee, blobId);
  if (status?.kind === "invalid") {
    throw new EdgeError("BLOB_MARKED_INVALID", "the network has marked this blob invalid", {
      details: { blobId },
    });
  }
  if (status?.kind !== "permanent" || !status.isCertified || status.endEpoch < endEpoch) return undefined;
  await tracker.drop(begun.intentId);
  const { txDigest, eventSeq } = status.statusEvent;
  return { kind: "already-certified", txDigest, eventSeq, endEpoch: status.endEpoch };
}

async function register(services: Services, upload: Upload): Promise<RegisteredBlob> {
  const { query, principal, begun, tracker, snapshot, metadata } = upload;
  await services.failPoint("publish.before-register");
  const registered = await onWallet("register", () =>
    services.wallet.register({
      intentId: `${begun.intentId}:register`,
      principal,
      blobId: metadata.blobId,
      rootHash: metadataRootHash(metadata),
      unencodedLength: metadata.unencodedLength,
      nShards: snapshot.nShards,
      deletable: query.deletable,
      epochs: query.epochs,
      attributes: [],
    }),
  );
  await services.failPoint("publish.after-register");
  if (registered.blobId !== metadata.blobId || registered.deletable !== query.deletable) {
    throw new ProtocolError("INVALID_MESSAGE", "the wallet registered another blob than asked for", {
      details: { asked: metadata.blobId, registered: registered.blobId },
    });
  }
  await tracker.registered(begun.intentId, registered);
  return registered;
}

async function certify(
  services: Services,
  { query, begun, tracker, metadata, steps }: Upload,
  registered: RegisteredBlob,
  certificate: Certificate,
): Promise<PublishResult> {
  await services.failPoint("publish.after-certificate");
  const certified = await onWallet("certify", () =>
    services.wallet.certify({
      intentId: `${begun.intentId}:certify`,
      objectId: registered.objectId,
      certificate,
      ...(query.sendObjectTo === undefined ? {} : { sendObjectTo: query.sendObjectTo }),
      ...(query.share ? { share: true } : {}),
    }),
  );
  steps.done("certifyMs");
  await services.failPoint("publish.after-certify");
  await tracker.certified(begun.intentId, certified);
  services.log("published", {
    blobId: metadata.blobId,
    intentId: begun.intentId,
    epoch: certified.certifiedEpoch,
    ...steps.times,
  });
  const { storage } = registered;
  return {
    kind: "newly-created",
    registered,
    certified,
    encodedBytes: storage.storageBytes,
    epochsAhead: storage.endEpoch - storage.startEpoch,
  };
}
