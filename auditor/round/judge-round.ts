/**
 * From answers to consequences: what each draw counts as, whether the round counts at all, what follows for the nodes,
 * and the evidence for it.
 *
 * Before anything is held against a node the chain is read once more, up to a checkpoint after the last request: a
 * blob that was deleted, has ended or was declared invalid meanwhile excuses its draws, and so does an epoch change;
 * absence of a blob certified shortly before the seed is excused too.
 * Everything is then decided and written in one transaction, in (mode, shard, t) order, so that a verifier who repeats
 * it from the evidence gets the same numbers.
 */

import {
  type EvidenceRecord,
  EvidenceTree,
  evidenceBytes,
  evidenceLeafHash,
} from "../../shared/audit/evidence.ts";
import {
  type EpochChange,
  epochChangesOf,
  excusesOfDraw,
  isSelfSuspectRound,
} from "../../shared/audit/fairness.ts";
import type { AuditParameters } from "../../shared/audit/parameters.ts";
import {
  countOutcome,
  NO_OUTCOMES,
  type ReportRow,
  reportTotals,
  serializeRow,
  serializeRows,
} from "../../shared/audit/report-rows.ts";
import { drawDigest } from "../../shared/audit/selection.ts";
import { addTrial, nodeState, type PossessionState, possessionTest } from "../../shared/audit/statistics.ts";
import {
  availabilityTrial,
  type Excuse,
  nextStep,
  possessionTrial,
  unavailable,
  type Verdict,
  type VerdictOutcome,
} from "../../shared/audit/verdict.ts";
import { toHex } from "../../shared/base/bytes.ts";
import type { Clock } from "../../shared/base/clock.ts";
import { assert } from "../../shared/base/errors.ts";
import type { Sql } from "../../shared/base/sql.ts";
import type { Committee } from "../../shared/protocol/committee.ts";
import type { ObjectId } from "../../shared/protocol/ids.ts";
import type { CheckpointInfo } from "../../shared/sui/client/checkpoints.ts";
import type { ChainReader } from "../../shared/sui/walrus/chain-reader.ts";
import type { AuditChain } from "../chain/audit-chain.ts";
import type { ChainFollower } from "../chain/chain-follower.ts";
import { lastAskedMs, requestsOfNode } from "../ledger/attempts.ts";
import { countConfirmedAgainst } from "../ledger/claim-records.ts";
import { countRound } from "../ledger/counters.ts";
import { drawsOf, hasLostOwner, type RoundDraw } from "../ledger/draws.ts";
import { epochChangesFrom, shardReceivedMs } from "../ledger/epochs.ts";
import { dropMeta, readMeta, writeMeta } from "../ledger/meta.ts";
import type { NodeRecords } from "../ledger/node-records.ts";
import type { Round, Rounds } from "../ledger/rounds.ts";
import { keepVerdict } from "../ledger/verdicts.ts";
import type { SqlPopulationStore } from "../population/object-tables.ts";
import { jitterOf } from "./challenge-rules.ts";

export interface JudgingParts {
  readonly sql: Sql;
  readonly rounds: Rounds;
  readonly chain: ChainReader;
  readonly auditChain: AuditChain;
  readonly follower: ChainFollower;
  readonly store: SqlPopulationStore;
  readonly nodes: NodeRecords;
  readonly clock: Clock;
  readonly parameters: AuditParameters;
}

/** @param isSpent ends the reading for now. @returns false while the chain has to be read on: call again */
export async function judgeRound(
  parts: JudgingParts,
  round: Round,
  isSpent: () => boolean,
): Promise<boolean> {
  const { sql, chain, follower } = parts;
  assert(round.nShards !== null, `round ${round.no} has a shard count`);
  const known = readMeta(sql, "judge_to");
  if (known === undefined) {
    const tip = await chain.checkpoint(await chain.tip());
    // Of an endpoint that lags the ledger may know more than its tip.
    if (tip.timestampMs < lastAskedMs(sql, round.no) || tip.sequence < follower.readTo) return false;
    sql.transaction(() => {
      writeMeta(sql, "judge_to", tip.sequence);
      writeMeta(sql, "read_to_ms", tip.timestampMs);
    });
    return false;
  }
  if (!(await follower.follow(known, round.nShards, isSpent))) return false;
  if (isAheadOfEvents(parts, round)) {
    dropMeta(sql, "judge_to");
    return false;
  }
  sql.transaction(() => {
    const judged = { sequence: known, timestampMs: readMeta(sql, "read_to_ms") ?? 0 };
    new Judgement(parts, round, judged).write();
    dropMeta(sql, "judge_to");
  });
  return true;
}

