/** `npm run localnet`: the embedded network alone, until Ctrl-C. */
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { parseArgs } from "node:util";
import { FloeError } from "../shared/base/errors.ts";
import type { NetworkFile } from "../shared/network/network-file.ts";
import { NETWORK_DEFAULTS, type NetworkOptions, startNetwork } from "./network.ts";
import { parseShapeOptions, SHAPE_HELP, SHAPE_OPTIONS } from "./shape-options.ts";

const HELP = `usage: npm run localnet [-- OPTION ...]

Starts Walrus storage nodes and a stand-in for Sui on this machine, and stays up until Ctrl-C.

  --nodes N            storage nodes (default ${NETWORK_DEFAULTS.nodes}; the official SDK needs at least 11)
  --shards N           shards (default ${NETWORK_DEFAULTS.shards}; 1000 is the shape of the public networks)
${SHAPE_HELP}
  --seed TEXT          seed of keys and identifiers (default "${NETWORK_DEFAULTS.seed}")
  --data-dir DIR       keep blobs, chain, keys and ports here (default: in memory)
  --port N             first of N+2 ports: control API, Sui, node-0, node-1, ... (default: any free ones)
  --network-file FILE  where to write the network file (default .floe/network.json)
  --help               this text`;

class UsageError extends Error {}

function parseOptions(argv: string[]): { network: NetworkOptions; file: string } | "help" {
  let values: ReturnType<typeof readArguments>;
  try {
    values = readArguments(argv);
  } catch (error) {
    // The argument parser of Node throws TypeErrors that say what is wrong with the command line.
    if (error instanceof TypeError) throw new UsageError(error.message);
    throw error;
  }
  if (values.help) return "help";
  const network: NetworkOptions = {
    ...number("nodes", values.nodes),
    ...number("shards", values.shards),
    ...number("port", values.port),
    ...parseShapeOptions(values),
    ...(values.seed === undefined ? {} : { seed: values.seed }),
    ...(values["data-dir"] === undefined ? {} : { dataDir: resolve(values["data-dir"]) }),
    log: (line) => console.error(line),
  };
  return { network, file: resolve(values["network-file"] ?? ".floe/network.json") };
}

function readArguments(args: string[]) {
  const text = { type: "string" } as const;
  const options = {
    nodes: text,
    shards: text,
    seed: text,
    ...SHAPE_OPTIONS,
    port: text,
    "data-dir": text,
    "network-file": text,
    help: { type: "boolean" },
  } as const;
  return parseArgs({ args, options }).values;
}

function number<Name extends string>(name: Name, text: string | undefined): { [N in Name]?: number } {
  if (text === undefined) return {};
  if (!/^[0-9]{1,9}$/.test(text)) throw new UsageError(`--${name} takes a whole number, not "${text}"`);
  // The computed key is exactly `name`.
  return { [name]: Number(text) } as { [N in Name]?: number };
}

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

async function main(argv: string[]): Promise<number> {
  const options = parseOptions(argv);
  if (options === "help") {
    console.log(HELP);
    return 0;
  }
  const stop = new Promise<void>((resolveSignal) => {
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
      process.once(signal, () => resolveSignal());
  });
  const network = await startNetwork(options.network);
  try {
    mkdirSync(dirname(options.file), { recursive: true });
    // The wallet's key stands in it: readable by its owner only.
    writeFileSync(options.file, `${JSON.stringify(network.file, null, 2)}\n`, { mode: 0o600 });
    console.log(describe(network.file, options.file));
    await stop;
    console.log("stopping ...");
  } finally {
    await network.close();
  }
  return 0;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  const usage =
    error instanceof UsageError || (error instanceof FloeError && error.code === "INVALID_NETWORK");
  if (usage) console.error(`${error.message}\n\n${HELP}`);
  else console.error(error instanceof FloeError ? error.message : error);
  process.exitCode = usage ? 2 : 1;
}
