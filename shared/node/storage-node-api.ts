/**
 * The HTTP API of a Walrus storage node: paths, queries, envelopes, upload answers and the error catalogue.
 *
 * Written once for both sides: clients build paths and read envelopes, the local network's nodes parse paths and
 * write envelopes. All paths start with `/v1`; every route except the upload of slivers answers a few KiB of JSON
 * or one BCS value.
 *
 * | method and path                                     | body in -> out                                |
 * |-----------------------------------------------------|-----------------------------------------------|
 * | GET  /blobs/{id}/metadata                           | - -> blob ID, BlobMetadata                    |
 * | PUT  /blobs/{id}/metadata[?pending=true]            | BlobMetadata -> JSON text                     |
 * | GET  /blobs/{id}/metadata/status                    | - -> JSON stored state                        |
 * | GET  /blobs/{id}/slivers/{pair}/{axis}              | - -> SliverData                               |
 * | PUT  /blobs/{id}/slivers/{pair}/{axis}[?pending=true] | SliverData -> JSON text                     |
 * | GET  /blobs/{id}/slivers/{pair}/{axis}/status       | - -> JSON stored state                        |
 * | GET  /blobs/{id}/confirmation/permanent             | - -> JSON signed message                      |
 * | GET  /blobs/{id}/confirmation/deletable/{object}    | - -> JSON signed message                      |
 * | GET  /blobs/{id}/recoverySymbols?...                | - -> vector of GeneralRecoverySymbol          |
 * | GET  /blobs/{id}/decodingSymbols?...                | - -> map of u16 to vector of decoding symbols |
 * | POST /blobs/{id}/inconsistencyProof/{axis}          | InconsistencyProof -> JSON signed message     |
 * | GET  /blobs/{id}/status                             | - -> JSON blob status                         |
 * | GET  /health[?detailed=true]                        | - -> JSON health                              |
 */
import { ProtocolError } from "../base/errors.ts";
import {
  type Axis,
  type BlobId,
  type ObjectId,
  parseBlobId,
  parseObjectId,
  type SliverIndex,
  type SliverPairIndex,
} from "../protocol/ids.ts";
import type { Persistence } from "../protocol/messages.ts";
import { type SymbolId, symbolIdText } from "../protocol/recovery-symbol.ts";

export const OCTET_STREAM = "application/octet-stream";
export const JSON_TYPE = "application/json";

/** What recovery symbols to ask for: some by ID, or one from every shard of the node. */
export type SymbolFilter =
  | { readonly kind: "ids"; readonly ids: readonly SymbolId[]; readonly proofAxis?: Axis }
  | { readonly kind: "target"; readonly axis: Axis; readonly index: SliverIndex; readonly proofAxis?: Axis };

/** Paths with their query, to be appended to a node's base URL (which has no trailing slash). */
export const NODE_PATHS = {
  metadata: (blobId: BlobId): string => `/v1/blobs/${blobId}/metadata`,
  metadataStatus: (blobId: BlobId): string => `/v1/blobs/${blobId}/metadata/status`,
  sliver: (blobId: BlobId, pair: SliverPairIndex, axis: Axis): string =>
    `/v1/blobs/${blobId}/slivers/${pair}/${axis}`,
  sliverStatus: (blobId: BlobId, pair: SliverPairIndex, axis: Axis): string =>
    `/v1/blobs/${blobId}/slivers/${pair}/${axis}/status`,
  confirmation: (blobId: BlobId, persistence: Persistence): string =>
    persistence.kind === "permanent"
      ? `/v1/blobs/${blobId}/confirmation/permanent`
      : `/v1/blobs/${blobId}/confirmation/deletable/${persistence.objectId}`,
  recoverySymbols: (blobId: BlobId, filter: SymbolFilter): string =>
    `/v1/blobs/${blobId}/recoverySymbols?${symbolQuery(filter)}`,
  decodingSymbols: (blobId: BlobId, axis: Axis, targets: readonly SliverIndex[]): string =>
    `/v1/blobs/${blobId}/decodingSymbols?${targets.map((target) => `targetSlivers=${target}&`).join("")}targetType=${axis}`,
  inconsistencyProof: (blobId: BlobId, axis: Axis): string =>
    `/v1/blobs/${blobId}/inconsistencyProof/${axis}`,
  blobStatus: (blobId: BlobId): string => `/v1/blobs/${blobId}/status`,
  health: (detailed = false): string => (detailed ? "/v1/health?detailed=true" : "/v1/health"),
} as const;

