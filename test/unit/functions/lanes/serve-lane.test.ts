// If this fails, a lane goes on asking storage nodes for a client that has left, or waits for ever on a broken stream.
import { describe, expect, it } from "vitest";
import { readFrames } from "../../../../functions/lanes/frame-stream.ts";
import {
  cancelFrame,
  type FromLane,
  parseFromLane,
  requestFrame,
} from "../../../../functions/lanes/frames.ts";
import { OpenLane } from "../../../../functions/lanes/open-lane.ts";
import type { Carrier, CarryOptions, NodeAnswer, NodeRequest } from "../../../../shared/node/carrier.ts";
import { JSON_TYPE } from "../../../../shared/node/storage-node-api.ts";
import { laneOn } from "../../../support/nodes/lanes.ts";
import { VirtualClock } from "../../../support/virtual-clock.ts";

const REQUEST: NodeRequest = {
  method: "GET",
  url: "http://node-1/",
  accept: JSON_TYPE,
  maxBytes: 10,
  timeoutMs: 1_000,
  headersTimeoutMs: 1_000,
};
const ANSWER: NodeAnswer = {
  status: 200,
  contentType: JSON_TYPE,
  contentEncoding: undefined,
  body: new Uint8Array([1]),
};

/** Answers as `answer` does; a request whose signal aborts fails with its reason, and is counted. */
class HandCarrier implements Carrier {
  readonly clock = new VirtualClock();
  readonly randomBytes = (count: number) => new Uint8Array(count);
  readonly width = 6;
  readonly copies = 1;
  readonly #answer: (request: NodeRequest) => Promise<NodeAnswer>;
  aborted = 0;
  carried = 0;

  constructor(answer: (request: NodeRequest) => Promise<NodeAnswer>) {
    this.#answer = answer;
  }

  expect(): void {}

  carry(request: NodeRequest, { signal }: CarryOptions = {}): Promise<NodeAnswer> {
    this.carried++;
    const ended = Promise.withResolvers<never>();
    signal?.addEventListener("abort", () => {
      this.aborted++;
      ended.reject(signal.reason);
    });
    return Promise.race([this.#answer(request), ended.promise]);
  }
}

const never = (): Promise<NodeAnswer> => new Promise(() => {});

/** A lane, and what came out of it. */
function lane(carrier: HandCarrier) {
  const { channel, over } = laneOn(carrier);
  const writer = channel.input.getWriter();
  const frames: FromLane[] = [];
  const outputOver = readFrames(channel.output, (frame) => frames.push(parseFromLane(frame)));
  return { writer, frames, over, outputOver };
}

const turn = async (): Promise<void> => {
  for (let each = 0; each < 5; each++) await new Promise((resolve) => setImmediate(resolve));
};

describe("a lane", () => {
  it("answers in the order in which answers come", async () => {
    const first = Promise.withResolvers<NodeAnswer>();
    const carrier = new HandCarrier(() => (carrier.carried === 1 ? first.promise : Promise.resolve(ANSWER)));
    const { writer, frames, over } = lane(carrier);
    await writer.write(requestFrame(1, REQUEST));
    await writer.write(requestFrame(2, REQUEST));
    await turn();
    first.resolve(ANSWER);
    await turn();
    expect(frames.map(({ id }) => id)).toEqual([2, 1]);
    await writer.close();
    await over;
  });

  it("drops what is cancelled, and says so", async () => {
    const carrier = new HandCarrier(never);
    const { writer, frames } = lane(carrier);
    await writer.write(requestFrame(1, REQUEST));
    await writer.write(requestFrame(2, REQUEST));
    await writer.write(cancelFrame(2));
    await writer.write(cancelFrame(77));
    await turn();
    expect(carrier.aborted).toBe(1);
    expect(frames).toEqual([{ kind: "failure", id: 2, code: "CANCELLED", status: 0, message: "" }]);
  });

  it.each<[string, (writer: WritableStreamDefaultWriter<Uint8Array>) => Promise<void>]>([
    ["its input ends", (writer) => writer.close()],
    ["its input breaks", (writer) => writer.abort(new Error("the other side is gone"))],
    ["a frame is malformed", (writer) => writer.write(new Uint8Array(9))],
    ["a frame is too large", (writer) => writer.write(new Uint8Array(9).fill(255))],
  ])("ends all that is under way when %s", async (_, end) => {
    const carrier = new HandCarrier(never);
    const { writer, over, outputOver } = lane(carrier);
    for (const id of [1, 2, 3]) await writer.write(requestFrame(id, REQUEST));
    await turn();
    await end(writer);
    await over;
    await outputOver.catch(() => {}); // Broken, or at its end.
    expect([carrier.carried, carrier.aborted]).toEqual([3, 3]);
  });

  it("ends at once when its own code is broken, so that its requests are repeated without it", async () => {
    const carrier = new HandCarrier((request) =>
      request.url.endsWith("bug") ? Promise.reject(new TypeError("a bug")) : never(),
    );
    const { writer, outputOver } = lane(carrier);
    await writer.write(requestFrame(1, REQUEST));
    await writer.write(requestFrame(2, { ...REQUEST, url: "http://node-1/bug" }));
    await outputOver;
    // The one that waits; the broken one has ended by itself.
    expect(carrier.aborted).toBe(1);
  });
});

describe("the invocation's end of a lane", () => {
  const events = { freed: () => {}, ended: () => {} };

  it("gives its requests back when a frame from the lane is malformed", async () => {
    const clock = new VirtualClock();
    const channel = {
      input: new WritableStream<Uint8Array>(),
      output: async () => new Uint8Array(9),
    };
    const opened = new OpenLane(channel, clock, events);
    await new Promise<void>((resolve, reject) => {
      opened.send({ request: REQUEST, settle: () => reject(new Error("settled")), giveBack: resolve });
    });
    expect(opened.load).toBe(0);
  });

  it("gives them back when its stream cannot be written", async () => {
    const channel = {
      input: new WritableStream<Uint8Array>({ write: () => Promise.reject(new Error("gone")) }),
      output: () => new Promise<undefined>(() => {}),
    };
    const opened = new OpenLane(channel, new VirtualClock(), events);
    await new Promise<void>((resolve, reject) => {
      opened.send({ request: REQUEST, settle: () => reject(new Error("settled")), giveBack: resolve });
    });
    expect(opened.load).toBe(0);
  });

  it("closes a lane that has had nothing to do for long", async () => {
    const clock = new VirtualClock();
    const isClosed = Promise.withResolvers<void>();
    const startMs = clock.nowMs();
    const input = new WritableStream<Uint8Array>({ close: () => isClosed.resolve() });
    const opened = new OpenLane({ input, output: () => new Promise<undefined>(() => {}) }, clock, events);
    await isClosed.promise;
    expect(opened.load).toBe(0);
    expect(clock.nowMs() - startMs).toBeGreaterThanOrEqual(10_000);
  });
});
