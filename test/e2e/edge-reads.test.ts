// If this fails, a storage node that serves the auditor and nobody else passes for a healthy one.
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import { startAuditor } from "../../dev/auditor-runtime.ts";
import { type EdgeRuntime, startEdge } from "../../dev/edge-runtime.ts";
import { type Network, startNetwork } from "../../localnet/network.ts";
import { EDGE_READS_PATH, serializeEdgeReads } from "../../shared/audit/edge-reads.ts";
import { errorBody, parseNodePath } from "../../shared/node/storage-node-api.ts";
import type { BlobId } from "../../shared/protocol/ids.ts";
import { auditorBundle, edgeBundle } from "../support/edge/edge-bundle.ts";
import { bytesOf, prng, sameBytes } from "../support/system.ts";

interface NodeJson {
  readonly nodeId: string;
  readonly name: string;
  readonly state: string;
  readonly watchReasons: readonly string[];
  readonly failures: number;
  readonly edgeReads: {
    readonly passed: number;
    readonly missing: number;
    readonly invalid: number;
    readonly failedBlobs: number;
  } | null;
}

const TOKEN = "edge-reads-token-of-this-test-0123456789";
/** The cheats hold two shards each; six others are more than the n - 2f = 4 that a blob can be read from. */
const NETWORK = { nodes: 4, shards: 10, seed: "edge-reads" };
const DENIER = "node-2";
const LIAR = "node-3";
const BLOBS = Array.from({ length: 8 }, (_, index) => prng(index + 1, 3_000));

let network: Network;
const members = () => network.file.nodes ?? [];
let auditor: EdgeRuntime;
let edge: EdgeRuntime;
const log: string[] = [];
/** Requests of the edge that a node answered otherwise than it would answer the auditor. */
const cheated = new Map<string, number>();

/** The network as this edge sees it: two nodes know a reader when they see one. */
async function throughCheats(request: Request): Promise<Response> {
  const url = new URL(request.url);
  const node = members().find((each) => new URL(each.url).host === url.host)?.name;
  const route = node === undefined ? undefined : parseNodePath(url.pathname)?.name;
  const isRead = request.method === "GET" && (route === "sliver" || route === "metadata");
  if (node === DENIER && isRead) {
    cheated.set(node, (cheated.get(node) ?? 0) + 1);
    const { http, body } = errorBody(route === "sliver" ? "SLIVER_NOT_FOUND" : "METADATA_NOT_FOUND", "no");
    return new Response(body, { status: http, headers: { "content-type": "application/json" } });
  }
  const body = request.method === "GET" ? undefined : await request.arrayBuffer();
  const headers = Object.fromEntries(request.headers);
  const answer = await fetch(url, {
    method: request.method,
    headers,
    redirect: "manual",
    ...(body ? { body } : {}),
  });
  const bytes = new Uint8Array(await answer.arrayBuffer());
  if (node === LIAR && isRead && answer.ok) {
    cheated.set(node, (cheated.get(node) ?? 0) + 1);
    const middle = bytes.length >> 1;
    bytes[middle] = (bytes[middle] ?? 0) ^ 1;
  }
  const kept = new Headers(answer.headers);
  for (const name of ["content-encoding", "content-length", "transfer-encoding"]) kept.delete(name);
  return new Response(answer.status === 204 ? null : bytes, { status: answer.status, headers: kept });
}

const post = (body: string, authorization?: string): Promise<Response> =>
  fetch(auditor.url + EDGE_READS_PATH, {
    method: "POST",
    body,
    headers: authorization === undefined ? {} : { authorization },
  });
const nodes = async (): Promise<NodeJson[]> =>
  ((await (await fetch(`${auditor.url}/v1/audit/nodes`)).json()) as { nodes: NodeJson[] }).nodes;
/** Until it succeeds: a busy machine may be too slow for a deadline. */
async function publish(content: Uint8Array): Promise<BlobId> {
  const init = { method: "PUT", body: Buffer.from(content) };
  for (;;) {
    const answer = await fetch(`${edge.url}/v1/blobs?epochs=5`, init);
    const stored = (await answer.json()) as { newlyCreated?: { blobObject: { blobId: BlobId } } };
    if (stored.newlyCreated !== undefined) return stored.newlyCreated.blobObject.blobId;
    console.log(`published again: ${answer.status} ${JSON.stringify(stored)}`);
  }
}

/** Whatever it comes to: on a busy machine a round may take long, or find that it cannot blame anybody. */
const holdRound = async (): Promise<string> => {
  const answer = await fetch(`${auditor.url}/v1/audit/run`, { method: "POST" });
  return ((await answer.json()) as { state: string }).state;
};
const until = async (isSo: () => boolean | Promise<boolean>): Promise<void> => {
  while (!(await isSo())) await sleep(50);
};

beforeAll(async () => {
  network = await startNetwork(NETWORK);
  const onLog = (line: string): void => {
    log.push(line);
  };
  auditor = await startAuditor({
    bundle: await auditorBundle(),
    network: network.file,
    bindings: { EDGE_READS_TOKEN: TOKEN },
    onLog,
  });
  edge = await startEdge({
    bundle: await edgeBundle(),
    network: network.file,
    bindings: { AUDITOR_URL: auditor.url, EDGE_READS_TOKEN: TOKEN, EDGE_READS_FLUSH_MS: "100" },
    adapt: (worker) => ({ ...worker, outboundService: throughCheats }),
    onLog,
  });
});
afterAll(async () => {
  await edge?.close();
  await auditor?.close();
  await network?.close();
});

