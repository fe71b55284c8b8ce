// If this fails, malformed requests reach nodes, objects or the wallet, or clients learn what is none of their business.
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type RawAnswer, type RawOptions, sendRaw } from "../support/raw-http.ts";
import { chainEvents } from "../support/sui/chain.ts";
import {
  bytesOf,
  prng,
  requestsOnceQuiet,
  type System,
  sameBytes,
  startSystem,
  uploadsOver,
} from "../support/system.ts";

const NODES = Array.from({ length: 11 }, (_, index) => `node-${index}`);
const BODY_LIMIT = 50_000;
const CONTENT = prng(21, 3_000);
/** A canonical blob ID nobody has stored; its last character may end in 00 only. */
const ID = "M4hsZGQ1oCktdzegB6HnI6Mi28S2nqOPHxK-W7_4BUk";
const BAD_ID = "Invalid URL: failed to parse a blob ID";
const QUERY = /^Failed to deserialize query string: /;
const BODY = /^Failed to buffer the request body: /;
/** Answers of the runtime in front of the Worker, and connections it simply closes. */
const RUNTIME = [0, 400, 414, 431, 501];

interface Case {
  readonly name: string;
  /** Everything up to the blank line, without Host. */
  readonly head: string;
  readonly body?: string | Buffer;
  readonly status: number | readonly number[];
  /** Prefix or pattern; not compared for answers of the runtime. */
  readonly answer?: string | RegExp;
  readonly options?: RawOptions;
}

const get = (name: string, path: string, status: Case["status"], answer?: Case["answer"]): Case => ({
  name,
  head: `GET ${path} HTTP/1.1`,
  status,
  ...(answer === undefined ? {} : { answer }),
});
const put = (name: string, query: string, status: number, answer: string | RegExp): Case => ({
  name,
  head: `PUT /v1/blobs?${query} HTTP/1.1\r\nContent-Length: 4`,
  body: "data",
  status,
  answer,
});
const json = (reason: string): RegExp => new RegExp(`"reason":"${reason}"`);

const PATHS: readonly Case[] = [
  get("blob ID of 42 characters", `/v1/blobs/${ID.slice(1)}`, 400, BAD_ID),
  get("blob ID of 44 characters", `/v1/blobs/${ID}A`, 400, BAD_ID),
  ...["l", "m", "n"].map((last) =>
    get(`blob ID spelled with ...${last}`, `/v1/blobs/${ID.slice(0, -1)}${last}`, 400, BAD_ID),
  ),
  get("standard alphabet: +", `/v1/blobs/${ID.replace("-", "+")}`, 400, BAD_ID),
  get("standard alphabet: /", `/v1/blobs/${ID.replace("_", "/")}`, 404, ""),
  get("standard alphabet: %2F", `/v1/blobs/${ID.replace("_", "%2F")}`, 400, BAD_ID),
  get("padding", `/v1/blobs/${ID}=`, 400, BAD_ID),
  get("encoded padding", `/v1/blobs/${ID}%3D`, 400, BAD_ID),
  get("an encoded character", `/v1/blobs/%4D${ID.slice(1)}`, 400, BAD_ID),
  get("a space at the end", `/v1/blobs/${ID}%20`, 400, BAD_ID),
  get("a line break at the end", `/v1/blobs/${ID}%0A`, 400, BAD_ID),
  get("an encoded NUL", `/v1/blobs/${ID}%00`, 400, BAD_ID),
  get("an object ID", `/v1/blobs/0x${"ab".repeat(32)}`, 400, BAD_ID),
  get("hex", `/v1/blobs/${"ab".repeat(32)}`, 400, BAD_ID),
  get("no blob ID", "/v1/blobs/", 404, ""),
  get("two slashes", `/v1/blobs//${ID}`, 404, ""),
  get("two slashes in front", `//v1/blobs/${ID}`, [400, 404], ""),
  get("an encoded way up", "/v1/blobs/%2e%2e%2f", [400, 404]),
  get("an encoded way up behind an ID", `/v1/blobs/${ID}%2f%2e%2e`, 400, BAD_ID),
  get("a way up to nowhere", "/v1/blobs/../../etc/passwd", 404, ""),
  get("a backslash", `/v1/blobs/..\\${ID}`, [400, 404]),
  get("a matrix parameter", `/v1/blobs/${ID};a=b`, 400, BAD_ID),
  get("a slash at the end", `/v1/blobs/${ID}/`, 404, ""),
  get("an unknown part of a blob", `/v1/blobs/${ID}/metadata`, 404, ""),
  get("capital letters", `/V1/BLOBS/${ID}`, 404, ""),
  get("an unknown path", "/admin", 404, ""),
  get("a path of 16 KB", `/v1/blobs/${"A".repeat(16_384)}`, [400, 414], /Invalid URL|^/),
  get("raw bytes beyond ASCII", "/v1/blobs/\u00e9\u00e9", 400),
  get("a raw NUL", "/v1/blobs/\u0000", RUNTIME),
  get("an absolute address of somebody else", "http://example.com/v1/blobs/x", RUNTIME),
];

