/**
 * Everything that can go wrong with a storage node, on demand.
 *
 * | kind            | the node ...                                                                             |
 * |-----------------|------------------------------------------------------------------------------------------|
 * | none            | behaves; ends whatever was injected before (dropped slivers stay lost)                   |
 * | down            | resets every connection, open ones and new ones                                          |
 * | hang            | accepts requests and never answers                                                       |
 * | slow            | answers `ms` later                                                                       |
 * | error           | answers 500 to everything                                                                |
 * | corrupt-slivers | flips a bit in every sliver, recovery symbol and decoding symbol it serves               |
 * | wrong-metadata  | serves well-formed metadata that does not hash to the blob ID                            |
 * | wrong-signature | signs confirmations with a key that is not its own                                       |
 * | drop-slivers    | loses a `fraction` of its stored slivers once, goes on confirming, and recovers them only |
 * |                 | with `heal`                                                                              |
 */

import { toHex } from "../shared/base/bytes.ts";
import type { Clock } from "../shared/base/clock.ts";
import { FloeError, ProtocolError } from "../shared/base/errors.ts";
import { blake2b256 } from "../shared/crypto/blake2b.ts";
import { blsSign } from "../shared/crypto/bls.ts";
import {
  type NodeRoute,
  type NodeRouteName,
  parseNodePath,
  parseSuccessBody,
  successBody,
} from "../shared/node/storage-node-api.ts";
import { BcsReader } from "../shared/protocol/bcs.ts";
import { signedMessageFromJson, signedMessageToJson } from "../shared/protocol/messages.ts";
import { parseRecoverySymbols } from "../shared/protocol/recovery-symbol.ts";
import { MAX_SYMBOL_BYTES } from "../shared/protocol/sizes.ts";
import { parseSliver } from "../shared/protocol/sliver.ts";
import type { ServedRequest } from "./node-server.ts";
import { errorReply, type NodeReply } from "./storage-node/reply.ts";
import type { SliverKey } from "./storage-node/store.ts";

export type NodeFault =
  | { readonly kind: "none" | "down" | "hang" | "error" }
  | { readonly kind: "corrupt-slivers" | "wrong-metadata" | "wrong-signature" }
  | { readonly kind: "slow"; readonly ms: number }
  | { readonly kind: "drop-slivers"; readonly fraction?: number; readonly heal?: boolean };

export class FaultError extends FloeError<"INVALID_FAULT"> {}

const SIMPLE_KINDS = [
  "none",
  "down",
  "hang",
  "error",
  "corrupt-slivers",
  "wrong-metadata",
  "wrong-signature",
] as const;
const MAX_SLOW_MS = 600_000;

/** @throws FaultError naming the field and its limits; fields that the kind does not take are refused */
export function parseNodeFault(json: unknown): NodeFault {
  if (typeof json !== "object" || json === null || Array.isArray(json)) invalid("a fault is a JSON object");
  const { kind, ...rest } = json as Readonly<Record<string, unknown>>;
  const simple = SIMPLE_KINDS.find((each) => each === kind);
  const allowed = kind === "slow" ? ["ms"] : kind === "drop-slivers" ? ["fraction", "heal"] : [];
  const unknown = Object.keys(rest).find((field) => !allowed.includes(field));
  if (unknown !== undefined) invalid(`fault ${String(kind)} takes no field ${unknown.slice(0, 40)}`);
  if (simple !== undefined) return { kind: simple };
  if (kind === "slow") {
    const { ms } = rest;
    if (typeof ms !== "number" || !Number.isInteger(ms) || ms < 0 || ms > MAX_SLOW_MS) {
      invalid(`slow takes ms, a whole number from 0 to ${MAX_SLOW_MS}`);
    }
    return { kind, ms };
  }
  if (kind === "drop-slivers") {
    const { fraction = 1, heal = false } = rest;
    if (typeof fraction !== "number" || !(fraction >= 0 && fraction <= 1)) {
      invalid("drop-slivers takes fraction, a number from 0 to 1");
    }
    if (typeof heal !== "boolean") invalid("drop-slivers takes heal, true or false");
    return { kind, fraction, heal };
  }
  return invalid(`kind is one of ${[...SIMPLE_KINDS, "slow", "drop-slivers"].join(", ")}`);
}

function invalid(reason: string): never {
  throw new FaultError("INVALID_FAULT", reason);
}

