// If this fails, an auditor accuses honest nodes, misses dishonest ones, or publishes what nobody can recompute.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readOnlyAuditChain } from "../../../auditor/chain/audit-chain.ts";
import { SuiAuditChain } from "../../../auditor/chain/sui-audit-chain.ts";
import { readRegistryFacts } from "../../../cli/audit/registry-facts.ts";
import { nodeLedger } from "../../../host/node-sqlite.ts";
import type { ReportTotals } from "../../../shared/audit/report-rows.ts";
import type { RoundExport } from "../../../shared/audit/round-export.ts";
import type { BlobId } from "../../../shared/protocol/ids.ts";
import { findAuditEvent } from "../../../shared/sui/audit/find-events.ts";
import { readRegistry } from "../../../shared/sui/audit/reader.ts";
import { createSuiClient } from "../../../shared/sui/client/sui-client.ts";
import type { ChainReader } from "../../../shared/sui/walrus/chain-reader.ts";
import type { ChainFacts } from "../../../verifier/chain-facts.ts";
import type { Difference } from "../../../verifier/difference.ts";
import { readChainFacts } from "../../../verifier/read-chain-facts.ts";
import { verifyRound } from "../../../verifier/verify-round.ts";
import { type TestAuditor, testAuditor } from "../../support/audit/system.ts";
import { JumpingClock, LONG_SLOTS, PATIENT as P } from "../../support/jumping-clock.ts";
import { prng, type System, startSystem } from "../../support/system.ts";

/** Of rounds in which somebody is never going to answer. A third of the nodes fails: that is not the auditor's network. */
const IMPATIENT = {
  ...P,
  requestTimeoutMs: 2_000,
  selfCheckPassThousandths: 500,
  selfSuspectShardThousandths: 500,
};
const clock = new JumpingClock();
/** All that the chain could show. */
const CHAIN_EXCUSES = ["epoch-change", "shard-moved", "invalid-blob", "just-certified", "not-owner"];

interface NodeJson {
  readonly nodeId: string;
  readonly name: string;
  readonly state: string;
  readonly trials: number;
  readonly failures: number;
  readonly outcomes: Readonly<Record<string, number>>;
  readonly latency: { readonly answers: number; readonly p50Ms: number; readonly p95Ms: number } | null;
  readonly burst: { readonly steps: number; readonly passed: number; readonly ms: number } | null;
}
interface RoundJson {
  readonly state: string;
  readonly epoch: number;
  readonly totals: ReportTotals;
  readonly populations: Readonly<Record<string, { readonly size: number; readonly root: string }>>;
}
interface DrawJson {
  readonly node: string;
  readonly outcome: string;
  readonly excuse: string | null;
  readonly blob_id: string;
  readonly attempts: readonly {
    readonly kind: string;
    readonly outcome: string;
    readonly detail: string | null;
    readonly node: string;
  }[];
}

let system: System;
const blobs: BlobId[] = [];

beforeAll(async () => {
  system = await startSystem({ seed: "audit-round", clock, auditParams: LONG_SLOTS });
  for (let i = 0; i < 4; i++) {
    const life = i % 2 === 0 ? "permanent=true" : "deletable=true";
    blobs.push((await system.publishBlob(prng(100 + i, 30_000 * (i + 1)), `epochs=9&${life}`)) as BlobId);
  }
});
afterAll(() => system[Symbol.asyncDispose]());

const auditorOf = (options: Partial<Parameters<typeof testAuditor>[0]> = {}): TestAuditor =>
  testAuditor({ network: system.network.file, clock, parameters: P, ...options });
const nodesOf = async (auditor: TestAuditor): Promise<NodeJson[]> =>
  (await auditor.get<{ nodes: NodeJson[] }>("/v1/audit/nodes")).nodes;
const nodeOf = async (auditor: TestAuditor, name: string): Promise<NodeJson> => {
  const node = (await nodesOf(auditor)).find((each) => each.name === name);
  if (node === undefined) throw new Error(`no node ${name}`);
  return node;
};
const exportOf = (auditor: TestAuditor, no: number): Promise<RoundExport> =>
  auditor.get(`/v1/audit/rounds/${no}/export`);
