/**
 * Forgets what is past its retention: on chain, where the sender of a deletion gets the storage rebate, and in the ledger.
 *
 * On chain a round goes with the claims against its draws first, then its reports, then the populations of epochs that
 * no kept round refers to. The contract decides when each is due, and deletes each once; several auditors may try. The
 * ledger keeps a round as long as anything refers to it: the profile's retention, a claim that is pending, a confirmed
 * claim whose epoch lasts (its bundle is made of the round's evidence), and, with a key, the round on chain.
 */
import type { AuditParameters } from "../shared/audit/parameters.ts";
import type { Sql } from "../shared/base/sql.ts";
import type { PruningOnChain } from "./chain/audit-chain.ts";
import { forgetAttempts } from "./ledger/attempts.ts";
import { decidedClaims, forgetClaims, roundsWithLiveClaims } from "./ledger/claim-records.ts";
import { forgetDraws } from "./ledger/draws.ts";
import { forgetEpochChanges } from "./ledger/epochs.ts";
import { readMeta, writeMeta } from "./ledger/meta.ts";
import { forgetNodeEpochs, forgetNodeRounds } from "./ledger/node-records.ts";
import type { Rounds } from "./ledger/rounds.ts";
import { forgetVerdicts } from "./ledger/verdicts.ts";
import { forgetBursts } from "./round/burst.ts";

export interface PruneParts {
  readonly sql: Sql;
  readonly rounds: Rounds;
  readonly parameters: AuditParameters;
}

/** Deletions on chain in one call, each a transaction; the next call goes on. */
const MAX_DELETIONS = 8;
/** Rounds forgotten in one call: some 20,000 rows each on a network of 1,000 shards. */
const MAX_ROUNDS = 2;

/**
 * Deletes on chain what is due, oldest first. A death in between costs nothing: what is gone counts as deleted.
 *
 * @throws SuiError
 */
export async function pruneChain(
  { sql, rounds }: PruneParts,
  chain: PruningOnChain,
  nowMs: number,
): Promise<void> {
  const last = await chain.lastPastRound(nowMs);
  let left = MAX_DELETIONS;
  for (const no of rounds.closed(readMeta(sql, "pruned_round") ?? -1, last, MAX_DELETIONS)) {
    for (const id of decidedClaims(sql, no)) {
      if (left-- <= 0 || !(await chain.purgeClaim(id))) return;
    }
    if (left-- <= 0 || !(await chain.pruneRound(no))) return;
    writeMeta(sql, "pruned_round", no);
  }
  const prunedTo = readMeta(sql, "pruned_round") ?? -1;
  for (const epoch of rounds.epochsOver(readMeta(sql, "pruned_epoch") ?? -1, prunedTo)) {
    if (left-- <= 0 || !(await chain.prunePopulation(epoch))) return;
    writeMeta(sql, "pruned_epoch", epoch);
  }
}

/** Forgets the oldest rounds with all that belongs to them. @param isWriter whether there is anything on chain to wait for */
export function pruneLedger({ sql, rounds, parameters }: PruneParts, isWriter: boolean): void {
  const newest = rounds.latest();
  if (newest === undefined) return;
  const before = newest.no - parameters.retentionRounds;
  const deleted = isWriter ? (readMeta(sql, "pruned_round") ?? -1) : before;
  const due = rounds.closedBefore(before, deleted, roundsWithLiveClaims(sql, newest.epoch ?? 0), MAX_ROUNDS);
  for (const no of due) sql.transaction(() => forgetRound(sql, rounds, no));
  if (due.length > 0) sql.transaction(() => forgetEpochs(sql, rounds));
}

function forgetRound(sql: Sql, rounds: Rounds, no: number): void {
  forgetAttempts(sql, no);
  forgetVerdicts(sql, no);
  forgetBursts(sql, no);
  forgetDraws(sql, no);
  forgetNodeRounds(sql, no);
  forgetClaims(sql, no);
  rounds.forget(no);
}

/** What only rounds of forgotten epochs were judged by. */
function forgetEpochs(sql: Sql, rounds: Rounds): void {
  const oldest = rounds.oldestEpoch();
  if (oldest === undefined) return;
  forgetEpochChanges(sql, oldest);
  forgetNodeEpochs(sql, oldest);
}
