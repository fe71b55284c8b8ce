// If this fails, what auditors publish on chain can be forged, lost, or not be contested by the node it accuses.
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { compileForPublishing } from "../../../move/build.ts";
import {
  compileMovePackage,
  type MoveTestRun,
  moveTestNames,
  REAL_FRAMEWORK,
  REAL_WALRUS,
  runMoveTests,
} from "./move-vm.ts";

const PACKAGES = ["floe_audit", "floe_audit_walrus"] as const;
const FRAMEWORKS = [
  { title: "our interface stand-ins", framework: undefined, isThere: true },
  { title: "the real Sui framework", framework: REAL_FRAMEWORK, isThere: REAL_FRAMEWORK !== undefined },
] as const;

if (REAL_FRAMEWORK === undefined) {
  console.log("SKIPPED: Sui framework sources not available (FLOE_SUI_FRAMEWORK names none)");
}

if (REAL_WALRUS === undefined) {
  console.log("SKIPPED: Walrus contracts not available (FLOE_WALRUS_CONTRACTS names none)");
}

for (const { title, framework, isThere } of FRAMEWORKS) {
  for (const packageName of PACKAGES) {
    describe.skipIf(!isThere)(`${packageName} on ${title}`, () => {
      const names = moveTestNames(packageName);
      let run: MoveTestRun;
      beforeAll(async () => {
        run = await runMoveTests(packageName, framework);
      });

      it("compiles and runs every test it has", () => {
        expect(names.length).toBeGreaterThan(0);
        expect([...run.outcomes.keys()].sort(), run.output).toEqual([...names].sort());
      });

      it.each(names)("%s", (name) => {
        expect(run.outcomes.get(name), run.output).toBe("PASS");
      });
    });
  }
}

describe("floe_audit as it would be published", () => {
  it("compiles without a warning and stays small", async () => {
    const { modules, warnings } = await compileMovePackage("floe_audit");
    expect(warnings).toBe("");
    const bytes = modules.reduce((sum, module) => sum + Buffer.from(module, "base64").length, 0);
    expect(modules).toHaveLength(3);
    // A transaction holds 128 KiB; a package this size is published in one.
    expect(bytes).toBeLessThan(20_000);
  });

  it.skipIf(REAL_FRAMEWORK === undefined)("is the same bytecode with the real framework", async () => {
    const ours = await compileMovePackage("floe_audit");
    expect((await compileMovePackage("floe_audit", REAL_FRAMEWORK)).modules).toEqual(ours.modules);
  });
});

describe("floe_audit_walrus as it would be published", () => {
  const isThere = REAL_FRAMEWORK !== undefined && REAL_WALRUS !== undefined;

  it.skipIf(!isThere)(
    "is the same bytecode with the real framework and the real Walrus contracts",
    async () => {
      const real = { framework: String(REAL_FRAMEWORK), walrus: join(String(REAL_WALRUS), "walrus") };
      const { modules } = await compileForPublishing("floe_audit_walrus", real);
      expect(modules).toEqual((await compileForPublishing("floe_audit_walrus", {})).modules);
    },
  );
});
