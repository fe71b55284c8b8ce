// If this fails, an auditor excuses nodes for what never happened, holds hand-overs against them, or nobody can check a
// round once its epoch is past.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { canonicalJson } from "../../../shared/audit/canonical-json.ts";
import { type EvidenceRecord, rootOfLeaves } from "../../../shared/audit/evidence.ts";
import { parseLeaf } from "../../../shared/audit/evidence-leaf.ts";
import type { AuditParameters } from "../../../shared/audit/parameters.ts";
import {
  countOutcome,
  NO_OUTCOMES,
  parseRow,
  type ReportRow,
  reportTotals,
  serializeRow,
  serializeRows,
} from "../../../shared/audit/report-rows.ts";
import { committeeHash, type RoundExport } from "../../../shared/audit/round-export.ts";
import { addTrial, nodeState, possessionTest } from "../../../shared/audit/statistics.ts";
import { possessionTrial } from "../../../shared/audit/verdict.ts";
import { fromHex, toHex } from "../../../shared/base/bytes.ts";
import { FloeError } from "../../../shared/base/errors.ts";
import type { ChainReader } from "../../../shared/sui/walrus/chain-reader.ts";
import type { Difference } from "../../../verifier/difference.ts";
import { readChainFacts } from "../../../verifier/read-chain-facts.ts";
import { verifyRound } from "../../../verifier/verify-round.ts";
import { wordsTaken } from "../../../verifier/words-taken.ts";
import { type TestAuditor, testAuditor } from "../../support/audit/system.ts";
import { JumpingClock, LONG_SLOTS, PATIENT } from "../../support/jumping-clock.ts";
import { prng, type System, startSystem, uploadsOver } from "../../support/system.ts";

/** Longer than all rounds here take together. */
const EPOCH_GRACE_MS = 100 * LONG_SLOTS.periodMs;
const P: AuditParameters = { ...PATIENT, freshGraceMs: 0, epochGraceMs: EPOCH_GRACE_MS };
const GUILTY = "node-1";

const clock = new JumpingClock();
let system: System;
let auditor: TestAuditor;
/** Of the first epoch, which began without a change; of the second one, within the grace of its beginning. */
let counted: RoundExport;
let excused: RoundExport;
/** A blob ended while it was judged. */
let ended: RoundExport;

const exportOf = (no: number): Promise<RoundExport> => auditor.get(`/v1/audit/rounds/${no}/export`);
const differences = async (round: RoundExport, chain?: Partial<ChainReader>): Promise<Difference[]> =>
  verifyRound(round, await readChainFacts({ ...auditor.chain, ...chain }, round, P));
/** Excuses and outcomes of the node that lost everything. */
const endingsOf = (round: RoundExport): Set<string> => {
  const node = round.nodes.find(({ name }) => name === GUILTY)?.node ?? "";
  const of = (leaf: string): string =>
    /"excuse":([^,]+).*"outcome":"(\w+)"/.exec(leaf)?.slice(1).join(" ") ?? "";
  return new Set(round.leaves.filter((leaf) => leaf.includes(`"node":"${node}"`)).map(of));
};
/** What is wrong with the verdicts once some leaves say something else. */
async function lie(round: RoundExport, from: [string, string], to: [string, string]): Promise<string[]> {
  const facts = await readChainFacts(auditor.chain, round, P);
  const leaves = round.leaves.map((leaf) => {
    if (!leaf.includes(`"excuse":${from[0]},`) || !leaf.includes(`"outcome":"${from[1]}"`)) return leaf;
    return leaf
      .replace(`"excuse":${from[0]},`, `"excuse":${to[0]},`)
      .replace(`"outcome":"${from[1]}"`, `"outcome":"${to[1]}"`);
  });
  expect(leaves).not.toEqual(round.leaves);
  const found = verifyRound({ ...round, leaves }, facts);
  return found.filter(({ what }) => what === "verdict").map(({ detail }) => detail);
}

beforeAll(async () => {
  let onRequest = async (): Promise<void> => {};
  system = await startSystem({
    seed: "verify-excuses",
    nodes: 4,
    shards: 13,
    clock,
    auditParams: LONG_SLOTS,
    refute: false,
  });
  const { network } = system;
  /** Everybody gets it, and one loses it. */
  const publish = async (seed: number, query: string): Promise<void> => {
    await uploadsOver(system, [await system.publishBlob(prng(seed, 60_000), query)]);
    network.setNodeFault(GUILTY, { kind: "drop-slivers", fraction: 1, heal: false });
  };
  await publish(1, "epochs=9&permanent=true");
  auditor = testAuditor({
    network: network.file,
    clock,
    parameters: P,
    fetch: async (request) => {
      await onRequest();
      return fetch(request);
    },
  });
  counted = await exportOf(await auditor.run());
  await network.advanceEpoch();
  await publish(2, "epochs=1&deletable=true");
  excused = await exportOf(await auditor.run());
  // The epoch ends between the first request and the last.
  onRequest = async () => {
    onRequest = async () => {};
    await network.advanceEpoch();
  };
  ended = await exportOf(await auditor.run());
});
afterAll(() => system[Symbol.asyncDispose]());