function symbolQuery(filter: SymbolFilter): string {
  const proofAxis = filter.proofAxis === undefined ? "" : `&proofAxis=${filter.proofAxis}`;
  if (filter.kind === "target") return `targetSliver=${filter.index}&targetType=${filter.axis}${proofAxis}`;
  return filter.ids.map((id) => `id=${symbolIdText(id)}`).join("&") + proofAxis;
}

/**
 * A request as its path says it. Indexes are only known to be u16: whether they are below the number of shards is
 * the handler's first question, because it answers with a reason of its own.
 */
export type NodeRoute =
  | { readonly name: "metadata"; readonly blobId: BlobId }
  | { readonly name: "metadata-status"; readonly blobId: BlobId }
  | { readonly name: "sliver"; readonly blobId: BlobId; readonly pair: number; readonly axis: Axis }
  | { readonly name: "sliver-status"; readonly blobId: BlobId; readonly pair: number; readonly axis: Axis }
  | { readonly name: "confirmation"; readonly blobId: BlobId; readonly persistence: Persistence }
  | { readonly name: "recovery-symbols"; readonly blobId: BlobId }
  | { readonly name: "decoding-symbols"; readonly blobId: BlobId }
  | { readonly name: "inconsistency-proof"; readonly blobId: BlobId; readonly axis: Axis }
  | { readonly name: "blob-status"; readonly blobId: BlobId }
  | { readonly name: "health" };

export type NodeRouteName = NodeRoute["name"];

/** Methods by route; a GET route also answers HEAD. */
export const NODE_METHODS: Readonly<Record<NodeRouteName, readonly string[]>> = {
  metadata: ["GET", "HEAD", "PUT"],
  "metadata-status": ["GET", "HEAD"],
  sliver: ["GET", "HEAD", "PUT"],
  "sliver-status": ["GET", "HEAD"],
  confirmation: ["GET", "HEAD"],
  "recovery-symbols": ["GET", "HEAD"],
  "decoding-symbols": ["GET", "HEAD"],
  "inconsistency-proof": ["POST"],
  "blob-status": ["GET", "HEAD"],
  health: ["GET", "HEAD"],
};

/** A path segment or query that no handler ever sees: official nodes answer 400 in plain text. */
export class UnparsableRequest extends ProtocolError {}

/**
 * Parses a request path (percent-encoding is not undone: no valid segment needs it).
 *
 * @returns undefined when no route has this shape (404)
 * @throws UnparsableRequest when the shape fits and a segment does not (400, plain text)
 */
export function parseNodePath(pathname: string): NodeRoute | undefined {
  if (pathname === "/v1/health") return { name: "health" };
  const [root, version, blobs, id, what, ...rest] = pathname.split("/");
  if (root !== "" || version !== "v1" || blobs !== "blobs" || id === undefined || what === undefined) {
    return undefined;
  }
  const [first, second, third] = rest;
  switch (`${what}:${rest.length}`) {
    case "metadata:0":
      return { name: "metadata", blobId: blobIdSegment(id) };
    case "metadata:1":
      return first === "status" ? { name: "metadata-status", blobId: blobIdSegment(id) } : undefined;
    case "slivers:2":
      return { name: "sliver", blobId: blobIdSegment(id), pair: u16(first), axis: axisOf(second) };
    case "slivers:3":
      if (third !== "status") return undefined;
      return { name: "sliver-status", blobId: blobIdSegment(id), pair: u16(first), axis: axisOf(second) };
    case "confirmation:1":
      if (first !== "permanent") return undefined;
      return { name: "confirmation", blobId: blobIdSegment(id), persistence: { kind: "permanent" } };
    case "confirmation:2": {
      if (first !== "deletable") return undefined;
      const objectId = objectIdSegment(second);
      return {
        name: "confirmation",
        blobId: blobIdSegment(id),
        persistence: { kind: "deletable", objectId },
      };
    }
    case "recoverySymbols:0":
      return { name: "recovery-symbols", blobId: blobIdSegment(id) };
    case "decodingSymbols:0":
      return { name: "decoding-symbols", blobId: blobIdSegment(id) };
    case "inconsistencyProof:1":
      return { name: "inconsistency-proof", blobId: blobIdSegment(id), axis: axisOf(first) };
    case "status:0":
      return { name: "blob-status", blobId: blobIdSegment(id) };
    default:
      return undefined;
  }
}

