// If this fails, a part imports against the architecture: what can be deployed, tested and swapped alone no longer can.
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { describe, expect, it } from "vitest";

const root = resolve(import.meta.dirname, "../..");

/** Rooms of a part in their order: each may import those before it, and `shared`. */
function rooms(part: string, order: readonly string[]): Record<string, readonly string[]> {
  const paths = order.map((room) => `${part}/${room}`);
  return Object.fromEntries(paths.map((path, at) => [path, ["shared", ...paths.slice(0, at)]]));
}

/** Each part may import itself and the parts listed; types count. */
const MAY_IMPORT: Record<string, readonly string[]> = {
  "shared/base": [],
  "shared/protocol": ["shared/base"],
  "shared/crypto": ["shared/base", "shared/protocol"],
  "shared/codec": ["shared/base", "shared/protocol", "shared/crypto"],
  "shared/node": ["shared/base", "shared/protocol", "shared/crypto", "shared/codec"],
  "shared/network": ["shared/base", "shared/protocol"],
  "shared/audit": ["shared/base", "shared/protocol", "shared/crypto", "shared/codec", "shared/node"],
  "shared/sui/client": ["shared/base", "shared/protocol", "shared/crypto"],
  "shared/sui/walrus": [
    "shared/base",
    "shared/protocol",
    "shared/crypto",
    "shared/codec",
    "shared/sui/client",
  ],
  "shared/sui/wallet": [
    "shared/base",
    "shared/protocol",
    "shared/crypto",
    "shared/codec",
    "shared/sui/client",
    "shared/sui/walrus",
  ],
  "shared/sui/audit": [
    "shared/base",
    "shared/protocol",
    "shared/crypto",
    "shared/codec",
    "shared/audit",
    "shared/sui/client",
    "shared/sui/walrus",
    "shared/sui/wallet",
  ],
  kernels: [],
  ...rooms("functions", ["base", "lanes", "chain", "nodes", "wallet", "tracker", "read", "upload", "http"]),
  functions: ["shared", "kernels", "functions"],
  "auditor/ledger": ["shared"],
  "auditor/population": ["shared", "auditor/ledger"],
  "auditor/chain": ["shared", "auditor/ledger", "auditor/population"],
  "auditor/round": ["shared", "auditor/ledger", "auditor/population", "auditor/chain"],
  "auditor/claims": ["shared", "auditor/ledger", "auditor/population", "auditor/chain", "auditor/round"],
  "auditor/edge-reads": ["shared", "auditor/ledger", "auditor/population"],
  "auditor/face": ["shared", "auditor"],
  auditor: ["shared", "kernels", "auditor"],
  verifier: ["shared"],
  host: ["shared", "kernels"],
  localnet: ["shared", "kernels", "host", "localnet"],
  "localnet/sui/base": ["shared"],
  "localnet/sui/move": ["shared", "localnet/sui/base"],
  "localnet/sui/ledger": ["shared", "localnet/sui/base", "localnet/sui/move"],
  "localnet/sui/vm": ["shared", "localnet/sui/base", "localnet/sui/move", "localnet/sui/ledger"],
  "localnet/sui/contracts": [
    "shared",
    "localnet/sui/base",
    "localnet/sui/move",
    "localnet/sui/ledger",
    "localnet/sui/vm",
  ],
  "localnet/sui/rpc": [
    "shared",
    "localnet/sui/base",
    "localnet/sui/move",
    "localnet/sui/ledger",
    "localnet/sui/vm",
    "localnet/sui/contracts",
  ],
  "localnet/storage-node": ["shared", "kernels", "host"],
  move: ["shared", "host"],
  dev: ["shared", "kernels", "host"],
  cli: ["shared", "host", "verifier", "move", "auditor"],
  scripts: [
    "shared",
    "kernels",
    "host",
    "dev",
    "localnet",
    "verifier",
    "move",
    "functions",
    "auditor",
    "cli",
  ],
  bench: [
    "shared",
    "kernels",
    "host",
    "dev",
    "localnet",
    "cli",
    "functions",
    "auditor",
    "verifier",
    "scripts",
  ],
  test: [
    "shared",
    "kernels",
    "host",
    "dev",
    "localnet",
    "cli",
    "functions",
    "auditor",
    "verifier",
    "move",
    "scripts",
    "bench",
  ],
};

/** Parts whose files do not refer to each other in circles even by types, so that each can be read after those it uses. */
const NO_TYPE_CYCLES = [
  "shared",
  "functions",
  "auditor",
  "verifier",
  "host",
  "localnet",
  "cli",
  "dev",
  "bench",
  "scripts",
  "kernels",
];
/** Single imports that are allowed against the rule above, each with its reason. */
const EXCEPTIONS: readonly { readonly from: string; readonly to: string }[] = [
  // The command may be started on any Node from 18 on, with nothing installed: the bootstrap sees to both.
  { from: "cli/floe.mjs", to: "scripts/bootstrap.mjs" },
  // The interface of a ledger's SQL stands with the auditor for now; the file here has types of it only.
  { from: "host/sqlite-ledger.ts", to: "auditor/ledger/ledger-sql.ts" },
];