describe("an honest auditor", () => {
  it("is found to have excused what the chain excuses, and nothing else", async () => {
    expect(endingsOf(counted)).toEqual(new Set(["null missing"]));
    expect(endingsOf(excused)).toEqual(new Set(['"epoch-change" excused']));
    expect(endingsOf(ended)).toEqual(new Set(['"epoch-change" excused', '"invalid-blob" excused']));
    for (const [round, previous] of [
      [counted, null],
      [excused, counted],
      [ended, excused],
    ] as const) {
      const facts = { ...(await readChainFacts(auditor.chain, round, P)), previous };
      expect(verifyRound(round, facts)).toEqual([]);
      expect([...wordsTaken(round, facts)]).toEqual([]);
    }
  });
});

/** Read back if it can be: a leaf that is none counts for no node. */
function recordsOf(leaves: readonly string[]): EvidenceRecord[] {
  return leaves.flatMap((leaf) => {
    try {
      return [parseLeaf(leaf)];
    } catch (error) {
      if (error instanceof FloeError) return [];
      throw error;
    }
  });
}

/** The export with other leaves, and with everything that follows from leaves made anew. */
function fitting(round: RoundExport, leaves: readonly string[]): RoundExport {
  const records = recordsOf(leaves);
  const test = possessionTest(round.parameters);
  const rows: ReportRow[] = [];
  const nodes = round.nodes.map((node) => {
    let counts = NO_OUTCOMES;
    let after = node.before;
    for (const record of records) {
      if (record.node !== node.node) continue;
      counts = countOutcome(counts, record.outcome);
      const trial = possessionTrial(record);
      if (trial !== undefined) after = addTrial(after, trial === "failure", test);
    }
    const { availability } = parseRow(fromHex(node.row));
    const state = nodeState(after, test, node.confirmedClaims);
    const { logLikelihoodRatio } = after;
    const row: ReportRow = { ...counts, node: node.node, logLikelihoodRatio, state, availability };
    rows.push(row);
    return { ...node, after, row: toHex(serializeRow(row)) };
  });
  const nodesRoot = toHex(serializeRows(rows).root);
  const evidenceRoot = toHex(rootOfLeaves(leaves.map((leaf) => new TextEncoder().encode(leaf))));
  return { ...round, leaves, nodes, nodesRoot, evidenceRoot, totals: reportTotals(rows) };
}

const OUTCOMES = ["passed", "missing", "invalid", "timeout", "refused", "excused", "vacuous"];
const EXCUSES = ["epoch-change", "shard-moved", "maintenance", "denied", "invalid-blob", "just-certified"];
const OTHER_EXCUSES = ["not-owner", "no-metadata", "self-suspect"];
const STATUSES = [0, 200, 400, 404, 429, 451, 503];

/** Other values of one field, all of its type. */
function others(name: string, value: unknown): unknown[] {
  switch (name) {
    case "outcome":
      return OUTCOMES;
    case "excuse":
      return [null, ...EXCUSES, ...OTHER_EXCUSES];
    case "status":
      return STATUSES;
    case "kind":
      return ["symbol", "sliver"];
    case "axis":
      return ["primary", "secondary"];
    case "body_hash":
      return [null, "ab".repeat(32)];
    default:
      if (typeof value === "number") return [0, value - 1, value + 1, value + 1e7];
      // Another ID of the same form.
      return typeof value === "string" ? [value.slice(0, -1) + (value.endsWith("0") ? "4" : "0")] : [];
  }
}

type Fields = { [name: string]: unknown };

/** Every leaf that differs in one field, or lacks or repeats one request. */
function* changedLeaves(leaf: string): Generator<{ what: string; leaf: string }> {
  const fields = JSON.parse(leaf) as Fields & { attempts: Fields[] };
  const spell = (what: string, value: Fields) => ({ what, leaf: canonicalJson(value as never) });
  for (const [name, value] of Object.entries(fields))
    for (const other of others(name, value))
      if (other !== value) yield spell(`${name} ${other}`, { ...fields, [name]: other });
  for (const [i, attempt] of fields.attempts.entries()) {
    const change = (by: Fields[]): Fields => ({
      ...fields,
      attempts: fields.attempts.toSpliced(i, 1, ...by),
    });
    yield spell("request left out", change([]));
    for (const [name, value] of Object.entries(attempt))
      for (const other of others(name, value))
        if (other !== value)
          yield spell(`request's ${name} ${other}`, change([{ ...attempt, [name]: other }]));
  }
}

