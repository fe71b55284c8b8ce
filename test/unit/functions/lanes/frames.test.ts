// If this fails, a lane answers one request with the bytes of another, or a broken stream eats the isolate's memory.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readFrames } from "../../../../functions/lanes/frame-stream.ts";
import {
  answerFrame,
  cancelFrame,
  FrameCutter,
  FrameError,
  failureFrame,
  fitsFrame,
  joined,
  parseFromLane,
  parseToLane,
  requestFrame,
} from "../../../../functions/lanes/frames.ts";
import { LANE_LIMITS } from "../../../../functions/lanes/limits.ts";
import { CarrierError, type NodeRequest } from "../../../../shared/node/carrier.ts";
import { JSON_TYPE, OCTET_STREAM } from "../../../../shared/node/storage-node-api.ts";
import { propertyRuns } from "../../../support/property.ts";

const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
const bodies = fc.oneof(
  fc.uint8Array({ maxLength: 40 }),
  fc.uint8Array({ minLength: 900, maxLength: 5_000 }),
);
const accepts = fc.constantFrom(JSON_TYPE, OCTET_STREAM);
const requests: fc.Arbitrary<NodeRequest> = fc.oneof(
  fc.record({ method: fc.constant("PUT" as const), body: bodies, ...requestFields() }),
  fc.record({ method: fc.constant("GET" as const), body: fc.constant(undefined), ...requestFields() }),
);
const headers = fc.oneof(
  fc.constant(undefined),
  fc.constantFrom("gzip", "application/json", "application/octet-stream"),
);
const answers = fc.record({
  status: fc.integer({ min: 0, max: 65_535 }),
  contentType: headers,
  contentEncoding: headers,
  body: bodies,
});
const failures = fc
  .record({
    code: fc.constantFrom("TIMEOUT", "UNREACHABLE", "ANSWER_TOO_LARGE"),
    status: fc.integer({ min: 0, max: 599 }),
    message: fc.string({ unit: "grapheme", maxLength: 60 }),
  })
  .map(({ code, status, message }) => ({
    code,
    status,
    message,
    error: new CarrierError(code, message, { details: status === 0 ? {} : { status } }),
  }));
/** Where a stream is cut: lengths of its chunks, used in turn. */
const chunks = fc.array(fc.oneof(fc.integer({ min: 1, max: 7 }), fc.integer({ min: 1, max: 3_000 })), {
  minLength: 1,
  maxLength: 20,
});

function requestFields() {
  return {
    url: fc.webUrl({ withQueryParameters: true }),
    accept: accepts,
    maxBytes: u32,
    timeoutMs: u32,
    headersTimeoutMs: u32,
  };
}

/** All frames of a stream that arrives in chunks of these lengths, in one buffer used again and again. */
async function arrived(frames: readonly Uint8Array[], lengths: readonly number[]): Promise<Uint8Array[]> {
  const bytes = joined(frames);
  const buffer = new Uint8Array(Math.max(...lengths));
  let at = 0;
  let turn = 0;
  const seen: Uint8Array[] = [];
  await readFrames(
    async () => {
      if (at === bytes.length) return undefined;
      const chunk = bytes.subarray(at, at + (lengths[turn++ % lengths.length] ?? 1));
      at += chunk.length;
      buffer.fill(0xee);
      buffer.set(chunk);
      return buffer.subarray(0, chunk.length);
    },
    // Valid until the next call.
    (frame) => seen.push(frame.slice()),
  );
  return seen;
}

