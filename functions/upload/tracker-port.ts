/**
 * What the rest of the Worker may ask of a BlobTracker. The Durable Object implements it over RPC; simulations run
 * `TrackerState` directly.
 *
 * Every method is durable when it returns and may be called twice with the same arguments.
 */
import type { Certificate } from "../../shared/protocol/certificate.ts";
import type { Committee } from "../../shared/protocol/committee.ts";
import type { Axis, BlobId, ObjectId, ShardIndex } from "../../shared/protocol/ids.ts";
import type { CertifiedBlob, RegisteredBlob } from "../../shared/sui/submissions.ts";
import type { ReceivedConfirmation, RejectedConfirmation } from "./confirmations.ts";

/** Somebody wants this blob stored like this. Requests that agree in everything are the same intent, unless forced. */
export interface IntentRequest {
  readonly blobId: BlobId;
  readonly unencodedLength: number;
  /** Who asked; everybody is `anonymous` on an open publisher. */
  readonly principal: string;
  readonly deletable: boolean;
  /** Exclusive. */
  readonly endEpoch: number;
  readonly sendObjectTo: ObjectId | null;
  readonly share: boolean;
  readonly idempotencyKey: string | null;
  /** Neither joins another upload nor is joined. */
  readonly force: boolean;
}

export type IntentState = "begun" | "registered" | "confirmed" | "certified" | "dropped";

/** An upload as the tracker knows it. */
export interface IntentView {
  readonly kind: "intent";
  readonly intentId: string;
  readonly state: IntentState;
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

/** What an upload has seen since its last report; in any order, repetitions allowed. */
export interface ProgressReport {
  readonly intentId: string;
  /** The committee the upload works with; confirmations of another epoch do not count. */
  readonly committee: Committee;
  readonly confirmations: readonly ReceivedConfirmation[];
  readonly stored: readonly StoredSliver[];
  readonly faults: readonly NodeFault[];
}

export interface StoredSliver {
  readonly shard: ShardIndex;
  readonly axis: Axis;
}

/** Something a node did wrong, as told by its client: a stable code, never the node's own text. */
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

export interface Tracker {
  begin(request: IntentRequest): Promise<IntentView | AlreadyCertified>;
  registered(intentId: string, blob: RegisteredBlob): Promise<IntentView>;
  report(report: ProgressReport): Promise<ReportAnswer>;
  certified(intentId: string, blob: CertifiedBlob): Promise<IntentView>;
  /** Ends an intent that needs no registration after all. */
  drop(intentId: string): Promise<void>;
}
