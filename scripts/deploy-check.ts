/** `npm run deploy:check`: bundles every Worker as a deployment would and prints size and start-up time. */
import { execFile } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import { bundleWorker, quietEnvironment } from "../dev/worker-bundle.ts";
import { command, runToExitCode } from "../host/command.ts";
import { ROOT } from "../host/project-root.ts";

/** Workers of free plans may have 3 MB after compression; larger bundles start slowly anyway. */
const MAX_GZIP_BYTES = 3_000_000;
const CONFIGS = ["wrangler.toml", "auditor/wrangler.toml"];

async function main(): Promise<number> {
  let isFine = true;
  for (const config of CONFIGS) {
    const { name, outdir } = await bundleWorker(config);
    let plain = 0;
    let gzip = 0;
    for (const file of readdirSync(outdir).filter((each) => /\.(js|wasm)$/.test(each))) {
      const bytes = readFileSync(join(outdir, file));
      plain += bytes.length;
      gzip += gzipSync(bytes).length;
    }
    const fits = gzip <= MAX_GZIP_BYTES;
    isFine &&= fits;
    console.log(`${fits ? "ok  " : "FAIL"} ${name}: ${kib(plain)} KiB, ${kib(gzip)} KiB gzip`);
    console.log(await startup(join(outdir, "..", `${name}.cpuprofile`), config));
  }
  return isFine ? 0 : 1;
}

const kib = (bytes: number): string => (bytes / 1024).toFixed(0);

/** CPU time of the global scope, as wrangler measures it in a local workerd. */
async function startup(profile: string, config: string): Promise<string> {
  const wrangler = join(ROOT, "node_modules", "wrangler", "bin", "wrangler.js");
  const args = [wrangler, "check", "startup", "--outfile", profile, `--args=--config=${join(ROOT, config)}`];
  await promisify(execFile)(process.execPath, args, { cwd: ROOT, env: quietEnvironment() });
  const { startTime, endTime } = JSON.parse(readFileSync(profile, "utf8")) as {
    startTime: number;
    endTime: number;
  };
  return `     start-up ${((endTime - startTime) / 1000).toFixed(0)} ms of at most 1000 ms`;
}

const deployCheck = command(
  {
    name: "npm run deploy:check",
    about:
      "Dry-run deployment of every Worker: bundle size (plain, gzip) against Cloudflare's 3 MB gzip limit of small plans, and start-up time. Needs no login and no network.",
    options: {},
  },
  main,
);

process.exitCode = await runToExitCode(deployCheck, process.argv.slice(2));
