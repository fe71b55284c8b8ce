// If this fails, a storage node can hang, mislead or flood whoever calls it.
import { describe, expect, it } from "vitest";
import { FloeError } from "../../../shared/base/errors.ts";
import { Gate } from "../../../shared/base/gate.ts";
import { DirectCarrier } from "../../../shared/node/direct-carrier.ts";
import { NODE_LIMITS } from "../../../shared/node/limits.ts";
import { nodeBaseUrl } from "../../../shared/node/node-address.ts";
import { type CallOptions, StorageNodeClient } from "../../../shared/node/storage-node-client.ts";
import { StorageNodeError } from "../../../shared/node/storage-node-errors.ts";
import type { BlobId, SliverPairIndex } from "../../../shared/protocol/ids.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";

const BLOB = "M4hsZGQ1oCktdzegB6HnI6Mi28S2nqOPHxK-W7_4BUk" as BlobId;
const PAIR = 3 as SliverPairIndex;
const OCTETS = { "content-type": "application/octet-stream" };
const JSON_HEADERS = { "content-type": "application/json" };

function client(answer: (request: Request, attempt: number) => Response | Promise<Response>) {
  const clock = new VirtualClock();
  const gate = new Gate(1);
  const requests: Request[] = [];
  const node = new StorageNodeClient(
    "http://node:1",
    "node",
    new DirectCarrier({
      clock,
      gate,
      randomBytes: (count) => new Uint8Array(count).fill(255),
      fetch: async (request) => {
        requests.push(request);
        return answer(request, requests.length);
      },
    }),
  );
  return { node, clock, gate, requests };
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => "no error",
    (reason) => reason,
  );
  return error instanceof StorageNodeError ? error.code : String(error);
}

const once: CallOptions = { attempts: 1 };
const errorJson = (code: number, reason: string) =>
  new Response(JSON.stringify({ error: { status: "X", code, message: "m", details: [{ reason }] } }), {
    status: code,
    headers: JSON_HEADERS,
  });

describe("a call to a storage node", () => {
  it.each([
    ["stored", "stored"],
    ["Stored", "stored"],
    ["nonexistent", "nonexistent"],
  ])("reads the state %s", async (text, state) => {
    const { node } = client(
      () => new Response(JSON.stringify({ success: { code: 200, data: text } }), { headers: JSON_HEADERS }),
    );
    expect(await node.getMetadataStatus(BLOB)).toBe(state);
  });

  it("sends the exact path and body, follows no redirect and asks for no compression", async () => {
    const { node, requests } = client(
      () => new Response('{"success":{"code":201,"data":"ok"}}', { status: 201, headers: JSON_HEADERS }),
    );
    await node.putSliver(BLOB, PAIR, "secondary", Uint8Array.of(1, 2, 3));
    const [request] = requests;
    expect(request?.method).toBe("PUT");
    expect(request?.url).toBe(`http://node:1/v1/blobs/${BLOB}/slivers/3/secondary`);
    expect(request?.redirect).toBe("manual");
    expect(request?.headers.get("content-type")).toBe("application/octet-stream");
    expect(new Uint8Array((await request?.arrayBuffer()) ?? new ArrayBuffer(0))).toEqual(
      Uint8Array.of(1, 2, 3),
    );
  });

  it.each<[string, () => Response, string]>([
    ["400 NOT_REGISTERED", () => errorJson(400, "NOT_REGISTERED"), "NOT_REGISTERED"],
    ["400 SHARD_NOT_ASSIGNED", () => errorJson(400, "SHARD_NOT_ASSIGNED"), "SHARD_NOT_ASSIGNED"],
    ["400 CACHE_SATURATED", () => errorJson(400, "CACHE_SATURATED"), "THROTTLED"],
    ["400 METADATA_NOT_FOUND", () => errorJson(400, "METADATA_NOT_FOUND"), "NOT_FOUND"],
    ["400 with a made-up reason", () => errorJson(400, "DROP TABLE"), "REFUSED"],
    ["404 empty", () => new Response(null, { status: 404 }), "NOT_FOUND"],
    ["451 as text", () => new Response("blocked", { status: 451 }), "FORBIDDEN"],
    ["429 as HTML", () => new Response("<html>", { status: 429 }), "THROTTLED"],
    ["500 with a huge body", () => new Response("x".repeat(1 << 20), { status: 500 }), "SERVER_ERROR"],
    [
      "a redirect",
      () => new Response(null, { status: 302, headers: { location: "http://10.0.0.1" } }),
      "REDIRECTED",
    ],
    [
      "200 as HTML",
      () => new Response("<html>", { headers: { "content-type": "text/html" } }),
      "MALFORMED_ANSWER",
    ],
    [
      "a sliver with trailing bytes",
      () => new Response(new Uint8Array(90), { headers: OCTETS }),
      "MALFORMED_ANSWER",
    ],
    [
      "a longer sliver than asked for",
      () => new Response(new Uint8Array(9000), { headers: OCTETS }),
      "ANSWER_TOO_LARGE",
    ],
    [
      "an endless sliver",
      () => {
        const endless = new ReadableStream({
          pull: (controller) => controller.enqueue(new Uint8Array(4096)),
        });
        return new Response(endless, { headers: OCTETS });
      },
      "ANSWER_TOO_LARGE",
    ],
    [
      "a compressed sliver",
      () => new Response(new Uint8Array(8), { headers: { ...OCTETS, "content-encoding": "gzip" } }),
      "MALFORMED_ANSWER",
    ],
  ])("turns %s into a typed error", async (_, answer, code) => {
    const { node } = client(answer);
    expect(await codeOf(node.getSliver(BLOB, PAIR, "primary", 200, once))).toBe(code);
  });

  it("ends at its deadline when the node never answers, and frees its place in the gate", async () => {
    const { node, clock, gate } = client(() => new Promise(() => {}));
    const startMs = clock.nowMs();
    expect(await codeOf(node.getMetadataStatus(BLOB, { ...once, timeoutMs: 700 }))).toBe("TIMEOUT");
    expect(clock.nowMs() - startMs).toBe(700);
    expect(gate.inFlight).toBe(0);
  });

  it("ends at its deadline when the body never ends", async () => {
    const { node, clock } = client(() => new Response(new ReadableStream({}), { headers: OCTETS }));
    const startMs = clock.nowMs();
    const call = { ...once, timeoutMs: 5_000, headersTimeoutMs: 100 };
    expect(await codeOf(node.getSliver(BLOB, PAIR, "primary", 200, call))).toBe("TIMEOUT");
    expect(clock.nowMs() - startMs).toBe(5_000);
  });

  it("does not let the wait for the gate use up a deadline", async () => {
    const { node, clock } = client((_, attempt) =>
      attempt === 1
        ? new Promise(() => {})
        : new Response('{"success":{"code":200,"data":"stored"}}', { headers: JSON_HEADERS }),
    );
    const startMs = clock.nowMs();
    const first = codeOf(node.getMetadataStatus(BLOB, { ...once, timeoutMs: 1_000 }));
    const second = node.getMetadataStatus(BLOB, { ...once, timeoutMs: 500 });
    expect(await first).toBe("TIMEOUT");
    expect(await second).toBe("stored");
    expect(clock.nowMs() - startMs).toBe(1_000);
  });

  it("repeats what may pass, a bounded number of times, and nothing else", async () => {
    const busy = client(() => new Response(null, { status: 503 }));
    expect(await codeOf(busy.node.getMetadataStatus(BLOB))).toBe("THROTTLED");
    expect(busy.requests).toHaveLength(NODE_LIMITS.attemptsPerNodeRequest);
    const refused = client(() => errorJson(400, "INVALID_METADATA"));
    expect(await codeOf(refused.node.putMetadata(BLOB, new Uint8Array(1)))).toBe("REFUSED");
    expect(refused.requests).toHaveLength(1);
  });

  it("stops when its caller gives up", async () => {
    const { node } = client(() => new Promise(() => {}));
    const caller = new AbortController();
    const call = node.getMetadataStatus(BLOB, { signal: caller.signal });
    caller.abort(new Error("given up"));
    await expect(call).rejects.toThrow("given up");
  });
});

