// If this fails, one silent or failing storage node can stall an upload, or slivers do not reach their nodes.

import { describe, expect, it } from "vitest";
import { reachableNodes } from "../../../../functions/nodes/reachable-nodes.ts";
import { distribute, type NodeOutcome } from "../../../../functions/upload/distribute.ts";
import { UPLOAD_LIMITS } from "../../../../functions/upload/limits.ts";
import { StoredSlivers } from "../../../../functions/upload/stored-slivers.ts";
import { INVOCATION_REQUESTS } from "../../../../shared/base/gate.ts";
import { NODE_LIMITS } from "../../../../shared/node/limits.ts";
import { serializeBlobMetadata } from "../../../../shared/protocol/metadata.ts";
import {
  errorResponse,
  hang,
  refuse,
  type Script,
  ScriptedNodes,
} from "../../../support/nodes/scripted-nodes.ts";

interface Run {
  readonly nodes: ScriptedNodes;
  readonly outcomes: NodeOutcome[];
  readonly stored: Set<string>;
  readonly confirmedAtMs: number[];
  readonly startMs: number;
}

async function upload(shardsOf: number[], scripts: Record<number, Script>): Promise<Run> {
  const nodes = new ScriptedNodes(shardsOf);
  for (const [node, script] of Object.entries(scripts)) nodes.scripts.set(Number(node), script);
  const services = nodes.services();
  const content = new Uint8Array(300).map((_, index) => index * 7);
  const encoder = Object.assign(nodes.codec.openEncoder(nodes.committee.nShards, content.length), {
    sliverBytes: UPLOAD_LIMITS.sliversHeldLeastBytes,
  });
  encoder.write(content);
  const metadata = encoder.metadata();
  const stored = new Set<string>();
  const confirmedAtMs: number[] = [];
  const startMs = nodes.clock.nowMs();
  const outcomes = await Promise.all(
    distribute({
      blobId: metadata.blobId,
      persistence: { kind: "permanent" },
      stored: new StoredSlivers(),
      encoder,
      metadata: serializeBlobMetadata(metadata),
      nodes: reachableNodes(services, nodes.committee),
      carrier: services.carrier,
      signal: new AbortController().signal,
      events: {
        stored: (_, shard, axis) => stored.add(`${shard} ${axis}`),
        confirmed: () => confirmedAtMs.push(nodes.clock.nowMs()),
        fault: () => {},
      },
    }),
  );
  encoder.release();
  return { nodes, outcomes, stored, confirmedAtMs, startMs };
}

const failed = (run: Run): string[] =>
  run.outcomes.flatMap(({ node, error }) =>
    error === undefined ? [] : [`${node.member.name} ${error.code}`],
  );

describe("distribution", () => {
  it("stores every sliver of every shard and asks each node once, never more than 6 requests at a time", async () => {
    const run = await upload([3, 3, 1, 1, 1, 1, 1, 1, 1], {});
    expect(failed(run)).toEqual([]);
    expect(run.stored.size).toBe(2 * 13);
    expect(run.nodes.requests).toHaveLength(9 * 2 + 2 * 13);
    expect(run.nodes.gate.peak).toBe(INVOCATION_REQUESTS);
  });

  it("lets all other nodes confirm within one short deadline while six hang at once", async () => {
    const shardsOf = Array.from({ length: 20 }, () => 1);
    const run = await upload(shardsOf, Object.fromEntries([0, 1, 2, 3, 4, 5].map((node) => [node, hang])));
    expect(failed(run)).toHaveLength(6);
    expect(run.confirmedAtMs).toHaveLength(14);
    const firstDeadlineMs = UPLOAD_LIMITS.firstContactTimeoutsMs[0];
    for (const atMs of run.confirmedAtMs) expect(atMs - run.startMs).toBeLessThanOrEqual(firstDeadlineMs);
    expect(run.nodes.gate.inFlight).toBe(0);
  });

  it("goes on within one request deadline when six nodes fall silent halfway through their slivers", async () => {
    const silentSecondary: Script = (route) =>
      route.name === "sliver" && route.axis === "secondary" ? new Promise(() => {}) : undefined;
    const shardsOf = Array.from({ length: 19 }, () => 1);
    const run = await upload(
      shardsOf,
      Object.fromEntries([0, 1, 2, 3, 4, 5].map((node) => [node, silentSecondary])),
    );
    expect(failed(run)).toHaveLength(6);
    for (const atMs of run.confirmedAtMs)
      expect(atMs - run.startMs).toBeLessThanOrEqual(NODE_LIMITS.nodeRequestTimeoutMs);
    expect(run.confirmedAtMs).toHaveLength(13);
  });

  it("begins nothing more with a node once one of its slivers has failed", async () => {
    let requests = 0;
    const run = await upload([10, 1, 1, 1, 1, 1, 1, 1, 1], {
      0: (route, request) => {
        if (route.name !== "sliver" || request.method !== "PUT") return undefined;
        requests++;
        return new Promise(() => {});
      },
    });
    expect(failed(run)).toEqual(["node-0 TIMEOUT"]);
    // At first several at once, then one in each further round; not the 20 slivers one after the other.
    const { requestsPerNodeAtFirst, roundsPerNode } = UPLOAD_LIMITS;
    expect(requests).toBeLessThanOrEqual(requestsPerNodeAtFirst + roundsPerNode - 1);
  });

  it("sends a node its slivers again although silent nodes keep theirs waiting", async () => {
    let attempts = 0;
    const run = await upload([1, 4, 4, 4], {
      0: (route) =>
        route.name === "sliver" && attempts++ === 0 ? errorResponse("INTERNAL_ERROR") : undefined,
      1: hang,
      2: hang,
      3: hang,
    });
    expect(failed(run)).toHaveLength(3);
    expect(run.stored.size).toBe(2);
  });

  it("waits for a node that has not seen the registration yet, without counting it as a failure", async () => {
    let questions = 0;
    const run = await upload([1, 1, 1, 1], {
      2: (route) =>
        route.name === "metadata" && questions++ < 8 ? errorResponse("NOT_REGISTERED") : undefined,
    });
    expect(failed(run)).toEqual([]);
    expect(run.stored.size).toBe(8);
  });

  it("sends metadata and slivers again to a node that lost them", async () => {
    let confirmations = 0;
    let slivers = 0;
    const run = await upload([1, 1, 1, 1], {
      0: (route) =>
        route.name === "confirmation" && confirmations++ === 0 ? errorResponse("MISSING_SLIVERS") : undefined,
      1: (route) =>
        route.name === "sliver" && slivers++ === 0 ? errorResponse("METADATA_REQUIRED") : undefined,
    });
    expect(failed(run)).toEqual([]);
    const of = (node: number, name: string) =>
      run.nodes.requests.filter((request) => request.node === node && request.route.name === name).length;
    expect([of(0, "sliver"), of(0, "confirmation")]).toEqual([4, 2]);
    expect(of(1, "metadata")).toBe(2);
  });

  it("gives up at once on a refusal that repetition cannot cure", async () => {
    const run = await upload([1, 1, 1, 1], { 3: refuse("INVALID_METADATA") });
    expect(failed(run)).toEqual(["node-3 REFUSED"]);
    expect(run.nodes.requests.filter((request) => request.node === 3)).toHaveLength(1);
  });
});