function blobIdSegment(text: string): BlobId {
  try {
    return parseBlobId(text);
  } catch (cause) {
    throw new UnparsableRequest("INVALID_BLOB_ID", "the blob ID in the path is malformed", { cause });
  }
}

function objectIdSegment(text: string | undefined): ObjectId {
  try {
    return parseObjectId(text ?? "");
  } catch (cause) {
    throw new UnparsableRequest("INVALID_OBJECT_ID", "the object ID in the path is malformed", { cause });
  }
}

function u16(text: string | undefined): number {
  if (text === undefined || !/^(0|[1-9][0-9]{0,4})$/.test(text) || Number(text) > 0xffff) {
    throw new UnparsableRequest("INVALID_INDEX", "an index is a decimal number from 0 to 65535");
  }
  return Number(text);
}

function axisOf(text: string | undefined | null): Axis {
  if (text === "primary" || text === "secondary") return text;
  throw new UnparsableRequest("INVALID_INDEX", "a sliver type is primary or secondary");
}

function flag(text: string): boolean {
  if (text === "true" || text === "false") return text === "true";
  throw new UnparsableRequest("INVALID_INDEX", "a flag is true or false");
}

/** Query of the two upload routes. @throws UnparsableRequest for any key but `pending`, or a repeated one */
export function parseUploadQuery(query: URLSearchParams): { readonly pending: boolean } {
  let pending: boolean | undefined;
  for (const [key, value] of query) {
    if (key !== "pending" || pending !== undefined) {
      throw new UnparsableRequest("INVALID_INDEX", "an upload takes one query parameter, pending");
    }
    pending = flag(value);
  }
  return { pending: pending ?? false };
}

/** Query of the health route; other keys are ignored. @throws UnparsableRequest */
export function parseHealthQuery(query: URLSearchParams): { readonly detailed: boolean } {
  return { detailed: flag(query.get("detailed") ?? "false") };
}

/** Symbol IDs as they stand in a query, not yet compared with the number of shards. */
export type RawSymbolFilter =
  | { readonly kind: "ids"; readonly ids: readonly SymbolId[]; readonly proofAxis: Axis | undefined }
  | {
      readonly kind: "target";
      readonly axis: Axis;
      readonly index: number;
      readonly proofAxis: Axis | undefined;
    };

/**
 * Query of recoverySymbols. IDs come back without duplicates, ordered by primary, then secondary index.
 *
 * @returns undefined when neither form, or both, or half of the target form is given (`INVALID_FILTER`)
 * @throws UnparsableRequest when a value is malformed
 */
export function parseSymbolFilter(query: URLSearchParams): RawSymbolFilter | undefined {
  const proofText = query.get("proofAxis");
  const proofAxis = proofText === null ? undefined : axisOf(proofText);
  const idTexts = query.getAll("id");
  const index = query.get("targetSliver");
  const axis = query.get("targetType");
  if (index !== null || axis !== null) {
    if (index === null || axis === null || idTexts.length > 0) return undefined;
    return { kind: "target", axis: axisOf(axis), index: u16(index), proofAxis };
  }
  const byKey = new Map<number, SymbolId>();
  for (const text of idTexts) {
    const [primary, secondary, ...more] = text.split("-");
    if (more.length > 0) throw new UnparsableRequest("INVALID_INDEX", "a symbol ID is <primary>-<secondary>");
    const id = { primary: u16(primary) as SliverIndex, secondary: u16(secondary) as SliverIndex };
    byKey.set(id.primary * 65536 + id.secondary, id);
  }
  const ids = [...byKey].sort(([a], [b]) => a - b).map(([, id]) => id);
  return { kind: "ids", ids, proofAxis };
}

