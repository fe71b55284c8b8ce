/**
 * The Sui client: gRPC over binary grpc-web on an injected `fetch`, with a deadline per attempt and a list of
 * endpoints tried in turn.
 *
 * Every call Floe makes may be sent twice: reads have no effect, and executing the same signed bytes again yields the
 * same transaction. So an attempt that fails in a way another endpoint may not (no connection, deadline, HTTP 429 or
 * 5xx, an answer cut short, forgotten history, gRPC UNAVAILABLE and the like) goes to the next endpoint, whatever the
 * method. What the last attempt met is what the caller sees, as a `SuiError` made by `toSuiError`.
 */
import { GrpcWebFetchTransport, RpcError, SuiGrpcClient } from "@mysten/sui/grpc";
import { readBounded } from "../../base/bounded-body.ts";
import { type Clock, platformTimers } from "../../base/clock.ts";
import { withDeadline } from "../../base/deadline.ts";
import { FloeError } from "../../base/errors.ts";
import { SUI_LIMITS } from "./limits.ts";
import { SuiError, type SuiErrorCode } from "./sui-error.ts";

export type Fetch = (input: string, init?: RequestInit) => Promise<Response>;

export interface SuiClientOptions {
  /** Base URL of a full node, or several in order of preference, without credentials. */
  readonly url: string | readonly string[];
  readonly fetch: Fetch;
  /** Times the attempts; by default the platform's timers. */
  readonly clock?: Pick<Clock, "sleep">;
  /** One attempt, from the call to the last byte of the answer. Default `SUI_LIMITS.suiRequestTimeoutMs`. */
  readonly timeoutMs?: number;
  /** Only labels the client; addresses come from `url`. */
  readonly network?: string;
}

/** A client for reads, simulation, execution and `ListEvents`; answers are held in memory (`SUI_LIMITS.suiReplyBytes`). */
export function createSuiClient(options: SuiClientOptions): SuiGrpcClient {
  const urls = typeof options.url === "string" ? [options.url] : options.url;
  return new SuiGrpcClient({
    network: options.network ?? "floe",
    transport: new GrpcWebFetchTransport({
      baseUrl: FAILOVER_BASE,
      format: "binary",
      fetch: failoverFetch({
        endpoints: urls,
        fetch: options.fetch,
        clock: options.clock ?? platformTimers,
        timeoutMs: options.timeoutMs ?? SUI_LIMITS.suiRequestTimeoutMs,
      }),
    }),
  });
}

/** Stands for "whichever endpoint is up" in the URLs the transport makes; never resolved. */
const FAILOVER_BASE = "https://sui.invalid";
/** With one endpoint an attempt is repeated once: most failures are a dropped connection. */
const MIN_ATTEMPTS = 2;

interface Failover {
  readonly endpoints: readonly string[];
  readonly fetch: Fetch;
  readonly clock: Pick<Clock, "sleep">;
  readonly timeoutMs: number;
}

/**
 * A `fetch` that sends the transport's request to one endpoint after the other until one gives a usable answer.
 * It starts with the endpoint that answered last. @throws RpcError with the last attempt's gRPC status
 */
function failoverFetch(failover: Failover): typeof globalThis.fetch {
  const { endpoints } = failover;
  if (endpoints.length === 0) throw new SuiError("SUI_UNREACHABLE", "no Sui endpoint is configured");
  let preferred = 0;
  const attempts = Math.max(MIN_ATTEMPTS, endpoints.length);
  return async (input, init) => {
    const path = String(input).slice(FAILOVER_BASE.length);
    let last: unknown;
    for (let attempt = 0; attempt < attempts; attempt++) {
      const index = (preferred + attempt) % endpoints.length;
      const url = `${(endpoints[index] ?? "").replace(/\/$/, "")}${path}`;
      try {
        const response = await attemptOnce(failover, url, init ?? {});
        preferred = index;
        return response;
      } catch (error) {
        if (init?.signal?.aborted || !(error instanceof RpcError)) throw error;
        last = error;
      }
    }
    throw last;
  };
}

/** gRPC statuses that speak of the endpoint, not of the request. */
const ENDPOINT_STATUSES: Readonly<Record<string, string>> = {
  "4": "DEADLINE_EXCEEDED",
  "8": "RESOURCE_EXHAUSTED",
  "11": "OUT_OF_RANGE",
  "14": "UNAVAILABLE",
};

