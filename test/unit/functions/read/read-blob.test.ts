// If this fails, a reader gets wrong bytes, or none while enough honest slivers exist.
import { describe, expect, it } from "vitest";
import { EdgeError } from "../../../../functions/base/edge-error.ts";
import { fetchMetadata } from "../../../../functions/read/fetch-metadata.ts";
import { checkPaddingRows, readBlob } from "../../../../functions/read/read-blob.ts";
import { NODE_LIMITS } from "../../../../shared/node/limits.ts";
import { serializeBlobMetadataWithId } from "../../../../shared/protocol/metadata.ts";
import { down, hang, refuse, type Script, ScriptedNodes } from "../../../support/nodes/scripted-nodes.ts";

/** n = 13, f = 4: 5 systematic rows, any 5 of 13 primary slivers decode. One shard per node. */
const SHARDS = Array.from({ length: 13 }, () => 1);
const content = new Uint8Array(700).map((_, index) => (index * 31 + 7) % 256);

async function read(nodes: ScriptedNodes, blob = content, range = { start: 0, end: blob.length }) {
  const services = nodes.services();
  const { blobId } = nodes.store(blob);
  const metadata = await fetchMetadata(services, nodes.committee, blobId);
  checkPaddingRows(services, metadata);
  const pieces: number[] = [];
  for await (const piece of readBlob(services, nodes.committee, metadata, range)) pieces.push(...piece);
  return Uint8Array.from(pieces);
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => undefined,
    (reason) => reason,
  );
  return error instanceof EdgeError ? error.code : String(error);
}

/** Serves garbage for every sliver and symbol. */
const lie: Script = async (route, request) => {
  const isData = route.name === "sliver" || route.name === "recovery-symbols";
  if (!isData || request.method !== "GET") return undefined;
  return new Response(new Uint8Array(200).fill(3), {
    headers: { "content-type": "application/octet-stream" },
  });
};

function corruptStored(nodes: ScriptedNodes, node: number): void {
  for (const [key, bytes] of nodes.stored[node] ?? []) {
    if (key.endsWith("primary")) bytes[2] = (bytes[2] ?? 0) ^ 1;
  }
}

