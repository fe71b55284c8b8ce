/**
 * Bundles a Worker exactly as a deployment would (`wrangler deploy --dry-run`) and loads it for Miniflare.
 *
 * Works without login and without network. A bundle takes about 2 s; the result is what production would run.
 */
import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import { promisify } from "node:util";
import { unstable_getMiniflareWorkerOptions, unstable_readConfig } from "wrangler";
import { ROOT } from "../host/project-root.ts";
import { buildKernels } from "../kernels/build.ts";

const run = promisify(execFile);

export interface WorkerBundle {
  /** Worker name from its wrangler.toml. */
  readonly name: string;
  readonly configPath: string;
  /** Folder with the bundled module and its .wasm files. */
  readonly outdir: string;
}

/**
 * Kernels first, when they are out of date. Files are replaced one by one and whole: another process that starts a
 * Worker from the folder meanwhile finds every file.
 *
 * @throws Error with wrangler's own output when the bundle does not build
 */
export async function bundleWorker(configFile: string): Promise<WorkerBundle> {
  await buildKernels();
  const configPath = join(ROOT, configFile);
  const { name } = unstable_readConfig({ config: configPath });
  if (name === undefined) throw new Error(`${configFile} gives the Worker no name`);
  const outdir = join(ROOT, "build", name);
  mkdirSync(outdir, { recursive: true });
  // Beside it, so that paths in source maps hold.
  const fresh = mkdtempSync(join(ROOT, "build", `.${name}-`));
  const wrangler = join(ROOT, "node_modules", "wrangler", "bin", "wrangler.js");
  const args = [wrangler, "deploy", "--dry-run", "-c", configPath, "--outdir", fresh];
  try {
    await run(process.execPath, args, { cwd: ROOT, env: quietEnvironment() });
    for (const file of readdirSync(fresh)) renameSync(join(fresh, file), join(outdir, file));
  } catch (error) {
    const { stdout = "", stderr = "" } = error as { stdout?: string; stderr?: string };
    throw new Error(`bundling ${configFile} failed:\n${stdout}${stderr}`, { cause: error });
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
  return { name, configPath, outdir };
}

/** Miniflare (v4 form) options of a bundled Worker: its toml's bindings plus `bindings`. */
export function miniflareWorker(
  bundle: WorkerBundle,
  bindings: Record<string, string>,
): Record<string, unknown> {
  const { workerOptions } = unstable_getMiniflareWorkerOptions(bundle.configPath);
  const { modulesRules: _, ...options } = workerOptions as Record<string, unknown>;
  const files = readdirSync(bundle.outdir);
  const main = files.find((file) => file.endsWith(".js"));
  if (main === undefined) throw new Error(`no module in ${bundle.outdir}`);
  const wasm = files.filter((file) => file.endsWith(".wasm"));
  return {
    ...options,
    name: bundle.name,
    modules: [
      { type: "ESModule", path: join(bundle.outdir, main) },
      ...wasm.map((file) => ({ type: "CompiledWasm", path: join(bundle.outdir, basename(file)) })),
    ],
    modulesRoot: bundle.outdir,
    bindings: { ...(options["bindings"] as object | undefined), ...bindings },
  };
}

/** No telemetry, update check, log files or outside look-ups from wrangler. */
export function quietEnvironment(): NodeJS.ProcessEnv {
  return {
    ...process.env,
    CLOUDFLARE_CF_FETCH_ENABLED: "false",
    CLOUDFLARE_LOAD_DEV_VARS_FROM_DOT_ENV: "false",
    WRANGLER_SEND_METRICS: "false",
    WRANGLER_HIDE_BANNER: "true",
    WRANGLER_WRITE_LOGS: "false",
    NO_COLOR: "1",
  };
}
