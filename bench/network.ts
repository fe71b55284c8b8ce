/**
 * What the embedded network costs: CPU of all storage nodes and of the stand-in for Sui together, per publish.
 *
 * The network runs alone in this process, the edge in workerd beside it, so this process's CPU time is the network's:
 * with it are counted one PUT and the runtime's own wait for it, which is little. A publish counts until its last
 * sliver is stored. Not counted: start-up, and one warm-up publish of each size.
 */
import { randomBytes } from "node:crypto";
import { startEdge } from "../dev/edge-runtime.ts";
import { bundleWorker, type WorkerBundle } from "../dev/worker-bundle.ts";
import { command } from "../host/command.ts";
import { whole } from "../host/options.ts";
import { type Network, startNetwork } from "../localnet/network.ts";
import { benchOptions } from "./bench-options.ts";
import { formatSpread, machine, spread } from "./statistics.ts";

const SHAPES = [
  { nodes: 13, shards: 40 },
  { nodes: 100, shards: 1000 },
] as const;
const SIZES = [1024, 1024 * 1024];
const DEFAULT_RUNS = 5;
/** A publish has ended once the nodes were quiet for this long; a quiet network uses next to no CPU. */
const QUIET_MS = 400;

interface Sample {
  readonly cpuMs: number;
  readonly wallMs: number;
  readonly requests: number;
}

export const networkCpu = command(
  {
    name: "npm run bench -- network",
    about: "Measures the CPU of all storage nodes and of the stand-in for Sui together, per publish.",
    options: {
      ...benchOptions(DEFAULT_RUNS),
      shards: whole("only the shape of so many shards: 40 or 1000", { from: 40, to: 1000 }),
    },
  },
  async ({ values: { json, runs, shards } }) => {
    await run(json, runs, shards);
    return 0;
  },
);

async function run(json: boolean, runs: number, only: number | undefined): Promise<void> {
  const shapes = SHAPES.filter(({ shards }) => only === undefined || shards === only);
  const bundle = await bundleWorker("wrangler.toml");
  if (!json) {
    console.log(`\nCPU of the embedded network per publish, ${runs} runs`);
    console.log(`${machine()}; median (min..max)`);
    console.log(row("shards", "nodes", "size", "CPU ms", "requests", "ms until the tail is stored"));
  }
  for (const shape of shapes) await measureShape(shape, bundle, runs, json);
}

async function measureShape(
  shape: (typeof SHAPES)[number],
  bundle: WorkerBundle,
  runs: number,
  json: boolean,
): Promise<void> {
  const network = await startNetwork({ ...shape, seed: "bench" });
  const edge = await startEdge({ bundle, network: network.file });
  try {
    for (const size of SIZES) {
      await publish(network, edge.url, size);
      const samples: Sample[] = [];
      for (let i = 0; i < runs; i++) samples.push(await publish(network, edge.url, size));
      const cpuMs = spread(samples.map((sample) => sample.cpuMs));
      const wallMs = spread(samples.map((sample) => sample.wallMs));
      const requests = spread(samples.map((sample) => sample.requests));
      if (json) {
        const figures = { cpuMs, wallMs, requests };
        console.log(JSON.stringify({ op: "networkCpu", ...shape, size, runs, ...figures }));
      } else {
        const { nodes, shards } = shape;
        const cells = [String(shards), String(nodes), sizeName(size), formatSpread(cpuMs)];
        console.log(row(...cells, formatSpread(requests), formatSpread(wallMs)));
      }
    }
  } finally {
    await edge.close();
    await network.close();
  }
}

async function publish(network: Network, edgeUrl: string, size: number): Promise<Sample> {
  const content = randomBytes(size);
  const before = requestsOf(network);
  const cpu = process.cpuUsage();
  const started = performance.now();
  const response = await fetch(`${edgeUrl}/v1/blobs?epochs=2`, { method: "PUT", body: content });
  const text = await response.text();
  if (!response.ok) throw new Error(`publish answered ${response.status}: ${text}`);
  let lastRequests = requestsOf(network);
  let quietSince = performance.now();
  while (performance.now() - quietSince < QUIET_MS) {
    await new Promise((resolve) => setTimeout(resolve, QUIET_MS / 8));
    const now = requestsOf(network);
    if (now !== lastRequests) quietSince = performance.now();
    lastRequests = now;
  }
  const { user, system } = process.cpuUsage(cpu);
  return {
    cpuMs: (user + system) / 1000,
    wallMs: quietSince - started,
    requests: lastRequests - before,
  };
}

function requestsOf(network: Network): number {
  let requests = 0;
  for (const { name } of network.file.nodes ?? []) requests += network.nodeStats(name).requests;
  return requests;
}

const sizeName = (size: number): string => (size >= 2 ** 20 ? `${size / 2 ** 20} MiB` : `${size / 1024} KiB`);

function row(...cells: string[]): string {
  const widths = [7, 6, 7, 24, 18, 22];
  return cells.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join(" ");
}
