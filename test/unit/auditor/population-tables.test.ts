// If this fails, an auditor with its lists in a database draws other blobs than everybody else computes.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { openLedger } from "../../../auditor/ledger-sql.ts";
import { listName, PopulationLists, SqlPopulationStore } from "../../../auditor/population-tables.ts";
import { nodeLedger } from "../../../scripts/node-ledger.ts";
import { MemoryPopulation } from "../../../shared/audit/population.ts";
import {
  applyPopulationEvent,
  MemoryPopulationStore,
  type PopulationEvent,
  type Stratum,
} from "../../../shared/audit/population-events.ts";
import { toHex } from "../../../shared/protocol/bytes.ts";
import { propertyRuns } from "../../support/property.ts";
import { blobIdOf, objectIdOf } from "../audit/fixtures.ts";

const N = 40;
const STRATA: readonly Stratum[] = ["permanent", "deletable", "fresh"];

function stores() {
  const sql = nodeLedger();
  openLedger(sql);
  return {
    sql,
    memory: new MemoryPopulationStore(),
    table: new SqlPopulationStore(sql),
    lists: new PopulationLists(sql),
  };
}

function built(lists: PopulationLists, stratum: Stratum, epoch: number) {
  const list = listName(stratum, epoch);
  lists.begin(list, stratum, epoch);
  for (let steps = 0; !lists.build(list, N); steps++) if (steps > 10_000) throw new Error("never ready");
  return lists.index(list);
}

const register = (object: number, blob: number, deletable: boolean, endEpoch: number): PopulationEvent => ({
  kind: "BlobRegistered",
  blob_id: blobIdOf(blob),
  object_id: objectIdOf(object),
  size: BigInt(1_000 + blob * 37),
  encoding_type: 1,
  end_epoch: endEpoch,
  deletable,
});

/** A history that the chain could have: events about objects that exist, epochs that ascend. */
const history = fc
  .array(
    fc.record({
      kind: fc.constantFrom("register", "certify", "delete", "invalid", "pool", "pooled", "extend", "epoch"),
      object: fc.nat(15),
      blob: fc.nat(9),
      deletable: fc.boolean(),
      life: fc.integer({ min: 1, max: 5 }),
    }),
    { maxLength: 60 },
  )
  .map((steps) => {
    const events: PopulationEvent[] = [];
    const blobOf = new Map<number, number>();
    let epoch = 1;
    let poolEnd = 0;
    for (const { kind, object, blob, deletable, life } of steps) {
      const known = blobOf.get(object);
      const ids = { blob_id: blobIdOf(known ?? blob), object_id: objectIdOf(object) };
      const pool = objectIdOf(999);
      if (kind === "register" && known === undefined) {
        events.push(register(object, blob, deletable, epoch + life));
        blobOf.set(object, blob);
      } else if (kind === "pooled" && known === undefined && poolEnd > epoch) {
        const fields = { encoding_type: 1, deletable, storage_pool_id: pool };
        const size = BigInt(1_000 + blob * 37);
        events.push({ kind: "PooledBlobRegistered", ...ids, unencoded_size: size, ...fields });
        blobOf.set(object, blob);
      } else if (kind === "pool" && poolEnd <= epoch) {
        poolEnd = epoch + life;
        events.push({ kind: "StoragePoolCreated", storage_pool_id: pool, end_epoch: poolEnd });
      } else if (kind === "extend" && poolEnd > epoch) {
        poolEnd += life;
        events.push({ kind: "StoragePoolExtended", storage_pool_id: pool, new_end_epoch: poolEnd });
      } else if (kind === "delete" && known !== undefined) {
        events.push({ kind: "BlobDeleted", ...ids });
        blobOf.delete(object);
      } else if (
        kind === "certify" &&
        known !== undefined &&
        !events.some((e) => e.kind === "EpochChangeStart")
      ) {
        events.push({ kind: "BlobCertified", ...ids, epoch, end_epoch: epoch + life });
      } else if (kind === "invalid" && blob === 0)
        events.push({ kind: "InvalidBlobID", blob_id: ids.blob_id });
      else if (kind === "epoch") events.push({ kind: "EpochChangeStart", epoch: ++epoch });
    }
    return { events, epoch };
  });

