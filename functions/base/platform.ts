/** The platform's clock, randomness and streams, for composition roots and Durable Objects to inject. */
import { type Clock, type RandomBytes, timerClock } from "../../shared/base/clock.ts";

export const systemClock: Clock = timerClock(() => Date.now());

export const systemRandom: RandomBytes = (count) => crypto.getRandomValues(new Uint8Array(count));

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
