// If this fails, an auditor whose endpoint forgets draws from another population than the rest, or none: its rounds are
// worth nothing, and it blames nodes for blobs that nobody owes, or never asks for those that are owed.
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { ChainFollower, passedOver } from "../../../auditor/chain/chain-follower.ts";
import { History } from "../../../auditor/chain/history.ts";
import { HistoryBlobReader } from "../../../auditor/chain/history-blob.ts";
import { openLedger } from "../../../auditor/ledger/ledger-sql.ts";
import { SqlPopulationStore } from "../../../auditor/population/object-tables.ts";
import { listName, PopulationLists } from "../../../auditor/population/population-tables.ts";
import { systemClock } from "../../../host/clock.ts";
import { nodeLedger } from "../../../host/node-sqlite.ts";
import type { RoundExport } from "../../../shared/audit/round-export.ts";
import { toHex } from "../../../shared/base/bytes.ts";
import { FloeError } from "../../../shared/base/errors.ts";
import { Gate, INVOCATION_REQUESTS } from "../../../shared/base/gate.ts";
import type { Sql, SqlRow } from "../../../shared/base/sql.ts";
import type { BlobId } from "../../../shared/protocol/ids.ts";
import { type ChainReader, suiChainReader } from "../../../shared/sui/walrus/chain-reader.ts";
import type { CertifiedEventBlob } from "../../../shared/sui/walrus/chain-snapshot.ts";
import { type TestAuditor, testAuditor } from "../../support/audit/system.ts";
import {
  EventBlobWriter,
  encodeEventBlob,
  type RawCheckpoint,
  rawCheckpoints,
  storeEventBlob,
} from "../../support/sui/event-blobs.ts";
import { prng, type System, startSystem } from "../../support/system.ts";

let system: System;
let chain: ChainReader;
let writer: EventBlobWriter;
/** Three event blobs, the oldest first; then more happened. */
let written: { blobId: BlobId; last: number }[];
let tip: number;
/** The ledger of an auditor with the whole history, at the tip. */
let whole: SqlRow[][];

interface Follower {
  readonly sql: Sql;
  step(before: number): Promise<boolean>;
  /** From now on another object, as after an eviction. */
  evict(): void;
  /** Steps until it is there. */
  follow(before: number): Promise<void>;
}

interface FollowerOptions {
  readonly sql?: Sql;
  readonly chain?: Partial<ChainReader>;
  readonly fetch?: (request: Request) => Promise<Response>;
  readonly stretchBytes?: number;
}

const MOST_STEPS = 5_000;
/** Of the places and deaths there are, one in so many is tried; the long suite tries all. */
const STRIDE = process.env["FLOE_LONG"] === "1" ? 1 : 4;

function emptyLedger(): Sql {
  const sql = nodeLedger();
  openLedger(sql);
  return sql;
}

function followerOn({ sql = emptyLedger(), ...options }: FollowerOptions = {}): Follower {
  const reader: ChainReader = { ...chain, ...(written.length < 3 ? {} : third()), ...options.chain };
  const { nShards } = system.network.file;
  const follower = (): ChainFollower => {
    const lists = new PopulationLists(sql);
    const blobs = new HistoryBlobReader({
      transport: {
        fetch: options.fetch ?? ((request) => fetch(request)),
        clock: systemClock,
        randomBytes: (count) => crypto.getRandomValues(new Uint8Array(count)),
        gate: new Gate(INVOCATION_REQUESTS),
      },
      networkKind: "local",
      committees: async () => [(await reader.snapshot()).committee],
    });
    const { stretchBytes } = options;
    const history = new History({
      sql,
      chain: reader,
      blobs,
      nowMs: () => systemClock.nowMs(),
      ...(stretchBytes === undefined ? {} : { stretchBytes }),
    });
    return new ChainFollower({ sql, chain: reader, store: new SqlPopulationStore(sql), lists, history });
  };
  let alive = follower();
  return {
    sql,
    step: (before) => alive.step(before, nShards),
    evict() {
      alive = follower();
    },
    async follow(before) {
      for (let step = 0; step < MOST_STEPS; step++) if (await alive.step(before, nShards)) return;
      throw new Error(`${MOST_STEPS} steps and no end`);
    },
  };
}

