/**
 * Builds the list of a ledger that another process has filled, slice by slice, and prints what a slice costs: JSON
 * `{slices, worstCpuMs, totalCpuMs, peakMb}`. Peak: growth of the resident set since before the first slice.
 */
import { PopulationLists } from "../auditor/population-tables.ts";
import { nodeLedger } from "../scripts/node-ledger.ts";
import { SHARDS } from "./audit-cases.ts";

const [path = "", list = ""] = process.argv.slice(2);
const sql = nodeLedger(path);
const lists = new PopulationLists(sql);
const cpuMs = (since?: NodeJS.CpuUsage): number => {
  const { user, system } = process.cpuUsage(since);
  return (user + system) / 1000;
};
globalThis.gc?.();
const idleBytes = process.memoryUsage().rss;
const begun = process.cpuUsage();
let [slices, worstCpuMs, peakBytes] = [0, 0, 0];
for (let isReady = false; !isReady; slices++) {
  const before = process.cpuUsage();
  isReady = lists.build(list, SHARDS);
  worstCpuMs = Math.max(worstCpuMs, cpuMs(before));
  peakBytes = Math.max(peakBytes, process.memoryUsage().rss - idleBytes);
}
sql.close();
console.log(JSON.stringify({ slices, worstCpuMs, totalCpuMs: cpuMs(begun), peakMb: peakBytes / 2 ** 20 }));
