/**
 * Edge reads: what the operator's own edges saw of storage nodes while they served readers. A stratum of its own, beside
 * the challenges: shown, compared with them, and in no verdict, statistic, evidence leaf or report, because nobody else
 * can recompute it.
 *
 * Counts are kept by node and hour of arrival. A failure (missing or invalid) is held against a node only when the
 * auditor might have asked for the same blob itself. On arrival (`edge-reads-route.ts`): the blob stands in a list that a
 * round drew from, begun at least the spread of a challenge's attempts ago, and the node is past the graces of the epoch's
 * hand-over. Once the chain has been read beyond the failure: the blob still lives, and has been certified without a gap
 * since that list was made. That is settled then, because the ledger forgets when blobs were certified; what is not settled
 * yet is decided whenever it is shown. A blob counts once for a node however often it failed.
 *
 * Tables `edge_batch`, `edge_read` and `edge_failure`. Failures up to `meta.edge_settled_ms` are settled: those that are left
 * are held against nodes.
 */
import type { EdgeReadOutcome, EdgeReadsBatch } from "../../shared/audit/edge-reads.ts";
import type { AuditParameters } from "../../shared/audit/parameters.ts";
import type { Sql } from "../../shared/base/sql.ts";
import { type BlobId, blobIdToBytes, type ObjectId } from "../../shared/protocol/ids.ts";
import { readMeta, writeMeta } from "../ledger/meta.ts";
import { trialsOfRounds } from "../ledger/node-records.ts";
import { Rounds } from "../ledger/rounds.ts";
import { excludedSql, owedSql } from "../population/object-tables.ts";
import { type Divergence, divergenceOf, type Trials } from "./edge-divergence.ts";

export const HOUR_MS = 3_600_000;
/** Hours that a comparison spans. */
export const COMPARED_HOURS = 24;
/** Beyond the hours compared, for late publication. */
const EDGE_HOURS_KEPT = 2 * COMPARED_HOURS;
/** A batch comes again within minutes, if at all. */
const BATCH_HOURS_KEPT = 2;
/** Failures of a node held in an hour; more would say nothing new. */
const FAILURES_PER_HOUR = 500;

export const hourOf = (ms: number): number => Math.floor(ms / HOUR_MS);

/** Hours compared, both inclusive. */
export interface EdgeWindow {
  readonly fromHour: number;
  readonly toHour: number;
}

/** The last whole day; where consequences of rounds are published late, those of reads are, too. */
export function edgeWindow(parameters: AuditParameters, nowMs: number): EdgeWindow {
  const toHour = hourOf(nowMs - parameters.publicationDelayRounds * parameters.roundPeriodMs);
  return { fromHour: toHour - COMPARED_HOURS + 1, toHour };
}

/** One node's edge reads of the hours compared. */
export interface EdgeReadsSummary {
  readonly fromMs: number;
  /** Exclusive. */
  readonly untilMs: number;
  /** Blobs asked of the node, by the worst that came back; `EDGE_READ_OUTCOMES`. */
  readonly passed: number;
  readonly silent: number;
  readonly refused: number;
  readonly missing: number;
  readonly invalid: number;
  /** Different blobs whose failure is held against the node. */
  readonly failedBlobs: number;
  readonly challenges: number;
  readonly failedChallenges: number;
  /** How likely an honest node shows as many failures or more; diverging from `DIVERGES_BELOW` down. */
  readonly chance: number;
  readonly diverges: boolean;
}

/**
 * Adds a batch, all or nothing, once. The caller has checked that its nodes belong to the committee.
 *
 * @param knownAt the checkpoint at which the node is known to have owed the blob; undefined: the failure counts nothing
 * @returns false when the batch was there already
 */
export function addEdgeReads(
  sql: Sql,
  batch: EdgeReadsBatch,
  nowMs: number,
  knownAt: (node: ObjectId, blobId: BlobId) => number | undefined,
): boolean {
  const hour = hourOf(nowMs);
  return sql.transaction(() => {
    // Kept by hour, so that old ones go without a search; a repetition comes within minutes.
    const [known] = sql.exec(
      "SELECT 1 FROM edge_batch WHERE hour IN (?1 - 1, ?1) AND batch = ?2",
      hour,
      batch.batch,
    );
    if (known !== undefined) return false;
    sql.exec("INSERT INTO edge_batch (hour, batch) VALUES (?, ?)", hour, batch.batch);
    for (const { node, passed, silent, refused, missing, invalid } of batch.nodes) {
      sql.exec(
        `INSERT INTO edge_read (hour, node, passed, silent, refused, missing, invalid) VALUES (?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (hour, node) DO UPDATE SET
           passed = passed + excluded.passed, silent = silent + excluded.silent, refused = refused + excluded.refused,
           missing = missing + excluded.missing, invalid = invalid + excluded.invalid`,
        hour,
        node,
        passed,
        silent,
        refused,
        missing.length,
        invalid.length,
      );
      const failed = [...missing, ...invalid].flatMap((blobId) => {
        const checkpoint = knownAt(node, blobId);
        return checkpoint === undefined ? [] : [{ blobId, checkpoint }];
      });
      keepFailures(sql, nowMs, node, failed);
    }
    return true;
  });
}