/** All that a ledger knows of the chain, and the roots of the populations that follow from it. */
function contentsOf(sql: Sql): SqlRow[][] {
  const lists = new PopulationLists(sql);
  const [epoch] = sql.exec("SELECT value FROM meta WHERE name = 'epoch'");
  for (const stratum of ["deletable", "fresh"] as const) {
    lists.begin(listName(stratum, 0), stratum, Number(epoch?.["value"] ?? 0));
    while (!lists.build(listName(stratum, 0), system.network.file.nShards)) {}
  }
  const roots = lists.names().map((name): SqlRow => {
    const { size, root } = lists.summary(name) ?? { size: -1, root: new Uint8Array(0) };
    return { name, size, root: toHex(root) };
  });
  for (const stratum of ["deletable", "fresh"]) while (!lists.drop(`${stratum}/0`)) {}
  return [
    sql.exec("SELECT * FROM object ORDER BY object_id"),
    sql.exec("SELECT * FROM pool ORDER BY pool_id"),
    sql.exec("SELECT * FROM excluded ORDER BY blob_id"),
    sql.exec("SELECT * FROM certification ORDER BY blob_id, checkpoint"),
    sql.exec("SELECT epoch FROM epoch_change ORDER BY epoch"),
    sql.exec("SELECT epoch, shard FROM shard_receipt ORDER BY epoch, shard"),
    sql.exec("SELECT value FROM meta WHERE name IN ('epoch', 'read_to') ORDER BY name"),
    roots,
  ];
}

const placeOf = (sql: Sql): string =>
  String(sql.exec("SELECT value FROM meta WHERE name = 'place'")[0]?.["value"] ?? "0:0");

/** What the chain left in a ledger. */
function copyOf(sql: Sql): Sql {
  const copy = emptyLedger();
  for (const table of TABLES) {
    for (const row of sql.exec(`SELECT * FROM ${table}`)) {
      const marks = Object.keys(row).map(() => "?");
      copy.exec(
        `INSERT OR REPLACE INTO ${table} (${Object.keys(row).join()}) VALUES (${marks.join()})`,
        ...Object.values(row),
      );
    }
  }
  return copy;
}
const TABLES = [
  "meta",
  "object",
  "pool",
  "excluded",
  "certification",
  "event_blob",
  "epoch_change",
  "shard_receipt",
  "population",
  "population_entry",
  "population_slice",
];

const answers = new Map<string, Promise<Uint8Array>>();
/** Good answers of nodes never change: many ledgers read the same history, and each asks for it once here. */
async function fetchOnce(request: Request): Promise<Response> {
  const known = answers.get(request.url);
  const headers = { "content-type": "application/octet-stream" };
  if (known !== undefined) return new Response(Buffer.from(await known), { headers });
  const response = await fetch(request);
  if (!response.ok) return response;
  const body = response.arrayBuffer().then((buffer) => new Uint8Array(buffer));
  answers.set(request.url, body);
  return new Response(Buffer.from(await body), { headers });
}

const forget = (before: number): void => system.network.setSuiFault({ kind: "prune", before });
const remember = (): void => system.network.setSuiFault({ kind: "none" });
const atBlob = (i: number): { blobId: BlobId; last: number } => {
  const found = written[i];
  if (found === undefined) throw new Error(`event blob ${i} was written`);
  return found;
};
const latestIs = (latest: CertifiedEventBlob | undefined): Partial<ChainReader> => ({
  certifiedEventBlob: async () => latest,
});
/** As the chain said when the three were written. */
const third = (): Partial<ChainReader> =>
  latestIs({ blobId: atBlob(2).blobId, lastCheckpoint: atBlob(2).last });

