/** Runs one of our scripts as a user's shell would, collects what it prints, and can stop it like Ctrl-C. */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { ROOT } from "../../host/project-root.ts";

export interface Finished {
  readonly code: number | null;
  readonly output: string;
}

/** @param onLine sees each line as it is printed; `stop` sends SIGINT */
export function runScript(
  script: string,
  args: readonly string[],
  onLine?: (line: string, stop: () => void) => void,
): Promise<Finished> {
  const child = spawn(process.execPath, [join(ROOT, script), ...args], { cwd: ROOT });
  let output = "";
  let seen = 0;
  const collect = (chunk: Buffer): void => {
    output += chunk.toString();
    for (let end = output.indexOf("\n", seen); end >= 0; end = output.indexOf("\n", seen)) {
      onLine?.(output.slice(seen, end), () => child.kill("SIGINT"));
      seen = end + 1;
    }
  };
  child.stdout.on("data", collect);
  child.stderr.on("data", collect);
  return new Promise((resolve) => child.on("close", (code) => resolve({ code, output })));
}
