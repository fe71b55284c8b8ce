// If this fails, an auditor can change a field of what it published, or give a node a past, and nobody notices.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseLeaf } from "../../../shared/audit/evidence-leaf.ts";
import { AUDIT_PROFILES } from "../../../shared/audit/parameters.ts";
import { parseRow, serializeRow, serializeRows, totalsVector } from "../../../shared/audit/report-rows.ts";
import type { RoundExport } from "../../../shared/audit/round-export.ts";
import { nodeState, type PossessionState, possessionTest } from "../../../shared/audit/statistics.ts";
import { fromHex, toHex } from "../../../shared/base/bytes.ts";
import { type ObjectId, parseObjectId } from "../../../shared/protocol/ids.ts";
import type { ChainFacts } from "../../../verifier/chain-facts.ts";
import { readChainFacts } from "../../../verifier/read-chain-facts.ts";
import type { ReportOnChain } from "../../../verifier/report-check.ts";
import { verifyRound } from "../../../verifier/verify-round.ts";
import { wordsTaken } from "../../../verifier/words-taken.ts";
import { type TestAuditor, testAuditor } from "../../support/audit/system.ts";
import { prng, type System, startSystem } from "../../support/system.ts";

const P = AUDIT_PROFILES.local;
const SOMEBODY = parseObjectId(`0x${"7".repeat(64)}`);
const SOMEBODY_ELSE = parseObjectId(`0x${"8".repeat(64)}`);

let system: System;
let auditor: TestAuditor;
let first: RoundExport;
let second: RoundExport;
let facts: ChainFacts;

const exportOf = (no: number): Promise<RoundExport> => auditor.get(`/v1/audit/rounds/${no}/export`);
const noticed = (round: RoundExport, more: Partial<ChainFacts> = {}): string[] =>
  verifyRound(round, { ...facts, previous: first, ...more }).map(({ what }) => what);

beforeAll(async () => {
  system = await startSystem({ seed: "verify-past", nodes: 4, shards: 13 });
  await system.publishBlob(prng(1, 60_000), "epochs=9&permanent=true");
  await system.network.advanceEpoch();
  auditor = testAuditor({ network: system.network.file });
  first = await exportOf(await auditor.run());
  second = await exportOf(await auditor.run());
  facts = await readChainFacts(auditor.chain, second, P);
});
afterAll(() => system[Symbol.asyncDispose]());

describe("an honest round", () => {
  it("goes on with the records of the round before, and the first one with none", async () => {
    expect(noticed(second)).toEqual([]);
    const ofFirst = await readChainFacts(auditor.chain, first, P);
    expect(verifyRound(first, { ...ofFirst, previous: null })).toEqual([]);
    expect(second.nodes.some(({ before }) => before.trials > 0)).toBe(true);
  });
});

/** A node that was nearly suspect before, in an export that fits together in every part. */
function withInventedPast(round: RoundExport): RoundExport {
  const raise = (state: PossessionState): PossessionState => ({
    ...state,
    logLikelihoodRatio: state.logLikelihoodRatio + 20,
    maxLogLikelihoodRatio: state.maxLogLikelihoodRatio + 20,
  });
  const nodes = round.nodes.map((record, i) => {
    if (i > 0) return record;
    const after = raise(record.after);
    const { logLikelihoodRatio } = after;
    const state = nodeState(after, possessionTest(P), 0);
    const row = toHex(serializeRow({ ...parseRow(fromHex(record.row)), logLikelihoodRatio, state }));
    return { ...record, before: raise(record.before), after, row };
  });
  const { root } = serializeRows(nodes.map(({ row }) => parseRow(fromHex(row))));
  return { ...round, nodes, nodesRoot: toHex(root) };
}

describe("an auditor whose rounds of before are gone", () => {
  /** So much later that the round before it is kept no longer, or may yet be. */
  const later = (rounds: number): Partial<ChainFacts> => ({
    previous: null,
    tipMs: (facts.judged?.epochChanges[0]?.epochChangeStartMs ?? 0) + rounds * P.roundPeriodMs,
  });

  it("is not said to have invented a past once it need not keep them", () => {
    const found = verifyRound(second, { ...facts, ...later(P.retentionRounds + 2) });
    expect(found.length).toBeGreaterThan(0);
    expect(found.every(({ what, weight }) => what.startsWith("record of ") && weight === "unknown")).toBe(
      true,
    );
    const early = verifyRound(second, { ...facts, ...later(P.retentionRounds - 1) });
    expect(early.some(({ weight }) => weight === "differs")).toBe(true);
  });

  it("is believed, and that is said, where nobody fetched them", () => {
    const { previous: _, ...unknown } = facts;
    expect(wordsTaken(second, unknown).get("records from before")).toBe(second.nodes.length);
    expect([...wordsTaken(second, { ...facts, previous: first })]).toEqual([]);
  });
});

