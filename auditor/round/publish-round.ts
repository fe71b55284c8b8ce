/** A closed round in the forms in which it leaves the ledger: the report for the chain, the export for verifiers. */
import type { AuditParameters } from "../../shared/audit/parameters.ts";
import type { ReportTotals } from "../../shared/audit/report-rows.ts";
import {
  EXPORT_FORMAT,
  type PublishedPopulations,
  type RoundExport,
} from "../../shared/audit/round-export.ts";
import { concatBytes, fromHex, toHex } from "../../shared/base/bytes.ts";
import { assert } from "../../shared/base/errors.ts";
import type { Sql } from "../../shared/base/sql.ts";
import type { ObjectId } from "../../shared/protocol/ids.ts";
import type { WalrusObjectIds } from "../../shared/sui/walrus/chain-snapshot.ts";
import type { RoundReport } from "../chain/audit-chain.ts";
import type { NodeRecords, NodeRound } from "../ledger/node-records.ts";
import type { Round, Rounds } from "../ledger/rounds.ts";
import { leavesOf } from "../ledger/verdicts.ts";

/** What the report transaction says of a judged round. */
export function reportOf(round: Round, nodes: readonly NodeRound[]): RoundReport {
  const { no, epoch, totals, evidenceRoot, nodesRoot } = round;
  assert(epoch !== null && totals !== null, `round ${no} is judged`);
  assert(evidenceRoot !== null && nodesRoot !== null, `round ${no} is judged`);
  return {
    no,
    epoch,
    // Written by the judgement.
    totals: JSON.parse(totals) as ReportTotals,
    evidenceRoot: fromHex(evidenceRoot),
    nodesRoot: fromHex(nodesRoot),
    rows: concatBytes(...nodes.map(({ row }) => row)),
  };
}

/** @returns undefined for a round that is not closed, or was abandoned before any node was asked */
export function exportRound(
  parts: {
    readonly sql: Sql;
    readonly rounds: Rounds;
    readonly nodes: NodeRecords;
    readonly parameters: AuditParameters;
    readonly ids: WalrusObjectIds;
    /** Of today; absent without a key. */
    readonly claimChain?: { readonly auditor: ObjectId } | undefined;
  },
  round: Round,
): RoundExport | undefined {
  const { state, seed, seedSource, seedCheckpoint, epoch, nShards, finishedMs } = round;
  const { committeeHash, populations, evidenceRoot, nodesRoot, totals } = round;
  if (state !== "done" && state !== "void") return undefined;
  if (evidenceRoot === null || nodesRoot === null || totals === null || populations === null)
    return undefined;
  assert(seed !== null && seedSource !== null && seedCheckpoint !== null, "a judged round has a seed");
  assert(epoch !== null && nShards !== null && committeeHash !== null, "a judged round has a committee");
  assert(finishedMs !== null, "a closed round has an end");
  const { members } = parts.rounds.committee(round.no);
  return {
    format: EXPORT_FORMAT,
    // Field by field: the caller may hold more than IDs in the same object, a key among it.
    network: { systemObjectId: parts.ids.systemObjectId, stakingObjectId: parts.ids.stakingObjectId },
    auditor: auditorOf(parts, round.no),
    no: round.no,
    state,
    openedMs: round.openedMs,
    finishedMs,
    seed: toHex(seed),
    seedSource,
    seedCheckpoint,
    epoch,
    nShards,
    committee: members.map(({ nodeId, shards }) => ({ nodeId, shards })),
    committeeHash,
    parameters: parts.parameters,
    parametersHash: round.parametersHash,
    // Both written by the ledger.
    populations: JSON.parse(populations) as PublishedPopulations,
    leaves: leavesOf(parts.sql, round.no),
    judgedCheckpoint: parts.rounds.judgedCheckpoint(round.no),
    evidenceRoot,
    nodes: parts.nodes.ofRound(round.no).map(({ node, name, row, before, after, state: stateThen }) => ({
      node,
      name,
      row: toHex(row),
      before,
      after,
      // How many there were does not matter for the state, only whether.
      confirmedClaims: stateThen === "confirmed" ? 1 : 0,
    })),
    nodesRoot,
    totals: JSON.parse(totals) as ReportTotals,
    tx: round.tx,
  };
}

/** Whose round it is: the key may have been changed since, or have come later. */
function auditorOf({ rounds, claimChain }: Parameters<typeof exportRound>[0], no: number): ObjectId | null {
  const then = rounds.judgedBy(no);
  return then === undefined ? (claimChain?.auditor ?? null) : then;
}