const READ_QUERIES: readonly Case[] = [
  get("an unknown parameter", `/v1/blobs/${ID}?cb=123`, 400, QUERY),
  get(
    "a parameter twice",
    `/v1/blobs/${ID}?skip_consistency_check=true&skip_consistency_check=true`,
    400,
    QUERY,
  ),
  get(
    "both consistency flags",
    `/v1/blobs/${ID}?strict_consistency_check=true&skip_consistency_check=true`,
    400,
    json("INVALID_CONSISTENCY_CHECK"),
  ),
  ...["1", "yes", "TRUE", "", "true%20"].map((value) =>
    get(`a flag that says '${value}'`, `/v1/blobs/${ID}?strict_consistency_check=${value}`, 400, QUERY),
  ),
  get("a parameter named by a NUL", `/v1/blobs/${ID}?%00=1`, 400, QUERY),
  get("markup in a parameter", `/v1/blobs/${ID}?%3Cscript%3E=1`, 400, /^[^<>]*$/),
  get("broken percent-encoding", `/v1/blobs/${ID}?%zz=1`, 400, QUERY),
  get("a thousand parameters", `/v1/blobs/${ID}?${"a=1&".repeat(1_000)}`, 400, QUERY),
  get("a query of 8 KB", `/v1/blobs/${ID}?strict_consistency_check=${"t".repeat(8_000)}`, 400, QUERY),
];

const PUBLISH_QUERIES: readonly Case[] = [
  put("0 epochs", "epochs=0", 400, /"reason":"INVALID_EPOCHS".*|.*1 to 53/),
  put("54 epochs", "epochs=54", 400, /1 to 53/),
  ...["-1", "1.5", "1e1", "0x5", "%205", "", "4294967296", "99999999999999999999", "five"].map((epochs) =>
    put(`epochs '${epochs}'`, `epochs=${epochs}`, 400, QUERY),
  ),
  put("epochs twice", "epochs=1&epochs=2", 400, QUERY),
  put("both persistences", "permanent=true&deletable=true", 400, json("INVALID_BLOB_PERSISTENCE")),
  put("an unknown encoding", "encoding_type=RedStuffRaptorQ", 400, QUERY),
  put("an unknown parameter", "epoch=5", 400, QUERY),
  put("a parameter of another case", "Epochs=5", 400, QUERY),
  ...["0x", "0xzz", `0x${"ab".repeat(33)}`, "2a", "", "0x%00", "..%2f"].map((address) =>
    put(`the recipient '${address.slice(0, 8)}'`, `send_object_to=${address}`, 400, QUERY),
  ),
  put("a recipient and share", "send_object_to=0x2a&share=true", 400, QUERY),
  put("share that is no boolean", "share=maybe", 400, QUERY),
  put("force that is no boolean", "force=1", 400, QUERY),
  {
    name: "an Idempotency-Key of 1000 characters",
    head: `PUT /v1/blobs HTTP/1.1\r\nIdempotency-Key: ${"k".repeat(1_000)}\r\nContent-Length: 4`,
    body: "data",
    status: 400,
  },
];

const upload = (
  name: string,
  headers: string,
  body: string | Buffer,
  status: Case["status"],
  more: Partial<Case> = {},
): Case => ({ name, head: `PUT /v1/blobs?epochs=5 HTTP/1.1\r\n${headers}`, body, status, ...more });

