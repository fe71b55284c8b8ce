/**
 * What a wallet must not forget, and the storage it is kept in.
 *
 * Life of an operation:
 *
 *   waiting --signed with others into one transaction--> signed --effects read back--> done
 *      ^                                                   |
 *      |<-- transaction failed for another, or never ran --|
 *      |                                                   |
 *      +------- refused before or after execution -------> failed --asked again--> waiting
 *
 * `done` and `failed` are final for whoever asked; a failed operation took no effect on chain, so asking again starts
 * it anew. Only the submitter writes any of this.
 */

import type { BlobId, ObjectId } from "../../protocol/ids.ts";
import type { ObjectRef } from "./blob-transactions.ts";
import type { PortableError } from "./portable-error.ts";
import type {
  CertifiedBlob,
  CertifyRequest,
  DeletedBlob,
  DeleteRequest,
  RegisteredBlob,
  RegisterRequest,
} from "./submissions.ts";

export interface OperationShapes {
  readonly register: { readonly request: RegisterRequest; readonly result: RegisteredBlob };
  readonly certify: { readonly request: CertifyRequest; readonly result: CertifiedBlob };
  readonly delete: { readonly request: DeleteRequest; readonly result: DeletedBlob };
}
export type OperationKind = keyof OperationShapes;

export type OperationState<Kind extends OperationKind> =
  | { readonly name: "waiting" }
  | { readonly name: "signed"; readonly digest: string }
  | { readonly name: "done"; readonly result: OperationShapes[Kind]["result"] }
  | { readonly name: "failed"; readonly error: PortableError };

export interface OperationOf<Kind extends OperationKind> {
  readonly kind: Kind;
  readonly intentId: string;
  readonly request: OperationShapes[Kind]["request"];
  readonly state: OperationState<Kind>;
  /** Batches this operation was in that had to be made again for reasons that pass. */
  readonly attempts: number;
  readonly createdAtMs: number;
  /** WAL this operation takes from the caps: set when signed, kept when done, gone when nothing was paid. */
  readonly charge: { readonly principal: string; readonly frost: bigint; readonly atMs: number } | null;
}

export type StoredOperation = { [Kind in OperationKind]: OperationOf<Kind> }[OperationKind];

/** A transaction that was signed and of which no final effects are known. */
export interface OpenTransaction {
  readonly digest: string;
  readonly kind: OperationKind;
  /** In the order of its items. */
  readonly intentIds: readonly string[];
  /** The item each command serves; null for commands of all. */
  readonly itemOfCommand: readonly (number | null)[];
  readonly bytes: Uint8Array;
  readonly signature: string;
  /** Every owned object version it uses: gas, WAL coins, blobs. Empty when paid from address balances. */
  readonly inputs: readonly ObjectRef[];
  /** Whatever is signed in its place must use one of `inputs` at the same version: gas coins, or the blob itself. */
  readonly successorSharesInput: boolean;
  readonly signedInEpoch: bigint;
  /** Last Sui epoch in which it can execute. */
  readonly lastEpoch: bigint;
  readonly signedAtMs: number;
}

export type LedgerState =
  /** Paid for, not certified. */
  | "registered"
  /** Given up by whoever asked for it; the next registration alike takes it over. */
  | "reusable"
  | "certified"
  /** Certified, and now in other hands or shared. */
  | "handed-over"
  | "deleted";

/** One registration paid from this wallet. */
export interface LedgerRow {
  readonly objectId: ObjectId;
  /** The register operation that it answers now. */
  readonly intentId: string;
  readonly principal: string;
  readonly blobId: BlobId;
  readonly endEpoch: number;
  readonly costFrost: bigint;
  readonly state: LedgerState;
  readonly registeredAtMs: number;
  readonly registered: RegisteredBlob;
  readonly certified: CertifiedBlob | null;
}

/** Changes that become durable together or not at all. */
export interface StoreChange {
  readonly operations?: readonly StoredOperation[];
  readonly open?: OpenTransaction;
  /** Digest of a transaction whose end is known. */
  readonly close?: string;
  readonly ledger?: readonly LedgerRow[];
}

/**
 * Storage of one wallet.
 *
 * Durability contract: when `apply` has returned, its changes survive the death of the process *before anything the
 * caller does afterwards can be seen outside* (a Durable Object's SQLite gives this: the output gate holds outgoing
 * requests until writes are durable; a file must be synced). `apply` is atomic; rows are replaced by key. Everything
 * is synchronous, so nothing interleaves between a read and the write that follows from it. One submitter at a time.
 */
export interface SubmitterStore {
  operation(intentId: string): StoredOperation | undefined;
  /** Oldest first. */
  waiting(limit: number): readonly StoredOperation[];
  waitingCount(): number;
  /** Oldest first. */
  openTransactions(): readonly OpenTransaction[];
  /** Sum of charges made at or after `sinceMs`, of one principal or of all. */
  chargedFrost(sinceMs: number, principal?: string): bigint;
  ledgerRow(objectId: ObjectId): LedgerRow | undefined;
  /** Rows in this state registered at or before `beforeMs`, oldest first. */
  ledgerRows(state: LedgerState, beforeMs: number, limit: number): readonly LedgerRow[];
  /** Rows `reusable` for this blob by this principal, oldest first. */
  reusable(principal: string, blobId: BlobId): readonly LedgerRow[];
  apply(change: StoreChange): void;
}