/**
 * Whether a shard was excused by the state of a later epoch that no event read so far has begun: this clock, or another
 * endpoint's events, may be behind the state. A verifier who goes by those events would not find the excuse.
 */
function isAheadOfEvents({ sql, follower }: JudgingParts, { no, epoch }: Round): boolean {
  return hasLostOwner(sql, no) && (follower.epoch ?? 0) <= (epoch ?? 0);
}

interface JudgedDraw {
  readonly draw: RoundDraw;
  readonly verdict: Verdict;
}

/** Events of all checkpoints before this one are known, and none of it or later. */
type JudgedAt = Pick<CheckpointInfo, "sequence" | "timestampMs">;

class Judgement {
  readonly #parts: JudgingParts;
  readonly #round: Round;
  readonly #seed: Uint8Array;
  readonly #seedCheckpoint: number;
  readonly #epoch: number;
  readonly #committee: Committee;
  readonly #judged: JudgedAt;
  readonly #nowMs: number;
  readonly #changes: readonly EpochChange[];

  constructor(parts: JudgingParts, round: Round, judged: JudgedAt) {
    const { seed, seedCheckpoint, epoch } = round;
    assert(seed !== null && seedCheckpoint !== null && epoch !== null, `round ${round.no} has a seed`);
    this.#parts = parts;
    this.#round = round;
    this.#seed = seed;
    this.#seedCheckpoint = seedCheckpoint;
    this.#epoch = epoch;
    this.#committee = parts.rounds.committee(round.no);
    this.#judged = judged;
    this.#nowMs = parts.clock.nowMs();
    this.#changes = this.#epochChanges();
  }

