/**
 * Which blobs a population holds, as a pure function of the chain's event order.
 *
 * The same events up to the same point give the same lists:
 *
 * | stratum   | a blob is in it when at least one of its objects is                                    |
 * |-----------|----------------------------------------------------------------------------------------|
 * | permanent | certified, permanent, with end epoch >= e + 2, as of the start of epoch e (exclusive)   |
 * | deletable | certified, deletable, with end epoch > e                                               |
 * | fresh     | first certified during epoch e, with end epoch > e                                     |
 *
 * and the blob ID was neither reported invalid nor deleted by a deny list. Objects are a blob's own or pooled ones; a
 * pooled object ends with its pool. An entry's end epoch is the latest of its qualifying objects.
 *
 * The events are those of the Walrus contracts by their Move names. Applying one twice is an error, except where the
 * chain itself repeats itself (extension, invalid, denied): the caller keeps the position it has read to.
 */
import { assert } from "../base/errors.ts";
import type { BlobId, ObjectId } from "../protocol/ids.ts";
import { ENCODING_TYPE_RS2 } from "../protocol/metadata.ts";
import { AuditError } from "./audit-error.ts";
import type { PopulationBlob } from "./population.ts";

interface ObjectEvent {
  readonly blob_id: BlobId;
  readonly object_id: ObjectId;
}

/** The chain events that bear on a population; others are no concern of it. */
export type PopulationEvent =
  | ({
      readonly kind: "BlobRegistered";
      readonly size: bigint;
      readonly encoding_type: number;
      readonly end_epoch: number;
      readonly deletable: boolean;
    } & ObjectEvent)
  | ({ readonly kind: "BlobCertified"; readonly epoch: number; readonly end_epoch: number } & ObjectEvent)
  | ({ readonly kind: "BlobDeleted" } & ObjectEvent)
  | ({
      readonly kind: "PooledBlobRegistered";
      readonly unencoded_size: bigint;
      readonly encoding_type: number;
      readonly deletable: boolean;
      readonly storage_pool_id: ObjectId;
    } & ObjectEvent)
  | ({ readonly kind: "PooledBlobCertified"; readonly epoch: number } & ObjectEvent)
  | ({ readonly kind: "PooledBlobDeleted" } & ObjectEvent)
  | { readonly kind: "StoragePoolCreated"; readonly storage_pool_id: ObjectId; readonly end_epoch: number }
  | {
      readonly kind: "StoragePoolExtended";
      readonly storage_pool_id: ObjectId;
      readonly new_end_epoch: number;
    }
  | { readonly kind: "InvalidBlobID"; readonly blob_id: BlobId }
  | { readonly kind: "DenyListBlobDeleted"; readonly blob_id: BlobId }
  | { readonly kind: "EpochChangeStart"; readonly epoch: number };

const KINDS: Readonly<Record<PopulationEvent["kind"], true>> = {
  BlobRegistered: true,
  BlobCertified: true,
  BlobDeleted: true,
  PooledBlobRegistered: true,
  PooledBlobCertified: true,
  PooledBlobDeleted: true,
  StoragePoolCreated: true,
  StoragePoolExtended: true,
  InvalidBlobID: true,
  DenyListBlobDeleted: true,
  EpochChangeStart: true,
};

/** Whether an event of the chain bears on a population. */
export const isPopulationEvent = <Event extends { readonly kind: string }>(
  event: Event,
): event is Extract<Event, { kind: PopulationEvent["kind"] }> => Object.hasOwn(KINDS, event.kind);

/** A blob object as the events describe it. */
export interface TrackedObject {
  readonly objectId: ObjectId;
  readonly blobId: BlobId;
  readonly encodingType: number;
  readonly unencodedLength: number;
  readonly isDeletable: boolean;
  /** Exclusive; for a pooled object its pool's is taken instead. */
  readonly endEpoch: number;
  readonly poolId: ObjectId | null;
  readonly certifiedEpoch: number | null;
}

