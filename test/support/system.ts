/** A whole Floe for tests: the embedded network and the edge Worker in workerd, speaking real HTTP and gRPC. */
import { setTimeout as sleep } from "node:timers/promises";
import { type EdgeOptions, type EdgeRuntime, startEdge } from "../../dev/edge-runtime.ts";
import { type Network, type NetworkOptions, startNetwork } from "../../localnet/network.ts";
import { edgeBundle } from "./edge/edge-bundle.ts";
import { Invocations } from "./edge/invocations.ts";
import { until } from "./until.ts";

export interface System {
  readonly network: Network;
  readonly edge: EdgeRuntime;
  /** Checked against the platform's rules when the system is closed. */
  readonly invocations: Invocations;
  /** PUT /v1/blobs; `query` without the question mark. */
  publish(content: Uint8Array, query?: string): Promise<Response>;
  /** Publishes and fails the test unless the edge answers 200; returns the blob ID. */
  publishBlob(content: Uint8Array, query?: string): Promise<string>;
  read(blobId: string, init?: RequestInit): Promise<Response>;
  [Symbol.asyncDispose](): Promise<void>;
}

export async function startSystem(
  options: NetworkOptions = {},
  edgeOptions: Partial<EdgeOptions> = {},
): Promise<System> {
  const [bundle, network] = await Promise.all([edgeBundle(), startNetwork(options)]);
  const invocations = new Invocations();
  const { adapt = (worker) => worker } = edgeOptions;
  const edge = await startEdge({
    bundle,
    network: network.file,
    ...edgeOptions,
    adapt: (worker) => invocations.bind(adapt(worker)),
  });
  const publish = (content: Uint8Array, query = "epochs=5"): Promise<Response> =>
    fetch(`${edge.url}/v1/blobs?${query}`, { method: "PUT", body: Buffer.from(content) });
  return {
    network,
    edge,
    invocations,
    publish,
    async publishBlob(content, query) {
      const response = await publish(content, query);
      const text = await response.text();
      if (response.status !== 200) throw new Error(`publish answered ${response.status}: ${text}`);
      const answer = JSON.parse(text) as {
        newlyCreated?: { blobObject: { blobId: string } };
        alreadyCertified?: { blobId: string };
      };
      const blobId = answer.newlyCreated?.blobObject.blobId ?? answer.alreadyCertified?.blobId;
      if (blobId === undefined) throw new Error(`publish answered ${text}`);
      return blobId;
    },
    read: (blobId, init) => fetch(`${edge.url}/v1/blobs/${blobId}`, init),
    async [Symbol.asyncDispose]() {
      await edge.close();
      await network.close();
      invocations.check();
    },
  };
}

/** Nothing is left to do for these uploads: every sliver is on its node, the copy is released. */
export async function uploadsOver(system: System, blobIds: readonly string[]): Promise<void> {
  for (const blobId of blobIds) {
    await until(`the end of the upload of ${blobId}`, async () => {
      const response = await fetch(`${system.edge.url}/v1/uploads/${blobId}`);
      // The fields looked at, as the route documents them.
      const { tail, staging } = (await response.json()) as { tail?: string; staging?: object | null };
      return tail === "complete" && staging === null;
    });
  }
}

/** Requests that the nodes have counted, once none is under way and none has come for a while. */
export async function requestsOnceQuiet(network: Network, names: readonly string[]): Promise<number> {
  const total = (count: (name: string) => number): number =>
    names.reduce((sum, name) => sum + count(name), 0);
  const requests = (): number => total((name) => network.nodeStats(name).requests);
  for (let last = -1; ; await sleep(200)) {
    const now = requests();
    if (now === last && total((name) => network.nodeStats(name).inFlight) === 0) return now;
    last = now;
  }
}

/** The vectors' generator: xorshift32, every step appends 4 little-endian bytes. */
export function prng(seed: number, length: number): Uint8Array {
  const bytes = new Uint8Array(Math.ceil(length / 4) * 4);
  const view = new DataView(bytes.buffer);
  let x = seed >>> 0;
  for (let at = 0; at < length; at += 4) {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    view.setUint32(at, x >>> 0, true);
  }
  return bytes.subarray(0, length);
}

export async function bytesOf(response: Response): Promise<Uint8Array> {
  return new Uint8Array(await response.arrayBuffer());
}

export const sameBytes = (a: Uint8Array, b: Uint8Array): boolean =>
  Buffer.compare(
    Buffer.from(a.buffer, a.byteOffset, a.length),
    Buffer.from(b.buffer, b.byteOffset, b.length),
  ) === 0;
