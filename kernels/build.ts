/**
 * Builds the SIMD kernels: `kernels/assembly` plus what `kernels/generate` writes, compiled by AssemblyScript.
 *
 *     build/kernels/floe-relaxed.wasm     relaxed SIMD: Node 24, workerd
 *     build/kernels/floe-simd.wasm        plain SIMD
 *
 * Both variants are compiled at once in two processes, in about 8 s; nothing is done when the sources have not changed
 * since the last build. Run it directly or call `buildKernels`.
 */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join, resolve } from "node:path";
import { generatedSources, VARIANTS, type Variant } from "./generate/sources.ts";

const ROOT = resolve(import.meta.dirname, "..");
const ASSEMBLY = join(import.meta.dirname, "assembly");
const OUT = join(ROOT, "build", "kernels");
const COMPILER = join(ROOT, "node_modules", "assemblyscript", "bin", "asc.js");

/** Constants of the compiler start behind our fixed tables (kernels/assembly/layout.ts). */
const MEMORY_BASE = 0x50000;
const FLAGS = [
  ...["--runtime", "stub", "--importMemory", "--noAssert", "-O1", "--memoryBase", String(MEMORY_BASE)],
  ...["--enable", "simd"],
];
const VARIANT_FLAGS: Record<Variant, readonly string[]> = {
  relaxed: ["--enable", "relaxed-simd"],
  simd: [],
};

export const kernelPath = (variant: Variant): string => join(OUT, `floe-${variant}.wasm`);

/**
 * Compiles what is out of date.
 *
 * @returns true when anything was compiled
 * @throws Error with the compiler's own output
 */
export function buildKernels(): Promise<boolean> {
  // The network and the bundles of one process ask at the same time; one build serves them all.
  building ??= build().finally(() => {
    building = undefined;
  });
  return building;
}

let building: Promise<boolean> | undefined;

async function build(): Promise<boolean> {
  const assembly = new Map(
    readdirSync(ASSEMBLY)
      .filter((name) => name.endsWith(".ts"))
      .sort()
      .map((name) => [name, inlined(readFileSync(join(ASSEMBLY, name), "utf8"))]),
  );
  const built = await Promise.all(
    VARIANTS.map((variant) => compile(variant, new Map([...assembly, ...generatedSources(variant)]))),
  );
  return built.includes(true);
}

/** AssemblyScript's decorator on a function is no TypeScript, so the sources carry it as a comment. */
const inlined = (source: string): string => source.replaceAll("/* @inline */", "@inline");

async function compile(variant: Variant, sources: ReadonlyMap<string, string>): Promise<boolean> {
  const flags = [...FLAGS, ...VARIANT_FLAGS[variant]];
  const stamp = createHash("sha256")
    .update(JSON.stringify([flags, [...sources]]))
    .update(readFileSync(join(ROOT, "node_modules", "assemblyscript", "package.json")))
    .digest("hex");
  const wasm = kernelPath(variant);
  const stampFile = `${wasm}.stamp`;
  if (existsSync(wasm) && existsSync(stampFile) && readFileSync(stampFile, "utf8") === stamp) return false;

  // A folder and an output of this build's own: two builds at the same time must not mix their files.
  mkdirSync(OUT, { recursive: true });
  const folder = mkdtempSync(join(OUT, `${variant}-`));
  try {
    for (const [name, source] of sources) writeFileSync(join(folder, name), source);
    const output = join(folder, "out.wasm");
    await run([COMPILER, join(folder, "index.ts"), "-o", output, ...flags]);
    renameSync(output, wasm);
    writeFileSync(stampFile, stamp);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return true;
}

function run(argv: readonly string[]): Promise<void> {
  return new Promise((done, fail) => {
    const child = spawn(process.execPath, argv, { cwd: ROOT, stdio: ["ignore", "pipe", "pipe"] });
    let said = "";
    child.stdout.on("data", (chunk: Buffer) => {
      said += chunk.toString();
    });
    child.stderr.on("data", (chunk: Buffer) => {
      said += chunk.toString();
    });
    child.on("error", fail);
    child.on("exit", (code) => {
      if (code === 0) done();
      else fail(new Error(`compiling the kernels failed (${code}):\n${said}`));
    });
  });
}

if (process.argv[1] === import.meta.filename) {
  const started = performance.now();
  const built = await buildKernels();
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  console.log(built ? `kernels built in ${seconds} s` : "kernels are up to date");
}
