/**
 * `npm test` and `npm run test:long`: check, build, run the suites, close with counts.
 *
 * Long suites are the same files with more cases: `FLOE_LONG=1` opens the heavy ones, `FLOE_RUNS` sets the number
 * of property-test runs.
 */
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { bundleWorker, quietEnvironment } from "../dev/worker-bundle.ts";
import { ROOT } from "../host/project-root.ts";
import { check } from "./check.ts";

const HELP = `usage: npm test [-- FILTER ...]
       npm run test:long [-- FILTER ...]

npm test          types, lint, build, every per-commit suite
npm run test:long the same, and with FLOE_LONG=1:
                    the heavy RedStuff vector (14 MB at 1000 shards) and the Move vectors at 1000 shards
                    every combination of the fault matrix (test/fault/matrix)
                    more seeds of the auditor's simulations, and silent loss of 5 % and 33 % found on the network
                    102,000 blobs through the codec, its oracle and the official encoder (about an hour)
                    FLOE_RUNS=200 runs of each other property test (or what FLOE_RUNS says)
FLOE_SUI_FRAMEWORK=DIR runs the Move tests against the Sui framework in DIR as well; without it they count as skipped
FLOE_WALRUS_CONTRACTS=DIR compiles the gate against the Walrus contracts in DIR besides (mainnet-contracts of Walrus)
FILTER            run only test files whose path contains it (skips nothing else)`;

const args = process.argv.slice(2);
const long = args.includes("--long");
const filters = args.filter((arg) => !arg.startsWith("--"));
const unknown = args.filter((arg) => arg.startsWith("--") && arg !== "--long" && arg !== "--help");
if (args.includes("--help")) {
  console.log(HELP);
} else if (unknown.length > 0) {
  console.error(`unknown option ${unknown.join(" ")}\n${HELP}`);
  process.exitCode = 2;
} else {
  process.exitCode = await main();
}

interface VitestReport {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  readonly numTodoTests: number;
  readonly numFailedTestSuites: number;
  readonly success: boolean;
}

async function main(): Promise<number> {
  const started = performance.now();
  if (!check()) return 1;
  for (const config of ["wrangler.toml", "auditor/wrangler.toml"]) await bundleWorker(config);
  console.log("ok   kernels and bundles");

  const report = join(ROOT, "build", "test-report.json");
  mkdirSync(join(ROOT, "build"), { recursive: true });
  rmSync(report, { force: true });
  const vitest = join(ROOT, "node_modules", "vitest", "vitest.mjs");
  const code = await run([
    vitest,
    "run",
    "--reporter=default",
    "--reporter=json",
    `--outputFile=${report}`,
    ...filters,
  ]);
  if (!existsSync(report)) {
    console.error("the test runner left no report");
    return 1;
  }
  const counts = JSON.parse(readFileSync(report, "utf8")) as VitestReport;
  const skipped = counts.numPendingTests + counts.numTodoTests;
  const failed = counts.numFailedTests + (counts.numFailedTests === 0 ? counts.numFailedTestSuites : 0);
  console.log(`whole run ${((performance.now() - started) / 1000).toFixed(0)} s`);
  console.log(`${counts.numPassedTests} passed, ${failed} failed, ${skipped} skipped`);
  return code === 0 && counts.success && counts.numPassedTests > 0 ? 0 : 1;
}

function run(argv: string[]): Promise<number> {
  const env = {
    ...quietEnvironment(),
    FLOE_BUNDLED: "1",
    ...(long ? { FLOE_LONG: "1", FLOE_RUNS: process.env["FLOE_RUNS"] ?? "200" } : {}),
  };
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, argv, { cwd: ROOT, stdio: "inherit", env });
    child.on("error", reject);
    child.on("exit", (code) => resolve(code ?? 1));
  });
}