/** Packages each part may name; `shared` runs anywhere, so it names neither Node built-ins nor Worker bindings. */
const SHARED_PACKAGES = [/^@mysten\/sui(\/|$)/, /^@noble\/(hashes|curves)(\/|$)/, /^@scure\/base$/];
const PACKAGES: Record<string, readonly RegExp[]> = {
  shared: SHARED_PACKAGES,
  functions: [...SHARED_PACKAGES, /^@mysten\/walrus-wasm(\/|$)/, /^itty-router$/, /^cloudflare:workers$/],
  auditor: [...SHARED_PACKAGES, /^itty-router$/, /^cloudflare:workers$/],
  localnet: [...SHARED_PACKAGES, /^node:/],
};

/** Globals that would tie `shared`, the upload and the read path to one clock, one network or one platform. */
const INJECTED =
  /(?<![\w.#])(Date\.now|Math\.random|performance\.now|(?<!typeof )globalThis\.fetch)\b|(?<![\w.#"'`])(setTimeout|setInterval)\(|(?<![\w.#"'`/])\bBuffer\.|(?<![\w.#"'`/])process\./;
/** The auditor's parts: a folder each, what is injected into them outside. */
const AUDITOR_PARTS = Object.keys(MAY_IMPORT).filter((part) => part.startsWith("auditor/"));
/** Names the platform's timers for all others, which wait on a clock that they are given. */
const TIMERS = "shared/base/clock.ts";
const PLATFORM_FREE = [
  "shared",
  "functions/upload",
  "functions/read",
  "functions/tracker",
  "functions/nodes",
  "functions/lanes",
  "functions/http",
  ...AUDITOR_PARTS,
];

function sources(folder: string): string[] {
  const found: string[] = [];
  let entries: ReturnType<typeof readdirSync> = [];
  try {
    entries = readdirSync(join(root, folder), { withFileTypes: true, recursive: true }) as never;
  } catch {
    return found;
  }
  for (const entry of entries as unknown as { name: string; parentPath: string; isFile(): boolean }[]) {
    // AssemblyScript has a module system of its own; its sources import only each other.
    if (entry.parentPath.includes("kernels/assembly")) continue;
    if (entry.isFile() && /\.(ts|mjs)$/.test(entry.name)) found.push(join(entry.parentPath, entry.name));
  }
  return found;
}

/** @param kind "values" leaves out `import type`: types are gone at run time and may refer to each other */
function importsOf(file: string, kind: "all" | "values" = "all"): string[] {
  const code = readFileSync(file, "utf8")
    .replace(/\/\*[\s\S]*?\*\//g, "")
    .replace(/^\s*\/\/.*$/gm, "");
  const statements = kind === "all" ? code : code.replace(/\b(?:import|export) type\b[^;]*;/g, "");
  const pattern = /(?:\bfrom|\bimport)\s*\(?\s*["']([^"'`${},\s]+)["']/g;
  return [...statements.matchAll(pattern)].map((match) => match[1] ?? "");
}

const partOf = (path: string): string | undefined =>
  Object.keys(MAY_IMPORT)
    .filter((part) => path === part || path.startsWith(`${part}/`))
    .sort((a, b) => b.length - a.length)[0];

/** @returns one line per import that the rule forbids */
function violations(file: string, specifiers: readonly string[]): string[] {
  const path = relative(root, file);
  const part = partOf(path);
  if (part === undefined) return [];
  const allowed = MAY_IMPORT[part] ?? [];
  const bad: string[] = [];
  for (const specifier of specifiers) {
    if (specifier.startsWith(".")) {
      const target = relative(root, resolve(dirname(file), specifier));
      const targetPart = partOf(target);
      const fine =
        targetPart === undefined ||
        targetPart === part ||
        EXCEPTIONS.some(({ from, to }) => from === path && to === target) ||
        allowed.some((each) => targetPart === each || targetPart.startsWith(`${each}/`));
      if (!fine) bad.push(`${path} imports ${target}`);
      if (/\.wasm$/.test(specifier) && part.startsWith("shared")) bad.push(`${path} imports ${specifier}`);
      // The kernels' generator carries AssemblyScript imports in its templates.
      if (part !== "kernels" && !/\.(ts|mjs|wasm|json)$/.test(specifier))
        bad.push(`${path} imports ${specifier} without its suffix`);
    } else {
      const rules = PACKAGES[part.split("/")[0] ?? ""];
      if (rules !== undefined && !rules.some((rule) => rule.test(specifier)))
        bad.push(`${path} imports ${specifier}`);
    }
  }
  return bad;
}

describe("imports", () => {
  const files = Object.keys(MAY_IMPORT)
    .filter((part) => !part.includes("/"))
    .concat("shared")
    .flatMap(sources);

  it("finds the sources it is to judge", () => {
    expect(files.length).toBeGreaterThan(20);
  });

  it("run one way only, through listed packages", () => {
    expect(files.flatMap((file) => violations(file, importsOf(file)))).toEqual([]);
  });

  it("have no cycles", () => {
    expect(findCycle(files, "values")).toBeUndefined();
  });

  it("have no cycles of types either, where a part has been freed of them", () => {
    expect(findCycle(NO_TYPE_CYCLES.flatMap(sources), "all")).toBeUndefined();
  });

  it("would be caught if they ran the wrong way", () => {
    const planted = join(root, "shared/protocol/planted.ts");
    expect(violations(planted, ["../codec/codec.ts"])).toHaveLength(1);
    expect(violations(planted, ["node:fs"])).toHaveLength(1);
    expect(violations(join(root, "functions/planted.ts"), ["../localnet/network.ts"])).toHaveLength(1);
    expect(violations(join(root, "functions/read/planted.ts"), ["../upload/publish.ts"])).toHaveLength(1);
    expect(violations(join(root, "functions/read/planted.ts"), ["../compose.ts"])).toHaveLength(1);
    expect(violations(join(root, "functions/upload/planted.ts"), ["../read/blob-status.ts"])).toEqual([]);
    expect(violations(join(root, "localnet/planted.ts"), ["../functions/base/env.ts"])).toHaveLength(1);
    expect(violations(join(root, "auditor/ledger/planted.ts"), ["../round/questions.ts"])).toHaveLength(1);
    expect(violations(join(root, "auditor/round/planted.ts"), ["../ledger/rounds.ts"])).toEqual([]);
    expect(violations(join(root, "functions/planted.ts"), ["../shared/protocol/ids.ts"])).toEqual([]);
    expect(violations(join(root, "cli/planted.ts"), ["../localnet/network.ts"])).toHaveLength(1);
    expect(violations(join(root, "cli/planted.ts"), ["../dev/edge-runtime.ts"])).toHaveLength(1);
    expect(violations(join(root, "cli/planted.ts"), ["../scripts/bootstrap.mjs"])).toHaveLength(1);
    expect(violations(join(root, "cli/floe.mjs"), ["../scripts/bootstrap.mjs"])).toEqual([]);
    expect(violations(join(root, "host/planted.ts"), ["../auditor/ledger/rounds.ts"])).toHaveLength(1);
    expect(violations(join(root, "move/planted.ts"), ["../dev/worker-bundle.ts"])).toHaveLength(1);
    expect(violations(join(root, "shared/sui/walrus/planted.ts"), ["../audit/events.ts"])).toHaveLength(1);
    expect(violations(join(root, "shared/sui/audit/planted.ts"), ["../../node/limits.ts"])).toHaveLength(1);
  });

  it("leave clock, randomness, network and platform to be injected", () => {
    const bad = PLATFORM_FREE.flatMap(sources).flatMap((file) => {
      if (relative(root, file) === TIMERS) return [];
      const code = readFileSync(file, "utf8").replace(/\/\*[\s\S]*?\*\//g, "");
      return code
        .split("\n")
        .filter((line) => !/^\s*\/\//.test(line) && INJECTED.test(line))
        .map((line) => `${relative(root, file)}: ${line.trim()}`);
    });
    expect(bad).toEqual([]);
    for (const line of ["const timer = setTimeout(() => {", "const nowMs = Date.now();"])
      expect(INJECTED.test(line), line).toBe(true);
    expect(INJECTED.test("this.#setTimeout(10)")).toBe(false);
  });
});

function findCycle(files: readonly string[], kind: "all" | "values"): string | undefined {
  const graph = new Map<string, string[]>();
  for (const file of files) {
    const targets = importsOf(file, kind)
      .filter((specifier) => specifier.startsWith("."))
      .map((specifier) => resolve(dirname(file), specifier));
    graph.set(file, targets);
  }
  const state = new Map<string, "open" | "done">();
  const visit = (file: string, trail: string[]): string | undefined => {
    if (state.get(file) === "done") return undefined;
    if (state.get(file) === "open") return [...trail, file].map((each) => relative(root, each)).join(" -> ");
    state.set(file, "open");
    for (const target of graph.get(file) ?? []) {
      const cycle = visit(target, [...trail, file]);
      if (cycle !== undefined) return cycle;
    }
    state.set(file, "done");
    return undefined;
  };
  for (const file of files) {
    const cycle = visit(file, []);
    if (cycle !== undefined) return cycle;
  }
  return undefined;
}
