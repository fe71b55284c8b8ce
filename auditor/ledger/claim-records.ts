/**
 * Claims that were filed with the registry, with what this auditor did about each, and the arguments against pending ones:
 * tables `claim` and `refutation`.
 *
 * A claim is `pending`, `confirmed` or `lapsed` as on chain, and `gone` when the chain does not have it: refuted, withdrawn
 * or purged. It stays in the ledger with the state it ended in.
 */
import type { Refutation } from "../../shared/audit/refutation.ts";
import type { DrawKey } from "../../shared/audit/selection.ts";
import { fromBase64, toBase64 } from "../../shared/base/bytes.ts";
import type { Sql, SqlRow } from "../../shared/base/sql.ts";
import type { ObjectId } from "../../shared/protocol/ids.ts";
import type { ClaimOnChain } from "../../shared/sui/audit/reader.ts";

/** Of this auditor in a claim. */
export type ClaimRole = "accuser" | "attestor" | "refuter" | "watcher";

export interface ClaimRecord {
  readonly id: ObjectId;
  readonly round: number;
  readonly mode: number;
  readonly shard: number;
  readonly t: number;
  /** The accused. */
  readonly node: ObjectId;
  readonly epoch: number;
  readonly accuser: ObjectId;
  readonly deadlineMs: number;
  readonly role: ClaimRole;
  readonly state: string;
}

// Written by `keepClaim`, which has it from the chain.
const toId = (row: SqlRow): ObjectId => String(row["id"]) as ObjectId;

/** A claim keeps the role that was written last. */
export function keepClaim(sql: Sql, claim: ClaimOnChain, role: ClaimRole): void {
  sql.exec(
    `INSERT INTO claim (id, round, mode, shard, t, node, epoch, accuser, deadline_ms, role, state)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'pending') ON CONFLICT (id) DO UPDATE SET role = excluded.role`,
    claim.ref.objectId,
    claim.round,
    claim.mode,
    claim.shard,
    claim.t,
    claim.node,
    claim.epoch,
    claim.accuser,
    claim.deadlineMs,
    role,
  );
}

export function setClaimState(sql: Sql, id: ObjectId, state: string): void {
  sql.exec("UPDATE claim SET state = ? WHERE id = ?", state, id);
}

/** @returns undefined for a claim that is not in the ledger */
export function claimRecord(sql: Sql, id: string): ClaimRecord | undefined {
  const [row] = sql.exec("SELECT * FROM claim WHERE id = ?", id);
  return row === undefined ? undefined : toClaim(row);
}

/** Newest first. */
export const newestClaims = (sql: Sql, limit: number): ClaimRecord[] =>
  sql.exec("SELECT * FROM claim ORDER BY round DESC, id LIMIT ?", limit).map(toClaim);

/**
 * The next claims behind `after`, of those whose end the ledger has not seen. An endpoint that lags may not know a claim
 * yet, so that one that seems gone is looked at again until its deadline.
 */
export const openClaimsAfter = (sql: Sql, after: string, nowMs: number, limit: number): ObjectId[] =>
  sql
    .exec(
      `SELECT id FROM claim WHERE id > ? AND (state = 'pending' OR (state = 'gone' AND deadline_ms >= ?))
       ORDER BY id LIMIT ?`,
      after,
      nowMs,
      limit,
    )
    .map(toId);

/** Of the pending claims; undefined when there is none. */
export function nextDeadlineMs(sql: Sql): number | undefined {
  const ms = sql.exec("SELECT MIN(deadline_ms) AS ms FROM claim WHERE state = 'pending'")[0]?.["ms"];
  return typeof ms === "number" ? ms : undefined;
}

/** Confirmed claims of an accuser in an epoch, newest round first. */
export const confirmedClaimsOf = (
  sql: Sql,
  accuser: ObjectId,
  epoch: number | null,
  limit: number,
): ObjectId[] =>
  sql
    .exec(
      "SELECT id FROM claim WHERE state = 'confirmed' AND accuser = ? AND epoch = ? ORDER BY round DESC LIMIT ?",
      accuser,
      epoch,
      limit,
    )
    .map(toId);

export function hasFiled(sql: Sql, accuser: ObjectId, round: number, draw: DrawKey): boolean {
  const [row] = sql.exec(
    "SELECT 1 FROM claim WHERE accuser = ? AND round = ? AND mode = ? AND shard = ? AND t = ?",
    accuser,
    round,
    draw.mode,
    draw.shard,
    draw.t,
  );
  return row !== undefined;
}