const drawsOf = async (auditor: TestAuditor, no: number, nodeId: string): Promise<DrawJson[]> =>
  (await auditor.get<{ draws: DrawJson[] }>(`/v1/audit/rounds/${no}/draws?node=${nodeId}`)).draws;

async function differences(chain: ChainReader, round: RoundExport): Promise<Difference[]> {
  return verifyRound(round, await readChainFacts(chain, round, P));
}

describe("a healthy network", () => {
  it("says that nothing is known before the first round", async () => {
    const auditor = auditorOf();
    expect(await nodesOf(auditor)).toEqual([]);
    expect(await auditor.text("/audit")).toContain("Not audited yet");
  });

  it("is audited healthy, and anybody can recompute the round", async () => {
    const auditor = auditorOf();
    const no = await auditor.run();
    const round = await auditor.get<RoundJson>(`/v1/audit/rounds/${no}`);
    expect(round.state).toBe("done");
    expect(round.totals.challenged).toBe(40 * (P.drawsDeletable + P.drawsFresh));
    expect(round.totals.passed).toBe(round.totals.challenged);
    const nodes = await nodesOf(auditor);
    expect(nodes.map(({ state }) => state)).toEqual(Array(13).fill("healthy"));
    for (const { latency, trials } of nodes) {
      // One draw in fifty asks for the whole sliver, which takes longer.
      expect(latency?.answers).toBeGreaterThan(trials / 2);
      expect(latency?.p50Ms).toBeLessThanOrEqual(latency?.p95Ms ?? 0);
    }
    expect(await differences(auditor.chain, await exportOf(auditor, no))).toEqual([]);
  });

  it("never asks a node twice at once, and asks each for metadata once", async () => {
    const inFlight = new Map<string, number>();
    let peak = 0;
    const auditor = auditorOf({
      async fetch(request) {
        const { host } = new URL(request.url);
        inFlight.set(host, (inFlight.get(host) ?? 0) + 1);
        peak = Math.max(peak, inFlight.get(host) ?? 0);
        try {
          return await fetch(request);
        } finally {
          inFlight.set(host, (inFlight.get(host) ?? 1) - 1);
        }
      },
    });
    const no = await auditor.run();
    expect(peak).toBe(1);
    const rows = auditor.sql.exec(
      "SELECT node, COUNT(*) AS count FROM attempt WHERE round = ? AND kind = 'metadata' GROUP BY node",
      no,
    );
    expect(rows).toHaveLength(13);
  });
});

