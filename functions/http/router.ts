/**
 * Paths and methods. Unknown path: 404, empty; known path with another method: 405, empty, with `Allow`; `OPTIONS` on
 * any path: the preflight answer. Errors become answers here, once.
 */
import { Router } from "itty-router";
import type { PublisherAccess } from "../base/env.ts";
import { toEdgeError } from "../base/to-edge-error.ts";
import { getBlob } from "./aggregator.ts";
import { publicError } from "./errors.ts";
import type { EdgePorts } from "./ports.ts";
import { putBlob } from "./publisher.ts";
import { corsHeaders, preflightHeaders } from "./response-headers.ts";
import { getStatus } from "./status.ts";
import { getUpload } from "./uploads.ts";

/** What a handler gets beside the request. */
export interface RouteContext {
  readonly services: EdgePorts;
  readonly access: PublisherAccess;
}

/** itty-router adds these to the request; parameters are not percent-decoded. */
type RoutedRequest = Request & { readonly params: Readonly<Record<string, string>> };

const router = Router<RoutedRequest, [RouteContext]>()
  .options("*", () => new Response(null, { status: 200, headers: preflightHeaders() }))
  // The router takes trailing slashes for nothing; upstream does not.
  .all("*", (request) => (new URL(request.url).pathname.endsWith("/") ? emptyAnswer(404) : undefined))
  .get("/status", (request) => getStatus(request))
  .head("/status", (request) => getStatus(request))
  .all("/status", () => methodNotAllowed("GET,HEAD"))
  .put("/v1/blobs", (request, { access, services }) => putBlob(request, access, services))
  .all("/v1/blobs", () => methodNotAllowed("PUT"))
  .get("/v1/blobs/:blob_id", readRoute)
  .head("/v1/blobs/:blob_id", readRoute)
  .all("/v1/blobs/:blob_id", () => methodNotAllowed("GET,HEAD"))
  .get("/v1/uploads/:blob_id", uploadRoute)
  .head("/v1/uploads/:blob_id", uploadRoute)
  .all("/v1/uploads/:blob_id", () => methodNotAllowed("GET,HEAD"))
  .all("*", () => emptyAnswer(404));

/** Answers a request; every failure becomes its public answer, and a log line with the reason. */
export async function route(request: Request, context: RouteContext): Promise<Response> {
  const { services } = context;
  try {
    return withRequestId(await router.fetch(request as RoutedRequest, context), services.requestId);
  } catch (error) {
    const edge = toEdgeError(error);
    services.log("request-failed", {
      method: request.method,
      path: new URL(request.url).pathname,
      code: edge.code,
      message: edge.message,
      cause: describe(edge.cause),
    });
    return errorResponse(edge, services.requestId, request.method);
  }
}

/** The answer for an error outside of any route. */
export function errorResponse(error: unknown, requestId: string, method: string): Response {
  const { status, contentType, body, headers: extra } = publicError(error, requestId);
  const headers = corsHeaders();
  headers.set("content-type", contentType);
  headers.set("cache-control", "no-store");
  headers.set("x-content-type-options", "nosniff");
  for (const [name, value] of Object.entries(extra)) headers.set(name, value);
  return withRequestId(new Response(method === "HEAD" ? null : body, { status, headers }), requestId);
}

function readRoute(request: RoutedRequest, { services }: RouteContext): Promise<Response> {
  return getBlob(request, request.params["blob_id"] ?? "", services);
}

function uploadRoute(request: RoutedRequest, { services }: RouteContext): Promise<Response> {
  return getUpload(request, request.params["blob_id"] ?? "", services);
}

function methodNotAllowed(allow: string): Response {
  const response = emptyAnswer(405);
  response.headers.set("allow", allow);
  return response;
}

function emptyAnswer(status: number): Response {
  const headers = corsHeaders();
  headers.set("cache-control", "no-store");
  return new Response(null, { status, headers });
}

function withRequestId(response: Response, requestId: string): Response {
  response.headers.set("x-request-id", requestId);
  return response;
}

/** Class and message of a cause and its causes: for the log, never for a client. */
function describe(cause: unknown, depth = 0): string | null {
  if (!(cause instanceof Error) || depth > 3) return null;
  const next = describe(cause.cause, depth + 1);
  return `${cause.name}: ${cause.message}${next === null ? "" : ` <- ${next}`}`;
}
