/**
 * One attempt at an upload, from whatever was reached before to its certification: hold the blob, register, distribute,
 * certify. Two callers: the request that brought the blob, and the Uploader that has it from its staged copy.
 *
 * The tracker gives the work to one caller at a time and takes it back when that falls silent. Every step can be
 * repeated by another worker: what was paid has the intent's name in the wallet, slivers and confirmations are sets.
 * How an attempt failed is reported to the tracker; an attempt that ends silently counts as dead.
 */

import { FloeError, ProtocolError } from "../../shared/base/errors.ts";
import { metadataRootHash } from "../../shared/codec/blob-id.ts";
import type { Persistence } from "../../shared/protocol/messages.ts";
import { serializeBlobMetadata, type VerifiedMetadata } from "../../shared/protocol/metadata.ts";
import type { CertifiedBlob, RegisteredBlob } from "../../shared/sui/wallet/submissions.ts";
import type { ChainSnapshot } from "../../shared/sui/walrus/chain-snapshot.ts";
import { EdgeError } from "../base/edge-error.ts";
import type { FailPointName } from "../base/fail-point-names.ts";
import { toPortableEdgeError } from "../base/portable-edge-error.ts";
import { verifiedBlobStatus } from "../read/blob-status.ts";
import type { AlreadyCertified } from "../tracker/port.ts";
import { isUnpaid, onWallet } from "../wallet/errors.ts";
import type { AdmittedEncoder } from "./admitted-encoder.ts";
import { collectCertificate } from "./collect-certificate.ts";
import { UPLOAD_LIMITS } from "./limits.ts";
import type { WorkPorts } from "./ports.ts";
import { stageBlob } from "./staging.ts";
import type { StepTimes } from "./step-times.ts";
import { StoredSlivers } from "./stored-slivers.ts";
import type { HeldTurn } from "./turn.ts";

/** What an attempt works with; its caller keeps the turn. */
export interface UploadWork extends HeldTurn {
  /** Of the caller; what needs it beyond this call keeps it by `use`. */
  readonly encoder: SharedEncoder;
  readonly metadata: VerifiedMetadata;
  readonly snapshot: ChainSnapshot;
  readonly steps: StepTimes;
}

export type UploadOutcome =
  | { readonly kind: "certified"; readonly registered: RegisteredBlob; readonly certified: CertifiedBlob }
  | AlreadyCertified;

/** An encoder with several users; released when the last one is done with it. */
export class SharedEncoder {
  readonly encoder: AdmittedEncoder;
  #users = 1;

  constructor(encoder: AdmittedEncoder) {
    this.encoder = encoder;
  }

  get isReleased(): boolean {
    return this.#users === 0;
  }

  use(): void {
    this.#users++;
  }

  /** To be called once by its first owner and once per `use`. */
  done(): void {
    this.#users--;
    if (this.#users === 0) this.encoder.release();
  }
}

/**
 * Finishes the upload, or reports to the tracker why not.
 *
 * @throws EdgeError and other operating errors as `http/errors.ts` translates them: the attempt has failed, what was
 *   paid is used by the next one
 */
export async function workOnUpload(services: WorkPorts, work: UploadWork): Promise<UploadOutcome> {
  const attempt = new Attempt(services, work);
  try {
    return await attempt.run();
  } catch (error) {
    // Anything but an operating error may be the end of this isolate: then its turn runs out, and another worker goes on.
    if (error instanceof FloeError) await attempt.leave(error);
    throw error;
  }
}

class Attempt {
  readonly #services: WorkPorts;
  readonly #work: UploadWork;
  readonly #stored: StoredSlivers;
  /** Nothing was paid, and nothing that was sent may still be. Written by `#register`. */
  #isUnpaid: boolean;

  constructor(services: WorkPorts, work: UploadWork) {
    this.#services = services;
    this.#work = work;
    this.#stored = new StoredSlivers(work.turn.stored);
    // An earlier attempt may have ended without hearing from the wallet.
    this.#isUnpaid = work.turn.attempt === 1 && work.turn.intent.registered === null;
  }

  async run(): Promise<UploadOutcome> {
    const { turn, tracker, encoder, metadata, steps } = this.#work;
    await this.#reach("publish.after-begin");
    const existing = await this.#findPermanent();
    if (existing !== undefined) return existing;
    if (!turn.isStaged) await stageBlob(this.#services, tracker, metadata.blobId, encoder.encoder);
    steps.done("stageMs");
    const registered = turn.intent.registered ?? (await this.#register());
    steps.done("registerMs");
    const certified = await this.#certify(registered);
    await tracker.certified(turn.intent.intentId, certified);
    await this.#reach("publish.after-certified");
    this.#services.log("published", {
      blobId: metadata.blobId,
      intentId: turn.intent.intentId,
      attempt: turn.attempt,
      epoch: certified.certifiedEpoch,
      ...steps.times,
    });
    return { kind: "certified", registered, certified };
  }

