// If this fails, a blob is challenged that nobody has to hold any more, or one that everybody must hold never is.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { AuditError } from "../../../shared/audit/audit-error.ts";
import {
  applyPopulationEvent,
  MemoryPopulationStore,
  type PopulationEvent,
  type Stratum,
} from "../../../shared/audit/population-events.ts";
import type { WalrusEventOf } from "../../../shared/sui/walrus/events.ts";
import { blobIdOf, objectIdOf } from "./fixtures.ts";

/** Compiles only while the chain's events, as they are parsed, are what a population reads. */
const asPopulationEvent = (event: WalrusEventOf<PopulationEvent["kind"]>): PopulationEvent => event;

const EPOCH = 10;
const POOL = objectIdOf(999);

const registered = (object: number, endEpoch = 20, deletable = false, blob = object): PopulationEvent => ({
  kind: "BlobRegistered",
  blob_id: blobIdOf(blob),
  object_id: objectIdOf(object),
  size: 5000n,
  encoding_type: 1,
  end_epoch: endEpoch,
  deletable,
});
const certified = (object: number, endEpoch = 20, epoch = 5, blob = object): PopulationEvent => ({
  kind: "BlobCertified",
  blob_id: blobIdOf(blob),
  object_id: objectIdOf(object),
  epoch,
  end_epoch: endEpoch,
});
const pooled = (object: number, deletable = false): PopulationEvent[] => [
  {
    kind: "PooledBlobRegistered",
    blob_id: blobIdOf(object),
    object_id: objectIdOf(object),
    unencoded_size: 5000n,
    encoding_type: 1,
    deletable,
    storage_pool_id: POOL,
  },
  { kind: "PooledBlobCertified", blob_id: blobIdOf(object), object_id: objectIdOf(object), epoch: 5 },
];
const ids = { blob_id: blobIdOf(1), object_id: objectIdOf(1) };

function blobsAfter(events: readonly PopulationEvent[], stratum: Stratum, epoch = EPOCH): string[] {
  const store = new MemoryPopulationStore();
  for (const event of events) applyPopulationEvent(store, event, 1);
  return store
    .blobs(stratum, epoch)
    .map(({ blobId, endEpoch }) => `${blobId}:${endEpoch}`)
    .sort();
}

const entry = (blob: number, endEpoch = 20): string => `${blobIdOf(blob)}:${endEpoch}`;

describe("the permanent population", () => {
  const holds = (events: readonly PopulationEvent[]) => blobsAfter(events, "permanent");

  it("holds a blob from its certification on, not from its registration", () => {
    expect(holds([registered(1)])).toEqual([]);
    expect(holds([registered(1), certified(1)])).toEqual([entry(1)]);
  });

  it("holds only blobs that last two more epochs", () => {
    expect(holds([registered(1, 12), certified(1, 12)])).toEqual([entry(1, 12)]);
    expect(holds([registered(1, 11), certified(1, 11)])).toEqual([]);
  });

  it("takes an extension's end epoch", () => {
    expect(holds([registered(1, 11), certified(1, 11), certified(1, 30, 9)])).toEqual([entry(1, 30)]);
  });

  it("holds a blob once, with its latest end, while any permanent object lives", () => {
    const two = [registered(1), certified(1), registered(2, 33, false, 1), certified(2, 33, 5, 1)];
    expect(holds(two)).toEqual([entry(1, 33)]);
    const deleted: PopulationEvent = { kind: "BlobDeleted", blob_id: blobIdOf(1), object_id: objectIdOf(2) };
    expect(holds([...two, deleted])).toEqual([entry(1)]);
  });

  it("drops deletable, deleted, invalid and deny-listed blobs, and those of a retired encoding", () => {
    const live = [registered(1), certified(1)];
    expect(holds([registered(1, 20, true), certified(1)])).toEqual([]);
    expect(holds([...live, { kind: "BlobDeleted", ...ids }])).toEqual([]);
    expect(holds([...live, { kind: "InvalidBlobID", blob_id: blobIdOf(1) }])).toEqual([]);
    expect(holds([...live, { kind: "DenyListBlobDeleted", blob_id: blobIdOf(1) }])).toEqual([]);
    expect(holds([{ ...registered(1), encoding_type: 0 } as PopulationEvent, certified(1)])).toEqual([]);
  });

  it("keeps an invalid blob out even when it is registered again", () => {
    const invalid: PopulationEvent = { kind: "InvalidBlobID", blob_id: blobIdOf(1) };
    expect(holds([invalid, registered(1), certified(1)])).toEqual([]);
  });

  it("lets pooled blobs end with their pool", () => {
    const created: PopulationEvent = { kind: "StoragePoolCreated", storage_pool_id: POOL, end_epoch: 11 };
    const extended: PopulationEvent = {
      kind: "StoragePoolExtended",
      storage_pool_id: POOL,
      new_end_epoch: 40,
    };
    expect(holds([created, ...pooled(1)])).toEqual([]);
    expect(holds([created, ...pooled(1), extended])).toEqual([entry(1, 40)]);
    const deleted: PopulationEvent = { kind: "PooledBlobDeleted", ...ids };
    expect(holds([created, extended, ...pooled(1), deleted])).toEqual([]);
  });

  it("forgets what has ended when an epoch starts", () => {
    const store = new MemoryPopulationStore();
    for (const event of [registered(1, 12), certified(1, 12)]) applyPopulationEvent(store, event, 1);
    applyPopulationEvent(store, { kind: "EpochChangeStart", epoch: 11 }, 1);
    expect(store.object(objectIdOf(1))).toBeDefined();
    applyPopulationEvent(store, { kind: "EpochChangeStart", epoch: 12 }, 1);
    expect(store.object(objectIdOf(1))).toBeUndefined();
  });
});

