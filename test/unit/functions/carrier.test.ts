// If this fails, uploads and reads depend on how their requests travel: no other way of carrying them can be put in.
import { describe, expect, it } from "vitest";
import type { Carrier } from "../../../shared/node/carrier.ts";
import { ScriptedEdge } from "../../support/edge/scripted-edge.ts";
import { carrierOfWidth, ReversingCarrier } from "../../support/nodes/carriers.ts";
import { hang, ScriptedNodes } from "../../support/nodes/scripted-nodes.ts";

/** n = 40, f = 13: 14 systematic rows. */
const SHARDS = Array.from({ length: 20 }, () => 2);
const content = new Uint8Array(9000).map((_, index) => (index * 31 + 7) % 256);

async function roundTrip(edge: ScriptedEdge, carrier: Carrier): Promise<void> {
  edge.access = "open";
  edge.overrides = { carrier };
  const stored = await edge.fetch("/v1/blobs?epochs=1", { method: "PUT", body: content });
  expect(stored.status).toBe(200);
  const { newlyCreated } = (await stored.json()) as { newlyCreated: { blobObject: { blobId: string } } };
  await Promise.all(edge.background);
  const read = await edge.fetch(`/v1/blobs/${newlyCreated.blobObject.blobId}`);
  expect(new Uint8Array(await read.arrayBuffer())).toEqual(content);
}

const slivers = (nodes: ScriptedNodes, method: string): number =>
  nodes.requests.filter((each) => each.route.name === "sliver" && each.method === method).length;

describe("an upload and a read", () => {
  it.each([1, 2, 6, 20])("use all places of a carrier of width %i, and not one more", async (width) => {
    const edge = new ScriptedEdge(new ScriptedNodes(SHARDS));
    const { carrier, gate } = carrierOfWidth(edge.nodes, width);
    await roundTrip(edge, carrier);
    expect(gate.peak).toBe(width);
    expect([slivers(edge.nodes, "PUT"), slivers(edge.nodes, "GET")]).toEqual([80, 14]);
  });

  it.each([6, 40])("take answers in any order from a carrier of width %i", async (width) => {
    const edge = new ScriptedEdge(new ScriptedNodes(SHARDS));
    const carrier = new ReversingCarrier(carrierOfWidth(edge.nodes, width).carrier, 4);
    await roundTrip(edge, carrier);
    expect(carrier.overtaken).toBeGreaterThan(20);
    expect([slivers(edge.nodes, "PUT"), slivers(edge.nodes, "GET")]).toEqual([80, 14]);
  });

  it("get by while f shards hang, on a carrier of any width", async () => {
    for (const width of [3, 40]) {
      const edge = new ScriptedEdge(new ScriptedNodes(SHARDS));
      for (const node of [0, 3, 4, 9, 12, 17]) edge.nodes.scripts.set(node, hang);
      await roundTrip(edge, carrierOfWidth(edge.nodes, width).carrier);
    }
  });
});
