/**
 * Rounds and their draws as the ledger keeps them.
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

import type { Outcome } from "../../shared/audit/outcomes.ts";
import type { SeedSource } from "../../shared/audit/round-export.ts";
import type { Challenge } from "../../shared/audit/selection.ts";
import type { Attempt, AttemptKind } from "../../shared/audit/verdict.ts";
import { fromHex, toHex } from "../../shared/base/bytes.ts";
import { assert } from "../../shared/base/errors.ts";
import type { Sql, SqlRow } from "../../shared/base/sql.ts";
import type { Committee } from "../../shared/protocol/committee.ts";
import type { BlobId, ObjectId } from "../../shared/protocol/ids.ts";
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

/** A challenge with what the round makes of it. */
export interface RoundDraw extends Challenge {
  readonly node: ObjectId;
  /** Place in the order of asking. */
  readonly place: number;
  /** Entries (in mode 1 bytes) of the population it was drawn from: part of its digest. */
  readonly populationSize: bigint;
  isFinal: boolean;
  /** What the chain, read again after a failure, says of the node and the blob. */
  isOwner: boolean;
  hasMetadata: boolean;
  /** The shard came from another node at the round's epoch. */
  readonly hasMoved: boolean;
  /** C1 and C2 only, in order. */
  readonly attempts: RecordedAttempt[];
  /** Requests of any kind recorded for it. */
  requests: number;
}

/** C1 and C2 lead to verdicts; the others are recorded beside them. */
export type RequestKind = AttemptKind | "metadata" | "confirmation" | "status" | "health" | "burst";

export interface RecordedAttempt extends Attempt {
  readonly ms: number;
  readonly httpStatus: number;
  readonly bodyHash: string | null;
}

export interface AttemptRecord {
  /** Whom it went to: another than the draw's node when metadata is searched. */
  readonly node: ObjectId;
  readonly kind: RequestKind;
  readonly startedMs: number;
  readonly ms: number;
  readonly httpStatus: number;
  readonly outcome: Outcome;
  readonly bytes: number;
  readonly bodyHash: string | null;
  /** Reason, signature check, stored state or node status. */
  readonly detail: string | null;
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

