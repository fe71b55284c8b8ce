// If this fails, clients of the official publisher and aggregator do not understand our answers.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { EdgeError, type EdgeErrorCode } from "../../../../functions/base/edge-error.ts";
import { publicError } from "../../../../functions/http/errors.ts";
import { CodecError } from "../../../../shared/codec/codec.ts";
import { SuiError } from "../../../../shared/sui/client/sui-error.ts";
import { ScriptedEdge } from "../../../support/edge/scripted-edge.ts";
import { down, hang, refuse, ScriptedNodes } from "../../../support/nodes/scripted-nodes.ts";

interface Golden {
  readonly request: { method: string; path: string; headers: Record<string, string>; bodyText?: string };
  readonly response: {
    status: number;
    headers: Record<string, string>;
    bodyJson?: unknown;
    bodyText?: string;
  };
}

const golden = (name: string): Golden =>
  JSON.parse(readFileSync(join(import.meta.dirname, "../../../vectors/edge-api", `${name}.json`), "utf8"));

const TEXT = new TextEncoder().encode("some other string");
const SHARDS = [2, 1, 1, 1, 1, 1, 1, 1, 1];
const edge = () => new ScriptedEdge(new ScriptedNodes(SHARDS));
const send = (target: ScriptedEdge, { request }: Golden, path = request.path) =>
  target.fetch(path, {
    method: request.method,
    headers: request.headers,
    ...(request.bodyText === undefined ? {} : { body: request.bodyText }),
  });

/** Same keys and types everywhere; values are invented in the golden files. */
function shape(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(shape);
  if (typeof value !== "object" || value === null) return value === null ? null : typeof value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, shape(inner)]));
}

describe("answers without a blob", () => {
  it.each(["status-ok", "unknown-route", "method-not-allowed", "cors-preflight", "aggregator-blob-bad-id"])(
    "%s is as upstream",
    async (name) => {
      const file = golden(name);
      const response = await send(edge(), file);
      expect(response.status).toBe(file.response.status);
      for (const [header, value] of Object.entries(file.response.headers)) {
        expect([header, response.headers.get(header)]).toEqual([header, value]);
      }
      expect(await response.text()).toBe(file.response.bodyText);
    },
  );

  it.each(["publisher-blob-persistence-conflict", "aggregator-blob-consistency-conflict"])(
    "%s is as upstream",
    async (name) => {
      const file = golden(name);
      const response = await send(edge(), file);
      expect(response.status).toBe(file.response.status);
      expect(await response.json()).toEqual(file.response.bodyJson);
    },
  );

  it("unknown query parameters are refused in plain text, and nothing is sent or paid", async () => {
    const file = golden("publisher-blob-unknown-query-parameter");
    const target = edge();
    const response = await send(target, file);
    expect([response.status, await response.text()]).toEqual([file.response.status, file.response.bodyText]);
    expect(target.nodes.requests).toEqual([]);
    expect(target.registered).toEqual([]);
  });

  it.each(["/v1/blobs/", "/v1/blobs//", "/v1//blobs", "/status/", "/", "/v1/blobs/a/b", "/V1/blobs"])(
    "%s is no route",
    async (path) => {
      const response = await edge().fetch(path);
      expect([response.status, await response.text()]).toEqual([404, ""]);
    },
  );

  it.each([
    "M4hsZGQ1oCktdzegB6HnI6Mi28S2nqOPHxK-W7_4BU",
    "M4hsZGQ1oCktdzegB6HnI6Mi28S2nqOPHxK-W7_4BUkk",
    "M4hsZGQ1oCktdzegB6HnI6Mi28S2nqOPHxK-W7_4BUl",
    "M4hsZGQ1oCktdzegB6HnI6Mi28S2nqOPHxK+W7/4BUk",
    "M4hsZGQ1oCktdzegB6HnI6Mi28S2nqOPHxK-W7_4BUk=",
    "%4D4hsZGQ1oCktdzegB6HnI6Mi28S2nqOPHxK-W7_4BUk",
    "%2e%2e%2fetc",
    "..%00",
  ])("the blob ID %s is refused without asking anybody", async (id) => {
    const target = edge();
    const response = await target.fetch(`/v1/blobs/${id}`);
    expect([400, 404]).toContain(response.status);
    expect(target.nodes.requests).toEqual([]);
  });
});