describe("reading a blob", () => {
  it("returns the exact bytes from the systematic slivers alone, with one request each", async () => {
    const nodes = new ScriptedNodes(SHARDS);
    expect(await read(nodes)).toEqual(content);
    expect(nodes.requests.filter(({ route }) => route.name === "sliver")).toHaveLength(5);
    expect(nodes.requests.filter(({ route }) => route.name === "metadata")).toHaveLength(1);
  });

  it.each([0, 1, 89, 90, 91, 450])("returns blobs of %i bytes", async (length) => {
    expect(await read(new ScriptedNodes(SHARDS), content.subarray(0, length))).toEqual(
      content.subarray(0, length),
    );
  });

  it("fetches only the slivers that a range touches", async () => {
    const nodes = new ScriptedNodes(SHARDS);
    expect(await read(nodes, content, { start: 200, end: 210 })).toEqual(content.subarray(200, 210));
    expect(nodes.requests.filter(({ route }) => route.name === "sliver")).toHaveLength(1);
  });

  it.each<[string, Script]>([
    ["are down", down],
    ["hang", hang],
    ["serve garbage", lie],
    ["lost their slivers", refuse("SLIVER_NOT_FOUND")],
    ["answer HTML", () => new Response("<html>", { status: 502, headers: { "content-type": "text/html" } })],
  ])("returns the exact bytes while 8 of 13 nodes %s", async (_, script) => {
    const nodes = new ScriptedNodes(SHARDS);
    for (const node of [0, 1, 2, 4, 5, 7, 9, 12]) nodes.scripts.set(node, script);
    const startMs = nodes.clock.nowMs();
    expect(await read(nodes)).toEqual(content);
    expect(nodes.clock.nowMs() - startMs).toBeLessThanOrEqual(2 * NODE_LIMITS.nodeRequestTimeoutMs);
  });

  it("rejects slivers with one flipped bit, rebuilds the rows and records the nodes", async () => {
    const nodes = new ScriptedNodes(SHARDS);
    const services = nodes.services();
    const { blobId } = nodes.store(content);
    const corrupt = [0, 3, 6, 9];
    for (const node of corrupt) corruptStored(nodes, node);
    const metadata = await fetchMetadata(services, nodes.committee, blobId);
    const pieces: number[] = [];
    for await (const piece of readBlob(services, nodes.committee, metadata, { start: 0, end: 700 }))
      pieces.push(...piece);
    expect(Uint8Array.from(pieces)).toEqual(content);
    const accused = services.faults.recorded.map(({ nodeId }) => Number(nodeId) - 1);
    for (const node of accused) expect(corrupt).toContain(node);
    expect(accused.length).toBeGreaterThan(0);
  });

  it("returns no byte more than honest nodes can prove once 9 of 13 nodes lie", async () => {
    const nodes = new ScriptedNodes(SHARDS);
    for (let node = 0; node < 9; node++) nodes.scripts.set(node, lie);
    expect(await codeOf(read(nodes))).toBe("BLOB_UNAVAILABLE");
  });

  it("never lets wrong bytes out before it fails", async () => {
    const nodes = new ScriptedNodes(SHARDS);
    const services = nodes.services();
    const metadata = nodes.store(content);
    let sent = 0;
    for (let node = 0; node < 13; node++) {
      const broken: Script = (route) =>
        route.name === "sliver" && sent > 0 ? lie(route, new Request("http://x")) : undefined;
      nodes.scripts.set(node, broken);
    }
    const iterate = async () => {
      for await (const piece of readBlob(services, nodes.committee, metadata, { start: 0, end: 700 })) {
        expect(piece).toEqual(content.subarray(sent, sent + piece.length));
        sent += piece.length;
      }
    };
    await iterate().catch((error) => expect(error).toBeInstanceOf(EdgeError));
    expect(sent).toBeGreaterThan(0);
  });
});

describe("metadata", () => {
  it("is taken from the one honest node when all others lie", async () => {
    const nodes = new ScriptedNodes(SHARDS);
    const other = nodes.store(new Uint8Array(5));
    const metadata = nodes.store(content);
    const wrong = serializeBlobMetadataWithId(metadata.blobId, other);
    for (let node = 0; node < 12; node++) {
      nodes.scripts.set(node, (route) =>
        route.name === "metadata"
          ? new Response(wrong.slice(), { headers: { "content-type": "application/octet-stream" } })
          : undefined,
      );
    }
    const services = nodes.services();
    const fetched = await fetchMetadata(services, nodes.committee, metadata.blobId);
    expect(fetched.unencodedLength).toBe(700);
  });

  it.each<[string, number, string]>([
    ["a quorum does not know it", 9, "BLOB_NOT_FOUND"],
    ["fewer than a quorum deny it and the others are silent", 3, "BLOB_UNAVAILABLE"],
  ])("when %s (%i nodes answer 404) the read ends with a typed error", async (_, missing, code) => {
    const nodes = new ScriptedNodes(SHARDS);
    const { blobId } = nodes.store(content);
    for (let node = 0; node < 13; node++)
      nodes.scripts.set(node, node < missing ? refuse("METADATA_NOT_FOUND") : hang);
    expect(await codeOf(fetchMetadata(nodes.services(), nodes.committee, blobId))).toBe(code);
  });

  it("is blocked when a quorum refuses it for legal reasons", async () => {
    const nodes = new ScriptedNodes(SHARDS);
    const { blobId } = nodes.store(content);
    for (let node = 0; node < 13; node++) nodes.scripts.set(node, refuse("FORBIDDEN_BLOB"));
    expect(await codeOf(fetchMetadata(nodes.services(), nodes.committee, blobId))).toBe("FORBIDDEN_BLOB");
  });
});
