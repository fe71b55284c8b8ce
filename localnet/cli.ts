/** `npm run localnet`: the embedded network alone, until Ctrl-C. */
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { command, runToExitCode } from "../host/command.ts";
import { text, whole } from "../host/options.ts";
import { UsageError } from "../host/usage-error.ts";
import { FloeError } from "../shared/base/errors.ts";
import type { NetworkFile } from "../shared/network/network-file.ts";
import { NETWORK_DEFAULTS, type NetworkOptions, startNetwork } from "./network.ts";
import { parseShapeOptions, SHAPE_OPTIONS } from "./shape-options.ts";

/** The network itself refuses counts that do not fit each other. */
const COUNT = { from: 1, to: 999_999_999 };

function describe(file: NetworkFile, path: string): string {
  const nodes = file.nodes ?? [];
  const lines = [
    `${nodes.length} storage nodes hold ${file.nShards} shards, epoch ${file.epoch}`,
    ...nodes.map(
      ({ name, url, shards, distance }) =>
        `  ${name.padEnd(9)} ${url}  ${shards.length} shards${distance === undefined ? "" : `, ${distance.latencyMs} ms away`}`,
    ),
    `  sui       ${file.sui.url}`,
    `  control   ${file.control?.url}`,
    `network file ${path}`,
    "Ctrl-C stops everything.",
  ];
  return lines.join("\n");
}

const localnet = command(
  {
    name: "npm run localnet",
    about: "Starts Walrus storage nodes and a stand-in for Sui on this machine, and stays up until Ctrl-C.",
    options: {
      nodes: whole(
        `storage nodes, ${NETWORK_DEFAULTS.nodes} when absent; the official SDK needs at least 11`,
        COUNT,
      ),
      shards: whole(
        `shards of the network, ${NETWORK_DEFAULTS.shards} when absent; 1000 is the shape of the public ones`,
        COUNT,
      ),
      ...SHAPE_OPTIONS,
      seed: text("TEXT", "seed of keys and identifiers", NETWORK_DEFAULTS.seed),
      "data-dir": text("DIR", "keep blobs, chain, keys and ports here; in memory when absent"),
      port: whole("first of N+2 ports: control API, Sui, node-0, node-1, ...; any free ones when absent", {
        from: 0,
        to: 65_535,
      }),
      "network-file": text("FILE", "where to write the network file", ".floe/network.json"),
    },
  },
  async ({ values }) => {
    const { nodes, shards, seed, port, "data-dir": dataDir, "network-file": file } = values;
    await stayUp(
      {
        seed,
        ...(nodes === undefined ? {} : { nodes }),
        ...(shards === undefined ? {} : { shards }),
        ...parseShapeOptions(values),
        ...(port === undefined ? {} : { port }),
        ...(dataDir === undefined ? {} : { dataDir: resolve(dataDir) }),
        log: (line) => console.error(line),
      },
      resolve(file),
    );
    return 0;
  },
);

/** @throws UsageError for counts that make no network */
async function stayUp(options: NetworkOptions, path: string): Promise<void> {
  const stop = new Promise<void>((resolveSignal) => {
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
      process.once(signal, () => resolveSignal());
  });
  const network = await startNetwork(options).catch((error: unknown) => {
    const isWrong = error instanceof FloeError && error.code === "INVALID_NETWORK";
    throw isWrong ? new UsageError(error.message) : error;
  });
  try {
    mkdirSync(dirname(path), { recursive: true });
    // The wallet's key stands in it: readable by its owner only.
    writeFileSync(path, `${JSON.stringify(network.file, null, 2)}\n`, { mode: 0o600 });
    console.log(describe(network.file, path));
    await stop;
    console.log("stopping ...");
  } finally {
    await network.close();
  }
}

process.exitCode = await runToExitCode(localnet, process.argv.slice(2));
