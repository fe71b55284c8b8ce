/**
 * Rounds as the ledger keeps them, and how each was judged: tables `round` and `judgement`.
 *
 *   opening      the round's number is taken; its seed is not known yet
 *   following    seed known; the chain is read up to the seed's checkpoint
 *   populating   the lists to draw from are built
 *   challenging  draws are planned and asked
 *   judging      every draw has its last answer; the chain is read once more
 *   reporting    verdicts, evidence and statistics stand; the report is due
 *   done         closed for good; or
 *   void         closed for good and counts for nothing: the auditor's own network was at fault
 *
 * One round is under way at a time; each transition is one transaction, so a round goes on where it stopped.
 */

import type { SeedSource } from "../../shared/audit/round-export.ts";
import { fromHex, toHex } from "../../shared/base/bytes.ts";
import { assert } from "../../shared/base/errors.ts";
import type { Sql, SqlRow } from "../../shared/base/sql.ts";
import type { Committee } from "../../shared/protocol/committee.ts";
import type { ObjectId } from "../../shared/protocol/ids.ts";
import { textOrNull } from "./ledger-sql.ts";

export const ROUND_STATES = [
  "opening",
  "following",
  "populating",
  "challenging",
  "judging",
  "reporting",
  "done",
  "void",
] as const;
export type RoundState = (typeof ROUND_STATES)[number];

export interface Round {
  readonly no: number;
  readonly state: RoundState;
  readonly openedMs: number;
  readonly finishedMs: number | null;
  readonly seed: Uint8Array | null;
  readonly seedSource: SeedSource | null;
  readonly seedCheckpoint: number | null;
  readonly epoch: number | null;
  readonly nShards: number | null;
  readonly committeeHash: string | null;
  readonly parametersHash: string;
  /** JSON of `PublishedPopulations`. */
  readonly populations: string | null;
  readonly evidenceRoot: string | null;
  readonly nodesRoot: string | null;
  /** JSON of `ReportTotals`. */
  readonly totals: string | null;
  /** Judged to count for nothing. */
  readonly isVoid: boolean;
  readonly tx: string | null;
}

/** In the column `auditor` of a round that was judged without a key: null there is a round of before it was kept. */
const NO_KEY = "none";

export class Rounds {
  readonly #sql: Sql;

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  round(no: number): Round | undefined {
    const [row] = this.#sql.exec("SELECT * FROM round WHERE no = ?", no);
    return row === undefined ? undefined : toRound(row);
  }

