/**
 * What the wallet is asked to do on chain, and what it answers. Plain data: sent between isolates and stored.
 *
 * Every request carries an `intentId`, the caller's name for "this one purchase" or "this one certification". The
 * wallet answers all calls with one `intentId` with one and the same outcome, whatever dies in between; a caller that
 * got no answer asks again with the same one.
 */

import { FloeError } from "../../base/errors.ts";
import type { Certificate } from "../../protocol/certificate.ts";
import type { BlobId, ObjectId } from "../../protocol/ids.ts";

export interface RegisterRequest {
  readonly intentId: string;
  /** Who pays in the end: caps and the ledger count by it. */
  readonly principal: string;
  readonly blobId: BlobId;
  /** 32 bytes: root of the metadata's sliver hashes. */
  readonly rootHash: Uint8Array;
  readonly unencodedLength: number;
  /** Shards the blob was encoded for; refused when the committee has another number. */
  readonly nShards: number;
  readonly deletable: boolean;
  /** Epochs from the current one on. */
  readonly epochs: number;
  /** Written to the Blob object in this order; keys are distinct. */
  readonly attributes: readonly BlobAttribute[];
}

export interface BlobAttribute {
  readonly key: string;
  readonly value: string;
}

export interface RegisteredBlob {
  readonly objectId: ObjectId;
  readonly blobId: BlobId;
  readonly registeredEpoch: number;
  readonly unencodedLength: number;
  readonly deletable: boolean;
  readonly storage: {
    readonly id: ObjectId;
    readonly startEpoch: number;
    /** Exclusive. */
    readonly endEpoch: number;
    /** Encoded bytes that were paid for. */
    readonly storageBytes: number;
  };
  /** WAL paid for storage and writing, without gas. */
  readonly costFrost: bigint;
  readonly txDigest: string;
  /** Position of the BlobRegistered event in its transaction. */
  readonly eventSeq: string;
}

export interface CertifyRequest {
  readonly intentId: string;
  readonly objectId: ObjectId;
  readonly certificate: Certificate;
  /** Hands the Blob object to this address in the same transaction; not together with `share`. */
  readonly sendObjectTo?: ObjectId;
  /** Wraps the Blob object in a shared object in the same transaction. */
  readonly share?: boolean;
}

export interface CertifiedBlob {
  readonly txDigest: string;
  /** Position of the BlobCertified event in its transaction. */
  readonly eventSeq: string;
  readonly certifiedEpoch: number;
  /** Exclusive. */
  readonly endEpoch: number;
  /** Present after `share`. */
  readonly sharedObjectId?: ObjectId;
}

export interface DeleteRequest {
  readonly intentId: string;
  readonly objectId: ObjectId;
}

export interface DeletedBlob {
  readonly txDigest: string;
}

/** Every code of a `SubmissionError`. */
export const SUBMISSION_ERROR_CODES = [
  /** The same `intentId` came with another request. */
  "INTENT_CONFLICT",
  /** Not decided within the time one call may take; the wallet goes on, ask again with the same intent. */
  "SUBMISSION_PENDING",
  /** Too many submissions wait already. */
  "WALLET_BUSY",
  "INSUFFICIENT_WAL",
  "INSUFFICIENT_SUI",
  /** A cap per request, principal and day, or day would be passed. */
  "SPENDING_CAP_EXCEEDED",
  /** The committee has another number of shards than the blob was encoded for. */
  "SHARD_COUNT_CHANGED",
  /** The wallet does not own the Blob object (any more). */
  "BLOB_NOT_OWNED",
  /** Kept failing for reasons that should have passed: congestion, prices, an upgrade. */
  "SUBMISSION_GAVE_UP",
  /** The transaction failed on chain in a way no other code names; only gas was spent. */
  "EXECUTION_FAILED",
  /** The wallet's configuration or the request cannot be used. */
  "INVALID_SUBMISSION",
] as const;
export type SubmissionErrorCode = (typeof SUBMISSION_ERROR_CODES)[number];

/** The submission took no effect on chain and cost at most gas, except `SUBMISSION_PENDING`: there nothing is known. */
export class SubmissionError extends FloeError<SubmissionErrorCode> {}
