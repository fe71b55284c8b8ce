/** What a storage node can do wrong, as data: each lie turns the node's honest answer into another. */
import { blsSign } from "../../../shared/crypto/bls.ts";
import {
  JSON_TYPE,
  type NodeRoute,
  OCTET_STREAM,
  parseSuccessBody,
  successBody,
} from "../../../shared/node/storage-node-api.ts";
import type { BlobId, ObjectId } from "../../../shared/protocol/ids.ts";
import {
  confirmationMessage,
  type SignedMessage,
  signedMessageFromJson,
  signedMessageToJson,
} from "../../../shared/protocol/messages.ts";
import { EPOCH, type Script, type ScriptedNodes, sliverKey } from "../../support/nodes/scripted-nodes.ts";

/** Makes `node` lie about GET requests of one route; everything else it answers honestly. */
function lieAbout(
  nodes: ScriptedNodes,
  node: number,
  name: NodeRoute["name"],
  change: (honest: Response, route: NodeRoute) => Promise<Response>,
): void {
  const script: Script = async (route, request) => {
    if (route.name !== name || request.method !== "GET") return undefined;
    // `fetch` looks the script up before its first wait, so this asks the node itself.
    nodes.scripts.delete(node);
    const honest = nodes.fetch(request);
    nodes.scripts.set(node, script);
    const answer = await honest;
    return answer.status === 200 ? change(answer, route) : answer;
  };
  nodes.scripts.set(node, script);
}

const binary = (bytes: Uint8Array): Response =>
  new Response(bytes.slice(), { headers: { "content-type": OCTET_STREAM } });

type BytesLie = (bytes: Uint8Array, nodes: ScriptedNodes, route: NodeRoute) => Uint8Array;

const flipAt = (bytes: Uint8Array, at: number): Uint8Array => bytes.with(at, (bytes[at] ?? 0) ^ 1);

/**
 * Row N3. A serialised sliver is `uleb length | data | symbol bytes u16 | index u16`, with one byte of length for the
 * small blobs here.
 */
export const SLIVER_LIES: Readonly<Record<string, BytesLie>> = {
  "a bit of the first symbol flipped": (bytes) => flipAt(bytes, 1),
  "a bit of the middle flipped": (bytes) => flipAt(bytes, bytes.length >> 1),
  "a bit of the last symbol flipped": (bytes) => flipAt(bytes, bytes.length - 5),
  "another index": (bytes) => flipAt(bytes, bytes.length - 2),
  "another symbol size": (bytes) => flipAt(bytes, bytes.length - 4),
  "all zeros": (bytes) => bytes.map((byte, at) => (at === 0 || at >= bytes.length - 4 ? byte : 0)),
  "symbols swapped": (bytes) => {
    const symbol = (bytes[bytes.length - 4] ?? 2) | ((bytes[bytes.length - 3] ?? 0) << 8);
    const swapped = bytes.slice();
    swapped.set(bytes.subarray(1 + symbol, 1 + 2 * symbol), 1);
    swapped.set(bytes.subarray(1, 1 + symbol), 1 + symbol);
    return swapped;
  },
  "the sliver of another pair": (bytes, nodes, route) =>
    route.name === "sliver"
      ? (findStored(nodes, sliverKey(route.blobId, (route.pair + 1) % nodes.committee.nShards, route.axis)) ??
        bytes)
      : bytes,
  "the sliver of the other axis": (bytes, nodes, route) =>
    route.name === "sliver"
      ? (findStored(
          nodes,
          sliverKey(route.blobId, route.pair, route.axis === "primary" ? "secondary" : "primary"),
        ) ?? bytes)
      : bytes,
  "one byte short": (bytes) => bytes.subarray(0, -1),
  "one byte more": (bytes) => Uint8Array.of(...bytes, 0),
  nothing: () => new Uint8Array(),
  "ten times as much": (bytes) => new Uint8Array(bytes.length * 10).fill(7),
};

/** Row N4. Metadata is `blob ID[32] | 00 | encoding type | unencoded length u64 | uleb n | hashes`. */
export const METADATA_LIES: Readonly<Record<string, BytesLie>> = {
  "another root": (bytes) => flipAt(bytes, bytes.length - 1),
  "another unencoded length": (bytes) => flipAt(bytes, 34),
  "another encoding type": (bytes) => flipAt(bytes, 33),
  "one shard more": (bytes) => flipAt(bytes, 42),
  "another blob ID in front": (bytes) => flipAt(bytes, 0),
  "one byte short": (bytes) => bytes.subarray(0, -1),
  "one byte more": (bytes) => Uint8Array.of(...bytes, 0),
  nothing: () => new Uint8Array(),
};

