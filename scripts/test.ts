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
import { command, runToExitCode } from "../host/command.ts";
import { flag } from "../host/options.ts";
import { ROOT } from "../host/project-root.ts";
import { runChecks } from "./checks.ts";
import { matchingFiles, testFiles } from "./test-files.ts";

const test = command(
  {
    name: "npm test",
    about:
      "Without a pattern: types, lint, build, every suite; npm run test:long does the same with --long. With patterns: the matching test files alone, without type check and lint; bundles are built only when some of those files are outside of test/unit and test/property.",
    options: { long: flag("the heavy cases as well") },
    rest: { name: "PATTERN", help: "run only test files whose path contains it, or one of several" },
    notes: `--long opens
  the heavy RedStuff vector (14 MB at 1000 shards) and the Move vectors at 1000 shards
  every combination of the fault matrix (test/fault/matrix)
  20 uploads at once to 1000 shards on 100 nodes (test/e2e/uploads-at-once.test.ts)
  more seeds of the auditor's simulations, and silent loss of 5 % and 33 % found on the network
  102,000 blobs through the codec, its oracle and the official encoder (about an hour)
  FLOE_RUNS=200 runs of each other property test (or as many as FLOE_RUNS has)

FLOE_SUI_FRAMEWORK=DIR runs the Move tests against the Sui framework in DIR as well; without it they count as skipped
FLOE_WALRUS_CONTRACTS=DIR compiles the gate against the Walrus contracts in DIR besides (mainnet-contracts of Walrus)`,
  },
  ({ values: { long }, rest }) => (rest.length === 0 ? testAll(long) : testSome(long, rest)),
);

interface VitestReport {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  readonly numTodoTests: number;
  readonly numFailedTestSuites: number;
  readonly success: boolean;
}

/** Suites that run the bundled Workers, or may. */
const RUNS_WORKERS = /^test\/(?!unit\/|property\/)/;

async function bundleWorkers(): Promise<void> {
  for (const config of ["wrangler.toml", "auditor/wrangler.toml"]) await bundleWorker(config);
  console.log("ok   kernels and bundles");
}

async function testAll(long: boolean): Promise<number> {
  const started = performance.now();
  if (!(await runChecks())) return 1;
  await bundleWorkers();
  return runSuites([], { ...longEnvironment(long), FLOE_BUNDLED: "1" }, started);
}

async function testSome(long: boolean, patterns: readonly string[]): Promise<number> {
  const started = performance.now();
  const files = matchingFiles(testFiles(ROOT), patterns);
  console.log(`${files.length} ${files.length === 1 ? "file matches" : "files match"}`);
  if (!files.some((file) => RUNS_WORKERS.test(file))) return runSuites(files, longEnvironment(long), started);
  await bundleWorkers();
  return runSuites(files, { ...longEnvironment(long), FLOE_BUNDLED: "1" }, started);
}

const longEnvironment = (long: boolean): Record<string, string> =>
  long ? { FLOE_LONG: "1", FLOE_RUNS: process.env["FLOE_RUNS"] ?? "200" } : {};

/** @param files all of them when empty. @param started when the whole run began, of `performance.now` */
async function runSuites(
  files: readonly string[],
  environment: Record<string, string>,
  started: number,
): Promise<number> {
  const report = join(ROOT, "build", "test-report.json");
  mkdirSync(join(ROOT, "build"), { recursive: true });
  rmSync(report, { force: true });
  const vitest = join(ROOT, "node_modules", "vitest", "vitest.mjs");
  const code = await run(
    [vitest, "run", "--reporter=default", "--reporter=json", `--outputFile=${report}`, ...files],
    environment,
  );
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

function run(argv: readonly string[], environment: Record<string, string>): Promise<number> {
  const env = { ...quietEnvironment(), ...environment };
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, argv, { cwd: ROOT, stdio: "inherit", env });
    child.on("error", reject);
    child.on("exit", (code) => resolve(code ?? 1));
  });
}

process.exitCode = await runToExitCode(test, process.argv.slice(2));
