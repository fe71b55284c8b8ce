/** `GET /status`: this Worker answers. No statement about Sui or the storage nodes, as upstream. */
import { corsHeaders } from "./response-headers.ts";

export function getStatus(request: Request): Response {
  const headers = corsHeaders();
  headers.set("content-type", "text/plain; charset=utf-8");
  headers.set("cache-control", "no-store");
  return new Response(request.method === "HEAD" ? null : "OK", { headers });
}