async function failureOf(work: Promise<unknown>): Promise<FloeError> {
  try {
    await work;
  } catch (error) {
    if (error instanceof FloeError) return error;
    throw error;
  }
  throw new Error("it did not fail");
}

beforeAll(async () => {
  system = await startSystem({ seed: "history", nodes: 4, shards: 13 });
  const { network } = system;
  writer = new EventBlobWriter(network);
  chain = suiChainReader(writer.client, network.file.walrus, systemClock);
  written = [];
  await system.publishBlob(prng(1, 30_000), "epochs=9&permanent=true");
  await system.publishBlob(prng(2, 500), "epochs=9&deletable=true");
  written.push(await writer.write());
  await network.advanceEpoch();
  await system.publishBlob(prng(3, 2_000), "epochs=2&permanent=true");
  await network.advanceEpoch();
  written.push(await writer.write());
  await system.publishBlob(prng(4, 9_000), "epochs=5&permanent=true");
  await network.advanceEpoch();
  written.push(await writer.write());
  await system.publishBlob(prng(5, 1_000), "epochs=5&deletable=true");
  await network.advanceEpoch();
  await system.publishBlob(prng(6, 1_000), "epochs=5&permanent=true");
  tip = await chain.tip();
  const follower = followerOn();
  await follower.follow(tip);
  whole = contentsOf(follower.sql);
}, 120_000);
afterAll(() => system[Symbol.asyncDispose]());
afterEach(() => {
  remember();
  for (const { name } of system.network.file.nodes ?? []) system.network.setNodeFault(name, { kind: "none" });
});