describe("what cannot be compared", () => {
  const weights = (round: RoundExport, more: Partial<ChainFacts> = {}) =>
    verifyRound(round, { ...facts, previous: first, ...more }).map(({ what, weight }) => [what, weight]);

  it("is called unknown, and nobody a liar for it", () => {
    expect(weights({ ...second, auditor: SOMEBODY })).toEqual([["auditor", "unknown"]]);
    const registry = { report: null, member: undefined };
    expect(weights({ ...second, auditor: SOMEBODY }, { registry })).toEqual([["auditor", "unknown"]]);
    expect(weights(second, { committee: undefined })).toEqual([["committee", "unknown"]]);
    expect(weights({ ...second, judgedCheckpoint: null }, { judged: undefined })).toEqual([
      ["judged", "unknown"],
    ]);
    // By an endpoint that lags.
    expect(weights(second, { judged: undefined })).toEqual([["judged", "unknown"]]);
  });

  it("is only noted of a node that renamed itself since", () => {
    const { committee } = facts;
    if (committee === undefined) throw new Error("the committee is known");
    const members = committee.members.map((member, i) => (i === 0 ? { ...member, name: "renamed" } : member));
    const renamed = { ...committee, members };
    expect(weights(second, { committee: renamed })).toEqual([[`name of ${members[0]?.nodeId}`, "note"]]);
  });
});

describe("a past that an auditor invented for a node", () => {
  it("is noticed by the round before, and by there being none", () => {
    const invented = withInventedPast(second);
    expect(parseRow(fromHex(invented.nodes[0]?.row ?? "")).state).toBe("suspect");
    const what = `record of ${second.nodes[0]?.node} before`;
    expect(noticed(invented)).toEqual([what]);
    expect(noticed(invented, { previous: null })).toContain(what);
  });

  it("is noticed when a later round is passed off as the one before", () => {
    expect(noticed(second, { previous: second })).toContain("previous");
  });
});

describe("two seeds for one round", () => {
  const openedSeed = { seed: new Uint8Array(32).fill(5), checkpoint: 1 };
  it("leave an auditor with a key no choice", () => {
    const ofMember: RoundExport = { ...second, auditor: SOMEBODY };
    const registry = { report: null, member: SOMEBODY };
    expect(noticed(ofMember, { registry, openedSeed })).toEqual(["seed-source"]);
    expect(noticed(ofMember, { registry })).toEqual([]);
  });
  it("are only one for an auditor that is on no panel", () => {
    expect(noticed(second, { openedSeed })).toEqual([]);
  });
});

describe("whose round it is", () => {
  const own = { report: null, member: SOMEBODY };
  const of = (round: Partial<RoundExport>): RoundExport => ({ ...second, auditor: SOMEBODY, ...round });
  /** Reports are of rounds whose seed the contract drew. */
  const found = (round: RoundExport, more?: Partial<ChainFacts>): string[] =>
    noticed(round, more).filter((what) => what !== "seed-source");
  const report: ReportOnChain = {
    auditor: SOMEBODY,
    isInNamed: true,
    checkpoint: Number.MAX_SAFE_INTEGER,
    epoch: 0,
    totals: [],
    evidenceRoot: "",
    nodesRoot: "",
  };
  const reported = (more: Partial<ReportOnChain> = {}): Partial<ChainFacts> => {
    const { epoch, totals, evidenceRoot, nodesRoot } = second;
    const same = { ...report, epoch, totals: totalsVector(totals), evidenceRoot, nodesRoot };
    return { registry: { report: { ...same, ...more }, member: undefined } };
  };

  it("is shown by the panel's entry of where it came from, or by the report", () => {
    expect(noticed(of({}), { registry: own })).toEqual([]);
    expect(found(of({ tx: "T" }), reported())).toEqual([]);
  });

  it("cannot be said without either, nor be another's or nobody's", () => {
    expect(noticed(of({}))).toEqual(["auditor"]);
    expect(noticed(of({}), { registry: { report: null, member: undefined } })).toEqual(["auditor"]);
    expect(noticed(of({ auditor: SOMEBODY_ELSE }), { registry: own })).toEqual(["auditor"]);
    expect(noticed(of({ auditor: null }), { registry: own })).toEqual(["auditor"]);
    expect(noticed(of({ auditor: "0x7" as ObjectId }), { registry: own })).toEqual(["auditor"]);
  });

  it("cannot differ from its report, whether it names it or not", () => {
    expect(found(of({ tx: "T" }), { registry: own })).toEqual(["report"]);
    expect(found(of({ tx: "T", auditor: null }))).toEqual(["report"]);
    expect(found(of({ tx: null }), reported())).toEqual(["report"]);
    expect(found(of({ tx: "T" }), reported({ isInNamed: false }))).toEqual(["report"]);
    expect(found(of({ tx: "T" }), reported({ auditor: SOMEBODY_ELSE }))).toEqual(["report-auditor"]);
    expect(found(of({ tx: "T" }), reported({ epoch: 1 }))).toEqual(["report-epoch"]);
    expect(found(of({ tx: "T" }), reported({ totals: [1] }))).toEqual(["report-totals"]);
    expect(found(of({ tx: "T" }), reported({ evidenceRoot: "00" }))).toEqual(["evidence-root-committed"]);
    expect(found(of({ tx: "T" }), reported({ nodesRoot: "00" }))).toEqual(["nodes-root-committed"]);
    expect(found(of({ tx: "T" }), reported({ checkpoint: second.judgedCheckpoint ?? 0 }))).toEqual([
      "judged",
    ]);
  });
});

