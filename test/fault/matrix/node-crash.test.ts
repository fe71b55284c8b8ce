// If this fails, a storage node that crashes in the middle of an upload makes it fail, cost twice or claim too much.
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { FailPointName } from "../../../functions/base/fail-point-names.ts";
import { FaultSystem } from "../../support/edge/fault-system.ts";
import { StateChecker } from "../../support/edge/state-checker.ts";
import { prng } from "../../support/system.ts";
import { OutcomeTable } from "./outcomes.ts";

const NODES = ["node-0", "node-1", "node-2", "node-3"];
const EPOCHS = 3;
const QUERY = `epochs=${EPOCHS}`;

let system: FaultSystem;
let checker: StateChecker;
const table = new OutcomeTable();
let seed = 7000;

beforeAll(async () => {
  system = await FaultSystem.start({ nodes: 4, shards: 4, seed: "crash" });
  checker = await StateChecker.create(system);
});
afterEach(() => {
  system.failPoints.disarm();
  for (const name of NODES) system.network.setNodeFault(name, { kind: "none" });
});
afterAll(async () => {
  console.log(table.toString());
  await system[Symbol.asyncDispose]();
});

describe("N10: a node that crashes in the middle of an upload", () => {
  const points: FailPointName[] = [
    "publish.after-registered",
    "tracker.after-report",
    "tracker.after-certificate",
  ];
  const crashes = ["and keeps its disk", "and loses its disk"] as const;
  it.each(points.flatMap((point) => crashes.map((crash) => ({ point, crash }))))(
    "at $point $crash is repeated to, paid for once",
    async ({ point, crash }) => {
      const content = prng(seed++, 300);
      const keepsDisk = crash === "and keeps its disk";
      const crashed = system.failPoints.arm(point, async () => {
        if (!keepsDisk) system.network.setNodeFault("node-1", { kind: "drop-slivers", heal: false });
        await system.network.restartNode("node-1");
        return true;
      });
      const startMs = performance.now();
      const response = await system.publish(content, QUERY);
      const recoveryMs = performance.now() - startMs;
      await crashed;
      expect([response.status, await response.text()]).toEqual([
        200,
        expect.stringContaining("newlyCreated"),
      ]);
      table.add({ row: "N10", step: point, fault: `crash ${crash}`, outcome: "200", recoveryMs });
      // A disk lost after its slivers were stored is the healer's business, not the upload's.
      const found = await checker.violations({
        content,
        epochs: EPOCHS,
        deletable: true,
        onAllNodes: keepsDisk,
      });
      expect(found).toEqual([]);
    },
  );
});

describe("N1: more than f shards", () => {
  it.each(["down", "error", "wrong-signature"] as const)(
    "that are %s: refused with the numbers; the next request pays nothing again",
    async (kind) => {
      const content = prng(seed++, 300);
      for (const name of ["node-1", "node-2"]) system.network.setNodeFault(name, { kind });
      const startMs = performance.now();
      const refused = await system.publish(content, QUERY);
      const text = await refused.text();
      const recoveryMs = performance.now() - startMs;
      expect([refused.status, text]).toEqual([
        504,
        expect.stringMatching(/have 2 of 3 shards, .* of 4, epoch 1/),
      ]);
      for (const name of NODES) system.network.setNodeFault(name, { kind: "none" });
      const again = await system.publish(content, QUERY);
      expect([again.status, await again.text()]).toEqual([200, expect.stringContaining("newlyCreated")]);
      table.add({ row: "N1", step: "2 of 4 nodes", fault: kind, outcome: "504, then 200", recoveryMs });
      expect(await checker.violations({ content, epochs: EPOCHS, deletable: true })).toEqual([]);
    },
  );
});
