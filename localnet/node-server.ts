/**
 * Serves a storage node over HTTP: whole bodies in, whole bodies out.
 *
 * A network of 100 nodes answers some thousand small requests a second in one process, and web requests, responses and
 * streams around each of them cost more than the nodes' own work. Here a request is read while the handler is
 * still busy with something else, its distance for instance, and an answer leaves in one write.
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
import { type NodeRequest, parseTarget } from "./storage-node/node-request.ts";
import { type NodeReply, PlainRefusal, replyHeaders, textReply } from "./storage-node/reply.ts";

/** A request with what the network around the node may do to it. */
export interface ServedRequest extends NodeRequest {
  /** Body bytes that the client announced; 0 when it announced none. */
  readonly declaredBytes: number;
  /** Whether the client went away before it was answered. */
  readonly isGone: boolean;
  /** Aborts when the client goes away. Made when it is first asked for, because few requests need one. */
  readonly signal: AbortSignal;
  /** Reads the body to its end, or as far as `READ_AHEAD_BYTES`, without anybody asking for it yet. */
  readAhead(): void;
}

export type NodeHandler = (request: ServedRequest) => Promise<NodeReply>;

/** Body bytes taken in before the handler asks for the body: room for a packet or two; then for all that a node accepts. */
const FIRST_BYTES = 256 * 1024;
const READ_AHEAD_BYTES = 64 * 1024 * 1024;

/** @throws the listen error (`EADDRINUSE`, `EACCES`) with its code */
export function serveNode(handler: NodeHandler, options: ServeOptions): Promise<HttpServer> {
  return serveHttp(async (incoming, outgoing, { traffic }: ListenerTools) => {
    let reply: NodeReply;
    try {
      reply = await handler(new SocketRequest(incoming, outgoing, traffic));
    } catch (error) {
      options.onError?.(error);
      reply = textReply(500, "internal error\n");
    }
    if (outgoing.destroyed) return;
    // HTTP/1.1 cannot skip a request body: when the handler did not read it all, this connection ends after the
    // answer, and what still arrives is thrown away so that the client gets to read the answer.
    // Handlers may answer before the parser got to the rest of the packet, hence the turn.
    if (!incoming.complete) await nextTurn();
    const headers = replyHeaders(reply);
    if (!incoming.complete) headers["connection"] = "close";
    outgoing.writeHead(reply.status, headers);
    if (incoming.method === "HEAD" || reply.body.length === 0) {
      outgoing.end();
    } else {
      traffic.bytesOut += reply.body.length;
      outgoing.end(reply.body);
    }
    if (!incoming.readableEnded) discardBody(incoming);
  }, options);
}

class SocketRequest implements ServedRequest {
  readonly method: string;
  readonly pathname: string;
  readonly query: URLSearchParams;
  readonly #incoming: IncomingMessage;
  readonly #outgoing: ServerResponse;
  readonly #body: BodyReader | undefined;
  #abort: AbortController | undefined;

  constructor(incoming: IncomingMessage, outgoing: ServerResponse, traffic: Traffic) {
    const { pathname, query } = parseTarget(incoming.url ?? "/");
    this.method = incoming.method ?? "GET";
    this.pathname = pathname;
    this.query = query;
    this.#incoming = incoming;
    this.#outgoing = outgoing;
    if (this.method !== "GET" && this.method !== "HEAD") this.#body = new BodyReader(incoming, traffic);
  }

  header(name: string): string | undefined {
    const value = this.#incoming.headers[name];
    return Array.isArray(value) ? value.join(", ") : value;
  }

  get declaredBytes(): number {
    const length = Number(this.#incoming.headers["content-length"] ?? "0");
    return Number.isSafeInteger(length) && length > 0 ? length : 0;
  }

  get isGone(): boolean {
    return this.#outgoing.destroyed;
  }

  get signal(): AbortSignal {
    if (this.#abort !== undefined) return this.#abort.signal;
    const abort = new AbortController();
    this.#abort = abort;
    const end = (): void => {
      if (!this.#outgoing.writableFinished)
        abort.abort(new DOMException("the client went away", "AbortError"));
    };
    if (this.isGone) end();
    else this.#outgoing.once("close", end);
    return abort.signal;
  }

  readAhead(): void {
    this.#body?.admit(READ_AHEAD_BYTES);
  }

  async body(maxBytes: number): Promise<Uint8Array | undefined> {
    if (this.#body === undefined) return new Uint8Array();
    if (this.declaredBytes > maxBytes) return undefined;
    return this.#body.whole(maxBytes);
  }
}

/** Collects a request body, reading ahead of the handler up to what was admitted so far. */
class BodyReader {
  readonly #incoming: IncomingMessage;
  readonly #chunks: Uint8Array[] = [];
  #byteLength = 0;
  #admittedBytes = FIRST_BYTES;
  #end: "open" | "complete" | "broken" = "open";
  /** Called at the end of the body, and when it grows beyond what was admitted. */
  #onChange: (() => void) | undefined;

  constructor(incoming: IncomingMessage, traffic: Traffic) {
    this.#incoming = incoming;
    incoming.on("data", (chunk: Uint8Array) => {
      traffic.bytesIn += chunk.length;
      this.#chunks.push(chunk);
      this.#byteLength += chunk.length;
      if (this.#byteLength <= this.#admittedBytes) return;
      incoming.pause();
      this.#onChange?.();
    });
    incoming.once("end", () => this.#ended("complete"));
    incoming.once("close", () => this.#ended("broken"));
    incoming.on("error", () => this.#ended("broken"));
  }

  admit(byteLength: number): void {
    if (byteLength <= this.#admittedBytes) return;
    this.#admittedBytes = byteLength;
    if (this.#end === "open") this.#incoming.resume();
  }

  /** @returns undefined when the body is longer. @throws PlainRefusal when it broke off */
  async whole(maxBytes: number): Promise<Uint8Array | undefined> {
    this.admit(maxBytes);
    while (this.#end === "open" && this.#byteLength <= maxBytes) {
      await new Promise<void>((resolve) => {
        this.#onChange = resolve;
      });
    }
    if (this.#byteLength > maxBytes) return undefined;
    if (this.#end === "broken") throw new PlainRefusal(400, "the request body broke off");
    return joined(this.#chunks, this.#byteLength);
  }

  #ended(how: "complete" | "broken"): void {
    if (this.#end !== "open") return;
    this.#end = how;
    this.#onChange?.();
  }
}

/** Plain arrays: `slice` of a Buffer would be a view, and what slices bytes to keep them relies on a copy. */
function joined(chunks: readonly Uint8Array[], byteLength: number): Uint8Array {
  const [first] = chunks;
  if (chunks.length === 1 && first !== undefined) {
    return new Uint8Array(first.buffer, first.byteOffset, first.byteLength);
  }
  const whole = new Uint8Array(byteLength);
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return whole;
}
