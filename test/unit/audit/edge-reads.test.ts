// If this fails, whoever has the token can make the auditor store nonsense, or a batch of our own is refused.
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  EDGE_READ_LIMITS,
  type EdgeReadsBatch,
  EdgeReadsError,
  parseEdgeReads,
  serializeEdgeReads,
} from "../../../shared/audit/edge-reads.ts";
import { blobIdFromBytes } from "../../../shared/protocol/ids.ts";
import { propertyRuns } from "../../support/property.ts";
import { objectIdOf } from "./fixtures.ts";

const blob = (number: number) => blobIdFromBytes(new Uint8Array(32).fill(number));
const NODE = {
  node: objectIdOf(1),
  passed: 3,
  silent: 1,
  refused: 0,
  missing: [blob(1)],
  invalid: [blob(2), blob(3)],
};
const BATCH: EdgeReadsBatch = { batch: "0a".repeat(16), epoch: 12, nodes: [NODE] };

/** The valid batch with one field replaced; `node` is merged into its node. */
const changed = (fields: Record<string, unknown>): string =>
  JSON.stringify({ ...JSON.parse(serializeEdgeReads(BATCH)), ...fields });
const withNode = (fields: Record<string, unknown>): string => changed({ nodes: [{ ...NODE, ...fields }] });
const { pairs, nodes } = EDGE_READ_LIMITS;

describe("a batch of edge reads", () => {
  it("comes back as it was", () => {
    expect(parseEdgeReads(serializeEdgeReads(BATCH))).toEqual(BATCH);
    const largest = withNode({ passed: pairs - 4 });
    expect(parseEdgeReads(largest).nodes[0]?.passed).toBe(pairs - 4);
  });

  it.each<[string, string]>([
    ["no JSON", "{"],
    ["nothing", ""],
    ["a list", "[]"],
    ["null", "null"],
    ["another version", changed({ version: 2 })],
    ["a field more", changed({ from: "me" })],
    ["a field less", JSON.stringify({ version: 1, batch: BATCH.batch, epoch: 12 })],
    ["fields of a prototype", '{"__proto__":{"version":1,"batch":"","epoch":1,"nodes":[]}}'],
    ["a short ID", changed({ batch: "0a" })],
    ["an ID in capitals", changed({ batch: "0A".repeat(16) })],
    ["a fraction for an epoch", changed({ epoch: 1.5 })],
    ["an epoch beyond u32", changed({ epoch: 2 ** 32 })],
    ["no node", changed({ nodes: [] })],
    ["a node twice", changed({ nodes: [NODE, NODE] })],
    [
      "too many nodes",
      changed({ nodes: Array.from({ length: nodes + 1 }, (_, i) => ({ ...NODE, node: objectIdOf(i) })) }),
    ],
    ["a node that was not asked", withNode({ passed: 0, silent: 0, missing: [], invalid: [] })],
    [
      "a node ID in capitals",
      withNode({ node: NODE.node.toUpperCase().replace("0X", "0x").replace("1", "A") }),
    ],
    ["a short node ID", withNode({ node: "0x1" })],
    ["a field more of a node", withNode({ late: 1 })],
    ["a negative count", withNode({ silent: -1 })],
    ["a count that is text", withNode({ passed: "3" })],
    ["a count beyond a batch", withNode({ passed: pairs + 1 })],
    ["counts that are beyond a batch together", withNode({ passed: pairs, silent: 1 })],
    ["a count for names", withNode({ missing: 1 })],
    ["a blob twice", withNode({ missing: [blob(1), blob(1)] })],
    ["a blob both missing and invalid", withNode({ missing: [blob(2)] })],
    ["another spelling of a blob ID", withNode({ missing: [`${blob(1)}=`] })],
    ["a blob ID that is a number", withNode({ invalid: [7] })],
  ])("is refused with %s", (_what, text) => {
    expect(() => parseEdgeReads(text)).toThrow(EdgeReadsError);
  });

  it("is refused or read, and nothing else happens, whatever stands in its place", () => {
    const anything = fc.oneof(fc.jsonValue(), fc.constant(BATCH.nodes), fc.constant([NODE]));
    const keys = ["version", "batch", "epoch", "nodes", ...Object.keys(NODE)];
    fc.assert(
      fc.property(fc.constantFrom(...keys), anything, fc.boolean(), (key, value, isInNode) => {
        const text = isInNode ? withNode({ [key]: value }) : changed({ [key]: value });
        try {
          const batch = parseEdgeReads(text);
          expect(parseEdgeReads(serializeEdgeReads(batch))).toEqual(batch);
        } catch (error) {
          expect(error).toBeInstanceOf(EdgeReadsError);
        }
      }),
      propertyRuns(200),
    );
  });
});