const BODIES: readonly Case[] = [
  upload("one byte over the limit, declared", `Content-Length: ${BODY_LIMIT + 1}`, "", 413, { answer: BODY }),
  upload("a petabyte, declared", "Content-Length: 1000000000000000", "", 413, { answer: BODY }),
  upload("more than 2^53 bytes, declared", "Content-Length: 99999999999999999999", "", [...RUNTIME, 413]),
  upload(
    "over the limit, asking to continue",
    `Content-Length: ${BODY_LIMIT + 1}\r\nExpect: 100-continue`,
    "",
    413,
    { answer: BODY },
  ),
  upload(
    "one byte over the limit in chunks",
    "Transfer-Encoding: chunked",
    Buffer.concat([
      Buffer.from(`${(BODY_LIMIT + 1).toString(16)}\r\n`),
      Buffer.alloc(BODY_LIMIT + 1),
      Buffer.from("\r\n0\r\n\r\n"),
    ]),
    413,
    { answer: BODY },
  ),
  upload("fewer bytes than declared", "Content-Length: 100", "only these", [0, 400], {
    options: { hangUp: true },
  }),
  upload("no bytes of those declared", "Content-Length: 100", "", [0, 400], { options: { hangUp: true } }),
  upload("chunks without an end", "Transfer-Encoding: chunked", "5\r\nhello\r\n", [0, 400], {
    options: { hangUp: true },
  }),
  upload("a chunk shorter than it says", "Transfer-Encoding: chunked", "ff\r\nhello", [0, 400], {
    options: { hangUp: true },
  }),
  upload(
    "a chunk length that is no number",
    "Transfer-Encoding: chunked",
    "zz\r\nhello\r\n0\r\n\r\n",
    [0, 400],
  ),
  upload("a negative length", "Content-Length: -5", "hello", RUNTIME),
  upload("a length with a sign", "Content-Length: +5", "hello", RUNTIME),
  upload("a length in hex", "Content-Length: 0x5", "hello", RUNTIME),
  upload("two lengths", "Content-Length: 5\r\nContent-Length: 6", "hello!", RUNTIME),
  upload("a length and chunks", "Content-Length: 5\r\nTransfer-Encoding: chunked", "zz", RUNTIME, {
    options: { hangUp: true },
  }),
  upload("an unknown transfer encoding", "Transfer-Encoding: rot13", "hello", RUNTIME, {
    options: { hangUp: true },
  }),
];

const METHODS: readonly Case[] = [
  ...["POST", "GET", "DELETE", "PATCH"].map(
    (method): Case => ({
      name: `${method} to the publisher`,
      head: `${method} /v1/blobs HTTP/1.1\r\nContent-Length: 0`,
      status: 405,
      answer: "",
    }),
  ),
  ...["PUT", "POST", "DELETE", "PATCH"].map(
    (method): Case => ({
      name: `${method} to a blob`,
      head: `${method} /v1/blobs/${ID} HTTP/1.1\r\nContent-Length: 0`,
      status: 405,
      answer: "",
    }),
  ),
  { name: "POST to the status", head: "POST /status HTTP/1.1\r\nContent-Length: 0", status: 405, answer: "" },
  { name: "a method that is none", head: "FROBNICATE /v1/blobs HTTP/1.1", status: [...RUNTIME, 405] },
  { name: "TRACE", head: `TRACE /v1/blobs/${ID} HTTP/1.1`, status: [...RUNTIME, 405] },
  { name: "HEAD of a malformed ID", head: "HEAD /v1/blobs/x HTTP/1.1", status: 400, answer: "" },
  { name: "no HTTP at all", head: "hello", status: RUNTIME },
  {
    name: "a thousand headers",
    head: `GET /v1/blobs/x HTTP/1.1\r\n${Array.from({ length: 1_000 }, (_, i) => `x-${i}: ${i}`).join("\r\n")}`,
    status: [...RUNTIME],
  },
  {
    name: "a header of 200 KB",
    head: `GET /v1/blobs/x HTTP/1.1\r\nx: ${"a".repeat(200_000)}`,
    status: RUNTIME,
  },
  {
    name: "an If-None-Match of 30 KB on a malformed ID",
    head: `GET /v1/blobs/x HTTP/1.1\r\nIf-None-Match: ${'"a",'.repeat(7_500)}`,
    status: [400, 431],
  },
];

/** Of the stored blob: header, status, answer or Content-Range. */
const RANGES: readonly [string, number, string | RegExp][] = [
  ["bytes=5-2", 416, /start index must be less than end index/],
  ["bytes=a-b", 416, /invalid range header format/],
  ["bytes=", 416, /invalid range header format/],
  ["bytes=-", 416, /must provide start index/],
  ["bytes=-0", 416, /byte range out of bounds/],
  ["bytes=3000-", 416, /byte range out of bounds: requested 3000-3000, blob size is 3000/],
  ["bytes=3000-3005", 416, /byte range out of bounds: requested 3000-3006, blob size is 3000/],
  ["bytes=0-1,3-4", 416, /only support one range per request/],
  ["bytes=0--1", 416, /invalid range header format/],
  ["bytes=-1-5", 416, /invalid range header format/],
  ["bytes=1.5-3", 416, /invalid range header format/],
  ["bytes=0x1-0x2", 416, /invalid range header format/],
  ["bytes 0-1", 416, /invalid range header format/],
  ["items=0-1", 416, /only bytes are supported/],
  ["bytes=9007199254740993-9007199254740999", 416, /byte range out of bounds/],
  ["bytes=99999999999999999999-", 416, /invalid range header format/],
  ["\u00e9", 416, /invalid range header format/],
  [`bytes=${"0".repeat(10_000)}-1`, 416, /invalid range header format/],
  ["bytes=0-0", 206, "bytes 0-0/3000"],
  [" bytes=0-1 ", 206, "bytes 0-1/3000"],
  ["bytes=2990-", 206, "bytes 2990-2999/3000"],
  ["bytes=-1", 206, "bytes 2999-2999/3000"],
  ["bytes=-99999", 206, "bytes 0-2999/3000"],
  ["bytes=2999-9999999", 206, "bytes 2999-2999/3000"],
];

