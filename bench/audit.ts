/**
 * What audits cost: draws, populations, checks of answers, one live round; and how soon loss is found.
 *
 * Everything is measured as the auditor runs it; the ledger is Node's SQLite here, the platform's in a deployment. The
 * official tools have no audit, so nothing stands beside these figures.
 */
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { command } from "../host/command.ts";
import { someOf, whole } from "../host/options.ts";
import { verifySymbolAnswer } from "../shared/audit/outcomes.ts";
import { AUDIT_PROFILES } from "../shared/audit/parameters.ts";
import { MemoryPopulation } from "../shared/audit/population.ts";
import { checkpointSeed, drawCounts, planRound } from "../shared/audit/selection.ts";
import { blobs, ledgerWith, SHARDS, symbolAnswers } from "./audit-cases.ts";
import { detectionCurve } from "./audit-detection.ts";
import { liveRound } from "./audit-live.ts";
import type { SlicesFigures } from "./audit-slices.ts";
import { benchOptions } from "./bench-options.ts";
import { formatSpread, machine, type Spread, spread } from "./statistics.ts";

const SMALL = 10_000;
const MILLION = 1_000_000;
const ANSWERS = 1000;
const DISTINCT_ANSWERS = 64;
const CURVE_RUNS = 400;
const TARGETS = { drawsMs: 50, populationMs: 500, sliceCpuMs: 5000, sliceMb: 64, answersMs: 100 };
const RUNS = 7;
const OPS = ["draws", "populations", "million", "answers", "round", "detection"] as const;

export const audit = command(
  {
    name: "npm run bench -- audit",
    about: "Measures an auditor's draws, populations, checks and one live round, and how soon loss is found.",
    options: {
      ...benchOptions(RUNS, "runs of each short operation"),
      ops: someOf("what to measure; million takes three minutes", OPS),
      nodes: whole("storage nodes of the live round", { from: 1, to: 200 }, 25),
      shards: whole("shards of the live round; 1000 take four minutes", { from: 4, to: 1000 }, 100),
    },
  },
  async ({ values: { json, runs, ops, nodes, shards } }) => {
    const print = printer(json);
    if (!json) console.log(`\n${machine()}; median (min..max)`);
    if (ops.includes("draws")) draws(runs, print);
    if (ops.includes("populations")) populations(runs, print);
    if (ops.includes("million")) await million(print);
    if (ops.includes("answers")) answers(runs, print);
    if (ops.includes("round")) await round(nodes, shards, print);
    if (ops.includes("detection"))
      for (const line of detectionCurve(CURVE_RUNS)) print(line.text, line.figures);
    return 0;
  },
);

type Print = (text: string, figures: Readonly<Record<string, unknown>>) => void;

const printer =
  (isJson: boolean): Print =>
  (text, figures) => {
    const plain = (_: string, value: unknown) => (typeof value === "bigint" ? String(value) : value);
    console.log(isJson ? JSON.stringify(figures, plain) : text);
  };

function timed(runs: number, call: () => void): Spread {
  call();
  return spread(
    Array.from({ length: runs }, () => {
      const started = performance.now();
      call();
      return performance.now() - started;
    }),
  );
}

const verdict = (value: number, target: number): string => (value <= target ? "ok" : "MISSED");

function within(print: Print, op: string, what: string, ms: Spread, targetMs: number): void {
  print(
    `${what.padEnd(66)} ${formatSpread(ms, 1).padStart(24)} ms  <= ${targetMs} ${verdict(ms.median, targetMs)}`,
    { op, ms, targetMs },
  );
}

/** A round's draws from lists of a ledger, as a round begins: an epoch's list and two of the round. */
function draws(runs: number, print: Print): void {
  const ledgers = (["permanent", "deletable"] as const).map((stratum) => ledgerWith(SMALL, stratum));
  const [permanent, deletable] = ledgers.map(({ lists, list }) => {
    while (!lists.build(list, SHARDS));
    return lists.index(list);
  });
  if (permanent === undefined || deletable === undefined) throw new Error("two lists");
  const seed = checkpointSeed(new Uint8Array(32));
  // Round 0 draws in all modes.
  const counts = drawCounts(0, AUDIT_PROFILES.public);
  const plan = (each: Parameters<typeof planRound>[2]) => {
    let challenges = 0;
    const ms = timed(runs, () => {
      challenges = planRound(seed, SHARDS, each, counts).length;
    });
    const what = `${challenges} draws of a round, ${SHARDS} shards, from SQLite`;
    return { ms, what };
  };
  const { ms, what } = plan({ permanent, deletable, fresh: deletable });
  within(print, "draws", what, ms, TARGETS.drawsMs);
  for (const { close } of ledgers) close();
}

