// If this fails, strangers write into an auditor's ledger, a node is blamed for blobs it did not owe, or edge reads get
// into what an auditor reports.
import { beforeEach, describe, expect, it } from "vitest";
import {
  COMPARED_HOURS,
  HOUR_MS,
  pruneEdgeReads,
  settleEdgeFailures,
} from "../../../auditor/edge-reads/edge-reads.ts";
import { isSameSecret } from "../../../auditor/edge-reads/edge-reads-route.ts";
import { auditPage } from "../../../auditor/face/audit-page.ts";
import { answer } from "../../../auditor/face/routes.ts";
import type { NodeSummary } from "../../../auditor/face/views.ts";
import { openLedger } from "../../../auditor/ledger/ledger-sql.ts";
import { writeMeta } from "../../../auditor/ledger/meta.ts";
import { NodeRecords } from "../../../auditor/ledger/node-records.ts";
import { Rounds } from "../../../auditor/ledger/rounds.ts";
import { SqlPopulationStore } from "../../../auditor/population/object-tables.ts";
import { PopulationLists } from "../../../auditor/population/population-tables.ts";
import { nodeLedger } from "../../../host/node-sqlite.ts";
import {
  EDGE_READ_LIMITS,
  EDGE_READS_PATH,
  type EdgeReadsBatch,
  serializeEdgeReads,
} from "../../../shared/audit/edge-reads.ts";
import { AUDIT_PROFILES, type AuditParameters, parametersHash } from "../../../shared/audit/parameters.ts";
import { NO_OUTCOMES, serializeRow } from "../../../shared/audit/report-rows.ts";
import { newPossession } from "../../../shared/audit/statistics.ts";
import type { Sql } from "../../../shared/base/sql.ts";
import type { Committee } from "../../../shared/protocol/committee.ts";
import { type BlobId, blobIdFromBytes, type ObjectId } from "../../../shared/protocol/ids.ts";
import { SuiError } from "../../../shared/sui/client/sui-error.ts";
import type { ChainSnapshot } from "../../../shared/sui/walrus/chain-snapshot.ts";
import { objectIdOf } from "../audit/fixtures.ts";

const TOKEN = "the-token-of-this-auditor-0123456789";
const EPOCH = 5;
const NODES = [objectIdOf(1), objectIdOf(2), objectIdOf(3)] as const;
const [CHEAT, HONEST, THIRD] = NODES;
const STRANGER = objectIdOf(9);
const BLOBS = Array.from({ length: 20 }, (_, i) => blobIdFromBytes(new Uint8Array(32).fill(i + 1)));
const UNLISTED = blobIdFromBytes(new Uint8Array(32).fill(200));
/** In the middle of an hour. */
const START_MS = 500_000 * HOUR_MS + HOUR_MS / 2;
const CHALLENGES = 100;
const SEED_CHECKPOINT = 70;

let sql: Sql;
let nowMs: number;
let parameters: AuditParameters;
let snapshot: ChainSnapshot;
let unreadable: SuiError | undefined;
let batches: number;
let snapshots: number;

beforeEach(() => {
  sql = nodeLedger();
  openLedger(sql);
  nowMs = START_MS;
  parameters = AUDIT_PROFILES.local;
  // What the route looks at.
  snapshot = {
    epoch: EPOCH,
    committee: committee(EPOCH),
    previousCommittee: null,
    epochState: { kind: "EpochChangeDone", atMs: START_MS - 10 * HOUR_MS },
  } as unknown as ChainSnapshot;
  unreadable = undefined;
  batches = 0;
  snapshots = 0;
  addRound(10, START_MS - HOUR_MS);
  addList("fresh/10", BLOBS);
  writeMeta(sql, "epoch", EPOCH);
  readChainTo(START_MS + 30 * 24 * HOUR_MS);
});

/** Addresses and keys of members are not looked at. */
const committee = (epoch: number, shardsOf: readonly (readonly number[])[] = [[0, 1], [2], [3]]): Committee =>
  ({
    epoch,
    nShards: 4,
    members: NODES.map((nodeId, i) => ({ nodeId, name: `node-${i}`, shards: shardsOf[i] ?? [] })),
  }) as unknown as Committee;

const readChainTo = (ms: number): void => writeMeta(sql, "read_to_ms", ms);

