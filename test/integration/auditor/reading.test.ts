// If this fails, an auditor's first reading of a long history is killed by the platform again and again, or nobody can
// tell whether it goes on.
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { nodeLedger } from "../../../host/node-sqlite.ts";
import { type TestAuditor, testAuditor } from "../../support/audit/system.ts";
import { JumpingClock, LONG_SLOTS, PATIENT } from "../../support/jumping-clock.ts";
import { EventBlobWriter } from "../../support/sui/event-blobs.ts";
import { prng, type System, startSystem } from "../../support/system.ts";

interface ReadingJson {
  readonly checkpoint: number;
  readonly target: number;
  readonly backTo: number | null;
  readonly trouble: { readonly code: string; readonly message: string } | null;
}

let system: System;
/** Where the first of two event blobs ends, and the second. */
let ends: number[];
const clock = new JumpingClock();

beforeAll(async () => {
  system = await startSystem({ seed: "reading", nodes: 4, shards: 13, clock, auditParams: LONG_SLOTS });
  const writer = new EventBlobWriter(system.network);
  await system.publishBlob(prng(1, 3_000), "epochs=9&permanent=true");
  const first = await writer.write();
  await system.publishBlob(prng(2, 500), "epochs=9&deletable=true");
  const second = await writer.write();
  await system.publishBlob(prng(3, 500), "epochs=9&permanent=true");
  ends = [first.last, second.last];
}, 120_000);
afterAll(() => system[Symbol.asyncDispose]());
afterEach(() => system.network.setSuiFault({ kind: "none" }));

function auditorWith(fetchNode = (request: Request) => fetch(request)): TestAuditor {
  return testAuditor({
    network: system.network.file,
    sql: nodeLedger(),
    clock,
    parameters: PATIENT,
    fetch: fetchNode,
  });
}

/** An auditor whose endpoint has forgotten what event blobs hold, with a round whose seed is known. */
async function waiting(fetchNode?: (request: Request) => Promise<Response>): Promise<TestAuditor> {
  const made = auditorWith(fetchNode);
  while (made.auditor.rounds.active()?.state !== "following") {
    clock.jumpTo(made.auditor.nextBeginMs());
    made.auditor.open();
    await made.auditor.work({ untilMs: 0, requests: 1 });
  }
  system.network.setSuiFault({ kind: "prune", before: (ends[1] ?? 0) + 1 });
  return made;
}
const readingOf = async ({ get }: TestAuditor): Promise<ReadingJson | null> =>
  (await get<{ reading: ReadingJson | null }>("/v1/audit/nodes")).reading;

describe("the reading of a history", () => {
  it("uses up no more requests in an invocation than it may, and one step's", async () => {
    let requests = 0;
    const made = await waiting((request) => {
      requests++;
      return fetch(request);
    });
    const used: number[] = [];
    while (made.auditor.rounds.active()?.state === "following") {
      const before = requests;
      await made.auditor.work({ untilMs: Number.MAX_SAFE_INTEGER, requests: 1 });
      used.push(requests - before);
    }
    // A step's metadata, from four nodes at once at most, and rows: five has a blob of 13 shards.
    expect(Math.max(...used)).toBeLessThanOrEqual(4 + 5);
    // Two steps back and one forwards for each blob.
    expect(used.filter((count) => count > 0).length).toBeGreaterThanOrEqual(4);
  });

  it("ends an invocation when its time is over, one step at the least, and says how far it is", async () => {
    const made = await waiting();
    const seen: ReadingJson[] = [];
    for (let reading = await readingOf(made); reading !== null; reading = await readingOf(made)) {
      seen.push(reading);
      await made.auditor.work({ untilMs: 0, requests: Number.MAX_SAFE_INTEGER });
    }
    const [first, second] = ends.map((last) => last + 1);
    const target = seen[0]?.target ?? 0;
    expect(target).toBeGreaterThan(second ?? 0);
    expect(seen).toEqual(
      [
        { checkpoint: 0, backTo: null },
        { checkpoint: 0, backTo: first },
        { checkpoint: 0, backTo: null },
        { checkpoint: first, backTo: null },
        { checkpoint: second, backTo: null },
      ].map((place) => ({ ...place, target, trouble: null })),
    );
    expect(await made.text("/audit")).not.toContain("Reading the history");
  });

  it("is told to whoever looks, with what keeps it from going on", async () => {
    let isDown = true;
    const made = await waiting((request) =>
      isDown ? Promise.reject(new TypeError("down")) : fetch(request),
    );
    const step = () => made.auditor.work({ untilMs: 0, requests: Number.MAX_SAFE_INTEGER });
    expect(await made.text("/audit")).toMatch(/Reading the history: checkpoint 0 of [1-9][0-9,]*; the next/);
    await step();
    expect((await readingOf(made))?.trouble).toMatchObject({ code: "HISTORY_UNAVAILABLE" });
    const page = await made.text("/audit");
    expect(page).toContain("It does not go on");
    expect(page).toMatch(/no node gave the metadata of blob .* \(HISTORY_UNAVAILABLE\)/);
    isDown = false;
    await step();
    expect((await readingOf(made))?.trouble).toBeNull();
    expect(await made.text("/audit")).toContain("so far to checkpoint");
    expect(await made.text("/audit")).not.toContain("It does not go on");
  });
});
