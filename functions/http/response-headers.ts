/**
 * Headers of every answer, built anew for each request and never stored.
 *
 * Blob bytes are other people's content on our origin: they always go out with `nosniff` and a sandboxing content
 * security policy. The official services mirror the client's `Accept` (when it names no wildcard) or, on GET, its
 * `Content-Type`; so do we, but with a `vary` so that no shared cache serves one client's choice to another.
 */
import type { BlobId } from "../../shared/protocol/ids.ts";

export const CORS_VARY = "origin, access-control-request-method, access-control-request-headers";
/** What the official aggregator sends. */
export const BLOB_CACHE_CONTROL = "public, max-age=86400, stale-while-revalidate=3600";
/** The safelisted headers of CORS do not include these. */
const EXPOSED_HEADERS = "etag, content-range, accept-ranges, retry-after, x-request-id";

/** CORS for any answer of any route, errors included. */
export function corsHeaders(): Headers {
  return new Headers({
    "access-control-allow-origin": "*",
    "access-control-expose-headers": EXPOSED_HEADERS,
    vary: CORS_VARY,
  });
}

/** The answer to OPTIONS on any path, before anything else looks at the request. */
export function preflightHeaders(): Headers {
  const headers = corsHeaders();
  headers.set("access-control-allow-methods", "*");
  headers.set("access-control-allow-headers", "*");
  headers.set("access-control-max-age", "86400");
  return headers;
}

/** An entity tag is a quoted string (RFC 9110); unquoted ones are dropped by caches and never match. */
export const blobEtag = (blobId: BlobId): string => `"${blobId}"`;

/** Does `If-None-Match` name this tag? Weak comparison, a list, or `*`; the bare blob ID is tolerated. */
export function matchesEtag(ifNoneMatch: string | null, blobId: BlobId): boolean {
  if (ifNoneMatch === null) return false;
  return ifNoneMatch.split(",").some((entry) => {
    const tag = entry.trim();
    return tag === "*" || tag.replace(/^W\//, "").replace(/^"(.*)"$/, "$1") === blobId;
  });
}

/** Headers of a 200, 206 or 304 for blob bytes; the caller adds lengths. */
export function blobHeaders(request: Request, blobId: BlobId): Headers {
  const headers = corsHeaders();
  headers.set("x-content-type-options", "nosniff");
  headers.set("content-security-policy", "sandbox; default-src 'none'");
  headers.set("cache-control", BLOB_CACHE_CONTROL);
  headers.set("etag", blobEtag(blobId));
  headers.set("accept-ranges", "bytes");
  const mirrored = mirroredContentType(request);
  // Without a type, or with a text-like one, some runtimes compress the body and drop its length.
  headers.set("content-type", mirrored ?? "application/octet-stream");
  if (mirrored !== undefined) {
    headers.set("vary", `${CORS_VARY}, accept, content-type`);
    headers.set("cache-control", `${BLOB_CACHE_CONTROL}, no-transform`);
  }
  return headers;
}

function mirroredContentType(request: Request): string | undefined {
  const accept = request.headers.get("accept");
  if (accept !== null && accept !== "" && !accept.includes("*")) return accept;
  const contentType = request.headers.get("content-type");
  return request.method === "GET" && contentType !== null && contentType !== "" ? contentType : undefined;
}
