// If this fails, official clients misread our nodes: another code, reason, text or byte than a real node would send.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { toHex } from "../../../shared/base/bytes.ts";
import { blobIdFromBytes, parseObjectId, type SliverPairIndex } from "../../../shared/protocol/ids.ts";
import { shardOfPair } from "../../../shared/protocol/mapping.ts";
import {
  committee,
  encodeBlob,
  type LoneNode,
  N_SHARDS,
  startLoneNode,
} from "../../support/nodes/lone-node.ts";
import { ScriptedChain } from "../../support/sui/scripted-chain.ts";

const OBJECT = parseObjectId(`0x${"2a".repeat(32)}`);
const OTHER_OBJECT = parseObjectId(`0x${"2b".repeat(32)}`);
/** 100 bytes whose encoding at n = 10 is known from the official SDK. */
const blob = encodeBlob(Uint8Array.from({ length: 100 }, (_, i) => (31 * i + 7) % 256));
const unknown = encodeBlob(Uint8Array.of(1, 2, 3));
const bare = encodeBlob(Uint8Array.of(4, 5, 6));
const invalid = encodeBlob(Uint8Array.of(7, 8, 9));
const blocked = encodeBlob(Uint8Array.of(10));
const B = blob.blobId;

const pairsWhere = (own: boolean, id = B): number[] =>
  Array.from({ length: N_SHARDS }, (_, pair) => pair).filter(
    (pair) => shardOfPair(pair as SliverPairIndex, id, N_SHARDS) < 5 === own,
  );
const [ownPair = 0] = pairsWhere(true);
const [foreignPair = 0] = pairsWhere(false);
const [bareOwnPair = 0, bareOtherOwnPair = 0] = pairsWhere(true, bare.blobId);

let node: LoneNode;
beforeAll(async () => {
  node = await startLoneNode();
  const { chain } = node;
  chain.register(B, OBJECT, 10);
  chain.register(bare.blobId, OTHER_OBJECT, 10, true);
  chain.register(invalid.blobId, parseObjectId("0x2c"), 10);
  chain.emit({ kind: "InvalidBlobID", epoch: 5, blob_id: invalid.blobId });
  chain.register(blocked.blobId, parseObjectId("0x2d"), 10);
  await node.caughtUp(5);
  node.blocked.add(blocked.blobId);
  await node.upload(blob);
});
afterAll(async () => {
  expect(node.errors).toEqual([]);
  await node.stop();
});

const error = (status: string, code: number, reason: string) => ({
  error: {
    status,
    code,
    message: expect.any(String) as string,
    details: [{ "@type": "ErrorInfo", reason, domain: "storage.walrus.space", metadata: {} }],
  },
});
const precondition = (reason: string) => [400, error("FAILED_PRECONDITION", 400, reason)] as const;
const argument = (reason: string) => [400, error("INVALID_ARGUMENT", 400, reason)] as const;
const missing = (reason: string) => [404, error("NOT_FOUND", 404, reason)] as const;
const forbidden = [451, error("UNAVAILABLE_FOR_LEGAL_REASONS", 451, "FORBIDDEN_BLOB")] as const;
const success = (code: number, data: unknown) => [code, { success: { code, data } }] as const;
const text = (status: number) => [status, "text"] as const;

const changed = (bytes: Uint8Array, at: number): Uint8Array => {
  const copy = bytes.slice();
  copy[at] = (copy[at] ?? 0) ^ 1;
  return copy;
};
const sliver = (pair: number, axis: "primary" | "secondary", of = blob): Uint8Array =>
  of.pairs[pair]?.[axis] ?? new Uint8Array();

type Case = readonly [
  claim: string,
  request: string,
  answer: readonly [number, unknown],
  body?: Uint8Array,
  headers?: Record<string, string>,
];
const at = (id: string, rest: string) => `/v1/blobs/${id}/${rest}`;

