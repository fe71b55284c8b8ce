// If this fails, nodes that lie, fail or lag keep an auditor from the chain's history, or cost it seconds a row.
import { describe, expect, it } from "vitest";
import { HistoryBlobReader } from "../../../auditor/chain/history-blob.ts";
import type { BlobId } from "../../../shared/protocol/ids.ts";
import { parseRecoverySymbols, serializeRecoverySymbols } from "../../../shared/protocol/recovery-symbol.ts";
import { refuse, ScriptedNodes } from "../../support/nodes/scripted-nodes.ts";

/** n = 10, f = 3: seven symbols make a row. */
const NODES = 10;
const content = new Uint8Array(300).map((_, index) => (index * 31) % 256);

function stored(): { nodes: ScriptedNodes; reader: HistoryBlobReader; blobId: BlobId } {
  const nodes = new ScriptedNodes(Array.from({ length: NODES }, () => 1));
  const { blobId } = nodes.store(content);
  const { transport: tools } = nodes.services();
  const transport = { ...tools, fetch: nodes.fetch, gate: nodes.gate };
  const committees = async () => [nodes.committee];
  return { nodes, reader: new HistoryBlobReader({ transport, networkKind: "local", committees }), blobId };
}

const askedFor = (nodes: ScriptedNodes, name: string): number[] =>
  nodes.requests.filter(({ route }) => route.name === name).map(({ node }) => node);

describe("metadata of a blob", () => {
  it("stands although nodes that were asked at the same time do not have it, and answer later", async () => {
    const { nodes, reader, blobId } = stored();
    let answered = 0;
    for (let node = 0; node < NODES; node++) {
      nodes.scripts.set(node, async (route, request) => {
        if (answered++ === 0) return undefined;
        await nodes.clock.sleep(100);
        return refuse("METADATA_NOT_FOUND")(route, request);
      });
    }
    expect(await reader.length(blobId)).toBe(content.length);
    expect(askedFor(nodes, "metadata")).toHaveLength(4);
  });

  it("is gone once a quorum of shards does not have it", async () => {
    const { nodes, reader, blobId } = stored();
    for (let node = 0; node < NODES; node++) nodes.scripts.set(node, refuse("METADATA_NOT_FOUND"));
    await expect(reader.length(blobId)).rejects.toThrow(expect.objectContaining({ code: "BLOB_GONE" }));
  });
});

describe("rows that their nodes do not give", () => {
  it("are rebuilt although three nodes send wrong symbols all the time", async () => {
    const { nodes, reader, blobId } = stored();
    const lying = [1, 4, 8];
    const passedOn = new Set<Request>();
    for (let node = 0; node < NODES; node++) {
      nodes.scripts.set(node, async (route, request) => {
        if (route.name === "sliver") return refuse("SLIVER_NOT_FOUND")(route, request);
        if (route.name !== "recovery-symbols" || !lying.includes(node)) return undefined;
        if (passedOn.has(request)) return undefined;
        passedOn.add(request);
        const honest = await nodes.fetch(request);
        const symbols = parseRecoverySymbols(new Uint8Array(await honest.arrayBuffer()), 1);
        for (const { symbol } of symbols) symbol[0] = (symbol[0] ?? 0) ^ 1;
        return new Response(serializeRecoverySymbols(symbols).slice(), {
          headers: { "content-type": "application/octet-stream" },
        });
      });
    }
    expect(await reader.read(blobId, 0, content.length)).toEqual(content);
  });

  it("are unavailable, with the numbers, while too few nodes give symbols", async () => {
    const { nodes, reader, blobId } = stored();
    for (let node = 0; node < NODES; node++) {
      nodes.scripts.set(node, (route, request) => {
        if (route.name === "sliver") return refuse("SLIVER_NOT_FOUND")(route, request);
        return route.name === "recovery-symbols" && node < 4
          ? refuse("SLIVER_NOT_FOUND")(route, request)
          : undefined;
      });
    }
    await expect(reader.read(blobId, 0, 1)).rejects.toThrow(/row 0 of blob .*: 6 of 7 symbols/);
  });
});
