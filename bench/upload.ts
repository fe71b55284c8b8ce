/**
 * What an upload costs beside the happy path: its steps, staging, being abandoned, and each kind of fault.
 *
 * - steps: wall time of each step of one publish, from the edge's own log line; staging is `stageMs`, in SQLite rows of
 *   the tracker and, in a second run, in a bucket
 * - abandoned: the client goes away after the registration is paid (`client`), or the whole process ends then and
 *   starts again on its disk (`process`); time until the chain shows the certification
 * - faults: publish while storage nodes or the full node misbehave, beside fault-free publishes of the same run
 *
 * One embedded network of 13 nodes and 40 shards; f = 13 shards. Every publish has fresh bytes. One warm-up publish.
 */
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type EdgeRuntime, startEdge } from "../dev/edge-runtime.ts";
import { bundleWorker, type WorkerBundle } from "../dev/worker-bundle.ts";
import { command } from "../host/command.ts";
import type { NodeFault } from "../localnet/faults.ts";
import { type Network, startNetwork } from "../localnet/network.ts";
import type { SuiFault } from "../localnet/sui/faults.ts";
import { benchOptions } from "./bench-options.ts";
import { formatSpread, machine, spread } from "./statistics.ts";

const NODES = 13;
const SHARDS = 40;
const SIZES = [1024, 1024 * 1024, 8 * 1024 * 1024];
const DEFAULT_RUNS = 3;
/** node-0 holds 4 shards, the others 3: together f = 13. */
const UP_TO_F = ["node-0", "node-1", "node-2", "node-3"];
const ABANDONED_BYTES = 256 * 1024;
const FAULT_BYTES = 64 * 1024;
const POLL_MS = 50;
const GIVE_UP_MS = 120_000;
const STEPS = ["readMs", "encodeMs", "stageMs", "registerMs", "collectMs", "certifyMs"] as const;

const NODE_FAULTS: readonly NodeFault[] = [
  { kind: "down" },
  { kind: "hang" },
  { kind: "slow", ms: 1000 },
  { kind: "error" },
  { kind: "wrong-signature" },
];
const SUI_FAULTS: readonly SuiFault[] = [
  { kind: "error", count: 3 },
  { kind: "lose-reply", count: 1 },
  { kind: "congestion", count: 1 },
];

interface Figure {
  readonly what: string;
  readonly case: string;
  readonly bytes: number;
  readonly ms: readonly number[];
}

class Bench {
  readonly #bundle: WorkerBundle;
  readonly #network: Network;
  readonly #runs: number;
  readonly #report: (figure: Figure) => void;

  constructor(bundle: WorkerBundle, network: Network, runs: number, report: (figure: Figure) => void) {
    this.#bundle = bundle;
    this.#network = network;
    this.#runs = runs;
    this.#report = report;
  }