describe("an auditor whose endpoint has forgotten", () => {
  it("comes to the populations of one with the whole history, wherever the endpoint begins", async () => {
    expect(await chain.certifiedEventBlob()).toEqual({
      blobId: atBlob(2).blobId,
      lastCheckpoint: atBlob(2).last,
    });
    expect(whole[0]?.length).toBeGreaterThan(4);
    for (const first of [1, atBlob(1).last, atBlob(2).last, atBlob(2).last + 1]) {
      forget(first);
      const { sql, follow } = followerOn();
      await follow(tip);
      expect(contentsOf(sql), `forgotten before ${first}`).toEqual(whole);
    }
  });

  it("takes nothing twice and leaves nothing out, whichever event was the last before the endpoint forgot", async () => {
    // One event a page: every place that a ledger may be at, also inside of checkpoints.
    const oneByOne: Partial<ChainReader> = {
      async events(after, before) {
        const page = await chain.events(after, before);
        const [event] = page.events;
        if (event === undefined) return page;
        return { events: [event], cursor: event.cursor, coveredBefore: undefined, end: "more" };
      },
    };
    const places = new Set<string>();
    const reading = followerOn({ chain: oneByOne });
    for (let isDone = false; !isDone; ) {
      remember();
      isDone = await reading.step(tip);
      const place = placeOf(reading.sql);
      if (places.has(place)) continue;
      places.add(place);
      // Behind the second event of a checkpoint always: those are few.
      if (places.size % STRIDE !== 0 && !place.endsWith(":2")) continue;
      const sql = copyOf(reading.sql);
      forget(atBlob(2).last + 1);
      await followerOn({ sql, fetch: fetchOnce }).follow(tip);
      expect(contentsOf(sql), `at ${place}`).toEqual(whole);
    }
    expect([...places].map((place) => place.split(":")[1])).toEqual(expect.arrayContaining(["0", "1", "2"]));
  });

  it("takes a hand-over for longer than it was when nobody can tell any more, never for shorter", async () => {
    const spans = (sql: Sql) =>
      sql.exec("SELECT epoch, start_ms AS start, done_ms AS done FROM epoch_change ORDER BY epoch");
    const { sql, follow } = followerOn();
    await follow(tip);
    const known = spans(sql);
    // The last hand-over of the three event blobs ends in the third.
    forget(atBlob(2).last + 1);
    const { timestampMs } = await chain.checkpoint(atBlob(2).last + 1);
    const other = followerOn({ fetch: fetchOnce });
    await other.follow(tip);
    expect(spans(other.sql)).toEqual(
      known.map((span) =>
        Number(span["start"]) > timestampMs ? span : { ...span, start: 0, done: timestampMs },
      ),
    );
    expect(spans(other.sql).filter(({ start }) => start === 0).length).toBeGreaterThan(1);
  });

  it("is read on while the endpoint forgets more of what it had", async () => {
    forget(atBlob(1).last);
    const { sql, step } = followerOn({ stretchBytes: 400, fetch: fetchOnce });
    for (let steps = 1, isDone = false; !isDone; steps++) {
      isDone = await step(tip);
      // It is on the way back through the event blobs.
      if (steps === 2) forget(atBlob(2).last + 1);
    }
    expect(contentsOf(sql)).toEqual(whole);
  });

  it("counts events of kinds it does not know, and says that it passed over one", async () => {
    // No population depends on it.
    const name = "EpochChangeDone";
    // One event a page, those of one kind as if a later release had brought it.
    const older: Partial<ChainReader> = {
      async events(after, before) {
        const page = await chain.events(after, before);
        const [placed] = page.events;
        if (placed === undefined) return page;
        const event =
          placed.event.kind === name ? ({ kind: "Unknown", name, isHarmless: false } as const) : placed.event;
        return {
          events: [{ ...placed, event }],
          cursor: placed.cursor,
          coveredBefore: undefined,
          end: "more",
        };
      },
    };
    const { sql, step } = followerOn({ chain: older });
    const seen: string[] = [];
    for (let isDone = false; !isDone; ) {
      remember();
      isDone = await step(tip);
      if (passedOver(sql) === null) continue;
      const place = placeOf(sql);
      if (seen.length === 0) expect(place.startsWith(`${passedOver(sql)?.checkpoint}:`)).toBe(true);
      if (seen.push(place) % STRIDE !== 1) continue;
      const copy = copyOf(sql);
      forget(atBlob(2).last + 1);
      await followerOn({ sql: copy, fetch: fetchOnce }).follow(tip);
      expect(contentsOf(copy), `at ${place}`).toEqual(whole);
    }
    expect(passedOver(sql)?.name).toBe(name);
  });

  it("stops at any checkpoint exactly where one with the whole history does", async () => {
    const { sql, follow } = followerOn();
    for (let before = 1; before <= tip; before += STRIDE) {
      remember();
      await follow(before);
      const expected = contentsOf(sql);
      forget(atBlob(2).last + 1);
      const other = followerOn({ fetch: fetchOnce });
      await other.follow(before);
      expect(contentsOf(other.sql), `before ${before}`).toEqual(expected);
    }
  });

  it("is not misled by one address with several full nodes behind it, of which some have forgotten", async () => {
    const { sql, follow, step } = followerOn({ chain: { firstAvailable: async () => 0 } });
    forget(5);
    const failure = await failureOf(follow(tip));
    expect([failure.code, failure.retryable]).toEqual(["SUI_FORGOTTEN", true]);
    expect(sql.exec("SELECT * FROM object")).toEqual([]);
    remember();
    await follow(6);
    forget(9);
    expect((await failureOf(step(tip))).code).toBe("SUI_FORGOTTEN");
    remember();
    await follow(tip);
    expect(contentsOf(sql)).toEqual(whole);
  });

  it("goes on with an endpoint that has what follows and nothing before it, however long nothing happened", async () => {
    const bounds = Array.from({ length: Math.floor(tip / STRIDE) }, (_, i) => 1 + i * STRIDE);
    const { sql, follow } = followerOn({ chain: { certifiedEventBlob: async () => undefined } });
    for (const before of [...bounds, tip]) {
      await follow(before);
      forget(before);
    }
    expect(contentsOf(sql)).toEqual(whole);
  });

  it("goes on from one bound to the next", async () => {
    forget(atBlob(2).last + 1);
    const { sql, follow } = followerOn({ fetch: fetchOnce });
    for (let before = 1; before <= tip; before++) await follow(before);
    expect(contentsOf(sql)).toEqual(whole);
  });

  it("asks for nothing but what it needs: two rows of each blob on the way back", async () => {
    forget(atBlob(2).last + 1);
    const asked: string[] = [];
    const { sql, step } = followerOn({
      fetch: (request) => {
        asked.push(new URL(request.url).pathname);
        return fetch(request);
      },
    });
    for (let blobs = 1; blobs <= 3; blobs++) {
      expect(await step(tip)).toBe(false);
      expect(sql.exec("SELECT COUNT(*) AS count FROM event_blob")).toEqual([{ count: blobs }]);
    }
    expect(sql.exec("SELECT * FROM object")).toEqual([]);
    const rows = asked.filter((path) => path.endsWith("/primary"));
    const metadata = asked.filter((path) => path.endsWith("/metadata"));
    expect([rows.length <= 9, metadata.length <= 12]).toEqual([true, true]);
  });
});

