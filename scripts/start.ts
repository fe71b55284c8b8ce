/** `npm start`: the embedded network, the edge, one file published and read back, then it stays up. */
import { randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { startNetwork } from "../localnet/network.ts";
import type { NetworkFile } from "../shared/protocol/network-file.ts";
import { startEdge } from "./edge-runtime.ts";
import { roundTrip } from "./round-trip.ts";
import { bundleWorker, ROOT } from "./worker-bundle.ts";

const HELP = `usage: npm start [-- OPTION ...]

Starts the embedded network and the edge Worker, publishes a file, reads it back, compares, and stays up.

  --once               stop after the round trip; exit code 0 when the bytes came back equal
  --file PATH          what to publish (default: 1 MiB of random bytes)
  --nodes N            storage nodes (default 13)
  --shards N           shards (default 40)
  --seed TEXT          seed of keys and identifiers (default "floe")
  --port N             port of the edge (default 31415, any free port when that is taken)
  --data-dir DIR       keep blobs, chain and edge state here (default: in memory)
  --network-file FILE  where to write the network file (default .floe/network.json)
  --verbose            print the edge's log
  --help               this text`;

const DEFAULT_PORT = 31415;
const SAMPLE_BYTES = 1024 * 1024;

interface Options {
  readonly once: boolean;
  readonly verbose: boolean;
  readonly file: string | undefined;
  readonly nodes: number;
  readonly shards: number;
  readonly seed: string;
  /** undefined = the default port, or any free one when it is taken. */
  readonly port: number | undefined;
  readonly dataDir: string | undefined;
  readonly networkFile: string;
}

class UsageError extends Error {}

function parseOptions(argv: string[]): Options | "help" {
  let values: Record<string, string | boolean | undefined>;
  try {
    ({ values } = parseArgs({
      args: argv,
      options: {
        once: { type: "boolean" },
        help: { type: "boolean" },
        verbose: { type: "boolean" },
        file: { type: "string" },
        nodes: { type: "string" },
        shards: { type: "string" },
        seed: { type: "string" },
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
  const nodes = number("nodes", 13, 1, 200);
  const shards = number("shards", 40, 4, 1000);
  if (nodes > shards)
    throw new UsageError(`${nodes} nodes cannot share ${shards} shards: every node needs one`);
  return {
    once: values["once"] === true,
    verbose: values["verbose"] === true,
    file: text("file"),
    nodes,
    shards,
    seed: text("seed") ?? "floe",
    port: text("port") === undefined ? undefined : number("port", 0, 0, 65535),
    dataDir: text("data-dir"),
    networkFile: resolve(text("network-file") ?? join(ROOT, ".floe", "network.json")),
  };
}

const started = performance.now();
const say = (line: string): void => {
  console.log(`${((performance.now() - started) / 1000).toFixed(1).padStart(6)} s  ${line}`);
};

async function main(options: Options): Promise<number> {
  const content = options.file === undefined ? randomBytes(SAMPLE_BYTES) : readFileSync(options.file);
  const closers: (() => Promise<void>)[] = [];
  let stopping: Promise<void> | undefined;
  const stop = (): Promise<void> => {
    stopping ??= (async () => {
      for (const close of closers.reverse()) await close();
    })();
    return stopping;
  };
  const interrupted = new Promise<"interrupted">((resolveSignal) => {
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
      process.once(signal, () => resolveSignal("interrupted"));
    }
  });
  try {
    const work = (async (): Promise<number> => {
      say("bundling the edge Worker and starting the embedded network ...");
      const [bundle, network] = await Promise.all([
        bundleWorker("wrangler.toml"),
        startNetwork({
          nodes: options.nodes,
          shards: options.shards,
          seed: options.seed,
          ...(options.dataDir === undefined ? {} : { dataDir: resolve(options.dataDir) }),
        }).then((each) => {
          closers.push(() => each.close());
          return each;
        }),
      ]);
      say(
        `${options.nodes} storage nodes hold ${options.shards} shards; Sui stand-in at ${network.file.sui.url}`,
      );
      const edge = await startEdge({
        bundle,
        network: network.file,
        port: options.port ?? (await defaultPort()),
        ...(options.dataDir === undefined ? {} : { stateDir: resolve(options.dataDir, "edge") }),
        ...(options.verbose ? { onLog: (line: string) => console.error(`edge: ${line}`) } : {}),
      });
      closers.push(() => edge.close());
      const file: NetworkFile = { ...network.file, edge: { url: edge.url } };
      writeNetworkFile(options.networkFile, file);
      say(`edge ready at ${edge.url}; network file ${options.networkFile}`);
      const equal = await roundTrip({ network: file, edgeUrl: edge.url, content, say });
      if (!options.once && equal) {
        say("staying up; Ctrl-C stops everything");
        await interrupted;
        console.log("");
      }
      return equal ? 0 : 1;
    })();
    const outcome = await Promise.race([work, interrupted]);
    if (outcome !== "interrupted") return outcome;
    say("stopping ...");
    // What was still starting registers its closer before `work` settles.
    const finished = await Promise.race([work.catch(() => 1), stop().then(() => 130)]);
    return options.once ? 130 : finished === 1 ? 1 : 0;
  } finally {
    await stop();
  }
}

/** The official services' port when it is free, else any. */
function defaultPort(): Promise<number> {
  return new Promise((resolvePort) => {
    const probe = createServer();
    probe.once("error", () => resolvePort(0));
    probe.listen(DEFAULT_PORT, "127.0.0.1", () => probe.close(() => resolvePort(DEFAULT_PORT)));
  });
}

function writeNetworkFile(path: string, file: NetworkFile): void {
  mkdirSync(resolve(path, ".."), { recursive: true });
  // The wallet's key stands in it: readable by its owner only.
  writeFileSync(path, `${JSON.stringify(file, null, 2)}\n`, { mode: 0o600 });
}

try {
  const options = parseOptions(process.argv.slice(2));
  if (options === "help") console.log(HELP);
  else process.exitCode = await main(options);
} catch (error) {
  if (error instanceof UsageError) console.error(`${error.message}\n\n${HELP}`);
  else console.error(error);
  process.exitCode = error instanceof UsageError ? 2 : 1;
}
