/**
 * Reads the outcome of an executed transaction: which operation got what.
 *
 * A registration is known by its BlobRegistered event, a certification by its BlobCertified event; created objects
 * say nothing by their order. What effects do not carry (the ID of the Storage inside a Blob, which shared object
 * wraps which Blob) is read back from the objects.
 */
import { assert } from "../../base/errors.ts";
import type { ObjectId } from "../../protocol/ids.ts";
import { SuiError } from "../client/sui-error.ts";
import { parseWalrusEvent, type WalrusEventOf } from "../walrus/events.ts";
import { BlobLayout, parseLayout, SharedBlobLayout } from "../walrus/layouts.ts";
import { toPortableError } from "./portable-error.ts";
import type { LedgerRow, OperationOf, StoreChange, StoredOperation, SubmitterStore } from "./store.ts";
import { type CertifiedBlob, type RegisteredBlob, SubmissionError } from "./submissions.ts";
import type { ExecutedTransaction, WalletChain } from "./wallet-chain.ts";

interface Sequenced<Event> {
  readonly event: Event;
  /** Position among the transaction's events. */
  readonly eventSeq: string;
}

function eventsOf<Kind extends "BlobRegistered" | "BlobCertified">(
  executed: ExecutedTransaction,
  kind: Kind,
): Sequenced<WalrusEventOf<Kind>>[] {
  const found: Sequenced<WalrusEventOf<Kind>>[] = [];
  executed.events.forEach(({ type, contents }, index) => {
    const event = parseWalrusEvent(type, contents);
    // `kind` was just compared, so the event is of that member of the union.
    if (event?.kind === kind) found.push({ event: event as WalrusEventOf<Kind>, eventSeq: index.toString() });
  });
  return found;
}

/**
 * The change that settles a transaction that succeeded.
 *
 * @throws SuiError `SUI_STALE` while an endpoint does not show the created objects yet: the transaction stays open and
 *   settling is tried again; `SUI_MALFORMED` when events and operations do not fit each other
 */
export async function settleSuccess(
  chain: WalletChain,
  store: SubmitterStore,
  executed: ExecutedTransaction,
  operations: readonly StoredOperation[],
  nowMs: number,
): Promise<StoreChange> {
  const change: { operations: StoredOperation[]; ledger: LedgerRow[]; close: string } = {
    operations: [],
    ledger: [],
    close: executed.digest,
  };
  const registers = operations.filter((each) => each.kind === "register");
  if (registers.length > 0) await settleRegisters(chain, executed, registers, nowMs, change);
  const certifies = operations.filter((each) => each.kind === "certify");
  if (certifies.length > 0) await settleCertifies(chain, store, executed, certifies, change);
  for (const operation of operations) {
    if (operation.kind !== "delete") continue;
    const row = store.ledgerRow(operation.request.objectId);
    if (row !== undefined) {
      change.ledger.push({ ...row, state: "deleted" });
      const before = store.operation(row.intentId);
      if (before?.kind === "register") change.operations.push(registrationGone(before));
    }
    change.operations.push({
      ...operation,
      state: { name: "done", result: { txDigest: executed.digest } },
    });
  }
  const settled = new Set(change.operations.map(({ intentId }) => intentId));
  assert(
    operations.every(({ intentId }) => settled.has(intentId)),
    "every operation of a settled transaction is settled",
  );
  return change;
}

