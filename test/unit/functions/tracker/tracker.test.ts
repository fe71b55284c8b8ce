// If this fails, an upload forgets what it has paid for, is worked on twice, or waits for ever.
import { describe, expect, it } from "vitest";
import { TRACKER_LIMITS } from "../../../../functions/tracker/limits.ts";
import type { Claim, IntentRequest, WorkTurn } from "../../../../functions/tracker/port.ts";
import { blsSign } from "../../../../shared/crypto/bls.ts";
import { type ObjectId, shardIndex } from "../../../../shared/protocol/ids.ts";
import { confirmationMessage, type Persistence } from "../../../../shared/protocol/messages.ts";
import { MemoryTracker, TURN_MS } from "../../../support/edge/memory-tracker.ts";
import {
  BLOB,
  BYTES,
  certifiedUpload as certified,
  committee,
  DIGEST,
  nodes,
  OBJECT,
  registeredUpload,
  uploadRequest as request,
} from "../../../support/edge/tracked-upload.ts";
import { EPOCH } from "../../../support/nodes/scripted-nodes.ts";

const FAILURE = { code: "INSUFFICIENT_CONFIRMATIONS", message: "3 of 5", retryable: true, details: {} };

const blob = registeredUpload;
const deletable: Persistence = { kind: "deletable", objectId: OBJECT };
const permanent: Persistence = { kind: "permanent" };

/** Each calls finds an upload of its own clock's tracker; workers are named by letters. */
function setUp() {
  const uploads: string[] = [];
  const tracker = new MemoryTracker(nodes.clock, {
    finish: async (_, intentId) => {
      uploads.push(intentId);
    },
    finishTail: async () => {
      uploads.push("tail");
    },
  });
  return { tracker, uploads };
}

async function begin(
  tracker: MemoryTracker,
  changes: Partial<IntentRequest> = {},
  workerId = "a",
): Promise<WorkTurn> {
  const turn = await tracker.service.begin({ ...request, ...changes }, workerId, nodes.clock.nowMs());
  if (turn.kind !== "work") throw new Error(`got ${turn.kind}`);
  return turn;
}

const claimOf = (workerId: string, changes: Partial<Claim> = {}): Claim => ({
  workerId,
  canWork: true,
  knowsStaged: true,
  attempt: 1,
  ...changes,
});

async function stage(tracker: MemoryTracker): Promise<string> {
  const id = await tracker.service.openStaging("sqlite");
  if (id === undefined) throw new Error("held already");
  await tracker.service.stagePiece(id, 0, BYTES);
  await tracker.service.holdStaged(id);
  return id;
}

function confirmationOf(node: number, persistence: Persistence, epoch = EPOCH) {
  const message = confirmationMessage({ epoch, blobId: BLOB, persistence });
  const nodeId = committee.members[node]?.nodeId ?? OBJECT;
  return { nodeId, signed: { message, signature: blsSign(message, new Uint8Array(32).fill(node + 1)) } };
}

const report = (tracker: MemoryTracker, intentId: string, signers: number[], persistence: Persistence) =>
  tracker.service.report({
    intentId,
    committee,
    confirmations: signers.map((node) => confirmationOf(node, persistence)),
    stored: [],
    faults: [],
  });

const storeAll = (tracker: MemoryTracker, shards = 7) =>
  tracker.service.report({
    intentId: null,
    committee,
    confirmations: [],
    stored: committee.members
      .slice(0, shards)
      .flatMap(({ nodeId, shards: [shard = shardIndex(0, 7)] }) =>
        (["primary", "secondary"] as const).map((axis) => ({ nodeId, shard, axis })),
      ),
    faults: [],
  });

async function certify(tracker: MemoryTracker, changes: Partial<IntentRequest> = {}): Promise<string> {
  const { intent } = await begin(tracker, changes);
  await stage(tracker).catch(() => {});
  await tracker.service.registered(intent.intentId, { ...blob, deletable: changes.deletable ?? true });
  const persistence = (changes.deletable ?? true) ? deletable : permanent;
  await report(tracker, intent.intentId, [0, 1, 2, 3, 4], persistence);
  await tracker.service.certified(intent.intentId, certified);
  return intent.intentId;
}

