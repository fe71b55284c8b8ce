/** `npm start`: options and help; what it runs is in start-session.ts. */
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { NETWORK_DEFAULTS } from "../localnet/network-plan.ts";
import { MAINNET_SHAPE } from "../localnet/shape.ts";
import { parseShapeOptions, SHAPE_HELP, SHAPE_OPTIONS } from "../localnet/shape-options.ts";
import { FloeError } from "../shared/base/errors.ts";
import type { StartOptions } from "./start-session.ts";

const HELP = `usage: npm start [-- OPTION ...]

Starts the embedded network, the edge and the auditor, publishes a file, reads it back, compares,
has the auditor challenge every node once, and stays up.

  --once               stop after the round trip; exit code 0 when the bytes came back equal
  --file PATH          what to publish (default: 1 MiB of random bytes)
  --nodes N            storage nodes (default 13)
  --shards N           shards (default 40)
${SHAPE_HELP}
  --seed TEXT          seed of keys and identifiers (default "floe")
  --port N             port of the edge (default 31415, any free port when that is taken)
  --data-dir DIR       keep blobs, chain and edge state here (default: in memory)
  --network-file FILE  where to write the network file (default .floe/network.json)
  --no-audit           leave out the audit round that follows the round trip
  --verbose            print the edge's log
  --help               this text`;

class UsageError extends Error {}

function parseOptions(argv: string[]): StartOptions | "help" {
  let values: Record<string, string | boolean | undefined>;
  try {
    ({ values } = parseArgs({
      args: argv,
      options: {
        once: { type: "boolean" },
        help: { type: "boolean" },
        verbose: { type: "boolean" },
        "no-audit": { type: "boolean" },
        file: { type: "string" },
        nodes: { type: "string" },
        shards: { type: "string" },
        seed: { type: "string" },
        ...SHAPE_OPTIONS,
        port: { type: "string" },
        "data-dir": { type: "string" },
        "network-file": { type: "string" },
      },
    }));
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
  if (values["help"] === true) return "help";
  const text = (name: string): string | undefined => values[name] as string | undefined;
  const number = (name: string, fallback: number, low: number, high: number): number => {
    const given = text(name);
    if (given === undefined) return fallback;
    const value = Number(given);
    if (!/^\d+$/.test(given) || value < low || value > high) {
      throw new UsageError(`--${name} takes a whole number from ${low} to ${high}, not "${given}"`);
    }
    return value;
  };
  const far = parseShapeOptions({
    latency: text("latency"),
    spread: text("spread"),
    bandwidth: text("bandwidth"),
    shape: text("shape"),
  });
  const size = far.shape === undefined ? NETWORK_DEFAULTS : MAINNET_SHAPE;
  const nodes = number("nodes", size.nodes, 1, 200);
  const shards = number("shards", size.shards, 4, 1000);
  if (nodes > shards)
    throw new UsageError(`${nodes} nodes cannot share ${shards} shards: every node needs one`);
  return {
    once: values["once"] === true,
    verbose: values["verbose"] === true,
    audit: values["no-audit"] !== true,
    file: text("file"),
    nodes,
    shards,
    ...far,
    seed: text("seed") ?? "floe",
    port: text("port") === undefined ? undefined : number("port", 0, 0, 65535),
    dataDir: text("data-dir"),
    networkFile: resolve(text("network-file") ?? join(import.meta.dirname, "..", ".floe", "network.json")),
  };
}

/** A file that is not there, a port that is taken, a folder of another network: the message says it, no stack does. */
const isExpected = (error: unknown): error is Error =>
  error instanceof FloeError ||
  (error instanceof Error && "code" in error && ("syscall" in error || error.code === "ERR_ADDRESS_IN_USE"));

try {
  const options = parseOptions(process.argv.slice(2));
  if (options === "help") {
    console.log(HELP);
  } else {
    // The bundler and the Workers runtime take a second to load: only once the options make sense.
    const { runSession } = await import("./start-session.ts");
    process.exit(await runSession(options));
  }
} catch (error) {
  const isUsage =
    error instanceof UsageError || (error instanceof FloeError && error.code === "INVALID_NETWORK");
  if (isUsage) console.error(`${error.message}\n\n${HELP}`);
  else console.error(isExpected(error) ? `npm start: ${error.message}` : error);
  process.exitCode = isUsage ? 2 : 1;
}