describe("an unhealthy network", () => {
  it("shows each way of failing as what it is, and calls nobody missing who is merely unreachable", async () => {
    const { network } = system;
    const { nodes = [] } = network.file;
    const [throttling, proxied] = ["node-6", "node-7"].map(
      (name) => new URL(nodes.find((node) => node.name === name)?.url ?? "http://none").host,
    );
    network.setNodeFault("node-1", { kind: "down" });
    network.setNodeFault("node-2", { kind: "error" });
    network.setNodeFault("node-3", { kind: "hang" });
    network.setNodeFault("node-4", { kind: "corrupt-slivers" });
    // Half of all draws: some of every node's are among them.
    const denied = blobs.slice(0, 2);
    network.setBlocked("node-5", denied);
    const auditor = auditorOf({
      parameters: IMPATIENT,
      async fetch(request) {
        const url = new URL(request.url);
        const isDenied = denied.some((blobId) => url.pathname.includes(blobId));
        if (url.host === throttling && isDenied) return new Response("slow down", { status: 429 });
        // A proxy in front of the node, not the node.
        if (url.host === proxied && isDenied) return new Response("<h1>Not Found</h1>", { status: 404 });
        return fetch(request);
      },
    });
    try {
      const no = await auditor.run();
      const round = await auditor.get<RoundJson>(`/v1/audit/rounds/${no}`);
      expect(round.state).toBe("done");
      expect(round.totals.missing).toBe(0);
      for (const name of ["node-1", "node-2", "node-3"]) {
        const { outcomes, failures, trials, state } = await nodeOf(auditor, name);
        expect(outcomes["timeouts"], name).toBeGreaterThan(0);
        expect({ trials, failures, state }, name).toEqual({ trials: 0, failures: 0, state: "unaudited" });
      }
      const corrupt = await nodeOf(auditor, "node-4");
      expect(corrupt.outcomes["invalid"]).toBe(corrupt.trials);
      expect(corrupt.state).toBe("suspect");
      const blocked = await drawsOf(auditor, no, (await nodeOf(auditor, "node-5")).nodeId);
      expect(
        new Set(blocked.filter((d) => denied.includes(d.blob_id as BlobId)).map((d) => d.excuse)),
      ).toEqual(new Set(["denied"]));
      const refusing = await nodeOf(auditor, "node-6");
      expect(refusing.outcomes["refused"]).toBeGreaterThan(0);
      expect(refusing.failures).toBe(0);
      const behindProxy = await nodeOf(auditor, "node-7");
      expect(behindProxy.outcomes["timeouts"]).toBeGreaterThan(0);
      expect(behindProxy.failures).toBe(0);
      expect(await differences(auditor.chain, await exportOf(auditor, no))).toEqual([]);
    } finally {
      for (const name of ["node-1", "node-2", "node-3", "node-4"])
        network.setNodeFault(name, { kind: "none" });
      network.setBlocked("node-5", []);
    }
  });

  it("voids the round of an auditor whose own network is broken, and holds nothing against anybody", async () => {
    const urls = (system.network.file.nodes ?? []).slice(0, 7).map(({ url }) => new URL(url).host);
    const auditor = auditorOf({
      fetch: (request) =>
        urls.includes(new URL(request.url).host) ? Promise.reject(new Error("no route")) : fetch(request),
    });
    const no = await auditor.run();
    const round = await auditor.get<RoundJson>(`/v1/audit/rounds/${no}`);
    expect(round.state).toBe("void");
    expect(round.totals.excused).toBe(round.totals.challenged);
    expect((await nodesOf(auditor)).every(({ trials, state }) => trials === 0 && state === "unaudited")).toBe(
      true,
    );
    expect(await differences(auditor.chain, await exportOf(auditor, no))).toEqual([]);
  });
});

describe("a round that is interrupted", () => {
  it("leaves no gap and no duplicate, whichever step the auditor dies at", async () => {
    const sql = nodeLedger();
    const died = new Set<string>();
    let attempts = 0;
    const failPoint = (name: string): void => {
      const isAttempt = name === "audit.after-attempt";
      if (isAttempt ? ++attempts % 60 === 0 : !died.has(name)) {
        died.add(name);
        throw new Error(`died at ${name}`);
      }
    };
    let no: number | undefined;
    for (let life = 0; no === undefined && life < 40; life++) {
      // Every life opens the ledger anew: nothing but the database survives.
      const auditor = auditorOf({ sql, failPoint });
      no = await auditor.run().catch((error: Error) => {
        if (!error.message.startsWith("died at")) throw error;
        return undefined;
      });
    }
    expect([...died].sort()).toEqual(
      [
        "after-attempt",
        "after-report",
        "challenging",
        "following",
        "judging",
        "opening",
        "populating",
        "reporting",
      ].map((name) => `audit.${name}`),
    );
    const auditor = auditorOf({ sql });
    const round = await exportOf(auditor, no ?? 0);
    expect(round.totals.passed).toBe(40 * (P.drawsDeletable + P.drawsFresh));
    const [counts] = sql.exec(
      `SELECT (SELECT COUNT(*) FROM round) AS rounds, (SELECT COUNT(*) FROM draw) AS draws,
              (SELECT COUNT(*) FROM verdict) AS verdicts,
              (SELECT COUNT(*) FROM attempt WHERE kind IN ('symbol', 'sliver') AND outcome = 'pass') AS answered`,
    );
    expect(counts).toEqual({ rounds: 1, draws: 320, verdicts: 320, answered: 320 });
    expect(await differences(auditor.chain, round)).toEqual([]);
  });

  it("opens once, however often it is told to", async () => {
    const sql = nodeLedger();
    const auditors = [auditorOf({ sql }), auditorOf({ sql })];
    const opened = auditors.flatMap(({ auditor }) => [auditor.open(), auditor.open()]);
    expect(new Set(opened.map((round) => round?.no)).size).toBe(1);
    await auditors[0]?.run();
    expect(auditors[1]?.auditor.rounds.list(Number.MAX_SAFE_INTEGER, 10)).toHaveLength(1);
  });
});