/** Query of decodingSymbols: target indexes, ascending, each once. @throws UnparsableRequest */
export function parseDecodingFilter(query: URLSearchParams): { axis: Axis; targets: SliverIndex[] } {
  const targets = new Set(query.getAll("targetSlivers").map((text) => u16(text)));
  return {
    axis: axisOf(query.get("targetType")),
    targets: [...targets].sort((a, b) => a - b) as SliverIndex[],
  };
}

/** What a node says of one piece of data; lower case on the wire. */
export type StoredState = "stored" | "buffered" | "nonexistent";

/** The official SDK's type spells it with a capital, real nodes do not: both are read. */
export function parseStoredState(data: unknown): StoredState {
  const text = typeof data === "string" ? data.toLowerCase() : undefined;
  if (text === "stored" || text === "buffered" || text === "nonexistent") return text;
  throw new ProtocolError("INVALID_STATUS", "a stored state is stored, buffered or nonexistent");
}

/** Codes and texts of accepted uploads; 201 and 202 mean new, 200 that it was there before. */
export const UPLOAD_ANSWERS = {
  metadataStored: { code: 201, text: "metadata successfully stored" },
  /** Asked with `pending=true`: the code says so although the data is durable. */
  metadataStoredPending: { code: 202, text: "metadata successfully stored" },
  metadataExisted: { code: 200, text: "metadata already stored" },
  metadataBuffered: { code: 202, text: "metadata buffered pending registration" },
  sliverStored: { code: 201, text: "sliver stored successfully" },
  sliverBuffered: { code: 202, text: "sliver buffered pending registration" },
  sliverExisted: { code: 200, text: "sliver already stored" },
} as const;

export type UploadAnswer = (typeof UPLOAD_ANSWERS)[keyof typeof UPLOAD_ANSWERS];

interface CatalogueEntry {
  readonly http: number;
  readonly status: string;
  /** The `reason` on the wire, where it differs from the entry's name. */
  readonly reason?: string;
}

const invalidArgument = { http: 400, status: "INVALID_ARGUMENT" } as const;
const failedPrecondition = { http: 400, status: "FAILED_PRECONDITION" } as const;
const notFound = { http: 404, status: "NOT_FOUND" } as const;

/** Every error a node returns from a handler. Clients must know the (HTTP code, status) pair or they drop it. */
export const NODE_ERRORS = {
  NOT_REGISTERED: failedPrecondition,
  METADATA_NOT_FOUND: notFound,
  /** The same reason where metadata is needed first: sliver upload and inconsistency proof. */
  METADATA_REQUIRED: { ...failedPrecondition, reason: "METADATA_NOT_FOUND" },
  SLIVER_NOT_FOUND: notFound,
  FORBIDDEN_BLOB: { http: 451, status: "UNAVAILABLE_FOR_LEGAL_REASONS" },
  /** A blocked blob's inconsistency proof is refused as a precondition. */
  FORBIDDEN_PROOF: { ...failedPrecondition, reason: "FORBIDDEN_BLOB" },
  SHARD_NOT_ASSIGNED: failedPrecondition,
  INDEX_OUT_OF_RANGE: invalidArgument,
  MISSING_SLIVERS: failedPrecondition,
  CACHE_SATURATED: failedPrecondition,
  INVALID_METADATA: invalidArgument,
  INVALID_SLIVER: invalidArgument,
  SLIVER_INDEX_MISMATCH: invalidArgument,
  UNSUPPORTED_ENCODING_TYPE: invalidArgument,
  INVALID_BLOB: failedPrecondition,
  SYMBOL_NOT_PRESENT_AT_SHARDS: failedPrecondition,
  NO_SYMBOLS_SPECIFIED: failedPrecondition,
  NO_TARGET_SLIVERS_SPECIFIED: failedPrecondition,
  RECOVERY_SYMBOL_OUT_OF_RANGE: invalidArgument,
  INVALID_FILTER: invalidArgument,
  INVALID_PROOF: invalidArgument,
  INVALID_CONTENT_TYPE: invalidArgument,
  UNAVAILABLE: { http: 503, status: "UNAVAILABLE" },
  INTERNAL_ERROR: { http: 500, status: "INTERNAL" },
} as const satisfies Readonly<Record<string, CatalogueEntry>>;