  /** Challenges of a round, and how many of them nobody has to be asked for any more. */
  progress(no: number): { readonly draws: number; readonly decided: number } {
    const [row] = this.#sql.exec(
      "SELECT COUNT(*) AS draws, SUM(is_final) AS decided FROM draw WHERE round = ?",
      no,
    );
    return { draws: Number(row?.["draws"] ?? 0), decided: Number(row?.["decided"] ?? 0) };
  }

  /** The committee the round's shards belong to. */
  committee(no: number): Committee {
    const [row] = this.#sql.exec("SELECT committee FROM round WHERE no = ?", no);
    const text = textOrNull(row?.["committee"]);
    assert(text !== null, `round ${no} has a committee`);
    return parseCommittee(text);
  }

  insertDraw(round: number, draw: RoundDraw): void {
    this.#sql.exec(
      `INSERT INTO draw (round, mode, shard, t, blob_id, length, end_epoch, leaf, pair, axis, symbol, node, vacuous,
                         place, size, is_final, is_owner, has_metadata, has_moved)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1, 1, ?)`,
      round,
      draw.mode,
      draw.shard,
      draw.t,
      draw.blobId,
      draw.unencodedLength,
      draw.endEpoch,
      draw.leaf,
      draw.pair,
      draw.axis,
      draw.symbol,
      draw.node,
      draw.isVacuous ? 1 : 0,
      draw.place,
      draw.populationSize.toString(),
      draw.isFinal ? 1 : 0,
      draw.hasMoved ? 1 : 0,
    );
  }

  /** All draws of a round with their attempts, in (mode, shard, t) order. Cost: all rows of both tables. */
  draws(round: number): RoundDraw[] {
    const draws = this.#sql
      .exec("SELECT * FROM draw WHERE round = ? ORDER BY mode, shard, t", round)
      .map(toDraw);
    const byKey = new Map(draws.map((draw) => [keyOf(draw.mode, draw.shard, draw.t), draw]));
    for (const row of this.#sql.exec("SELECT * FROM attempt WHERE round = ? ORDER BY id", round)) {
      const draw = byKey.get(keyOf(row["mode"], row["shard"], row["t"]));
      if (draw === undefined) continue;
      draw.requests++;
      const kind = String(row["kind"]);
      if (kind === "symbol" || kind === "sliver") draw.attempts.push(toAttempt(row, kind));
    }
    return draws;
  }

  /** Records one request and what it makes of its draw, at once. The draw in memory follows. */
  record(round: number, draw: RoundDraw, attempt: AttemptRecord, keepBody?: Uint8Array): void {
    const number = draw.requests + 1;
    this.#sql.transaction(() => {
      this.#sql.exec(
        `INSERT INTO attempt (round, mode, shard, t, n, node, kind, started_ms, ms, http_status, outcome, bytes,
                              body_hash, detail)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
        round,
        draw.mode,
        draw.shard,
        draw.t,
        number,
        attempt.node,
        attempt.kind,
        attempt.startedMs,
        attempt.ms,
        attempt.httpStatus,
        attempt.outcome,
        attempt.bytes,
        attempt.bodyHash,
        attempt.detail,
      );
      if (keepBody !== undefined && attempt.bodyHash !== null) {
        this.#sql.exec(
          "INSERT OR IGNORE INTO body (body_hash, bytes) VALUES (?, ?)",
          attempt.bodyHash,
          keepBody,
        );
      }
    });
    draw.requests = number;
    const { kind } = attempt;
    if (kind === "symbol" || kind === "sliver") draw.attempts.push({ ...attempt, kind });
  }

  /** Writes what a draw's flags say. */
  saveDraw(round: number, draw: RoundDraw): void {
    this.#sql.exec(
      `UPDATE draw SET is_final = ?, is_owner = ?, has_metadata = ? WHERE round = ? AND mode = ? AND shard = ? AND t = ?`,
      draw.isFinal ? 1 : 0,
      draw.isOwner ? 1 : 0,
      draw.hasMetadata ? 1 : 0,
      round,
      draw.mode,
      draw.shard,
      draw.t,
    );
  }

  /** Requests of one kind for a node in a round, with their details, in order. */
  requests(round: number, node: ObjectId, kind: RequestKind): { outcome: Outcome; detail: string | null }[] {
    return this.#sql
      .exec(
        "SELECT outcome, detail FROM attempt WHERE round = ? AND node = ? AND kind = ? ORDER BY id",
        round,
        node,
        kind,
      )
      .map((row) => ({
        // Written by `record`.
        outcome: String(row["outcome"]) as Outcome,
        detail: textOrNull(row["detail"]),
      }));
  }
}

const keyOf = (mode: unknown, shard: unknown, t: unknown): string => `${mode}/${shard}/${t}`;

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

function toDraw(row: SqlRow): RoundDraw {
  return {
    mode: Number(row["mode"]) as RoundDraw["mode"],
    shard: Number(row["shard"]) as RoundDraw["shard"],
    t: Number(row["t"]),
    // Only a plan needs it, and a plan is made from the seed.
    offset: 0n,
    axis: String(row["axis"]) as RoundDraw["axis"],
    symbol: Number(row["symbol"]) as RoundDraw["symbol"],
    blobId: String(row["blob_id"]) as BlobId,
    unencodedLength: Number(row["length"]),
    endEpoch: Number(row["end_epoch"]),
    leaf: Number(row["leaf"]),
    pair: Number(row["pair"]) as RoundDraw["pair"],
    isVacuous: row["vacuous"] === 1,
    node: String(row["node"]) as ObjectId,
    place: Number(row["place"]),
    populationSize: BigInt(String(row["size"])),
    isFinal: row["is_final"] === 1,
    isOwner: row["is_owner"] === 1,
    hasMetadata: row["has_metadata"] === 1,
    hasMoved: row["has_moved"] === 1,
    attempts: [],
    requests: 0,
  };
}

const toAttempt = (row: SqlRow, kind: AttemptKind): RecordedAttempt => ({
  kind,
  startedMs: Number(row["started_ms"]),
  ms: Number(row["ms"]),
  httpStatus: Number(row["http_status"]),
  outcome: String(row["outcome"]) as Outcome,
  bodyHash: textOrNull(row["body_hash"]),
});
