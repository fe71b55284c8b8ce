/**
 * `GET /v1/uploads/{blob_id}`: how uploads of this blob go. JSON; with `Accept: text/event-stream` a stream of numbered
 * events that starts after `Last-Event-ID`, sends a sign of life while nothing happens, and ends when every upload has ended.
 *
 * The stream asks the tracker again and again instead of holding a connection into it: so it outlives the tracker's
 * eviction, and a client that does not read costs nothing, since the next question is asked when it has read.
 */

import type { BlobId } from "../../shared/protocol/ids.ts";
import { EdgeError } from "../base/edge-error.ts";
import { TRACKER_LIMITS } from "../tracker/limits.ts";
import type { EventPage, UploadEvent } from "../tracker/status-view.ts";
import type { TurnPorts } from "../upload/ports.ts";
import { HTTP_LIMITS } from "./limits.ts";
import { parsePathBlobId } from "./path-blob-id.ts";
import { CORS_VARY, corsHeaders } from "./response-headers.ts";

const EVENT_STREAM = "text/event-stream";

/** @throws EdgeError `INVALID_PATH`, `INVALID_QUERY`, `UPLOAD_NOT_FOUND` */
export async function getUpload(request: Request, idText: string, services: TurnPorts): Promise<Response> {
  const blobId = parsePathBlobId(idText);
  if (new URL(request.url).search !== "")
    throw new EdgeError("INVALID_QUERY", "this route takes no parameters");
  const headers = corsHeaders();
  headers.set("cache-control", "no-store, no-transform");
  headers.set("x-content-type-options", "nosniff");
  headers.set("vary", `${CORS_VARY}, accept`);
  const tracker = services.tracker(blobId);
  if (request.method === "GET" && acceptsEvents(request.headers)) {
    const after = lastEventId(request.headers);
    const first = await tracker.events(after, 0);
    if (first === null) throw notFound(blobId);
    headers.set("content-type", EVENT_STREAM);
    // A compressing proxy would hold events back.
    headers.set("content-encoding", "identity");
    return new Response(eventStream(request.signal, services, blobId, after, first), { headers });
  }
  const status = await tracker.status();
  if (status === null) throw notFound(blobId);
  headers.set("content-type", "application/json");
  return new Response(request.method === "HEAD" ? null : JSON.stringify(status), { headers });
}

const notFound = (blobId: BlobId): EdgeError =>
  new EdgeError(
    "UPLOAD_NOT_FOUND",
    `finished uploads are remembered for ${TRACKER_LIMITS.trackerKeepMs / 3_600_000} hours`,
    {
      details: { blobId },
    },
  );

const acceptsEvents = (headers: Headers): boolean =>
  (headers.get("accept") ?? "")
    .split(",")
    .some((part) => part.split(";")[0]?.trim().toLowerCase() === EVENT_STREAM);

/** Anything but a number we gave out starts from the oldest event kept. */
function lastEventId(headers: Headers): number {
  const text = headers.get("last-event-id") ?? "";
  return /^[0-9]{1,15}$/.test(text) ? Number(text) : 0;
}

function eventStream(
  signal: AbortSignal,
  { tracker, transport }: TurnPorts,
  blobId: BlobId,
  after: number,
  first: EventPage,
): ReadableStream<Uint8Array> {
  const untilMs = transport.clock.nowMs() + HTTP_LIMITS.eventStreamMs;
  const encoder = new TextEncoder();
  let sent = after;
  let next: EventPage | null = first;
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      // Forgotten meanwhile, which happens only long after the end.
      const page = next ?? (await tracker(blobId).events(sent, TRACKER_LIMITS.trackerPollMs));
      next = null;
      if (page === null || signal.aborted) {
        controller.close();
        return;
      }
      const gap = sent > 0 && page.oldestId > sent + 1 ? missed(page.oldestId - 1) : "";
      const events = page.events.map(formatEvent).join("");
      sent = page.events.at(-1)?.id ?? sent;
      controller.enqueue(encoder.encode(gap + events || HEARTBEAT));
      if (page.isOver || transport.clock.nowMs() >= untilMs) controller.close();
    },
  });
}

const HEARTBEAT = ": still here\n\n";
/** The client asks for events that are not kept any more: it should read the JSON once. */
const missed = (upTo: number): string => `event: missed\ndata: ${JSON.stringify({ upTo })}\n\n`;

function formatEvent({ id, name, atMs, intentId, data }: UploadEvent): string {
  return `id: ${id}\nevent: ${name}\ndata: ${JSON.stringify({ atMs, intentId, ...data })}\n\n`;
}
