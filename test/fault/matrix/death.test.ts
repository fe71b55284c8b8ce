// If this fails, an upload whose isolate, object, step or client dies is paid twice, lost, or never finished.
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { FAIL_POINT_NAMES, type FailPointName } from "../../../functions/base/fail-point-names.ts";
import { encodeBlob } from "../../support/codec/encoded-blob.ts";
import { FaultSystem } from "../../support/edge/fault-system.ts";
import { StateChecker } from "../../support/edge/state-checker.ts";
import { prng } from "../../support/system.ts";
import { until } from "../../support/until.ts";
import { OutcomeTable } from "./outcomes.ts";

/** Reached only when a request joins, drops, fails, or leaves work to the alarm; everything else by every upload. */
const UNUSUAL: readonly FailPointName[] = [
  "tracker.after-claim",
  "tracker.after-drop",
  "tracker.after-leave",
  "tracker.before-alarm",
  "uploader.before-finish",
  "uploader.after-read",
  "uploader.after-finish",
  "uploader.before-tail",
  "uploader.after-tail",
];
const USUAL = FAIL_POINT_NAMES.filter((name) => !UNUSUAL.includes(name));
/** The last step before the blob is held, in the order of an upload; up to here a death costs nothing. */
const LAST_UNHELD = USUAL.indexOf("tracker.before-staged");

const LONG = process.env["FLOE_LONG"] === "1";
const N_SHARDS = 4;
const EPOCHS = 3;
const QUERY = `epochs=${EPOCHS}`;

let system: FaultSystem;
let checker: StateChecker;
const table = new OutcomeTable();
let seed = 1000;

beforeAll(async () => {
  // No alarm goes off by itself while a test looks, however slow the machine; `timePasses` is what ends a turn here.
  const bindings = { UPLOAD_LEASE_MS: "3600000" };
  system = await FaultSystem.start({ nodes: 4, shards: N_SHARDS, seed: "death", bindings });
  checker = await StateChecker.create(system);
});
afterEach(() => system.failPoints.disarm());
afterAll(async () => {
  console.log(table.toString());
  await system[Symbol.asyncDispose]();
});

/** What a step's death looks like from outside it; settles when it has happened. */
const DEATHS = {
  "the step throws": (point: FailPointName) => system.failPoints.arm(point, () => false),
  "its object crashes": async (point: FailPointName, blobId: string) => {
    await system.failPoints.arm(point, async () => {
      if (point.startsWith("wallet.")) await system.abort("WALLET", "main");
      else await system.abort("BLOB_TRACKER", blobId);
      return true;
    });
  },
  "the process is killed": async (point: FailPointName) => {
    await system.failPoints.arm(point, () => new Promise<boolean>(() => {}));
    await system.kill();
    await system.revive();
  },
} as const;
type Death = keyof typeof DEATHS;

/** Every death of every step, or the ones that differ: only objects crash by themselves. */
function deathsOf(point: FailPointName): Death[] {
  const isInObject = point.startsWith("tracker.") || point.startsWith("wallet.");
  if (LONG)
    return isInObject
      ? ["the step throws", "its object crashes", "the process is killed"]
      : ["the step throws", "the process is killed"];
  return isInObject ? ["the step throws", "its object crashes"] : ["the process is killed"];
}

const casesOf = (points: readonly FailPointName[]) =>
  points.flatMap((point) => deathsOf(point).map((death) => ({ point, death })));

interface Upload {
  readonly content: Uint8Array;
  readonly blobId: string;
}
function newUpload(): Upload {
  const content = prng(seed++, 300);
  return { content, blobId: encodeBlob(N_SHARDS, content).metadata.blobId };
}

/** The status, or "no answer". */
async function put({ content }: Upload, headers: Record<string, string> = {}): Promise<string> {
  const response = await system.publish(content, QUERY, { headers }).catch(() => undefined);
  await response?.text().catch(() => {});
  return String(response?.status ?? "no answer");
}

