/**
 * One GET to a storage node whose answer is evidence, whatever it is: status, bytes and times are kept, nothing is
 * interpreted away and nothing repeated.
 *
 * For readers of blobs there is `StorageNodeClient`; this is for those who judge nodes. The deadline runs from the call
 * and covers the body; redirects are not followed; at most `maxBytes` of a body are read.
 */
import { readBounded } from "../base/bounded-body.ts";
import type { Clock } from "../base/clock.ts";
import { withDeadline } from "../base/deadline.ts";
import type { NodeTransport } from "./direct-carrier.ts";

export interface ProbeRequest {
  readonly baseUrl: string;
  readonly path: string;
  readonly accept: string;
  readonly maxBytes: number;
  readonly timeoutMs: number;
}

/** `answered`: headers and a whole body of at most `maxBytes` came. */
export type ProbeEnd = "answered" | "too-large" | "unreachable" | "timeout";

export interface ProbeResult {
  readonly end: ProbeEnd;
  readonly startedMs: number;
  /** Until the end, whichever it was. */
  readonly ms: number;
  /** 0 when no headers came. */
  readonly httpStatus: number;
  readonly contentType: string | undefined;
  /** Present when answered. */
  readonly body: Uint8Array | undefined;
}

class ProbeTimeout extends Error {}
class ProbeTooLarge extends Error {}

export async function probe(transport: NodeTransport, request: ProbeRequest): Promise<ProbeResult> {
  const { clock, gate } = transport;
  return gate.run(async () => {
    const seen: Seen = { startedMs: clock.nowMs(), httpStatus: 0, contentType: undefined };
    try {
      const body = await withDeadline(
        clock,
        request.timeoutMs,
        undefined,
        () => new ProbeTimeout(),
        (signal) => exchange(transport, request, signal, seen),
      );
      return finish(clock, seen, "answered", body);
    } catch (error) {
      if (error instanceof ProbeTimeout) return finish(clock, seen, "timeout");
      if (error instanceof ProbeTooLarge) return finish(clock, seen, "too-large");
      // Whatever else `fetch` and body streams throw is a connection that did not work.
      return finish(clock, seen, "unreachable");
    }
  });
}

/** What is known when an exchange breaks off. Written by `exchange`. */
interface Seen {
  readonly startedMs: number;
  httpStatus: number;
  contentType: string | undefined;
}

function finish(clock: Clock, seen: Seen, end: ProbeEnd, body?: Uint8Array): ProbeResult {
  return { ...seen, end, ms: Math.max(0, clock.nowMs() - seen.startedMs), body };
}

async function exchange(
  transport: NodeTransport,
  request: ProbeRequest,
  signal: AbortSignal,
  seen: Seen,
): Promise<Uint8Array> {
  const response = await transport.fetch(
    new Request(request.baseUrl + request.path, {
      headers: { accept: request.accept, "accept-encoding": "identity" },
      redirect: "manual",
      signal,
    }),
  );
  seen.httpStatus = response.status;
  seen.contentType = response.headers.get("content-type")?.split(";")[0]?.trim().toLowerCase();
  return readBounded(response.body, request.maxBytes, () => new ProbeTooLarge());
}
