/**
 * A full node that fails: a proxy between the edge and the chain. Storage nodes and checkers use the chain directly, so
 * what a fault does to the edge can be compared with what really happened.
 */
import type { HttpServer } from "../../../localnet/http-listener.ts";
import { serveFetch } from "../../../localnet/http-server.ts";

/** One call as the proxy sees it. */
export interface SuiCall {
  /** Short method name, e.g. "ExecuteTransaction". */
  readonly method: string;
  /** Runs the call on the chain; every forwarding is a call of its own. */
  forward(): Promise<Response>;
}

/** Answers instead of the chain. */
export type SuiRule = (call: SuiCall) => Promise<Response>;

export interface FaultSui {
  readonly url: string;
  /** Calls that came from the edge since `heal`, by method. */
  readonly calls: ReadonlyMap<string, number>;
  /** Calls that met the rule in force. */
  readonly met: number;
  /** Every call of these methods meets the rule, at most `count` times. */
  fail(rule: SuiRule, options?: { readonly methods?: readonly string[]; readonly count?: number }): void;
  /** Ends every fault. */
  heal(): void;
  close(): Promise<void>;
}

export async function startFaultSui(target: string): Promise<FaultSui> {
  const calls = new Map<string, number>();
  let met = 0;
  let active: { rule: SuiRule; methods: readonly string[] | undefined; left: number } | undefined;
  const server: HttpServer = await serveFetch(
    async (request) => {
      const { pathname } = new URL(request.url);
      const method = pathname.slice(pathname.lastIndexOf("/") + 1);
      calls.set(method, (calls.get(method) ?? 0) + 1);
      const body = await request.arrayBuffer();
      const headers = { "content-type": request.headers.get("content-type") ?? "" };
      const forward = async (): Promise<Response> => {
        const answer = await fetch(`${target}${pathname}`, { method: "POST", headers, body });
        const type = answer.headers.get("content-type") ?? "";
        return new Response(await answer.arrayBuffer(), { headers: { "content-type": type } });
      };
      if (active === undefined || active.left === 0) return forward();
      if (active.methods !== undefined && !active.methods.includes(method)) return forward();
      active.left--;
      met++;
      return active.rule({ method, forward });
    },
    { port: 0, host: "127.0.0.1" },
  );
  return {
    url: server.url,
    calls,
    get met() {
      return met;
    },
    fail(rule, { methods, count = Number.POSITIVE_INFINITY } = {}) {
      met = 0;
      active = { rule, methods, left: count };
    },
    heal() {
      active = undefined;
      calls.clear();
    },
    close: () => server.close(),
  };
}

const GRPC_WEB = { "content-type": "application/grpc-web+proto" };
const TRAILER_FLAG = 0x80;

function grpcStatus(code: number): Response {
  const text = new TextEncoder().encode(`grpc-status: ${code}\r\ngrpc-message: injected\r\n`);
  const frame = new Uint8Array(5 + text.length);
  frame[0] = TRAILER_FLAG;
  new DataView(frame.buffer).setUint32(1, text.length);
  frame.set(text, 5);
  return new Response(frame, { headers: GRPC_WEB });
}

/** A connection that breaks after the headers. */
const brokenConnection = (): Response =>
  new Response(
    new ReadableStream({
      pull(controller) {
        controller.error(new Error("injected"));
      },
    }),
    { headers: GRPC_WEB },
  );

/** What a full node may answer instead of the truth. Each either has no effect or has it and looks failed. */
export const SUI_FAULTS = {
  "HTTP 503": async () => new Response("overloaded", { status: 503 }),
  "HTTP 429": async () => new Response("slow down", { status: 429 }),
  "HTTP 200 with HTML": async () => new Response("<html>", { headers: { "content-type": "text/html" } }),
  UNAVAILABLE: async () => grpcStatus(14),
  INTERNAL: async () => grpcStatus(13),
  NOT_FOUND: async () => grpcStatus(5),
  "a broken connection": async () => brokenConnection(),
  "a lost reply": async ({ forward }) => {
    await forward();
    return brokenConnection();
  },
  "a truncated reply": async ({ forward }) => {
    const body = new Uint8Array(await (await forward()).arrayBuffer());
    return new Response(body.slice(0, body.length >> 1), { headers: GRPC_WEB });
  },
  "a garbled reply": async ({ forward }) => {
    const body = new Uint8Array(await (await forward()).arrayBuffer());
    // The frame header stays, so that the message itself is what does not parse.
    return new Response(
      body.map((byte, at) => (at < 5 ? byte : byte ^ 0xa5)),
      { headers: GRPC_WEB },
    );
  },
} satisfies Record<string, SuiRule>;
export type SuiFaultName = keyof typeof SUI_FAULTS;

/**
 * Accepts transactions and sits on them: senders are told nothing useful and look-ups do not find them, until `land`
 * lets them execute in the order they came.
 */
export function withheldTransactions(): { readonly rule: SuiRule; land(): Promise<void> } {
  const held: SuiCall["forward"][] = [];
  return {
    rule: async ({ forward }) => {
      held.push(forward);
      return grpcStatus(14);
    },
    async land() {
      for (const forward of held.splice(0)) await forward();
    },
  };
}
