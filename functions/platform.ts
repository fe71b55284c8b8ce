/** The platform's clock, randomness and streams, for composition roots and Durable Objects to inject. */
import { type Clock, type RandomBytes, timerClock } from "../shared/base/clock.ts";
import type { LaneChannel } from "./lanes/open-lane.ts";

export const systemClock: Clock = timerClock(() => Date.now());

export const systemRandom: RandomBytes = (count) => crypto.getRandomValues(new Uint8Array(count));

/** The request's ID, told to each lane that is opened for it. */
export const LANE_REQUEST_ID = "x-floe-request-id";

const READ_BYTES = 64 * 1024;

/** Reads a stream of the platform through one buffer: each piece is valid until the next one is asked for. */
export function byteReader(stream: ReadableStream<Uint8Array>): () => Promise<Uint8Array | undefined> {
  const reader = stream.getReader({ mode: "byob" });
  let buffer = new ArrayBuffer(READ_BYTES);
  return async () => {
    // The platform's own: whatever is there, where `read` would return 4 KiB at a time.
    const { done, value } = await reader.readAtLeast(1, new Uint8Array(buffer));
    if (value !== undefined) buffer = value.buffer as ArrayBuffer;
    return done || value === undefined ? undefined : value;
  };
}

/** Starts this Worker's entrypoint `Lane`, and talks with it over one request that lasts as long as the lane. */
export function openLane(ctx: ExecutionContext, requestId: string): LaneChannel {
  const { readable, writable } = new IdentityTransformStream();
  // The loopback binding of our own entrypoints, whose type the platform derives from the deployed module only.
  const { Lane } = ctx.exports as unknown as { readonly Lane: Fetcher };
  const answer = Lane.fetch("https://lane/", {
    method: "POST",
    body: readable,
    headers: { [LANE_REQUEST_ID]: requestId },
  });
  let read: (() => Promise<Uint8Array | undefined>) | undefined;
  const output = async (): Promise<Uint8Array | undefined> => {
    const { body } = await answer;
    if (body === null) return undefined;
    read ??= byteReader(body);
    return read();
  };
  return { input: writable, output };
}
