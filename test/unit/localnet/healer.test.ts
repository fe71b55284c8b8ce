// If this fails, lost slivers stay lost, or a node fills its gaps with bytes it did not check.
import { afterEach, beforeEach, expect, test } from "vitest";
import { systemClock } from "../../../host/clock.ts";
import { NodeHost } from "../../../localnet/node-host.ts";
import { toHex } from "../../../shared/base/bytes.ts";
import { blake2b256 } from "../../../shared/crypto/blake2b.ts";
import { blsPublicKey } from "../../../shared/crypto/bls.ts";
import type { Committee } from "../../../shared/protocol/committee.ts";
import { parseObjectId, type ShardIndex } from "../../../shared/protocol/ids.ts";
import { pairOfShard } from "../../../shared/protocol/mapping.ts";
import { codec, encodeBlob, N_SHARDS, type TestBlob } from "../../support/nodes/lone-node.ts";
import { ScriptedChain } from "../../support/sui/scripted-chain.ts";

const NODES = 4;
const OBJECT = parseObjectId("0xa1");
const blob = encodeBlob(Uint8Array.from({ length: 1000 }, (_, i) => i % 251));
const shardsOf = (node: number): ShardIndex[] =>
  Array.from({ length: N_SHARDS }, (_, shard) => shard as ShardIndex).filter((s) => s % NODES === node);

let hosts: NodeHost[] = [];
let chain: ScriptedChain;
const errors: unknown[] = [];

beforeEach(async () => {
  errors.length = 0;
  const keys = Array.from({ length: NODES }, (_, i) => {
    const secretKey = new Uint8Array(32).fill(i + 1);
    return { nodeId: parseObjectId(`0x${i + 1}`), secretKey, publicKey: blsPublicKey(secretKey) };
  });
  hosts = await Promise.all(
    keys.map((each, i) =>
      NodeHost.bind({
        name: `node-${i}`,
        keys: each,
        rogueKey: new Uint8Array(32).fill(99),
        storePath: ":memory:",
        host: "127.0.0.1",
        port: 0,
        clock: systemClock,
        codec,
        heal: true,
        healGraceMs: 0,
        onError: (error) => errors.push(error),
      }),
    ),
  );
  const committee: Committee = {
    epoch: 5,
    nShards: N_SHARDS,
    members: hosts.map((host, i) => ({
      nodeId: host.keys.nodeId,
      name: host.name,
      networkAddress: `127.0.0.1:${host.server.port}`,
      publicKey: host.keys.publicKey,
      shards: shardsOf(i),
    })),
  };
  chain = new ScriptedChain({ epoch: 5, committee, previousCommittee: null });
  chain.register(blob.blobId, OBJECT, 10);
  await Promise.all(hosts.map((host) => host.start(chain)));
});
afterEach(() => Promise.all(hosts.map((host) => host.close())));

async function put(host: NodeHost, path: string, body: Uint8Array): Promise<void> {
  const url = `${host.server.url}/v1/blobs/${blob.blobId}/${path}`;
  for (let tries = 0; ; tries++) {
    const response = await fetch(url, { method: "PUT", body: new Uint8Array(body) });
    if (response.status === 201) return;
    // The registration may not have reached this node yet.
    if (tries > 2_000) throw new Error(await response.text());
    await systemClock.sleep(5);
  }
}

async function upload(nodes: readonly number[]): Promise<void> {
  for (const node of nodes) {
    const host = hosts[node];
    if (host === undefined) continue;
    await put(host, "metadata", blob.metadata);
    for (const shard of shardsOf(node)) {
      const pair = pairOfShard(shard, blob.blobId, N_SHARDS);
      for (const axis of ["primary", "secondary"] as const) {
        await put(host, `slivers/${pair}/${axis}`, blob.pairs[pair]?.[axis] ?? new Uint8Array());
      }
    }
  }
}

function expected(node: number, { blobId, pairs }: TestBlob): Map<string, string> {
  const slivers = new Map<string, string>();
  for (const shard of shardsOf(node)) {
    const pair = pairs[pairOfShard(shard, blobId, N_SHARDS)];
    if (pair === undefined) continue;
    slivers.set(`${shard}/primary`, toHex(blake2b256(pair.primary)));
    slivers.set(`${shard}/secondary`, toHex(blake2b256(pair.secondary)));
  }
  return slivers;
}
const stored = (node: number): Map<string, string> | undefined => hosts[node]?.storedSlivers(blob.blobId);

test("rebuilds metadata and every sliver of a certified blob, byte for byte, while one peer lies", async () => {
  await upload([1, 2, 3]);
  hosts[2]?.setFault({ kind: "corrupt-slivers" });
  expect(stored(0)?.size).toBe(0);
  chain.certify(blob.blobId, OBJECT, 10);
  await expect.poll(() => stored(0)).toEqual(expected(0, blob));
  expect(errors.map(String).join()).toContain("bad symbols");
});

test("leaves a blob alone that is only registered", async () => {
  await upload([1, 2, 3]);
  await systemClock.sleep(1_200);
  expect(stored(0)?.size).toBe(0);
});

test("rebuilds dropped slivers only when the fault says so", async () => {
  await upload([0, 1, 2, 3]);
  chain.certify(blob.blobId, OBJECT, 10);
  hosts[1]?.setFault({ kind: "drop-slivers", heal: false });
  hosts[0]?.setFault({ kind: "drop-slivers", fraction: 0.5, heal: true });
  expect(stored(0)?.size).toBe(3);
  await expect.poll(() => stored(0)).toEqual(expected(0, blob));
  expect(stored(1)?.size).toBe(0);
  hosts[1]?.setFault({ kind: "none" });
  await expect.poll(() => stored(1)).toEqual(expected(1, blob));
});

test("tries again after too few peers answered", async () => {
  await upload([1, 2, 3]);
  for (const peer of [1, 3]) hosts[peer]?.setFault({ kind: "error" });
  chain.certify(blob.blobId, OBJECT, 10);
  await expect.poll(() => errors.map(String).join()).toMatch(/[0-9] of [0-9] symbols/);
  for (const peer of [1, 3]) hosts[peer]?.setFault({ kind: "none" });
  await expect.poll(() => stored(0)).toEqual(expected(0, blob));
});
