/**
 * What the chain's events say about every blob: registered, certified, invalid, expired.
 *
 * State is kept per Blob object (one blob ID may be registered by many) and per blob ID:
 *
 *   objects  BlobRegistered adds a row, BlobCertified marks it (an extension also moves its end epoch),
 *            BlobDeleted removes it
 *   blobs    initial certified epoch: set by the first certification, cleared when no certified object is left;
 *            InvalidBlobID marks it for ever
 *
 * A blob is *registered* in epoch e when it is not invalid and some object of it has end epoch > e; *certified* when
 * additionally that object is certified and the initial certified epoch is <= e. Expiry sends no event: everything
 * is asked with the current epoch. Each event is applied once: its effect and the cursor behind it are stored together.
 */
import type { BlobStatus, StatusEvent } from "../../shared/protocol/blob-status.ts";
import type { BlobId, ObjectId } from "../../shared/protocol/ids.ts";
import type { ChainEvent } from "./chain-source.ts";
import type { NodeStore, Row } from "./store.ts";

const ORDER_KEY = "event-order";

interface ObjectRow {
  readonly deletable: boolean;
  readonly endEpoch: number;
  readonly registered: { readonly order: number; readonly event: StatusEvent };
  readonly certified: { readonly order: number; readonly event: StatusEvent } | undefined;
}

export class BlobRegistry {
  readonly #store: NodeStore;

  constructor(store: NodeStore) {
    this.#store = store;
  }