describe("a round", () => {
  it("is held with an endpoint that has forgotten nearly all, from the same population", async () => {
    const populationOf = async (auditor: TestAuditor, no: number): Promise<unknown> => {
      const round = await auditor.get<RoundExport>(`/v1/audit/rounds/${no}/export`);
      expect(round.totals.passed).toBeGreaterThan(0);
      return round.populations.permanent;
    };
    const { last } = await writer.write();
    const whole = testAuditor({ network: system.network.file });
    const expected = await populationOf(whole, await whole.run());
    forget(last + 1);
    const other = testAuditor({ network: system.network.file });
    // What a round asks of the time shortly before its seed must still be there.
    const { timestampMs } = await chain.checkpoint(last + 1);
    const fromMs = Math.max(other.auditor.nextBeginMs(), timestampMs + 5_000);
    expect(await populationOf(other, await other.run(fromMs))).toEqual(expected);
  });
});

describe("a death", () => {
  /** Dies at the `count`th call of what it wraps, before or after it is done. */
  class Deaths {
    left: number;
    readonly isDoneFirst: boolean;
    constructor(left: number, isDoneFirst: boolean) {
      this.left = left;
      this.isDoneFirst = isDoneFirst;
    }
    on<T>(work: () => T): T {
      const isNow = this.left-- === 0;
      if (isNow && !this.isDoneFirst) throw new Death();
      const result = work();
      if (isNow) throw new Death();
      return result;
    }
  }
  class Death extends Error {}

  /** Follows to the tip in short stretches; whoever dies is begun anew on the same ledger. @returns how many died */
  async function survive(deaths: Deaths): Promise<number> {
    const ledger = emptyLedger();
    const sql: Sql = {
      exec: ledger.exec,
      transaction: (work) => deaths.on(() => ledger.transaction(work)),
    };
    const { step, evict } = followerOn({ sql, stretchBytes: 400, fetch: fetchOnce });
    let died = 0;
    for (let isDone = false; !isDone; ) {
      try {
        isDone = await step(tip);
      } catch (error) {
        if (!(error instanceof Death)) throw error;
        evict();
        died++;
      }
    }
    expect(contentsOf(ledger)).toEqual(whole);
    return died;
  }

  it("at any transaction, lost or done, costs no event and doubles none", async () => {
    forget(atBlob(2).last + 1);
    for (const isDoneFirst of [false, true]) {
      let at = isDoneFirst ? 1 : 0;
      while ((await survive(new Deaths(at, isDoneFirst))) > 0) at += STRIDE;
      // Stretches, slices of lists and bounds: a death at each of them was survived.
      expect(at).toBeGreaterThan(10);
    }
  });
});

