/**
 * `POST /v1/audit/edge-reads`: a batch of an edge of the same operator, who shares a token with it.
 *
 * | answer                       | when                                                            | stored |
 * |------------------------------|-----------------------------------------------------------------|--------|
 * | 200 `{"stored": true}`       | the batch is new                                                | yes    |
 * | 200 `{"stored": false}`      | it came before: a reply was lost                                | no     |
 * | 400 `INVALID_EDGE_READS`     | not a batch, or a node that is not in the committee of its epoch | no     |
 * | 401 `UNAUTHORIZED`           | no token                                                        | no     |
 * | 403 `FORBIDDEN`              | another token                                                   | no     |
 * | 404                          | this auditor has no token set                                   | no     |
 * | 409 `WRONG_EPOCH`            | neither of the chain's epoch nor of the one before                | no     |
 * | 413 `TOO_LARGE`              | more than `EDGE_READ_LIMITS.bodyBytes`                           | no     |
 * | 503                          | the chain cannot be read now                                     | no     |
 */
import {
  EDGE_READ_LIMITS,
  type EdgeReadsBatch,
  EdgeReadsError,
  parseEdgeReads,
} from "../../shared/audit/edge-reads.ts";
import type { AuditParameters } from "../../shared/audit/parameters.ts";
import { readBounded } from "../../shared/base/bounded-body.ts";
import { FloeError } from "../../shared/base/errors.ts";
import type { Sql } from "../../shared/base/sql.ts";
import { blake2b256 } from "../../shared/crypto/blake2b.ts";
import type { Committee } from "../../shared/protocol/committee.ts";
import type { BlobId, ObjectId } from "../../shared/protocol/ids.ts";
import type { ChainSnapshot } from "../../shared/sui/walrus/chain-snapshot.ts";
import type { Rounds } from "../ledger/rounds.ts";
import { SqlPopulationStore } from "../population/object-tables.ts";
import type { PopulationLists } from "../population/population-tables.ts";
import { addEdgeReads } from "./edge-reads.ts";

/** Present when a token is configured. */
export interface EdgeReadsDoor {
  readonly token: string;
  readonly snapshot: () => Promise<ChainSnapshot>;
}

export interface EdgeReadsParts {
  readonly sql: Sql;
  readonly rounds: Rounds;
  readonly lists: PopulationLists;
  readonly parameters: AuditParameters;
  readonly nowMs: number;
}

export type EdgeReadsRefusal =
  | "UNAUTHORIZED"
  | "FORBIDDEN"
  | "TOO_LARGE"
  | "WRONG_EPOCH"
  | "INVALID_EDGE_READS";

/** Blobs of one batch that are looked up. */
const LOOKED_UP = 256;

const STATUS: Readonly<Record<EdgeReadsRefusal, number>> = {
  INVALID_EDGE_READS: 400,
  UNAUTHORIZED: 401,
  FORBIDDEN: 403,
  WRONG_EPOCH: 409,
  TOO_LARGE: 413,
};

export class EdgeReadsRouteError extends FloeError<EdgeReadsRefusal> {
  readonly status: number;
  constructor(code: EdgeReadsRefusal, message: string) {
    const status = STATUS[code];
    super(code, message, { details: { status } });
    this.status = status;
  }
}

/**
 * Stores the batch in the request's body.
 *
 * @throws EdgeReadsRouteError; SuiError when the chain cannot be read
 */
export async function takeEdgeReads(
  parts: EdgeReadsParts,
  door: EdgeReadsDoor,
  request: Request,
): Promise<{ readonly stored: boolean }> {
  await authorize(request, door.token);
  const body = await readBounded(
    request.body,
    EDGE_READ_LIMITS.bodyBytes,
    () => new EdgeReadsRouteError("TOO_LARGE", `a batch has at most ${EDGE_READ_LIMITS.bodyBytes} bytes`),
  );
  const batch = parse(new TextDecoder().decode(body));
  const snapshot = await door.snapshot();
  const { members } = committeeOf(batch.epoch, snapshot);
  const known = new Set(members.map(({ nodeId }) => nodeId));
  if (!batch.nodes.every(({ node }) => known.has(node)))
    throw new EdgeReadsRouteError("INVALID_EDGE_READS", "every node is in the committee of the epoch");
  const isSettled = settledNodes(parts, batch.epoch, snapshot);
  const knownAt = auditableBlobs(parts);
  const owedAt = (node: ObjectId, blobId: BlobId): number | undefined =>
    isSettled(node) ? knownAt(blobId) : undefined;
  return { stored: addEdgeReads(parts.sql, batch, parts.nowMs, owedAt) };
}

