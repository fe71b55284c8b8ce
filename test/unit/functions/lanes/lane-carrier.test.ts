// If this fails, a lane that dies takes its requests along: an upload or a read hangs, or is sent twice.
import { describe, expect, it } from "vitest";
import { LaneCarrier, lanesFor } from "../../../../functions/lanes/lane-carrier.ts";
import { LANE_LIMITS } from "../../../../functions/lanes/limits.ts";
import { INVOCATION_REQUESTS } from "../../../../shared/base/gate.ts";
import { CarrierError, type NodeRequest } from "../../../../shared/node/carrier.ts";
import { JSON_TYPE } from "../../../../shared/node/storage-node-api.ts";
import { ScriptedEdge } from "../../../support/edge/scripted-edge.ts";
import { carrierOfWidth } from "../../../support/nodes/carriers.ts";
import { type Death, MemoryLanes } from "../../../support/nodes/lanes.ts";
import { ScriptedNodes } from "../../../support/nodes/scripted-nodes.ts";

const MAY_HOLD = LANE_LIMITS.lanesPerInvocation;
const FAR_MS = 80;

interface Setup {
  readonly maxLanes?: number;
  /** Connections of the invocation itself. */
  readonly width?: number;
  readonly death?: (lane: number) => Death | undefined;
}

function lanesOn(nodes: ScriptedNodes, { maxLanes = MAY_HOLD, width = 1, death }: Setup = {}) {
  const lanes = new MemoryLanes(nodes, death);
  const carrier = new LaneCarrier({
    direct: carrierOfWidth(nodes, width).carrier,
    open: lanes.open,
    answerMs: () => FAR_MS,
    answered: () => {},
    log: () => {},
    maxLanes,
  });
  return { lanes: lanes.lanes, carrier };
}

const content = new Uint8Array(600).map((_, index) => (index * 31 + 7) % 256);

/** Publishes and reads one blob; both must end right. */
async function roundTrip(carrier: LaneCarrier, nodes: ScriptedNodes): Promise<void> {
  const edge = new ScriptedEdge(nodes);
  edge.overrides = { carrier };
  const stored = await edge.fetch("/v1/blobs?epochs=1", { method: "PUT", body: content });
  expect(stored.status).toBe(200);
  const { newlyCreated } = (await stored.json()) as { newlyCreated: { blobObject: { blobId: string } } };
  await Promise.all(edge.background);
  const read = await edge.fetch(`/v1/blobs/${newlyCreated.blobObject.blobId}`);
  expect(new Uint8Array(await read.arrayBuffer())).toEqual(content);
}

/** Slivers that were sent more than once, as often as that. */
function repeatedSlivers(nodes: ScriptedNodes): string[] {
  const seen = new Set<string>();
  return nodes.requests.flatMap(({ method, route }) => {
    if (method !== "PUT" || route.name !== "sliver") return [];
    const key = `${route.pair} ${route.axis}`;
    if (seen.has(key)) return [key];
    seen.add(key);
    return [];
  });
}

const committee = (): ScriptedNodes => new ScriptedNodes([3, 3, 2, 2]);

describe("a lane that is killed", () => {
  it.each([
    ["to-lane", false],
    ["to-lane", true],
    ["from-lane", false],
    ["from-lane", true],
  ] as const)(
    "%s after any number of frames, mid-frame %s, costs its requests a second journey",
    async (direction, midFrame) => {
      let killed = 0;
      for (let frames = 0; ; frames++) {
        const nodes = committee();
        const { lanes, carrier } = lanesOn(nodes, {
          maxLanes: 3,
          death: (lane) => (lane === 0 ? { direction, frames, midFrame } : undefined),
        });
        await roundTrip(carrier, nodes);
        const first = lanes[0];
        if (first?.isKilled !== true) break;
        killed++;
        const repeated = repeatedSlivers(nodes);
        expect(repeated.length).toBeLessThanOrEqual(INVOCATION_REQUESTS);
        for (const key of repeated) {
          const [pair, axis] = key.split(" ");
          expect(first.sent.some((sent) => sent.endsWith(`/${pair}/${axis}`))).toBe(true);
        }
      }
      expect(killed).toBeGreaterThan(8);
    },
  );

  it("is not replaced for ever: 24 lanes are opened at most, and then the rest goes directly", async () => {
    for (const frames of [0, 1, 3]) {
      const nodes = new ScriptedNodes(Array.from({ length: 10 }, () => 4));
      const { lanes, carrier } = lanesOn(nodes, {
        death: () => ({ direction: "from-lane", frames, midFrame: true }),
      });
      await roundTrip(carrier, nodes);
      expect(lanes.length).toBe(carrier.opened);
      expect(lanes.length).toBeGreaterThan(3);
      expect(lanes.length).toBeLessThanOrEqual(24);
    }
  });
});

