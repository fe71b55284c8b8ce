/** The platform's side of a lane: a request to this Worker's own entrypoint that lasts as long as the lane. */
import { byteReader } from "../base/platform.ts";
import type { LaneChannel } from "./open-lane.ts";

/** The request's ID, told to each lane that is opened for it. */
export const LANE_REQUEST_ID = "x-floe-request-id";

/** Starts this Worker's entrypoint `Lane`. Fails by its streams. */
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