describe("errors", () => {
  const fixed: [EdgeErrorCode, string][] = [
    ["BLOB_NOT_FOUND", "aggregator-blob-not-found"],
    ["BLOB_UNAVAILABLE", "aggregator-blob-unavailable"],
    ["FORBIDDEN_BLOB", "aggregator-blob-blocked"],
    ["INCONSISTENT_BLOB", "aggregator-blob-internal"],
    ["INSUFFICIENT_CONFIRMATIONS", "publisher-blob-not-enough-confirmations"],
    ["INSUFFICIENT_FUNDS", "publisher-blob-internal"],
    ["BLOB_MARKED_INVALID", "publisher-blob-marked-invalid"],
    ["BLOB_TOO_LARGE", "aggregator-blob-too-large"],
  ];
  it.each(fixed)("%s has the official body, its message extended by the numbers", (code, name) => {
    const { status, bodyJson } = golden(name).response;
    const answer = publicError(new EdgeError(code, "1048576; the blob has 2"), "0".repeat(32));
    expect(answer.status).toBe(status);
    const theirs = bodyJson as { error: { message: string } };
    const ours = JSON.parse(answer.body) as { error: { message: string } };
    expect(ours.error.message.startsWith(theirs.error.message)).toBe(true);
    expect(ours).toEqual({ error: { ...theirs.error, message: ours.error.message } });
  });

  it("a body over the limit is refused in plain text with both numbers", () => {
    const file = golden("publisher-blob-body-too-large");
    const answer = publicError(new EdgeError("BODY_TOO_LARGE", "11 bytes or more, at most 10"), "");
    expect([answer.status, answer.contentType]).toEqual([413, file.response.headers["content-type"]]);
    expect(answer.body).toBe(`${file.response.bodyText}; 11 bytes or more, at most 10`);
  });

  it.each<[string, unknown, number]>([
    ["a full codec", new CodecError("OUT_OF_CODEC_MEMORY", "no room", { retryable: true }), 503],
    ["Sui out of reach", new SuiError("SUI_UNREACHABLE", "down", { retryable: true }), 503],
    ["a bug", new TypeError("secret internals at /home/x"), 500],
  ])("%s is translated, and shows nothing internal", (_, error, status) => {
    const answer = publicError(error, "f".repeat(32));
    expect(answer.status).toBe(status);
    expect(answer.body).not.toContain("secret");
    expect(answer.body).not.toContain("at ");
    if (status === 503) expect(Number(answer.headers["retry-after"])).toBeGreaterThan(0);
  });
});

