/**
 * What the ledger shows of itself, as plain JSON. A round's consequences are shown after the publication delay.
 *
 * Edge reads are shown beside the newest round. They can turn `healthy` into `watch` here and nowhere else: the state
 * in rounds, rows, reports and exports is the challenges' alone.
 */

import { pathOfLeaf } from "../../shared/audit/evidence.ts";
import type { AuditParameters } from "../../shared/audit/parameters.ts";
import { parseRow, type ReportTotals } from "../../shared/audit/report-rows.ts";
import type { PublishedPopulations } from "../../shared/audit/round-export.ts";
import {
  detectableLoss,
  type LatencyQuantiles,
  type NodeState,
  possessionTest,
  reputationInterval,
} from "../../shared/audit/statistics.ts";
import { toHex } from "../../shared/base/bytes.ts";
import type { Sql } from "../../shared/base/sql.ts";
import { type PassedOver, passedOver } from "../chain/chain-follower.ts";
import { type Reading, readingOf } from "../chain/reading.ts";
import { type EdgeReadsSummary, edgeReadsOfNodes, edgeWindow } from "../edge-reads/edge-reads.ts";
import { shownAttempts } from "../ledger/attempts.ts";
import { type ClaimRecord, claimRecord, newestClaims } from "../ledger/claim-records.ts";
import type { NodeRecords, NodeRound } from "../ledger/node-records.ts";
import type { Round, Rounds } from "../ledger/rounds.ts";
import { failuresUpTo, leavesOf, type ShownVerdict, shownDraws } from "../ledger/verdicts.ts";
import { listName, type PopulationLists } from "../population/population-tables.ts";
import { type BurstSummary, burstsOf } from "../round/burst.ts";

export interface ViewParts {
  readonly sql: Sql;
  readonly rounds: Rounds;
  readonly nodes: NodeRecords;
  readonly lists: PopulationLists;
  readonly parameters: AuditParameters;
  readonly nowMs: number;
}

const ENTRIES_PER_PAGE = 1_000;
const FAILURES_SHOWN = 20;
const HISTORY_ROWS = 2_000;
/** Confidence behind "would have shown itself". */
const CONFIDENCE = 0.95;

/** Why a node is watched. `early-warning`: its challenges (CUSUM); `edge-reads-diverge`: it serves readers worse. */
export type WatchReason = "early-warning" | "edge-reads-diverge";

export interface NodeSummary {
  readonly nodeId: string;
  readonly name: string;
  readonly state: NodeState;
  /** Also of nodes that are worse than watched. */
  readonly watchReasons: readonly WatchReason[];
  readonly trials: number;
  readonly failures: number;
  readonly logLikelihoodRatio: number;
  readonly suspectAt: number;
  readonly score: { readonly mean: number; readonly low: number; readonly high: number };
  readonly availability: number | null;
  /** The smallest loss that this epoch's challenges would have shown with 95 % confidence. */
  readonly detectableLoss: number;
  readonly lastRound: number;
  readonly outcomes: ReturnType<typeof outcomesOf>;
  /** Signals, never evidence; null when there was no burst, or no symbol was answered. */
  readonly burst: BurstSummary | null;
  readonly latency: LatencyQuantiles | null;
  /** What this operator's edges saw while they served readers; null when they asked nothing, and in the history. */
  readonly edgeReads: EdgeReadsSummary | null;
}

/** Closed rounds whose consequences are public, newest first. */
export function publishedRounds(parts: Pick<ViewParts, "rounds" | "parameters">, limit: number): Round[] {
  const { publicationDelayRounds } = parts.parameters;
  return parts.rounds
    .list(Number.MAX_SAFE_INTEGER, limit + publicationDelayRounds + 1)
    .filter((round) => round.finishedMs !== null && round.evidenceRoot !== null)
    .slice(publicationDelayRounds, publicationDelayRounds + limit);
}

export const publishedRound = (parts: Pick<ViewParts, "rounds" | "parameters">): Round | undefined =>
  publishedRounds(parts, 1)[0];

function outcomesOf({ row }: NodeRound) {
  const { passed, missing, invalid, timeouts, refused, excused, vacuous } = parseRow(row);
  return { passed, missing, invalid, timeouts, refused, excused, vacuous };
}

/** What a round showed beside its verdicts, by node. */
interface Signals {
  readonly bursts: ReadonlyMap<string, BurstSummary>;
  readonly latencies: ReadonlyMap<string, LatencyQuantiles>;
  readonly edgeReads: ReadonlyMap<string, EdgeReadsSummary>;
}