/** Requests to one scripted node, each with a path of its own. */
const request = (number: number, timeoutMs = 1_000): NodeRequest => ({
  method: "GET",
  url: `http://node-0/v1/blobs/${"A".repeat(42)}${"AEIMQUYcgkosw048"[number % 16]}/slivers/${number}/primary`,
  accept: JSON_TYPE,
  maxBytes: 1_000,
  timeoutMs,
  headersTimeoutMs: timeoutMs,
});

/** Nodes whose answers wait until the test lets them go, in the order of the requests. */
function heldNodes() {
  const nodes = committee();
  const held: (() => void)[] = [];
  const paths: string[] = [];
  let aborted = 0;
  nodes.scripts.set(0, (_, sent) => {
    paths.push(new URL(sent.url).pathname.split("/").at(-2) ?? "");
    sent.signal.addEventListener("abort", () => {
      aborted++;
    });
    return new Promise((resolve) => held.push(() => resolve(new Response("null"))));
  });
  return { nodes, held, paths, aborted: () => aborted };
}

const turn = async (): Promise<void> => {
  for (let each = 0; each < 10; each++) await new Promise((resolve) => setImmediate(resolve));
};

describe("lanes", () => {
  it("hold six requests each and no more; the others wait, first come, first served", async () => {
    const { nodes, held, paths } = heldNodes();
    const { lanes, carrier } = lanesOn(nodes, { maxLanes: 2, width: 6 });
    carrier.expect(2_000);
    const all = Array.from({ length: 30 }, (_, number) => carrier.carry(request(number, 1_000_000)));
    await turn();
    expect(held).toHaveLength(carrier.width);
    expect(lanes.map(({ gate, sent }) => [gate.inFlight, sent.length])).toEqual([
      [6, 6],
      [6, 6],
    ]);
    while (held.length > 0) {
      held.shift()?.();
      await turn();
    }
    await Promise.all(all);
    expect(paths.slice(18)).toEqual(Array.from({ length: 12 }, (_, number) => String(18 + number)));
    expect(lanes.map(({ gate }) => gate.peak)).toEqual([6, 6]);
    carrier.close();
  });

  it("are given up when they are silent past the deadline, and their requests travel elsewhere", async () => {
    const nodes = committee();
    // A lane that takes everything and says nothing.
    const silent = () => ({
      input: new WritableStream<Uint8Array>(),
      output: () => new Promise<undefined>(() => {}),
    });
    const carrier = new LaneCarrier({
      direct: carrierOfWidth(nodes, 1).carrier,
      open: silent,
      answerMs: () => FAR_MS,
      answered: () => {},
      log: () => {},
      maxLanes: 1,
    });
    const startMs = nodes.clock.nowMs();
    carrier.expect(100);
    const all = await Promise.all([0, 1, 2, 3].map((number) => carrier.carry(request(number))));
    expect(all.map(({ status }) => status)).toEqual([404, 404, 404, 404]);
    const elapsedMs = nodes.clock.nowMs() - startMs;
    expect(elapsedMs).toBeGreaterThan(1_000 + LANE_LIMITS.graceMs);
    expect(elapsedMs).toBeLessThanOrEqual(1_000 + 3 * LANE_LIMITS.graceMs);
  });

  it("drop a request whose caller leaves: its fetch is aborted, its place is free", async () => {
    const { nodes, held, paths, aborted } = heldNodes();
    const { lanes, carrier } = lanesOn(nodes, { maxLanes: 1 });
    carrier.expect(100);
    const leaving = new AbortController();
    const [direct, ...rest] = Array.from({ length: 7 }, (_, number) =>
      carrier.carry(request(number, 1_000_000), number === 3 ? { signal: leaving.signal } : {}),
    );
    const next = carrier.carry(request(7, 1_000_000));
    await turn();
    expect(paths).toHaveLength(7);
    leaving.abort(new Error("the client left"));
    await expect(rest[2]).rejects.toThrow("the client left");
    await turn();
    expect([aborted(), paths.at(-1), lanes[0]?.gate.inFlight]).toEqual([1, "7", 6]);
    for (const answer of held) answer();
    const kept = [direct, ...rest.filter((_, index) => index !== 2), next];
    expect((await Promise.all(kept)).map((answer) => answer?.status)).toEqual(Array(7).fill(200));
    carrier.close();
    await turn();
    expect(lanes[0]).toMatchObject({ isOver: true });
  });

  it("end with their carrier, and all that waits or is under way in them with a typed error", async () => {
    const { nodes, aborted } = heldNodes();
    const { lanes, carrier } = lanesOn(nodes, { maxLanes: 1 });
    carrier.expect(100);
    const leaving = new AbortController();
    const direct = carrier.carry(request(0, 1_000_000), { signal: leaving.signal });
    const others = Array.from({ length: 9 }, (_, number) => carrier.carry(request(1 + number, 1_000_000)));
    await turn();
    carrier.close();
    for (const each of others) await expect(each).rejects.toThrow(CarrierError);
    await turn();
    expect([aborted(), lanes[0]?.isOver, lanes[0]?.gate.inFlight]).toEqual([6, true, 0]);
    leaving.abort(new Error("over"));
    await expect(direct).rejects.toThrow("over");
  });

  it("do not get what fits no frame", async () => {
    const { nodes, held } = heldNodes();
    const { lanes, carrier } = lanesOn(nodes, { maxLanes: 1 });
    carrier.expect(100);
    const first = carrier.carry(request(0, 1_000_000));
    const large = carrier.carry({ ...request(1, 1_000_000), maxBytes: LANE_LIMITS.frameBytes });
    await turn();
    expect([held.length, lanes.length]).toEqual([1, 0]);
    held.shift()?.();
    await first;
    await turn();
    held.shift()?.();
    expect((await large).status).toBe(200);
    expect(lanes).toHaveLength(0);
  });
});

describe("the number of lanes", () => {
  it.each([
    ["none for a committee of 13 nodes that answers at once", 2 * 40 + 26, 1, 0],
    ["none for a range of one sliver, however far away", 1, 250, 0],
    ["none for what six connections do in four answers", 24, 80, 0],
    ["all for an upload to 1000 shards 80 ms away", 2_200, 80, 24],
    ["all for an upload to 1000 shards at answers of no known time", 2_200, 20, 24],
    ["as many as there are further waves", 60, 80, 9],
  ])("is %s", (_, requests, answerMs, lanes) => {
    expect(lanesFor(requests, answerMs, INVOCATION_REQUESTS)).toBe(lanes);
  });

  it("takes nodes that have not answered yet for ones that are far away", () => {
    const { carrier } = lanesOn(committee(), { width: 6 });
    const unknown = new LaneCarrier({
      direct: carrierOfWidth(committee(), 6).carrier,
      open: () => {
        throw new Error("nothing was sent");
      },
      answerMs: () => undefined,
      answered: () => {},
      log: () => {},
    });
    for (const each of [carrier, unknown]) each.expect(2_200);
    expect([carrier.width, unknown.width]).toEqual([150, 6 + 6 * lanesFor(2_200, 20, 6)]);
  });
});