  /** The one under way; undefined when the last one is closed. */
  active(): Round | undefined {
    const [row] = this.#sql.exec(
      "SELECT * FROM round WHERE state NOT IN ('done', 'void') ORDER BY no DESC LIMIT 1",
    );
    return row === undefined ? undefined : toRound(row);
  }

  latest(): Round | undefined {
    const [row] = this.#sql.exec("SELECT * FROM round ORDER BY no DESC LIMIT 1");
    return row === undefined ? undefined : toRound(row);
  }

  /** Newest first. */
  list(beforeNo: number, limit: number): Round[] {
    return this.#sql
      .exec("SELECT * FROM round WHERE no < ? ORDER BY no DESC LIMIT ?", beforeNo, limit)
      .map(toRound);
  }

  /** Takes a number. @returns false when it is taken or another round is under way */
  open(no: number, openedMs: number, parametersHash: Uint8Array): boolean {
    return this.#sql.transaction(() => {
      const latest = this.latest();
      if (latest !== undefined && (latest.no >= no || this.active() !== undefined)) return false;
      this.#sql.exec(
        "INSERT INTO round (no, state, opened_ms, params_hash) VALUES (?, 'opening', ?, ?)",
        no,
        openedMs,
        toHex(parametersHash),
      );
      return true;
    });
  }

  /** Sets columns and moves on; runs inside the caller's transaction when there is one. */
  update(
    no: number,
    from: RoundState,
    to: RoundState,
    columns: Readonly<Record<string, string | number>>,
  ): void {
    const names = Object.keys(columns);
    const sets = ["state = ?", ...names.map((name) => `${name} = ?`)].join(", ");
    this.#sql.exec(
      `UPDATE round SET ${sets} WHERE no = ? AND state = ?`,
      to,
      ...Object.values(columns),
      no,
      from,
    );
  }

  /**
   * Keeps up to where the chain was read when a round was judged (events of all checkpoints before this one), and whose
   * key the auditor had then; undefined without one.
   */
  noteJudged(no: number, checkpoint: number, auditor: ObjectId | undefined): void {
    this.#sql.exec(
      "INSERT OR REPLACE INTO judgement (round, checkpoint, auditor) VALUES (?, ?, ?)",
      no,
      checkpoint,
      auditor ?? NO_KEY,
    );
  }

  /** Who judged a round: null without a key, undefined when it was before this was kept. */
  judgedBy(no: number): ObjectId | null | undefined {
    const [row] = this.#sql.exec("SELECT auditor FROM judgement WHERE round = ?", no);
    const text = textOrNull(row?.["auditor"]);
    // Written by `noteJudged`.
    return text === NO_KEY ? null : ((text ?? undefined) as ObjectId | undefined);
  }

  /** null for a round that is not judged, or was before this was kept. */
  judgedCheckpoint(no: number): number | null {
    const [row] = this.#sql.exec("SELECT checkpoint FROM judgement WHERE round = ?", no);
    return row === undefined ? null : Number(row["checkpoint"]);
  }

  /** The committee the round's shards belong to. */
  committee(no: number): Committee {
    const [row] = this.#sql.exec("SELECT committee FROM round WHERE no = ?", no);
    const text = textOrNull(row?.["committee"]);
    assert(text !== null, `round ${no} has a committee`);
    return parseCommittee(text);
  }

  /** Numbers of closed rounds, oldest first. @param from exclusive @param to inclusive */
  closed(from: number, to: number, limit: number): number[] {
    return this.#sql
      .exec(
        "SELECT no FROM round WHERE no > ? AND no <= ? AND state IN ('done', 'void') ORDER BY no LIMIT ?",
        from,
        to,
        limit,
      )
      .map((row) => Number(row["no"]));
  }

  /** As `closed`, before `before` (exclusive) and up to `to` (inclusive), but none of `kept`. */
  closedBefore(before: number, to: number, kept: readonly number[], limit: number): number[] {
    return this.#sql
      .exec(
        `SELECT no FROM round WHERE no < ? AND no <= ? AND state IN ('done', 'void')
           AND no NOT IN (SELECT value FROM json_each(?)) ORDER BY no LIMIT ?`,
        before,
        to,
        JSON.stringify(kept),
        limit,
      )
      .map((row) => Number(row["no"]));
  }

  /** Rounds opened since then, none newer than `newest`. */
  openedSince(ms: number, newest: number): number[] {
    return this.#sql
      .exec("SELECT no FROM round WHERE opened_ms >= ? AND no <= ?", ms, newest)
      .map((row) => Number(row["no"]));
  }

  /** Epochs after `after` of rounds up to `upTo`, oldest first, that no later round is of or goes back to. */
  epochsOver(after: number, upTo: number): number[] {
    return this.#sql
      .exec(
        `SELECT DISTINCT epoch FROM round WHERE epoch > ?1 AND no <= ?2
           AND epoch < (SELECT MIN(epoch) FROM round WHERE no > ?2) ORDER BY epoch`,
        after,
        upTo,
      )
      .map((row) => Number(row["epoch"]));
  }

  /** Of the rounds kept; undefined when none has one. */
  oldestEpoch(): number | undefined {
    const epoch = this.#sql.exec("SELECT MIN(epoch) AS epoch FROM round")[0]?.["epoch"];
    return typeof epoch === "number" ? epoch : undefined;
  }

  /** The round and how it was judged; its draws and records have tables of their own. */
  forget(no: number): void {
    this.#sql.exec("DELETE FROM judgement WHERE round = ?", no);
    this.#sql.exec("DELETE FROM round WHERE no = ?", no);
  }
}

/** Committees hold bytes and branded numbers; JSON keeps them as text and numbers. */
export const committeeJson = (committee: Committee): string =>
  JSON.stringify({
    ...committee,
    members: committee.members.map((member) => ({ ...member, publicKey: toHex(member.publicKey) })),
  });

function parseCommittee(text: string): Committee {
  // Written by `committeeJson`.
  const json = JSON.parse(text) as Committee & { members: readonly { readonly publicKey: string }[] };
  const members = json.members.map((member) => ({ ...member, publicKey: fromHex(String(member.publicKey)) }));
  return { epoch: json.epoch, nShards: json.nShards, members };
}

// Rows hold what this file wrote, so their texts and numbers are of the types written.
function toRound(row: SqlRow): Round {
  const numberOrNull = (name: string): number | null => (row[name] === null ? null : Number(row[name]));
  const seed = textOrNull(row["seed"]);
  return {
    no: Number(row["no"]),
    state: String(row["state"]) as RoundState,
    openedMs: Number(row["opened_ms"]),
    finishedMs: numberOrNull("finished_ms"),
    seed: seed === null ? null : fromHex(seed),
    seedSource: textOrNull(row["seed_source"]) as SeedSource | null,
    seedCheckpoint: numberOrNull("seed_checkpoint"),
    epoch: numberOrNull("epoch"),
    nShards: numberOrNull("n_shards"),
    committeeHash: textOrNull(row["committee_hash"]),
    parametersHash: String(row["params_hash"]),
    populations: textOrNull(row["populations"]),
    evidenceRoot: textOrNull(row["evidence_root"]),
    nodesRoot: textOrNull(row["nodes_root"]),
    totals: textOrNull(row["totals"]),
    isVoid: row["is_void"] === 1,
    tx: textOrNull(row["tx"]),
  };
}
