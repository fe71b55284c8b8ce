/**
 * What `GET /v1/uploads/{blob_id}` shows: plain JSON. No secrets; who asked appears as a hash only.
 *
 * | field              | meaning                                                                                     |
 * |--------------------|---------------------------------------------------------------------------------------------|
 * | `shards`           | one digit per shard: 0 nothing stored, 1 primary sliver, 2 secondary, 3 both                |
 * | `steps`            | when each step was reached, ms since 1970                                                   |
 * | `weight`, `quorum` | shards that have confirmed, and how many certify                                            |
 * | `failures`         | the last faults of storage nodes: who, what, on which route, when                           |
 * | `lastEventId`      | number of the newest event of the stream                                                    |
 */

export interface UploadStatus {
  readonly blobId: string;
  readonly unencodedLength: number;
  readonly nShards: number;
  readonly quorum: number;
  readonly staging: { readonly store: string; readonly bytes: number; readonly stagedAtMs: number } | null;
  readonly shards: string;
  /** `none` before certification, `open` while slivers are missing, then `complete` or `expired`. */
  readonly tail: TailState;
  readonly intents: readonly IntentStatus[];
  readonly failures: readonly NodeFailure[];
  readonly lastEventId: number;
}

export type TailState = "none" | "open" | "complete" | "expired";

export interface IntentStatus {
  readonly intentId: string;
  /** First 16 bytes of the BLAKE2b-256 hash of the principal, hex. */
  readonly principalHash: string;
  readonly state: string;
  /** A worker works on it now; otherwise the tracker's alarm will start one. */
  readonly isWorkedOn: boolean;
  readonly attempts: number;
  readonly nextAttemptAtMs: number | null;
  readonly deletable: boolean;
  readonly epochs: number;
  readonly endEpoch: number;
  readonly sendObjectTo: string | null;
  readonly share: boolean;
  readonly force: boolean;
  readonly steps: Readonly<Record<string, number>>;
  readonly weight: number;
  readonly registration: {
    readonly objectId: string;
    readonly txDigest: string;
    readonly registeredEpoch: number;
    readonly endEpoch: number;
    /** Decimal. */
    readonly costFrost: string;
  } | null;
  readonly certificate: { readonly epoch: number; readonly signers: readonly number[] } | null;
  readonly certification: {
    readonly txDigest: string;
    readonly certifiedEpoch: number;
    readonly sharedObjectId: string | null;
  } | null;
  /** How the last failed attempt failed. */
  readonly failure: { readonly code: string; readonly message: string; readonly attempt: number } | null;
}

export interface NodeFailure {
  readonly nodeId: string;
  readonly code: string;
  readonly route: string;
  readonly atMs: number;
}

/** Names of events; `progress` is sent whenever weight or stored slivers have grown. */
export type UploadEventName =
  | "begun"
  | "joined"
  | "attempt"
  | "staged"
  | "registered"
  | "progress"
  | "fault"
  | "confirmed"
  | "certified"
  | "attempt-failed"
  | "dropped"
  | "abandoned"
  | "tail-complete"
  | "tail-expired"
  | "released";

export interface UploadEvent {
  readonly id: number;
  readonly atMs: number;
  readonly intentId: string | null;
  readonly name: UploadEventName;
  readonly data: Readonly<Record<string, string | number | boolean | null>>;
}

export interface EventPage {
  readonly events: readonly UploadEvent[];
  /** Number of the oldest event still kept. */
  readonly oldestId: number;
  /** Every intent is in a final state: after these events there is nothing to wait for. */
  readonly isOver: boolean;
}