describe("requests for one blob", () => {
  it("give the work to one, and let all others wait for its outcome", async () => {
    const { tracker } = setUp();
    const { intent } = await begin(tracker);
    const others = await Promise.all(
      ["b", "c", "d"].map((worker) => tracker.service.begin(request, worker, nodes.clock.nowMs())),
    );
    for (const turn of others) expect(turn).toMatchObject({ kind: "wait", attempt: 1, isStaged: false });
    const waiting = tracker.service.claim(intent.intentId, claimOf("b"), 60_000);
    await stage(tracker);
    await tracker.service.registered(intent.intentId, blob);
    await tracker.service.certified(intent.intentId, certified);
    expect(await waiting).toMatchObject({ kind: "certified", intent: { registered: blob, certified } });
  });

  it("tell those who wait how the attempt failed, and hand the next one to whoever comes", async () => {
    const { tracker } = setUp();
    const { intent } = await begin(tracker);
    await stage(tracker);
    await tracker.service.registered(intent.intentId, blob);
    const waiting = tracker.service.claim(intent.intentId, claimOf("b"), 60_000);
    await tracker.service.leave(intent.intentId, "a", FAILURE, false);
    expect(await waiting).toEqual({ kind: "failed", error: FAILURE });
    const next = await begin(tracker, {}, "c");
    expect(next).toMatchObject({ attempt: 2, isStaged: true, intent: { registered: blob } });
    expect(await tracker.service.claim(intent.intentId, claimOf("b"), 0)).toMatchObject({ kind: "failed" });
    expect((await tracker.service.claim(intent.intentId, claimOf("d", { attempt: 2 }), 0)).kind).toBe("wait");
  });

  it("let a waiting request take over from a worker that fell silent, but not from one that renews", async () => {
    const { tracker } = setUp();
    const { intent } = await begin(tracker);
    await nodes.clock.sleep(TURN_MS - 1);
    expect(await tracker.service.renew(intent.intentId, "a")).toBe(true);
    await nodes.clock.sleep(TURN_MS - 1);
    expect((await tracker.service.claim(intent.intentId, claimOf("b"), 0)).kind).toBe("wait");
    await nodes.clock.sleep(1);
    expect(await tracker.service.claim(intent.intentId, claimOf("b"), 0)).toMatchObject({
      kind: "work",
      attempt: 2,
    });
    expect(await tracker.service.renew(intent.intentId, "a")).toBe(false);
    await tracker.service.leave(intent.intentId, "a", FAILURE, true);
    expect((await tracker.service.status())?.intents[0]).toMatchObject({ state: "begun", isWorkedOn: true });
  });

  it.each<[string, Partial<IntentRequest>]>([
    ["principal", { principal: "other" }],
    ["persistence", { deletable: false }],
    ["end epoch", { endEpoch: EPOCH + 3 }],
    ["recipient", { sendObjectTo: OBJECT }],
    ["share", { share: true }],
    ["idempotency key", { idempotencyKey: "k" }],
    ["force", { force: true }],
  ])("do not join when they differ in %s", async (_, changes) => {
    const { tracker } = setUp();
    const first = await begin(tracker);
    expect((await begin(tracker, changes, "b")).intent.intentId).not.toBe(first.intent.intentId);
  });

  it("never join when forced, except the repetition of the same call", async () => {
    const { tracker } = setUp();
    const first = await begin(tracker, { force: true });
    expect((await begin(tracker, { force: true })).intent.intentId).toBe(first.intent.intentId);
    expect((await begin(tracker, { force: true }, "b")).intent.intentId).not.toBe(first.intent.intentId);
  });

  it("begin anew after success for a deletable blob, and hear of a permanent one that it is certified", async () => {
    const { tracker } = setUp();
    const first = await certify(tracker);
    expect((await begin(tracker, {}, "b")).intent.intentId).not.toBe(first);
    await certify(tracker, { deletable: false });
    const turn = await tracker.service.begin({ ...request, deletable: false }, "c", nodes.clock.nowMs());
    expect(turn).toEqual({ kind: "already-certified", txDigest: DIGEST, eventSeq: "1", endEpoch: EPOCH + 2 });
    await begin(tracker, { deletable: false, endEpoch: EPOCH + 3 }, "d");
  });

  it("that were in flight together share the outcome, however late one of them asks", async () => {
    const { tracker } = setUp();
    const arrivedAtMs = nodes.clock.nowMs();
    await nodes.clock.sleep(5);
    const intentId = await certify(tracker);
    await nodes.clock.sleep(5);
    const late = await tracker.service.begin(request, "b", arrivedAtMs);
    expect(late).toMatchObject({ kind: "certified", intent: { intentId, certified } });
    const forced = await tracker.service.begin({ ...request, force: true }, "c", arrivedAtMs);
    expect(forced.kind).toBe("work");
  });

  it("with one Idempotency-Key get one outcome, also after success and in a later epoch", async () => {
    const { tracker } = setUp();
    const key = { idempotencyKey: "k", force: true };
    const intentId = await certify(tracker, key);
    const again = await tracker.service.begin(
      { ...request, ...key, endEpoch: EPOCH + 3 },
      "b",
      nodes.clock.nowMs(),
    );
    expect(again).toMatchObject({ kind: "certified", intent: { intentId, certified } });
  });

  it("all hear it when nothing had to be paid", async () => {
    const { tracker } = setUp();
    const { intent } = await begin(tracker, { deletable: false });
    const answer = { kind: "already-certified", txDigest: DIGEST, eventSeq: "9", endEpoch: 99 } as const;
    const waiting = tracker.service.claim(intent.intentId, claimOf("b"), 60_000);
    await tracker.service.drop(intent.intentId, answer);
    expect(await waiting).toEqual(answer);
  });
});

