/**
 * The codec beside `@mysten/walrus-wasm`: metadata, encoding, decoding, sliver verification, confirmations; in Node and
 * in workerd, at 1000 and 100 shards, from 1 KiB to 32 MiB.
 *
 * Interleaved A B B A in one process (workerd: one isolate), same bytes, one thread; one warm-up of each side is not
 * counted. `encode` makes all slivers and the metadata. The clock of workerd stands still while code runs, so requests
 * are timed from outside, less an empty one. Ratios are of medians; nothing compares across runs.
 *
 * Peak memory: growth of the resident set in a process of its own (`codec-peak.ts`), in Node only.
 */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import * as walrusWasm from "@mysten/walrus-wasm";
import { convertV4MiniflareOptions, Log, LogLevel, Miniflare } from "miniflare";
import { bundleWorker, miniflareWorker } from "../dev/worker-bundle.ts";
import { command } from "../host/command.ts";
import { flag, someOf, wholes } from "../host/options.ts";
import { buildKernels } from "../kernels/build.ts";
import { loadKernels } from "../kernels/load-node.ts";
import { createKernelCodec } from "../shared/codec/kernel-codec.ts";
import type { WasmBlsFunctions } from "../shared/crypto/wasm-signatures.ts";
import { benchOptions } from "./bench-options.ts";
import { CONFIRMATION_BYTES, CONFIRMATION_STEPS, CONFIRMATIONS } from "./codec-bls.ts";
import { type CodecCase, type CodecOp, type Missing, prepareCase } from "./codec-cases.ts";
import { COLUMNS, caseTarget, type Figure, figureRow } from "./codec-figures.ts";
import { threadFigures } from "./codec-threads.ts";
import { machine, spread } from "./statistics.ts";

const KIB = 1024;
const MIB = 1024 * KIB;
const MAX_MEMORY_BYTES = 512 * MIB;
const DEFAULT_SIZES = [KIB, 64 * KIB, MIB, 8 * MIB, 32 * MIB];
/** Short operations are repeated until a sample takes about this long. */
const SAMPLE_MS = 30;
const MAX_REPEATS = 64;

const OPS = ["metadata", "encode", "decode", "verify", "threads", "bls"] as const;
const RUNTIMES = ["node", "workerd"] as const;
const DEFAULT_ROUNDS = 2;

/** One side of a prepared case, called `times` times. @returns milliseconds */
type Timed = (side: "ours" | "anchor", times: number) => Promise<number>;

interface Runtime {
  readonly name: "node" | "workerd";
  prepare(each: CodecCase): Promise<{ time: Timed; perCall: number; hasAnchor: boolean }>;
  close(): Promise<void>;
}

export const codec = command(
  {
    name: "npm run bench -- codec",
    about: "Measures our codec beside @mysten/walrus-wasm, interleaved, on Node and on workerd.",
    options: {
      ...benchOptions(DEFAULT_ROUNDS, "rounds of A B B A"),
      n: wholes("shard counts", { from: 4, to: 4096 }, [1000, 100]),
      sizes: wholes("blob sizes in bytes", { from: 0, to: 2 ** 32 }, DEFAULT_SIZES),
      ops: someOf("what to measure", OPS),
      runtimes: someOf("where", RUNTIMES),
      "no-peak": flag("do not measure memory"),
    },
  },
  async ({ values }) => {
    await run(values);
    return 0;
  },
);

async function run(values: {
  readonly json: boolean;
  readonly runs: number;
  readonly n: readonly number[];
  readonly sizes: readonly number[];
  readonly ops: readonly (typeof OPS)[number][];
  readonly runtimes: readonly (typeof RUNTIMES)[number][];
  readonly "no-peak": boolean;
}): Promise<void> {
  const { ops, runs: rounds, sizes } = values;
  await buildKernels();
  const print = (figure: Figure): void => {
    console.log(values.json ? JSON.stringify(figure) : figureRow(figure));
  };
  if (!values.json) {
    console.log(`\n${machine()}; @mysten/walrus-wasm 0.3.0; ${rounds} x A B B A; median (min..max) in ms`);
    console.log(COLUMNS);
  }
  for (const name of values.runtimes) {
    const runtime = name === "node" ? nodeRuntime() : await workerdRuntime();
    try {
      for (const each of cases(ops, values.n, sizes)) {
        const wantsPeak = runtime.name === "node" && process.platform === "linux" && !values["no-peak"];
        print(await measure(runtime, each, rounds, wantsPeak));
      }
    } finally {
      await runtime.close();
    }
  }
  if (ops.includes("threads")) {
    for (const figure of await threadFigures(rounds, sizes)) print(figure);
  }
}

