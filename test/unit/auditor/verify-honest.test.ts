// If this fails, verify calls an honest auditor a liar for what happened to its network, its chain or its ledger.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ChainReader } from "../../../auditor/chain-reader.ts";
import { readChainFacts } from "../../../scripts/audit-facts.ts";
import type { AuditParameters } from "../../../shared/audit/parameters.ts";
import type { RoundExport } from "../../../shared/audit/round-export.ts";
import { verifyRound } from "../../../shared/audit/verify-round.ts";
import { wordsTaken } from "../../../shared/audit/words-taken.ts";
import { type TestAuditor, testAuditor } from "../../support/audit-system.ts";
import { JumpingClock, LONG_SLOTS, PATIENT } from "../../support/jumping-clock.ts";
import { prng, type System, startSystem } from "../../support/system.ts";

const BLOBS = 6;
/** Repetitions at once: whoever is silent is so within a moment. */
const P: AuditParameters = { ...PATIENT, attemptSpreadMs: 1 };

const clock = new JumpingClock();
let system: System;
let onRequest: (request: Request) => Promise<Response> = (request) => fetch(request);
/** Of the first epoch, before there was an event. */
let empty: RoundExport;
let emptyChain: ChainReader;

const newAuditor = (chain?: (chain: ChainReader) => ChainReader): TestAuditor =>
  testAuditor({
    network: system.network.file,
    clock,
    parameters: P,
    fetch: (request) => onRequest(request),
    ...(chain === undefined ? {} : { chain }),
  });
const exportOf = async (auditor: TestAuditor): Promise<RoundExport> =>
  auditor.get(`/v1/audit/rounds/${await auditor.run()}/export`);

beforeAll(async () => {
  system = await startSystem({
    seed: "verify-honest",
    nodes: 4,
    shards: 13,
    clock,
    auditParams: LONG_SLOTS,
    refute: false,
  });
  const auditor = newAuditor();
  empty = await exportOf(auditor);
  emptyChain = auditor.chain;
  for (let i = 0; i < BLOBS; i++) await system.publishBlob(prng(i, 20_000), "epochs=9&permanent=true");
  await system.network.advanceEpoch();
});
afterAll(() => system[Symbol.asyncDispose]());

describe("a round before a network's first event", () => {
  it("is still of the first epoch once that is over", async () => {
    expect(empty).toMatchObject({ epoch: 1, leaves: [] });
    expect(verifyRound(empty, await readChainFacts(emptyChain, empty, P))).toEqual([]);
  });
});

describe("an auditor that is cut off in the middle of a round", () => {
  it("concludes nothing about a node that it has not asked since", async () => {
    const passed = new Set<string>();
    onRequest = async (request) => {
      if (passed.size === 4) throw new TypeError("no route to host");
      const response = await fetch(request);
      const { origin, pathname } = new URL(request.url);
      if (response.ok && pathname.endsWith("/recoverySymbols")) passed.add(origin);
      return response;
    };
    const auditor = newAuditor();
    const round = await exportOf(auditor);
    onRequest = (request) => fetch(request);
    const facts = await readChainFacts(auditor.chain, round, P);
    expect(wordsTaken(round, facts).get("no-metadata")).toBeGreaterThan(0);
    expect(round.totals.passed).toBeGreaterThanOrEqual(4);
    expect(verifyRound(round, facts)).toEqual([]);
  });
});

describe("an auditor that hears of a new epoch before its events", () => {
  it("judges by a checkpoint that has them", async () => {
    let isAhead = false;
    let epochs = 0;
    let disowning: string | undefined;
    const auditor = newAuditor((chain) => ({
      ...chain,
      snapshot: async (minReadAtMs) => {
        const { committee, ...rest } = await chain.snapshot(minReadAtMs);
        if (minReadAtMs === undefined || !isAhead) return { committee, ...rest };
        const [first, ...others] = committee.members;
        if (first === undefined) throw new Error("the committee has members");
        const members = [{ ...first, shards: [] }, ...others];
        return { ...rest, committee: { ...committee, epoch: committee.epoch + 1, members } };
      },
      tip: async () => {
        const tip = await chain.tip();
        // The epoch begins behind the first tip by which the round could be judged.
        if (isAhead && epochs++ === 0) await system.network.advanceEpoch();
        return tip;
      },
    }));
    onRequest = async (request) => {
      const { origin, pathname } = new URL(request.url);
      if (!pathname.endsWith("/recoverySymbols")) return fetch(request);
      disowning ??= origin;
      if (origin !== disowning) return fetch(request);
      isAhead = true;
      const reason = { reason: "SHARD_NOT_ASSIGNED", domain: "storage.walrus.space" };
      const error = { status: "INVALID_ARGUMENT", code: 400, message: "not mine", details: [reason] };
      return Response.json({ error }, { status: 400 });
    };
    const round = await exportOf(auditor);
    onRequest = (request) => fetch(request);
    const facts = await readChainFacts(auditor.chain, round, P);
    expect(round.leaves.some((leaf) => leaf.includes('"excuse":"not-owner"'))).toBe(true);
    // Nobody really lost a shard, but there is an epoch that could have taken it.
    expect(facts.judged?.laterCommittees).toHaveLength(1);
  });
});