/** Turns run out and pauses are over, as they would be half a minute later. */
async function timePasses({ blobId }: Upload): Promise<void> {
  await system.sql("BLOB_TRACKER", blobId, "UPDATE intent SET leased_until_ms = 0, retry_at_ms = 0");
}

async function alarm({ blobId }: Upload): Promise<void> {
  // A death inside the alarm fails it; the platform would run it again, as the callers here do.
  await system.edge.call("BLOB_TRACKER", blobId, "hookAlarm").catch(() => {});
}

/** Whether anything is left to do for this blob; then an alarm must be set. */
async function isUnfinished({ blobId }: Upload): Promise<boolean> {
  const intents = await system.sql("BLOB_TRACKER", blobId, "SELECT state FROM intent");
  return intents.some(({ state }) => state !== "certified" && state !== "dropped");
}

async function finishByAlarm(upload: Upload): Promise<void> {
  for (let rounds = 0; rounds < 4 && (await isUnfinished(upload)); rounds++) {
    expect(await system.edge.call("BLOB_TRACKER", upload.blobId, "hookAlarmAt")).not.toBeNull();
    await timePasses(upload);
    await alarm(upload);
  }
}

const checked = ({ content }: Upload, registrations = 1): Promise<string[]> =>
  checker.violations({ content, epochs: EPOCHS, deletable: true, registrations });

it("D1: an undisturbed upload reaches the steps listed as usual and no other", async () => {
  const upload = newUpload();
  expect(await put(upload)).toBe("200");
  expect([...new Set(system.failPoints.reached)].sort()).toEqual([...USUAL].sort());
  expect(await checked(upload)).toEqual([]);
});

describe("D1 L1: an upload that dies and that nobody asks for again is finished by alarms, paid once, or costs nothing", () => {
  it.each(casesOf(USUAL))("at $point, when $death", async ({ point, death }) => {
    const upload = newUpload();
    const dead = DEATHS[death](point, upload.blobId);
    const first = put(upload);
    await dead;
    const answer = await first;
    const startMs = performance.now();
    const isHeld = USUAL.indexOf(point) > LAST_UNHELD || answer === "200";
    await finishByAlarm(upload);
    const recoveryMs = performance.now() - startMs;
    const outcome = `${answer}, then ${isHeld ? "certified" : "nothing paid"}`;
    table.add({ row: "D1", step: point, fault: death, outcome, recoveryMs });
    expect(await checked(upload, isHeld ? 1 : 0)).toEqual([]);
  });
});

describe("D1: whatever finishes an upload may die as well", () => {
  const points = UNUSUAL.filter(
    (name) => name === "tracker.before-alarm" || /^uploader.*(finish|read)$/.test(name),
  );
  it.each(casesOf(points))("at $point, when $death", async ({ point, death }) => {
    const upload = newUpload();
    const dead = DEATHS["the step throws"]("publish.after-register");
    const first = put(upload);
    await dead;
    await first;
    await timePasses(upload);
    const deadAgain = DEATHS[death](point, upload.blobId);
    const failed = alarm(upload);
    await deadAgain;
    await failed;
    const startMs = performance.now();
    await finishByAlarm(upload);
    const recoveryMs = performance.now() - startMs;
    table.add({ row: "D1", step: point, fault: death, outcome: "certified", recoveryMs });
    expect(await checked(upload)).toEqual([]);
  });
});

describe("D2: a client that got no answer and repeats its request pays once", () => {
  const KINDS: Death[] = ["the step throws", "the process is killed"];
  const cases = USUAL.flatMap((point, row) =>
    KINDS.filter((_, column) => LONG || row % 4 === 2 * column).map((death) => ({ point, death })),
  );
  it.each(cases)("at $point, when $death", async ({ point, death }) => {
    const upload = newUpload();
    const headers = { "idempotency-key": `retry-${upload.blobId}` };
    const dead = DEATHS[death](point, upload.blobId);
    const first = put(upload, headers);
    await dead;
    const answers = [await first];
    await timePasses(upload);
    const startMs = performance.now();
    answers.push(await put(upload, headers));
    const recoveryMs = performance.now() - startMs;
    table.add({ row: "D2", step: point, fault: death, outcome: answers.join(", then "), recoveryMs });
    expect(answers[1]).toBe("200");
    expect(await checked(upload)).toEqual([]);
  });
});