describe("times", () => {
  const attemptsOf = (round: RoundExport) => round.leaves.flatMap((leaf) => parseLeaf(leaf).attempts);
  const first = () => Math.min(...attemptsOf(second).map(({ startedMs }) => startedMs));
  const last = () => Math.max(...attemptsOf(second).map(({ startedMs, ms }) => startedMs + ms));

  it("of the round hold every request, within the slot it was opened in", () => {
    const slotMs = second.no * P.roundPeriodMs;
    expect(noticed({ ...second, openedMs: slotMs - 1 })).toContain("time");
    expect(noticed({ ...second, openedMs: slotMs + P.roundPeriodMs })).toContain("time");
    expect(noticed({ ...second, openedMs: first() + 1 })).toContain("verdict");
    expect(noticed({ ...second, finishedMs: last() - 1 })).toContain("verdict");
    expect(noticed({ ...second, finishedMs: second.openedMs - 1 })).toContain("time");
  });

  it("of requests are after the seed was drawn, by the chain", () => {
    expect(facts.seedMs).toBeLessThanOrEqual(first());
    expect(noticed(second, { seedMs: first() + 1 })).toContain("verdict");
    // A leaf, and the round with it, begun before there was a seed.
    const slotMs = second.no * P.roundPeriodMs;
    const leaves = second.leaves.map((leaf) =>
      leaf.replace(`"started_ms":${first()}`, `"started_ms":${slotMs}`),
    );
    const early = { ...second, openedMs: slotMs, leaves };
    expect(leaves).not.toEqual(second.leaves);
    const seedMs = Math.max(facts.seedMs ?? 0, slotMs + 1);
    expect(noticed(early, { seedMs })).toContain("verdict");
  });

  it("of the judgement are after every request and before the end, by the chain", async () => {
    const judgedBy = async (judgedCheckpoint: number | null, more: Partial<RoundExport> = {}) => {
      const round = { ...second, ...more, judgedCheckpoint };
      const { judged } = await readChainFacts(auditor.chain, round, P);
      return noticed(round, { judged });
    };
    const { judgedCheckpoint, seedCheckpoint } = second;
    expect(await judgedBy(judgedCheckpoint)).toEqual([]);
    expect(await judgedBy(null)).toEqual(["judged"]);
    expect(await judgedBy(seedCheckpoint - 1)).toEqual(["judged"]);
    expect(await judgedBy(seedCheckpoint)).toContain("verdict");
    expect(await judgedBy(1e9)).toEqual(["judged"]);
    const { timestampMs } = await auditor.chain.checkpoint(judgedCheckpoint ?? 0);
    expect(await judgedBy(judgedCheckpoint, { finishedMs: timestampMs - 1 })).toContain("time");
    expect(noticed({ ...second, judgedCheckpoint: (judgedCheckpoint ?? 0) + 1 })).toEqual(["judged"]);
  });
});

type Json = string | number | boolean | null | Json[] | { [name: string]: Json };

/** Another value of the same type. */
function changed(value: Json): Json {
  if (typeof value === "number") return value + 1;
  if (typeof value === "boolean") return !value;
  if (typeof value !== "string") return "x";
  const last = value.at(-1);
  return value.slice(0, -1) + (last === "0" ? "1" : "0");
}

/** Every way to change one value, by its path; of lists the first and the last item. */
function* tamperings(value: Json, path: string[] = []): Generator<{ path: string; value: Json }> {
  if (typeof value !== "object" || value === null) {
    yield { path: path.join("."), value: changed(value) };
    return;
  }
  const copy = Array.isArray(value) ? [...value] : { ...value };
  const names = Object.keys(copy).filter(
    (_, i, all) => !Array.isArray(value) || i === 0 || i === all.length - 1,
  );
  for (const name of names) {
    const holder = copy as { [name: string]: Json };
    const before = holder[name] as Json;
    for (const inner of tamperings(before, [...path, name])) {
      yield {
        path: inner.path,
        value: (Array.isArray(value)
          ? Object.assign([...value], { [name]: inner.value })
          : { ...value, [name]: inner.value }) as Json,
      };
    }
  }
}

describe("every field of an export", () => {
  it("is bound by something to the last digit, but for two times of the auditor's own clock", () => {
    const unnoticed: string[] = [];
    let tried = 0;
    for (const { path, value } of tamperings(JSON.parse(JSON.stringify(second)) as Json)) {
      tried++;
      if (noticed(value as unknown as RoundExport).length === 0) unnoticed.push(path);
    }
    expect(tried).toBeGreaterThan(100);
    // Nothing tells them but the slot, the seed, the requests and the judgement between which they lie.
    const ownClock = ["finishedMs", "openedMs"];
    expect(unnoticed.filter((path) => !ownClock.includes(path))).toEqual([]);
  });
});