function populations(runs: number, print: Print): void {
  const list = blobs(SMALL);
  const memory = timed(runs, () => void new MemoryPopulation(list, SHARDS).root());
  const what = `order and root of ${SMALL} blobs`;
  within(print, "population", `${what}, in memory`, memory, TARGETS.populationMs);
  const samples: number[] = [];
  for (let i = 0; i < runs; i++) {
    const ledger = ledgerWith(SMALL, "permanent");
    const started = performance.now();
    while (!ledger.lists.build(ledger.list, SHARDS));
    samples.push(performance.now() - started);
    ledger.close();
  }
  within(print, "population-sql", `${what}, in a ledger`, spread(samples), TARGETS.populationMs);
}

/** Each list in a process of its own, so that its memory is that of the steps alone. */
async function million(print: Print): Promise<void> {
  for (const stratum of ["permanent", "deletable"] as const) {
    const folder = mkdtempSync(join(tmpdir(), "floe-bench-"));
    try {
      const path = join(folder, "ledger.sqlite");
      const { list, close } = ledgerWith(MILLION, stratum, path);
      close();
      const script = join(import.meta.dirname, "audit-slices.ts");
      // An isolate is collected when it is short of memory, a process when it feels like it: so this one is kept short.
      const argv = ["--expose-gc", "--max-old-space-size=32", "--max-semi-space-size=2", script, path, list];
      const { stdout } = await promisify(execFile)(process.execPath, argv);
      // Printed by the script above.
      const figures = JSON.parse(stdout) as SlicesFigures;
      const { steps, worstCpuMs, totalCpuMs, peakMb } = figures;
      print(
        `root of ${MILLION} blobs in ${steps} steps, ${(totalCpuMs / 1000).toFixed(1)} s of CPU: worst step ` +
          `${worstCpuMs.toFixed(0)} ms of CPU <= ${TARGETS.sliceCpuMs} ${verdict(worstCpuMs, TARGETS.sliceCpuMs)}, ` +
          `memory +${peakMb.toFixed(0)} MiB <= ${TARGETS.sliceMb} ${verdict(peakMb, TARGETS.sliceMb)}`,
        { op: "population-slices", stratum, blobs: MILLION, ...figures },
      );
      print(
        `  a list once ${stratum === "permanent" ? "an epoch" : "a round"}: ${figures.rowsWritten} rows written, ` +
          `${figures.rowsDropped} to forget it (${(figures.dropCpuMs / 1000).toFixed(1)} s of CPU); ${SHARDS} entries ` +
          `drawn from it in ${figures.drawsMs.toFixed(1)} ms, the first time ${figures.firstDrawsMs.toFixed(1)} ms`,
        { op: "population-rows", stratum, blobs: MILLION, ...figures },
      );
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }
}

function answers(runs: number, print: Print): void {
  const all = symbolAnswers(DISTINCT_ANSWERS);
  const ms = timed(runs, () => {
    for (let i = 0; i < ANSWERS; i++) {
      const answer = all[i % all.length];
      if (answer === undefined) throw new Error("no answer");
      const { body, challenge, metadata } = answer;
      if (verifySymbolAnswer(body, challenge, metadata) === undefined)
        throw new Error("a right answer fails");
    }
  });
  const what = `${ANSWERS} symbol answers verified, ${SHARDS} shards, 584-byte symbols`;
  within(print, "answers", what, ms, TARGETS.answersMs);
}

async function round(nodes: number, shards: number, print: Print): Promise<void> {
  const figures = await liveRound(nodes, shards);
  const { ms, challenged, passed, requests, bytesOut, transactions, transactionBytes, gasMist } = figures;
  print(
    `a round of ${nodes} nodes and ${shards} shards: ${passed} of ${challenged} passed, ${(ms / 1000).toFixed(1)} s; per node ` +
      `${formatSpread(requests)} requests, ${formatSpread(bytesOut)} bytes; ${transactions} transactions of ` +
      `${transactionBytes} bytes, ${gasMist} MIST of gas on the stand-in`,
    { op: "round", ...figures },
  );
}