  /** Runs inside one transaction. */
  write(): void {
    const { sql, rounds } = this.#parts;
    const { no } = this.#round;
    const draws = drawsOf(sql, no);
    const raw = draws.map((draw) => ({ draw, verdict: this.#verdictOf(draw) }));
    const isVoid = this.#isVoid(raw);
    const judged = isVoid ? raw.map(excusedAltogether) : raw;
    const evidenceRoot = this.#writeEvidence(judged);
    const rows = this.#committee.members.map((member) =>
      this.#judgeNode(
        member,
        judged.filter(({ draw }) => draw.node === member.nodeId),
      ),
    );
    const { root } = serializeRows(rows);
    countRound(sql, no, isVoid);
    rounds.noteJudged(no, this.#judged.sequence, this.#parts.auditChain.claims?.auditor);
    rounds.update(no, "judging", "reporting", {
      evidence_root: toHex(evidenceRoot),
      nodes_root: toHex(root),
      totals: JSON.stringify(reportTotals(rows)),
      is_void: isVoid ? 1 : 0,
    });
  }

  #verdictOf(draw: RoundDraw): Verdict {
    if (draw.isVacuous) return { outcome: "vacuous", excuse: null };
    if (!draw.hasMetadata) return { outcome: "excused", excuse: "no-metadata" };
    const jitter = jitterOf(drawDigest(this.#seed, draw, draw.populationSize));
    const step = nextStep(draw.attempts, this.#parts.parameters, jitter, draw.isOwner);
    const verdict: Verdict =
      step.kind === "final" ? step.verdict : { outcome: unavailable(draw.attempts), excuse: null };
    const { outcome } = verdict;
    if (outcome === "passed" || outcome === "excused") return verdict;
    const excuse = this.#excuseOf(draw, outcome);
    return excuse === undefined ? verdict : { outcome: "excused", excuse };
  }

  #excuseOf(draw: RoundDraw, outcome: VerdictOutcome): Excuse | undefined {
    const { sql, follower, store, nodes, parameters } = this.#parts;
    const health = requestsOfNode(sql, this.#round.no, draw.node, "health").at(-1);
    const nodeStatus = health?.outcome === "pass" ? (health.detail ?? undefined) : undefined;
    const { before, isRenewed } = store.certification(draw.blobId, this.#seedCheckpoint);
    const circumstances = {
      shardMove: draw.hasMoved ? { receivedMs: shardReceivedMs(sql, this.#epoch, draw.shard) } : undefined,
      nodeStatus,
      maintenanceUsedMs: nodes.maintenanceMs(draw.node, this.#epoch, nodeStatus, this.#nowMs),
      isBlobInvalid: isRenewed || !store.isLive(draw.blobId, follower.epoch ?? this.#epoch),
      // The ledger knows of young blobs only.
      isJustCertified: before !== undefined,
    };
    // A draw that was never asked because its node was silent is as late as the round.
    const asked =
      draw.attempts.length === 0 ? [this.#judged.timestampMs] : draw.attempts.map((each) => each.startedMs);
    return excusesOfDraw(asked, this.#changes, circumstances, outcome, parameters)[0];
  }

  #epochChanges(): EpochChange[] {
    return epochChangesOf(this.#epoch, epochChangesFrom(this.#parts.sql, this.#epoch));
  }

  /** Whether the auditor's own network is to blame. */
  #isVoid(judged: readonly JudgedDraw[]): boolean {
    const draws = judged.map(({ draw: { node, shard, attempts }, verdict: { outcome } }) => {
      const last = attempts.at(-1);
      return { node, shard, outcome, endedMs: last && last.startedMs + last.ms };
    });
    return isSelfSuspectRound(draws, this.#parts.parameters);
  }

  #writeEvidence(judged: readonly JudgedDraw[]): Uint8Array {
    const { sql } = this.#parts;
    const { no } = this.#round;
    const records = judged.map(({ draw, verdict }) => toRecord(no, draw, verdict));
    records.forEach((record, i) => {
      const leaf = evidenceBytes(record);
      keepVerdict(sql, no, {
        ...record,
        requests: judged[i]?.draw.requests ?? 0,
        leafHash: toHex(evidenceLeafHash(leaf)),
        leaf: new TextDecoder().decode(leaf),
      });
    });
    return new EvidenceTree(records).root();
  }

  #judgeNode(
    member: { readonly nodeId: ObjectId; readonly name: string },
    judged: readonly JudgedDraw[],
  ): ReportRow {
    const { sql, nodes, parameters } = this.#parts;
    const test = possessionTest(parameters);
    const before = nodes.possession(member.nodeId, this.#epoch);
    let after: PossessionState = before;
    let counts = NO_OUTCOMES;
    for (const { draw, verdict } of judged) {
      counts = countOutcome(counts, verdict.outcome);
      const trial = possessionTrial(verdict);
      if (trial !== undefined) after = addTrial(after, trial === "failure", test);
      const isAnswered = availabilityTrial(verdict);
      if (isAnswered !== undefined) {
        const atMs = draw.attempts.at(-1)?.startedMs ?? this.#nowMs;
        nodes.noteAvailability(member.nodeId, atMs, isAnswered);
      }
    }
    const confirmed = countConfirmedAgainst(sql, member.nodeId, this.#epoch);
    const row: ReportRow = {
      ...counts,
      node: member.nodeId,
      logLikelihoodRatio: after.logLikelihoodRatio,
      state: nodeState(after, test, confirmed),
      availability: nodes.availability(member.nodeId),
    };
    nodes.noteLatency(this.#round.no, member.nodeId);
    nodes.save({
      round: this.#round.no,
      node: member.nodeId,
      name: member.name,
      epoch: this.#epoch,
      before,
      after,
      state: row.state,
      availability: row.availability,
      row: serializeRow(row),
    });
    return row;
  }
}

const excusedAltogether = ({ draw, verdict }: JudgedDraw): JudgedDraw => ({
  draw,
  verdict: verdict.outcome === "vacuous" ? verdict : { outcome: "excused", excuse: "self-suspect" },
});

const toRecord = (round: number, draw: RoundDraw, verdict: Verdict): EvidenceRecord => ({
  round,
  mode: draw.mode,
  shard: draw.shard,
  t: draw.t,
  node: draw.node,
  blobId: draw.blobId,
  pair: draw.pair,
  axis: draw.axis,
  symbol: draw.symbol,
  outcome: verdict.outcome,
  excuse: verdict.excuse,
  attempts: draw.attempts.map(({ kind, startedMs, ms, httpStatus, bodyHash }) => ({
    kind,
    startedMs,
    ms,
    httpStatus,
    bodyHash,
  })),
});