describe("nodes that fail or lie", () => {
  it("do not change the history: rows are rebuilt from the others' symbols", async () => {
    forget(atBlob(2).last + 1);
    for (const kind of ["down", "corrupt-slivers", "wrong-metadata", "error"] as const) {
      system.network.setNodeFault("node-1", { kind });
      const { sql, follow } = followerOn();
      await follow(tip);
      expect(contentsOf(sql), kind).toEqual(whole);
      system.network.setNodeFault("node-1", { kind: "none" });
    }
  });

  it("in too great a number stop the auditor until they are back, with the numbers", async () => {
    forget(atBlob(2).last + 1);
    const names = ["node-0", "node-1", "node-2"];
    for (const name of names) system.network.setNodeFault(name, { kind: "corrupt-slivers" });
    const { sql, follow } = followerOn();
    // The fourth node has at most two of the five rows of a blob, and three shards.
    const failure = await failureOf(follow(tip));
    expect([failure.code, failure.retryable]).toEqual(["HISTORY_UNAVAILABLE", true]);
    expect(failure.details).toMatchObject({ need: 9, nShards: 13 });
    expect(Number(failure.details["have"])).toBeLessThan(9);
    for (const name of names) system.network.setNodeFault(name, { kind: "none" });
    await follow(tip);
    expect(contentsOf(sql)).toEqual(whole);
  });
});

describe("a history that cannot be had", () => {
  it("is waited for when the endpoint begins behind what is certified", async () => {
    const { last } = atBlob(2);
    forget(last + 2);
    const failure = await failureOf(followerOn().follow(tip));
    expect([failure.code, failure.retryable]).toEqual(["HISTORY_NOT_CERTIFIED", true]);
    expect(failure.details).toEqual({ needed: last + 1, firstAvailable: last + 2, latest: last });
    const none = await failureOf(followerOn({ chain: latestIs(undefined) }).follow(tip));
    expect([none.code, none.details["latest"]]).toEqual(["HISTORY_NOT_CERTIFIED", null]);
  });

  it("is said to have expired when a quorum does not have a predecessor, and nobody is asked again at once", async () => {
    const before = await chain.tip();
    const lost = atBlob(0).blobId.replace(/^./, (first) => (first === "A" ? "B" : "A")) as BlobId;
    const bytes = encodeEventBlob({
      epoch: 2,
      previous: lost,
      firstIndex: 900,
      checkpoints: await rawCheckpoints(writer.client, 5, 8),
    });
    const blobId = await storeEventBlob(system.network, bytes, 1_000_000 + before);
    forget(9);
    let requests = 0;
    const options: FollowerOptions = {
      chain: latestIs({ blobId, lastCheckpoint: 8 }),
      fetch: (request) => {
        requests++;
        return fetch(request);
      },
    };
    const { follow } = followerOn(options);
    const failure = await failureOf(follow(tip));
    expect([failure.code, failure.retryable]).toEqual(["HISTORY_EXPIRED", false]);
    expect(failure.details).toEqual({
      blobId: lost,
      needed: 0,
      oldestCheckpoint: 5,
      oldestEpoch: 2,
      epochNow: system.network.file.epoch,
      maxEpochsAhead: 53,
    });
    expect(failure.message).toContain("begin with an endpoint that has them");
    const after = requests;
    expect((await failureOf(follow(tip))).code).toBe("HISTORY_EXPIRED");
    expect(requests).toBe(after);
    // What the ledger has already is not needed from there.
    remember();
    const begun = followerOn(options);
    await begun.follow(6);
    forget(9);
    await begun.follow(9);
    remember();
    const { sql, follow: withAll } = followerOn();
    await withAll(9);
    expect(contentsOf(begun.sql)).toEqual(contentsOf(sql));
  });
});