describe("what was reached", () => {
  it("survives the object's death at every step", async () => {
    const { tracker } = setUp();
    const { intent } = await begin(tracker);
    tracker.die();
    const stagingId = await stage(tracker);
    tracker.die();
    expect(await tracker.service.stagedPiece(stagingId, 0)).toEqual(BYTES);
    await tracker.service.registered(intent.intentId, blob);
    tracker.die();
    expect(await report(tracker, intent.intentId, [0, 1, 2], deletable)).toMatchObject({
      weight: 3,
      certificate: null,
    });
    tracker.die();
    const { certificate } = await report(tracker, intent.intentId, [3, 4], deletable);
    expect(certificate?.signers).toEqual([0, 1, 2, 3, 4]);
    tracker.die();
    expect((await report(tracker, intent.intentId, [], deletable)).certificate).toEqual(certificate);
    await nodes.clock.sleep(TURN_MS);
    expect(await begin(tracker, {}, "b")).toMatchObject({
      attempt: 2,
      intent: { intentId: intent.intentId, state: "confirmed", registered: blob },
    });
  });

  it("counts confirmations of permanent blobs for every permanent upload, of deletable ones for their object", async () => {
    const { tracker } = setUp();
    const first = await begin(tracker, { deletable: false });
    const second = await begin(tracker, { deletable: false, force: true });
    for (const { intent } of [first, second]) {
      await tracker.service.registered(intent.intentId, { ...blob, deletable: false });
    }
    await report(tracker, first.intent.intentId, [0, 1, 2, 3], permanent);
    expect((await report(tracker, second.intent.intentId, [4], permanent)).certificate).not.toBeNull();
    const other = await begin(tracker, { force: true }, "b");
    await tracker.service.registered(other.intent.intentId, blob);
    expect((await report(tracker, other.intent.intentId, [], deletable)).weight).toBe(0);
  });

  it("drops certificate and confirmations of an epoch that is over, and keeps the newer ones from a late worker", async () => {
    const { tracker } = setUp();
    const { intent } = await begin(tracker);
    await tracker.service.registered(intent.intentId, blob);
    await report(tracker, intent.intentId, [0, 1, 2, 3, 4], deletable);
    const next = { ...committee, epoch: EPOCH + 1 };
    const empty = { intentId: intent.intentId, committee: next, stored: [], faults: [] };
    expect(await tracker.service.report({ ...empty, confirmations: [] })).toMatchObject({
      weight: 0,
      certificate: null,
    });
    expect((await tracker.service.status())?.intents[0]?.state).toBe("registered");
    const confirmations = [0, 1, 2, 3, 4].map((node) => confirmationOf(node, deletable, EPOCH + 1));
    const { certificate } = await tracker.service.report({ ...empty, confirmations });
    expect(certificate).not.toBeNull();
    expect(await report(tracker, intent.intentId, [5, 6], deletable)).toMatchObject({ certificate: null });
    expect((await tracker.service.status())?.intents[0]?.certificate?.epoch).toBe(EPOCH + 1);
  });

  it("refuses a second registration for one intent, and confirmations before there is one", async () => {
    const { tracker } = setUp();
    const { intent } = await begin(tracker);
    await expect(report(tracker, intent.intentId, [0], deletable)).rejects.toThrow(/nothing to confirm/);
    await tracker.service.registered(intent.intentId, blob);
    await tracker.service.registered(intent.intentId, blob);
    const other = { ...blob, objectId: `0x${"1".repeat(64)}` as ObjectId };
    await expect(tracker.service.registered(intent.intentId, other)).rejects.toThrow(/another Blob object/);
  });

  it("hands out which slivers which node has, and forgets that of a shard that has moved", async () => {
    const { tracker } = setUp();
    await begin(tracker);
    await storeAll(tracker, 2);
    const shard = shardIndex(1, 7);
    const moved = [{ nodeId: OBJECT, shard, axis: "primary" as const }];
    await tracker.service.report({ intentId: null, committee, confirmations: [], stored: moved, faults: [] });
    await nodes.clock.sleep(TURN_MS);
    const { stored } = await begin(tracker, {}, "b");
    expect(stored).toEqual([
      { nodeId: committee.members[0]?.nodeId, slivers: [0, 1] },
      { nodeId: OBJECT, slivers: [2] },
      { nodeId: committee.members[1]?.nodeId, slivers: [3] },
    ]);
    expect((await tracker.service.status())?.shards).toBe("3300000");
  });
});