const signalsOf = ({ sql, nodes }: ViewParts, round: number): Signals => ({
  bursts: burstsOf(sql, round),
  latencies: nodes.latencies(round),
  edgeReads: new Map(),
});

/** Edge reads of the last day, by node, compared with the challenges of published rounds. */
export const edgeReadsNow = (parts: ViewParts): ReadonlyMap<string, EdgeReadsSummary> =>
  edgeReadsOfNodes(parts.sql, edgeWindow(parts.parameters, parts.nowMs), publishedRound(parts)?.no);

function summary(record: NodeRound, parameters: AuditParameters, signals: Signals): NodeSummary {
  const { after } = record;
  const edgeReads = signals.edgeReads.get(record.node) ?? null;
  const test = possessionTest(parameters);
  const watchReasons: WatchReason[] = [];
  if (after.cusum >= test.alarmAt) watchReasons.push("early-warning");
  if (edgeReads?.diverges === true) watchReasons.push("edge-reads-diverge");
  return {
    nodeId: record.node,
    name: record.name,
    state: record.state === "healthy" && watchReasons.length > 0 ? "watch" : record.state,
    watchReasons,
    trials: after.trials,
    failures: after.failures,
    logLikelihoodRatio: after.logLikelihoodRatio,
    suspectAt: test.suspectAt,
    score: reputationInterval(after),
    availability: record.availability ?? null,
    detectableLoss: detectableLoss(after.trials, CONFIDENCE),
    lastRound: record.round,
    outcomes: outcomesOf(record),
    burst: signals.bursts.get(record.node) ?? null,
    latency: signals.latencies.get(record.node) ?? null,
    edgeReads,
  };
}

export function nodesView(parts: ViewParts): {
  nodes: NodeSummary[];
  round: number | null;
  epoch: number | null;
  /** While a round waits for the chain's history to be read. */
  reading: Reading | null;
  /** The first event that the ledger passed over, because this program did not know its kind. */
  unknownEvent: PassedOver | null;
} {
  const round = publishedRound(parts);
  const reading = readingOf(parts.sql, parts.rounds);
  const unknownEvent = passedOver(parts.sql);
  if (round === undefined) return { nodes: [], round: null, epoch: null, reading, unknownEvent };
  const signals = { ...signalsOf(parts, round.no), edgeReads: edgeReadsNow(parts) };
  return {
    nodes: parts.nodes.ofRound(round.no).map((record) => summary(record, parts.parameters, signals)),
    round: round.no,
    epoch: round.epoch,
    reading,
    unknownEvent,
  };
}

const proofPath = (draw: { round: number; mode: number; shard: number; t: number }): string =>
  `/v1/audit/rounds/${draw.round}/proof/${draw.mode}/${draw.shard}/${draw.t}`;

export interface FailureView extends ShownVerdict {
  readonly proof: string;
}

/** Verdicts other than passes and padding, newest first, of published rounds. */
export function failuresOf(parts: ViewParts, node: string | undefined, limit: number): FailureView[] {
  const newest = publishedRound(parts);
  if (newest === undefined) return [];
  return failuresUpTo(parts.sql, newest.no, node, limit).map((verdict) => ({
    ...verdict,
    proof: proofPath(verdict),
  }));
}

/** @param id node ID or name */
const findNode = (parts: ViewParts, id: string): NodeSummary | undefined =>
  nodesView(parts).nodes.find(({ nodeId, name }) => nodeId === id || name === id);

export function nodeView(parts: ViewParts, id: string): unknown {
  const found = findNode(parts, id);
  if (found === undefined) return undefined;
  return { ...found, lastFailures: failuresOf(parts, found.nodeId, FAILURES_SHOWN) };
}

export function historyView(parts: ViewParts, id: string, days: number): unknown {
  const node = findNode(parts, id);
  if (node === undefined) return undefined;
  const newest = publishedRound(parts);
  const since = Math.floor((parts.nowMs - days * 86_400_000) / parts.parameters.roundPeriodMs);
  const records = parts.nodes.ofNode(node.nodeId, Math.max(0, since), HISTORY_ROWS);
  return {
    nodeId: node.nodeId,
    name: node.name,
    history: records
      .filter((record) => newest !== undefined && record.round <= newest.no)
      .map((record) => summary(record, parts.parameters, signalsOf(parts, record.round))),
  };
}

