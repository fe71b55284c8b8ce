// Entry of every npm script: needs only Node >= 18 and npm. Installs the locked packages when they are missing or
// stale, then runs the given TypeScript file on the Node 24 of the `node` package with the remaining arguments.
import { spawn, spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const modules = join(root, "node_modules");
const node = join(modules, "node", "bin", process.platform === "win32" ? "node.exe" : "node");

const [script, ...args] = process.argv.slice(2);
if (script === undefined) {
  console.error("usage: node scripts/bootstrap.mjs SCRIPT.ts [ARGUMENT ...]");
  process.exit(2);
}

if (!isInstalled()) {
  console.error("Installing the locked packages (npm ci), once ...");
  const npm = spawnSync("npm", ["ci", "--no-audit", "--no-fund", "--loglevel=error"], {
    cwd: root,
    stdio: ["ignore", process.stderr, process.stderr],
    shell: process.platform === "win32",
  });
  if (npm.status !== 0) {
    console.error(
      `npm ci failed (${npm.error ? npm.error.message : `exit ${npm.status}`}). ` +
        "Check that npm reaches its registry, then run the same command again.",
    );
    process.exit(1);
  }
  if (!existsSync(node)) {
    console.error(
      "The `node` package has no binary: allow its install script (npm config ignore-scripts), retry.",
    );
    process.exit(1);
  }
}

// What npm has installed, by its own record, against the lockfile; optional packages depend on the platform.
function isInstalled() {
  const record = join(modules, ".package-lock.json");
  if (!existsSync(record) || !existsSync(node)) return false;
  const wanted = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")).packages;
  const present = JSON.parse(readFileSync(record, "utf8")).packages;
  return Object.entries(wanted).every(
    ([path, entry]) => path === "" || entry.optional || present[path]?.version === entry.version,
  );
}

// Quiet and offline: no telemetry, no update check, no look-up of a fake request location, no log files at home.
const env = {
  ...process.env,
  CLOUDFLARE_CF_FETCH_ENABLED: "false",
  CLOUDFLARE_LOAD_DEV_VARS_FROM_DOT_ENV: "false",
  WRANGLER_SEND_METRICS: "false",
  WRANGLER_HIDE_BANNER: "true",
  WRANGLER_WRITE_LOGS: "false",
  PATH: `${join(modules, ".bin")}${process.platform === "win32" ? ";" : ":"}${process.env.PATH ?? ""}`,
};
const child = spawn(node, [join(root, script), ...args], { stdio: "inherit", env });
// Ctrl-C reaches the child through the terminal; it decides how to stop and this process reports its result.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
  process.on(signal, () => {
    if (signal !== "SIGINT") child.kill(signal);
  });
}
child.on("exit", (code, signal) => process.exit(signal ? 1 : (code ?? 1)));
child.on("error", (error) => {
  console.error(`could not start ${node}: ${error.message}`);
  process.exit(1);
});
