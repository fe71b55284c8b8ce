/**
 * Runs Move unit tests in the VM of `@zktx.io/sui-move-builder`, offline.
 *
 * The framework a package depends on comes from `move/framework-stubs`, or from a directory with the real sources;
 * packages, tests and manifests are the same either way.
 */
import { join } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { dumpMovePackage, testMovePackage } from "@zktx.io/sui-move-builder/full";
import { FRAMEWORK_STUBS, LocalSources, MOVE, moveFiles, openBuilder } from "../../../move/build.ts";

/** Directory of the real framework sources (`move-stdlib`, `sui-framework`), when there is one. */
export const REAL_FRAMEWORK = process.env["FLOE_SUI_FRAMEWORK"];

/** Directory of the real Walrus contracts (`walrus` beside `wal`), when there is one. */
export const REAL_WALRUS = process.env["FLOE_WALRUS_CONTRACTS"];

const WITH_TESTS = ["sources", "tests"];

/** Names of the test functions in a package's sources, as `module::function`. */
export function moveTestNames(packageName: string): string[] {
  const names: string[] = [];
  for (const [path, source] of Object.entries(moveFiles(join(MOVE, packageName), WITH_TESTS))) {
    if (!path.startsWith("tests/")) continue;
    const module = /^module \w+::(\w+);/m.exec(source)?.[1];
    const pattern = /^#\[test(?:, expected_failure[^\n]*)?\]\n(?:\/\/\/[^\n]*\n)*fun (\w+)\(/gm;
    for (const match of source.matchAll(pattern)) names.push(`${module}::${match[1]}`);
  }
  return names;
}

export interface MoveTestRun {
  /** Outcome by `module::function`. */
  readonly outcomes: ReadonlyMap<string, string>;
  /** What the runner printed: stack traces of failures, or the compiler's errors. */
  readonly output: string;
}

/**
 * Compiles a package with its tests and runs all of them. Takes seconds: once per package and framework.
 *
 * @param tests other tests than the package's own: source by path
 */
export async function runMoveTests(
  packageName: string,
  framework = FRAMEWORK_STUBS,
  tests?: Readonly<Record<string, string>>,
): Promise<MoveTestRun> {
  await openBuilder();
  const files = moveFiles(join(MOVE, packageName), tests === undefined ? WITH_TESTS : undefined);
  const result = await testMovePackage({
    files: { ...files, ...tests },
    fetcher: new LocalSources({ framework }),
    network: "mainnet",
    silenceWarnings: true,
  });
  const text = "error" in result ? result.error : result.output;
  const output = stripVTControlCharacters(text);
  const outcomes = new Map<string, string>();
  for (const match of output.matchAll(/^\[ (\w+) +\] \w+::(\w+::\w+)$/gm)) {
    outcomes.set(match[2] ?? "", match[1] ?? "");
  }
  return { outcomes, output };
}

/** Base64 modules as they would be published, with the compiler's warnings at its strictest. */
export async function compileMovePackage(
  packageName: string,
  framework = FRAMEWORK_STUBS,
): Promise<{ modules: string[]; warnings: string }> {
  await openBuilder();
  const result = await dumpMovePackage({
    files: moveFiles(join(MOVE, packageName)),
    fetcher: new LocalSources({ framework }),
    network: "mainnet",
    lintFlag: "all",
  });
  if ("error" in result) throw new Error(result.error);
  return { modules: result.modules, warnings: result.warnings ?? "" };
}
