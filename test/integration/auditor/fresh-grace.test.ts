// If this fails, an honest node that is still getting a new blob is called missing, or a node that lost one never is.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { AuditParameters } from "../../../shared/audit/parameters.ts";
import type { RoundExport } from "../../../shared/audit/round-export.ts";
import type { ChainFacts } from "../../../verifier/chain-facts.ts";
import { readChainFacts } from "../../../verifier/read-chain-facts.ts";
import { verifyRound } from "../../../verifier/verify-round.ts";
import { type TestAuditor, testAuditor } from "../../support/audit/system.ts";
import { JumpingClock, LONG_SLOTS, PATIENT } from "../../support/jumping-clock.ts";
import { prng, type System, startSystem } from "../../support/system.ts";

/** Nobody uploads for so long that the next round finds the blob older than that. */
const GRACE_MS = 6 * LONG_SLOTS.periodMs;
const P: AuditParameters = { ...PATIENT, freshGraceMs: GRACE_MS };
const LATE = "node-1";

interface NodeJson {
  readonly name: string;
  readonly nodeId: string;
  readonly state: string;
  readonly trials: number;
  readonly failures: number;
  readonly outcomes: Readonly<Record<string, number>>;
}
interface DrawJson {
  readonly outcome: string;
  readonly excuse: string | null;
}

const clock = new JumpingClock();
let system: System;
let auditor: TestAuditor;

beforeAll(async () => {
  system = await startSystem({
    seed: "fresh-grace",
    nodes: 4,
    shards: 13,
    clock,
    auditParams: LONG_SLOTS,
    refute: false,
  });
  // In the strata of deletable and of fresh blobs; no permanent one is drawn in the first epoch.
  await system.publishBlob(prng(1, 60_000), "epochs=9&deletable=true");
  system.network.setNodeFault(LATE, { kind: "drop-slivers", fraction: 1, heal: false });
  auditor = testAuditor({ network: system.network.file, clock, parameters: P });
});
afterAll(() => system[Symbol.asyncDispose]());

const nodeOf = async (name: string): Promise<NodeJson> => {
  const { nodes } = await auditor.get<{ nodes: NodeJson[] }>("/v1/audit/nodes");
  const node = nodes.find((each) => each.name === name);
  if (node === undefined) throw new Error(`no node ${name}`);
  return node;
};
const drawsOf = async (no: number, nodeId: string): Promise<DrawJson[]> =>
  (await auditor.get<{ draws: DrawJson[] }>(`/v1/audit/rounds/${no}/draws?node=${nodeId}`)).draws;
const exportOf = (no: number): Promise<RoundExport> => auditor.get(`/v1/audit/rounds/${no}/export`);
const factsOf = (round: RoundExport): Promise<ChainFacts> => readChainFacts(auditor.chain, round, P);
/** What is wrong with the verdicts of an export whose leaves were changed. */
function wrongVerdicts(round: RoundExport, facts: ChainFacts, from: string, to: string): string[] {
  const leaves = round.leaves.map((leaf) => leaf.replace(from, to));
  expect(leaves).not.toEqual(round.leaves);
  const differences = verifyRound({ ...round, leaves }, facts);
  return differences.filter(({ what }) => what === "verdict").map(({ detail }) => detail);
}

const MISSING = '"excuse":null,"mode":M,"node":"N","outcome":"missing"';
const EXCUSED = '"excuse":"just-certified","mode":M,"node":"N","outcome":"excused"';

describe("a node without the slivers of a blob", () => {
  let young: RoundExport;

  it("is excused while the blob was certified but a moment before, and those that have it pass", async () => {
    const no = await auditor.run();
    const { nodeId, trials, failures, state, outcomes } = await nodeOf(LATE);
    const draws = await drawsOf(no, nodeId);
    expect(draws.length).toBeGreaterThan(6);
    expect(new Set(draws.map(({ outcome, excuse }) => `${outcome} ${excuse}`))).toEqual(
      new Set(["excused just-certified"]),
    );
    expect({ trials, failures, state }).toEqual({ trials: 0, failures: 0, state: "unaudited" });
    expect(outcomes["missing"]).toBe(0);
    const other = await nodeOf("node-2");
    expect(other.outcomes["passed"]).toBe(other.trials);
    expect(other.trials).toBeGreaterThan(0);
    young = await exportOf(no);
    expect(verifyRound(young, await factsOf(young))).toEqual([]);
  });

  it("cannot be called missing by changing what was published", async () => {
    const of = (text: string): string => text.replace("M", "3").replace("N", nodeId);
    const { nodeId } = await nodeOf(LATE);
    const wrong = wrongVerdicts(young, await factsOf(young), of(EXCUSED), of(MISSING));
    expect(wrong.length).toBeGreaterThan(0);
    for (const detail of wrong) expect(detail).toContain("missing, although the blob was just certified");
  });

  it("is missing once the blob is older, and no youth of it can be claimed", async () => {
    const no = await auditor.run(auditor.auditor.nextBeginMs() + GRACE_MS);
    const { nodeId, state, outcomes } = await nodeOf(LATE);
    expect(state).toBe("suspect");
    const draws = await drawsOf(no, nodeId);
    expect(outcomes["missing"]).toBe(draws.length);
    const round = await exportOf(no);
    const facts = await factsOf(round);
    expect(facts.justCertified.size).toBe(0);
    expect(verifyRound(round, facts)).toEqual([]);
    const of = (text: string): string => text.replace("M", "3").replace("N", nodeId);
    const wrong = wrongVerdicts(round, facts, of(MISSING), of(EXCUSED));
    expect(wrong.length).toBeGreaterThan(0);
    for (const detail of wrong) expect(detail).toContain("just-certified, although the blob was not");
  });
});