  /** Call inside the transaction that also moves the cursor. Events must come in chain order. */
  apply(chainEvent: ChainEvent): void {
    const { event } = chainEvent;
    switch (event.kind) {
      case "BlobRegistered":
        this.#register(chainEvent, event.object_id, event.blob_id, event.deletable, event.end_epoch);
        return;
      case "BlobCertified":
        this.#certify(chainEvent, event.object_id, event.blob_id, event.epoch, event.end_epoch);
        return;
      case "BlobDeleted":
        this.#store.run("DELETE FROM objects WHERE object_id = ?", event.object_id);
        this.#forgetInitialEpoch(event.blob_id, event.epoch);
        return;
      case "InvalidBlobID":
        this.#store.run(
          `INSERT INTO blobs VALUES (?, NULL, ?, ?) ON CONFLICT (blob_id) DO UPDATE
           SET invalid_tx = excluded.invalid_tx, invalid_seq = excluded.invalid_seq WHERE invalid_tx IS NULL`,
          event.blob_id,
          chainEvent.txDigest,
          chainEvent.eventSeq,
        );
        this.#store.deleteData(event.blob_id);
        return;
      case "EpochChangeStart":
        this.#collectGarbage(event.epoch);
        return;
      default:
        // Prices, pools, packages, deny lists and hand-over progress say nothing about a blob.
        return;
    }
  }

  isInvalid(blobId: BlobId): boolean {
    return this.#invalidation(blobId) !== undefined;
  }

  isRegistered(blobId: BlobId, epoch: number): boolean {
    if (this.isInvalid(blobId)) return false;
    return (
      this.#store.first("SELECT 1 FROM objects WHERE blob_id = ? AND end_epoch > ?", blobId, epoch) !==
      undefined
    );
  }

  isCertified(blobId: BlobId, epoch: number): boolean {
    if (this.isInvalid(blobId)) return false;
    const initial = this.#initialEpoch(blobId);
    if (initial === null || initial > epoch) return false;
    const sql = "SELECT 1 FROM objects WHERE blob_id = ? AND end_epoch > ? AND certified_order IS NOT NULL";
    return this.#store.first(sql, blobId, epoch) !== undefined;
  }

  /** Whether this very object is a registered, unexpired one of the blob. */
  isObjectRegistered(objectId: ObjectId, blobId: BlobId, epoch: number): boolean {
    const sql = "SELECT 1 FROM objects WHERE object_id = ? AND blob_id = ? AND end_epoch > ?";
    return this.#store.first(sql, objectId, blobId, epoch) !== undefined;
  }

  /** Blobs certified in this epoch, in a fixed order. */
  certifiedBlobs(epoch: number): BlobId[] {
    const sql = `SELECT DISTINCT objects.blob_id FROM objects JOIN blobs ON blobs.blob_id = objects.blob_id
      WHERE end_epoch > ? AND certified_order IS NOT NULL AND initial_certified_epoch <= ? AND invalid_tx IS NULL
      ORDER BY objects.blob_id`;
    return this.#store.all(sql, epoch, epoch).map((row) => row["blob_id"] as BlobId);
  }

  status(blobId: BlobId, epoch: number): BlobStatus {
    const event = this.#invalidation(blobId);
    if (event !== undefined) return { kind: "invalid", event };
    const objects = this.#liveObjects(blobId, epoch);
    if (objects.length === 0) return { kind: "nonexistent" };
    const initialCertifiedEpoch = this.#initialEpoch(blobId);
    const deletable = objects.filter((object) => object.deletable);
    const deletableCounts = {
      count_deletable_total: deletable.length,
      count_deletable_certified: deletable.filter((object) => object.certified !== undefined).length,
    };
    const permanent = objects.filter((object) => !object.deletable);
    if (permanent.length === 0) return { kind: "deletable", initialCertifiedEpoch, deletableCounts };
    const certified = longest(permanent, (object) => object.certified);
    const best = certified ?? longest(permanent, (object) => object.registered);
    return {
      kind: "permanent",
      // `permanent` is not empty and every object has a registration, so there is a best one.
      endEpoch: best?.endEpoch ?? 0,
      isCertified: certified !== undefined,
      statusEvent: best?.event ?? { txDigest: "", eventSeq: "0" },
      deletableCounts,
      initialCertifiedEpoch,
    };
  }

  #register(
    { txDigest, eventSeq }: ChainEvent,
    objectId: ObjectId,
    blobId: BlobId,
    deletable: boolean,
    endEpoch: number,
  ): void {
    this.#store.run(
      "INSERT INTO objects VALUES (?, ?, ?, ?, ?, ?, ?, NULL, NULL, NULL) ON CONFLICT DO NOTHING",
      objectId,
      blobId,
      deletable ? 1 : 0,
      endEpoch,
      this.#nextOrder(),
      txDigest,
      eventSeq,
    );
  }

  #certify(
    { txDigest, eventSeq }: ChainEvent,
    objectId: ObjectId,
    blobId: BlobId,
    epoch: number,
    endEpoch: number,
  ): void {
    const known = this.#store.run(
      `UPDATE objects SET certified_order = ?, certified_tx = ?, certified_seq = ?, end_epoch = max(end_epoch, ?)
       WHERE object_id = ?`,
      this.#nextOrder(),
      txDigest,
      eventSeq,
      endEpoch,
      objectId,
    );
    if (known === 0) return;
    this.#store.run(
      `INSERT INTO blobs VALUES (?, ?, NULL, NULL) ON CONFLICT (blob_id) DO UPDATE
       SET initial_certified_epoch = coalesce(initial_certified_epoch, excluded.initial_certified_epoch)`,
      blobId,
      epoch,
    );
  }

  /** When no certified object is left the next certification counts as the first again. */
  #forgetInitialEpoch(blobId: BlobId, epoch: number): void {
    const sql = "SELECT 1 FROM objects WHERE blob_id = ? AND end_epoch > ? AND certified_order IS NOT NULL";
    if (this.#store.first(sql, blobId, epoch) !== undefined) return;
    this.#store.run("UPDATE blobs SET initial_certified_epoch = NULL WHERE blob_id = ?", blobId);
  }

  /** Drops what expired at least one whole epoch ago; until then the bytes are kept and answered as 404. */
  #collectGarbage(epoch: number): void {
    this.#store.run("DELETE FROM objects WHERE end_epoch < ?", epoch);
    const orphans = `SELECT blob_id FROM (SELECT blob_id FROM metadata UNION SELECT blob_id FROM slivers)
      WHERE blob_id NOT IN (SELECT blob_id FROM objects)`;
    for (const row of this.#store.all(orphans)) {
      this.#store.deleteData(row["blob_id"] as BlobId);
    }
    this.#store.run(
      `UPDATE blobs SET initial_certified_epoch = NULL WHERE blob_id NOT IN
       (SELECT blob_id FROM objects WHERE end_epoch > ? AND certified_order IS NOT NULL)`,
      epoch,
    );
  }

  #liveObjects(blobId: BlobId, epoch: number): ObjectRow[] {
    return this.#store
      .all("SELECT * FROM objects WHERE blob_id = ? AND end_epoch > ?", blobId, epoch)
      .map(toObject);
  }

  #initialEpoch(blobId: BlobId): number | null {
    const row = this.#store.first("SELECT initial_certified_epoch FROM blobs WHERE blob_id = ?", blobId);
    return (row?.["initial_certified_epoch"] ?? null) as number | null;
  }

  #invalidation(blobId: BlobId): StatusEvent | undefined {
    const sql = "SELECT invalid_tx, invalid_seq FROM blobs WHERE blob_id = ? AND invalid_tx IS NOT NULL";
    const row = this.#store.first(sql, blobId);
    return row && { txDigest: row["invalid_tx"] as string, eventSeq: row["invalid_seq"] as string };
  }

  /** A counter of applied events: their order, which digests alone do not tell. */
  #nextOrder(): number {
    const stored = this.#store.nodeValue(ORDER_KEY);
    const next = (stored === undefined ? 0 : Number(new TextDecoder().decode(stored))) + 1;
    this.#store.setNodeValue(ORDER_KEY, new TextEncoder().encode(String(next)));
    return next;
  }
}

/** The object that lasts longest; of equals the one whose event came first. */
function longest(
  objects: readonly ObjectRow[],
  eventOf: (object: ObjectRow) => ObjectRow["certified"],
): { endEpoch: number; event: StatusEvent } | undefined {
  let best: { endEpoch: number; event: StatusEvent; order: number } | undefined;
  for (const object of objects) {
    const entry = eventOf(object);
    if (entry === undefined) continue;
    const { endEpoch } = object;
    if (!best || endEpoch > best.endEpoch || (endEpoch === best.endEpoch && entry.order < best.order)) {
      best = { endEpoch, ...entry };
    }
  }
  return best;
}

/** The columns hold what this class wrote: see the schema for their types. */
function toObject(row: Row): ObjectRow {
  const at = (prefix: "registered" | "certified") => ({
    order: row[`${prefix}_order`] as number,
    event: { txDigest: row[`${prefix}_tx`] as string, eventSeq: row[`${prefix}_seq`] as string },
  });
  return {
    deletable: row["deletable"] === 1,
    endEpoch: row["end_epoch"] as number,
    registered: at("registered"),
    certified: row["certified_order"] === null ? undefined : at("certified"),
  };
}
