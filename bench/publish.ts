/**
 * Publish and read, the edge beside the official SDK, on one embedded network (13 nodes, 40 shards).
 *
 * Interleaved A B B A; every publish has fresh bytes. Requests and bytes are counted at the storage nodes, so both
 * sides are counted by the same hand; Sui calls are not counted. The edge runs in workerd and encodes there; the SDK
 * encodes in this process. Not counted: start-up, one warm-up publish and read of each side.
 */
import { randomBytes } from "node:crypto";
import { SuiGrpcClient } from "@mysten/sui/grpc";
import { Ed25519Keypair } from "@mysten/sui/keypairs/ed25519";
import { walrus } from "@mysten/walrus";
import { startEdge } from "../dev/edge-runtime.ts";
import { bundleWorker } from "../dev/worker-bundle.ts";
import { command } from "../host/command.ts";
import { type Network, startNetwork } from "../localnet/network.ts";
import { parseObjectId } from "../shared/protocol/ids.ts";
import { encodedLength } from "../shared/protocol/sizes.ts";
import { benchOptions } from "./bench-options.ts";
import { formatSpread, machine, spread } from "./statistics.ts";

const SIZES = [1024, 1024 * 1024, 8 * 1024 * 1024];
const NODES = 13;
const SHARDS = 40;
const DEFAULT_RUNS = 4;
/** All slivers are stored within 30 s of the reply; traffic is counted once the nodes are quiet. */
const QUIET_MS = 300;

interface Side {
  readonly name: "edge" | "official SDK";
  publish(content: Uint8Array): Promise<string>;
  read(blobId: string): Promise<Uint8Array>;
}

interface Sample {
  readonly ms: number;
  readonly requests: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
}

export const publish = command(
  {
    name: "npm run bench -- publish",
    about: "Publishes and reads through the edge and with the official SDK, interleaved, on one network.",
    options: benchOptions(DEFAULT_RUNS),
  },
  async ({ values: { json, runs } }) => {
    await run(json, runs);
    return 0;
  },
);

async function run(json: boolean, runs: number): Promise<void> {
  const [bundle, network] = await Promise.all([
    bundleWorker("wrangler.toml"),
    startNetwork({ nodes: NODES, shards: SHARDS, seed: "bench" }),
  ]);
  const edge = await startEdge({ bundle, network: network.file });
  try {
    const sides = [edgeSide(edge.url), await officialSide(network)];
    if (!json) {
      console.log(
        `\npublish and read, ${SHARDS} shards on ${NODES} nodes, ${runs} runs each, interleaved A B B A`,
      );
      console.log(`${machine()}; @mysten/walrus 1.2.13; median (min..max)`);
      console.log(row("operation", "size", "side", "ms", "requests", "sent / stored", "received / blob"));
    }
    for (const size of SIZES) await measure(network, sides, size, runs, json);
  } finally {
    await edge.close();
    await network.close();
  }
}

async function measure(
  network: Network,
  sides: Side[],
  size: number,
  runs: number,
  json: boolean,
): Promise<void> {
  const samples = new Map<string, { publish: Sample[]; read: Sample[] }>();
  for (const side of sides) samples.set(side.name, { publish: [], read: [] });
  for (const side of sides) await side.read(await side.publish(randomBytes(size)));
  for (let i = 0; i < runs; i++) {
    const order = i % 2 === 0 ? sides : [...sides].reverse();
    for (const side of order) {
      const content = randomBytes(size);
      let blobId = "";
      const publish = await observed(network, async () => {
        blobId = await side.publish(content);
      });
      const read = await observed(network, async () => {
        const bytes = await side.read(blobId);
        if (Buffer.compare(bytes, content) !== 0) throw new Error(`${side.name} returned other bytes`);
      });
      samples.get(side.name)?.publish.push(publish);
      samples.get(side.name)?.read.push(read);
    }
  }
  // What the network keeps: all slivers, and the metadata once on every node.
  const stored = encodedLength(SHARDS, size) - SHARDS * (64 * SHARDS + 32) + NODES * (66 * SHARDS + 11);
  for (const operation of ["publish", "read"] as const) {
    for (const side of sides) {
      const list = samples.get(side.name)?.[operation] ?? [];
      const ms = spread(list.map((each) => each.ms));
      const requests = spread(list.map((each) => each.requests));
      const sent = spread(list.map((each) => each.bytesIn / stored));
      const received = spread(list.map((each) => each.bytesOut / size));
      if (json) {
        const figures = { ms, requests, sentPerStored: sent.median, receivedPerBlobByte: received.median };
        console.log(JSON.stringify({ op: operation, size, side: side.name, n: SHARDS, runs, ...figures }));
      } else {
        console.log(
          row(
            operation,
            sizeName(size),
            side.name,
            formatSpread(ms),
            formatSpread(requests),
            operation === "publish" ? sent.median.toFixed(2) : "-",
            operation === "read" ? received.median.toFixed(2) : "-",
          ),
        );
      }
    }
  }
}

/** Times `work`, then waits for the tail to end so that all traffic it caused is counted. */
async function observed(network: Network, work: () => Promise<void>): Promise<Sample> {
  const before = traffic(network);
  const started = performance.now();
  await work();
  const ms = performance.now() - started;
  let last = traffic(network);
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, QUIET_MS));
    const now = traffic(network);
    if (now.requests === last.requests && now.bytesIn === last.bytesIn) break;
    last = now;
  }
  return {
    ms,
    requests: last.requests - before.requests,
    bytesIn: last.bytesIn - before.bytesIn,
    bytesOut: last.bytesOut - before.bytesOut,
  };
}

function traffic(network: Network): { requests: number; bytesIn: number; bytesOut: number } {
  const total = { requests: 0, bytesIn: 0, bytesOut: 0 };
  for (const node of network.file.nodes ?? []) {
    const stats = network.nodeStats(node.name);
    total.requests += stats.requests;
    total.bytesIn += stats.bytesIn;
    total.bytesOut += stats.bytesOut;
  }
  return total;
}

function edgeSide(url: string): Side {
  return {
    name: "edge",
    async publish(content) {
      const response = await fetch(`${url}/v1/blobs?epochs=2`, { method: "PUT", body: Buffer.from(content) });
      const text = await response.text();
      if (!response.ok) throw new Error(`publish answered ${response.status}: ${text}`);
      return (JSON.parse(text) as { newlyCreated: { blobObject: { blobId: string } } }).newlyCreated
        .blobObject.blobId;
    },
    async read(blobId) {
      const response = await fetch(`${url}/v1/blobs/${blobId}`);
      if (!response.ok) throw new Error(`read answered ${response.status}: ${await response.text()}`);
      return new Uint8Array(await response.arrayBuffer());
    },
  };
}

async function officialSide(network: Network): Promise<Side> {
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
  await network.faucet(parseObjectId(signer.toSuiAddress()), { suiMist: 10n ** 12n, walFrost: 10n ** 12n });
  return {
    name: "official SDK",
    async publish(content) {
      return (await client.walrus.writeBlob({ blob: content, deletable: true, epochs: 2, signer })).blobId;
    },
    read: (blobId) => client.walrus.readBlob({ blobId }),
  };
}

const sizeName = (size: number): string => (size >= 2 ** 20 ? `${size / 2 ** 20} MiB` : `${size / 1024} KiB`);

function row(...cells: string[]): string {
  const widths = [10, 7, 13, 22, 16, 14, 16];
  return cells.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join(" ");
}
