// If this fails, the bars of detection hold on paper and not on a network.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { accuse } from "../support/audit/accuse.ts";
import { prng, type System, startSystem } from "../support/system.ts";

/** Minutes of real rounds: in the long suite only. */
const isLong = process.env["FLOE_LONG"] === "1";
/** Slivers of a node: 3 shards, two axes. */
const BLOBS = 20;
const GUILTY = ["node-1", "node-3", "node-5", "node-8", "node-10"];

const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;

describe.runIf(isLong)("on the embedded network, nodes that silently lost", () => {
  let system: System;
  beforeAll(async () => {
    system = await startSystem({ seed: "audit-detection" });
    for (let i = 0; i < BLOBS; i++)
      await system.publishBlob(prng(300 + i, 60_000), "epochs=9&permanent=true");
    await system.network.advanceEpoch();
  });
  afterAll(() => system[Symbol.asyncDispose]());

  it("a twentieth are suspect, and have claims confirmed on chain by two auditors", async () => {
    const guilty = GUILTY.slice(0, 2);
    const draws = await accuse({ network: system.network, guilty, fraction: 0.05, maxRounds: 120, times: 1 });
    console.log(`5 % loss on the network: suspect after ${draws.join(", ")} counted draws`);
    // Of 20,000 simulated nodes the last was found after 966.
    expect(Math.max(...draws)).toBeLessThanOrEqual(1_200);
  }, 900_000);

  it("a third are suspect within 23 counted draws (median over at least 50 times)", async () => {
    const { network } = system;
    const draws = await accuse({ network, guilty: GUILTY, fraction: 1 / 3, maxRounds: 60, times: 10 });
    console.log(`33 % loss on the network: suspect after ${draws.join(", ")} counted draws`);
    expect(draws.length).toBeGreaterThanOrEqual(50);
    expect(median(draws)).toBeLessThanOrEqual(23);
  }, 600_000);
});