describe("a node that silently lost a third of its slivers", () => {
  let auditor: TestAuditor;
  let guilty: RoundExport;

  beforeAll(async () => {
    system.network.setNodeFault("node-3", { kind: "drop-slivers", fraction: 0.33, heal: false });
    auditor = auditorOf();
    for (let rounds = 0; rounds < 5; rounds++) {
      const no = await auditor.run();
      guilty = await exportOf(auditor, no);
      if ((await nodeOf(auditor, "node-3")).state === "suspect") break;
    }
  });

  it("becomes suspect, and nobody else does", async () => {
    const nodes = await nodesOf(auditor);
    expect(nodes.filter(({ state }) => state !== "healthy").map(({ name }) => name)).toEqual(["node-3"]);
    expect((await nodeOf(auditor, "node-3")).trials).toBeLessThanOrEqual(96);
  });

  it("is called missing on repeated symbols and a whole sliver, while it signs that it has everything", async () => {
    const { nodeId } = await nodeOf(auditor, "node-3");
    const missing = (await drawsOf(auditor, guilty.no, nodeId)).filter(
      ({ outcome }) => outcome === "missing",
    );
    expect(missing.length).toBeGreaterThan(0);
    for (const { attempts } of missing) {
      const failed = attempts.filter(({ outcome }) => outcome === "missing").map(({ kind }) => kind);
      expect(failed.filter((kind) => kind === "symbol").length).toBeGreaterThanOrEqual(2);
      expect(failed).toContain("sliver");
      expect(attempts.some(({ kind, outcome }) => kind === "confirmation" && outcome === "pass")).toBe(true);
    }
    const page = await auditor.text("/audit");
    expect(page).toContain("suspect");
    expect(page).toContain(`/v1/audit/rounds/${guilty.no}/proof/`);
  });

  it("cannot be accused or cleared by changing what was published", async () => {
    const facts = await readChainFacts(auditor.chain, guilty, P);
    expect(verifyRound(guilty, facts)).toEqual([]);
    const missing = guilty.leaves.findIndex((leaf) => leaf.includes('"missing"'));
    const passed = guilty.leaves.findIndex((leaf) => leaf.includes('"passed"'));
    const other = "00".repeat(32);
    const leaf = (index: number, change: (text: string) => string): Partial<RoundExport> => ({
      leaves: guilty.leaves.map((text, i) => (i === index ? change(text) : text)),
    });
    const node = (
      change: (record: RoundExport["nodes"][number]) => Partial<RoundExport["nodes"][number]>,
    ) => ({
      nodes: guilty.nodes.map((record) =>
        record.name === "node-3" ? { ...record, ...change(record) } : record,
      ),
    });
    const swapped = [...guilty.leaves];
    [swapped[0], swapped[1]] = [swapped[1] ?? "", swapped[0] ?? ""];
    const { populations, totals, parameters } = guilty;
    const tamperings: Record<string, Partial<RoundExport>> = {
      seed: { seed: other },
      "seed checkpoint": { seedCheckpoint: guilty.seedCheckpoint + 1 },
      "seed source": { seedSource: "open_round" },
      "round number": { no: guilty.no + 1 },
      "time of opening": { openedMs: guilty.openedMs + P.roundPeriodMs },
      epoch: { epoch: guilty.epoch + 1 },
      committee: { committee: [...guilty.committee].reverse() },
      "committee hash": { committeeHash: other },
      "population root": { populations: { ...populations, fresh: { ...populations.fresh, root: other } } },
      "population size": {
        populations: { ...populations, deletable: { ...populations.deletable, size: 1 } },
      },
      rules: { parameters: { ...parameters, attempts: 1 } },
      "rules' hash": { parametersHash: other },
      "outcome hidden": leaf(missing, (text) => text.replace('"missing"', '"passed"')),
      "outcome invented": leaf(passed, (text) => text.replace('"passed"', '"missing"')),
      "another blob": leaf(passed, (text) => text.replace(/"blob":"./, '"blob":"_')),
      "another symbol": leaf(passed, (text) => text.replace(/"symbol":[0-9]+/, '"symbol":41')),
      "another node": leaf(passed, (text) => text.replace(/"node":"0x../, '"node":"0xff')),
      "spelling of a leaf": leaf(passed, (text) => text.replace(",", ", ")),
      "draw dropped": { leaves: guilty.leaves.slice(1) },
      "draw repeated": { leaves: [...guilty.leaves, guilty.leaves[0] ?? ""] },
      order: { leaves: swapped },
      "evidence root": { evidenceRoot: other },
      totals: { totals: { ...totals, missing: totals.missing - 1, passed: totals.passed + 1 } },
      row: node(({ row }) => ({ row: `${row.slice(0, 64)}ffff${row.slice(68)}` })),
      "possession record": node(({ after }) => ({ after: { ...after, logLikelihoodRatio: 0 } })),
      "nodes root": { nodesRoot: other },
      "node left out": { nodes: guilty.nodes.slice(1) },
      "round that counts": { state: "void" },
      auditor: { auditor: auditorsOf(system)[0].address },
      "report of nobody": { tx: "11111111111111111111111111111111" },
      network: { network: { ...guilty.network, stakingObjectId: guilty.network.systemObjectId } },
      "time of the end": { finishedMs: guilty.openedMs },
      "beginning after the requests": { openedMs: guilty.finishedMs },
      "judged checkpoint": { judgedCheckpoint: guilty.seedCheckpoint },
      "judged by nothing": { judgedCheckpoint: null },
      name: node(({ name }) => ({ name: `${name}-else` })),
      ...Object.fromEntries(
        CHAIN_EXCUSES.map((excuse) => [
          `${excuse} invented`,
          leaf(missing, (text) =>
            text.replace('"excuse":null', `"excuse":"${excuse}"`).replace('"missing"', '"excused"'),
          ),
        ]),
      ),
    };
    expect(Object.keys(tamperings).length).toBeGreaterThanOrEqual(40);
    const unnoticed = Object.entries(tamperings)
      .filter(([, change]) => verifyRound({ ...guilty, ...change }, facts).length === 0)
      .map(([name]) => name);
    expect(unnoticed).toEqual([]);
    // Of an excuse the leaf itself is wrong, not only the roots over it.
    for (const excuse of CHAIN_EXCUSES) {
      const found = verifyRound({ ...guilty, ...tamperings[`${excuse} invented`] }, facts);
      expect(found.filter(({ what }) => what === "verdict").map(({ detail }) => detail)).toEqual([
        expect.stringContaining(excuse),
      ]);
    }
  });

  it("cannot be cleared by an export that is consistent in itself but not the one committed to", async () => {
    const facts = await readChainFacts(auditor.chain, guilty, P);
    const committed = { evidenceRoot: "11".repeat(32), nodesRoot: undefined };
    expect(verifyRound(guilty, { ...facts, committed }).map(({ what }) => what)).toEqual([
      "evidence-root-committed",
    ]);
  });
});

const auditorsOf = ({ network }: System) => {
  const [first, second] = network.file.auditors ?? [];
  if (first === undefined || second === undefined) throw new Error("the network has two auditors");
  return [first, second] as const;
};
const contractOf = ({ network }: System) => {
  if (network.file.audit === undefined) throw new Error("the network has an audit contract");
  return network.file.audit;
};

describe("an auditor with a key", () => {
  const client = () => createSuiClient({ url: system.network.file.sui.url, fetch });
  let onChain: { round: RoundExport; facts: ChainFacts };
  const registryFacts = async (round: RoundExport) => {
    const { sui, walrus } = system.network.file;
    const at = {
      url: sui.url,
      ids: walrus,
      kind: "local",
      contract: contractOf(system),
      file: undefined,
    } as const;
    const said = await readRegistryFacts(at, round, round.no, undefined);
    if (said === undefined) throw new Error("the registry is named");
    return said;
  };

  it("draws its seed on chain and reports once, whatever becomes of the replies", async () => {
    const { network } = system;
    const { audit, auditors } = network.file;
    const secretKey = auditors?.[1]?.secretKey;
    if (audit === undefined || secretKey === undefined) throw new Error("the network has no auditors");
    const client = createSuiClient({ url: network.file.sui.url, fetch });
    const auditor = auditorOf({
      auditChain: (chain) =>
        new SuiAuditChain({
          client,
          contract: audit,
          secretKey,
          clock,
          fallback: readOnlyAuditChain(chain),
          log: () => {},
          periodMs: P.roundPeriodMs,
        }),
    });
    network.setSuiFault({ kind: "lose-reply", method: "ExecuteTransaction", count: 1 });
    const no = await auditor.run();
    network.setSuiFault({ kind: "none" });
    const round = await exportOf(auditor, no);
    expect(round.seedSource).toBe("open_round");
    expect(round.tx).not.toBeNull();
    const registry = await readRegistry(client, audit);
    const opened = await findAuditEvent(client, registry, "RoundOpened", (event) => Number(event.no) === no);
    const reports: string[] = [];
    const reported = await findAuditEvent(client, registry, "RoundReported", (event) => {
      if (Number(event.no) === no) reports.push(event.auditor);
      return false;
    });
    expect([reported, reports]).toEqual([undefined, [auditors?.[1]?.address]]);
    if (opened === undefined) throw new Error("the round was not opened");
    const seed = { seed: opened.event.seed, checkpoint: opened.checkpoint };
    const facts = await readChainFacts(auditor.chain, round, P, seed);
    const said = await registryFacts(round);
    expect(said.opened).toEqual(seed);
    expect(verifyRound(round, { ...facts, registry: said })).toEqual([]);
    expect(verifyRound({ ...round, seedSource: "checkpoint" }, facts).length).toBeGreaterThan(0);
    // The key is taken away: what was judged with it stays that auditor's, and what is judged now is nobody's.
    const keyless = auditorOf({ sql: auditor.sql });
    expect((await exportOf(keyless, no)).auditor).toBe(round.auditor);
    const own = await exportOf(keyless, await keyless.run());
    expect(own.auditor).toBeNull();
    expect((await exportOf(auditor, own.no)).auditor).toBeNull();
    onChain = { round, facts };
  });

  it("cannot publish another round than it reported, disown its report, or give it to somebody else", async () => {
    const { round, facts } = onChain;
    const found = async (more: Partial<RoundExport>): Promise<string[]> => {
      const changed = { ...round, ...more };
      const registry = await registryFacts(changed);
      return verifyRound(changed, { ...facts, registry }).map(({ what }) => what);
    };
    expect(await found({})).toEqual([]);
    expect(await found({ tx: null })).toContain("report");
    // A transaction there is, but not of this report.
    const [first, second] = auditorsOf(system);
    const registry = await readRegistry(client(), contractOf(system));
    const other = await findAuditEvent(
      client(),
      registry,
      "RoundOpened",
      ({ no }) => Number(no) === round.no,
    );
    expect(await found({ tx: other?.txDigest ?? "" })).toEqual(["report"]);
    expect(await found({ auditor: first.address })).toEqual(["report"]);
    expect(await found({ auditor: first.address, tx: null })).toContain("auditor");
    expect(await found({ auditor: null, tx: null })).toEqual(["seed-source"]);
    expect(second.address).toBe(round.auditor);
    const report = await findAuditEvent(
      client(),
      registry,
      "RoundReported",
      ({ no }) => Number(no) === round.no,
    );
    expect(await found({ judgedCheckpoint: report?.checkpoint ?? 0 })).toContain("judged");
    // A round that fits together in itself: it counts one node's passes as nothing.
    const { totals, evidenceRoot } = round;
    const lighter = { ...totals, passed: totals.passed - 1, challenged: totals.challenged - 1 };
    expect(await found({ totals: lighter })).toContain("report-totals");
    expect(await found({ evidenceRoot: evidenceRoot.replace(/^./, "g") })).toContain(
      "evidence-root-committed",
    );
  });

  it("is refused when the key is none, without repeating it", () => {
    const wrong = "suiprivkey1-not-a-key";
    const make = () =>
      auditorOf({
        auditChain: (chain) =>
          new SuiAuditChain({
            client: createSuiClient({ url: system.network.file.sui.url, fetch }),
            contract: { packageId: blobs[0] as never, registryId: blobs[0] as never },
            secretKey: wrong,
            clock,
            fallback: readOnlyAuditChain(chain),
            log: () => {},
            periodMs: P.roundPeriodMs,
          }),
      });
    expect(make).toThrow("AUDITOR_SECRET_KEY");
    expect(make).not.toThrow(wrong);
  });
});

describe("the next epoch", () => {
  it("draws from the permanent blobs that were there before it began", async () => {
    const { network } = system;
    network.setNodeFault("node-3", { kind: "none" });
    await network.advanceEpoch();
    const auditor = auditorOf();
    const no = await auditor.run();
    const round = await auditor.get<RoundJson>(`/v1/audit/rounds/${no}`);
    expect(round.epoch).toBe(2);
    expect(round.populations["permanent"]?.size).toBe(2);
    expect(round.populations["fresh"]?.size).toBe(0);
    expect(round.totals.challenged).toBe(40 * (P.drawsPerBlob + P.drawsPerByte + P.drawsDeletable));
    expect(await differences(auditor.chain, await exportOf(auditor, no))).toEqual([]);
    const population = await auditor.get<{ size: number; root: string; entries: unknown[] }>(
      "/v1/audit/population/2",
    );
    expect(population).toMatchObject({ size: 2, root: round.populations["permanent"]?.root });
    expect(population.entries).toHaveLength(2);

    // The burst of a node stands beside its draws and is counted nowhere.
    for (const { name, burst, trials } of await nodesOf(auditor)) {
      expect(trials).toBeLessThanOrEqual(4 * (P.drawsPerBlob + P.drawsPerByte + P.drawsDeletable));
      if (name === "node-3") expect(burst?.steps).toBeGreaterThan(0);
      else expect(burst).toMatchObject({ steps: P.burstSteps, passed: P.burstSteps });
    }

    // What was lost stays lost, and only its loser is blamed: in the first round that draws one of the lost slivers.
    const blamed = async (): Promise<string[]> =>
      (await nodesOf(auditor)).filter(({ failures }) => failures > 0).map(({ name }) => name);
    for (let more = 0; more < 10 && (await blamed()).length === 0; more++) await auditor.run();
    expect(await blamed()).toEqual(["node-3"]);
  });

  it("draws padding of a short blob, asks it of nobody and counts it nowhere", async () => {
    await system.publishBlob(prng(9, 40), "epochs=9&permanent=true");
    const auditor = auditorOf();
    const no = await auditor.run();
    const { totals } = await auditor.get<RoundJson>(`/v1/audit/rounds/${no}`);
    expect(totals.vacuous).toBeGreaterThan(0);
    const asked = auditor.sql.exec(
      "SELECT COUNT(*) AS count FROM attempt JOIN draw USING (round, mode, shard, t) WHERE vacuous = 1",
    );
    expect(asked).toEqual([{ count: 0 }]);
    const trials = (await nodesOf(auditor)).reduce((sum, node) => sum + node.trials, 0);
    expect(trials).toBe(totals.passed + totals.missing + totals.invalid);
  });
});