async function attemptOnce(
  { fetch, clock, timeoutMs }: Failover,
  url: string,
  init: RequestInit,
): Promise<Response> {
  const late = (): Error => new RpcError(`no answer within ${timeoutMs} ms`, "DEADLINE_EXCEEDED");
  try {
    return await withDeadline(clock, timeoutMs, init.signal ?? undefined, late, (signal) =>
      buffered(fetch, url, { ...init, signal }),
    );
  } catch (error) {
    if (error instanceof RpcError || init.signal?.aborted) throw error;
    throw new RpcError("the connection failed", "UNAVAILABLE");
  }
}

async function buffered(fetch: Fetch, url: string, init: RequestInit): Promise<Response> {
  const response = await fetch(url, init);
  if (response.status === 429) throw new RpcError("HTTP 429", "RESOURCE_EXHAUSTED");
  if (response.status >= 500) throw new RpcError(`HTTP ${response.status}`, "UNAVAILABLE");
  const body = await readBounded(
    response.body,
    SUI_LIMITS.suiReplyBytes,
    () => new RpcError(`the answer is longer than ${SUI_LIMITS.suiReplyBytes} bytes`, "DATA_LOSS"),
  );
  const status = response.headers.get("grpc-status") ?? trailerStatus(body);
  // An answer ends with its status: without one it was cut off on the way, or an intermediary made it.
  if (status === undefined && response.ok) throw new RpcError("the answer has no gRPC status", "UNAVAILABLE");
  const endpointStatus = status === undefined ? undefined : ENDPOINT_STATUSES[status];
  if (endpointStatus !== undefined) throw new RpcError(`gRPC status ${status}`, endpointStatus);
  return new Response(body, { status: response.status, headers: response.headers });
}

/** The `grpc-status` of the trailer: frames are `flag u8 | length u32 BE | bytes`, flag 0x80 marks the trailer. */
function trailerStatus(body: Uint8Array): string | undefined {
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  for (let offset = 0; offset + 5 <= body.length; ) {
    const length = view.getUint32(offset + 1);
    if ((body[offset] ?? 0) & 0x80) {
      const text = new TextDecoder().decode(body.subarray(offset + 5, offset + 5 + length));
      return /^grpc-status:\s*(\d+)/im.exec(text)?.[1];
    }
    offset += 5 + length;
  }
  return undefined;
}

const CODE_OF_STATUS: Readonly<Record<string, SuiErrorCode>> = {
  DEADLINE_EXCEEDED: "SUI_TIMEOUT",
  RESOURCE_EXHAUSTED: "SUI_OVERLOADED",
  NOT_FOUND: "SUI_NOT_FOUND",
  INVALID_ARGUMENT: "SUI_REJECTED",
  FAILED_PRECONDITION: "SUI_REJECTED",
  OUT_OF_RANGE: "SUI_FORGOTTEN",
  DATA_LOSS: "SUI_MALFORMED",
  UNIMPLEMENTED: "SUI_REJECTED",
  PERMISSION_DENIED: "SUI_REJECTED",
  UNAUTHENTICATED: "SUI_REJECTED",
};
const RETRYABLE: ReadonlySet<SuiErrorCode> = new Set([
  "SUI_UNREACHABLE",
  "SUI_TIMEOUT",
  "SUI_OVERLOADED",
  "SUI_NOT_FOUND",
  "SUI_FORGOTTEN",
  "SUI_STALE",
]);

/**
 * Makes a `SuiError` of whatever a client call threw; errors of ours pass through.
 *
 * The server's text is kept (at most 200 characters): it names objects and versions, never our keys, which no call
 * carries.
 * @param what names the call in the message, e.g. "reading System"
 */
export function toSuiError(error: unknown, what: string): FloeError {
  if (error instanceof FloeError) return error;
  const rpc = rpcErrorIn(error);
  const notFound = error instanceof Error && "reason" in error && error.reason === "notFound";
  const code: SuiErrorCode = notFound
    ? "SUI_NOT_FOUND"
    : rpc === undefined
      ? "SUI_MALFORMED"
      : (CODE_OF_STATUS[rpc.code] ?? "SUI_UNREACHABLE");
  const text = (rpc ?? (error instanceof Error ? error : new Error(String(error)))).message.slice(0, 200);
  return new SuiError(code, `${what}: ${text}`, {
    cause: error,
    retryable: RETRYABLE.has(code),
    details: { call: what, status: rpc?.code ?? null },
  });
}

/** The SDK wraps transport errors of simulations and look-ups; the gRPC error is somewhere along the causes. */
function rpcErrorIn(error: unknown): RpcError | undefined {
  for (let at = error, depth = 0; at instanceof Error && depth < 4; at = at.cause, depth++) {
    if (at instanceof RpcError) return at;
  }
  return undefined;
}

/** Runs a client call and turns what it throws into a `SuiError`. */
export async function suiCall<T>(what: string, call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    throw toSuiError(error, what);
  }
}
