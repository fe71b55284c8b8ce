// If this fails, followers of the chain miss events or see them twice: nodes lose blobs, auditors miss certificates.
import { GrpcTypes } from "@mysten/sui/grpc";
import { beforeAll, describe, expect, it } from "vitest";
import {
  decodeCursor,
  encodeCursor,
  listFrames,
  type Position,
} from "../../../../localnet/sui/rpc/list-service.ts";
import {
  Calls,
  encodedBytes,
  inventedBlob,
  registerBlob,
  type TestNetwork,
  testNetwork,
} from "../../../support/sui/network.ts";

let network: TestNetwork;
let type: string;
const reasons = GrpcTypes.QueryEndReason;

beforeAll(async () => {
  network = await testNetwork();
  type = `${network.standIn.networkIds.originalPackageId}::events::BlobRegistered`;
  for (let i = 0; i < 3; i++) await registerBlob(network, inventedBlob(1000, i));
  // Two events in one transaction.
  const calls = new Calls(network);
  const coin = calls.wal(1_000_000n);
  const storage = (i: number) =>
    calls.register(calls.reserve(encodedBytes(1000), 1, coin), inventedBlob(1000, 10 + i), coin);
  calls.give([storage(0), storage(1), coin]);
  await calls.succeed();
  network.standIn.tick();
});

const filter = (eventType: string, negated = false): GrpcTypes.EventFilter => ({
  terms: [{ literals: [{ negated, predicate: { oneofKind: "eventType", eventType: { eventType } } }] }],
});

async function list(request: Partial<GrpcTypes.ListEventsRequest> = {}) {
  const frames: GrpcTypes.ListEventsResponse[] = [];
  const call = network.client.ledgerService.listEvents({
    filter: filter(type),
    readMask: { paths: ["*"] },
    ...request,
  });
  for await (const frame of call.responses) frames.push(frame);
  return frames;
}
const places = (frames: GrpcTypes.ListEventsResponse[]) =>
  frames.flatMap(({ event }) => (event === undefined ? [] : [`${event.checkpoint}.${event.eventIndex}`]));

describe("listing events", () => {
  it("gives one item per frame, then one end at the tip with a cursor to go on from", async () => {
    const frames = await list();
    expect(places(frames)).toHaveLength(5);
    expect(frames.map((frame) => frame.end?.reason)).toEqual([
      ...Array(5).fill(undefined),
      reasons.LEDGER_TIP,
    ]);
    const cursor = frames.at(-1)?.watermark?.cursor ?? new Uint8Array();
    expect(await list({ options: { after: cursor } })).toHaveLength(1);
    await registerBlob(network, inventedBlob(1000, 99));
    expect(places(await list({ options: { after: cursor } }))).toHaveLength(1);
  });

  it("pages by cursor see every event once, in both directions, also inside a transaction", async () => {
    const all = places(await list());
    for (const ordering of [GrpcTypes.Ordering.ASCENDING, GrpcTypes.Ordering.DESCENDING]) {
      const seen: string[] = [];
      let bound: Uint8Array | undefined;
      for (let pages = 0; pages < 20; pages++) {
        const cursor =
          bound === undefined
            ? {}
            : ordering === GrpcTypes.Ordering.ASCENDING
              ? { after: bound }
              : { before: bound };
        const frames = await list({ options: { limit: 1, ordering, ...cursor } });
        seen.push(...places(frames));
        bound = frames.at(-1)?.watermark?.cursor;
        if (frames.at(-1)?.end?.reason !== reasons.ITEM_LIMIT) break;
        expect(frames).toHaveLength(1);
      }
      expect(seen).toEqual(ordering === GrpcTypes.Ordering.ASCENDING ? all : [...all].reverse());
    }
  });

  it("checkpoint ranges and cursors bound the list and say so", async () => {
    const first = (await list()).flatMap(({ event }) => event ?? []);
    const [from, to] = [first[1]?.checkpoint ?? 0n, first[3]?.checkpoint ?? 0n];
    const range = await list({ startCheckpoint: from, endCheckpoint: to });
    expect(places(range)).toEqual(
      first.slice(1, 3).map((event) => `${event.checkpoint}.${event.eventIndex}`),
    );
    expect(range.at(-1)?.end?.reason).toBe(reasons.CHECKPOINT_BOUND);
    const before = await list({ options: { before: encodeCursor({ checkpoint: to, index: 0 }) } });
    expect(places(before)).toHaveLength(3);
    expect(before.at(-1)?.end?.reason).toBe(reasons.CURSOR_BOUND);
  });

  it("filters by type at every level, by sender, by module, and by negation", async () => {
    const { originalPackageId, packageId } = network.standIn.networkIds;
    const count = async (eventFilter: GrpcTypes.EventFilter) =>
      places(await list({ filter: eventFilter })).length;
    const all = places(await list({ filter: filter(originalPackageId) })).length;
    expect(await count(filter(`${originalPackageId}::events`))).toBe(all);
    expect(await count(filter(packageId))).toBe(0);
    // Genesis tells of the audit registry, and of nothing else.
    expect(await count(filter(type, true))).toBe(1);
    const literal = (predicate: GrpcTypes.EventLiteral["predicate"]) => ({
      terms: [{ literals: [{ negated: false, predicate }] }],
    });
    expect(await count(literal({ oneofKind: "sender", sender: { address: network.address } }))).toBe(all);
    expect(
      await count(literal({ oneofKind: "emitModule", emitModule: { module: `${packageId}::system` } })),
    ).toBe(all);
    await expect(list({ filter: { terms: [{ literals: [] }] } })).rejects.toThrow("literals");
  });

  it("of what is forgotten are left out where nobody said the beginning, and refused where somebody did", async () => {
    const all = (await list()).flatMap(({ event }) => event ?? []);
    const [first, second] = [all[0]?.checkpoint ?? 0n, all[1]?.checkpoint ?? 0n];
    network.standIn.setFault({ kind: "prune", before: Number(second) });
    try {
      expect(places(await list())).toHaveLength(all.length - 1);
      expect(places(await list({ startCheckpoint: second }))).toHaveLength(all.length - 1);
      const whole = encodeCursor({ checkpoint: second - 1n, index: 0xffff_ffff });
      expect(places(await list({ options: { after: whole } }))).toHaveLength(all.length - 1);
      for (const request of [
        { startCheckpoint: 0n },
        { startCheckpoint: first },
        { options: { after: encodeCursor({ checkpoint: first, index: 0 }) } },
      ])
        await expect(list(request)).rejects.toMatchObject({ code: "OUT_OF_RANGE" });
    } finally {
      network.standIn.setFault({ kind: "none" });
    }
  });

  it("a cursor is a place; anything else is refused", async () => {
    const place: Position = { checkpoint: 7n, index: 3 };
    expect(decodeCursor(encodeCursor(place))).toEqual(place);
    await expect(list({ options: { after: Uint8Array.of(1, 2) } })).rejects.toThrow("cursor");
  });

  it("stops scanning after a limit and resumes where it stopped", () => {
    const items = Array.from({ length: 10_005 }, (_, i) => ({ checkpoint: BigInt(i), index: 0 }));
    const rare = (item: Position) => item.checkpoint === 10_003n;
    const frames = [...listFrames(items, (item) => item, rare, {}, 10_004n)];
    expect(frames.map((frame) => frame.end?.reason)).toEqual([reasons.SCAN_LIMIT]);
    const after = frames[0]?.watermark.cursor ?? new Uint8Array();
    const rest = [...listFrames(items, (item) => item, rare, { options: { after } }, 10_004n)];
    expect(rest.map((frame) => frame.value?.checkpoint)).toEqual([10_003n, undefined]);
  });
});

