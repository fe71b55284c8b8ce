/**
 * What an edge tells an auditor of its reads: one batch of one isolate, as JSON.
 *
 *   {"version":1,"batch":"<32 hex digits>","epoch":12,"nodes":[
 *     {"node":"0x..","passed":9,"silent":1,"refused":0,"missing":["<blob ID>"],"invalid":[]}]}
 *
 * The unit is a blob asked of a node: however many requests for it the isolate made since its last batch, it counts
 * once, as the worst that came back. A popular blob therefore weighs little more than another one.
 *
 * | count   | the node ...                                                                                 |
 * |---------|----------------------------------------------------------------------------------------------|
 * | passed  | gave every sliver and metadata asked for, each verified by the blob ID                         |
 * | silent  | gave no answer in time, or one that a proxy in front of it may have made                       |
 * | refused | answered 429, 451, 503 or another refusal                                                      |
 * | missing | official error envelope: it has not got what it must hold                                     |
 * | invalid | sent bytes that do not verify                                                                  |
 *
 * Blobs are named only where something is missing or invalid: whether such a blob was certified, and for how long, is
 * for the auditor to find out. The ID makes a batch whose reply was lost count once when it comes again.
 */
import { FloeError } from "../base/errors.ts";
import { type BlobId, type ObjectId, parseBlobId, parseObjectId } from "../protocol/ids.ts";

export const EDGE_READ_OUTCOMES = ["passed", "silent", "refused", "missing", "invalid"] as const;
/** Worst last. */
export type EdgeReadOutcome = (typeof EDGE_READ_OUTCOMES)[number];

export const EDGE_READ_LIMITS = {
  /** Blobs asked of nodes that one isolate holds, and one batch may have; further ones are not counted. */
  pairs: 2_000,
  /** Nodes of a committee: at most one per shard. */
  nodes: 1_000,
  /** 1,000 nodes without names of blobs have some 140 KB, 2,000 names 94 KB. */
  bodyBytes: 256 * 1024,
  /** Pause between two batches of an isolate by default; configurable (`EDGE_READS_FLUSH_MS`). */
  flushMs: 20_000,
  /** How long an invocation that has answered waits for its turn to send: the platform ends it after 30 s. */
  waitMs: 20_000,
  /** One try to send, and tries of one batch. */
  timeoutMs: 5_000,
  attempts: 3,
  /** What an isolate could not send for so long says nothing about now. */
  keepMs: 600_000,
} as const;

export interface EdgeReadsOfNode {
  readonly node: ObjectId;
  readonly passed: number;
  readonly silent: number;
  readonly refused: number;
  readonly missing: readonly BlobId[];
  readonly invalid: readonly BlobId[];
}

export interface EdgeReadsBatch {
  /** 32 lower-case hex digits, drawn at random. */
  readonly batch: string;
  /** Of the committee that was asked. */
  readonly epoch: number;
  /** Each node once. */
  readonly nodes: readonly EdgeReadsOfNode[];
}

export const EDGE_READS_PATH = "/v1/audit/edge-reads";
const VERSION = 1;

export class EdgeReadsError extends FloeError<"INVALID_EDGE_READS"> {}

export const serializeEdgeReads = ({ batch, epoch, nodes }: EdgeReadsBatch): string =>
  JSON.stringify({ version: VERSION, batch, epoch, nodes });

/**
 * Reads a batch; what it does not know it refuses.
 *
 * @throws EdgeReadsError `INVALID_EDGE_READS` naming the field
 */
export function parseEdgeReads(text: string): EdgeReadsBatch {
  const fields = record(parseJson(text), ["version", "batch", "epoch", "nodes"], "a batch");
  const { version, batch, epoch, nodes } = fields;
  if (version !== VERSION) invalid(`version is ${VERSION}`);
  if (typeof batch !== "string" || !/^[0-9a-f]{32}$/.test(batch))
    invalid("batch has 32 lower-case hex digits");
  const list = array(nodes, 1, EDGE_READ_LIMITS.nodes, "nodes");
  const parsed = list.map(parseNode);
  if (new Set(parsed.map(({ node }) => node)).size !== parsed.length) invalid("each node stands there once");
  const pairs = parsed.reduce((sum, each) => sum + pairsOf(each), 0);
  if (pairs > EDGE_READ_LIMITS.pairs) invalid(`a batch has at most ${EDGE_READ_LIMITS.pairs} blobs of nodes`);
  return { batch, epoch: count(epoch, 0xffff_ffff, "epoch"), nodes: parsed };
}

/** Blobs that the node was asked for. */
const pairsOf = (each: EdgeReadsOfNode): number =>
  each.passed + each.silent + each.refused + each.missing.length + each.invalid.length;

function parseNode(json: unknown): EdgeReadsOfNode {
  const { node, ...rest } = record(json, ["node", ...EDGE_READ_OUTCOMES], "a node");
  const most = EDGE_READ_LIMITS.pairs;
  const missing = array(rest["missing"], 0, most, "missing").map(blobId);
  const invalidOnes = array(rest["invalid"], 0, most, "invalid").map(blobId);
  if (new Set([...missing, ...invalidOnes]).size !== missing.length + invalidOnes.length)
    invalid("a node's blob counts once");
  const parsed = {
    node: nodeId(node),
    passed: count(rest["passed"], most, "passed"),
    silent: count(rest["silent"], most, "silent"),
    refused: count(rest["refused"], most, "refused"),
    missing,
    invalid: invalidOnes,
  };
  if (pairsOf(parsed) === 0) invalid("a node stands there only when it was asked");
  return parsed;
}

function record(json: unknown, names: readonly string[], what: string): Readonly<Record<string, unknown>> {
  if (typeof json !== "object" || json === null || Array.isArray(json)) invalid(`${what} is an object`);
  const found = Object.keys(json);
  if (found.length !== names.length || !names.every((name) => Object.hasOwn(json, name)))
    invalid(`${what} has the fields ${names.join(", ")}`);
  // All of its own fields were just compared.
  return json as Readonly<Record<string, unknown>>;
}

function array(json: unknown, atLeast: number, atMost: number, name: string): readonly unknown[] {
  if (!Array.isArray(json) || json.length < atLeast || json.length > atMost)
    invalid(`${name} is a list of ${atLeast} to ${atMost}`);
  return json;
}

function count(json: unknown, atMost: number, name: string): number {
  if (typeof json !== "number" || !Number.isSafeInteger(json) || json < 0 || json > atMost)
    invalid(`${name} is a whole number up to ${atMost}`);
  return json;
}

/** The full lower-case form only: one node must not have two spellings. */
function nodeId(json: unknown): ObjectId {
  if (typeof json !== "string" || !/^0x[0-9a-f]{64}$/.test(json)) invalid("node is a node ID");
  return parseObjectId(json);
}

function blobId(json: unknown): BlobId {
  if (typeof json !== "string") invalid("a blob ID is a text");
  try {
    return parseBlobId(json);
  } catch (error) {
    if (!(error instanceof FloeError)) throw error;
    return invalid("a blob ID is in its canonical form");
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return invalid("the body is JSON");
  }
}

function invalid(reason: string): never {
  throw new EdgeReadsError("INVALID_EDGE_READS", reason);
}
