// If this fails, an auditor can change a field of what it published, or give a node a past, and nobody notices.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readChainFacts } from "../../../scripts/audit-facts.ts";
import { AUDIT_PROFILES } from "../../../shared/audit/parameters.ts";
import { parseRow, serializeRow, serializeRows } from "../../../shared/audit/report-rows.ts";
import type { RoundExport } from "../../../shared/audit/round-export.ts";
import { nodeState, type PossessionState, possessionTest } from "../../../shared/audit/statistics.ts";
import { type ChainFacts, verifyRound } from "../../../shared/audit/verify-round.ts";
import { fromHex, toHex } from "../../../shared/protocol/bytes.ts";
import { type TestAuditor, testAuditor } from "../../support/audit-system.ts";
import { prng, type System, startSystem } from "../../support/system.ts";

const P = AUDIT_PROFILES.local;
const SOMEBODY = `0x${"7".repeat(64)}`;

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
  facts = await readChainFacts(auditor.chain, second.no, P);
});
afterAll(() => system[Symbol.asyncDispose]());

describe("an honest round", () => {
  it("goes on with the records of the round before, and the first one with none", async () => {
    expect(noticed(second)).toEqual([]);
    const ofFirst = await readChainFacts(auditor.chain, first.no, P);
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
    const ofMember = { ...second, auditor: SOMEBODY } as RoundExport;
    expect(noticed(ofMember, { openedSeed })).toEqual(["seed-source"]);
    expect(noticed(ofMember)).toEqual([]);
  });
  it("are only one for an auditor that is on no panel", () => {
    expect(noticed(second, { openedSeed })).toEqual([]);
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
  it("is bound by something, but for those that describe, or that the command compares itself", () => {
    const unnoticed: string[] = [];
    let tried = 0;
    for (const { path, value } of tamperings(JSON.parse(JSON.stringify(second)) as Json)) {
      tried++;
      if (noticed(value as unknown as RoundExport).length === 0) unnoticed.push(path);
    }
    expect(tried).toBeGreaterThan(100);
    const describing = [
      // Which seed an auditor must use follows from whether it has a key; on chain there is a report, or none.
      "auditor",
      // Times of the auditor's own clock, within the round's slot and after its last request.
      "finishedMs",
      "openedMs",
      "network.stakingObjectId",
      "network.systemObjectId",
    ];
    expect(
      unnoticed.filter((path) => !describing.includes(path) && !/^nodes\.\d+\.name$/.test(path)),
    ).toEqual([]);
  });
});
