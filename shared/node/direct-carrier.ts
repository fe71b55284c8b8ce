/**
 * Carries requests by `fetch`, as many at a time as its gate lets through.
 *
 * Deadlines run from the moment a request passes the gate, cover headers and body, and end the wait even when `fetch`
 * ignores its signal. Redirects are not followed. Bodies are read up to a limit.
 */
import { readBounded } from "../base/bounded-body.ts";
import type { Clock, RandomBytes } from "../base/clock.ts";
import { Deadlines } from "../base/deadlines.ts";
import type { Gate } from "../base/gate.ts";
import {
  type Carrier,
  CarrierError,
  type CarryOptions,
  isSuccess,
  type NodeAnswer,
  type NodeRequest,
} from "./carrier.ts";
import { NODE_LIMITS } from "./limits.ts";

/** What one invocation has to reach storage nodes with. */
export interface NodeTransport {
  readonly fetch: (request: Request) => Promise<Response>;
  readonly clock: Clock;
  readonly randomBytes: RandomBytes;
  /** The one gate of the invocation. */
  readonly gate: Gate;
}

const OCTETS = "application/octet-stream";

export class DirectCarrier implements Carrier {
  readonly clock: Clock;
  readonly randomBytes: RandomBytes;
  readonly #transport: NodeTransport;
  readonly #deadlines: Deadlines;

  constructor(transport: NodeTransport) {
    this.#deadlines = new Deadlines(transport.clock);
    this.clock = transport.clock;
    this.randomBytes = transport.randomBytes;
    this.#transport = transport;
  }

  get width(): number {
    return this.#transport.gate.limit;
  }

  readonly copies = 1;

  expect(): void {}

  carry(request: NodeRequest, options: CarryOptions = {}): Promise<NodeAnswer> {
    return this.#transport.gate.run(() => this.#exchange(request, options));
  }

  async #exchange(request: NodeRequest, { signal, onStart }: CarryOptions): Promise<NodeAnswer> {
    signal?.throwIfAborted();
    onStart?.();
    const { timeoutMs, headersTimeoutMs } = request;
    const headersMs = Math.min(headersTimeoutMs, timeoutMs);
    const startMs = this.clock.nowMs();
    const work = new AbortController();
    const ended = Promise.withResolvers<never>();
    const stop = (reason: unknown): void => {
      work.abort(reason);
      ended.reject(reason);
    };
    const late = (what: string, ms: number) => (): void =>
      stop(carrierError("TIMEOUT", `no ${what} within ${ms} ms`, seen));
    const forward = (): void => stop(signal?.reason);
    signal?.addEventListener("abort", forward, { once: true });
    const seen: Seen = {
      status: 0,
      forgetDeadline: this.#deadlines.add(headersMs, late("headers", headersMs)),
    };
    const headersCame = (): void => {
      if (headersMs === timeoutMs) return;
      seen.forgetDeadline();
      const leftMs = timeoutMs - (this.clock.nowMs() - startMs);
      seen.forgetDeadline = this.#deadlines.add(leftMs, late("whole answer", timeoutMs));
    };
    try {
      return await Promise.race([this.#send(request, work.signal, seen, headersCame), ended.promise]);
    } finally {
      seen.forgetDeadline();
      signal?.removeEventListener("abort", forward);
    }
  }

  async #send(
    request: NodeRequest,
    signal: AbortSignal,
    seen: Seen,
    headersCame: () => void,
  ): Promise<NodeAnswer> {
    const { method, url, accept, body, maxBytes } = request;
    const headers: Record<string, string> = { accept, "accept-encoding": "identity" };
    if (body !== undefined) headers["content-type"] = OCTETS;
    const init = { method, headers, redirect: "manual", signal } as const;
    try {
      const response = await this.#transport.fetch(
        // Bodies are owned by the call, and never views of shared memory.
        new Request(url, body === undefined ? init : { ...init, body: body as Uint8Array<ArrayBuffer> }),
      );
      seen.status = response.status;
      headersCame();
      return {
        status: response.status,
        contentType: response.headers.get("content-type")?.split(";")[0]?.trim().toLowerCase(),
        contentEncoding: response.headers.get("content-encoding") ?? undefined,
        body: isSuccess(response.status)
          ? await readBody(response, maxBytes, seen)
          : await readErrorBody(response, seen),
      };
    } catch (cause) {
      if (signal.aborted) throw signal.reason;
      if (cause instanceof CarrierError) throw cause;
      const what = seen.status === 0 ? "connection failed" : "connection lost in the body";
      throw carrierError("UNREACHABLE", what, seen, cause);
    }
  }
}

/** How far an exchange has come. Written by the exchange. */
interface Seen {
  /** 0 until headers have come. */
  status: number;
  forgetDeadline: () => void;
}

const carrierError = (
  code: CarrierError["code"],
  message: string,
  { status }: Pick<Seen, "status">,
  cause?: unknown,
): CarrierError => new CarrierError(code, message, { cause, details: status === 0 ? {} : { status } });

async function readBody(response: Response, maxBytes: number, seen: Seen): Promise<Uint8Array> {
  const lengthText = response.headers.get("content-length");
  const declared = lengthText === null ? undefined : Number(lengthText);
  const tooLarge = (): CarrierError => {
    discard(response);
    return carrierError("ANSWER_TOO_LARGE", `more than ${maxBytes} bytes`, seen);
  };
  if (declared !== undefined && declared > maxBytes) throw tooLarge();
  // HTTP ends an unencoded body at its declared length, so this cannot grow beyond the limit; one read of the whole is
  // several times faster than chunks.
  const isPlain = !response.headers.has("content-encoding");
  if (declared !== undefined && isPlain) return new Uint8Array(await response.arrayBuffer());
  return readBounded(response.body, maxBytes, tooLarge);
}

/** An error body that is too long leaves the status to act on. */
async function readErrorBody(response: Response, seen: Seen): Promise<Uint8Array> {
  try {
    return await readBody(response, NODE_LIMITS.nodeJsonBytes, seen);
  } catch (error) {
    if (error instanceof CarrierError) return new Uint8Array();
    throw error;
  }
}

/** Frees the connection of an answer that is not read. */
function discard(response: Response): void {
  response.body?.cancel().catch(() => {}); // The connection may be gone already: nothing is left to free then.
}