/** Pending claims against a node as far as the ledger knows; the contract counts for itself. */
export function countPendingAgainst(sql: Sql, node: ObjectId): number {
  const [row] = sql.exec("SELECT COUNT(*) AS count FROM claim WHERE node = ? AND state = 'pending'", node);
  return Number(row?.["count"]);
}

/** Claims against the node that the chain confirmed in this epoch; without a contract there are none. */
export function countConfirmedAgainst(sql: Sql, node: ObjectId, epoch: number): number {
  const [row] = sql.exec(
    "SELECT COUNT(*) AS count FROM claim WHERE node = ? AND epoch = ? AND state = 'confirmed'",
    node,
    epoch,
  );
  return Number(row?.["count"] ?? 0);
}

export function countClaims(sql: Sql, state: string): number {
  const [row] = sql.exec("SELECT COUNT(*) AS count FROM claim WHERE state = ?", state);
  return Number(row?.["count"]);
}

/** Confirmed claims of other draws against the same node in the same epoch: one a draw, newest round first. */
export const confirmedBeside = (sql: Sql, claim: ClaimRecord, limit: number): ObjectId[] =>
  sql
    .exec(
      `SELECT MIN(id) AS id FROM claim
       WHERE node = ?1 AND epoch = ?2 AND state = 'confirmed'
         AND NOT (round = ?3 AND mode = ?4 AND shard = ?5 AND t = ?6)
       GROUP BY round, mode, shard, t ORDER BY round DESC LIMIT ?7`,
      claim.node,
      claim.epoch,
      claim.round,
      claim.mode,
      claim.shard,
      claim.t,
      limit,
    )
    .map(toId);

/** Claims against draws of a round that still stand on chain although they are decided. */
export const decidedClaims = (sql: Sql, round: number): ObjectId[] =>
  sql.exec("SELECT id FROM claim WHERE round = ? AND state IN ('confirmed', 'lapsed')", round).map(toId);

/** Rounds with a claim that is pending, or confirmed in an epoch that lasts. @param epoch the one that lasts */
export const roundsWithLiveClaims = (sql: Sql, epoch: number): number[] =>
  sql
    .exec(
      "SELECT DISTINCT round FROM claim WHERE state = 'pending' OR (state = 'confirmed' AND epoch >= ?)",
      epoch,
    )
    .map((row) => Number(row["round"]));

export function forgetClaims(sql: Sql, round: number): void {
  sql.exec("DELETE FROM claim WHERE round = ?", round);
}

export function keepRefutation(sql: Sql, claimId: ObjectId, refutation: Refutation): void {
  sql.exec(
    "INSERT OR REPLACE INTO refutation (claim, arguments) VALUES (?, ?)",
    claimId,
    JSON.stringify(refutationJson(refutation)),
  );
}

/** Those of claims that have ended are of no more use. */
export function dropRefutations(sql: Sql): void {
  sql.exec("DELETE FROM refutation WHERE claim NOT IN (SELECT id FROM claim WHERE state = 'pending')");
}

export function keptRefutation(sql: Sql, claimId: ObjectId): Refutation | undefined {
  const [row] = sql.exec("SELECT arguments FROM refutation WHERE claim = ?", claimId);
  if (row === undefined) return undefined;
  // Written by `keepRefutation`.
  const kept = JSON.parse(String(row["arguments"])) as ReturnType<typeof refutationJson>;
  return {
    prefixedSymbol: fromBase64(kept.symbol),
    sliverPath: kept.sliverPath.map(fromBase64),
    otherRoot: fromBase64(kept.otherRoot),
    pairPath: kept.pairPath.map(fromBase64),
  };
}

/** As it is kept and shown. */
export const refutationJson = (refutation: Refutation) => ({
  symbol: toBase64(refutation.prefixedSymbol),
  sliverPath: refutation.sliverPath.map(toBase64),
  otherRoot: toBase64(refutation.otherRoot),
  pairPath: refutation.pairPath.map(toBase64),
});

// Rows hold what `keepClaim` and `setClaimState` wrote.
const toClaim = (row: SqlRow): ClaimRecord => ({
  id: toId(row),
  round: Number(row["round"]),
  mode: Number(row["mode"]),
  shard: Number(row["shard"]),
  t: Number(row["t"]),
  node: String(row["node"]) as ObjectId,
  epoch: Number(row["epoch"]),
  accuser: String(row["accuser"]) as ObjectId,
  deadlineMs: Number(row["deadline_ms"]),
  role: String(row["role"]) as ClaimRole,
  state: String(row["state"]),
});
