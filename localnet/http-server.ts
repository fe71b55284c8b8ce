/**
 * A thin adapter from `node:http` to a `fetch`-style handler: one server, one handler, streaming both ways.
 *
 * Bodies are never buffered here. Requests flow as fast as the handler reads them (backpressure on the socket),
 * responses as fast as the client reads them. A client that goes away aborts `request.signal` and cancels the
 * response's body. A handler that throws costs the client a plain 500.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { setImmediate as nextTurn } from "node:timers/promises";
import {
  discardBody,
  type HttpServer,
  type ListenerTools,
  type ServeOptions,
  serveHttp,
  type Traffic,
} from "./http-listener.ts";

export type FetchHandler = (request: Request) => Response | Promise<Response>;

/** Bytes read ahead of the handler. */
const READ_AHEAD_BYTES = 256 * 1024;

/**
 * Serves `handler` over HTTP/1.1.
 *
 * @throws the listen error (`EADDRINUSE`, `EACCES`) with its code
 */
export function serveFetch(handler: FetchHandler, options: ServeOptions): Promise<HttpServer> {
  return serveHttp(answer, options);

  async function answer(
    incoming: IncomingMessage,
    outgoing: ServerResponse,
    { traffic, port }: ListenerTools,
  ): Promise<void> {
    const abort = new AbortController();
    outgoing.once("close", () => {
      if (!outgoing.writableFinished) abort.abort(new DOMException("the client went away", "AbortError"));
    });
    let response: Response;
    try {
      response = await handler(toRequest(incoming, port, abort.signal, traffic));
    } catch (error) {
      options.onError?.(error);
      response = new Response("internal error\n", { status: 500 });
    }
    if (outgoing.destroyed) {
      await response.body?.cancel();
      return;
    }
    // HTTP/1.1 cannot skip a request body: when the handler did not read it all, this connection ends after the
    // answer, and what still arrives is thrown away so that the client gets to read the answer.
    // Handlers may answer before the parser got to the rest of the packet, hence the turn.
    if (!incoming.complete) await nextTurn();
    const unread = !incoming.complete;
    if (unread) outgoing.setHeader("connection", "close");
    await send(response, incoming, outgoing, traffic);
    if (!incoming.readableEnded) discardBody(incoming);
  }
}

function toRequest(incoming: IncomingMessage, port: number, signal: AbortSignal, traffic: Traffic): Request {
  const headers = new Headers();
  for (let i = 0; i + 1 < incoming.rawHeaders.length; i += 2) {
    headers.append(incoming.rawHeaders[i] ?? "", incoming.rawHeaders[i + 1] ?? "");
  }
  // The authority is this server's own: a request target or Host header from outside never changes it.
  const path = incoming.url?.startsWith("/") ? incoming.url : "/";
  const url = `http://127.0.0.1:${port}${path}`;
  const method = incoming.method ?? "GET";
  if (method === "GET" || method === "HEAD") return new Request(url, { method, headers, signal });
  // `duplex` is required for streamed bodies by the fetch standard and missing from the type.
  const init = { method, headers, signal, body: bodyOf(incoming, traffic), duplex: "half" };
  return new Request(url, init as RequestInit);
}

function bodyOf(incoming: IncomingMessage, traffic: Traffic): ReadableStream<Uint8Array> {
  let open = true;
  return new ReadableStream<Uint8Array>(
    {
      start(controller) {
        incoming.on("data", (chunk: Uint8Array) => {
          traffic.bytesIn += chunk.length;
          if (!open) return;
          controller.enqueue(chunk);
          if ((controller.desiredSize ?? 0) <= 0) incoming.pause();
        });
        incoming.once("end", () => {
          if (open) controller.close();
          open = false;
        });
        incoming.once("close", () => {
          if (open) controller.error(new TypeError("the request body broke off"));
          open = false;
        });
        incoming.on("error", (error) => {
          if (open) controller.error(error);
          open = false;
        });
        incoming.pause();
      },
      pull() {
        incoming.resume();
      },
      cancel() {
        open = false;
        incoming.pause();
      },
    },
    { highWaterMark: READ_AHEAD_BYTES, size: (chunk) => chunk?.byteLength ?? 0 },
  );
}

async function send(
  response: Response,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  traffic: Traffic,
): Promise<void> {
  outgoing.statusCode = response.status;
  if (response.statusText !== "") outgoing.statusMessage = response.statusText;
  for (const [name, value] of response.headers) {
    if (name !== "set-cookie") outgoing.setHeader(name, value);
  }
  const cookies = response.headers.getSetCookie();
  if (cookies.length > 0) outgoing.setHeader("set-cookie", cookies);
  if (response.body === null || incoming.method === "HEAD") {
    await response.body?.cancel();
    await new Promise<void>((resolve) => outgoing.once("close", resolve).end(resolve));
    return;
  }
  // A body of unknown length may come late: the client gets the headers at once. Else one packet carries both.
  if (!response.headers.has("content-length")) outgoing.flushHeaders();
  const reader = response.body.getReader();
  const gone = new Promise<void>((resolve) => outgoing.once("close", resolve));
  try {
    for (;;) {
      // A body that is waiting for its next byte must not outlive its client.
      const next = await Promise.race([reader.read(), gone]);
      if (next === undefined) {
        await reader.cancel(new DOMException("the client went away", "AbortError"));
        return;
      }
      if (next.done) break;
      traffic.bytesOut += next.value.length;
      if (!outgoing.write(next.value)) {
        await Promise.race([new Promise<void>((resolve) => outgoing.once("drain", resolve)), gone]);
      }
    }
  } catch (error) {
    // Headers are out, so the only honest end is a connection that breaks off.
    outgoing.destroy();
    throw error;
  }
  await new Promise<void>((resolve) => {
    void gone.then(resolve);
    outgoing.end(resolve);
  });
}
