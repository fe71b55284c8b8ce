// If this fails, data that was lost leads to no consequence, or a false accusation stands.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type AuditChain, readOnlyAuditChain } from "../../../auditor/audit-chain.ts";
import type { ChainReader } from "../../../auditor/chain-reader.ts";
import { listName } from "../../../auditor/population-tables.ts";
import { suiAuditChain } from "../../../auditor/sui-audit-chain.ts";
import { systemClock } from "../../../localnet/clock.ts";
import { AUDIT_PROFILES } from "../../../shared/audit/parameters.ts";
import { serializeEntry } from "../../../shared/audit/population.ts";
import type { DrawKey } from "../../../shared/audit/selection.ts";
import type { ObjectId } from "../../../shared/protocol/ids.ts";
import { readRegistry } from "../../../shared/sui/audit-reader.ts";
import { createSuiClient } from "../../../shared/sui/sui-client.ts";
import { type TestAuditor, testAuditor } from "../../support/audit-system.ts";
import { prng, type System, startSystem } from "../../support/system.ts";

const P = AUDIT_PROFILES.local;

interface ClaimJson {
  readonly id: string;
  readonly node: string;
  readonly role: string;
  readonly state: string;
}

let system: System;

beforeAll(async () => {
  system = await startSystem({ seed: "audit-claims" });
  for (let i = 0; i < 4; i++)
    await system.publishBlob(prng(200 + i, 30_000 * (i + 1)), "epochs=9&permanent=true");
  await system.network.advanceEpoch();
}, 60_000);
afterAll(() => system[Symbol.asyncDispose]());

function chainWithKey(position: number, chain: ChainReader): AuditChain {
  const { audit, auditors, sui } = system.network.file;
  const secretKey = auditors?.[position]?.secretKey;
  if (audit === undefined || secretKey === undefined) throw new Error("the network has no such auditor");
  return suiAuditChain({
    client: createSuiClient({ url: sui.url, fetch }),
    contract: audit,
    secretKey,
    clock: systemClock,
    fallback: readOnlyAuditChain(chain),
    periodMs: P.roundPeriodMs,
  });
}

const auditorWithKey = (position: number): TestAuditor =>
  testAuditor({ network: system.network.file, auditChain: (chain) => chainWithKey(position, chain) });

const claimsOf = async (auditor: TestAuditor): Promise<ClaimJson[]> =>
  (await auditor.get<{ claims: ClaimJson[] }>("/v1/audit/claims")).claims;
const tend = (auditor: TestAuditor): Promise<number | undefined> =>
  auditor.auditor.work({ untilMs: Date.now() + 5_000, requests: 100 });
const untilNextRound = (): Promise<void> =>
  systemClock.sleep(P.roundPeriodMs - (Date.now() % P.roundPeriodMs));

describe("a lying auditor", () => {
  it("has its claim refuted by another auditor before the deadline, and its record shows it", async () => {
    const { file } = system.network;
    const { audit, auditors, sui } = file;
    const liar = auditorWithKey(2);
    // The population must stand on chain before the round that is claimed was opened.
    await untilNextRound();
    await liar.run();
    await untilNextRound();
    const no = await liar.run();
    const [row] = liar.sql.exec(
      `SELECT draw.* FROM verdict JOIN draw USING (round, mode, shard, t)
       WHERE round = ? AND mode = 0 AND outcome = 'passed' ORDER BY shard LIMIT 1`,
      no,
    );
    const population = liar.auditor.lists.index(listName("permanent", 2));
    const leaf = Number(row?.["leaf"]);
    const { claims } = chainWithKey(2, liar.chain);
    const isFiled = await claims?.file({
      round: no,
      draw: { mode: 0, shard: row?.["shard"], t: row?.["t"] } as DrawKey,
      node: String(row?.["node"]) as ObjectId,
      index: leaf,
      entry: serializeEntry(population.leafAt(leaf)),
      path: population.path(leaf),
      confirmation: undefined,
    });
    expect(isFiled).toBe(true);
    const honest = auditorWithKey(1);
    await tend(honest);
    expect((await claims?.recent())?.filter(({ state }) => state === "pending")).toEqual([]);
    if (audit === undefined) throw new Error("the network has no registry");
    const registry = await readRegistry(createSuiClient({ url: sui.url, fetch }), audit);
    const record = registry.auditors.find(({ address }) => address === auditors?.[2]?.address);
    expect(record).toMatchObject({ claimsFiled: 1, claimsRefuted: 1 });
  }, 60_000);
});

describe("a node that lost half of its slivers", () => {
  it("has claims confirmed on chain by two auditors, and nobody else has any", async () => {
    const { network } = system;
    network.setNodeFault("node-3", { kind: "drop-slivers", fraction: 0.5, heal: false });
    const guilty = network.file.nodes?.find(({ name }) => name === "node-3")?.nodeId;
    const both = [auditorWithKey(0), auditorWithKey(1)];
    const isConfirmed = async (): Promise<boolean> =>
      (await claimsOf(both[0] as TestAuditor)).some(({ state }) => state === "confirmed");
    for (let round = 0; round < 8 && !(await isConfirmed()); round++) {
      await untilNextRound();
      await Promise.all(both.map((auditor) => auditor.run()));
      // Each has seen its own round; now each looks at what the other filed.
      for (const auditor of both) await tend(auditor);
    }
    expect(await isConfirmed()).toBe(true);
    const claims = await claimsOf(both[0] as TestAuditor);
    expect(new Set(claims.map(({ node }) => node))).toEqual(new Set([guilty]));
    expect(new Set(claims.map(({ role }) => role))).toEqual(new Set(["accuser", "attestor"]));
    await untilNextRound();
    await both[0]?.run();
    expect(await both[0]?.get(`/v1/audit/nodes/node-3`)).toMatchObject({ state: "confirmed" });
  }, 120_000);
});
