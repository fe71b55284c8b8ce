/**
 * Lane: this Worker's entrypoint for its own invocations, which carry requests to storage nodes by it. Not reachable
 * from outside. Each call is an invocation with connections and subrequests of its own, and lasts as long as its stream.
 */
import { WorkerEntrypoint } from "cloudflare:workers";
import type { Env } from "./base/env.ts";
import { byteReader } from "./base/platform.ts";
import { laneServices } from "./compose.ts";
import { LANE_REQUEST_ID } from "./lanes/child-invocation.ts";
import { serveLane } from "./lanes/serve-lane.ts";

export class Lane extends WorkerEntrypoint<Env> {
  override fetch(request: Request): Response {
    const { readable, writable } = new IdentityTransformStream();
    const { carrier, finished } = laneServices(this.env, request.headers.get(LANE_REQUEST_ID) ?? "");
    const input = request.body === null ? async () => undefined : byteReader(request.body);
    this.ctx.waitUntil(serveLane(carrier, input, writable).then(finished));
    return new Response(readable, { headers: { "content-type": "application/octet-stream" } });
  }
}
