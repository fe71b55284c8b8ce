// If this fails, verify calls an honest auditor a liar for what happened to its network, its chain or its ledger.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { AuditParameters } from "../../../shared/audit/parameters.ts";
import type { RoundExport } from "../../../shared/audit/round-export.ts";
import type { ChainReader } from "../../../shared/sui/walrus/chain-reader.ts";
import { readChainFacts } from "../../../verifier/read-chain-facts.ts";
import { verifyRound } from "../../../verifier/verify-round.ts";
import { type TestAuditor, type TestAuditorOptions, testAuditor } from "../../support/audit/system.ts";
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

const newAuditor = (options: Pick<TestAuditorOptions, "chain" | "parameters"> = {}): TestAuditor =>
  testAuditor({
    network: system.network.file,
    clock,
    parameters: P,
    fetch: (request) => onRequest(request),
    ...options,
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
  it("holds nothing against a node that it has not asked since", async () => {
    let known: string | undefined;
    let isCutOff = false;
    onRequest = async (request) => {
      const { pathname } = new URL(request.url);
      const [, blobId] = /^\/v1\/blobs\/([^/]+)\/metadata$/.exec(pathname) ?? [];
      known ??= blobId;
      // Of all blobs but one nobody's metadata comes through, and after the first pass nothing does.
      if (isCutOff || (blobId !== undefined && blobId !== known)) throw new TypeError("no route to host");
      const response = await fetch(request);
      if (response.ok && pathname.endsWith("/recoverySymbols")) isCutOff = true;
      return response;
    };
    // Or the round would be void, and count for nothing anyway.
    const counting = { ...P, selfCheckPassThousandths: 1, selfSuspectShardThousandths: 1001 };
    const auditor = newAuditor({ parameters: counting });
    const round = await exportOf(auditor);
    onRequest = (request) => fetch(request);
    expect(round.leaves.length).toBeGreaterThan(0);
    expect(verifyRound(round, await readChainFacts(auditor.chain, round, counting))).toEqual([]);
  });
});

describe("an auditor that hears of a new epoch before its events", () => {
  it("judges by a checkpoint that has them", async () => {
    let isAhead = false;
    let epochs = 0;
    let disowning: string | undefined;
    const auditor = newAuditor({
      chain: (chain) => ({
        ...chain,
        snapshot: async (minReadAtMs) => {
          const { committee, ...rest } = await chain.snapshot(minReadAtMs);
          if (minReadAtMs === undefined || !isAhead) return { committee, ...rest };
          const members = committee.members.map((member) => ({ ...member, shards: [] }));
          return { ...rest, committee: { ...committee, epoch: committee.epoch + 1, members } };
        },
        tip: async () => {
          const tip = await chain.tip();
          // The epoch begins behind the first tip by which the round could be judged.
          if (isAhead && epochs++ === 0) await system.network.advanceEpoch();
          return tip;
        },
      }),
    });
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
