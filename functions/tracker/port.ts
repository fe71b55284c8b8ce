/**
 * What the rest of the Worker may ask of a BlobTracker. The Durable Object implements it over RPC; simulations run
 * `TrackerService` directly.
 *
 * Every method is durable when it returns and may be called twice with the same arguments: a caller whose answer got
 * lost asks again.
 */
import type { Certificate } from "../../shared/protocol/certificate.ts";
import type { Committee } from "../../shared/protocol/committee.ts";
import type { Axis, BlobId, ObjectId, ShardIndex } from "../../shared/protocol/ids.ts";
import type { PortableError } from "../../shared/sui/wallet/portable-error.ts";
import type { CertifiedBlob, RegisteredBlob } from "../../shared/sui/wallet/submissions.ts";
import type { ReceivedConfirmation, RejectedConfirmation } from "./confirmations.ts";
import type { EventPage, UploadStatus } from "./status-view.ts";

/** A wish to store this blob in this way. Requests that agree in everything are the same intent, unless forced. */
export interface IntentRequest {
  readonly blobId: BlobId;
  readonly unencodedLength: number;
  readonly nShards: number;
  /** Who asked; on an open publisher every client is `anonymous`. */
  readonly principal: string;
  readonly deletable: boolean;
  /** As asked for; `endEpoch` is counted from the epoch of the request. */
  readonly epochs: number;
  /** Exclusive. */
  readonly endEpoch: number;
  readonly sendObjectTo: ObjectId | null;
  readonly share: boolean;
  /** Two requests of one principal with one key are one request. */
  readonly idempotencyKey: string | null;
  /** Neither joins another upload nor is joined, except by a request with the same key. */
  readonly force: boolean;
}

/** See the state table in `intents.ts`. */
export type IntentState = "begun" | "registered" | "confirmed" | "certified" | "dropped" | "abandoned";

/** An upload as the tracker knows it. */
export interface IntentView {
  readonly intentId: string;
  readonly state: IntentState;
  readonly request: IntentRequest;
  readonly registered: RegisteredBlob | null;
  readonly certified: CertifiedBlob | null;
}

/** A permanent blob that lives long enough is certified already: nothing to pay. */
export interface AlreadyCertified {
  readonly kind: "already-certified";
  readonly txDigest: string;
  readonly eventSeq: string;
  readonly endEpoch: number;
}

/** What a caller is to do about an intent. */
export type Turn =
  | AlreadyCertified
  | WorkTurn
  /** Another worker works, or the alarm will start one: ask again. */
  | {
      readonly kind: "wait";
      readonly intent: IntentView;
      readonly attempt: number;
      readonly isStaged: boolean;
    }
  /** Nothing is left to do but to answer. */
  | { readonly kind: "certified"; readonly intent: IntentView }
  /** The attempt that the caller waited for has failed. */
  | { readonly kind: "failed"; readonly error: PortableError };

/** The caller is the only one to work on this intent, for as long as it renews. */
export interface WorkTurn {
  readonly kind: "work";
  readonly intent: IntentView;
  /** Counts from 1. */
  readonly attempt: number;
  readonly isStaged: boolean;
  readonly stored: readonly NodeSlivers[];
}

/** Slivers that a node has taken already, by their `sliverNumber`. */
export interface NodeSlivers {
  readonly nodeId: ObjectId;
  readonly slivers: readonly number[];
}

/** Names one sliver of a blob: small enough to be stored and sent by the thousand. */
export const sliverNumber = (shard: number, axis: Axis): number => 2 * shard + (axis === "secondary" ? 1 : 0);

/** A request that wants to work on an intent, or to get its outcome. */
export interface Claim {
  /** Its own name, random. */
  readonly workerId: string;
  /** It has the blob at hand and may take over; without, it only waits. */
  readonly canWork: boolean;
  /** It knows that the blob is staged. */
  readonly knowsStaged: boolean;
  /** The failure of this attempt or a later one is what it waits for; null: it starts one itself. */
  readonly attempt: number | null;
}