/** The same slivers on every run: all keys in the order of their hashes, the first `fraction` of them. */
export function sliversToDrop(keys: readonly SliverKey[], fraction: number): SliverKey[] {
  const ordered = keys.map((key) => {
    const text = new TextEncoder().encode(`${key.blobId}/${key.shard}/${key.axis}`);
    return { key, rank: toHex(blake2b256(text)) };
  });
  ordered.sort((a, b) => (a.rank < b.rank ? -1 : 1));
  return ordered.slice(0, Math.ceil(keys.length * fraction)).map(({ key }) => key);
}

type Handler = (request: ServedRequest) => Promise<NodeReply>;

/** Answers with the fault in effect; `down` and `drop-slivers` act elsewhere, on sockets and on the store. */
export async function answerWithFault(
  fault: NodeFault,
  request: ServedRequest,
  node: Handler,
  tools: { readonly clock: Clock; readonly rogueKey: Uint8Array },
): Promise<NodeReply> {
  switch (fault.kind) {
    case "none":
    case "down":
    case "drop-slivers":
      return node(request);
    case "hang":
      return untilGone(request.signal);
    case "slow":
      return (await isPatient(request, tools.clock, fault.ms)) ? node(request) : goneReply;
    case "error":
      return errorReply("INTERNAL_ERROR", "internal error", "0".repeat(32));
    case "corrupt-slivers":
      return rewrite(request, await node(request), corrupt);
    case "wrong-metadata":
      return rewrite(request, await node(request), (route, body) => {
        // The last byte of the last sliver hash: the layout stays intact, the blob ID no longer fits.
        if (route === "metadata") flip(body, body.length - 1);
        return body;
      });
    case "wrong-signature":
      return rewrite(request, await node(request), (route, body) =>
        route === "confirmation" ? signedByOther(body, tools.rogueKey) : body,
      );
    default:
      return fault satisfies never;
  }
}

/** It is not sent: the client went away. */
export const goneReply: NodeReply = { status: 499, type: undefined, body: new Uint8Array() };

function untilGone(signal: AbortSignal): Promise<NodeReply> {
  return new Promise((resolve) => {
    signal.addEventListener("abort", () => resolve(goneReply), { once: true });
  });
}

/** @returns false when the client left before `ms` were over */
async function isPatient(request: ServedRequest, clock: Clock, ms: number): Promise<boolean> {
  try {
    await clock.sleep(ms, request.signal);
    return true;
  } catch (error) {
    if (request.signal.aborted) return false;
    throw error;
  }
}

/** Lets `change` alter a copy of a successful answer to a GET; it may work in place. */
function rewrite(
  request: ServedRequest,
  reply: NodeReply,
  change: (route: NodeRouteName, body: Uint8Array) => Uint8Array,
): NodeReply {
  if (reply.status !== 200 || request.method !== "GET") return reply;
  const route: NodeRoute | undefined = parseNodePath(request.pathname);
  return route === undefined ? reply : { ...reply, body: change(route.name, reply.body.slice()) };
}

function flip(bytes: Uint8Array, at: number): void {
  bytes[at] = (bytes[at] ?? 0) ^ 1;
}

/** Flips one bit of payload and leaves every frame and proof intact; parsers hand out views of `body`. */
function corrupt(route: NodeRouteName, body: Uint8Array): Uint8Array {
  switch (route) {
    case "sliver": {
      const { data } = parseSliver(body, body.length);
      flip(data, data.length >> 1);
      return body;
    }
    case "recovery-symbols":
      for (const { symbol } of parseRecoverySymbols(body, body.length)) flip(symbol, 0);
      return body;
    case "decoding-symbols": {
      const reader = new BcsReader(body, "decoding symbols");
      for (let targets = reader.uleb(); targets > 0; targets--) {
        reader.u16();
        for (let symbols = reader.uleb(); symbols > 0; symbols--) {
          reader.u8();
          reader.u16();
          flip(reader.vector(MAX_SYMBOL_BYTES), 0);
        }
      }
      return body;
    }
    default:
      return body;
  }
}

function signedByOther(body: Uint8Array, rogueKey: Uint8Array): Uint8Array {
  const data = parseSuccessBody(new TextDecoder().decode(body));
  if (typeof data !== "object" || data === null || !("signed" in data)) {
    throw new ProtocolError("INVALID_MESSAGE", "a confirmation without a signed message");
  }
  const { message } = signedMessageFromJson(data.signed);
  const signed = signedMessageToJson({ message, signature: blsSign(message, rogueKey) });
  return new TextEncoder().encode(successBody(200, { signed }));
}
