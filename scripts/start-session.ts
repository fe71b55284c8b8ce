/** What `npm start` runs once its options are understood: network, edge, round trip, and a clean end. */
import { randomBytes } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { resolve } from "node:path";
import { startAuditor } from "../dev/auditor-runtime.ts";
import { startEdge } from "../dev/edge-runtime.ts";
import { bundleWorker } from "../dev/worker-bundle.ts";
import { readInput } from "../host/input.ts";
import { type NetworkOptions, startNetwork } from "../localnet/network.ts";
import type { NetworkFile } from "../shared/network/network-file.ts";
import { auditRound } from "./audit-round.ts";
import { roundTrip } from "./round-trip.ts";

const DEFAULT_PORT = 31415;
const SAMPLE_BYTES = 1024 * 1024;
/** As a shell reports a program that Ctrl-C ended. */
const INTERRUPTED = 130;

export interface StartOptions {
  readonly once: boolean;
  readonly verbose: boolean;
  /** Whether a round of storage challenges follows the round trip. */
  readonly audit: boolean;
  readonly file: string | undefined;
  readonly nodes: number;
  readonly shards: number;
  readonly shape?: NonNullable<NetworkOptions["shape"]>;
  readonly distance?: NonNullable<NetworkOptions["distance"]>;
  readonly seed: string;
  /** undefined = the default port, or any free one when it is taken. */
  readonly port: number | undefined;
  readonly dataDir: string | undefined;
  readonly networkFile: string;
}

/** @returns the exit code: 0 when the bytes came back equal, 1 when not, 130 when interrupted before that */
export async function runSession(options: StartOptions): Promise<number> {
  const started = performance.now();
  const say = (line: string): void => {
    console.log(`${((performance.now() - started) / 1000).toFixed(1).padStart(6)} s  ${line}`);
  };
  const interrupted = new Promise<"interrupted">((resolveSignal) => {
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
      // Not `once`: without a listener left, the bundler's own would end the process on the spot.
      process.on(signal, () => resolveSignal("interrupted"));
    }
  });
  const resources = new Resources();
  let exitCode: number | undefined;
  const work = async (): Promise<void> => {
    const isEqual = await startAndRoundTrip(options, resources, say);
    exitCode = isEqual ? 0 : 1;
    if (options.once || !isEqual) return;
    say("staying up; Ctrl-C stops everything");
    await interrupted;
  };
  try {
    if ((await Promise.race([work(), interrupted])) === "interrupted") say("stopping ...");
    return exitCode ?? INTERRUPTED;
  } finally {
    await resources.close();
  }
}

async function startAndRoundTrip(
  options: StartOptions,
  resources: Resources,
  say: (line: string) => void,
): Promise<boolean> {
  const content = options.file === undefined ? randomBytes(SAMPLE_BYTES) : readInput(options.file);
  say("bundling the edge Worker and starting the embedded network ...");
  const { nodes, shards, shape, distance, seed } = options;
  const dataDir = options.dataDir === undefined ? undefined : resolve(options.dataDir);
  const [bundle, auditorBundle, network] = await Promise.all([
    bundleWorker("wrangler.toml"),
    bundleWorker("auditor/wrangler.toml"),
    resources.add(
      startNetwork({
        nodes,
        shards,
        seed,
        ...(shape === undefined ? {} : { shape }),
        ...(distance === undefined ? {} : { distance }),
        ...(dataDir === undefined ? {} : { dataDir }),
      }),
    ),
  ]);
  say(`${nodes} storage nodes hold ${shards} shards; Sui stand-in at ${network.file.sui.url}`);
  say(`control API at ${network.file.control?.url}: break a node and watch, docs/localnet.md`);
  // What readers see reaches the auditor; the token is theirs alone, so each run has another one.
  const token = randomBytes(32).toString("hex");
  const auditor = await resources.add(
    startAuditor({
      bundle: auditorBundle,
      network: network.file,
      bindings: {
        AUDITOR_SECRET_KEY: network.file.auditors?.[0]?.secretKey ?? "",
        EDGE_READS_TOKEN: token,
      },
      ...(dataDir === undefined ? {} : { stateDir: resolve(dataDir, "auditor") }),
      ...(options.verbose ? { onLog: (line: string) => console.error(`auditor: ${line}`) } : {}),
    }),
  );
  const edge = await resources.add(
    startEdge({
      bundle,
      network: network.file,
      port: options.port ?? (await defaultPort()),
      bindings: { AUDITOR_URL: auditor.url, EDGE_READS_TOKEN: token },
      ...(dataDir === undefined ? {} : { stateDir: resolve(dataDir, "edge") }),
      ...(options.verbose ? { onLog: (line: string) => console.error(`edge: ${line}`) } : {}),
    }),
  );
  const file: NetworkFile = { ...network.file, edge: { url: edge.url }, auditor: { url: auditor.url } };
  writeNetworkFile(options.networkFile, file);
  say(`edge ready at ${edge.url}, auditor at ${auditor.url}; network file ${options.networkFile}`);
  const isEqual = await roundTrip({ network: file, edgeUrl: edge.url, content, say });
  if (isEqual && options.audit) await auditRound(auditor.url, say);
  return isEqual;
}

/** Everything that must be closed, also what is still starting when the end comes. */
class Resources {
  readonly #opened: { close(): Promise<void> }[] = [];
  #isClosing = false;

  async add<Resource extends { close(): Promise<void> }>(opening: Promise<Resource>): Promise<Resource> {
    const resource = await opening;
    if (this.#isClosing) await resource.close();
    else this.#opened.push(resource);
    return resource;
  }

  async close(): Promise<void> {
    this.#isClosing = true;
    for (const resource of this.#opened.reverse()) await resource.close();
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