/** What an upload has seen since its last report; in any order, repetitions allowed. */
export interface ProgressReport {
  /** Whose confirmations these are; null: slivers only. */
  readonly intentId: string | null;
  /** The committee the upload works with; confirmations of another epoch do not count. */
  readonly committee: Committee;
  readonly confirmations: readonly ReceivedConfirmation[];
  readonly stored: readonly StoredSliver[];
  readonly faults: readonly NodeFault[];
}

export interface StoredSliver {
  readonly nodeId: ObjectId;
  readonly shard: ShardIndex;
  readonly axis: Axis;
}

/** Something a node did wrong, as its client saw it: a stable code, never the node's own text. */
export interface NodeFault {
  readonly nodeId: ObjectId;
  readonly code: string;
  readonly route: string;
}

export interface ReportAnswer {
  /** Shards confirmed so far. */
  readonly weight: number;
  readonly rejected: readonly RejectedConfirmation[];
  readonly certificate: Certificate | null;
}

/** `sqlite`: pieces in the tracker; `r2`: one object in the bucket, named by blob ID and staging ID. */
export type StagingStore = "sqlite" | "r2";

export interface StagedCopy {
  readonly stagingId: string;
  readonly store: StagingStore;
  readonly bytes: number;
  readonly nShards: number;
}

/** Slivers still missing on their nodes after certification. */
export interface TailView {
  readonly stored: readonly NodeSlivers[];
}

export interface Tracker {
  /**
   * Joins or begins the upload, and takes its work up if no worker has it.
   *
   * @param arrivedAtMs when the request came: an equal one that succeeded since then was in flight with it
   */
  begin(request: IntentRequest, workerId: string, arrivedAtMs: number): Promise<Turn>;
  /** Takes the work up if it is free, else waits for news at most `waitMs`. */
  claim(intentId: string, claim: Claim, waitMs: number): Promise<Turn>;
  /** @returns false when another worker has it by now */
  renew(intentId: string, workerId: string): Promise<boolean>;
  /**
   * Ends an attempt that failed.
   *
   * @param isUnpaid nothing was or will be paid for this intent: it is over. Else the tracker goes on by itself.
   */
  leave(intentId: string, workerId: string, failure: PortableError, isUnpaid: boolean): Promise<void>;

  /** @returns the name of the copy to make; undefined when one is held already */
  openStaging(store: StagingStore): Promise<string | undefined>;
  /** @returns false when this copy is not wanted any more */
  stagePiece(stagingId: string, at: number, bytes: Uint8Array): Promise<boolean>;
  /** The copy is complete; a second complete copy is given up. @throws TrackerError `STAGING_INCOMPLETE` */
  holdStaged(stagingId: string): Promise<void>;
  staged(): Promise<StagedCopy | null>;
  /** @throws TrackerError `UNKNOWN_STAGING` when there is no such piece (any more) */
  stagedPiece(stagingId: string, at: number): Promise<Uint8Array>;
  /** Gives up a copy whose bytes are not the blob's. */
  discardStaged(stagingId: string): Promise<void>;

  registered(intentId: string, blob: RegisteredBlob): Promise<void>;
  report(report: ProgressReport): Promise<ReportAnswer>;
  certified(intentId: string, blob: CertifiedBlob): Promise<void>;
  /** Ends an intent that needs no registration after all. */
  drop(intentId: string, answer: AlreadyCertified): Promise<void>;
  tail(): Promise<TailView | null>;

  /** Null: no upload of this blob is remembered. Creates nothing. */
  status(): Promise<UploadStatus | null>;
  /** Events after the one numbered `after`; waits at most `waitMs` for the first. Null as above. */
  events(after: number, waitMs: number): Promise<EventPage | null>;
}

/** Finishes uploads without their clients: another invocation of this Worker. */
export interface UploaderPort {
  /** Works on one intent from the staged copy; reports the outcome to the tracker. */
  finish(blobId: BlobId, intentId: string): Promise<void>;
  /** Sends slivers that are missing after certification. */
  finishTail(blobId: BlobId): Promise<void>;
}
