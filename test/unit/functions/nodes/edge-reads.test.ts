// If this fails, the auditor is told wrong things of storage nodes by the edge, or readers pay for its being told.

import { describe, expect, it } from "vitest";
import { EdgeReads } from "../../../../functions/nodes/edge-reads.ts";
import { sendEdgeReads } from "../../../../functions/nodes/send-edge-reads.ts";
import { fetchMetadata } from "../../../../functions/read/fetch-metadata.ts";
import { READ_LIMITS } from "../../../../functions/read/limits.ts";
import { readBlob } from "../../../../functions/read/read-blob.ts";
import {
  EDGE_READ_LIMITS,
  type EdgeReadOutcome,
  type EdgeReadsBatch,
  parseEdgeReads,
} from "../../../../shared/audit/edge-reads.ts";
import type { RandomBytes } from "../../../../shared/base/clock.ts";
import { INVOCATION_REQUESTS } from "../../../../shared/base/gate.ts";
import { type BlobId, blobIdFromBytes, type ObjectId } from "../../../../shared/protocol/ids.ts";
import type { VerifiedMetadata } from "../../../../shared/protocol/metadata.ts";
import { hang, refuse, type Script, ScriptedNodes } from "../../../support/nodes/scripted-nodes.ts";
import { VirtualClock } from "../../../support/virtual-clock.ts";

const node = (number: number): ObjectId => `0x${number.toString(16).padStart(64, "0")}` as ObjectId;
const blob = (number: number): BlobId =>
  blobIdFromBytes(Uint8Array.from({ length: 32 }, (_, at) => (number >> (8 * (at % 4))) & 255));

/** Different IDs, the same in every run. */
function counted(): RandomBytes {
  let calls = 0;
  return (count) => new Uint8Array(count).fill(++calls);
}
const edgeReads = (clock = new VirtualClock()) => ({ clock, reads: new EdgeReads(clock, counted()) });

/** The auditor of a test: answers by script, and notes what it was sent. */
function sender(answers: (() => Response | Promise<Response>)[], flushMs = 10_000) {
  const { clock, reads } = edgeReads();
  const batches: EdgeReadsBatch[] = [];
  const requests: Request[] = [];
  const logged: string[] = [];
  const send = (background: readonly Promise<unknown>[] = []): Promise<void> =>
    sendEdgeReads({
      reads,
      config: { auditorUrl: "https://auditor.example/under", token: "t".repeat(32), flushMs },
      background,
      fetch: async (request) => {
        requests.push(request);
        batches.push(parseEdgeReads(await request.clone().text()));
        return (answers.shift() ?? (() => new Response("{}")))();
      },
      clock,
      log: (event, fields) => logged.push(JSON.stringify({ event, ...fields })),
    });
  return { clock, reads, batches, requests, logged, send };
}
const passed = (reads: EdgeReads, number: number): void => reads.note(1, node(1), blob(number), "passed");
const lost = (): Promise<Response> => Promise.reject(new TypeError("connection lost"));

describe("outcomes of reads", () => {
  it("count a blob once for a node, as the worst that came back", async () => {
    const { reads, batches, send } = sender([]);
    const seen: EdgeReadOutcome[] = ["passed", "missing", "silent", "invalid", "refused", "passed"];
    for (const outcome of seen) reads.note(7, node(1), blob(1), outcome);
    reads.note(7, node(1), blob(2), "passed");
    reads.note(7, node(1), blob(3), "missing");
    reads.note(7, node(2), blob(1), "silent");
    reads.note(7, node(2), blob(2), "refused");
    reads.note(7, node(3), blob(1), undefined);
    await send();
    const none = { passed: 0, silent: 0, refused: 0, missing: [], invalid: [] };
    expect(batches).toEqual([
      {
        batch: "01".repeat(16),
        epoch: 7,
        nodes: [
          { ...none, node: node(1), passed: 1, missing: [blob(3)], invalid: [blob(1)] },
          { ...none, node: node(2), silent: 1, refused: 1 },
        ],
      },
    ]);
  });

  it("are held up to a bound, whatever comes; a full batch is one the auditor takes", async () => {
    const { reads, batches, requests, send } = sender([]);
    for (let number = 0; number < EDGE_READ_LIMITS.pairs + 500; number++) {
      reads.note(1, node(number % EDGE_READ_LIMITS.nodes), blob(number), "missing");
    }
    expect(reads.held).toBe(EDGE_READ_LIMITS.pairs);
    // What is known already still gets worse.
    reads.note(1, node(0), blob(0), "invalid");
    await send();
    expect(batches[0]?.nodes).toHaveLength(EDGE_READ_LIMITS.nodes);
    expect(batches[0]?.nodes[0]?.invalid).toEqual([blob(0)]);
    expect((await requests[0]?.text())?.length).toBeLessThan(EDGE_READ_LIMITS.bodyBytes);
    expect(reads.held).toBe(0);
  });

  it("of an epoch that is over, or of long ago, are not sent", async () => {
    const { clock, reads, batches, send } = sender([]);
    reads.note(1, node(1), blob(1), "missing");
    reads.note(2, node(1), blob(2), "passed");
    reads.note(1, node(1), blob(3), "missing");
    expect(reads.held).toBe(1);
    await clock.sleep(EDGE_READ_LIMITS.keepMs + 1);
    reads.note(2, node(1), blob(4), "passed");
    await send();
    expect(batches.map(({ epoch, nodes }) => [epoch, nodes[0]?.passed, nodes[0]?.missing])).toEqual([
      [2, 1, []],
    ]);
  });
});

