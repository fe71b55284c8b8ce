/**
 * Forgets what is past its retention: on chain, where whoever deletes gets the storage rebate, and in the ledger.
 *
 * On chain a round goes with the claims against its draws first, then its reports, then the populations of epochs that
 * no kept round refers to. The contract decides when each is due, and deletes each once; several auditors may try. The
 * ledger keeps a round as long as anything refers to it: the profile's retention, a claim that is pending, a confirmed
 * claim whose epoch lasts (its bundle is made of the round's evidence), and, with a key, the round on chain. Edge reads
 * belong to no round: what is older than any comparison goes.
 */
import type { AuditParameters } from "../shared/audit/parameters.ts";
import type { Sql } from "../shared/base/sql.ts";
import type { ObjectId } from "../shared/protocol/ids.ts";
import type { PruningOnChain } from "./chain/audit-chain.ts";
import { COMPARED_HOURS, hourOf } from "./edge-reads/edge-reads.ts";
import { readMeta, writeMeta } from "./ledger/ledger-sql.ts";
import type { Rounds } from "./ledger/rounds.ts";

export interface PruneParts {
  readonly sql: Sql;
  readonly rounds: Rounds;
  readonly parameters: AuditParameters;
}

/** Deletions on chain in one call, each a transaction; the next call goes on. */
const MAX_DELETIONS = 8;
/** Rounds forgotten in one call: some 20,000 rows each on a network of 1,000 shards. */
const MAX_ROUNDS = 2;
/** Rounds up to this one, and populations up to this epoch, were deleted on chain, by whomever. */
const ROUND_DONE = "pruned_round";
const EPOCH_DONE = "pruned_epoch";

/** Beyond the hours compared, for late publication. */
const EDGE_HOURS_KEPT = 2 * COMPARED_HOURS;
/** A batch comes again within minutes, if at all. */
const BATCH_HOURS_KEPT = 2;

const mark = (sql: Sql, name: string): number => Number(readMeta(sql, name) ?? "-1");

/**
 * Deletes on chain what is due, oldest first. A death in between costs nothing: what is gone counts as deleted.
 *
 * @throws SuiError
 */
export async function pruneChain({ sql }: PruneParts, chain: PruningOnChain, nowMs: number): Promise<void> {
  const last = await chain.lastPastRound(nowMs);
  let left = MAX_DELETIONS;
  const oldest = sql.exec(
    `SELECT no, epoch FROM round WHERE no > ? AND no <= ? AND state IN ('done', 'void') ORDER BY no LIMIT ?`,
    mark(sql, ROUND_DONE),
    last,
    MAX_DELETIONS,
  );
  for (const row of oldest) {
    const no = Number(row["no"]);
    const claims = sql.exec("SELECT id FROM claim WHERE round = ? AND state IN ('confirmed', 'lapsed')", no);
    for (const { id } of claims) {
      // Noted from the chain.
      if (left-- <= 0 || !(await chain.purgeClaim(String(id) as ObjectId))) return;
    }
    if (left-- <= 0 || !(await chain.pruneRound(no))) return;
    writeMeta(sql, ROUND_DONE, `${no}`);
  }
  const epochs = sql.exec(
    `SELECT DISTINCT epoch FROM round WHERE epoch > ?1 AND no <= ?2
       AND epoch < (SELECT MIN(epoch) FROM round WHERE no > ?2) ORDER BY epoch`,
    mark(sql, EPOCH_DONE),
    mark(sql, ROUND_DONE),
  );
  for (const row of epochs) {
    if (left-- <= 0 || !(await chain.prunePopulation(Number(row["epoch"])))) return;
    writeMeta(sql, EPOCH_DONE, `${row["epoch"]}`);
  }
}

/** Forgets the oldest rounds with all that belongs to them. @param isWriter whether there is anything on chain to wait for */
export function pruneLedger({ sql, rounds, parameters }: PruneParts, isWriter: boolean): void {
  const newest = rounds.latest();
  if (newest === undefined) return;
  const epoch = newest.epoch ?? 0;
  const before = newest.no - parameters.retentionRounds;
  const due = sql.exec(
    `SELECT no FROM round WHERE no < ? AND no <= ? AND state IN ('done', 'void') AND NOT EXISTS (
       SELECT 1 FROM claim WHERE claim.round = round.no
         AND (claim.state = 'pending' OR (claim.state = 'confirmed' AND claim.epoch >= ?)))
     ORDER BY no LIMIT ?`,
    before,
    isWriter ? mark(sql, ROUND_DONE) : before,
    epoch,
    MAX_ROUNDS,
  );
  for (const row of due) sql.transaction(() => forgetRound(sql, Number(row["no"])));
  if (due.length > 0) sql.transaction(() => forgetEpochs(sql));
}

/** Forgets edge reads that nothing is compared with any more. */
export function pruneEdgeReads(sql: Sql, nowMs: number): void {
  const hour = hourOf(nowMs);
  sql.exec("DELETE FROM edge_batch WHERE hour < ?", hour - BATCH_HOURS_KEPT);
  for (const table of ["edge_read", "edge_failure"])
    sql.exec(`DELETE FROM ${table} WHERE hour < ?`, hour - EDGE_HOURS_KEPT);
}

function forgetRound(sql: Sql, no: number): void {
  sql.exec(
    `DELETE FROM body WHERE body_hash IN (SELECT body_hash FROM attempt WHERE round = ?1)
       AND NOT EXISTS (SELECT 1 FROM attempt WHERE attempt.body_hash = body.body_hash AND round <> ?1)`,
    no,
  );
  // A leaf names its round, so no other round has it.
  sql.exec("DELETE FROM evidence WHERE leaf_hash IN (SELECT leaf_hash FROM verdict WHERE round = ?)", no);
  for (const table of [
    "attempt",
    "burst",
    "verdict",
    "draw",
    "node_round",
    "node_latency",
    "judgement",
    "claim",
  ])
    sql.exec(`DELETE FROM ${table} WHERE round = ?`, no);
  sql.exec("DELETE FROM round WHERE no = ?", no);
}

/** What only rounds of forgotten epochs were judged by; the newest record of a node carries its reputation on. */
function forgetEpochs(sql: Sql): void {
  const kept = "(SELECT MIN(epoch) FROM round)";
  for (const table of ["shard_receipt", "epoch_change"])
    sql.exec(`DELETE FROM ${table} WHERE epoch < ${kept}`);
  sql.exec(
    `DELETE FROM node_epoch WHERE epoch < ${kept}
       AND EXISTS (SELECT 1 FROM node_epoch AS later WHERE later.node = node_epoch.node AND later.epoch > node_epoch.epoch)`,
  );
}