describe("publishing", () => {
  it.each(["publisher-blob-newly-created", "publisher-blob-newly-created-permanent-shared"])(
    "%s has the official shape",
    async (name) => {
      const file = golden(name);
      const target = edge();
      const response = await send(target, file);
      expect(response.headers.get("content-type")).toBe("application/json");
      const ours = await response.json();
      expect(response.status).toBe(200);
      expect(shape(ours)).toEqual(shape(file.response.bodyJson));
      expect(JSON.stringify(shape(ours))).toBe(JSON.stringify(shape(file.response.bodyJson)));
      expect(target.certified).toHaveLength(1);
    },
  );

  it("stores every sliver on its node, in the background at the latest, and reads back the bytes", async () => {
    const target = edge();
    const response = await target.fetch("/v1/blobs?epochs=2", { method: "PUT", body: TEXT });
    const { newlyCreated } = (await response.json()) as { newlyCreated: { blobObject: { blobId: string } } };
    await Promise.all(target.background);
    const slivers = target.nodes.stored.map((kept) =>
      [...kept.keys()].filter((key) => !key.endsWith("metadata")),
    );
    expect(slivers.map((keys) => keys.length)).toEqual(SHARDS.map((shards) => 2 * shards));
    const read = await target.fetch(`/v1/blobs/${newlyCreated.blobObject.blobId}`);
    expect(await read.text()).toBe("some other string");
  });

  it("takes bodies without a declared length", async () => {
    const body = new ReadableStream({
      type: "bytes",
      start(controller) {
        controller.enqueue(TEXT.slice(0, 5));
        controller.enqueue(TEXT.slice(5));
        controller.close();
      },
    });
    const response = await edge().fetch("/v1/blobs", { method: "PUT", body, duplex: "half" });
    expect(response.status).toBe(200);
  });

  it("joins an upload that was registered and then failed, instead of paying again", async () => {
    const target = edge();
    for (let node = 0; node < 6; node++) target.nodes.scripts.set(node, refuse("INVALID_SLIVER"));
    const failed = await target.fetch("/v1/blobs?epochs=2", { method: "PUT", body: TEXT });
    expect(failed.status).toBe(504);
    const { error } = (await failed.json()) as { error: { message: string } };
    expect(error.message).toMatch(/; have [0-4] of 7 shards, [0-9] nodes refused, .* epoch 7/);
    expect(target.certified).toEqual([]);
    target.nodes.scripts.clear();
    expect((await target.fetch("/v1/blobs?epochs=2", { method: "PUT", body: TEXT })).status).toBe(200);
    expect(target.registered).toHaveLength(1);
  });

  it("succeeds while nodes holding f shards are down or hang, and fails with the numbers beyond", async () => {
    const target = edge();
    target.nodes.scripts.set(0, hang);
    target.nodes.scripts.set(1, down);
    expect((await target.fetch("/v1/blobs", { method: "PUT", body: TEXT })).status).toBe(200);
    target.nodes.scripts.set(2, hang);
    const response = await target.fetch("/v1/blobs?force=true", { method: "PUT", body: TEXT });
    expect(response.status).toBe(504);
    expect(await response.text()).toMatch(/have 6 of 7 shards, 0 nodes refused/);
  });

  it("pays again for a deletable blob, not for a permanent one that lives long enough", async () => {
    const target = edge();
    const put = async (query: string) =>
      (await (await target.fetch(`/v1/blobs?${query}`, { method: "PUT", body: TEXT })).json()) as object;
    await put("epochs=1");
    expect(Object.keys(await put("epochs=1"))).toEqual(["newlyCreated"]);
    await put("epochs=1&permanent=true");
    const again = await put("epochs=1&permanent=true");
    expect(shape(again)).toEqual(shape(golden("publisher-blob-already-certified-event").response.bodyJson));
    expect(Object.keys(await put("epochs=2&permanent=true"))).toEqual(["newlyCreated"]);
    expect(Object.keys(await put("epochs=1&permanent=true&force=true"))).toEqual(["newlyCreated"]);
    expect(target.registered).toHaveLength(5);
  });

  it.each([
    ["epochs=0", 400],
    ["epochs=54", 400],
  ])("%s is refused before the body is read", async (query, status) => {
    const target = edge();
    const response = await target.fetch(`/v1/blobs?${query}`, { method: "PUT", body: TEXT });
    expect(response.status).toBe(status);
    expect(await response.text()).toContain("1 to 53");
    expect(target.registered).toEqual([]);
  });

  it("refuses bodies over the limit, declared or not, and stores nothing", async () => {
    const target = edge();
    const limits = { maxBodyBytes: 16 };
    const declared = await target.fetch(
      "/v1/blobs",
      { method: "PUT", body: TEXT, headers: { "content-length": "17" } },
      limits,
    );
    expect(declared.status).toBe(413);
    const chunked = await target.fetch("/v1/blobs", { method: "PUT", body: TEXT }, limits);
    expect(chunked.status).toBe(413);
    expect(target.registered).toEqual([]);
    const short = await target.fetch("/v1/blobs", {
      method: "PUT",
      body: TEXT,
      headers: { "content-length": "18" },
    });
    expect(short.status).toBe(400);
    expect(target.registered).toEqual([]);
  });

  it("is refused unless the operator opened it", async () => {
    const target = edge();
    target.access = "closed";
    expect((await target.fetch("/v1/blobs", { method: "PUT", body: TEXT })).status).toBe(403);
    expect(target.registered).toEqual([]);
  });
});