describe("event blobs that are certified and wrong", () => {
  let number = 2_000_000;
  /** The history up to the tip in one blob, changed. */
  async function certified(
    change: (checkpoints: RawCheckpoint[]) => Partial<Parameters<typeof encodeEventBlob>[0]>,
    said = tip - 1,
  ): Promise<FloeError> {
    remember();
    const checkpoints = await rawCheckpoints(writer.client, 0, tip - 1);
    const plan = { epoch: 1, previous: null, firstIndex: 0, checkpoints };
    return refusalOf(encodeEventBlob({ ...plan, ...change(checkpoints) }), said);
  }
  async function refusalOf(bytes: Uint8Array, said: number): Promise<FloeError> {
    const blobId = await storeEventBlob(system.network, bytes, number++);
    forget(tip);
    const { sql, follow } = followerOn({ chain: latestIs({ blobId, lastCheckpoint: said }) });
    const failure = await failureOf(follow(tip));
    // Nothing of it was applied.
    expect(sql.exec("SELECT * FROM object")).toEqual([]);
    return failure;
  }

  it("are refused: other bytes, a checkpoint or an event left out, an index that does not begin with 0", async () => {
    expect((await refusalOf(prng(7, 500), 9)).code).toBe("NOT_AN_EVENT_BLOB");
    expect((await refusalOf(prng(7, 50), 9)).code).toBe("MALFORMED_EVENT_BLOB");
    const codes = [
      await certified((all) => ({ checkpoints: all.filter(({ sequence }) => sequence !== 1) })),
      await certified((all) => ({ checkpoints: all.slice(0, -1) })),
      await certified(() => ({ firstIndex: 1 })),
      await certified((all) => ({
        checkpoints: all.map((each, i) => (i > 0 ? each : { sequence: 0, events: [...each.events, odd] })),
      })),
    ].map(({ code }) => code);
    expect(codes).toEqual([
      "EVENT_BLOB_OUT_OF_ORDER",
      "HISTORY_BROKEN",
      "EVENT_BLOB_OUT_OF_ORDER",
      "UNKNOWN_IN_EVENT_BLOB",
    ]);
  });
  const odd = { name: "Unheard", contents: new Uint8Array(4), txDigest: new Uint8Array(32), seq: 0 };

  it("are refused when they do not meet, or do not go on counting", async () => {
    const checkpoints = await rawCheckpoints(writer.client, 0, 9);
    const plan = { epoch: 1, previous: null, firstIndex: 0, checkpoints };
    const first = encodeEventBlob(plan);
    const previous = await storeEventBlob(system.network, first, number++);
    const later = async (from: number, firstIndex: number): Promise<FloeError> => {
      remember();
      const rest = await rawCheckpoints(writer.client, from, tip - 1);
      const bytes = encodeEventBlob({ epoch: 1, previous, firstIndex, checkpoints: rest });
      const blobId = await storeEventBlob(system.network, bytes, number++);
      forget(tip);
      return failureOf(followerOn({ chain: latestIs({ blobId, lastCheckpoint: tip - 1 }) }).follow(tip));
    };
    const next = checkpoints.reduce((sum, { events }) => sum + events.length + 1, 0);
    expect((await later(11, next)).code).toBe("HISTORY_BROKEN");
    expect((await later(10, next + 1)).code).toBe("EVENT_BLOB_OUT_OF_ORDER");
  });

  it("are refused when they contradict what the ledger has applied", async () => {
    const { sql, follow } = followerOn();
    await follow(tip - 2);
    const place = placeOf(sql);
    sql.exec("INSERT OR REPLACE INTO meta (name, value) VALUES ('place', ?)", `${atBlob(0).last}:7`);
    sql.exec("DELETE FROM meta WHERE name IN ('cursor', 'read_to')");
    expect(place).not.toBe("0:0");
    forget(atBlob(2).last + 1);
    const failure = await failureOf(followerOn({ sql }).follow(tip));
    expect([failure.code, failure.retryable]).toEqual(["HISTORY_BROKEN", false]);
  });
});
