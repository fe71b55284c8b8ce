/**
 * The HTTP/1.1 server under everything the local network serves: sockets, counters, a port that can look dead.
 *
 * What a request means is the listener's business: `http-server.ts` adapts it to `fetch`-style handlers (streams both
 * ways), `node-server.ts` to storage nodes (whole bodies, many requests a second).
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";

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

export interface HttpServer {
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

/** What a listener may touch: it counts body bytes in `traffic`, and `port` is the server's own. */
export interface ListenerTools {
  readonly traffic: Traffic;
  readonly port: number;
}

/** Answers one request. When it rejects, the connection is destroyed. */
export type HttpListener = (
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  tools: ListenerTools,
) => Promise<void>;

/** Request line and headers together; room for a query of about 2,000 symbol IDs. */
const MAX_HEADER_BYTES = 32 * 1024;
const MAX_HEADER_COUNT = 100;
/** Longer than the idle time of common client pools (4 to 5 s), so that clients and not the server close first. */
const KEEP_ALIVE_MS = 65_000;
const HEADERS_TIMEOUT_MS = 30_000;
/** After an answer that did not need the whole body: how long the rest is read and thrown away. */
const DISCARD_MS = 10_000;

/** @throws the listen error (`EADDRINUSE`, `EACCES`) with its code */
export async function serveHttp(listener: HttpListener, options: ServeOptions): Promise<HttpServer> {
  const sockets = new Set<Socket>();
  const traffic: Traffic = { bytesIn: 0, bytesOut: 0, inFlight: 0, peakInFlight: 0 };
  let accepting = true;
  // Small answers must not wait for the client's acknowledgement, hence no delay.
  const server = createServer({
    maxHeaderSize: MAX_HEADER_BYTES,
    keepAliveTimeout: KEEP_ALIVE_MS,
    noDelay: true,
  });
  server.maxHeadersCount = MAX_HEADER_COUNT;
  server.headersTimeout = HEADERS_TIMEOUT_MS;
  // Bodies may legitimately trickle, and a slow client costs one socket: no limit on the whole request.
  server.requestTimeout = 0;

  server.on("connection", (socket) => {
    if (!accepting) {
      socket.resetAndDestroy();
      return;
    }
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
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
  const tools: ListenerTools = { traffic, port };
  server.on("request", (incoming, outgoing) => {
    traffic.inFlight++;
    traffic.peakInFlight = Math.max(traffic.peakInFlight, traffic.inFlight);
    outgoing.once("close", () => traffic.inFlight--);
    listener(incoming, outgoing, tools).catch((error: unknown) => {
      options.onError?.(error);
      incoming.socket.destroy();
    });
  });
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
}

/** Reads what is left of a request body, so that the socket does not stall on it; ends the connection if it must. */
export function discardBody(incoming: IncomingMessage): void {
  incoming.removeAllListeners("data");
  incoming.resume();
  if (incoming.complete) return;
  const timer = setTimeout(() => incoming.socket.destroy(), DISCARD_MS);
  incoming.socket.once("close", () => clearTimeout(timer));
  incoming.once("end", () => incoming.socket.destroySoon());
}