it("is taken from nobody without the token, and nothing of it is stored", async () => {
  const node = members()[0]?.nodeId ?? "";
  const batch = serializeEdgeReads({
    batch: "ab".repeat(16),
    epoch: network.file.epoch,
    // As the network file spells it.
    nodes: [{ node: node as never, passed: 1, silent: 0, refused: 0, missing: [], invalid: [] }],
  });
  await until(async () => (await holdRound()) === "done");
  expect((await post(batch)).status).toBe(401);
  expect((await post(batch, `Basic ${TOKEN}`)).status).toBe(401);
  expect((await post(batch, `Bearer ${TOKEN}x`)).status).toBe(403);
  expect((await fetch(auditor.url + EDGE_READS_PATH)).status).toBe(405);
  expect((await nodes()).map(({ edgeReads }) => edgeReads)).toEqual(members().map(() => null));
  expect(await (await post(batch, `Bearer ${TOKEN}`)).json()).toEqual({ stored: true });
  expect(await (await post(batch, `Bearer ${TOKEN}`)).json()).toEqual({ stored: false });
  expect((await nodes()).filter(({ edgeReads }) => edgeReads !== null).map(({ nodeId }) => nodeId)).toEqual([
    node,
  ]);
});

it("shows the nodes that deny or garble readers what they give the auditor, and nobody else", async () => {
  const blobIds: BlobId[] = [];
  for (const content of BLOBS) blobIds.push(await publish(content));
  // Honest nodes lack nothing from here on: each has both slivers of each of its shards.
  const lacks = ({ name, shards }: { readonly name: string; readonly shards: readonly number[] }): boolean =>
    blobIds.some((blobId) => network.storedSlivers(name, blobId).size < 2 * shards.length);
  await until(() => !members().some(lacks));
  // The auditor may ask for these blobs now; what readers miss counts from now on.
  await until(async () => (await holdRound()) === "done");
  let all: NodeJson[] = [];
  const stateOf = (name: string) => all.find((node) => node.name === name)?.state;
  await until(async () => {
    for (const [index, blobId] of blobIds.entries()) {
      const bytes = await bytesOf(await fetch(`${edge.url}/v1/blobs/${blobId}`));
      expect(sameBytes(bytes, BLOBS[index] ?? new Uint8Array())).toBe(true);
    }
    // The chain has to be read beyond the failures: a blob may have been deleted.
    await holdRound();
    all = await nodes();
    return [DENIER, LIAR].every((name) => stateOf(name) === "watch");
  });
  for (const { name, state, watchReasons, failures, edgeReads } of all) {
    expect(failures).toBe(0);
    if (name === DENIER || name === LIAR) {
      expect(watchReasons).toEqual(["edge-reads-diverge"]);
      expect(edgeReads).toMatchObject(
        name === DENIER ? { passed: 0, invalid: 0 } : { passed: 0, missing: 0 },
      );
      expect(edgeReads?.failedBlobs).toBeGreaterThan(3);
    } else {
      expect([state, watchReasons]).toEqual(["healthy", []]);
      expect(edgeReads).toMatchObject({ missing: 0, invalid: 0, failedBlobs: 0 });
      expect(edgeReads?.passed).toBeGreaterThan(0);
    }
  }
  expect([...cheated.keys()].sort()).toEqual([DENIER, LIAR]);
});

it("is in the view of one node, in metrics and on the page, in no round's export, and shows the token nowhere", async () => {
  const text = async (path: string): Promise<string> => (await fetch(auditor.url + path)).text();
  const one = JSON.parse(await text(`/v1/audit/nodes/${DENIER}`)) as NodeJson;
  expect(one).toMatchObject({ state: "watch", watchReasons: ["edge-reads-diverge"] });
  const label = `node="${one.nodeId.slice(0, 10)}"`;
  const metrics = await text("/metrics");
  expect(metrics).toContain(`floe_audit_edge_reads_diverge{${label}} 1`);
  expect(metrics).toMatch(new RegExp(`floe_audit_edge_reads{${label},outcome="missing"} [1-9]`));
  expect(await text("/audit")).toContain("serves readers worse than the auditor");
  const { rounds } = JSON.parse(await text("/v1/audit/rounds")) as { rounds: { no: number }[] };
  const exported = await text(`/v1/audit/rounds/${rounds[0]?.no}/export`);
  expect(exported).toContain(one.nodeId);
  expect(exported).not.toMatch(/watch|edge/i);
  const history = JSON.parse(await text(`/v1/audit/nodes/${DENIER}/history?days=1`)) as {
    history: NodeJson[];
  };
  expect(history.history.length).toBeGreaterThan(1);
  expect(history.history.filter(({ state }) => state === "watch")).toEqual([]);
  for (const shown of [metrics, exported, await text("/v1/audit/nodes"), log.join("\n")])
    expect(shown).not.toContain(TOKEN);
});