/** A closed round in which every node passed its challenges. */
function addRound(no: number, openedMs: number, failures = 0): void {
  const rounds = new Rounds(sql);
  rounds.open(no, openedMs, parametersHash(parameters));
  const columns = { evidence_root: "00", nodes_root: "00", epoch: EPOCH, seed_checkpoint: SEED_CHECKPOINT };
  rounds.update(no, "opening", "done", { ...columns, finished_ms: openedMs + 1 });
  for (const [i, node] of NODES.entries()) {
    const before = newPossession();
    new NodeRecords(sql, parameters).save({
      round: no,
      node,
      name: `node-${i}`,
      epoch: EPOCH,
      before,
      after: { ...before, trials: CHALLENGES, failures },
      state: "healthy",
      availability: 1,
      row: serializeRow({ ...NO_OUTCOMES, node, logLikelihoodRatio: 0, state: "healthy", availability: 1 }),
    });
  }
}

function addList(list: string, blobIds: readonly BlobId[]): void {
  const lists = new PopulationLists(sql);
  const store = new SqlPopulationStore(sql);
  for (const [i, blobId] of blobIds.entries()) {
    store.putObject({
      objectId: objectIdOf(100 + i),
      blobId,
      encodingType: 1,
      unencodedLength: 10,
      isDeletable: true,
      endEpoch: EPOCH + 3,
      poolId: null,
      certifiedEpoch: EPOCH,
    });
  }
  lists.begin(list, "fresh", EPOCH);
  while (!lists.build(list, 4));
}

function ask(path: string, init?: RequestInit, token: string | null = TOKEN): Promise<Response> {
  return answer(new Request(`http://auditor${path}`, init), {
    sql,
    rounds: new Rounds(sql),
    nodes: new NodeRecords(sql, parameters),
    lists: new PopulationLists(sql),
    parameters,
    ids: { systemObjectId: objectIdOf(7), stakingObjectId: objectIdOf(8) },
    nowMs,
    ...(token === null
      ? {}
      : {
          edgeReads: {
            token,
            snapshot: async () => {
              snapshots++;
              if (unreadable !== undefined) throw unreadable;
              return snapshot;
            },
          },
        }),
  });
}

const post = (body: string, authorization: string | undefined = `Bearer ${TOKEN}`): Promise<Response> =>
  ask(EDGE_READS_PATH, {
    method: "POST",
    body,
    headers: authorization === undefined ? {} : { authorization },
  });

const batchOf = (
  node: ObjectId,
  seen: Partial<EdgeReadsBatch["nodes"][number]>,
  fields: Partial<EdgeReadsBatch> = {},
): string =>
  serializeEdgeReads({
    batch: (++batches).toString(16).padStart(32, "0"),
    epoch: EPOCH,
    nodes: [{ node, passed: 0, silent: 0, refused: 0, missing: [], invalid: [], ...seen }],
    ...fields,
  });

async function tell(
  node: ObjectId,
  seen: Partial<EdgeReadsBatch["nodes"][number]>,
  epoch = EPOCH,
): Promise<void> {
  const response = await post(batchOf(node, seen, { epoch }));
  expect([response.status, await response.json()]).toEqual([200, { stored: true }]);
}

async function summaryOf(node: ObjectId): Promise<NodeSummary> {
  const { nodes } = (await (await ask("/v1/audit/nodes")).json()) as { nodes: NodeSummary[] };
  const found = nodes.find(({ nodeId }) => nodeId === node);
  if (found === undefined) throw new Error(`${node} is not shown`);
  return found;
}
const failedBlobs = async (node: ObjectId): Promise<number | undefined> =>
  (await summaryOf(node)).edgeReads?.failedBlobs;
const isEmpty = (): boolean =>
  ["edge_batch", "edge_read", "edge_failure"].every(
    (table) => sql.exec(`SELECT COUNT(*) AS count FROM ${table}`)[0]?.["count"] === 0,
  );