export function lieWithBytes(
  nodes: ScriptedNodes,
  node: number,
  name: "sliver" | "metadata",
  lie: BytesLie,
): void {
  lieAbout(nodes, node, name, async (honest, route) =>
    binary(lie(new Uint8Array(await honest.arrayBuffer()), nodes, route)),
  );
}

const OTHER_BLOB = "M4hsZGQ1oCktdzegB6HnI6Mi28S2nqOPHxK-W7_4BUk" as BlobId;
const OTHER_OBJECT = `0x${"2a".repeat(32)}` as ObjectId;

type Signer = (message: Uint8Array) => Uint8Array;
type ConfirmationLie = (honest: SignedMessage, sign: Signer, blobId: BlobId) => SignedMessage;

const signed = (message: Uint8Array, sign: Signer): SignedMessage => ({ message, signature: sign(message) });

/** Row N6: what a node may sign instead of what it was asked to. */
export const CONFIRMATION_LIES: Readonly<Record<string, ConfirmationLie>> = {
  "by another key": ({ message }) => ({ message, signature: blsSign(message, new Uint8Array(32).fill(99)) }),
  "of the epoch before": (_, sign, blobId) =>
    signed(confirmationMessage({ epoch: EPOCH - 1, blobId, persistence: { kind: "permanent" } }), sign),
  "of the epoch after": (_, sign, blobId) =>
    signed(confirmationMessage({ epoch: EPOCH + 1, blobId, persistence: { kind: "permanent" } }), sign),
  "of another blob": (_, sign) =>
    signed(
      confirmationMessage({ epoch: EPOCH, blobId: OTHER_BLOB, persistence: { kind: "permanent" } }),
      sign,
    ),
  "of a deletable blob": (_, sign, blobId) => {
    const persistence = { kind: "deletable", objectId: OTHER_OBJECT } as const;
    return signed(confirmationMessage({ epoch: EPOCH, blobId, persistence }), sign);
  },
  "with another intent byte": ({ message }, sign) => signed(flipAt(message, 0), sign),
  "with a byte after the message": ({ message }, sign) => signed(Uint8Array.of(...message, 0), sign),
  "with the point at infinity": ({ message }) => ({ message, signature: new Uint8Array(96).with(0, 0xc0) }),
  "with no point": ({ message }) => ({ message, signature: new Uint8Array(96).fill(7) }),
  "with a signature of 95 bytes": ({ message, signature }) => ({ message, signature: signature.subarray(1) }),
  "with a signature of 97 bytes": ({ message, signature }) => ({
    message,
    signature: Uint8Array.of(...signature, 0),
  }),
  "copied from node 0": ({ message }) => ({
    message,
    signature: blsSign(message, new Uint8Array(32).fill(1)),
  }),
};

export function lieInConfirmation(nodes: ScriptedNodes, node: number, lie: ConfirmationLie): void {
  const sign: Signer = (message) => blsSign(message, new Uint8Array(32).fill(node + 1));
  lieAbout(nodes, node, "confirmation", async (honest, route) => {
    const data = parseSuccessBody(await honest.text()) as { signed?: unknown };
    if (route.name !== "confirmation") return honest;
    const lied = signedMessageToJson(lie(signedMessageFromJson(data.signed), sign, route.blobId));
    return new Response(successBody(200, { signed: lied }), { headers: { "content-type": JSON_TYPE } });
  });
}

/** Rows N1, N2, N7 and N9: answers that have nothing to do with the question. */
export const RUDENESS: Readonly<Record<string, Script>> = {
  "is down": () => Promise.reject(new TypeError("connection refused")),
  hangs: () => new Promise(() => {}),
  "answers 500": () => new Response("internal error", { status: 500 }),
  "answers 503 with HTML": () =>
    new Response("<html>busy</html>", { status: 503, headers: { "content-type": "text/html" } }),
  "answers 200 with HTML": () =>
    new Response("<html>welcome</html>", { status: 200, headers: { "content-type": "text/html" } }),
  "answers 429": () => new Response("slow down", { status: 429, headers: { "retry-after": "3600" } }),
  "redirects inwards": () =>
    new Response(null, { status: 302, headers: { location: "http://169.254.169.254/latest" } }),
  "answers 200 with nothing": () => new Response(null, { status: 200 }),
  "breaks off in the body": () =>
    new Response(
      new ReadableStream({
        start: (controller) => controller.enqueue(new Uint8Array(3)),
        pull: (controller) => controller.error(new TypeError("connection reset")),
      }),
    ),
  "never ends its body": () =>
    new Response(new ReadableStream({ start: (each) => each.enqueue(new Uint8Array(3)) })),
};

function findStored(nodes: ScriptedNodes, key: string): Uint8Array | undefined {
  for (const kept of nodes.stored) if (kept.has(key)) return kept.get(key);
  return undefined;
}