describe("the other strata", () => {
  it("are live deletable blobs, and blobs first certified in the epoch", () => {
    const events = [
      ...[registered(1, 11, true), certified(1, 11)],
      ...[registered(2, 10, true), certified(2, 10)],
      ...[registered(3), certified(3, 20, EPOCH)],
      ...[registered(4, 11, true), certified(4, 11, EPOCH)],
      ...[registered(5), certified(5, 20, 9), certified(5, 30, EPOCH)],
    ];
    expect(blobsAfter(events, "deletable")).toEqual([entry(1, 11), entry(4, 11)].sort());
    expect(blobsAfter(events, "fresh")).toEqual([entry(3), entry(4, 11)].sort());
  });
});

describe("the moment from which nodes have to hold a blob", () => {
  const since = (events: readonly PopulationEvent[], blob = 1): number | undefined => {
    const store = new MemoryPopulationStore();
    events.forEach((event, checkpoint) => {
      applyPopulationEvent(store, event, checkpoint);
    });
    return store.certifiedSince(blobIdOf(blob));
  };
  const deleted = (object: number, blob = object): PopulationEvent => ({
    kind: "BlobDeleted",
    blob_id: blobIdOf(blob),
    object_id: objectIdOf(object),
  });
  const again = [registered(2, 20, true, 1), certified(2, 20, 5, 1)];

  it("is its first certification, whatever is extended or certified again", () => {
    expect(since([registered(1)])).toBeUndefined();
    expect(since([registered(1), certified(1)])).toBe(1);
    expect(since([registered(1), certified(1), certified(1, 40), ...again])).toBe(1);
    expect(since([registered(1), certified(1), ...again, deleted(1)])).toBe(1);
    expect(since([registered(1), certified(1), ...again, deleted(2, 1)])).toBe(1);
  });

  it("is the certification after which there was always one, when the blob had gone before", () => {
    expect(since([registered(1), certified(1), deleted(1)])).toBeUndefined();
    expect(since([registered(1), certified(1), deleted(1), ...again])).toBe(4);
    const ended: PopulationEvent = { kind: "EpochChangeStart", epoch: 20 };
    expect(since([registered(1), certified(1), ended, ...again])).toBe(4);
  });
});

describe("a history with a gap", () => {
  it("is refused instead of giving another population", () => {
    const store = new MemoryPopulationStore();
    expect(() => applyPopulationEvent(store, certified(1), 1)).toThrow(AuditError);
    for (const event of pooled(1)) expect(() => applyPopulationEvent(store, event, 1)).toThrow(AuditError);
    const extended: PopulationEvent = {
      kind: "StoragePoolExtended",
      storage_pool_id: POOL,
      new_end_epoch: 40,
    };
    expect(() => applyPopulationEvent(store, extended, 1)).toThrow(AuditError);
  });
});

describe("a population as a function of events", () => {
  it("does not depend on how events of different blobs interleave", () => {
    const lives = fc.array(
      fc.record({
        endEpoch: fc.integer({ min: 9, max: 14 }),
        isDeletable: fc.boolean(),
        isCertified: fc.boolean(),
        isDeleted: fc.boolean(),
        rank: fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 3, maxLength: 3 }),
      }),
      { minLength: 1, maxLength: 12 },
    );
    fc.assert(
      fc.property(lives, (blobs) => {
        const perBlob = blobs.map((life, i) => {
          const events = [registered(i, life.endEpoch, life.isDeletable)];
          if (life.isCertified) events.push(certified(i, life.endEpoch));
          if (life.isDeleted) {
            events.push({ kind: "BlobDeleted", blob_id: blobIdOf(i), object_id: objectIdOf(i) });
          }
          return events;
        });
        // Each blob's own events stay in order; between blobs anything goes.
        const mixed = perBlob
          .flatMap((events, i) => {
            const ranks = [...(blobs[i]?.rank ?? [])].sort((a, b) => a - b);
            return events.map((event, step) => ({ event, rank: ranks[step] ?? 1 }));
          })
          .sort((a, b) => a.rank - b.rank)
          .map(({ event }) => event);
        const expected = blobs
          .map((life, i) => ({ life, text: entry(i, life.endEpoch) }))
          .filter(({ life }) => life.isCertified && !life.isDeleted && !life.isDeletable)
          .filter(({ life }) => life.endEpoch >= EPOCH + 2)
          .map(({ text }) => text)
          .sort();
        expect(blobsAfter(perBlob.flat(), "permanent")).toEqual(expected);
        // Same rank keeps input order, so one blob's events never swap.
        expect(blobsAfter(mixed, "permanent")).toEqual(expected);
      }),
      { numRuns: Number(process.env["FLOE_RUNS"] ?? 50) },
    );
  });

  it("reads the events of the chain as they are parsed", () => {
    expect(asPopulationEvent({ kind: "EpochChangeStart", epoch: 3 })).toEqual({
      kind: "EpochChangeStart",
      epoch: 3,
    });
  });
});