/** Where objects are kept between events: memory, or tables of one database. Synchronous; nothing interleaves. */
export interface PopulationStore {
  object(objectId: ObjectId): TrackedObject | undefined;
  putObject(object: TrackedObject): void;
  deleteObject(objectId: ObjectId): void;
  poolEndEpoch(poolId: ObjectId): number | undefined;
  putPool(poolId: ObjectId, endEpoch: number): void;
  /** Reported invalid or deleted by a deny list: never in a population again. */
  exclude(blobId: BlobId): void;
  /** Drops objects, and pools, that ended at or before `epoch`. */
  dropEnded(epoch: number): void;
  /**
   * An object of the blob is certified for the first time; called before it is put. When no other object of the blob
   * is certified, this is the moment from which nodes have to hold the blob.
   */
  noteCertification(blobId: BlobId, checkpoint: number): void;
}

/**
 * Applies one event. At `EpochChangeStart(e)` the caller takes P(e) **before** calling this.
 *
 * @param checkpoint that holds the event
 * @throws AuditError `INVALID_EVENT_ORDER` for an event about an object or pool that no earlier event introduced:
 *   the history read begins too late, or has a gap
 */
export function applyPopulationEvent(
  store: PopulationStore,
  event: PopulationEvent,
  checkpoint: number,
): void {
  switch (event.kind) {
    case "BlobRegistered":
      register(store, event, event.size, event.end_epoch, null);
      return;
    case "PooledBlobRegistered":
      if (store.poolEndEpoch(event.storage_pool_id) === undefined)
        throw gap(event.kind, event.storage_pool_id);
      register(store, event, event.unencoded_size, 0, event.storage_pool_id);
      return;
    case "BlobCertified":
      certify(store, event, checkpoint, event.end_epoch);
      return;
    case "PooledBlobCertified":
      certify(store, event, checkpoint, 0);
      return;
    case "BlobDeleted":
    case "PooledBlobDeleted":
      // An object that ended may be deleted after it was dropped here.
      store.deleteObject(event.object_id);
      return;
    case "StoragePoolCreated":
      store.putPool(event.storage_pool_id, event.end_epoch);
      return;
    case "StoragePoolExtended":
      if (store.poolEndEpoch(event.storage_pool_id) === undefined)
        throw gap(event.kind, event.storage_pool_id);
      store.putPool(event.storage_pool_id, event.new_end_epoch);
      return;
    case "InvalidBlobID":
    case "DenyListBlobDeleted":
      store.exclude(event.blob_id);
      return;
    case "EpochChangeStart":
      store.dropEnded(event.epoch);
      return;
    default:
      event satisfies never;
  }
}

function register(
  store: PopulationStore,
  event: ObjectEvent & { readonly encoding_type: number; readonly deletable: boolean },
  size: bigint,
  endEpoch: number,
  poolId: ObjectId | null,
): void {
  store.putObject({
    objectId: event.object_id,
    blobId: event.blob_id,
    encodingType: event.encoding_type,
    unencodedLength: Number(size),
    isDeletable: event.deletable,
    endEpoch,
    poolId,
    certifiedEpoch: null,
  });
}

/** Certification, or the extension of a certified blob: the first epoch of certification stays. */
function certify(
  store: PopulationStore,
  event: ObjectEvent & { readonly kind: string; readonly epoch: number },
  checkpoint: number,
  endEpoch: number,
): void {
  const object = store.object(event.object_id);
  if (object === undefined) throw gap(event.kind, event.object_id);
  if (object.certifiedEpoch === null) store.noteCertification(object.blobId, checkpoint);
  store.putObject({
    ...object,
    endEpoch: object.poolId === null ? endEpoch : object.endEpoch,
    certifiedEpoch: object.certifiedEpoch ?? event.epoch,
  });
}

const gap = (kind: string, id: ObjectId): AuditError =>
  new AuditError("INVALID_EVENT_ORDER", `${kind} of ${id}, which no earlier event introduced`, {
    details: { kind, id },
  });

export type Stratum = "permanent" | "deletable" | "fresh";

/** Whether an object puts its blob into a stratum of epoch e. @param endEpoch the object's, or its pool's */
function isInStratum(object: TrackedObject, endEpoch: number, stratum: Stratum, epoch: number): boolean {
  // A retired encoding has no slivers that today's nodes could show.
  if (object.certifiedEpoch === null || object.encodingType !== ENCODING_TYPE_RS2) return false;
  switch (stratum) {
    case "permanent":
      return !object.isDeletable && endEpoch >= epoch + 2;
    case "deletable":
      return object.isDeletable && endEpoch > epoch;
    case "fresh":
      return object.certifiedEpoch === epoch && endEpoch > epoch;
    default:
      return stratum satisfies never;
  }
}