  /** Never throws: a tracker that cannot be reached takes this attempt for dead, which is as good. */
  async leave(error: FloeError): Promise<void> {
    const { tracker, turn, workerId } = this.#work;
    const failure = toPortableEdgeError(error);
    const { intentId } = turn.intent;
    await tracker.leave(intentId, workerId, failure, this.#isUnpaid).catch(() => {
      this.#services.log("leave-failed", { intentId });
    });
  }

  /** The official rule: only `permanent=true` without `force` looks for a permanent blob that lives long enough. */
  async #findPermanent(): Promise<AlreadyCertified | undefined> {
    const { turn, snapshot, tracker, metadata } = this.#work;
    const { request, intentId, state } = turn.intent;
    if (request.deletable || request.force || state !== "begun" || !this.#isUnpaid) return undefined;
    const { blobId } = metadata;
    const status = await verifiedBlobStatus(this.#services, snapshot.committee, blobId);
    if (status?.kind === "invalid") {
      throw new EdgeError("BLOB_MARKED_INVALID", "the network has marked this blob invalid", {
        details: { blobId },
      });
    }
    if (status?.kind !== "permanent" || !status.isCertified || status.endEpoch < request.endEpoch)
      return undefined;
    const { txDigest, eventSeq } = status.statusEvent;
    const answer: AlreadyCertified = {
      kind: "already-certified",
      txDigest,
      eventSeq,
      endEpoch: status.endEpoch,
    };
    await tracker.drop(intentId, answer);
    return answer;
  }

  async #register(): Promise<RegisteredBlob> {
    const { turn, workerId, tracker, metadata } = this.#work;
    const { request, intentId } = turn.intent;
    await this.#reach("publish.before-register");
    // Money is spent only by the worker whose turn it is, with the blob held.
    if (!(await tracker.renew(intentId, workerId))) {
      throw new EdgeError("UPLOAD_PENDING", "another request has taken this upload over", {
        retryable: true,
      });
    }
    this.#isUnpaid = false;
    const registered = await onWallet("register", async () => {
      try {
        return await this.#services.wallet.register({
          intentId: `${intentId}:register`,
          principal: request.principal,
          blobId: metadata.blobId,
          rootHash: metadataRootHash(metadata),
          unencodedLength: metadata.unencodedLength,
          nShards: metadata.nShards,
          deletable: request.deletable,
          epochs: request.epochs,
          attributes: [],
        });
      } catch (error) {
        this.#isUnpaid = isUnpaid(error);
        throw error;
      }
    });
    await this.#reach("publish.after-register");
    if (registered.blobId !== metadata.blobId || registered.deletable !== request.deletable) {
      throw new ProtocolError("INVALID_MESSAGE", "the wallet registered another blob than asked for", {
        details: { asked: metadata.blobId, registered: registered.blobId },
      });
    }
    await tracker.registered(intentId, registered);
    await this.#reach("publish.after-registered");
    return registered;
  }

  /** Collects a certificate and brings it on chain; again with the new committee when the epoch changes meanwhile. */
  async #certify(registered: RegisteredBlob): Promise<CertifiedBlob> {
    let { snapshot } = this.#work;
    for (let round = 1; ; round++) {
      try {
        return await this.#certifyWith(snapshot, registered);
      } catch (error) {
        if (!(error instanceof FloeError) || round >= UPLOAD_LIMITS.certificatesPerUpload) throw error;
        const newest = await this.#newestSnapshot();
        if (newest === undefined || newest.epoch === snapshot.epoch) throw error;
        snapshot = newest;
      }
    }
  }

  async #certifyWith(snapshot: ChainSnapshot, registered: RegisteredBlob): Promise<CertifiedBlob> {
    const { turn, tracker, metadata, encoder, steps } = this.#work;
    const { request, intentId } = turn.intent;
    encoder.use();
    const certificate = await collectCertificate(this.#services, {
      intentId,
      tracker,
      committee: snapshot.committee,
      blobId: metadata.blobId,
      persistence: persistenceOf(registered),
      stored: this.#stored,
      encoder: encoder.encoder,
      metadata: serializeBlobMetadata(metadata),
      onFinished: () => encoder.done(),
    });
    steps.done("collectMs");
    await this.#reach("publish.after-certificate");
    const { sendObjectTo, share } = request;
    const certified = await onWallet("certify", () =>
      this.#services.wallet.certify({
        intentId: `${intentId}:certify`,
        objectId: registered.objectId,
        certificate,
        ...(sendObjectTo === null ? {} : { sendObjectTo }),
        ...(share ? { share: true } : {}),
      }),
    );
    steps.done("certifyMs");
    await this.#reach("publish.after-certify");
    return certified;
  }

  async #newestSnapshot(): Promise<ChainSnapshot | undefined> {
    const { chain, transport } = this.#services;
    try {
      return await chain.snapshot({ minReadAtMs: transport.clock.nowMs() });
    } catch (error) {
      if (!(error instanceof FloeError)) throw error;
      // What failed before is the better answer.
      return undefined;
    }
  }

  async #reach(name: FailPointName): Promise<void> {
    await this.#services.failPoint(name);
  }
}

const persistenceOf = ({ deletable, objectId }: RegisteredBlob): Persistence =>
  deletable ? { kind: "deletable", objectId } : { kind: "permanent" };
