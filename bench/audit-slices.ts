/**
 * Builds a list of a ledger that another process has filled, step by step, draws from it, drops it, and prints what that
 * costs: JSON `SlicesFigures`. Peak: growth of the resident set since before the first step.
 */
import { PopulationLists } from "../auditor/population/population-tables.ts";
import { nodeLedger } from "../host/node-sqlite.ts";
import { SHARDS } from "./audit-cases.ts";
import { countingRows } from "./rows-written.ts";

export interface SlicesFigures {
  readonly steps: number;
  readonly worstCpuMs: number;
  readonly totalCpuMs: number;
  readonly peakMb: number;
  readonly rowsWritten: number;
  readonly rowsDropped: number;
  readonly dropCpuMs: number;
  /** Of `SHARDS` entries, spread evenly; the first time, when SQLite has nothing at hand, and again. */
  readonly firstDrawsMs: number;
  readonly drawsMs: number;
}

const [path = "", list = ""] = process.argv.slice(2);
const ledger = nodeLedger(path);
const { sql, rowsWritten } = countingRows(ledger);
const lists = new PopulationLists(sql);
const cpuMs = (since?: NodeJS.CpuUsage): number => {
  const { user, system } = process.cpuUsage(since);
  return (user + system) / 1000;
};
globalThis.gc?.();
const idleBytes = process.memoryUsage().rss;
const begun = process.cpuUsage();
let [steps, worstCpuMs, peakBytes] = [0, 0, 0];
const watchMemory = (): void => {
  peakBytes = Math.max(peakBytes, process.memoryUsage().rss - idleBytes);
};
for (let isReady = false; !isReady; steps++) {
  const before = process.cpuUsage();
  isReady = lists.build(list, SHARDS);
  worstCpuMs = Math.max(worstCpuMs, cpuMs(before));
  watchMemory();
}
const totalCpuMs = cpuMs(begun);
const built = rowsWritten();
const index = lists.index(list);
const wanted = Array.from({ length: SHARDS }, (_, i) => (i * 2_654_435_761) % index.size);
const drawMs = (): number => {
  const started = performance.now();
  index.leavesAt(wanted);
  return performance.now() - started;
};
const [firstDrawsMs, drawsMs] = [drawMs(), drawMs()];
watchMemory();
const dropping = process.cpuUsage();
while (!lists.drop(list)) watchMemory();
const dropCpuMs = cpuMs(dropping);
ledger.close();
const figures: SlicesFigures = {
  steps,
  worstCpuMs,
  totalCpuMs,
  peakMb: peakBytes / 2 ** 20,
  rowsWritten: built,
  rowsDropped: rowsWritten() - built,
  dropCpuMs,
  firstDrawsMs,
  drawsMs,
};
console.log(JSON.stringify(figures));