describe("staged copies", () => {
  it("are held only when complete; a second one is given up", async () => {
    const { tracker } = setUp();
    await begin(tracker);
    const first = (await tracker.service.openStaging("sqlite")) ?? "";
    const second = (await tracker.service.openStaging("r2")) ?? "";
    await expect(tracker.service.holdStaged(first)).rejects.toThrow(/0 of 17 bytes/);
    await expect(tracker.service.stagePiece(first, 0, BYTES.subarray(1))).rejects.toThrow(/16 bytes at 0/);
    expect(await tracker.service.stagePiece(first, 0, BYTES)).toBe(true);
    await tracker.service.holdStaged(first);
    await tracker.service.holdStaged(second);
    await tracker.service.holdStaged(first);
    expect(await tracker.service.staged()).toMatchObject({ stagingId: first, store: "sqlite", bytes: 17 });
    expect(await tracker.service.openStaging("sqlite")).toBeUndefined();
    expect(await tracker.service.stagePiece(second, 0, BYTES)).toBe(false);
    await tracker.runAlarm();
    expect(tracker.deletedObjects).toEqual([`${BLOB}/${second}`]);
  });

  it("are released when the blob is certified and every shard has its slivers", async () => {
    const { tracker } = setUp();
    await certify(tracker);
    expect(await tracker.service.staged()).not.toBeNull();
    await storeAll(tracker, 6);
    expect(await tracker.service.staged()).not.toBeNull();
    await storeAll(tracker);
    expect(await tracker.service.staged()).toBeNull();
    expect(await tracker.service.status()).toMatchObject({
      tail: "complete",
      shards: "3333333",
      staging: null,
    });
  });

  it("outlive a success while another upload of the blob is unfinished", async () => {
    const { tracker } = setUp();
    const open = await begin(tracker, { force: true }, "b");
    await certify(tracker);
    await storeAll(tracker);
    expect(await tracker.service.staged()).not.toBeNull();
    await tracker.service.leave(open.intent.intentId, "b", FAILURE, true);
    expect(await tracker.service.staged()).toBeNull();
  });
});