describe("a batch", () => {
  const fine = (): string => batchOf(HONEST, { passed: 3 });

  it.each<[string, number, string, () => Promise<Response>]>([
    ["without a token", 401, "UNAUTHORIZED", () => ask(EDGE_READS_PATH, { method: "POST", body: fine() })],
    ["with another scheme", 401, "UNAUTHORIZED", () => post(fine(), `Basic ${TOKEN}`)],
    ["with another token", 403, "FORBIDDEN", () => post(fine(), `Bearer ${TOKEN.slice(1)}x`)],
    ["with the beginning of the token", 403, "FORBIDDEN", () => post(fine(), `Bearer ${TOKEN.slice(0, -1)}`)],
    [
      "for an auditor that has no token",
      404,
      "NOT_FOUND",
      () =>
        ask(EDGE_READS_PATH, { method: "POST", body: fine(), headers: { authorization: "Bearer x" } }, null),
    ],
    ["by GET", 405, "METHOD_NOT_ALLOWED", () => ask(EDGE_READS_PATH)],
    ["that is no batch", 400, "INVALID_EDGE_READS", () => post("{}")],
    [
      "of a node that is in no committee",
      400,
      "INVALID_EDGE_READS",
      () => post(batchOf(STRANGER, { passed: 1 })),
    ],
    [
      "of an epoch long past",
      409,
      "WRONG_EPOCH",
      () => post(batchOf(HONEST, { passed: 1 }, { epoch: EPOCH - 1 })),
    ],
    [
      "of an epoch to come",
      409,
      "WRONG_EPOCH",
      () => post(batchOf(HONEST, { passed: 1 }, { epoch: EPOCH + 1 })),
    ],
    ["that is too long", 413, "TOO_LARGE", () => post(fine() + " ".repeat(EDGE_READ_LIMITS.bodyBytes))],
  ])("%s is answered %d, and nothing is stored", async (_, status, code, request) => {
    const response = await request();
    expect([response.status, ((await response.json()) as { error: { code: string } }).error.code]).toEqual([
      status,
      code,
    ]);
    expect(response.headers.get("www-authenticate")).toBe(status === 401 ? "Bearer" : null);
    expect(isEmpty()).toBe(true);
    if (status === 401 || status === 403) expect(snapshots).toBe(0);
  });

  it("is to be sent again while the chain cannot be read", async () => {
    unreadable = new SuiError("SUI_UNREACHABLE", "away", { retryable: true });
    expect((await post(fine())).status).toBe(503);
    expect(isEmpty()).toBe(true);
  });

  it("that comes again because a reply was lost counts once, also across the hour", async () => {
    const body = batchOf(CHEAT, { passed: 2, missing: [BLOBS[0] as BlobId] });
    expect(await (await post(body)).json()).toEqual({ stored: true });
    expect(await (await post(body)).json()).toEqual({ stored: false });
    nowMs += HOUR_MS;
    expect(await (await post(body)).json()).toEqual({ stored: false });
    expect((await summaryOf(CHEAT)).edgeReads).toMatchObject({ passed: 2, missing: 1, failedBlobs: 1 });
  });

  it("is compared with the token in a time that does not tell how much of it was right", () => {
    expect(isSameSecret(TOKEN, `${TOKEN}`)).toBe(true);
    for (const other of ["", TOKEN.slice(1), `${TOKEN}x`, TOKEN.toUpperCase()])
      expect(isSameSecret(other, TOKEN)).toBe(false);
  });
});

