// If this fails, an upload that was paid for stays unfinished unless its client comes back, or nobody sees how it goes.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type EdgeRuntime, startEdge } from "../../dev/edge-runtime.ts";
import { EDGE_LIMITS } from "../../functions/base/limits.ts";
import type { UploadStatus } from "../../functions/tracker/status-view.ts";
import { type Network, startNetwork } from "../../localnet/network.ts";
import { encodeBlob } from "../support/codec/encoded-blob.ts";
import { edgeBundle } from "../support/edge/edge-bundle.ts";
import { certifiedBlobIds, chainEvents } from "../support/sui/chain.ts";
import { bytesOf, prng, sameBytes } from "../support/system.ts";
import { until } from "../support/until.ts";

const SHARDS = 10;
/** 3 + 3 + 2 + 2 shards: without these two 4 of 7 needed are left. */
const TOO_MANY = ["node-0", "node-1"];
/** Short, so that the tracker soon takes over; on a slow machine also from a worker that lives. */
const SHORT_TURN_MS = 600;

let network: Network;
beforeAll(async () => {
  network = await startNetwork({ nodes: 4, shards: SHARDS, seed: "no-client" });
});
afterAll(() => network.close());

const startLife = async (
  stateDir: string,
  stagingBucket: boolean,
  turnMs: number = EDGE_LIMITS.uploadLeaseMs,
): Promise<EdgeRuntime> =>
  startEdge({
    bundle: await edgeBundle(),
    network: network.file,
    stateDir,
    stagingBucket,
    bindings: { UPLOAD_LEASE_MS: String(turnMs) },
  });

async function statusOf(edge: EdgeRuntime, blobId: string): Promise<UploadStatus | undefined> {
  const response = await fetch(`${edge.url}/v1/uploads/${blobId}`);
  const text = await response.text();
  return response.status === 200 ? (JSON.parse(text) as UploadStatus) : undefined;
}

const registrationsOf = async (blobId: string): Promise<number> =>
  (await chainEvents(network.file, "BlobRegistered")).filter((event) => event.blob_id === blobId).length;

describe.each([
  ["SQLite", false],
  ["a bucket", true],
])("with staged copies in %s", (_, stagingBucket) => {
  it("finishes an upload whose process and client are gone, pays once, and releases the copy", async () => {
    const stateDir = mkdtempSync(join(tmpdir(), "floe-upload-"));
    const content = prng(stagingBucket ? 31 : 32, 1_200_000);
    const { blobId } = encodeBlob(SHARDS, content).metadata;
    for (const name of TOO_MANY) network.setNodeFault(name, { kind: "hang" });
    const first = await startLife(stateDir, stagingBucket, SHORT_TURN_MS);
    const unanswered = fetch(`${first.url}/v1/blobs?epochs=3`, {
      method: "PUT",
      body: Buffer.from(content),
    }).catch(() => undefined);
    await until("registration", async () =>
      (await statusOf(first, blobId))?.intents.some(({ state }) => state === "registered"),
    );
    await first.close();
    await unanswered;
    for (const name of TOO_MANY) network.setNodeFault(name, { kind: "none" });
    expect(await certifiedBlobIds(network.file)).not.toContain(blobId);

    const second = await startLife(stateDir, stagingBucket, SHORT_TURN_MS);
    try {
      await until("certification", async () => (await certifiedBlobIds(network.file)).includes(blobId));
      const status = await until("tail", async () => {
        const now = await statusOf(second, blobId);
        return now?.tail === "complete" && now.staging === null ? now : undefined;
      });
      expect(status.shards).toBe("3".repeat(SHARDS));
      expect(status.intents).toMatchObject([{ state: "certified" }]);
      expect(status.intents[0]?.attempts).toBeGreaterThanOrEqual(2);
      expect(await registrationsOf(blobId)).toBe(1);
      const read = await fetch(`${second.url}/v1/blobs/${blobId}`);
      expect(sameBytes(await bytesOf(read), content)).toBe(true);
    } finally {
      await second.close();
      rmSync(stateDir, { recursive: true, force: true });
    }
  });
});

describe("over HTTP", () => {
  let edge: EdgeRuntime;
  let stateDir: string;
  beforeAll(async () => {
    stateDir = mkdtempSync(join(tmpdir(), "floe-upload-"));
    edge = await startLife(stateDir, false);
  });
  afterAll(async () => {
    await edge.close();
    rmSync(stateDir, { recursive: true, force: true });
  });
  const put = (content: Uint8Array, headers: Record<string, string> = {}): Promise<Response> =>
    fetch(`${edge.url}/v1/blobs?epochs=3`, { method: "PUT", body: Buffer.from(content), headers });

  it("ten identical requests at once buy one registration and get one answer", async () => {
    const content = prng(33, 20_000);
    const answers = await Promise.all(Array.from({ length: 10 }, async () => (await put(content)).text()));
    expect(new Set(answers).size).toBe(1);
    expect(await registrationsOf(encodeBlob(SHARDS, content).metadata.blobId)).toBe(1);
  });

  it("an Idempotency-Key replays its answer and refuses another request", async () => {
    const key = { "idempotency-key": "order-66" };
    const first = await (await put(prng(34, 100), key)).text();
    expect(await (await put(prng(34, 100), key)).text()).toBe(first);
    const other = await put(prng(35, 100), key);
    expect([other.status, await other.text()]).toEqual([
      409,
      expect.stringContaining("IDEMPOTENCY_KEY_REUSED"),
    ]);
  });

  it("the event stream follows an upload to its end, and resumes after any event", async () => {
    const content = prng(36, 30_000);
    const { blobId } = encodeBlob(SHARDS, content).metadata;
    network.setNodeFault("node-2", { kind: "slow", ms: 200 });
    const upload = put(content);
    await until("upload", () => statusOf(edge, blobId));
    const stream = await fetch(`${edge.url}/v1/uploads/${blobId}`, {
      headers: { accept: "text/event-stream" },
    });
    const text = await stream.text();
    expect((await upload).status).toBe(200);
    network.setNodeFault("node-2", { kind: "none" });
    const names = [...text.matchAll(/^event: (.*)$/gm)].map((match) => match[1]);
    expect(names.slice(0, 4)).toEqual(["begun", "attempt", "staged", "registered"]);
    expect(names).toContain("certified");
    const last = Number([...text.matchAll(/^id: (.*)$/gm)].at(-1)?.[1]);
    const resumed = await fetch(`${edge.url}/v1/uploads/${blobId}`, {
      headers: { accept: "text/event-stream", "last-event-id": String(last - 1) },
    });
    expect(await resumed.text()).toMatch(new RegExp(`^id: ${last}\n`));
  });
});
