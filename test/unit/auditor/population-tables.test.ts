// If this fails, an auditor with its lists in a database draws other blobs than everybody else computes.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { openLedger } from "../../../auditor/ledger/ledger-sql.ts";
import { readMeta, writeMeta } from "../../../auditor/ledger/meta.ts";
import { SqlPopulationStore } from "../../../auditor/population/object-tables.ts";
import { listName, PopulationLists } from "../../../auditor/population/population-tables.ts";
import type { StretchLimits } from "../../../auditor/population/stratum-blobs.ts";
import { nodeLedger } from "../../../host/node-sqlite.ts";
import { MemoryPopulation } from "../../../shared/audit/population.ts";
import {
  applyPopulationEvent,
  MemoryPopulationStore,
  type PopulationEvent,
  type PopulationStore,
  type Stratum,
} from "../../../shared/audit/population-events.ts";
import { toHex } from "../../../shared/base/bytes.ts";
import type { Sql } from "../../../shared/base/sql.ts";
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

type Found = ReturnType<typeof built>;

/** Every look-up that there is, of some leaves. */
function expectSame(found: Found, expected: MemoryPopulation, leaves: readonly number[]): void {
  expect(toHex(found.root)).toBe(toHex(expected.root()));
  expect([found.size, found.totalBytes]).toEqual([expected.size, expected.totalBytes]);
  expect(found.leavesAt(leaves)).toEqual(expected.leavesAt(leaves));
  for (const leaf of leaves) {
    const entry = expected.leafAt(leaf);
    expect(found.leafAt(leaf)).toEqual(entry);
    expect(found.path(leaf)).toEqual(expected.path(leaf));
    for (const offset of [entry.cumBytes, entry.cumBytes + 1n])
      expect(found.leafByCum(offset)).toEqual(entry);
    expect(found.has(entry.blobId)).toBe(true);
  }
  if (expected.size > 0) {
    const end = expected.totalBytes - 1n;
    expect(found.leafByCum(end)).toEqual(expected.leafByCum(end));
  }
  const offsets = leaves.flatMap((leaf) => [
    expected.leafAt(leaf).cumBytes + 1n,
    expected.leafAt(leaf).cumBytes,
  ]);
  expect(found.leavesByCum(offsets)).toEqual(expected.leavesByCum(offsets));
  for (const offset of [-1n, expected.totalBytes])
    expect(() => found.leafByCum(offset)).toThrow(`byte ${offset} of ${expected.totalBytes}`);
  for (const leaf of [-1, expected.size])
    expect(() => found.leavesAt([leaf])).toThrow(`leaf ${leaf} of ${expected.size}`);
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

/** Of work at a time: from one object to all there are. */
const steps = fc.record({ blobs: fc.integer({ min: 1, max: 12 }), objects: fc.integer({ min: 1, max: 20 }) });

/** Certified blobs of epoch 1, deletable, the first `twice` of them with a second object that ends later. */
function fill(store: PopulationStore, blobs: number, twice = 0): void {
  for (let i = 0; i < blobs + twice; i++) {
    store.noteCertification(blobIdOf(i % blobs), 0);
    store.putObject({
      objectId: objectIdOf(i),
      blobId: blobIdOf(i % blobs),
      encodingType: 1,
      unencodedLength: 1_000 + (i % blobs) * 37,
      isDeletable: true,
      endEpoch: i < blobs ? 9 : 11,
      poolId: null,
      certifiedEpoch: i % 50 === 0 ? 1 : 0,
    });
  }
}

/** Slices of the deletable and the fresh list of `fill`. */
const slicesOf = (blobs: number, list: number): number => Math.ceil(blobs / (list === 0 ? 1 : 50) / 1_024);

/** All that a list is made of. */
const LIST_TABLES = ["population", "population_entry", "population_slice", "packed_slice"];
const rowsOf = (sql: Sql) => LIST_TABLES.map((table) => sql.exec(`SELECT * FROM ${table} ORDER BY 1, 2`));

class Death extends Error {}

/** Ends with its `last` statement: before it has its effect, or after. */
function mortal(sql: Sql, last: number, isDone: boolean): Sql {
  let left = last;
  return {
    exec(query, ...parameters) {
      const isLast = left-- === 0;
      if (isLast && !isDone) throw new Death();
      const rows = sql.exec(query, ...parameters);
      if (isLast) throw new Death();
      return rows;
    },
    transaction: (work) => sql.transaction(work),
  };
}

describe("populations in SQLite", () => {
  it("hold the same blobs, order, roots and look-ups as those in memory, after any history", () => {
    fc.assert(
      fc.property(history, steps, ({ events, epoch }, step) => {
        const { sql, memory, table } = stores();
        const lists = new PopulationLists(sql, step);
        events.forEach((event, checkpoint) => {
          applyPopulationEvent(memory, event, checkpoint);
          applyPopulationEvent(table, event, checkpoint);
        });
        for (const stratum of STRATA) {
          const expected = new MemoryPopulation(memory.blobs(stratum, epoch), N);
          const found = built(lists, stratum, epoch);
          expect(found.entries(0, 1_000)).toEqual(expected.entries);
          expectSame(
            found,
            expected,
            expected.entries.map(({ index }) => index),
          );
          const listed = new Set(expected.entries.map(({ blobId }) => blobId));
          for (let blob = 0; blob < 12; blob++)
            expect(found.has(blobIdOf(blob))).toBe(listed.has(blobIdOf(blob)));
          for (const { blobId } of expected.entries) {
            const { before } = table.certification(blobId, events.length);
            expect(before).toBe(memory.certifiedSince(blobId));
          }
        }
      }),
      propertyRuns(60),
    );
  });

  it.each<[number, StretchLimits | undefined]>([
    [0, undefined],
    [1, undefined],
    [1_023, { blobs: 700, objects: 900 }],
    [1_024, undefined],
    [1_024, { blobs: 512, objects: 4_096 }],
    [1_025, { blobs: 1_024, objects: 1_000 }],
    [2_048, { blobs: 1_023, objects: 4_096 }],
    [2_500, undefined],
  ])("of %d blobs come out the same in slices of 1,024, in steps of %o", (count, step) => {
    const { sql, memory, table } = stores();
    for (const store of [memory, table]) fill(store, count, Math.ceil(count / 10));
    const lists = new PopulationLists(sql, step);
    for (const stratum of ["deletable", "fresh"] as const) {
      const expected = new MemoryPopulation(memory.blobs(stratum, 1), N);
      const found = built(lists, stratum, 1);
      const leaves = [0, 1, 1_022, 1_023, 1_024, 2_047, 2_048, count - 1].filter((leaf) => leaf < found.size);
      expectSame(
        found,
        expected,
        leaves.filter((leaf) => leaf >= 0),
      );
      // In no order, some twice.
      const asked = Array.from({ length: 2_700 }, (_, i) => (i * 1_009) % (found.size || 1));
      if (found.size > 0) expect(found.leavesAt(asked)).toEqual(expected.leavesAt(asked));
      expect(found.has(blobIdOf(5_000))).toBe(false);
    }
    expect(sql.exec("SELECT list, COUNT(*) AS rows FROM packed_slice GROUP BY list")).toEqual(
      count === 0 ? [] : ["deletable/1", "fresh/1"].map((list, i) => ({ list, rows: slicesOf(count, i) })),
    );
    expect(sql.exec("SELECT * FROM population_entry")).toEqual([]);
    for (const list of lists.names()) while (!lists.drop(list));
    expect(rowsOf(sql).flat()).toEqual([]);
  });

  it("of permanent blobs come out the same, with a row for each, over several slices", () => {
    const { sql, memory, table, lists } = stores();
    fill(memory, 2_500);
    fill(table, 2_500);
    sql.exec("UPDATE object SET is_deletable = 0");
    const expected = new MemoryPopulation(memory.blobs("deletable", 1), N);
    const found = built(lists, "permanent", 1);
    expectSame(found, expected, [0, 1_023, 1_024, 2_047, 2_048, 2_499]);
    const asked = Array.from({ length: 2_700 }, (_, i) => (i * 1_009) % 2_500);
    expect(found.leavesAt(asked)).toEqual(expected.leavesAt(asked));
    expect(sql.exec("SELECT COUNT(*) AS rows FROM population_entry")).toEqual([{ rows: 2_500 }]);
    while (!lists.drop("permanent/1"));
    expect(rowsOf(sql).flat()).toEqual([]);
  });

  it("look at a bounded number of objects in a step, however few of them belong to the list", () => {
    const { sql, table } = stores();
    fill(table, 1_000);
    // One of them is left, far from the first.
    sql.exec("UPDATE object SET certified_epoch = 0");
    sql.exec(
      "UPDATE object SET certified_epoch = 1 WHERE blob_id = (SELECT blob_id FROM object ORDER BY blob_id LIMIT 1 OFFSET 777)",
    );
    const lists = new PopulationLists(sql, { blobs: 1_024, objects: 100 });
    lists.begin("fresh/1", "fresh", 1);
    const sizes = [];
    for (let isReady = false; !isReady; ) {
      isReady = lists.build("fresh/1", N);
      sizes.push(sql.exec("SELECT size FROM population")[0]?.["size"]);
    }
    expect(sizes).toEqual([0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1]);
    expect(lists.index("fresh/1").size).toBe(1);
  });

  it("are the same after a death at any statement, done or lost, of any step", () => {
    const step = { blobs: 700, objects: 900 };
    const { sql: undisturbed, table } = stores();
    fill(table, 1_500, 100);
    built(new PopulationLists(undisturbed, step), "deletable", 1);
    const expected = rowsOf(undisturbed);
    for (const isDone of [false, true]) {
      const { sql, table: other, lists } = stores();
      fill(other, 1_500, 100);
      lists.begin("deletable/1", "deletable", 1);
      let deaths = 0;
      for (let isReady = false; !isReady; ) {
        for (let last = 0; ; last++) {
          const before = rowsOf(sql);
          try {
            isReady = new PopulationLists(mortal(sql, last, isDone), step).build("deletable/1", N);
            break;
          } catch (error) {
            if (!(error instanceof Death)) throw error;
            deaths++;
            expect(rowsOf(sql)).toEqual(before);
          }
        }
      }
      expect(deaths).toBeGreaterThan(10);
      expect(rowsOf(sql)).toEqual(expected);
    }
  });

  it("are never made of two states of the chain, and stay what they are when it goes on", () => {
    for (const stratum of STRATA) {
      const { sql, table, lists } = stores();
      const [first, second] = [listName(stratum, 1), listName(stratum, 2)];
      fill(table, 2_000);
      if (stratum === "permanent") sql.exec("UPDATE object SET is_deletable = 0");
      sql.exec("UPDATE object SET certified_epoch = 1");
      writeMeta(sql, "place", "70:2");
      lists.begin(first, stratum, 1);
      expect(lists.build(first, N)).toBe(false);
      writeMeta(sql, "place", "70:3");
      const before = rowsOf(sql);
      expect(() => lists.build(first, N)).toThrow("objects as of 70:2, not of 70:3");
      expect(rowsOf(sql)).toEqual(before);
      writeMeta(sql, "place", "70:2");
      while (!lists.build(first, N));
      const asked = Array.from({ length: 2_000 }, (_, leaf) => leaf);
      const entries = lists.index(first).leavesAt(asked);
      writeMeta(sql, "place", "80:0");
      table.dropEnded(100);
      expect(sql.exec("SELECT * FROM object")).toEqual([]);
      expect(lists.build(first, N)).toBe(true);
      expect(lists.index(first).leavesAt(asked)).toEqual(entries);
      lists.begin(second, stratum, 2);
      while (!lists.build(second, N));
      expect(lists.summary(second)).toMatchObject({ size: 0, totalBytes: 0n });
    }
  });

  it("of a ledger made before slices were packed go on as they were begun", () => {
    const sql = nodeLedger();
    sql.exec(
      `CREATE TABLE population (
         list TEXT PRIMARY KEY, stratum TEXT NOT NULL, epoch INTEGER NOT NULL, state TEXT NOT NULL,
         size INTEGER NOT NULL, last_blob BLOB, total TEXT NOT NULL, root TEXT) WITHOUT ROWID`,
    );
    openLedger(sql);
    openLedger(sql);
    const memory = new MemoryPopulationStore();
    for (const store of [memory, new SqlPopulationStore(sql)]) fill(store, 1_100);
    writeMeta(sql, "place", "70:2");
    sql.exec(
      `INSERT INTO population (list, stratum, epoch, state, size, total)
       VALUES ('deletable/1', 'deletable', 1, 'listing', 0, '0')`,
    );
    const lists = new PopulationLists(sql);
    const expected = new MemoryPopulation(memory.blobs("deletable", 1), N);
    expectSame(built(lists, "deletable", 1), expected, [0, 1_023, 1_024, 1_099]);
    expect(sql.exec("SELECT COUNT(*) AS rows FROM population_entry")).toEqual([{ rows: 1_100 }]);
    expectSame(built(lists, "deletable", 2), new MemoryPopulation(memory.blobs("deletable", 2), N), [7]);
    for (const list of lists.names()) while (!lists.drop(list));
    expect(rowsOf(sql).flat()).toEqual([]);
    expect(readMeta(sql, "schema_version")).toBe("1");
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