describe("a node that fails readers", () => {
  it("is watched for that reason, and nothing else about it or others changes", async () => {
    const before = await summaryOf(CHEAT);
    const rowBefore = sql.exec("SELECT * FROM node_round ORDER BY node");
    await tell(CHEAT, { missing: BLOBS.slice(0, 5), invalid: BLOBS.slice(5, 7) });
    await tell(HONEST, { passed: 40, silent: 3, refused: 2 });
    const { state, watchReasons, edgeReads, ...rest } = await summaryOf(CHEAT);
    expect([state, watchReasons]).toEqual(["watch", ["edge-reads-diverge"]]);
    expect(edgeReads).toMatchObject({
      missing: 5,
      invalid: 2,
      failedBlobs: 7,
      challenges: CHALLENGES,
      failedChallenges: 0,
      diverges: true,
    });
    const { state: _state, watchReasons: _reasons, edgeReads: _reads, ...restBefore } = before;
    expect(rest).toEqual(restBefore);
    expect(sql.exec("SELECT * FROM node_round ORDER BY node")).toEqual(rowBefore);
    expect(await summaryOf(HONEST)).toMatchObject({ state: "healthy", watchReasons: [] });
    expect(await summaryOf(THIRD)).toMatchObject({ state: "healthy", watchReasons: [], edgeReads: null });
  });

  it("is shown as such on the page and in metrics", async () => {
    await tell(CHEAT, { missing: BLOBS.slice(0, 7) });
    const parts = {
      sql,
      rounds: new Rounds(sql),
      nodes: new NodeRecords(sql, parameters),
      lists: new PopulationLists(sql),
      parameters,
      nowMs,
    };
    expect(auditPage(parts)).toContain("serves readers worse than the auditor");
    expect(auditPage(parts)).toContain("0 of 7");
    const metrics = await (await ask("/metrics")).text();
    expect(metrics).toContain(`floe_audit_edge_reads{node="${CHEAT.slice(0, 10)}",outcome="missing"} 7`);
    expect(metrics).toContain(`floe_audit_edge_reads_diverge{node="${CHEAT.slice(0, 10)}"} 1`);
  });

  it("looks no worse on the page for blobs that anybody asks for and nobody owes", async () => {
    await tell(CHEAT, { passed: 4, missing: [UNLISTED] });
    const parts = {
      sql,
      rounds: new Rounds(sql),
      nodes: new NodeRecords(sql, parameters),
      lists: new PopulationLists(sql),
      parameters,
      nowMs,
    };
    expect(auditPage(parts)).toContain(">4 of 4<");
    expect((await summaryOf(CHEAT)).edgeReads).toMatchObject({ passed: 4, missing: 1, failedBlobs: 0 });
  });

  it("is not watched for silence and refusals, nor for one blob that many readers want", async () => {
    await tell(CHEAT, { silent: 500, refused: 500 });
    for (let time = 0; time < 50; time++) await tell(CHEAT, { missing: [BLOBS[3] as BlobId] });
    expect(await summaryOf(CHEAT)).toMatchObject({
      state: "healthy",
      edgeReads: { silent: 500, refused: 500, missing: 50, failedBlobs: 1 },
    });
  });

  it("is not watched when it fails challenges alike: the possession test is there for that", async () => {
    addRound(11, START_MS - HOUR_MS / 2, 60);
    await tell(CHEAT, { missing: BLOBS.slice(0, 7) });
    expect((await summaryOf(CHEAT)).watchReasons).toEqual([]);
  });
});