describe("every field of a leaf", () => {
  it("is bound or counted, but for the answers that nobody signed: bytes, times, and how a sliver was asked", async () => {
    const facts = { ...(await readChainFacts(auditor.chain, counted, P)), previous: null };
    expect(verifyRound(fitting(counted, counted.leaves), facts)).toEqual([]);
    const unnoticed = new Set<string>();
    let tried = 0;
    for (const outcome of ["passed", "missing"]) {
      const at = counted.leaves.findIndex((leaf) => leaf.includes(`"outcome":"${outcome}"`));
      for (const { what, leaf } of changedLeaves(counted.leaves[at] ?? "")) {
        tried++;
        const round = fitting(counted, counted.leaves.with(at, leaf));
        const isNoticed = verifyRound(round, facts).length > 0 || wordsTaken(round, facts).size > 0;
        if (!isNoticed) unnoticed.add(`${outcome}: ${what.replace(/ -?\w+$/, "")}`);
      }
    }
    expect(tried).toBeGreaterThan(80);
    const harmless = ["body_hash", "ms", "started_ms"].map((name) => `request's ${name}`);
    expect(unnoticed).toEqual(
      new Set([
        ...harmless.flatMap((what) => [`passed: ${what}`, `missing: ${what}`]),
        // Of a sliver that passed, or was refused with another reason.
        "passed: request's kind",
        "missing: request's status",
      ]),
    );
  });
});

describe("an auditor that lies for a node", () => {
  it.each([
    "epoch-change",
    "shard-moved",
    "invalid-blob",
    "just-certified",
    "not-owner",
    "denied",
    "no-metadata",
    "self-suspect",
  ])("cannot excuse with %s what the chain does not", async (excuse) => {
    const wrong = await lie(counted, ["null", "missing"], [`"${excuse}"`, "excused"]);
    expect(wrong.length).toBeGreaterThan(0);
    for (const detail of wrong) expect(detail).toContain(excuse);
  });

  it("has its word counted where nothing on chain shows the excuse", async () => {
    const leaves = counted.leaves.map((leaf) =>
      leaf
        .replace('"excuse":null', '"excuse":"maintenance"')
        .replace('"outcome":"missing"', '"outcome":"excused"'),
    );
    const facts = await readChainFacts(auditor.chain, counted, P);
    expect(wordsTaken({ ...counted, leaves }, facts).get("maintenance")).toBeGreaterThan(0);
  });

  it("cannot put off the judgement until the chain excuses: it was over by then", async () => {
    const { timestampMs } = await auditor.chain.checkpoint(ended.judgedCheckpoint ?? 0);
    expect(timestampMs).toBeGreaterThan(counted.finishedMs);
    const late = { ...counted, judgedCheckpoint: ended.judgedCheckpoint };
    expect((await differences(late)).map(({ what }) => what)).toContain("time");
  });
});

describe("an auditor that lies against a node", () => {
  it("cannot count failures of a hand-over, or of what nobody owes", async () => {
    for (const [round, excuse] of [
      [excused, "epoch-change"],
      [ended, "invalid-blob"],
    ] as const) {
      const wrong = await lie(round, [`"${excuse}"`, "excused"], ["null", "missing"]);
      expect(wrong.length, excuse).toBeGreaterThan(0);
      for (const detail of wrong) expect(detail).toContain(`missing, although`);
    }
  });

  it("cannot let a round count that its own network voids", async () => {
    // Everybody but one node timed out: two thirds never passed.
    const { node = "" } = counted.nodes.find(({ name }) => name !== GUILTY) ?? {};
    const leaves = counted.leaves.map((leaf) =>
      leaf.includes(`"node":"${node}"`) ? leaf : leaf.replace('"outcome":"passed"', '"outcome":"timeout"'),
    );
    const facts = await readChainFacts(auditor.chain, counted, P);
    const found = verifyRound({ ...counted, leaves }, facts).map(({ what }) => what);
    expect(found).toContain("state");
  });
});

describe("a round whose epoch is long over", () => {
  it("is checked against the committee that its epoch began with", async () => {
    for (let epochs = 0; epochs < 3; epochs++) await system.network.advanceEpoch();
    const { committee, previousCommittee } = await auditor.chain.snapshot(clock.nowMs());
    expect(committee.epoch).toBe(6);
    expect(previousCommittee?.epoch).toBe(5);
    for (const round of [counted, excused, ended]) {
      expect(round.epoch).toBeLessThan(4);
      expect(await differences(round)).toEqual([]);
      expect(await differences(withOtherOwners(round))).toMatchObject([{ what: "committee" }]);
    }
  });

  it("is not passed on the export's word when the endpoint does not keep that committee", async () => {
    for (const round of [counted, excused, withOtherOwners(excused)]) {
      const found = await differences(round, { pastCommittees: async () => undefined });
      expect(found).toMatchObject([{ what: "committee" }]);
      expect(found[0]?.detail).toContain("archival endpoint");
      expect(found[0]?.detail).toContain(`epoch ${round.epoch} is over`);
    }
  });
});

/** A committee that fits its own hash: two nodes have exchanged their shards. */
function withOtherOwners(round: RoundExport): RoundExport {
  const [first, second, ...rest] = round.committee;
  if (first === undefined || second === undefined) throw new Error("the committee has two members");
  const committee = [{ ...first, shards: second.shards }, { ...second, shards: first.shards }, ...rest];
  const { epoch, nShards } = round;
  return { ...round, committee, committeeHash: toHex(committeeHash({ epoch, nShards, members: committee })) };
}
