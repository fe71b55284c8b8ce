// If this fails, data that was lost leads to no consequence, or a false accusation stands.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { listName } from "../../../auditor/population-tables.ts";
import { serializeEntry } from "../../../shared/audit/population.ts";
import type { DrawKey } from "../../../shared/audit/selection.ts";
import type { ObjectId } from "../../../shared/protocol/ids.ts";
import { readRegistry } from "../../../shared/sui/audit-reader.ts";
import { createSuiClient } from "../../../shared/sui/sui-client.ts";
import { accuse, auditorWithKey, chainWithKey, tend, untilNextRound } from "../../support/audit-accuse.ts";
import { prng, type System, startSystem } from "../../support/system.ts";

let system: System;

beforeAll(async () => {
  system = await startSystem({ seed: "audit-claims" });
  for (let i = 0; i < 4; i++)
    await system.publishBlob(prng(200 + i, 30_000 * (i + 1)), "epochs=9&permanent=true");
  await system.network.advanceEpoch();
}, 60_000);
afterAll(() => system[Symbol.asyncDispose]());

describe("a lying auditor", () => {
  it("has its claim refuted by another auditor before the deadline, and its record shows it", async () => {
    const { file } = system.network;
    const { audit, auditors, sui } = file;
    const liar = auditorWithKey(system.network, 2);
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
    const { claims } = chainWithKey(system.network, 2, liar.chain);
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
    const honest = auditorWithKey(system.network, 1);
    await tend(honest);
    expect((await claims?.recent())?.filter(({ state }) => state === "pending")).toEqual([]);
    if (audit === undefined) throw new Error("the network has no registry");
    const registry = await readRegistry(createSuiClient({ url: sui.url, fetch }), audit);
    const record = registry.auditors.find(({ address }) => address === auditors?.[2]?.address);
    expect(record).toMatchObject({ claimsFiled: 1, claimsRefuted: 1 });
  }, 60_000);
});

describe("nodes that confirm and report healthy, and silently lost a third of their slivers", () => {
  it("are all found, and have claims confirmed on chain by two auditors; nobody else has any", async () => {
    const guilty = ["node-1", "node-3", "node-5", "node-8", "node-10"];
    const { network } = system;
    const draws = await accuse({ network, guilty, fraction: 1 / 3, maxRounds: 8, times: 1 });
    console.log(`33 % loss on the network: suspect after ${draws.join(", ")} counted draws`);
    // Of 20,000 simulated nodes the last was found after 78; the median is tested over many seeds elsewhere.
    expect(Math.max(...draws)).toBeLessThanOrEqual(120);
  }, 120_000);
});