describe("a failure is not held against a node", () => {
  const missing = BLOBS.slice(0, 8);

  it("for a blob that the auditor could not have asked for: unknown, or certified a moment ago", async () => {
    await tell(CHEAT, { missing: [UNLISTED] });
    expect(await failedBlobs(CHEAT)).toBe(0);
    parameters = { ...parameters, attemptSpreadMs: 2 * HOUR_MS };
    await tell(CHEAT, { missing });
    expect(await failedBlobs(CHEAT)).toBe(0);
    parameters = { ...parameters, attemptSpreadMs: HOUR_MS };
    await tell(CHEAT, { missing });
    expect(await failedBlobs(CHEAT)).toBe(8);
  });

  it("while the epoch changes, in its graces, longer after taking a shard over, and as a member of a former committee", async () => {
    const { epochGraceMs, shardGraceMs } = parameters;
    snapshot = { ...snapshot, epochState: { kind: "EpochChangeSync", reportedShards: 1 } };
    await tell(CHEAT, { missing });
    const doneAgo = (ms: number): void => {
      snapshot = {
        ...snapshot,
        // The cheat had shard 0 alone before; the honest one keeps what it had.
        previousCommittee: committee(EPOCH - 1, [[0], [2], [1, 3]]),
        epochState: { kind: "NextParamsSelected", atMs: nowMs - ms },
      };
    };
    doneAgo(epochGraceMs - 1);
    for (const node of [CHEAT, HONEST]) await tell(node, { missing });
    doneAgo(epochGraceMs);
    for (const node of [CHEAT, HONEST]) await tell(node, { missing }, EPOCH - 1);
    await tell(CHEAT, { missing });
    expect([await failedBlobs(CHEAT), await failedBlobs(HONEST)]).toEqual([0, 0]);
    await tell(HONEST, { missing });
    doneAgo(epochGraceMs + shardGraceMs - 1);
    await tell(CHEAT, { missing });
    expect([await failedBlobs(CHEAT), await failedBlobs(HONEST)]).toEqual([0, 8]);
    doneAgo(epochGraceMs + shardGraceMs);
    await tell(CHEAT, { missing });
    expect(await failedBlobs(CHEAT)).toBe(8);
  });

  it("before the chain has been read beyond it", async () => {
    readChainTo(nowMs - 1);
    await tell(CHEAT, { missing });
    expect(await failedBlobs(CHEAT)).toBe(0);
    readChainTo(nowMs);
    expect(await failedBlobs(CHEAT)).toBe(8);
  });

  it("for a blob that was deleted, ended, declared invalid, or was gone in between", async () => {
    await tell(CHEAT, { missing });
    expect(await failedBlobs(CHEAT)).toBe(8);
    const store = new SqlPopulationStore(sql);
    const [deleted, invalid, renewed] = missing as [BlobId, BlobId, BlobId];
    sql.exec("DELETE FROM object WHERE object_id = ?", objectIdOf(100));
    store.exclude(invalid);
    sql.exec(
      "INSERT INTO certification (blob_id, checkpoint) SELECT blob_id, ? FROM object WHERE object_id = ?",
      SEED_CHECKPOINT,
      objectIdOf(102),
    );
    expect(new Set([deleted, invalid, renewed]).size).toBe(3);
    expect(await failedBlobs(CHEAT)).toBe(5);
    writeMeta(sql, "epoch", EPOCH + 3);
    expect(await failedBlobs(CHEAT)).toBe(0);
  });

  it("for a blob that was just certified when the list was made: nodes may still be recovering it", async () => {
    sql.exec(
      "INSERT INTO certification (blob_id, checkpoint) SELECT blob_id, ? FROM object WHERE object_id = ?",
      SEED_CHECKPOINT - 1,
      objectIdOf(102),
    );
    await tell(CHEAT, { missing });
    expect(await failedBlobs(CHEAT)).toBe(7);
    // A later list has it, too, and then it is not young any more.
    new SqlPopulationStore(sql).forgetCertifications(SEED_CHECKPOINT);
    await tell(CHEAT, { missing });
    expect(await failedBlobs(CHEAT)).toBe(8);
  });

  it("for a blob that was gone and came back, however long ago", async () => {
    await tell(CHEAT, { missing });
    sql.exec(
      "INSERT INTO certification (blob_id, checkpoint) SELECT blob_id, ? FROM object WHERE object_id = ?",
      SEED_CHECKPOINT,
      objectIdOf(102),
    );
    readChainTo(nowMs);
    settleEdgeFailures(sql);
    new SqlPopulationStore(sql).forgetCertifications(SEED_CHECKPOINT + 1);
    expect(await failedBlobs(CHEAT)).toBe(7);
    // What is settled stays: those blobs were owed then. An invalid one was owed by nobody, whenever that is found out.
    sql.exec("DELETE FROM object");
    settleEdgeFailures(sql);
    expect(await failedBlobs(CHEAT)).toBe(7);
    new SqlPopulationStore(sql).exclude(BLOBS[0] as BlobId);
    expect(await failedBlobs(CHEAT)).toBe(6);
  });

  it("while the chain is being read for a judgement: what is behind the last one is not known yet", async () => {
    await tell(CHEAT, { missing });
    writeMeta(sql, "judge_to", 99);
    settleEdgeFailures(sql);
    expect(await failedBlobs(CHEAT)).toBe(0);
    sql.exec("DELETE FROM meta WHERE name = 'judge_to'");
    expect(await failedBlobs(CHEAT)).toBe(8);
    settleEdgeFailures(sql);
    writeMeta(sql, "judge_to", 100);
    expect(await failedBlobs(CHEAT)).toBe(8);
  });

  it("once it is a day old, and where rounds are published late not before its hour is over", async () => {
    await tell(CHEAT, { missing });
    nowMs += (COMPARED_HOURS - 1) * HOUR_MS;
    expect(await failedBlobs(CHEAT)).toBe(8);
    nowMs += HOUR_MS;
    expect((await summaryOf(CHEAT)).edgeReads).toBeNull();
    nowMs = START_MS;
    parameters = { ...parameters, publicationDelayRounds: 1, roundPeriodMs: HOUR_MS };
    addRound(11, START_MS - HOUR_MS / 2);
    expect((await summaryOf(CHEAT)).edgeReads).toBeNull();
    nowMs += HOUR_MS / 2;
    expect(await failedBlobs(CHEAT)).toBe(8);
  });
});

it("edge reads past every comparison are forgotten, the others are not", async () => {
  await tell(CHEAT, { missing: BLOBS.slice(0, 7) });
  pruneEdgeReads(sql, nowMs + COMPARED_HOURS * HOUR_MS);
  expect((await summaryOf(CHEAT)).watchReasons).toEqual(["edge-reads-diverge"]);
  pruneEdgeReads(sql, nowMs + 10 * COMPARED_HOURS * HOUR_MS);
  expect(isEmpty()).toBe(true);
});