export function roundView(round: Round): Record<string, unknown> {
  return {
    no: round.no,
    state: round.state,
    openedMs: round.openedMs,
    finishedMs: round.finishedMs,
    epoch: round.epoch,
    nShards: round.nShards,
    seed: round.seed === null ? null : toHex(round.seed),
    seedSource: round.seedSource,
    seedCheckpoint: round.seedCheckpoint,
    committeeHash: round.committeeHash,
    parametersHash: round.parametersHash,
    // Both written by the ledger.
    populations: round.populations === null ? null : (JSON.parse(round.populations) as PublishedPopulations),
    totals: round.totals === null ? null : (JSON.parse(round.totals) as ReportTotals),
    evidenceRoot: round.evidenceRoot,
    nodesRoot: round.nodesRoot,
    tx: round.tx,
    draws: `/v1/audit/rounds/${round.no}/draws`,
    export: `/v1/audit/rounds/${round.no}/export`,
  };
}

/** Draws of a closed round; while it is under way they are not shown, so that no node learns what will be asked. */
export function drawsView(parts: ViewParts, round: Round, node: string | null): unknown {
  if (round.finishedMs === null) return { round: round.no, draws: [] };
  const attempts = shownAttempts(parts.sql, round.no);
  const draws = shownDraws(parts.sql, round.no, node).map((row) => ({
    ...row,
    attempts: attempts.get(`${row["mode"]}/${row["shard"]}/${row["t"]}`) ?? [],
  }));
  return { round: round.no, draws };
}

/** Leaf and path of one draw. Cost: hashes all leaves of the round. */
export function proofView(parts: ViewParts, round: Round, key: readonly number[]): unknown {
  const [mode, shard, t] = key;
  if (key.length !== 3 || round.evidenceRoot === null || round.finishedMs === null) return undefined;
  const leaves = leavesOf(parts.sql, round.no);
  const index = leaves.findIndex((leaf) => {
    // Written by the ledger in canonical form.
    const record = JSON.parse(leaf) as { mode: number; shard: number; t: number };
    return record.mode === mode && record.shard === shard && record.t === t;
  });
  const leaf = leaves[index];
  if (leaf === undefined) return undefined;
  return {
    round: round.no,
    root: round.evidenceRoot,
    index,
    size: leaves.length,
    leaf,
    path: pathOfLeaf(
      leaves.map((each) => new TextEncoder().encode(each)),
      index,
    ).map((sibling) => (sibling === null ? null : toHex(sibling))),
  };
}

export function populationView(parts: ViewParts, epoch: number, from: number): unknown {
  const list = listName("permanent", epoch);
  const summary = parts.lists.summary(list);
  if (summary === undefined) return undefined;
  const entries = parts.lists.index(list).entries(from, ENTRIES_PER_PAGE);
  return {
    epoch,
    size: summary.size,
    totalBytes: summary.totalBytes.toString(),
    root: toHex(summary.root),
    from,
    entries: entries.map(({ index, blobId, unencodedLength, endEpoch, cumBytes }) => ({
      index,
      blobId,
      unencodedLength,
      endEpoch,
      cumBytes: cumBytes.toString(),
    })),
  };
}

const CLAIMS_SHOWN = 200;

/** A claim that this auditor has dealt with, and where more about it is found. */
export interface ClaimSummary extends ClaimRecord {
  /** Paths of this auditor; null where there is nothing to be had. */
  readonly proof: string;
  readonly bundle: string | null;
  readonly refutation: string | null;
}

const claimSummary = (claim: ClaimRecord): ClaimSummary => ({
  ...claim,
  proof: proofPath(claim),
  bundle: claim.state === "confirmed" ? `/v1/audit/claims/${claim.id}/bundle` : null,
  refutation: claim.state === "pending" ? `/v1/audit/claims/${claim.id}/refutation` : null,
});

/** Claims that this auditor has dealt with, newest first. */
export const claimsOf = (sql: Sql, limit = CLAIMS_SHOWN): ClaimSummary[] =>
  newestClaims(sql, limit).map(claimSummary);

/** All of them, or one. @returns undefined when there is no such claim */
export function claimsView(sql: Sql, id: string | undefined): unknown {
  if (id === undefined) return { claims: claimsOf(sql) };
  const claim = claimRecord(sql, id);
  return claim && claimSummary(claim);
}