export type NodeErrorName = keyof typeof NODE_ERRORS;

const ERROR_DOMAIN = "storage.walrus.space";

export const successBody = (code: number, data: unknown): string =>
  JSON.stringify({ success: { code, data } });

/** The official error envelope; `details[0]` is what clients look at. 500s say nothing but a trace ID. */
export function errorBody(
  name: NodeErrorName,
  message: string,
  traceId?: string,
): { http: number; body: string } {
  const entry: CatalogueEntry = NODE_ERRORS[name];
  const details: unknown[] = [
    { "@type": "ErrorInfo", reason: entry.reason ?? name, domain: ERROR_DOMAIN, metadata: {} },
  ];
  if (traceId !== undefined) {
    details.push({ "@type": "DebugInfo", stackEntries: [], detail: `TraceID: ${traceId}` });
  }
  const error = { status: entry.status, code: entry.http, message, details };
  return { http: entry.http, body: JSON.stringify({ error }) };
}

/** What of an error envelope a client acts on. */
export interface NodeErrorInfo {
  readonly status: string;
  readonly message: string;
  /** `details[0].reason`, where clients look for it. */
  readonly reason: string | undefined;
}

/** @returns undefined for anything but the envelope: proxies and web frameworks answer text, HTML or nothing */
export function parseErrorBody(text: string): NodeErrorInfo | undefined {
  const error = property(parseJson(text), "error");
  const status = property(error, "status");
  const message = property(error, "message");
  if (typeof status !== "string" || typeof message !== "string") return undefined;
  const details = property(error, "details");
  const reason = property(Array.isArray(details) ? details[0] : undefined, "reason");
  return { status, message, reason: typeof reason === "string" ? reason : undefined };
}

/** The `data` of a success envelope. @throws ProtocolError `INVALID_MESSAGE` when there is none */
export function parseSuccessBody(text: string): unknown {
  const success = property(parseJson(text), "success");
  if (typeof success !== "object" || success === null || !("data" in success)) {
    throw new ProtocolError("INVALID_MESSAGE", `no success envelope in ${text.length} characters`, {
      details: { characters: text.length },
    });
  }
  return success.data;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function property(value: unknown, key: string): unknown {
  return typeof value === "object" && value !== null
    ? (value as Readonly<Record<string, unknown>>)[key]
    : undefined;
}

export type ShardState = "unknown" | "ready" | "inTransfer" | "inRecovery" | "readOnly";

/** `data` of the health route. Unsigned: for triage only. */
export interface NodeHealth {
  readonly uptime: { readonly secs: number; readonly nanos: number };
  readonly epoch: number;
  /** Standard base64 of the 48-byte BLS key. */
  readonly publicKey: string;
  readonly nodeStatus: string;
  readonly eventProgress: {
    readonly persisted: number;
    readonly pending: number;
    readonly highestFinishedEventIndex: number | null;
  };
  readonly shardSummary: {
    readonly owned: number;
    readonly ownedShardStatus: {
      readonly unknown: number;
      readonly ready: number;
      readonly inTransfer: number;
      readonly inRecovery: number;
    };
    readonly readOnly: number;
  };
  readonly shardDetail?: {
    readonly owned: readonly { readonly shard: number; readonly status: ShardState }[];
    readonly other: readonly { readonly shard: number; readonly status: ShardState }[];
  };
  readonly latestCheckpointSequenceNumber?: number;
}