describe("a batch", () => {
  it("is sent at once after a pause, and else when the pause is over, by one invocation", async () => {
    const { clock, reads, batches, send } = sender([]);
    const startMs = clock.nowMs();
    await send();
    expect(batches).toHaveLength(0);
    passed(reads, 1);
    await send();
    expect([batches.length, clock.nowMs() - startMs]).toEqual([1, 0]);
    passed(reads, 2);
    passed(reads, 3);
    await Promise.all([send(), send(), send()]);
    expect([batches.length, clock.nowMs() - startMs]).toEqual([2, 10_000]);
    expect(batches[1]?.nodes[0]?.passed).toBe(2);
    expect(batches[1]?.batch).not.toBe(batches[0]?.batch);
  });

  it("is left to a later read when an invocation would not live to send it", async () => {
    const { clock, reads, batches, send } = sender([], 3_600_000);
    passed(reads, 1);
    await send();
    passed(reads, 2);
    const beforeMs = clock.nowMs();
    await send();
    expect([batches.length, clock.nowMs()]).toEqual([1, beforeMs]);
    await clock.sleep(3_600_000 - EDGE_READ_LIMITS.waitMs);
    passed(reads, 3);
    await send();
    expect(batches).toHaveLength(2);
  });

  it("waits until the invocation has nothing else to do, also what begins meanwhile", async () => {
    const { reads, requests, send } = sender([]);
    passed(reads, 1);
    const body = Promise.withResolvers<void>();
    const tail = Promise.withResolvers<void>();
    const background: Promise<unknown>[] = [body.promise];
    const sent = send(background);
    await new Promise((resolve) => setImmediate(resolve));
    expect(requests).toHaveLength(0);
    background.push(tail.promise);
    body.resolve();
    await new Promise((resolve) => setImmediate(resolve));
    expect(requests).toHaveLength(0);
    tail.reject(new Error("the client has left"));
    await sent;
    expect(requests).toHaveLength(1);
  });

  it("goes to the auditor with the token, follows no redirect, and nothing logged holds the token", async () => {
    const { reads, requests, logged, send } = sender([
      () => new Response(null, { status: 307, headers: { location: "https://elsewhere.example" } }),
    ]);
    passed(reads, 1);
    await send();
    expect(requests.map(({ method, url, redirect }) => [method, url, redirect])).toEqual([
      ["POST", "https://auditor.example/under/v1/audit/edge-reads", "manual"],
    ]);
    expect(requests[0]?.headers.get("authorization")).toBe(`Bearer ${"t".repeat(32)}`);
    expect(logged).toHaveLength(1);
    expect(logged.join()).not.toContain("ttt");
  });

  it.each<[string, () => Response | Promise<Response>]>([
    ["whose reply is lost", lost],
    ["that is never answered", () => new Promise(() => {})],
    ["that meets a failing auditor", () => new Response(null, { status: 503 })],
  ])(
    "%s comes again with the same ID and bytes, beside nothing new, and then what was read since",
    async (_, answer) => {
      const { reads, batches, requests, logged, send } = sender([answer]);
      reads.note(1, node(1), blob(1), "missing");
      await send();
      passed(reads, 2);
      await send();
      await send();
      expect(logged).toHaveLength(1);
      expect(batches.map(({ batch }) => batch)).toEqual(["01".repeat(16), "01".repeat(16), "02".repeat(16)]);
      expect(await requests[1]?.text()).toBe(await requests[0]?.text());
      expect(batches[2]?.nodes[0]).toMatchObject({ passed: 1, missing: [] });
    },
  );

  it("is dropped after a bounded number of tries, and at once when it is refused", async () => {
    const { reads, batches, send } = sender([lost, lost, lost]);
    passed(reads, 1);
    for (let turn = 0; turn < 6; turn++) await send();
    expect(batches).toHaveLength(EDGE_READ_LIMITS.attempts);
    for (const status of [400, 401, 403, 404, 409, 413]) {
      const refusal = sender([() => new Response(null, { status })]);
      passed(refusal.reads, 1);
      await refusal.send();
      await refusal.send();
      expect(refusal.batches, `${status}`).toHaveLength(1);
    }
  });

  it("that could not be sent in time is dropped, and so is what nobody sent: the auditor would date it wrongly", async () => {
    const { clock, reads, batches, send } = sender([lost]);
    reads.note(1, node(1), blob(1), "missing");
    await send();
    expect(batches).toHaveLength(1);
    await clock.sleep(EDGE_READ_LIMITS.keepMs + 1);
    await send();
    expect(batches).toHaveLength(1);
    reads.note(1, node(1), blob(2), "missing");
    await clock.sleep(EDGE_READ_LIMITS.keepMs + 1);
    // A request that asked no node.
    await send();
    expect([batches.length, reads.held]).toEqual([1, 0]);
    passed(reads, 3);
    await send();
    expect(batches.map(({ nodes }) => nodes[0]?.missing)).toEqual([[blob(1)], []]);
  });

  it("survives the invocation that was sending it, and nobody waits for that one", async () => {
    const { clock, reads } = edgeReads();
    passed(reads, 1);
    expect(reads.takeTurn(0)).toBe(0);
    const dying = reads.next();
    // The platform ends this invocation without a word.
    passed(reads, 2);
    expect(reads.takeTurn(0)).toBeUndefined();
    await clock.sleep(2 * EDGE_READ_LIMITS.timeoutMs);
    expect(reads.takeTurn(0)).toBe(0);
    expect(reads.next()?.body).toBe(dying?.body);
  });
});

