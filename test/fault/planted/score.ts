/**
 * Plants one bug after the other into the sources as the tests see them, runs only the tests that must notice, and
 * prints the score. The last line of the output is the result as JSON.
 *
 * Each bug gets a process of its own with a Vitest whose plugin replaces the text of one file, so that a bug that never
 * comes to an end can be killed. Arguments are the numbers of the bugs to plant; without any, all of them.
 */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { createVitest, type TestModule } from "vitest/node";
import { PLANTED_BUGS, type PlantedBug } from "./guards.ts";

const ROOT = join(import.meta.dirname, "..", "..", "..");

export interface Verdict {
  readonly guard: string;
  readonly isCaught: boolean;
  /** The failure that gave the bug away, or why nothing did. */
  readonly because: string;
}

const LANES = 2;
/** Of what hangs for ever; starting up takes a second, or many on a busy machine. */
const BUG_TIMEOUT_MS = 240_000;
/** Set in the process of one bug. */
const ONE = process.env["FLOE_PLANTED_BUG"];

if (ONE !== undefined) {
  const bug = PLANTED_BUGS[Number(ONE)];
  if (bug === undefined) throw new Error(`there is no bug ${ONE}`);
  console.log(`\n${JSON.stringify(await verdictOn(bug))}`);
  process.exit();
}

const numbers = process.argv.length > 2 ? process.argv.slice(2).map(Number) : [...PLANTED_BUGS.keys()];
const verdicts = new Map<number, Verdict>();
const queue = [...numbers];
await Promise.all(
  Array.from({ length: LANES }, async () => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      verdicts.set(next, await inOwnProcess(next));
    }
  }),
);
const listed = numbers.flatMap((number) => verdicts.get(number) ?? []);
for (const { guard, isCaught, because } of listed) {
  console.log(`${isCaught ? "caught" : "MISSED"}  ${guard.padEnd(56)} ${because}`);
}
console.log(`caught ${listed.filter(({ isCaught }) => isCaught).length}/${listed.length}`);
console.log(JSON.stringify(listed));

function inOwnProcess(number: number): Promise<Verdict> {
  const env = { ...process.env, FLOE_PLANTED_BUG: String(number) };
  const child = spawn(process.execPath, [import.meta.filename], {
    env,
    timeout: BUG_TIMEOUT_MS,
    killSignal: "SIGKILL",
  });
  let output = "";
  child.stdout.on("data", (data) => {
    output += data;
  });
  child.stderr.on("data", (data) => {
    output += data;
  });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", () => {
      const last = output.trim().split("\n").at(-1) ?? "";
      const guard = PLANTED_BUGS[number]?.guard ?? "";
      // The line is what this very file prints for one bug.
      if (last.startsWith("{")) resolve(JSON.parse(last) as Verdict);
      else resolve({ guard, isCaught: false, because: `ended without a verdict: ${last}` });
    });
  });
}

async function verdictOn(bug: PlantedBug): Promise<Verdict> {
  const vitest = await createVitest(
    "test",
    {
      root: ROOT,
      config: false,
      watch: false,
      reporters: [{}],
      include: [bug.test.file],
      testNamePattern: new RegExp(escaped(bug.test.name)),
      testTimeout: 15_000,
      // What is transformed here must not be found by anybody else.
      fsModuleCache: false,
      maxWorkers: 1,
    },
    { plugins: [plant(bug)] },
  );
  try {
    await vitest.start();
    return judge(bug, vitest.state.getTestModules()[0]);
  } finally {
    await vitest.close();
  }
}

function plant({ file, find, replace }: PlantedBug) {
  const path = join(ROOT, file);
  return {
    name: "planted-bug",
    enforce: "pre" as const,
    transform(code: string, id: string): string | undefined {
      if (id.split("?")[0] !== path) return undefined;
      const parts = code.split(find);
      if (parts.length !== 2) throw new Error(`${file} holds the guard ${parts.length - 1} times: ${find}`);
      return parts.join(replace);
    },
  };
}

function judge({ guard, test }: PlantedBug, module: TestModule | undefined): Verdict {
  const missed = (because: string): Verdict => ({ guard, isCaught: false, because });
  if (module === undefined) return missed(`${test.file} did not run`);
  const [broken] = module.errors();
  if (broken !== undefined) return missed(`${test.file} does not load: ${broken.message}`);
  const named = [...module.children.allTests()].filter(({ fullName }) => fullName.includes(test.name));
  if (named.length === 0) return missed(`there is no test "${test.name}"`);
  for (const each of named) {
    const { state, errors } = each.result();
    if (state === "failed") continue;
    return missed(`"${each.fullName}" ${state}${errors?.[0] === undefined ? "" : `: ${errors[0].message}`}`);
  }
  const message = named[0]?.result().errors?.[0]?.message ?? "";
  return { guard, isCaught: true, because: message.split("\n")[0]?.slice(0, 100) ?? "" };
}

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}
