// If this fails, an auditor that crashed reports or accuses twice, or leaves out what it had seen.
import { afterAll, beforeAll, expect, it } from "vitest";
import type { AuditChain } from "../../../auditor/chain/audit-chain.ts";
import { openLedger } from "../../../auditor/ledger/ledger-sql.ts";
import { nodeLedger } from "../../../host/node-sqlite.ts";
import { readAuditEventPage } from "../../../shared/sui/audit/event-pages.ts";
import type { AuditEvent } from "../../../shared/sui/audit/events.ts";
import { readRegistry } from "../../../shared/sui/audit/reader.ts";
import { createSuiClient } from "../../../shared/sui/client/sui-client.ts";
import { auditorWithKey, chainWithKey, claimsOf, tend } from "../../support/audit/accuse.ts";
import { type TestAuditor, testAuditor } from "../../support/audit/system.ts";
import { JumpingClock, LONG_SLOTS, PATIENT } from "../../support/jumping-clock.ts";
import { prng, type System, startSystem } from "../../support/system.ts";

const GUILTY = ["node-2", "node-9"];
const MAX_ROUNDS = 8;
const clock = new JumpingClock();
const time = { clock, parameters: PATIENT };
let system: System;

beforeAll(async () => {
  system = await startSystem({ seed: "audit-deaths", clock, auditParams: LONG_SLOTS });
  for (let i = 0; i < 3; i++)
    await system.publishBlob(prng(300 + i, 40_000 * (i + 1)), "epochs=9&permanent=true");
  await system.network.advanceEpoch();
  for (const name of GUILTY)
    system.network.setNodeFault(name, { kind: "drop-slivers", fraction: 0.9, heal: false });
});
afterAll(() => system[Symbol.asyncDispose]());

class Death extends Error {}

/** Every place is deadly once. */
const deadly = new Set<string>();
function passBy(place: string): void {
  if (deadly.has(place)) return;
  deadly.add(place);
  throw new Death(place);
}

/** Every call of these is deadly once before it has its effect, and once after. */
function mortal<Calls extends object>(calls: Calls): Calls {
  return new Proxy(calls, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== "function") return value;
      return async (...parameters: unknown[]) => {
        passBy(`before ${String(name)}`);
        const result: unknown = await Reflect.apply(value, target, parameters);
        passBy(`after ${String(name)}`);
        return result;
      };
    },
  });
}

function mortalChain(chain: AuditChain): AuditChain {
  const { claims, pruning } = chain;
  if (claims === undefined || pruning === undefined) throw new Error("this auditor has a key");
  const calls = mortal(chain);
  return {
    writes: true,
    claims: mortal(claims),
    pruning: mortal(pruning),
    seedOf: (no, startMs) => calls.seedOf(no, startMs),
    declarePopulation: (population) => calls.declarePopulation(population),
    report: (report) => calls.report(report),
  };
}

const sql = nodeLedger();
openLedger(sql);
/** A new life over the same ledger, as often as it takes. */
async function survive<Result>(act: (auditor: TestAuditor) => Promise<Result>): Promise<Result> {
  for (let life = 0; life < 100; life++) {
    const auditor = testAuditor({
      network: system.network.file,
      ...time,
      sql,
      failPoint: passBy,
      auditChain: (chain) => mortalChain(chainWithKey(system.network, 0, chain, time)),
    });
    try {
      return await act(auditor);
    } catch (error) {
      if (!(error instanceof Death)) throw error;
    }
  }
  throw new Error("it dies for ever");
}

/** One round and what follows it; a life that begins when the round is closed only goes on with the latter. */
function holdRound(fromMs: number): Promise<unknown> {
  const held = Number(sql.exec("SELECT MAX(no) AS no FROM round")[0]?.["no"] ?? 0);
  return survive((auditor) => {
    const { rounds } = auditor.auditor;
    const isOver = (rounds.latest()?.no ?? 0) > held && rounds.active() === undefined;
    return isOver ? tend(auditor) : auditor.run(fromMs);
  });
}