/** Everything in memory: for the embedded network, for verification, and as the oracle of a database's queries. */
export class MemoryPopulationStore implements PopulationStore {
  readonly #objects = new Map<ObjectId, TrackedObject>();
  readonly #pools = new Map<ObjectId, number>();
  readonly #excluded = new Set<BlobId>();
  /** Certified objects of each blob, and the checkpoint since when it has had one. */
  readonly #certified = new Map<BlobId, { objects: number; readonly since: number }>();

  object(objectId: ObjectId): TrackedObject | undefined {
    return this.#objects.get(objectId);
  }
  putObject(object: TrackedObject): void {
    const before = this.#objects.get(object.objectId);
    this.#objects.set(object.objectId, object);
    this.#count(object, 1);
    this.#count(before, -1);
  }
  deleteObject(objectId: ObjectId): void {
    this.#count(this.#objects.get(objectId), -1);
    this.#objects.delete(objectId);
  }
  poolEndEpoch(poolId: ObjectId): number | undefined {
    return this.#pools.get(poolId);
  }
  putPool(poolId: ObjectId, endEpoch: number): void {
    this.#pools.set(poolId, endEpoch);
  }
  exclude(blobId: BlobId): void {
    this.#excluded.add(blobId);
  }
  dropEnded(epoch: number): void {
    for (const object of this.#objects.values()) {
      if (this.#endEpoch(object) <= epoch) this.deleteObject(object.objectId);
    }
    for (const [poolId, endEpoch] of this.#pools) if (endEpoch <= epoch) this.#pools.delete(poolId);
  }

  noteCertification(blobId: BlobId, checkpoint: number): void {
    const known = this.#certified.get(blobId);
    if (known === undefined || known.objects === 0)
      this.#certified.set(blobId, { objects: 0, since: checkpoint });
  }

  /** The checkpoint since when the blob has been certified without a gap; undefined when it is not. */
  certifiedSince(blobId: BlobId): number | undefined {
    const known = this.#certified.get(blobId);
    return known === undefined || known.objects === 0 ? undefined : known.since;
  }

  /**
   * Those blobs that nodes have to hold in an epoch: with a certified object that has not ended, and not excluded.
   * Cost: looks at every object once.
   */
  liveAmong(blobs: ReadonlySet<BlobId>, epoch: number): ReadonlySet<BlobId> {
    const live = new Set<BlobId>();
    for (const object of this.#objects.values()) {
      const isHeld = object.certifiedEpoch !== null && this.#endEpoch(object) > epoch;
      if (isHeld && blobs.has(object.blobId) && !this.#excluded.has(object.blobId)) live.add(object.blobId);
    }
    return live;
  }

  /** The blobs of a stratum of epoch e, in no particular order. */
  blobs(stratum: Stratum, epoch: number): PopulationBlob[] {
    const found = new Map<BlobId, PopulationBlob>();
    for (const object of this.#objects.values()) {
      const endEpoch = this.#endEpoch(object);
      if (this.#excluded.has(object.blobId) || !isInStratum(object, endEpoch, stratum, epoch)) continue;
      const { blobId, unencodedLength } = object;
      const known = found.get(blobId);
      if (known === undefined || known.endEpoch < endEpoch)
        found.set(blobId, { blobId, unencodedLength, endEpoch });
    }
    return [...found.values()];
  }

  #count(object: TrackedObject | undefined, change: 1 | -1): void {
    if (object === undefined || object.certifiedEpoch === null) return;
    const known = this.#certified.get(object.blobId);
    assert(known !== undefined, `the certification of ${object.blobId} is noted`);
    known.objects += change;
    if (known.objects === 0) this.#certified.delete(object.blobId);
  }

  #endEpoch(object: TrackedObject): number {
    return object.poolId === null ? object.endEpoch : (this.#pools.get(object.poolId) ?? 0);
  }
}