  async steps(stagingBucket: boolean): Promise<void> {
    const times: Record<string, number>[] = [];
    const edge = await this.#start({
      stagingBucket,
      onLog: (line) => {
        const record = parsed(line);
        if (record?.["event"] === "published") times.push(record as Record<string, number>);
      },
    });
    try {
      await put(edge, randomBytes(1024));
      for (const size of SIZES) {
        times.length = 0;
        const wall: number[] = [];
        for (let i = 0; i < this.#runs; i++) wall.push(await put(edge, randomBytes(size)));
        await until(() => times.length >= this.#runs);
        const store = stagingBucket ? "bucket" : "SQLite";
        for (const step of STEPS) {
          this.#report({
            what: `staged in ${store}`,
            case: step,
            bytes: size,
            ms: times.map((each) => each[step] ?? 0),
          });
        }
        this.#report({ what: `staged in ${store}`, case: "whole PUT", bytes: size, ms: wall });
      }
    } finally {
      await edge.close();
    }
  }

  /** Time from the client's or the process's end after payment to the certification on chain. */
  async abandoned(end: "client" | "process"): Promise<void> {
    const ms: number[] = [];
    for (let i = 0; i < this.#runs; i++) {
      const stateDir = mkdtempSync(join(tmpdir(), "floe-bench-"));
      let edge = await this.#start({ stateDir });
      try {
        // Every node answers late, so that the upload is under way for long enough to be abandoned.
        this.#faultAll({ kind: "slow", ms: 1000 });
        const content = randomBytes(ABANDONED_BYTES);
        const blobId = await blobIdOf(content);
        const client = new AbortController();
        const reply = put(edge, content, client.signal).catch(() => undefined);
        await until(async () => (await stateOf(edge, blobId)) === "registered");
        client.abort();
        await reply;
        if (end === "process") {
          await edge.close();
          edge = await this.#start({ stateDir });
        }
        this.#faultAll({ kind: "none" });
        const started = performance.now();
        await until(async () => (await stateOf(edge, blobId)) === "certified");
        ms.push(performance.now() - started);
      } finally {
        this.#faultAll({ kind: "none" });
        await edge.close();
        rmSync(stateDir, { recursive: true, force: true });
      }
    }
    this.#report({ what: "abandoned", case: `${end} gone`, bytes: ABANDONED_BYTES, ms });
  }

  async faults(): Promise<void> {
    const edge = await this.#start({});
    const measure = async (what: string): Promise<void> => {
      const ms: number[] = [];
      for (let i = 0; i < this.#runs; i++) ms.push(await put(edge, randomBytes(FAULT_BYTES)));
      this.#report({ what: "fault", case: what, bytes: FAULT_BYTES, ms });
    };
    try {
      await put(edge, randomBytes(1024));
      await measure("none");
      for (const fault of NODE_FAULTS) {
        for (const name of UP_TO_F) this.#network.setNodeFault(name, fault);
        await measure(`nodes with f shards: ${fault.kind}`);
        this.#faultAll({ kind: "none" });
      }
      for (const fault of SUI_FAULTS) {
        const ms: number[] = [];
        for (let i = 0; i < this.#runs; i++) {
          this.#network.setSuiFault(fault);
          ms.push(await put(edge, randomBytes(FAULT_BYTES)));
          this.#network.setSuiFault({ kind: "none" });
        }
        this.#report({ what: "fault", case: `Sui: ${fault.kind}`, bytes: FAULT_BYTES, ms });
      }
    } finally {
      await edge.close();
    }
  }

  #faultAll(fault: NodeFault): void {
    for (const { name } of this.#network.file.nodes ?? []) this.#network.setNodeFault(name, fault);
  }

  #start(options: Partial<Parameters<typeof startEdge>[0]>): Promise<EdgeRuntime> {
    return startEdge({ bundle: this.#bundle, network: this.#network.file, ...options });
  }
}

export const upload = command(
  {
    name: "npm run bench -- upload",
    about:
      "Measures the steps of a publish, the cost of staging, abandoned uploads, and recovery after each fault.",
    options: benchOptions(DEFAULT_RUNS),
  },
  async ({ values: { json, runs } }) => {
    await run(json, runs);
    return 0;
  },
);

async function run(isJson: boolean, runs: number): Promise<void> {
  const [bundle, network] = await Promise.all([
    bundleWorker("wrangler.toml"),
    startNetwork({ nodes: NODES, shards: SHARDS, seed: "bench-upload" }),
  ]);
  if (!isJson) {
    console.log(
      `\nlife of an upload, ${SHARDS} shards on ${NODES} nodes, ${runs} runs each; ms, median (min..max)`,
    );
    console.log(machine());
  }
  const bench = new Bench(bundle, network, runs, (figure) => {
    const ms = spread(figure.ms);
    if (isJson) console.log(JSON.stringify({ op: "upload", ...figure, ms, runs }));
    else {
      const cells = [figure.what.padEnd(17), figure.case.padEnd(38), `${figure.bytes}`.padStart(8)];
      console.log(`${cells.join(" ")}  ${formatSpread(ms)}`);
    }
  });
  try {
    await bench.steps(false);
    await bench.steps(true);
    await bench.abandoned("client");
    await bench.abandoned("process");
    await bench.faults();
  } finally {
    await network.close();
  }
}

/** @returns the wall time of the whole request in ms */
async function put(edge: EdgeRuntime, content: Uint8Array, signal?: AbortSignal): Promise<number> {
  const started = performance.now();
  const response = await fetch(`${edge.url}/v1/blobs?epochs=2`, {
    method: "PUT",
    body: Buffer.from(content),
    signal: signal ?? null,
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`publish answered ${response.status}: ${text}`);
  return performance.now() - started;
}

async function stateOf(edge: EdgeRuntime, blobId: string): Promise<string | undefined> {
  const response = await fetch(`${edge.url}/v1/uploads/${blobId}`);
  if (!response.ok) {
    await response.body?.cancel();
    return undefined;
  }
  return ((await response.json()) as { intents: { state: string }[] }).intents[0]?.state;
}

async function blobIdOf(content: Uint8Array): Promise<string> {
  const { nodeCodec } = await import("../host/codec.ts");
  const encoder = (await nodeCodec()).openEncoder(SHARDS, content.length);
  try {
    encoder.write(content);
    return encoder.metadata().blobId;
  } finally {
    encoder.release();
  }
}

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  const started = performance.now();
  while (!(await holds())) {
    if (performance.now() - started > GIVE_UP_MS) throw new Error(`nothing happened within ${GIVE_UP_MS} ms`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

function parsed(line: string): Record<string, unknown> | undefined {
  try {
    return JSON.parse(line) as Record<string, unknown>;
  } catch {
    return undefined; // Lines of the runtime itself are no records.
  }
}