async function auditEvents(): Promise<AuditEvent[]> {
  const { audit, sui } = system.network.file;
  if (audit === undefined) throw new Error("the network has a registry");
  const client = createSuiClient({ url: sui.url, fetch });
  const { originalPackageId } = (await readRegistry(client, audit)).contracts;
  const events: AuditEvent[] = [];
  for (let after: Uint8Array | undefined; ; ) {
    const page = await readAuditEventPage(client, { originalPackageId, after });
    events.push(...page.events.map(({ event }) => event));
    after = page.cursor;
    if (page.end !== "more") return events;
  }
}

it("dies before and after every step of rounds and claims: no duplicate on chain, no gap in the ledger", async () => {
  const steady = auditorWithKey(system.network, 1, time);
  const hasConfirmed = async (): Promise<boolean> =>
    (await survive(claimsOf)).some(({ state, role }) => state === "confirmed" && role === "accuser");
  for (let round = 0; round < MAX_ROUNDS && !(await hasConfirmed()); round++) {
    // Its ledger is as far as the other's.
    const fromMs = steady.auditor.nextBeginMs();
    await Promise.all([holdRound(fromMs), steady.run(fromMs)]);
    await survive(tend);
    await tend(steady);
    // Until the first deadline, when there is one.
    const wakeMs = (await survive(tend)) ?? 0;
    if (round > 0) clock.jumpTo(wakeMs);
    await survive(tend);
  }
  expect(await hasConfirmed()).toBe(true);
  const calls = [
    "seedOf",
    "declarePopulation",
    "report",
    "filed",
    "read",
    "file",
    "attest",
    "bind",
    "finalize",
  ];
  expect([...deadly]).toEqual(
    expect.arrayContaining([
      ...calls.flatMap((call) => [`before ${call}`, `after ${call}`]),
      ...["opening", "following", "populating", "challenging", "judging", "reporting"].map(
        (s) => `audit.${s}`,
      ),
      ...["after-attempt", "after-report", "claims", "pruning"].map((s) => `audit.${s}`),
    ]),
  );

  const me = system.network.file.auditors?.[0]?.address;
  const events = await auditEvents();
  const mine = <Kind extends AuditEvent["kind"]>(kind: Kind) =>
    events.filter(
      (event): event is Extract<AuditEvent, { kind: Kind }> =>
        event.kind === kind &&
        [
          "auditor" in event ? event.auditor : undefined,
          "accuser" in event ? event.accuser : undefined,
        ].includes(me),
    );
  const held = sql.exec("SELECT no, tx FROM round WHERE state = 'done' ORDER BY no");
  expect(mine("RoundReported").map(({ no }) => Number(no))).toEqual(held.map(({ no }) => no));
  expect(held.every(({ tx }) => tx !== null)).toBe(true);
  expect(mine("PopulationDeclared")).toHaveLength(1);
  const filed = mine("ClaimFiled").map(({ no, mode, shard, t }) => `${no}/${mode}/${shard}/${t}`);
  expect(new Set(filed).size).toBe(filed.length);
  const attested = mine("ClaimAttested").map(({ claim }) => claim);
  expect(new Set(attested).size).toBe(attested.length);

  const known = (await survive(claimsOf)).map(({ id }) => id).sort();
  const all = events.flatMap((event) => (event.kind === "ClaimFiled" ? event.claim : [])).sort();
  expect(known).toEqual(all);
  const [gaps] = sql.exec(
    `SELECT (SELECT COUNT(*) FROM draw LEFT JOIN verdict USING (round, mode, shard, t) WHERE outcome IS NULL) AS unjudged,
            (SELECT COUNT(*) FROM verdict LEFT JOIN evidence USING (leaf_hash) WHERE canonical_json IS NULL) AS unproven,
            (SELECT COUNT(*) FROM verdict WHERE outcome = 'passed' AND attempts = 0) AS unasked`,
  );
  expect(gaps).toEqual({ unjudged: 0, unproven: 0, unasked: 0 });
});
