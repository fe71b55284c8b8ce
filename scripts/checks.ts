/** The checks that need nothing run: types, format and lint rules, side by side. */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { ROOT } from "../host/project-root.ts";

const CHECKS: readonly (readonly [name: string, bin: string, ...args: string[]])[] = [
  ["types", "tsc", "-p", ROOT],
  ["format and lint", "biome", "check", "--error-on-warnings", ROOT],
];

/** Prints each check's complaints in one piece. @returns true when types, formatting and lint rules hold */
export async function runChecks(): Promise<boolean> {
  const results = await Promise.all(CHECKS.map(([name, bin, ...args]) => runCheck(name, bin, args)));
  return results.every((holds) => holds);
}

function runCheck(name: string, bin: string, args: readonly string[]): Promise<boolean> {
  const started = performance.now();
  return new Promise((resolve, reject) => {
    const child = spawn(join(ROOT, "node_modules", ".bin", bin), args, {
      cwd: ROOT,
      stdio: ["ignore", "pipe", "pipe"],
    });
    const output: Buffer[] = [];
    for (const stream of [child.stdout, child.stderr])
      stream.on("data", (chunk: Buffer) => output.push(chunk));
    child.on("error", reject);
    child.on("close", (code) => {
      const holds = code === 0;
      if (!holds) process.stdout.write(Buffer.concat(output));
      const seconds = ((performance.now() - started) / 1000).toFixed(1);
      console.log(`${holds ? "ok  " : "FAIL"} ${name} (${seconds} s)`);
      resolve(holds);
    });
  });
}