function keepFailures(
  sql: Sql,
  nowMs: number,
  node: ObjectId,
  failed: readonly { readonly blobId: BlobId; readonly checkpoint: number }[],
): void {
  if (failed.length === 0) return;
  const hour = hourOf(nowMs);
  const [row] = sql.exec(
    "SELECT COUNT(*) AS count FROM edge_failure WHERE hour = ? AND node = ?",
    hour,
    node,
  );
  const room = Math.max(0, FAILURES_PER_HOUR - Number(row?.["count"] ?? 0));
  for (const { blobId, checkpoint } of failed.slice(0, room)) {
    sql.exec(
      "INSERT OR IGNORE INTO edge_failure (hour, node, blob_id, at_ms, known_at) VALUES (?, ?, ?, ?, ?)",
      hour,
      node,
      blobIdToBytes(blobId),
      nowMs,
      checkpoint,
    );
  }
}

/**
 * Edge reads of every node that had any in the hours compared, with the challenges of the published rounds in them.
 *
 * @param newestRound published; undefined: no challenges yet
 */
export function edgeReadsOfNodes(
  sql: Sql,
  { fromHour, toHour }: EdgeWindow,
  newestRound: number | undefined,
): ReadonlyMap<string, EdgeReadsSummary> {
  const failed = failuresHeld(sql, { fromHour, toHour });
  const challenges = challengesSince(sql, fromHour * HOUR_MS, newestRound);
  const rows = sql.exec(
    `SELECT node, SUM(passed) AS passed, SUM(silent) AS silent, SUM(refused) AS refused, SUM(missing) AS missing,
            SUM(invalid) AS invalid
     FROM edge_read WHERE hour BETWEEN ? AND ? GROUP BY node`,
    fromHour,
    toHour,
  );
  return new Map(
    rows.map((row) => {
      const node = String(row["node"]);
      const of = (outcome: EdgeReadOutcome): number => Number(row[outcome]);
      const failedBlobs = failed.get(node) ?? 0;
      const asked = challenges.get(node) ?? { trials: 0, failures: 0 };
      const found: Divergence = divergenceOf(
        { trials: of("passed") + failedBlobs, failures: failedBlobs },
        asked,
      );
      const summary: EdgeReadsSummary = {
        fromMs: fromHour * HOUR_MS,
        untilMs: (toHour + 1) * HOUR_MS,
        passed: of("passed"),
        silent: of("silent"),
        refused: of("refused"),
        missing: of("missing"),
        invalid: of("invalid"),
        failedBlobs,
        challenges: asked.trials,
        failedChallenges: asked.failures,
        ...found,
      };
      return [node, summary];
    }),
  );
}

/** `?1` is the epoch now. */
const OWED = owedSql("failure.blob_id", "?1", "known_at");

const settledMs = (sql: Sql): number => readMeta(sql, "edge_settled_ms") ?? 0;

/** All that happened until then is in the ledger. While a round is judged that is still being read. */
const knownMs = (sql: Sql): number =>
  readMeta(sql, "judge_to") === undefined ? (readMeta(sql, "read_to_ms") ?? 0) : settledMs(sql);

/**
 * Decides which failures are held against nodes. To be called before the ledger forgets when blobs were certified: one
 * that was deleted and certified anew would look as if it had always been there.
 */
export function settleEdgeFailures(sql: Sql): void {
  const [fromMs, toMs] = [settledMs(sql), knownMs(sql)];
  if (toMs <= fromMs) return;
  sql.transaction(() => {
    sql.exec(
      `DELETE FROM edge_failure AS failure WHERE hour >= ?2 AND at_ms > ?3 AND at_ms <= ?4 AND NOT (${OWED})`,
      readMeta(sql, "epoch") ?? 0,
      hourOf(fromMs),
      fromMs,
      toMs,
    );
    writeMeta(sql, "edge_settled_ms", toMs);
  });
}

/** Different blobs that failed although their node owed them all the time, by node. */
function failuresHeld(sql: Sql, { fromHour, toHour }: EdgeWindow): ReadonlyMap<string, number> {
  const rows = sql.exec(
    `SELECT node, COUNT(DISTINCT blob_id) AS blobs FROM edge_failure AS failure
     WHERE hour BETWEEN ?2 AND ?3 AND (at_ms <= ?4 OR (at_ms <= ?5 AND ${OWED}))
       AND NOT ${excludedSql("failure.blob_id")}
     GROUP BY node`,
    readMeta(sql, "epoch") ?? 0,
    fromHour,
    toHour,
    settledMs(sql),
    knownMs(sql),
  );
  return new Map(rows.map((row) => [String(row["node"]), Number(row["blobs"])]));
}

/** What rounds begun since then counted for possession, by node. */
function challengesSince(
  sql: Sql,
  sinceMs: number,
  newestRound: number | undefined,
): ReadonlyMap<string, Trials> {
  if (newestRound === undefined) return new Map();
  return trialsOfRounds(sql, new Rounds(sql).openedSince(sinceMs, newestRound));
}

/** Forgets edge reads that nothing is compared with any more. */
export function pruneEdgeReads(sql: Sql, nowMs: number): void {
  const hour = hourOf(nowMs);
  sql.exec("DELETE FROM edge_batch WHERE hour < ?", hour - BATCH_HOURS_KEPT);
  sql.exec("DELETE FROM edge_read WHERE hour < ?", hour - EDGE_HOURS_KEPT);
  sql.exec("DELETE FROM edge_failure WHERE hour < ?", hour - EDGE_HOURS_KEPT);
}