describe("D2: an upload whose client leaves is finished without it", () => {
  const held = USUAL.slice(USUAL.indexOf("publish.after-begin"));
  it.each(held.filter((_, index) => LONG || index % 6 === 1))("at %s", async (point) => {
    const upload = newUpload();
    const client = new AbortController();
    const left = system.failPoints.arm(point, () => {
      client.abort();
      return true;
    });
    const answer = system.publish(upload.content, QUERY, { signal: client.signal });
    await expect(answer).rejects.toThrow();
    await left;
    const startMs = performance.now();
    expect(await checked(upload)).toEqual([]);
    const recoveryMs = performance.now() - startMs;
    table.add({ row: "D2", step: point, fault: "the client leaves", outcome: "finished", recoveryMs });
  });
});

describe("D3: alarms", () => {
  it("that go off twice at once, and once more afterwards, finish an upload once", async () => {
    const upload = newUpload();
    const dead = DEATHS["the step throws"]("publish.after-register");
    const first = put(upload);
    await dead;
    await first;
    await timePasses(upload);
    await Promise.all([alarm(upload), alarm(upload)]);
    await alarm(upload);
    expect(await checked(upload)).toEqual([]);
    table.add({ row: "D3", step: "alarm", fault: "three times", outcome: "certified", recoveryMs: 0 });
  });

  it("that are lost are set again by the next question for the upload", async () => {
    const upload = newUpload();
    const dead = DEATHS["the step throws"]("publish.after-register");
    const first = put(upload);
    await dead;
    await first;
    await system.edge.call("BLOB_TRACKER", upload.blobId, "hookSetAlarm", null);
    await system.abort("BLOB_TRACKER", upload.blobId);
    await timePasses(upload);
    expect(await put(upload)).toBe("200");
    expect(await system.edge.call("BLOB_TRACKER", upload.blobId, "hookAlarmAt")).not.toBeNull();
    expect(await checked(upload)).toEqual([]);
    table.add({ row: "D3", step: "alarm", fault: "lost", outcome: "200", recoveryMs: 0 });
  });

  it("of a process that came back finish an upload in real time, untouched", async () => {
    await system.kill();
    await system.revive({ UPLOAD_LEASE_MS: "1000" });
    const upload = newUpload();
    const reached = system.failPoints.arm("publish.after-register", () => new Promise<boolean>(() => {}));
    const first = put(upload);
    await reached;
    await system.kill();
    await first;
    await system.revive({ UPLOAD_LEASE_MS: "1000" });
    const startMs = performance.now();
    await until("the end of the upload", async () => !(await isUnfinished(upload)));
    const recoveryMs = performance.now() - startMs;
    expect(await checked(upload)).toEqual([]);
    await system.kill();
    await system.revive();
    table.add({
      row: "L1",
      step: "publish.after-register",
      fault: "killed, left alone",
      outcome: "certified",
      recoveryMs,
    });
  });
});

describe("S4: after success the edge may forget everything", () => {
  it("and a repeated permanent upload finds the certified blob instead of paying again", async () => {
    const content = prng(seed++, 300);
    const { blobId } = encodeBlob(N_SHARDS, content).metadata;
    const query = `${QUERY}&permanent=true`;
    expect((await system.publish(content, query)).status).toBe(200);
    expect(await checker.violations({ content, epochs: EPOCHS, deletable: false })).toEqual([]);
    await system.edge.call("BLOB_TRACKER", blobId, "hookWipe").catch(() => {});
    const again = await system.publish(content, query);
    expect([again.status, await again.text()]).toEqual([200, expect.stringContaining("alreadyCertified")]);
    const { registered, certified } = await checker.history(blobId);
    expect([registered.length, certified.length]).toEqual([1, 1]);
    expect(system.failPoints.reached).toContain("tracker.after-drop");
    const read = new Uint8Array(await (await system.read(blobId)).arrayBuffer());
    expect(read).toEqual(content);
  });
});
