/**
 * Publish and read at mainnet's shape: the edge in workerd beside the official SDK, 1000 shards on 100 nodes, 80 ms away.
 *
 * The network runs in a process of its own, so that the CPU of its nodes does not delay the timers of this one. The
 * SDK runs in this process and encodes here; the edge runs in workerd, with a bucket for staged copies. All of them
 * share the machine's cores. Interleaved A B B A, fresh bytes for every publish. Requests are counted at the nodes,
 * and calls to Sui are not. A publish is timed until its reply; the edge's CPU and requests are counted until its tail
 * is stored. CPU is workerd's (from /proc, absent where there is none), or this process's for the SDK.
 *
 * Not counted: start-up, and a publish and a read of each side at first. Every byte that is read is compared.
 */
import { randomBytes } from "node:crypto";
import { bundleWorker } from "../dev/worker-bundle.ts";
import { command } from "../host/command.ts";
import { someOf, whole, wholes } from "../host/options.ts";
import { MAINNET_SHAPE } from "../localnet/shape.ts";
import { benchOptions } from "./bench-options.ts";
import { compareSize, publish, timedRead } from "./shape-compare.ts";
import { EdgeOnly } from "./shape-edge-only.ts";
import { FloorClient } from "./shape-floor.ts";
import { ShapeNetwork, type ShapeOptions } from "./shape-network.ts";
import { OPS, type Op, ShapeReport } from "./shape-report.ts";
import { edgeSide, sdkSide } from "./shape-sides.ts";
import { machine } from "./statistics.ts";

const MIB = 2 ** 20;
const SIZES = [1024, MIB, 8 * MIB, 24 * MIB];
const DEFAULT_RUNS = 3;
const COMPARED: readonly Op[] = ["publish", "read", "firstByte", "readAfterPublish"];
const HOT_SIZE = MIB;
const DEGRADED_SIZES = [MIB, 8 * MIB];

interface Wanted {
  readonly json: boolean;
  readonly runs: number;
  readonly sizes: readonly number[];
  readonly only: readonly Op[];
  readonly latency: number;
}

export const shape = command(
  {
    name: "npm run bench -- shape",
    about: "Publishes and reads at mainnet's shape, through the edge and with the official SDK, interleaved.",
    options: {
      ...benchOptions(DEFAULT_RUNS),
      sizes: wholes("bytes of a blob", { from: 1024, to: 1024 * MIB }, SIZES),
      only: someOf("what is measured", OPS),
      latency: whole("how far away the nodes are, median ms", { from: 0, to: 10_000 }, 80),
    },
    notes:
      "range and memory use the largest of the sizes, hot 1 MiB, readDegraded 1 MiB and 8 MiB; those that are " +
      "not among the sizes are left out. Without --json it prints rows of a Markdown table.",
  },
  async ({ values }) => {
    await run(values);
    return 0;
  },
);

async function run({ json, runs, sizes, only, latency }: Wanted): Promise<void> {
  const options: ShapeOptions = {
    shape: "mainnet",
    ...(latency === MAINNET_SHAPE.distance.latencyMs ? {} : { distance: { latencyMs: latency } }),
  };
  const [bundle, network] = await Promise.all([bundleWorker("wrangler.toml"), ShapeNetwork.start(options)]);
  try {
    const edge = await edgeSide(bundle, network);
    try {
      const sdk = await sdkSide(network);
      const place = { nodes: network.nodes.length, shards: network.file.nShards, latencyMs: latency };
      if (!json) {
        const { nodes, shards } = place;
        console.log(
          `\npublish and read, ${shards} shards on ${nodes} nodes ${latency} ms away, ${runs} runs`,
        );
        console.log(`${machine()}; @mysten/walrus 1.2.13; median (min..max)`);
      }
      const report = new ShapeReport(place, json);
      if (only.some((op) => COMPARED.includes(op))) {
        const floor = new FloorClient(network, sdk);
        try {
          for (const side of [edge, sdk]) {
            const blob = await publish(side, randomBytes(1024));
            await timedRead(network, side, blob);
          }
          for (const size of sizes) {
            await compareSize({ network, edge, sdk, floor, report, ops: only, runs }, size);
          }
        } finally {
          floor.close();
        }
      }
      const alone = new EdgeOnly(bundle, network, edge, report, runs);
      const largest = Math.max(...sizes);
      if (only.includes("range")) await alone.range(largest);
      if (only.includes("hot") && sizes.includes(HOT_SIZE)) await alone.hot(HOT_SIZE, sdk);
      for (const size of DEGRADED_SIZES) {
        if (only.includes("readDegraded") && sizes.includes(size)) await alone.degraded(size);
      }
      if (only.includes("memory")) await alone.memory(largest);
    } finally {
      await edge.close();
    }
  } finally {
    await network.close();
  }
}