describe("reading", () => {
  async function stored() {
    const target = edge();
    const { blobId } = target.nodes.store(TEXT);
    return { target, blobId, path: `/v1/blobs/${blobId}` };
  }

  it.each([
    "aggregator-blob-ok",
    "aggregator-blob-accept-mirrored",
    "aggregator-blob-content-type-mirrored",
    "aggregator-blob-head",
  ])("%s is as upstream, with a quoted etag and its own safety headers", async (name) => {
    const { target, path, blobId } = await stored();
    const file = golden(name);
    const response = await send(target, file, path);
    expect(response.status).toBe(200);
    expect(await response.text()).toBe(file.response.bodyText);
    const theirs = file.response.headers;
    expect(response.headers.get("etag")).toBe(`"${blobId}"`);
    expect(response.headers.get("content-length")).toBe(theirs["content-length"]);
    expect(response.headers.get("content-type")).toBe(theirs["content-type"] ?? "application/octet-stream");
    expect(response.headers.get("cache-control")).toContain(theirs["cache-control"]);
    expect(response.headers.get("x-content-type-options")).toBe("nosniff");
    expect(response.headers.get("content-security-policy")).toContain("sandbox");
    expect(response.headers.get("access-control-allow-origin")).toBe("*");
    expect(response.headers.get("vary")?.includes("accept")).toBe(theirs["content-type"] !== undefined);
  });

  it("serves one range with 206, and refuses several or none that fit with 416", async () => {
    const { target, path } = await stored();
    const ranged = (range: string) => target.fetch(path, { headers: { range } });
    const partial = await ranged("bytes=5-9");
    expect([partial.status, await partial.text()]).toEqual([206, "other"]);
    expect(partial.headers.get("content-range")).toBe("bytes 5-9/17");
    expect(partial.headers.get("content-length")).toBe("5");
    const multi = golden("aggregator-blob-range-multi");
    const refused = await ranged("bytes=0-1,3-4");
    expect(refused.status).toBe(416);
    expect(await refused.json()).toEqual(multi.response.bodyJson);
    const beyond = await ranged("bytes=17-99");
    expect(beyond.headers.get("content-range")).toBe("bytes */17");
    expect(beyond.headers.get("cache-control")).toBe("no-store");
  });

  it("answers 304 to a matching If-None-Match, and a HEAD from metadata alone", async () => {
    const { target, path, blobId } = await stored();
    for (const tag of [`"${blobId}"`, `W/"${blobId}"`, blobId, "*", `"x", "${blobId}"`]) {
      expect((await target.fetch(path, { headers: { "if-none-match": tag } })).status).toBe(304);
    }
    expect((await target.fetch(path, { method: "HEAD" })).status).toBe(200);
    expect(target.nodes.requests.every(({ route }) => route.name === "metadata")).toBe(true);
    expect((await target.fetch(path, { headers: { "if-none-match": '"other"' } })).status).toBe(200);
  });

  it("reads strictly when asked to", async () => {
    const { target, path } = await stored();
    const response = await target.fetch(`${path}?strict_consistency_check=true`);
    expect([response.status, await response.text()]).toEqual([200, "some other string"]);
    expect(
      (await target.fetch(`${path}?strict_consistency_check=true`, {}, { maxBodyBytes: 16 })).status,
    ).toBe(403);
  });

  it("answers 404 for what a quorum does not know and 503 when too few answer, never cached", async () => {
    const { target, path } = await stored();
    const missing = await edge().fetch(path);
    expect(missing.status).toBe(404);
    expect(missing.headers.get("cache-control")).toBe("no-store");
    for (let node = 0; node < 9; node++) target.nodes.scripts.set(node, down);
    expect((await target.fetch(path)).status).toBe(503);
  });
});
