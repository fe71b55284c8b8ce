// If this fails, a guard of the protocol can be removed and no test notices.
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { beforeAll, describe, expect, it } from "vitest";
import { PLANTED_BUGS } from "./guards.ts";
import type { Verdict } from "./score.ts";

const SCORE = join(import.meta.dirname, "score.ts");
const TIMEOUT_MS = 1_200_000;
let verdicts: Verdict[];

beforeAll(async () => {
  // The runner has a Vitest of its own in each process: it must not take itself for a part of this one.
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("VITEST")));
  const { stdout } = await promisify(execFile)(process.execPath, [SCORE], { env });
  const lines = stdout.trim().split("\n");
  console.log(lines.slice(0, -1).join("\n"));
  verdicts = JSON.parse(lines.at(-1) ?? "") as Verdict[];
}, TIMEOUT_MS);

describe("a named test fails once this is removed", () => {
  it.each(PLANTED_BUGS.map(({ guard }, number) => [guard, number] as const))("%s", (guard, number) => {
    expect(verdicts[number]).toMatchObject({ guard, isCaught: true });
  });
});
