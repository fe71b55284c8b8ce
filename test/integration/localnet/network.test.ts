// If this fails, `npm start` and every end-to-end test stand on a network that is not the one its file describes.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { type Network, type NetworkOptions, startNetwork } from "../../../localnet/network.ts";
import { parseNetworkFile } from "../../../shared/network/network-file.ts";
import { parseSuccessBody } from "../../../shared/node/storage-node-api.ts";

const cleanup: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const step of cleanup.splice(0).reverse()) await step();
});

async function start(options: NetworkOptions = {}): Promise<Network> {
  const network = await startNetwork(options);
  cleanup.push(() => network.close());
  return network;
}
function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), "floe-network-"));
  cleanup.push(() => rmSync(directory, { recursive: true }));
  return directory;
}

test.each([
  [{ nodes: 0 }, "nodes is a whole number from 1 to 200, not 0"],
  [{ shards: 3 }, "shards is a whole number from 4 to 1000, not 3"],
  [{ nodes: 20, shards: 10 }, "20 nodes cannot share 10 shards: every node needs one"],
  [{ shape: "mainnet", nodes: 13 }, "the shape mainnet has 100 nodes and 1000 shards"],
  [{ distance: { latencyMs: -5 } }, "latencyMs is a number from 0 to 10000"],
  [{ port: 65_530 }, "port is a whole number from 0 to 65521, not 65530"],
] as const)("refuses %j with the numbers", async (options, message) => {
  await expect(startNetwork(options)).rejects.toThrow(message);
});

test("puts shard s on node s mod 13, in committee order, and every node follows the chain", async () => {
  const network = await start({ seed: "order" });
  const file = parseNetworkFile(JSON.stringify(network.file));
  const nodes = file.nodes ?? [];
  expect(nodes.map(({ name }) => name)).toEqual(Array.from({ length: 13 }, (_, i) => `node-${i}`));
  expect(nodes[0]?.shards).toEqual([0, 13, 26, 39]);
  expect(nodes[12]?.shards).toEqual([12, 25, 38]);
  expect(nodes.map(({ nodeId }) => nodeId).sort()).toEqual(nodes.map(({ nodeId }) => nodeId));
  for (const { url, shards } of nodes) {
    const { success } = (await (await fetch(`${url}/v1/health?detailed=true`)).json()) as {
      success: { data: { epoch: number; shardDetail: { owned: { shard: number }[] } } };
    };
    expect(success.data.epoch).toBe(file.epoch);
    expect(success.data.shardDetail.owned.map(({ shard }) => shard)).toEqual(shards);
  }
  const control = await fetch(`${file.control?.url}/v1/network`);
  expect(await control.json()).toEqual(JSON.parse(JSON.stringify(network.file)));
});

test("makes nodes distant from the start or by the control API, and the network file has the distances", async () => {
  const network = await start({ nodes: 7, shards: 10, distance: { latencyMs: 40, spread: 2 } });
  const distances = () =>
    (parseNetworkFile(JSON.stringify(network.file)).nodes ?? []).map(({ distance }) => distance?.latencyMs);
  const sorted = [...distances()].sort((a = 0, b = 0) => a - b);
  expect([sorted[3], sorted.length, new Set(sorted).size]).toEqual([40, 7, 7]);
  const post = async (path: string, body: unknown) => {
    const url = `${network.file.control?.url}/v1/${path}`;
    return (await fetch(url, { method: "POST", body: JSON.stringify(body) })).status;
  };
  expect(await post("nodes/node-2/fault", { kind: "distance", latencyMs: 250 })).toBe(200);
  expect(distances()[2]).toBe(250);
  const started = performance.now();
  await fetch(`${network.file.nodes?.[2]?.url}/v1/health`);
  expect(performance.now() - started).toBeGreaterThanOrEqual(245);
  expect(await post("distance", { latencyMs: 0 })).toBe(200);
  expect(distances()).toEqual(Array.from({ length: 7 }));
});

test("the shape of mainnet has uneven nodes, 80 ms away, which hold what the chain gives them", async () => {
  const network = await start({ shape: "mainnet", distance: { spread: 1 } });
  const nodes = network.file.nodes ?? [];
  expect([nodes.length, network.file.nShards]).toEqual([100, 1000]);
  const [first] = [...nodes].sort((a, b) => b.shards.length - a.shards.length);
  expect([first?.shards.length, first?.distance]).toEqual([18, { latencyMs: 80 }]);
  const health = await (await fetch(`${first?.url}/v1/health?detailed=true`)).json();
  const owned = first?.shards.map((shard) => ({ shard, status: "ready" }));
  expect(health).toMatchObject({ success: { data: { shardDetail: { owned } } } });
});

test("advances the epoch on every node and hands out coins, by the control API", async () => {
  const network = await start({ nodes: 4, shards: 10, seed: "control" });
  const post = async (path: string, body: unknown) => {
    const response = await fetch(`${network.file.control?.url}/v1/${path}`, {
      method: "POST",
      body: JSON.stringify(body),
    });
    return [response.status, await response.json()];
  };
  const { epoch } = network.file;
  expect(await post("epoch/advance", {})).toEqual([200, { epoch: epoch + 1 }]);
  expect(network.file.epoch).toBe(epoch + 1);
  const epochOf = async (url: string): Promise<unknown> => {
    const health = parseSuccessBody(await (await fetch(`${url}/v1/health`)).text());
    return (health as { epoch: unknown }).epoch;
  };
  for (const { url } of network.file.nodes ?? []) await expect.poll(() => epochOf(url)).toBe(epoch + 1);
  const address = network.file.wallet?.address;
  expect(await post("faucet", { address, suiMist: 1 })).toEqual([200, { digest: expect.any(String) }]);
  expect(await post("nodes/node-1/restart", {})).toEqual([200, { node: "node-1" }]);
  expect(await post("nodes/node-1/fault", { kind: "error" })).toEqual([
    200,
    { node: "node-1", kind: "error" },
  ]);
  expect((await fetch(`${network.file.nodes?.[1]?.url}/v1/health`)).status).toBe(500);
  expect(await post("sui/fault", { kind: "none" })).toEqual([200, { kind: "none" }]);
});

test("comes back from its data directory with the same keys, ports and chain, and refuses another shape", async () => {
  const dataDir = temporaryDirectory();
  const log: string[] = [];
  const options = { nodes: 4, shards: 10, seed: "disk", dataDir, log: (line: string) => log.push(line) };
  const first = await startNetwork(options);
  await first.advanceEpoch();
  const before = first.file;
  await first.close();
  await expect(startNetwork({ ...options, nodes: 5 })).rejects.toThrow("holds 4 nodes, 10 shards");
  const second = await start(options);
  const { wallet, walrus, epoch, sui } = before;
  expect(second.file).toMatchObject({ wallet, walrus, epoch, sui: { chainId: sui.chainId } });
  // Ports are the same too, unless another process took one meanwhile; then the network says so.
  if (log.length === 0) expect(second.file).toEqual(before);
  else expect(log.join()).toContain("of the last run is taken");
  await expect(startNetwork(options)).rejects.toThrow("another process has it open");
  const port = Number(new URL(second.file.control?.url ?? "").port);
  await expect(startNetwork({ ...options, dataDir: temporaryDirectory(), port: port - 2 })).rejects.toThrow(
    /port [0-9]+ for .* cannot be used/,
  );
});