describe("a read", () => {
  const content = new Uint8Array(20_000).map((_, index) => (index * 31 + (index >> 7)) % 256);
  /** n = 40, f = 13: 14 rows, of which a few nodes hold several. */
  const SHARDS = Array.from({ length: 10 }, () => 4);

  interface World {
    readonly nodes: ScriptedNodes;
    readonly metadata: VerifiedMetadata;
    readonly reads: EdgeReads;
    read(isConfigured?: boolean): Promise<void>;
    /** What the batch says of each node, by name of outcome. */
    seen(outcome: EdgeReadOutcome): number[];
  }

  function world(): World {
    const nodes = new ScriptedNodes(SHARDS);
    const metadata = nodes.store(content);
    const reads = new EdgeReads(nodes.clock, counted());
    let batch: EdgeReadsBatch | undefined;
    return {
      nodes,
      metadata,
      reads,
      async read(isConfigured = true) {
        const services = nodes.services({ edgeReads: isConfigured ? reads : undefined });
        const found = await fetchMetadata(services, nodes.committee, metadata.blobId);
        const pieces: number[] = [];
        for await (const piece of readBlob(services, nodes.committee, found, { start: 0, end: 20_000 }))
          pieces.push(...piece);
        expect(Uint8Array.from(pieces)).toEqual(content);
        // Requests that the end of the read broke off report in their own time.
        for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
      },
      seen(outcome) {
        if (batch === undefined) {
          reads.takeTurn(0);
          batch = parseEdgeReads(reads.next()?.body ?? "");
        }
        return batch.nodes
          .filter(({ [outcome]: found }) => (typeof found === "number" ? found : found.length) > 0)
          .map((each) => Number(each.node) - 1);
      },
    };
  }
  const slivers =
    (answer: Script): Script =>
    (route, request) =>
      route.name === "sliver" ? answer(route, request) : undefined;
  /** The node's own slivers with one bit changed. */
  const garbled = ({ nodes }: World, number: number): Script => {
    const script: Script = async (route, request) => {
      if (route.name !== "sliver") return undefined;
      nodes.scripts.delete(number);
      const honest = new Uint8Array(await (await nodes.fetch(request)).arrayBuffer());
      nodes.scripts.set(number, script);
      honest[honest.length >> 1] = (honest[honest.length >> 1] ?? 0) ^ 1;
      return new Response(honest, { headers: { "content-type": "application/octet-stream" } });
    };
    return script;
  };

  it("of honest nodes counts every one that was asked as passed, and nothing else", async () => {
    const it = world();
    await it.read();
    const asked = new Set(it.nodes.requests.map((request) => request.node));
    expect(it.seen("passed").sort()).toEqual([...asked].sort());
    for (const outcome of ["silent", "refused", "missing", "invalid"] as const)
      expect(it.seen(outcome)).toEqual([]);
  });

  it.each<[string, EdgeReadOutcome, Script]>([
    ["denies its slivers", "missing", slivers(refuse("SLIVER_NOT_FOUND"))],
    ["does not know the blob", "missing", slivers(refuse("NOT_REGISTERED"))],
    ["hangs", "silent", slivers(hang)],
    ["answers 500", "silent", slivers(refuse("INTERNAL_ERROR"))],
    [
      "has a proxy in front that knows nothing",
      "silent",
      slivers(() => new Response("gone", { status: 404 })),
    ],
    ["is overloaded", "refused", slivers(refuse("UNAVAILABLE"))],
    ["blocks the blob", "refused", slivers(refuse("FORBIDDEN_BLOB"))],
    ["sends an error page as a success", "invalid", slivers(() => new Response("<html>"))],
  ])("of a node that %s counts it as %s, and all others as passed", async (_, outcome, script) => {
    const it = world();
    it.nodes.scripts.set(3, script);
    await it.read();
    expect(it.seen(outcome)).toEqual([3]);
    expect(it.seen("passed")).not.toContain(3);
    expect(it.seen("passed").length).toBeGreaterThan(4);
    expect(it.nodes.gate.peak).toBeLessThanOrEqual(INVOCATION_REQUESTS);
  });

  it("of a node that changes bytes counts it as invalid", async () => {
    const it = world();
    it.nodes.scripts.set(3, garbled(it, 3));
    await it.read();
    expect(it.seen("invalid")).toEqual([3]);
  });

  it("counts who denies metadata that another one has, and nobody while it is not known to exist", async () => {
    const it = world();
    const deny: Script = (route, request) =>
      route.name === "metadata" ? refuse("METADATA_NOT_FOUND")(route, request) : undefined;
    const services = it.nodes.services({ edgeReads: it.reads });
    for (let number = 0; number < 10; number++) it.nodes.scripts.set(number, deny);
    await expect(fetchMetadata(services, it.nodes.committee, it.metadata.blobId)).rejects.toThrow();
    expect(it.reads.held).toBe(0);
    await it.nodes.clock.sleep(2 * READ_LIMITS.absenceMs);
    for (let number = 3; number < 10; number++) it.nodes.scripts.delete(number);
    it.nodes.requests.length = 0;
    const asked = (): number[] => [...new Set(it.nodes.requests.map((request) => request.node))];
    while (!asked().some((number) => number < 3))
      await fetchMetadata(services, it.nodes.committee, it.metadata.blobId);
    expect(it.seen("missing").sort()).toEqual(
      asked()
        .filter((number) => number < 3)
        .sort(),
    );
    expect(it.seen("passed").every((number) => number >= 3)).toBe(true);
  });

  it("of a blob that nobody has, and of a deployment without an auditor, counts nothing", async () => {
    const it = world();
    const services = it.nodes.services({ edgeReads: it.reads });
    await expect(fetchMetadata(services, it.nodes.committee, blob(9))).rejects.toMatchObject({
      code: "BLOB_NOT_FOUND",
    });
    it.nodes.scripts.set(3, slivers(refuse("SLIVER_NOT_FOUND")));
    await it.read(false);
    expect(it.reads.held).toBe(0);
  });
});