describe("populations in SQLite", () => {
  it("hold the same blobs, order, roots and look-ups as those in memory, after any history", () => {
    fc.assert(
      fc.property(history, ({ events, epoch }) => {
        const { memory, table, lists } = stores();
        events.forEach((event, checkpoint) => {
          applyPopulationEvent(memory, event, checkpoint);
          applyPopulationEvent(table, event, checkpoint);
        });
        for (const stratum of STRATA) {
          const expected = new MemoryPopulation(memory.blobs(stratum, epoch), N);
          const found = built(lists, stratum, epoch);
          expect(found.entries(0, 1_000)).toEqual(expected.entries);
          expect(toHex(found.root)).toBe(toHex(expected.root()));
          expect(found.totalBytes).toBe(expected.totalBytes);
          for (const { blobId } of expected.entries) {
            const { before } = table.certification(blobId, events.length);
            expect(before).toBe(memory.certifiedSince(blobId));
          }
        }
      }),
      propertyRuns(60),
    );
  });

  it("are built in slices of 1,024, with paths and byte look-ups across them", () => {
    const { memory, table, lists } = stores();
    for (let i = 0; i < 2_500; i++) {
      for (const event of [
        register(i, i, true, 9),
        { kind: "BlobCertified", blob_id: blobIdOf(i), object_id: objectIdOf(i), epoch: 1, end_epoch: 9 },
      ] as const) {
        applyPopulationEvent(memory, event, i);
        applyPopulationEvent(table, event, i);
      }
    }
    const expected = new MemoryPopulation(memory.blobs("deletable", 1), N);
    const found = built(lists, "deletable", 1);
    expect(toHex(found.root)).toBe(toHex(expected.root()));
    for (const index of [0, 1023, 1024, 2047, 2048, 2499]) {
      expect(found.leafAt(index)).toEqual(expected.leafAt(index));
      expect(found.path(index)).toEqual(expected.path(index));
      const { cumBytes } = expected.leafAt(index);
      for (const offset of [cumBytes, cumBytes + 1n]) expect(found.leafByCum(offset).index).toBe(index);
    }
    expect(found.leafByCum(expected.totalBytes - 1n).index).toBe(2499);
    // More than one statement takes, in no order, some twice.
    const asked = Array.from({ length: 2_700 }, (_, i) => (i * 1_009) % 2_500);
    expect(found.leavesAt(asked)).toEqual(expected.leavesAt(asked));
    expect(() => found.leavesAt([1, 2_500])).toThrow("leaf 2500 of 2500");
    const list = listName("deletable", 1);
    while (!lists.drop(list));
    expect(lists.names()).toEqual([]);
  });

  it("tell since when a blob was certified as it stood at a checkpoint, and forget what is old", () => {
    const { sql, table } = stores();
    const ids = { blob_id: blobIdOf(1), object_id: objectIdOf(1) };
    const certify = (checkpoint: number): void => {
      applyPopulationEvent(table, register(1, 1, true, 9), checkpoint);
      applyPopulationEvent(table, { kind: "BlobCertified", ...ids, epoch: 1, end_epoch: 9 }, checkpoint);
    };
    certify(10);
    applyPopulationEvent(table, { kind: "BlobDeleted", ...ids }, 15);
    certify(20);
    expect(table.certification(ids.blob_id, 10)).toEqual({ before: undefined, isRenewed: true });
    expect(table.certification(ids.blob_id, 20)).toEqual({ before: 10, isRenewed: true });
    expect(table.certification(ids.blob_id, 21)).toEqual({ before: 20, isRenewed: false });
    table.forgetCertifications(20);
    expect(table.certification(ids.blob_id, 20)).toEqual({ before: undefined, isRenewed: true });
    table.forgetCertifications(30);
    applyPopulationEvent(table, register(2, 2, true, 9), 25);
    const late = { blob_id: blobIdOf(2), object_id: objectIdOf(2), epoch: 1, end_epoch: 9 };
    applyPopulationEvent(table, { kind: "BlobCertified", ...late }, 25);
    expect(sql.exec("SELECT * FROM certification")).toEqual([]);
  });

  it("know whether anybody still has to hold a blob", () => {
    const { table } = stores();
    const certified = { blob_id: blobIdOf(1), object_id: objectIdOf(1), epoch: 1, end_epoch: 5 };
    applyPopulationEvent(table, register(1, 1, true, 5), 1);
    expect(table.isLive(blobIdOf(1), 1)).toBe(false);
    applyPopulationEvent(table, { kind: "BlobCertified", ...certified }, 2);
    expect([1, 4, 5].map((epoch) => table.isLive(blobIdOf(1), epoch))).toEqual([true, true, false]);
    applyPopulationEvent(table, { kind: "InvalidBlobID", blob_id: blobIdOf(1) }, 3);
    expect(table.isLive(blobIdOf(1), 1)).toBe(false);
  });
});