async function settleRegisters(
  chain: WalletChain,
  executed: ExecutedTransaction,
  operations: readonly OperationOf<"register">[],
  nowMs: number,
  change: { operations: StoredOperation[]; ledger: LedgerRow[] },
): Promise<void> {
  const unclaimed = eventsOf(executed, "BlobRegistered");
  const claims = operations.map((operation) => {
    const { blobId, deletable, unencodedLength } = operation.request;
    // Events come in the order of the commands, so among equal blobs the first unclaimed one is ours.
    const index = unclaimed.findIndex(
      ({ event }) =>
        event.blob_id === blobId &&
        event.deletable === deletable &&
        event.size === BigInt(unencodedLength) &&
        event.end_epoch === event.epoch + operation.request.epochs,
    );
    const [claim] = index < 0 ? [] : unclaimed.splice(index, 1);
    if (claim === undefined) {
      throw new SuiError("SUI_MALFORMED", `${executed.digest} succeeded without registering ${blobId}`);
    }
    return { operation, ...claim };
  });
  const objects = await chain.objects(claims.map(({ event }) => event.object_id));
  claims.forEach(({ operation, event, eventSeq }, index) => {
    const object = objects[index];
    if (object === undefined) throw notShownYet(event.object_id);
    const blob = parseLayout(BlobLayout, object.content);
    const result: RegisteredBlob = {
      objectId: event.object_id,
      blobId: event.blob_id,
      registeredEpoch: event.epoch,
      unencodedLength: operation.request.unencodedLength,
      deletable: event.deletable,
      storage: {
        id: blob.storage.id,
        startEpoch: blob.storage.start_epoch,
        endEpoch: blob.storage.end_epoch,
        storageBytes: Number(blob.storage.storage_size),
      },
      costFrost: operation.charge?.frost ?? 0n,
      txDigest: executed.digest,
      eventSeq,
    };
    change.operations.push({ ...operation, state: { name: "done", result } });
    change.ledger.push({
      objectId: result.objectId,
      intentId: operation.intentId,
      principal: operation.request.principal,
      blobId: result.blobId,
      endEpoch: event.end_epoch,
      costFrost: result.costFrost,
      state: "registered",
      registeredAtMs: nowMs,
      registered: result,
      certified: null,
    });
  });
}

async function settleCertifies(
  chain: WalletChain,
  store: SubmitterStore,
  executed: ExecutedTransaction,
  operations: readonly OperationOf<"certify">[],
  change: { operations: StoredOperation[]; ledger: LedgerRow[] },
): Promise<void> {
  const events = new Map(
    eventsOf(executed, "BlobCertified").map((each) => [each.event.object_id, each] as const),
  );
  const wrappers = operations.some((each) => each.request.share === true)
    ? await sharedWrappers(chain, executed)
    : new Map<ObjectId, ObjectId>();
  for (const operation of operations) {
    const { objectId, share, sendObjectTo } = operation.request;
    const certified = events.get(objectId);
    if (certified === undefined) {
      throw new SuiError("SUI_MALFORMED", `${executed.digest} succeeded without certifying ${objectId}`);
    }
    const sharedObjectId = wrappers.get(objectId);
    if (share === true && sharedObjectId === undefined) throw notShownYet(objectId);
    const result: CertifiedBlob = {
      txDigest: executed.digest,
      eventSeq: certified.eventSeq,
      certifiedEpoch: certified.event.epoch,
      endEpoch: certified.event.end_epoch,
      ...(sharedObjectId === undefined ? {} : { sharedObjectId }),
    };
    change.operations.push({ ...operation, state: { name: "done", result } });
    const row = store.ledgerRow(objectId);
    if (row !== undefined) {
      const isHandedOver = share === true || sendObjectTo !== undefined;
      change.ledger.push({ ...row, state: isHandedOver ? "handed-over" : "certified", certified: result });
    }
  }
}

/** Shared object by the Blob it wraps. */
async function sharedWrappers(
  chain: WalletChain,
  executed: ExecutedTransaction,
): Promise<ReadonlyMap<ObjectId, ObjectId>> {
  const ids = executed.changedObjects
    .filter((change) => change.isCreated && change.isShared)
    .map((change) => change.objectId);
  const objects = await chain.objects(ids);
  const wrappers = new Map<ObjectId, ObjectId>();
  for (const object of objects) {
    if (object === undefined) continue;
    wrappers.set(parseLayout(SharedBlobLayout, object.content).blob.id, object.ref.objectId);
  }
  return wrappers;
}

/** The registration an operation had bought is no longer its own: asked again, it buys anew. */
export function registrationGone(operation: OperationOf<"register">): StoredOperation {
  const error = new SubmissionError("BLOB_NOT_OWNED", "this registration was swept and is gone", {
    retryable: true,
  });
  return { ...operation, state: { name: "failed", error: toPortableError(error) } };
}

const notShownYet = (objectId: ObjectId): SuiError =>
  new SuiError("SUI_STALE", `the endpoint does not show object ${objectId} yet`, {
    retryable: true,
    details: { objectId },
  });