describe("frames, however the stream is cut", () => {
  it("bring every request and every cancellation as it was sent", async () => {
    const sent = fc.array(fc.tuple(u32, fc.option(requests, { nil: undefined })), { maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(sent, chunks, async (list, lengths) => {
        const frames = list.map(([id, request]) =>
          request === undefined ? cancelFrame(id) : requestFrame(id, request),
        );
        const parsed = (await arrived(frames, lengths)).map(parseToLane);
        expect(parsed).toEqual(
          list.map(([id, request]) =>
            request === undefined ? { kind: "cancel", id } : { kind: "request", id, request },
          ),
        );
      }),
      propertyRuns(150),
    );
  });

  it("bring every answer and every failure as it was sent", async () => {
    const sent = fc.array(fc.tuple(u32, fc.oneof(answers, failures)), { maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(sent, chunks, async (list, lengths) => {
        const frames = list.map(([id, each]) =>
          "error" in each ? failureFrame(id, each.error) : answerFrame(id, each),
        );
        const parsed = (await arrived(frames, lengths)).map(parseFromLane);
        expect(parsed).toEqual(
          list.map(([id, each]) => {
            if (!("error" in each)) return { kind: "answer", id, answer: each };
            const { code, status, message } = each;
            return { kind: "failure", id, code, status, message };
          }),
        );
      }),
      propertyRuns(150),
    );
  });

  it("tell a cancelled request from one that failed", () => {
    expect(parseFromLane(failureFrame(7, undefined))).toEqual({
      kind: "failure",
      id: 7,
      code: "CANCELLED",
      status: 0,
      message: "",
    });
  });

  it("keep their bodies when the buffer that they came in is used again", () => {
    const request = { ...get(), method: "PUT", body: new Uint8Array([1, 2, 3]) } as const;
    const sent = requestFrame(1, request);
    const answer = answerFrame(1, {
      status: 200,
      contentType: undefined,
      contentEncoding: undefined,
      body: request.body,
    });
    const parsed = [parseToLane(sent), parseFromLane(answer)];
    sent.fill(9);
    answer.fill(9);
    expect(parsed).toMatchObject([{ request: { body: request.body } }, { answer: { body: request.body } }]);
  });
});

const get = (url = "http://node-1/"): NodeRequest => ({
  method: "GET",
  url,
  accept: JSON_TYPE,
  maxBytes: 10,
  timeoutMs: 1,
  headersTimeoutMs: 1,
});

describe("a stream that is none of ours", () => {
  it("is a FrameError or frames, whatever its bytes, and nothing else", () => {
    const kinds = fc.constantFrom(0, 1, 2, 3, 4, 5, 255);
    const frames = fc.tuple(kinds, fc.uint8Array({ maxLength: 60 })).map(([kind, rest]) => {
      const frame = new Uint8Array(5 + rest.length);
      new DataView(frame.buffer).setUint32(0, 1 + rest.length);
      frame[4] = kind;
      frame.set(rest, 5);
      return frame;
    });
    fc.assert(
      fc.property(fc.oneof(frames, fc.uint8Array({ maxLength: 80 })), (bytes) => {
        for (const parse of [parseToLane, parseFromLane]) {
          try {
            for (const frame of new FrameCutter().add(bytes)) parse(frame);
          } catch (error) {
            expect(error).toBeInstanceOf(FrameError);
          }
        }
      }),
      propertyRuns(2_000),
    );
  });

  it.each([
    ["shorter than its head", 4],
    ["of no bytes", 0],
    ["one byte above the bound", LANE_LIMITS.frameBytes + 1],
    ["of four GiB", 0xffff_ffff],
  ])("is refused at its length when a frame is %s, before a byte is allocated for it", (_, length) => {
    const head = new Uint8Array(4);
    new DataView(head.buffer).setUint32(0, length);
    expect(() => new FrameCutter().add(head)).toThrow(FrameError);
  });

  it("may hold a frame of exactly the bound", () => {
    const frame = new Uint8Array(4 + LANE_LIMITS.frameBytes);
    new DataView(frame.buffer).setUint32(0, LANE_LIMITS.frameBytes);
    const cutter = new FrameCutter();
    expect(cutter.add(frame.subarray(0, 1_000_000))).toEqual([]);
    expect(cutter.add(frame.subarray(1_000_000))).toHaveLength(1);
  });

  it("is refused for fields that its frames have not", () => {
    const put = requestFrame(1, { ...get(), method: "PUT", body: new Uint8Array(3) });
    const at = (offset: number, value: number): Uint8Array => {
      const frame = put.slice();
      frame[offset] = value;
      return frame;
    };
    // Kind, method, accept, a URL beyond the end, a GET with a body.
    for (const frame of [at(4, 3), at(9, 2), at(10, 2), at(23, 255), at(9, 0)]) {
      expect(() => parseToLane(frame)).toThrow(FrameError);
    }
    const failure = failureFrame(1, undefined);
    failure[9] = 4;
    expect(() => parseFromLane(failure)).toThrow(FrameError);
  });
});

describe("a request that fits no frame", () => {
  const room = LANE_LIMITS.frameBytes - 4096;
  it.each<[string, NodeRequest, boolean]>([
    ["is none of the usual ones", get(), true],
    ["has an answer up to the bound", { ...get(), maxBytes: room }, true],
    ["has an answer above it", { ...get(), maxBytes: room + 1 }, false],
    ["has a body above it", { ...get(), method: "PUT", body: new Uint8Array(room + 1) }, false],
    ["wants another type", { ...get(), accept: "text/plain" }, false],
    ["has a very long URL", get(`http://node-1/${"a".repeat(70_000)}`), false],
  ])("%s", (_, request, fits) => {
    expect(fitsFrame(request)).toBe(fits);
  });
});