describe("the alarm", () => {
  it("is set whenever an upload is unfinished, and has it finished once its worker is silent", async () => {
    const { tracker, uploads } = setUp();
    const { intent } = await begin(tracker);
    expect(tracker.alarmAtMs).toBeDefined();
    await stage(tracker);
    await tracker.runAlarm();
    for (let i = 0; uploads.length === 0 && i < 3; i++) await tracker.runAlarm();
    expect(uploads).toEqual([intent.intentId]);
    expect(tracker.alarmAtMs).toBeGreaterThan(nodes.clock.nowMs());
  });

  it("does nothing the second time it goes off, and everything that is due when it goes off late", async () => {
    const { tracker, uploads } = setUp();
    const { intent } = await begin(tracker);
    await stage(tracker);
    await tracker.runAlarm(50 * 60_000);
    await tracker.service.alarm();
    expect(uploads).toEqual([intent.intentId]);
    expect(await tracker.service.claim(intent.intentId, claimOf("u", { attempt: null }), 0)).toMatchObject({
      kind: "work",
      attempt: 2,
    });
  });

  it("is set again when it was lost and its time has passed, while the object lives on", async () => {
    const { tracker } = setUp();
    await begin(tracker);
    const lostAtMs = tracker.alarmAtMs ?? 0;
    tracker.alarmAtMs = undefined;
    await nodes.clock.sleep(lostAtMs + 1 - nodes.clock.nowMs());
    await tracker.service.begin(request, "b", nodes.clock.nowMs());
    expect(tracker.alarmAtMs).toBeGreaterThan(lostAtMs);
  });

  it("leaves an upload that somebody works on alone", async () => {
    const { tracker, uploads } = setUp();
    const { intent } = await begin(tracker);
    await stage(tracker);
    for (let i = 0; i < 6; i++) {
      await nodes.clock.sleep(TURN_MS / 2);
      await tracker.service.renew(intent.intentId, "a");
      await tracker.service.alarm();
    }
    expect(uploads).toEqual([]);
  });

  it("tries ever more slowly, gives up in the end, and lets the same request bring the upload back", async () => {
    const { tracker, uploads } = setUp();
    const { intent } = await begin(tracker);
    await stage(tracker);
    await tracker.service.registered(intent.intentId, blob);
    tracker.uploader = {
      finish: async (_, intentId) => {
        uploads.push(intentId);
        const turn = await tracker.service.claim(intentId, claimOf("u", { attempt: null }), 0);
        if (turn.kind === "work") await tracker.service.leave(intentId, "u", FAILURE, false);
      },
      finishTail: async () => {},
    };
    const startMs = nodes.clock.nowMs();
    for (let i = 0; i < 100 && (await tracker.service.status())?.intents[0]?.state === "registered"; i++) {
      await tracker.runAlarm();
    }
    const status = await tracker.service.status();
    expect(status?.intents[0]).toMatchObject({ state: "abandoned", failure: { code: FAILURE.code } });
    expect(nodes.clock.nowMs() - startMs).toBeGreaterThanOrEqual(TRACKER_LIMITS.uploadGiveUpMs);
    expect(uploads.length).toBeGreaterThan(5);
    expect(uploads.length).toBeLessThan(30);
    expect(status?.staging).toBeNull();
    const back = await begin(tracker, {}, "b");
    expect(back).toMatchObject({ isStaged: false, intent: { intentId: intent.intentId, registered: blob } });
    expect(tracker.alarmAtMs).toBeDefined();
  });

  it("drops an upload whose client left before the blob was held and anything was paid", async () => {
    const { tracker, uploads } = setUp();
    const { intent } = await begin(tracker);
    const waiting = { knowsStaged: false, canWork: false };
    await tracker.runAlarm();
    expect(uploads).toEqual([]);
    expect(await tracker.service.claim(intent.intentId, claimOf("b", waiting), 0)).toMatchObject({
      kind: "failed",
      error: { code: "UPLOAD_PENDING" },
    });
    expect((await begin(tracker, {}, "c")).intent.intentId).not.toBe(intent.intentId);
  });

  it("sends missing slivers until all are stored or the time is up", async () => {
    for (const isHealed of [true, false]) {
      const { tracker, uploads } = setUp();
      await certify(tracker);
      await storeAll(tracker, 5);
      const startMs = nodes.clock.nowMs();
      for (let i = 0; i < 5 && uploads.length === 0; i++) await tracker.runAlarm();
      expect(uploads).toEqual(["tail"]);
      expect(nodes.clock.nowMs() - startMs).toBeGreaterThanOrEqual(TRACKER_LIMITS.tailTimeoutMs);
      if (isHealed) await storeAll(tracker);
      else while ((await tracker.service.tail()) !== null) await tracker.runAlarm();
      expect((await tracker.service.status())?.tail).toBe(isHealed ? "complete" : "expired");
      expect(await tracker.service.staged()).toBeNull();
      expect(uploads.length).toBeLessThan(8);
    }
  });

  it("wipes everything when nothing has been left to do for long enough, and is not set any more", async () => {
    const { tracker } = setUp();
    await certify(tracker);
    await storeAll(tracker);
    const startMs = nodes.clock.nowMs();
    for (let i = 0; i < 5 && tracker.alarmAtMs !== undefined; i++) await tracker.runAlarm();
    expect(await tracker.service.status()).toBeNull();
    expect(nodes.clock.nowMs() - startMs).toBe(TRACKER_LIMITS.trackerKeepMs);
    expect(tracker.alarmAtMs).toBeUndefined();
    expect((await begin(tracker)).attempt).toBe(1);
  });

  it("comes back after a pause when it fails itself, and then does what was due", async () => {
    const { tracker, uploads } = setUp();
    const { intent } = await begin(tracker);
    await stage(tracker);
    tracker.failPoint = (name) => {
      if (name === "tracker.before-alarm") throw new Error("killed");
    };
    await tracker.runAlarm(60_000);
    expect(uploads).toEqual([]);
    expect(tracker.alarmAtMs).toBe(nodes.clock.nowMs() + 1_000);
    tracker.failPoint = () => {};
    await tracker.runAlarm();
    expect(uploads).toEqual([intent.intentId]);
  });

  it("comes back although the Uploader hangs, fails or cannot be called", async () => {
    for (const finish of [
      () => new Promise<void>(() => {}),
      () => Promise.reject(new Error("no such entrypoint")),
    ]) {
      const { tracker } = setUp();
      await begin(tracker);
      await stage(tracker);
      tracker.uploader = { finish, finishTail: finish };
      await tracker.runAlarm(60_000);
      expect(tracker.alarmAtMs).toBeDefined();
    }
  });
});