const CASES: readonly Case[] = [
  ["metadata of a blocked blob", `GET ${at(blocked.blobId, "metadata")}`, forbidden],
  [
    "metadata of an unregistered blob",
    `GET ${at(unknown.blobId, "metadata")}`,
    missing("METADATA_NOT_FOUND"),
  ],
  ["metadata registered, not stored", `GET ${at(bare.blobId, "metadata")}`, missing("METADATA_NOT_FOUND")],
  ["metadata of an invalid blob", `GET ${at(invalid.blobId, "metadata")}`, missing("METADATA_NOT_FOUND")],
  ["metadata status stored", `GET ${at(B, "metadata/status")}`, success(200, "stored")],
  ["metadata status without", `GET ${at(unknown.blobId, "metadata/status")}`, success(200, "nonexistent")],

  [
    "metadata sent as JSON",
    `PUT ${at(B, "metadata")}`,
    argument("INVALID_CONTENT_TYPE"),
    blob.metadata,
    { "content-type": "application/json" },
  ],
  [
    "metadata too short",
    `PUT ${at(B, "metadata")}`,
    argument("INVALID_CONTENT_TYPE"),
    blob.metadata.subarray(1),
  ],
  [
    "metadata of an invalid blob",
    `PUT ${at(invalid.blobId, "metadata")}`,
    precondition("INVALID_BLOB"),
    invalid.metadata,
  ],
  [
    "metadata stored before, new bytes not looked at",
    `PUT ${at(B, "metadata")}`,
    success(200, "metadata already stored"),
    changed(blob.metadata, 100),
  ],
  [
    "metadata of the retired encoding",
    `PUT ${at(bare.blobId, "metadata")}`,
    argument("UNSUPPORTED_ENCODING_TYPE"),
    changed(bare.metadata, 1),
  ],
  [
    "metadata that hashes to another blob",
    `PUT ${at(bare.blobId, "metadata")}`,
    argument("INVALID_METADATA"),
    blob.metadata,
  ],
  [
    "metadata for another number of shards",
    `PUT ${at(bare.blobId, "metadata")}`,
    argument("INVALID_METADATA"),
    encodeBlob(Uint8Array.of(4, 5, 6), 7).metadata,
  ],
  [
    "metadata of an unregistered blob",
    `PUT ${at(unknown.blobId, "metadata")}`,
    precondition("NOT_REGISTERED"),
    unknown.metadata,
  ],
  [
    "wrong metadata of an unregistered blob: verified before asking the chain",
    `PUT ${at(unknown.blobId, "metadata")}`,
    argument("INVALID_METADATA"),
    blob.metadata,
  ],
  [
    "metadata pending",
    `PUT ${at(unknown.blobId, "metadata?pending=true")}`,
    precondition("CACHE_SATURATED"),
    unknown.metadata,
  ],
  ["unknown query key on upload", `PUT ${at(B, "metadata?force=true")}`, text(400), blob.metadata],
  ["pending twice", `PUT ${at(B, "metadata?pending=true&pending=true")}`, text(400), blob.metadata],

  ["sliver pair out of range", `GET ${at(B, "slivers/10/primary")}`, argument("INDEX_OUT_OF_RANGE")],
  ["sliver of a blocked blob", `GET ${at(blocked.blobId, "slivers/0/primary")}`, forbidden],
  [
    "sliver of an unregistered blob",
    `GET ${at(unknown.blobId, "slivers/0/primary")}`,
    missing("SLIVER_NOT_FOUND"),
  ],
  [
    "sliver of a foreign shard",
    `GET ${at(B, `slivers/${foreignPair}/primary`)}`,
    precondition("SHARD_NOT_ASSIGNED"),
  ],
  [
    "sliver not stored",
    `GET ${at(bare.blobId, `slivers/${bareOwnPair}/primary`)}`,
    missing("SLIVER_NOT_FOUND"),
  ],
  ["sliver type misspelled", `GET ${at(B, "slivers/0/Primary")}`, text(400)],
  ["sliver pair above u16", `GET ${at(B, "slivers/65536/primary")}`, text(400)],
  ["sliver pair with leading zero", `GET ${at(B, "slivers/01/primary")}`, text(400)],
  ["sliver status stored", `GET ${at(B, `slivers/${ownPair}/secondary/status`)}`, success(200, "stored")],
  [
    "sliver status without",
    `GET ${at(bare.blobId, `slivers/${bareOwnPair}/primary/status`)}`,
    success(200, "nonexistent"),
  ],
  [
    "sliver status of a foreign shard",
    `GET ${at(B, `slivers/${foreignPair}/primary/status`)}`,
    precondition("SHARD_NOT_ASSIGNED"),
  ],

  [
    "sliver pair out of range",
    `PUT ${at(B, "slivers/10/primary")}`,
    argument("INDEX_OUT_OF_RANGE"),
    sliver(ownPair, "primary"),
  ],
  [
    "sliver that does not decode",
    `PUT ${at(B, `slivers/${ownPair}/primary`)}`,
    argument("INVALID_CONTENT_TYPE"),
    Uint8Array.of(1),
  ],
  [
    "sliver of another pair",
    `PUT ${at(B, `slivers/${ownPair}/primary`)}`,
    argument("SLIVER_INDEX_MISMATCH"),
    sliver(foreignPair, "primary"),
  ],
  [
    "sliver before metadata, registered",
    `PUT ${at(bare.blobId, `slivers/${bareOwnPair}/primary`)}`,
    precondition("METADATA_NOT_FOUND"),
    sliver(bareOwnPair, "primary", bare),
  ],
  [
    "sliver before metadata, unregistered",
    `PUT ${at(unknown.blobId, "slivers/0/primary")}`,
    precondition("NOT_REGISTERED"),
    sliver(0, "primary", unknown),
  ],
  [
    "sliver before metadata, unregistered but pending",
    `PUT ${at(unknown.blobId, "slivers/0/primary?pending=true")}`,
    precondition("METADATA_NOT_FOUND"),
    sliver(0, "primary", unknown),
  ],
  [
    "sliver of a foreign shard",
    `PUT ${at(B, `slivers/${foreignPair}/primary`)}`,
    precondition("SHARD_NOT_ASSIGNED"),
    sliver(foreignPair, "primary"),
  ],
  [
    "sliver stored before, new bytes not looked at",
    `PUT ${at(B, `slivers/${ownPair}/primary`)}`,
    success(200, "sliver already stored"),
    changed(sliver(ownPair, "primary"), 3),
  ],

  [
    "confirmation of an unregistered blob",
    `GET ${at(unknown.blobId, "confirmation/permanent")}`,
    precondition("NOT_REGISTERED"),
  ],
  [
    "confirmation without slivers",
    `GET ${at(bare.blobId, "confirmation/permanent")}`,
    precondition("MISSING_SLIVERS"),
  ],
  [
    "deletable confirmation for an object of another blob",
    `GET ${at(B, `confirmation/deletable/${OTHER_OBJECT}`)}`,
    precondition("NOT_REGISTERED"),
  ],
  ["malformed object ID", `GET ${at(B, "confirmation/deletable/0xzz")}`, text(400)],

  ["no symbol asked for", `GET ${at(B, "recoverySymbols")}`, precondition("NO_SYMBOLS_SPECIFIED")],
  [
    "both symbol filters",
    `GET ${at(B, "recoverySymbols?id=0-0&targetSliver=1&targetType=primary")}`,
    argument("INVALID_FILTER"),
  ],
  ["half a target filter", `GET ${at(B, "recoverySymbols?targetSliver=1")}`, argument("INVALID_FILTER")],
  [
    "symbol out of range",
    `GET ${at(B, "recoverySymbols?id=0-10")}`,
    argument("RECOVERY_SYMBOL_OUT_OF_RANGE"),
  ],
  ["symbols of a blocked blob", `GET ${at(blocked.blobId, "recoverySymbols?id=0-0")}`, forbidden],
  [
    "symbols of an unregistered blob",
    `GET ${at(unknown.blobId, "recoverySymbols?id=0-0")}`,
    missing("SLIVER_NOT_FOUND"),
  ],
  [
    "symbol of foreign shards",
    `GET ${at(B, `recoverySymbols?id=${foreignPair}-0&proofAxis=primary`)}`,
    precondition("SYMBOL_NOT_PRESENT_AT_SHARDS"),
  ],
  [
    "no decoding target",
    `GET ${at(B, "decodingSymbols?targetType=primary")}`,
    precondition("NO_TARGET_SLIVERS_SPECIFIED"),
  ],
  [
    "decoding target that is no source sliver",
    `GET ${at(B, "decodingSymbols?targetSlivers=4&targetType=primary")}`,
    argument("INDEX_OUT_OF_RANGE"),
  ],

  [
    "proof for a blob without metadata",
    `POST ${at(bare.blobId, "inconsistencyProof/primary")}`,
    precondition("METADATA_NOT_FOUND"),
    Uint8Array.of(0),
  ],
  [
    "proof for a blocked blob",
    `POST ${at(blocked.blobId, "inconsistencyProof/primary")}`,
    precondition("FORBIDDEN_BLOB"),
    Uint8Array.of(0),
  ],
  [
    "proof that does not decode",
    `POST ${at(B, "inconsistencyProof/primary")}`,
    argument("INVALID_CONTENT_TYPE"),
    Uint8Array.of(0),
  ],
  [
    "proof without symbols",
    `POST ${at(B, "inconsistencyProof/primary")}`,
    argument("INVALID_PROOF"),
    Uint8Array.of(0, 0, 0),
  ],

  ["status of an unknown blob", `GET ${at(unknown.blobId, "status")}`, success(200, "nonexistent")],
  [
    "status of an invalid blob",
    `GET ${at(invalid.blobId, "status")}`,
    success(200, { invalid: { event: { txDigest: "digest-3", eventSeq: "3" } } }),
  ],
  [
    "status of a deletable blob",
    `GET ${at(bare.blobId, "status")}`,
    success(200, {
      deletable: {
        initialCertifiedEpoch: null,
        deletableCounts: { count_deletable_total: 1, count_deletable_certified: 0 },
      },
    }),
  ],
  ["blob ID with set unused bits", `GET ${at(`${B.slice(0, 42)}V`, "status")}`, text(400)],
  ["blob ID too short", `GET ${at("abc", "status")}`, text(400)],
  ["unknown path", "GET /v1/blobs", text(404)],
  ["unknown method", `DELETE ${at(B, "metadata")}`, text(405)],
];

