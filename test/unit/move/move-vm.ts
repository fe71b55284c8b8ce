/**
 * Runs Move unit tests in the VM of `@zktx.io/sui-move-builder`, offline.
 *
 * The framework a package depends on comes from `move/framework-stubs`, or from a directory with the real sources. The
 * builder asks for both by the same URL, so packages, tests and manifests are the same either way.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { stripVTControlCharacters } from "node:util";
import {
  dumpMovePackage,
  initMovePackageBuilder,
  MovePackageFetcher,
  testMovePackage,
} from "@zktx.io/sui-move-builder/full";

const MOVE = join(import.meta.dirname, "../../../move");
const WASM = join(
  import.meta.dirname,
  "../../../node_modules/@zktx.io/sui-move-builder/dist/full/sui_move_wasm_bg.wasm",
);
const STUBS = join(MOVE, "framework-stubs");

/** Directory of the real framework sources (`move-stdlib`, `sui-framework`), when there is one. */
export const REAL_FRAMEWORK = process.env["FLOE_SUI_FRAMEWORK"];

type Files = Record<string, string>;

function moveFiles(folder: string, withTests: boolean): Files {
  const files: Files = { "Move.toml": readFileSync(join(folder, "Move.toml"), "utf8") };
  for (const part of withTests ? ["sources", "tests"] : ["sources"]) {
    if (!existsSync(join(folder, part))) continue;
    for (const entry of readdirSync(join(folder, part), { recursive: true, encoding: "utf8" })) {
      if (entry.endsWith(".move")) {
        files[`${part}/${entry}`] = readFileSync(join(folder, part, entry), "utf8");
      }
    }
  }
  return files;
}

class LocalSources extends MovePackageFetcher {
  readonly #framework: string;

  constructor(framework: string) {
    super();
    this.#framework = framework;
    this.fetchLocal = async (path) => moveFiles(join(MOVE, path.replace(/^(\.\.\/)+/, "")), false);
  }

  override async fetch(url: string, _revision: string, folder = ""): Promise<Files> {
    if (url.includes("MystenLabs/walrus")) return moveFiles(join(MOVE, "walrus-stubs"), false);
    const name = folder.split("/").at(-1) ?? "";
    if (name === "move-stdlib" || name === "sui-framework")
      return moveFiles(join(this.#framework, name), false);
    throw new Error(`no sources of ${url} ${folder}`);
  }

  override async fetchFile(): Promise<string | null> {
    return null;
  }

  override getResolvedSha(): undefined {
    return undefined;
  }
}

/** Names of the test functions in a package's sources, as `module::function`. */
export function moveTestNames(packageName: string): string[] {
  const names: string[] = [];
  for (const [path, source] of Object.entries(moveFiles(join(MOVE, packageName), true))) {
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
  framework = STUBS,
  tests?: Readonly<Record<string, string>>,
): Promise<MoveTestRun> {
  await initMovePackageBuilder({ wasm: readFileSync(WASM) });
  const files = moveFiles(join(MOVE, packageName), tests === undefined);
  const result = await testMovePackage({
    files: { ...files, ...tests },
    fetcher: new LocalSources(framework),
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
  framework = STUBS,
): Promise<{ modules: string[]; warnings: string }> {
  await initMovePackageBuilder({ wasm: readFileSync(WASM) });
  const result = await dumpMovePackage({
    files: moveFiles(join(MOVE, packageName), false),
    fetcher: new LocalSources(framework),
    network: "mainnet",
    lintFlag: "all",
  });
  if ("error" in result) throw new Error(result.error);
  return { modules: result.modules, warnings: result.warnings ?? "" };
}
