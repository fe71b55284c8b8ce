// If this fails, an upload whose isolate, object, step or client dies is paid twice, lost, or never finished.
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { encodeBlob } from "../../support/encoded-blob.ts";
import { FaultSystem } from "../../support/fault-system.ts";
import { StateChecker } from "../../support/state-checker.ts";
import { prng } from "../../support/system.ts";
import { OutcomeTable } from "./outcomes.ts";

/** Steps in the order an upload reaches them. */
const FAIL_POINTS = [
  "tracker.after-begin",
  "publish.before-register",
  "wallet.before-sign",
  "wallet.after-persist",
  "wallet.after-send",
  "wallet.after-effects",
  "publish.after-register",
  "tracker.before-registered",
  "tracker.after-registered",
  "tracker.after-certificate",
  "publish.after-certificate",
  "publish.after-certify",
  "tracker.before-certified",
  "tracker.after-certified",
] as const;

const LONG = process.env["FLOE_LONG"] === "1";
const N_SHARDS = 4;
const EPOCHS = 3;

let system: FaultSystem;
let checker: StateChecker;
const table = new OutcomeTable();
let seed = 1000;

beforeAll(async () => {
  system = await FaultSystem.start({ nodes: 4, shards: N_SHARDS, seed: "death" });
  checker = await StateChecker.create(system);
});
afterEach(() => system.failPoints.disarm());
afterAll(async () => {
  console.log(table.toString());
  await system[Symbol.asyncDispose]();
});

/** What a step's death looks like from outside it. */
const DEATHS = {
  "the step throws": async (point: string) => {
    await system.failPoints.arm(point, () => false);
  },
  "its object crashes": async (point: string, blobId: string) => {
    await system.failPoints.arm(point, async () => {
      if (point.startsWith("wallet.")) await system.abort("WALLET", "main");
      else await system.abort("BLOB_TRACKER", blobId);
      return true;
    });
  },
  "the process is killed": async (point: string) => {
    await system.failPoints.arm(point, () => new Promise<boolean>(() => {}));
    await system.kill();
    await system.revive();
  },
} as const;
type Death = keyof typeof DEATHS;
const DEATH_KINDS = Object.keys(DEATHS) as Death[];

/** Certified and written down: a repeat of a deletable upload is then a new one, as it is upstream. */
const FINAL_STEP = "tracker.after-certified";

interface Case {
  readonly point: string;
  readonly fault: Death;
  readonly deletable: boolean;
}
const cases: Case[] = FAIL_POINTS.flatMap((point, row) =>
  DEATH_KINDS.flatMap((fault, column): Case[] => {
    if (point === FINAL_STEP) return [{ point, fault, deletable: false }];
    const each: Case[] = [true, false].map((deletable) => ({ point, fault, deletable }));
    return LONG ? each : each.slice((row + column) % 2, ((row + column) % 2) + 1);
  }),
);

const queryOf = (deletable: boolean): string => `epochs=${EPOCHS}&permanent=${!deletable}`;

describe("D1 D2: an upload that meets a death is paid once and certified once by the time the client has its 200", () => {
  it.each(cases)("at $point, when $fault (deletable: $deletable)", async ({ point, fault, deletable }) => {
    const content = prng(seed++, 300);
    const { blobId } = encodeBlob(N_SHARDS, content).metadata;
    const death = DEATHS[fault](point, blobId);
    const answers: (number | "no answer")[] = [];
    const publish = async (): Promise<void> => {
      const response = await system.publish(content, queryOf(deletable)).catch(() => undefined);
      await response?.text().catch(() => {});
      answers.push(response?.status ?? "no answer");
    };
    const first = publish();
    await death;
    const startMs = performance.now();
    await first;
    // A crash of an object that was not at work at that moment may go unnoticed.
    if (answers[0] !== 200) await publish();
    const recoveryMs = performance.now() - startMs;
    table.add({ row: "D1", step: point, fault, outcome: answers.join(", then "), recoveryMs });
    expect(answers.at(-1)).toBe(200);
    expect(await checker.violations({ content, epochs: EPOCHS, deletable })).toEqual([]);
  });
});

describe("D2: an upload whose client leaves is finished without it", () => {
  const points = LONG ? FAIL_POINTS : FAIL_POINTS.filter((_, index) => index % 4 === 1);
  it.each(points)("at %s", async (point) => {
    const content = prng(seed++, 300);
    const client = new AbortController();
    const left = system.failPoints.arm(point, () => {
      client.abort();
      return true;
    });
    const answer = system.publish(content, queryOf(true), { signal: client.signal });
    await expect(answer).rejects.toThrow();
    await left;
    const startMs = performance.now();
    expect(await checker.violations({ content, epochs: EPOCHS, deletable: true })).toEqual([]);
    const recoveryMs = performance.now() - startMs;
    table.add({ row: "D2", step: point, fault: "the client leaves", outcome: "finished", recoveryMs });
  });
});