describe("malformed requests", () => {
  let system: System;
  let blobId: string;
  const stateDir = mkdtempSync(join(tmpdir(), "floe-bad-input-"));

  beforeAll(async () => {
    system = await startSystem(
      { nodes: NODES.length, shards: 13 },
      { stateDir, bindings: { MAX_BODY_BYTES: String(BODY_LIMIT) } },
    );
    blobId = await system.publishBlob(CONTENT);
    // Its tail would be taken for what a malformed request did.
    await uploadsOver(system, [blobId]);
    await requestsOnceQuiet(system.network, NODES);
  });
  afterAll(async () => {
    await system[Symbol.asyncDispose]();
    rmSync(stateDir, { recursive: true, force: true });
  });

  const nodeRequests = (): number =>
    NODES.reduce((sum, name) => sum + system.network.nodeStats(name).requests, 0);
  /** Every Durable Object has a database of its own on disk. */
  const trackers = (): number =>
    readdirSync(stateDir, { recursive: true, encoding: "utf8" }).filter(
      (path) => path.includes("BlobTracker") && path.endsWith(".sqlite") && !path.includes("metadata"),
    ).length;
  const payments = async (): Promise<number> =>
    (await chainEvents(system.network.file, "BlobRegistered")).length;

  function send({ head, body = "", options }: Case): Promise<RawAnswer> {
    const bytes = Buffer.concat([
      Buffer.from(`${head}\r\nHost: floe\r\n\r\n`, "latin1"),
      typeof body === "string" ? Buffer.from(body) : body,
    ]);
    return sendRaw(system.edge.url, bytes, options);
  }

  function check(each: Case, answer: RawAnswer): void {
    const allowed = typeof each.status === "number" ? [each.status] : each.status;
    expect(allowed, `${answer.status} ${answer.body.slice(0, 200)}`).toContain(answer.status);
    if (each.answer === "") expect(answer.body).toBe("");
    else if (typeof each.answer === "string") expect(answer.body.startsWith(each.answer)).toBe(true);
    else if (each.answer !== undefined) expect(answer.body).toMatch(each.answer);
    expect(answer.body).not.toMatch(/\.ts\b|\.js\b|\bat .+:\d+|node_modules|Error:/);
    if (answer.headers.has("x-request-id")) expect(answer.headers.get("cache-control")).toBe("no-store");
  }

  describe.each<[string, readonly Case[]]>([
    ["paths", PATHS],
    ["queries of reads", READ_QUERIES],
    ["queries of uploads", PUBLISH_QUERIES],
    ["bodies", BODIES],
    ["methods and headers", METHODS],
  ])("%s", (_, cases) => {
    it.each(cases.map((each): [string, Case] => [each.name, each]))(
      "%s: refused, and no node, object or wallet hears of it",
      async (_name, each) => {
        const before = { requests: nodeRequests(), trackers: trackers() };
        check(each, await send(each));
        expect({ requests: nodeRequests(), trackers: trackers() }).toEqual(before);
      },
    );
  });

  it.each(RANGES)("Range '%s' is answered with %i", async (range, status, expected) => {
    const shown = range.length > 100 ? range.slice(0, 100) : range;
    const answer = await send({
      name: shown,
      head: `GET /v1/blobs/${blobId} HTTP/1.1\r\nRange: ${range}`,
      status,
    });
    expect(answer.status).toBe(status);
    if (status === 206) {
      expect(answer.headers.get("content-range")).toBe(expected);
      return;
    }
    expect(answer.body).toMatch(expected);
    expect(answer.body).toMatch(json("INVALID_BYTE_RANGE"));
    expect(answer.headers.get("content-range")).toBe("bytes */3000");
    expect(answer.headers.get("cache-control")).toBe("no-store");
  });

  it("stores exactly Content-Length bytes when more are sent", async () => {
    const sent = Buffer.concat([
      Buffer.from("PUT /v1/blobs?epochs=5 HTTP/1.1\r\nHost: floe\r\nContent-Length: 5\r\n\r\nhello"),
      Buffer.from(" and a second request that is none\r\n\r\n"),
    ]);
    const answer = await sendRaw(system.edge.url, sent);
    expect(answer.status).toBe(200);
    const [, stored = ""] = /"blobId":"([^"]+)"/.exec(answer.body) ?? [];
    const read = await bytesOf(await system.read(stored));
    expect(sameBytes(read, new TextEncoder().encode("hello"))).toBe(true);
  });

  it("has paid for nothing but the two uploads that were right", async () => {
    expect(await payments()).toBe(2);
    expect(trackers()).toBe(2);
  });
});