describe("checkpoints", () => {
  it("have no gaps, link to each other and carry their transaction's events", async () => {
    const service = network.client.ledgerService;
    const height = (await service.getServiceInfo({})).response.checkpointHeight ?? 0n;
    let previous: string | undefined;
    let events = 0;
    for (let number = 0n; number <= height; number++) {
      // What genesis has to tell is of another type.
      if (number === 1n) events = 0;
      const { response } = await service.getCheckpoint({
        checkpointId: { oneofKind: "sequenceNumber", sequenceNumber: number },
        readMask: {
          paths: ["sequence_number", "digest", "summary", "transactions.digest", "transactions.events"],
        },
      });
      const checkpoint = response.checkpoint;
      expect(checkpoint?.sequenceNumber).toBe(number);
      expect(checkpoint?.summary?.previousDigest).toBe(previous);
      previous = checkpoint?.digest;
      events += checkpoint?.transactions.flatMap((each) => each.events?.events ?? []).length ?? 0;
    }
    expect(events).toBe(places(await list({ filter: filter(type) })).length);
    await expect(
      service.getCheckpoint({ checkpointId: { oneofKind: "sequenceNumber", sequenceNumber: height + 1n } }),
    ).rejects.toThrow("not found");
  });

  it("are listed and streamed in order; a stream starts at the tip", async () => {
    const listed: bigint[] = [];
    const call = network.client.ledgerService.listCheckpoints({ readMask: { paths: ["sequence_number"] } });
    for await (const { checkpoint } of call.responses) {
      if (checkpoint !== undefined) listed.push(checkpoint.sequenceNumber ?? -1n);
    }
    expect(listed).toEqual(listed.map((_, i) => BigInt(i)));
    const abort = new AbortController();
    const stream = network.client.subscriptionService.subscribeCheckpoints(
      { readMask: { paths: ["sequence_number"] } },
      { abort: abort.signal },
    );
    const seen: bigint[] = [];
    let isOver = false;
    const reading = (async () => {
      for await (const { cursor } of stream.responses) {
        seen.push(cursor ?? -1n);
        if (seen.length === 2) abort.abort();
      }
    })().catch(() => {});
    const stopped = reading.then(() => {
      isOver = true;
    });
    // Nothing says when the endpoint has the subscription.
    while (!isOver) {
      network.standIn.tick();
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    await stopped;
    const [first = -1n, second] = seen;
    expect(first).toBeGreaterThanOrEqual(BigInt(listed.length));
    expect(second).toBe(first + 1n);
  });
});