/** Before a byte of the body is read. @throws EdgeReadsRouteError */
async function authorize(request: Request, token: string): Promise<void> {
  const given = /^Bearer (.+)$/i.exec(request.headers.get("authorization") ?? "")?.[1];
  if (given !== undefined && isSameSecret(given, token)) return;
  await request.body?.cancel();
  if (given === undefined) throw new EdgeReadsRouteError("UNAUTHORIZED", "this takes a bearer token");
  throw new EdgeReadsRouteError("FORBIDDEN", "not the token of this auditor");
}

/** Takes as long wherever the texts differ: their digests are compared, every byte of them. */
export function isSameSecret(a: string, b: string): boolean {
  const [left, right] = [a, b].map((text) => blake2b256(new TextEncoder().encode(text)));
  let difference = 0;
  for (let at = 0; at < 32; at++) difference |= (left?.[at] ?? 0) ^ (right?.[at] ?? 0);
  return difference === 0;
}

function parse(text: string): EdgeReadsBatch {
  try {
    return parseEdgeReads(text);
  } catch (error) {
    if (!(error instanceof EdgeReadsError)) throw error;
    throw new EdgeReadsRouteError("INVALID_EDGE_READS", error.message);
  }
}

function committeeOf(epoch: number, { committee, previousCommittee }: ChainSnapshot): Committee {
  const found = [committee, previousCommittee].find((each) => each?.epoch === epoch);
  if (found === undefined || found === null)
    throw new EdgeReadsRouteError("WRONG_EPOCH", `the chain is in epoch ${committee.epoch}`);
  return found;
}

/** Nodes past the graces of the hand-over, which are longer for those that took over shards. */
function settledNodes(
  { parameters, nowMs }: EdgeReadsParts,
  epoch: number,
  { committee, previousCommittee, epochState }: ChainSnapshot,
): (node: ObjectId) => boolean {
  if (epochState.kind === "EpochChangeSync" || epoch !== committee.epoch) return () => false;
  const sinceMs = nowMs - epochState.atMs;
  const before = new Map(previousCommittee?.members.map(({ nodeId, shards }) => [nodeId, new Set(shards)]));
  const took = new Set<ObjectId>();
  for (const { nodeId, shards } of committee.members) {
    // The first committee of a network took no shard from another.
    const had = previousCommittee === null ? new Set(shards) : before.get(nodeId);
    if (!shards.every((shard) => had?.has(shard) === true)) took.add(nodeId);
  }
  const { epochGraceMs, shardGraceMs } = parameters;
  return (node) => sinceMs >= epochGraceMs + (took.has(node) ? shardGraceMs : 0);
}

/**
 * Blobs that a round begun long enough ago could ask for. Cost: at most `LOOKED_UP` blobs, each some 20 rows a list;
 * what is beyond that in one batch is not held against a node.
 *
 * @returns the checkpoint up to which the list was made; undefined when no such list has the blob
 */
function auditableBlobs(parts: EdgeReadsParts): (blobId: BlobId) => number | undefined {
  const populations = oldLists(parts);
  // It knows only of blobs that were young when the newest round's seed was drawn.
  const store = new SqlPopulationStore(parts.sql);
  const known = new Map<BlobId, number | undefined>();
  return (blobId) => {
    if (!known.has(blobId) && known.size < LOOKED_UP) {
      const list = populations.find(
        ({ population, checkpoint }) =>
          population.has(blobId) && store.certification(blobId, checkpoint).before === undefined,
      );
      known.set(blobId, list?.checkpoint);
    }
    return known.get(blobId);
  };
}

/** Lists that are at least as old as a challenge gets to be before it fails. */
function oldLists({ rounds, lists, parameters, nowMs }: EdgeReadsParts) {
  return lists.names().flatMap((list) => {
    if (lists.summary(list) === undefined) return [];
    const population = lists.index(list);
    const [stratum, number] = list.split("/");
    // The list of an epoch is made of permanent blobs from before it, which cannot be deleted.
    if (stratum === "permanent") return [{ population, checkpoint: Number.MAX_SAFE_INTEGER }];
    const round = rounds.round(Number(number));
    const isOld = round !== undefined && round.openedMs <= nowMs - parameters.attemptSpreadMs;
    return isOld && round.seedCheckpoint !== null ? [{ population, checkpoint: round.seedCheckpoint }] : [];
  });
}
