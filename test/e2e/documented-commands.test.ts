// If this fails, a command in the README or the docs does not do what the page says.
import { execFile } from "node:child_process";
import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ROOT } from "../../host/project-root.ts";
import { type System, startSystem } from "../support/system.ts";

const run = promisify(execFile);
const DOCUMENTED_EDGE = "http://127.0.0.1:31415";

interface Block {
  readonly page: string;
  readonly line: number;
  readonly commands: string;
}

/** Every fenced block marked `sh`, in order, those within lists too. */
function blocks(): Block[] {
  const pages = [
    "README.md",
    "CONTRIBUTING.md",
    ...readdirSync(join(ROOT, "docs")).map((name) => join("docs", name)),
  ];
  return pages
    .filter((page) => page.endsWith(".md"))
    .flatMap((page) => {
      const text = readFileSync(join(ROOT, page), "utf8");
      return [...text.matchAll(/^ *```sh\n([\s\S]*?)^ *```$/gm)].map((match) => ({
        page,
        line: text.slice(0, match.index).split("\n").length,
        commands: (match[1] ?? "").trim(),
      }));
    });
}

const scripts = (
  JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as { scripts: Record<string, string> }
).scripts;

/** `npm start`, `npm test`, `npm run NAME`: run for real elsewhere, or too long here; they must exist and explain themselves. */
const npmScript = (commands: string): string | undefined => {
  const match = /^npm (?:run )?([a-z:]+)( -- .*)?$/.exec(commands);
  return match === null ? undefined : match[1];
};

describe("documented commands", () => {
  let system: System;
  const scratch = mkdtempSync(join(tmpdir(), "floe-docs-"));
  beforeAll(async () => {
    system = await startSystem({ seed: "docs" });
    copyFileSync(join(ROOT, "README.md"), join(scratch, "README.md"));
  });
  afterAll(async () => {
    await system[Symbol.asyncDispose]();
    rmSync(scratch, { recursive: true, force: true });
  });

  it("are found", () => {
    expect(blocks().length).toBeGreaterThanOrEqual(3);
  });

  it.each(blocks())("work as written: $page line $line", async ({ commands }) => {
    const script = npmScript(commands);
    if (script !== undefined) {
      const command = scripts[script];
      expect(command, `package.json has no script ${script}`).toBeDefined();
      const [, , ...args] = (command ?? "").split(" ");
      const { stdout } = await run(process.execPath, [...args, "--help"], { cwd: ROOT });
      expect(stdout).toContain("usage: npm");
      return;
    }
    const local = commands.replaceAll(DOCUMENTED_EDGE, system.edge.url);
    await run("bash", ["-euo", "pipefail", "-c", local], { cwd: scratch });
  });
});
