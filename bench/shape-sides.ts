/** The two sides of `bench -- shape`: the edge in workerd, and the official SDK in this process. */
import { readdirSync, readFileSync } from "node:fs";
import { SuiGrpcClient } from "@mysten/sui/grpc";
import { Ed25519Keypair } from "@mysten/sui/keypairs/ed25519";
import { walrus } from "@mysten/walrus";
import { type EdgeRuntime, startEdge } from "../dev/edge-runtime.ts";
import type { WorkerBundle } from "../dev/worker-bundle.ts";
import type { ShapeNetwork } from "./shape-network.ts";

export interface Read {
  readonly bytes: Uint8Array;
  /** Until the first byte of the body, and until its last. */
  readonly firstByteMs: number;
  readonly ms: number;
}

export interface Side {
  readonly name: "edge" | "sdk";
  /** @returns the blob ID */
  publish(content: Uint8Array): Promise<string>;
  read(blobId: string): Promise<Read>;
  /** CPU time so far of the process that does the work; undefined where it cannot be told. */
  cpuMs(): number | undefined;
}

/** Steps of one publish, from the edge's own log line. */
export type Steps = Readonly<
  Record<"readMs" | "encodeMs" | "stageMs" | "registerMs" | "collectMs" | "certifyMs", number>
>;

export interface EdgeSide extends Side {
  readonly name: "edge";
  readonly runtime: EdgeRuntime;
  /** One of each publish, in order. */
  readonly steps: readonly Steps[];
  /** Highest memory of the kernels so far. */
  readonly kernelBytes: number;
  range(blobId: string, from: number, length: number): Promise<Read>;
  close(): Promise<void>;
}

export async function edgeSide(
  bundle: WorkerBundle,
  network: ShapeNetwork,
  options: { readonly inspector?: boolean } = {},
): Promise<EdgeSide> {
  const steps: Steps[] = [];
  let kernelBytes = 0;
  const runtime = await startEdge({
    bundle,
    network: network.file,
    stagingBucket: true,
    ...options,
    onLog: (line) => {
      const record = parsed(line);
      // The edge's own records.
      if (record?.["event"] === "published") steps.push(record as unknown as Steps);
      if (record?.["event"] === "kernel-memory-peak") {
        kernelBytes = Math.max(kernelBytes, Number(record["kernelBytes"]));
      }
    },
  });
  const { url } = runtime;
  return {
    name: "edge",
    runtime,
    steps,
    get kernelBytes() {
      return kernelBytes;
    },
    async publish(content) {
      const response = await fetch(`${url}/v1/blobs?epochs=2`, { method: "PUT", body: Buffer.from(content) });
      const text = await response.text();
      if (!response.ok) throw new Error(`publish answered ${response.status}: ${text}`);
      // The official publisher's answer.
      return (JSON.parse(text) as { newlyCreated: { blobObject: { blobId: string } } }).newlyCreated
        .blobObject.blobId;
    },
    read: (blobId) => get(`${url}/v1/blobs/${blobId}`, {}),
    range: (blobId, from, length) =>
      get(`${url}/v1/blobs/${blobId}`, { range: `bytes=${from}-${from + length - 1}` }),
    cpuMs: workerdCpuMs,
    close: () => runtime.close(),
  };
}

async function get(url: string, headers: Record<string, string>): Promise<Read> {
  const started = performance.now();
  const response = await fetch(url, { headers });
  if (!response.ok) throw new Error(`read answered ${response.status}: ${await response.text()}`);
  const chunks: Uint8Array[] = [];
  let firstByteMs = 0;
  for await (const chunk of response.body ?? []) {
    if (chunks.length === 0) firstByteMs = performance.now() - started;
    chunks.push(chunk);
  }
  const ms = performance.now() - started;
  return { bytes: Buffer.concat(chunks), firstByteMs, ms };
}

export interface SdkSide extends Side {
  readonly name: "sdk";
  /** @returns the blob object's ID, which nodes are asked to confirm */
  register(blob: {
    readonly blobId: string;
    readonly rootHash: Uint8Array;
    readonly size: number;
  }): Promise<string>;
}

export async function sdkSide(network: ShapeNetwork): Promise<SdkSide> {
  const { file } = network;
  const client = new SuiGrpcClient({ network: "testnet", baseUrl: file.sui.url }).$extend(
    walrus({
      packageConfig: {
        systemObjectId: file.walrus.systemObjectId,
        stakingPoolId: file.walrus.stakingObjectId,
      },
      storageNodeUrlScheme: "http",
    }),
  );
  const signer = Ed25519Keypair.generate();
  await network.faucet(signer.toSuiAddress());
  const owner = signer.toSuiAddress();
  return {
    name: "sdk",
    async publish(content) {
      return (await client.walrus.writeBlob({ blob: content, deletable: true, epochs: 2, signer })).blobId;
    },
    async read(blobId) {
      const started = performance.now();
      const bytes = await client.walrus.readBlob({ blobId });
      const ms = performance.now() - started;
      return { bytes, firstByteMs: ms, ms };
    },
    async register(blob) {
      const registered = await client.walrus.executeRegisterBlobTransaction({
        ...blob,
        epochs: 2,
        deletable: true,
        owner,
        signer,
      });
      return registered.blob.id;
    },
    cpuMs: processCpuMs,
  };
}

export function processCpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

const TICK_MS = 10;

/** Of every workerd that this process has started, from /proc; undefined where there is none. */
function workerdCpuMs(): number | undefined {
  let ticks: number | undefined;
  try {
    for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
      ticks = (ticks ?? 0) + workerdTicks(pid);
    }
  } catch {
    return undefined; // No /proc on this system.
  }
  return ticks === undefined ? undefined : ticks * TICK_MS;
}

function workerdTicks(pid: string): number {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, "utf8");
  } catch {
    return 0; // It has just ended.
  }
  const [, name, rest = ""] = /^\d+ \((.*)\) (.*)$/s.exec(text) ?? [];
  const fields = rest.split(" ");
  // Fields of proc(5) from the third on: 4 is the parent, 14 and 15 the time in user and kernel mode.
  if (name !== "workerd" || Number(fields[4 - 3]) !== process.pid) return 0;
  return Number(fields[14 - 3]) + Number(fields[15 - 3]);
}

function parsed(line: string): Record<string, unknown> | undefined {
  try {
    return JSON.parse(line) as Record<string, unknown>;
  } catch {
    return undefined; // Lines of the runtime itself are no records.
  }
}
