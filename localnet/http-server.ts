/**
 * A thin adapter from `node:http` to a `fetch`-style handler: one server, one handler, streaming both ways.
 *
 * Bodies are never buffered here. Requests flow as fast as the handler reads them (backpressure on the socket),
 * responses as fast as the client reads them. A client that goes away aborts `request.signal` and cancels the
 * response's body. A handler that throws costs the client a plain 500.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { setImmediate as nextTurn } from "node:timers/promises";

export type FetchHandler = (request: Request) => Response | Promise<Response>;

export interface ServeOptions {
  /** 0 picks a free port. */
  readonly port: number;
  readonly host: string;
  /** Told of handlers that threw and of responses that broke off; silent by default. */
  readonly onError?: (error: unknown) => void;
}

/** Counted since the server started. */
export interface Traffic {
  /** Body bytes, heads not counted. */
  bytesIn: number;
  bytesOut: number;
  /** Requests whose head arrived and whose answer has not left completely. */
  inFlight: number;
  peakInFlight: number;
}

export interface FetchServer {
  readonly url: string;
  readonly port: number;
  readonly traffic: Readonly<Traffic>;
  /**
   * False makes the server look dead: open connections are reset, and so is every new one as soon as it is
   * accepted. The port stays bound, so that nobody else takes it meanwhile.
   */
  setAccepting(accepting: boolean): void;
  /** Stops listening and destroys every socket, also busy and idle keep-alive ones. Callable more than once. */
  close(): Promise<void>;
}

/** Request line and headers together; room for a query of about 2,000 symbol IDs. */
const MAX_HEADER_BYTES = 32 * 1024;
const MAX_HEADER_COUNT = 100;
/** Longer than the idle time of common client pools (4 to 5 s), so that clients and not the server close first. */
const KEEP_ALIVE_MS = 65_000;
const HEADERS_TIMEOUT_MS = 30_000;
/** After an answer that did not need the whole body: how long the rest is read and thrown away. */
const DISCARD_MS = 10_000;
/** Bytes read ahead of the handler. */
const READ_AHEAD_BYTES = 256 * 1024;

/**
 * Serves `handler` over HTTP/1.1.
 *
 * @throws the listen error (`EADDRINUSE`, `EACCES`) with its code
 */
export async function serveFetch(handler: FetchHandler, options: ServeOptions): Promise<FetchServer> {
  const sockets = new Set<Socket>();
  const traffic: Traffic = { bytesIn: 0, bytesOut: 0, inFlight: 0, peakInFlight: 0 };
  let accepting = true;
  const server = createServer({ maxHeaderSize: MAX_HEADER_BYTES, keepAliveTimeout: KEEP_ALIVE_MS });
  server.maxHeadersCount = MAX_HEADER_COUNT;
  server.headersTimeout = HEADERS_TIMEOUT_MS;
  // Bodies may legitimately trickle, and a slow client costs one socket: no limit on the whole request.
  server.requestTimeout = 0;

  server.on("connection", (socket) => {
    if (!accepting) {
      socket.resetAndDestroy();
      return;
    }
    socket.setNoDelay(true);
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  server.on("request", (incoming, outgoing) => {
    traffic.inFlight++;
    traffic.peakInFlight = Math.max(traffic.peakInFlight, traffic.inFlight);
    outgoing.once("close", () => traffic.inFlight--);
    answer(handler, incoming, outgoing, server.address() as AddressInfo).catch((error: unknown) => {
      options.onError?.(error);
      incoming.socket.destroy();
    });
  });

  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.port, options.host, () => {
      server.off("error", reject);
      resolve();
    });
  });
  // Listening on TCP, so the address is an AddressInfo and not a pipe's name.
  const { port } = server.address() as AddressInfo;
  let closed: Promise<void> | undefined;

  return {
    url: `http://${options.host.includes(":") ? `[${options.host}]` : options.host}:${port}`,
    port,
    traffic,
    setAccepting(value) {
      accepting = value;
      if (!value) for (const socket of sockets) socket.resetAndDestroy();
    },
    close() {
      closed ??= new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      });
      return closed;
    },
  };

  async function answer(
    handle: FetchHandler,
    incoming: IncomingMessage,
    outgoing: ServerResponse,
    address: AddressInfo,
  ): Promise<void> {
    const abort = new AbortController();
    outgoing.once("close", () => {
      if (!outgoing.writableFinished) abort.abort(new DOMException("the client went away", "AbortError"));
    });
    let response: Response;
    try {
      response = await handle(toRequest(incoming, address, abort.signal, traffic));
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
    if (!incoming.readableEnded) discard(incoming);
  }
}

function toRequest(
  incoming: IncomingMessage,
  address: AddressInfo,
  signal: AbortSignal,
  traffic: Traffic,
): Request {
  const headers = new Headers();
  for (let i = 0; i + 1 < incoming.rawHeaders.length; i += 2) {
    headers.append(incoming.rawHeaders[i] ?? "", incoming.rawHeaders[i + 1] ?? "");
  }
  // The authority is this server's own: a request target or Host header from outside never changes it.
  const path = incoming.url?.startsWith("/") ? incoming.url : "/";
  const url = `http://127.0.0.1:${address.port}${path}`;
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

/** Reads what is left of a request body, so that the socket does not stall on it; ends the connection if it must. */
function discard(incoming: IncomingMessage): void {
  incoming.removeAllListeners("data");
  incoming.resume();
  if (incoming.complete) return;
  const timer = setTimeout(() => incoming.socket.destroy(), DISCARD_MS);
  incoming.socket.once("close", () => clearTimeout(timer));
  incoming.once("end", () => incoming.socket.destroySoon());
}