describe("progress", () => {
  it("is told in numbered events that can be read again from any number", async () => {
    const { tracker } = setUp();
    await certify(tracker);
    const page = await tracker.service.events(0, 0);
    expect(page?.events.map(({ name }) => name)).toEqual([
      "begun",
      "attempt",
      "staged",
      "registered",
      "confirmed",
      "progress",
      "certified",
    ]);
    expect(page).toMatchObject({ isOver: true, oldestId: 1 });
    expect((await tracker.service.events(5, 0))?.events.map(({ id }) => id)).toEqual([6, 7]);
    expect((await tracker.service.events(999, 0))?.events[0]?.id).toBe(1);
  });

  it("wakes who waits for the next event, and keeps a bounded history", async () => {
    const { tracker } = setUp();
    const { intent } = await begin(tracker);
    const waiting = tracker.service.events(2, 60_000);
    await stage(tracker);
    expect((await waiting)?.events.map(({ name }) => name)).toEqual(["staged"]);
    await tracker.service.registered(intent.intentId, blob);
    const faults = Array.from({ length: TRACKER_LIMITS.eventsKept + 10 }, () => ({
      nodeId: OBJECT,
      code: "TIMEOUT",
      route: "put sliver",
    }));
    await tracker.service.report({ intentId: null, committee, confirmations: [], stored: [], faults });
    const page = await tracker.service.events(0, 0);
    expect(page?.oldestId).toBe(page?.events[0]?.id);
    expect(page?.oldestId).toBeGreaterThan(10);
    expect(page?.events).toHaveLength(TRACKER_LIMITS.eventsPerAnswer);
  });

  it("shows nothing of a blob that nobody has uploaded here, and makes no tables for the question", async () => {
    const { tracker } = setUp();
    expect(await tracker.service.status()).toBeNull();
    expect(await tracker.service.events(0, 10_000)).toBeNull();
    expect(tracker.database.prepare("SELECT name FROM sqlite_master").all()).toEqual([]);
  });

  it("names principals only by their hash and shows no keys", async () => {
    const { tracker } = setUp();
    const secret = { principal: "alice@example.org", idempotencyKey: "secret-key" };
    await begin(tracker, secret);
    const shown = JSON.stringify([await tracker.service.status(), await tracker.service.events(0, 0)]);
    expect(shown).not.toContain(secret.principal);
    expect(shown).not.toContain(secret.idempotencyKey);
    expect((await tracker.service.status())?.intents[0]?.principalHash).toMatch(/^[0-9a-f]{32}$/);
  });
});