describe("the gate", () => {
  it("runs as many tasks as it has places, in the order they came", async () => {
    const gate = new Gate(2);
    const order: number[] = [];
    const release: (() => void)[] = [];
    const tasks = [0, 1, 2, 3].map((id) =>
      gate.run(async () => {
        order.push(id);
        await new Promise<void>((resolve) => release.push(resolve));
      }),
    );
    while (release.length > 0 || gate.inFlight > 0) {
      await Promise.resolve();
      release.shift()?.();
    }
    await Promise.all(tasks);
    expect(order).toEqual([0, 1, 2, 3]);
    expect([gate.peak, gate.inFlight]).toEqual([2, 0]);
  });

  it("gives its place back when a task fails", async () => {
    const gate = new Gate(1);
    await expect(gate.run(() => Promise.reject(new Error("task")))).rejects.toThrow("task");
    expect(await gate.run(async () => "next")).toBe("next");
  });
});

describe("a node's network address", () => {
  it.each([
    ["walrus.example.com:9185", "https://walrus.example.com:9185"],
    ["Walrus.Example.com", "https://walrus.example.com"],
    ["a.b:443", "https://a.b:443"],
  ])("%s is called over https", (address, url) => {
    expect(nodeBaseUrl(address, "public")).toBe(url);
  });

  it.each([
    "127.0.0.1:9185",
    "10.0.0.1",
    "169.254.169.254",
    "127.1",
    "0x7f.1",
    "2130706433",
    "0177.0.0.1",
    "[::1]:9185",
    "[::ffff:10.0.0.1]",
    "localhost:9185",
    "node.localhost",
    "metadata.google.internal",
    "router.lan",
    "printer.local",
    "intranet",
    "user@evil.com",
    "evil.com/path",
    "evil.com#x",
    "evil.com\\@x.y",
    "evil.com?x",
    "https://evil.com",
    "evil.com:22",
    "evil.com:25",
    "evil.com:0",
    "evil.com:65536",
    "evil.com:9185:1",
    "evil .com",
    "evil..com",
    "-evil.com",
    "evil.com.",
    "ｅvil.com",
    "",
    `${"a".repeat(250)}.example.com`,
  ])("%s is refused on a public network", (address) => {
    expect(() => nodeBaseUrl(address, "public")).toThrow(FloeError);
  });

  it("may be a loopback port on a local network, over http, and still no URL trick", () => {
    expect(nodeBaseUrl("127.0.0.1:4000", "local")).toBe("http://127.0.0.1:4000");
    expect(nodeBaseUrl("[::1]:4000", "local")).toBe("http://[::1]:4000");
    expect(() => nodeBaseUrl("a@b:1", "local")).toThrow(FloeError);
  });
});