function cases(ops: readonly string[], shards: readonly number[], sizes: readonly number[]): CodecCase[] {
  const all: CodecCase[] = [];
  const add = (op: CodecOp, more: Omit<CodecCase, "op" | "n" | "size">[]): void => {
    if (!ops.includes(op)) return;
    for (const n of shards)
      for (const size of sizes) for (const each of more) all.push({ op, n, size, ...each });
  };
  add("metadata", [{}]);
  add("encode", [{}]);
  const missing: Missing[] = ["none", "half", "all"];
  add(
    "decode",
    missing.map((each) => ({ missing: each })),
  );
  add("verify", [{ batch: 8 }, { batch: 1 }]);
  if (ops.includes("bls")) {
    const confirmations = { op: "bls", n: CONFIRMATIONS, size: CONFIRMATION_BYTES } as const;
    all.push(...CONFIRMATION_STEPS.map((step) => ({ ...confirmations, step })));
  }
  return all;
}

async function measure(
  runtime: Runtime,
  each: CodecCase,
  rounds: number,
  wantsPeak: boolean,
): Promise<Figure> {
  const { time, perCall, hasAnchor } = await runtime.prepare(each);
  const sides = hasAnchor ? (["anchor", "ours", "ours", "anchor"] as const) : (["ours", "ours"] as const);
  const samples = { ours: [] as number[], anchor: [] as number[] };
  const repeats = { ours: 1, anchor: 1 };
  for (const side of new Set(sides)) {
    await time(side, 1);
    const once = await time(side, 1);
    repeats[side] = Math.max(1, Math.min(MAX_REPEATS, Math.ceil(SAMPLE_MS / Math.max(once, 0.05))));
    // A second warm-up as long as a sample lets the engine finish its compilation.
    if (repeats[side] > 1) await time(side, repeats[side]);
  }
  for (let round = 0; round < rounds; round++) {
    for (const side of sides) samples[side].push((await time(side, repeats[side])) / repeats[side] / perCall);
  }
  const ours = spread(samples.ours);
  const anchor = hasAnchor ? spread(samples.anchor) : undefined;
  const peak = wantsPeak && (each.op === "metadata" || each.op === "encode") ? peakMb(each) : undefined;
  return {
    ...each,
    runtime: runtime.name,
    oursMs: ours.median,
    oursMinMs: ours.min,
    oursMaxMs: ours.max,
    anchorMs: anchor?.median ?? null,
    ratio: anchor === undefined ? null : anchor.median / ours.median,
    peakMb: peak?.ours ?? null,
    anchorPeakMb: peak?.official ?? null,
    target: caseTarget(each, runtime.name),
  };
}

function nodeRuntime(): Runtime {
  const kernels = loadKernels();
  if (kernels === undefined) throw new Error("this Node cannot run the kernels");
  const codec = createKernelCodec({ module: kernels.module, maxMemoryBytes: MAX_MEMORY_BYTES });
  const contenders = {
    official: (n: number) => new walrusWasm.BlobEncoder(n),
    // The package types its lists as `any`.
    officialBls: walrusWasm as WasmBlsFunctions,
  };
  return {
    name: "node",
    async prepare(each) {
      const prepared = prepareCase({ codec, ...contenders }, each);
      const time: Timed = async (side, times) => {
        const call = side === "ours" ? prepared.ours : prepared.anchor;
        const started = performance.now();
        for (let i = 0; i < times; i++) call?.();
        return performance.now() - started;
      };
      return { time, perCall: prepared.perCall, hasAnchor: prepared.anchor !== undefined };
    },
    async close() {},
  };
}

async function workerdRuntime(): Promise<Runtime> {
  const bundle = await bundleWorker("bench/codec.toml");
  const workers = [miniflareWorker(bundle, {})];
  const miniflare = new Miniflare({
    ...convertV4MiniflareOptions({ workers } as unknown as Parameters<typeof convertV4MiniflareOptions>[0]),
    log: new Log(LogLevel.ERROR),
    cf: false,
    host: "127.0.0.1",
    port: 0,
  } as ConstructorParameters<typeof Miniflare>[0]);
  const base = await miniflare.ready;
  const post = async (path: string, body?: CodecCase): Promise<unknown> => {
    const init = { method: "POST", ...(body && { body: JSON.stringify(body) }) };
    const response = await fetch(new URL(path, base), init);
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
    return response.json();
  };
  const timed = async (path: string): Promise<number> => {
    const started = performance.now();
    await post(path);
    return performance.now() - started;
  };
  return {
    name: "workerd",
    async prepare(each) {
      // The Worker's own answer.
      const { perCall, hasAnchor } = (await post("/prepare", each)) as {
        perCall: number;
        hasAnchor: boolean;
      };
      const idle = spread(await Promise.all(Array.from({ length: 5 }, () => timed("/idle")))).min;
      const time: Timed = async (side, times) =>
        Math.max(0, (await timed(`/run/${side}?times=${times}`)) - idle);
      return { time, perCall, hasAnchor };
    },
    close: () => miniflare.dispose(),
  };
}

function peakMb({ op, n, size }: CodecCase): { ours: number; official: number } {
  const of = (side: string): number => {
    const script = join(import.meta.dirname, "codec-peak.ts");
    const argv = ["--expose-gc", script, side, op, String(n), String(size)];
    const { stdout, stderr, status } = spawnSync(process.execPath, argv, { encoding: "utf8" });
    if (status !== 0) throw new Error(`${argv.join(" ")}: ${stderr}`);
    return Number(stdout) / MIB;
  };
  return { ours: of("ours"), official: of("official") };
}