describe("answers exactly as specified:", () => {
  test.each(CASES.map(([claim, ...rest]) => [claim, rest] as const))("%s", async (_claim, rest) => {
    const [request, [status, expected], body, headers] = rest;
    const [method = "", path = ""] = request.split(" ");
    const response = await node.ask(method, path, body, headers);
    const got = await response.text();
    expect(response.status).toBe(status);
    expect(response.headers.get("access-control-allow-origin")).toBe("*");
    if (expected === "text") expect(response.headers.get("content-type") ?? "text/").toMatch(/^text\//);
    else expect(JSON.parse(got)).toEqual(expected);
  });
});

test("serves the bytes that were put, metadata with the blob ID in front", async () => {
  const metadata = await node.ask("GET", at(B, "metadata"));
  expect(metadata.headers.get("content-type")).toBe("application/octet-stream");
  const bytes = new Uint8Array(await metadata.arrayBuffer());
  expect(blobIdFromBytes(bytes.subarray(0, 32))).toBe(B);
  expect(toHex(bytes.subarray(32))).toBe(toHex(blob.metadata));
  for (const axis of ["primary", "secondary"] as const) {
    const response = await node.ask("GET", at(B, `slivers/${ownPair}/${axis}`));
    expect(toHex(new Uint8Array(await response.arrayBuffer()))).toBe(toHex(sliver(ownPair, axis)));
  }
});

test("keeps the key order of a permanent status, by which the official SDK groups answers", async () => {
  const response = await node.ask("GET", at(B, "status"));
  expect(await response.text()).toBe(
    '{"success":{"code":200,"data":{"permanent":{"endEpoch":10,"isCertified":false,' +
      '"statusEvent":{"txDigest":"digest-0","eventSeq":"0"},' +
      '"deletableCounts":{"count_deletable_total":0,"count_deletable_certified":0},"initialCertifiedEpoch":null}}}}',
  );
});

test("refuses a sliver whose bytes do not hash to the metadata, and stores nothing of it", async () => {
  const put = await node.ask("PUT", at(bare.blobId, "metadata?pending=true"), bare.metadata);
  expect([put.status, await put.json()]).toEqual(success(202, "metadata successfully stored"));
  const path = at(bare.blobId, `slivers/${bareOwnPair}/primary`);
  const bad = await node.ask("PUT", path, changed(sliver(bareOwnPair, "primary", bare), 2));
  expect([bad.status, await bad.json()]).toEqual(argument("INVALID_SLIVER"));
  expect(await (await node.ask("GET", `${path}/status`)).json()).toEqual(success(200, "nonexistent")[1]);
  const good = await node.ask("PUT", path, sliver(bareOwnPair, "primary", bare));
  expect([good.status, await good.json()]).toEqual(success(201, "sliver stored successfully"));
  const other = at(bare.blobId, `slivers/${bareOtherOwnPair}/secondary?pending=true`);
  const pending = await node.ask("PUT", other, sliver(bareOtherOwnPair, "secondary", bare));
  expect([pending.status, await pending.json()]).toEqual(
    success(202, "sliver buffered pending registration"),
  );
});

test("refuses a sliver body above the largest one possible with 413 before reading it", async () => {
  const response = await node.ask("PUT", at(B, "slivers/0/primary"), new Uint8Array(7 * 65_534 + 129));
  expect(response.status).toBe(413);
});

test("answers a preflight from any origin, and HEAD with the length of GET", async () => {
  const preflight = await node.ask("OPTIONS", at(B, "metadata"), undefined, {
    origin: "https://example.com",
  });
  expect(preflight.status).toBe(200);
  expect(preflight.headers.get("access-control-allow-methods")).toBe("*");
  expect(preflight.headers.get("access-control-allow-headers")).toBe("*");
  const head = await node.ask("HEAD", at(B, "metadata"));
  expect([head.status, head.headers.get("content-length")]).toEqual([200, "703"]);
});

test("serves the known symbol 3-0 with a proof, and one symbol per own shard for a target", async () => {
  const known =
    "0103000433527190000004014890be48a76511d1025a5a614848f88c0a4aa7831810f0969b610021f6ac4e9601a38f0eee6eb07c4f0f771" +
    "f649b79d7835e031990f538c71b763a07e08901b74001b183e1169e875a83c686077db08808d9dd2cce3f886f44da0493a068c43f099e01" +
    "467f89b7ce4140ef291f7c826ebc1d6163a71d0d1be90aa53d1935d441a50f8f";
  const owner = shardOfPair(3 as SliverPairIndex, B, N_SHARDS);
  const chain = new ScriptedChain({ epoch: 5, committee: committee(5, [owner]), previousCommittee: null });
  const holder = await startLoneNode({ chain });
  chain.register(B, OBJECT, 10);
  await holder.caughtUp(1);
  await holder.upload(blob);
  const one = await holder.ask("GET", at(B, "recoverySymbols?id=3-0&proofAxis=primary"));
  expect(toHex(new Uint8Array(await one.arrayBuffer()))).toBe(`01${known}`);
  await holder.stop();
  const target = await node.ask(
    "GET",
    at(B, "recoverySymbols?targetSliver=3&targetType=primary&proofAxis=secondary"),
  );
  const bytes = new Uint8Array(await target.arrayBuffer());
  expect([target.status, bytes[0]]).toEqual([200, 5]);
});

test("serves decoding symbols without proofs, keys in the order of their bytes, and an empty map without slivers", async () => {
  const response = await node.ask(
    "GET",
    at(B, "decodingSymbols?targetSlivers=1&targetSlivers=0&targetType=primary"),
  );
  const bytes = new Uint8Array(await response.arrayBuffer());
  // 2 targets; per target: index u16, 5 symbols of tag, index u16, length, 4 bytes.
  expect(bytes.length).toBe(1 + 2 * (2 + 1 + 5 * (1 + 2 + 1 + 4)));
  expect([...bytes.subarray(0, 5)]).toEqual([2, 0, 0, 5, 0]);
  const none = await node.ask(
    "GET",
    at(blocked.blobId, "decodingSymbols?targetSlivers=0&targetType=primary"),
  );
  expect(none.status).toBe(451);
});
