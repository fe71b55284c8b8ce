/** `npm run check`: type check, format and lint. Exits non-zero on the first that fails. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { ROOT } from "../host/project-root.ts";

const bin = (name: string): string => join(ROOT, "node_modules", ".bin", name);

/** @returns true when types, formatting and lint rules hold */
export function check(): boolean {
  const steps: [string, string, string[]][] = [
    ["types", bin("tsc"), ["-p", ROOT]],
    ["format and lint", bin("biome"), ["check", "--error-on-warnings", ROOT]],
  ];
  for (const [name, command, args] of steps) {
    const started = performance.now();
    const { status } = spawnSync(command, args, { cwd: ROOT, stdio: "inherit" });
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    console.log(`${status === 0 ? "ok  " : "FAIL"} ${name} (${seconds} s)`);
    if (status !== 0) return false;
  }
  return true;
}

if (process.argv[1] === import.meta.filename) process.exitCode = check() ? 0 : 1;
