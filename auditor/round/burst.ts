/**
 * Chained bursts (C6): a few symbols of a node one after the other, each blob fixed by the symbol before.
 *
 * A node that fetches what it is asked from others pays a request per step and cannot prepare. What is kept is how
 * long the steps took; it is shown, and decides nothing: no verdict, no statistic, no evidence leaf.
 */

import type { AuditParameters } from "../../shared/audit/parameters.ts";
import type { PopulationIndex } from "../../shared/audit/population.ts";
import type { Challenge } from "../../shared/audit/selection.ts";
import { fromHex, toHex } from "../../shared/base/bytes.ts";
import type { Sql } from "../../shared/base/sql.ts";
import type { CommitteeMember } from "../../shared/protocol/committee.ts";
import type { ObjectId } from "../../shared/protocol/ids.ts";
import type { VerifiedMetadata } from "../../shared/protocol/metadata.ts";
import type { Round } from "../ledger/rounds.ts";
import { listName, type PopulationLists } from "../population/population-tables.ts";
import { chainedChallenge, firstChainSeed, nextChainSeed } from "./challenge-rules.ts";
import type { MetadataShelf } from "./metadata-shelf.ts";
import type { PoliteAsker } from "./polite-asker.ts";
import { metadataQuestion, symbolQuestion, weigh } from "./questions.ts";

export interface BurstParts {
  readonly sql: Sql;
  readonly lists: PopulationLists;
  readonly parameters: AuditParameters;
}

/** The bursts of one round. */
export class Bursts {
  readonly #sql: Sql;
  readonly #steps: number;
  readonly #round: number;
  readonly #seed: Uint8Array;
  readonly #nShards: number;
  /** Undefined where nothing is drawn from. */
  readonly #population: PopulationIndex | undefined;

  constructor({ sql, lists, parameters }: BurstParts, round: Round, seed: Uint8Array, nShards: number) {
    this.#sql = sql;
    this.#steps = parameters.burstSteps;
    this.#round = round.no;
    this.#seed = seed;
    this.#nShards = nShards;
    const list = listName("permanent", round.epoch ?? 0);
    this.#population = lists.summary(list) === undefined ? undefined : lists.index(list);
  }

  /** Requests that count for the pace at which nodes are asked. */
  startedAfter(ms: number): { node: ObjectId; startedMs: number }[] {
    return this.#sql
      .exec("SELECT node, started_ms FROM burst WHERE round = ? AND started_ms > ?", this.#round, ms)
      .map((row) => ({ node: String(row["node"]) as ObjectId, startedMs: Number(row["started_ms"]) }));
  }

  /**
   * Goes on with a node's burst. Each step stands in the ledger before the next one is asked.
   *
   * @returns false when the budget is spent before its end
   */
  async run(member: CommitteeMember, asker: PoliteAsker, shelf: MetadataShelf): Promise<boolean> {
    const { nodeId } = member;
    const done = this.#sql.exec(
      "SELECT outcome, next_seed FROM burst WHERE round = ? AND node = ? ORDER BY step",
      this.#round,
      nodeId,
    );
    const last = done.at(-1);
    if (last !== undefined && last["outcome"] !== "pass") return true;
    let chainSeed =
      last === undefined ? firstChainSeed(this.#seed, nodeId) : fromHex(String(last["next_seed"]));
    for (let step = done.length; step < this.#steps; step++) {
      const challenge =
        this.#population && chainedChallenge(chainSeed, step, member.shards, this.#nShards, this.#population);
      if (challenge === undefined) return true;
      const metadata = await this.#metadata(member, challenge, asker, shelf);
      if (metadata === "spent") return false;
      // Without metadata no answer can be checked; the draws say what is to be said about that.
      if (metadata === undefined) return true;
      const next = await this.#ask(member, challenge, metadata, asker, { step, chainSeed });
      if (next === "spent") return false;
      if (next === undefined) return true;
      chainSeed = next;
    }
    return true;
  }

  /** @returns the next step's seed; undefined when the answer does not pass */
  async #ask(
    member: CommitteeMember,
    challenge: Challenge,
    metadata: VerifiedMetadata,
    asker: PoliteAsker,
    at: { readonly step: number; readonly chainSeed: Uint8Array },
  ): Promise<Uint8Array | "spent" | undefined> {
    const question = symbolQuestion(challenge, metadata, [challenge.symbol]);
    const result = await asker.ask(member, question);
    if (result === undefined) return "spent";
    const { outcome, answer: [symbol] = [] } = weigh(question, result);
    const next = symbol && nextChainSeed(at.chainSeed, symbol.symbol);
    this.#sql.exec(
      "INSERT OR REPLACE INTO burst (round, node, step, started_ms, ms, outcome, next_seed) VALUES (?, ?, ?, ?, ?, ?, ?)",
      this.#round,
      member.nodeId,
      at.step,
      result.startedMs,
      Math.round(result.ms),
      outcome,
      next === undefined ? "" : toHex(next),
    );
    return next;
  }

  async #metadata(
    member: CommitteeMember,
    { blobId }: Challenge,
    asker: PoliteAsker,
    shelf: MetadataShelf,
  ): Promise<VerifiedMetadata | "spent" | undefined> {
    const kept = shelf.get(blobId);
    if (kept !== undefined) return kept;
    const question = metadataQuestion(blobId, this.#nShards);
    const result = await asker.ask(member, question);
    if (result === undefined) return "spent";
    const { answer } = weigh(question, result);
    if (answer === undefined || result.body === undefined) return undefined;
    return shelf.put(result.body, answer);
  }
}

export function forgetBursts(sql: Sql, round: number): void {
  sql.exec("DELETE FROM burst WHERE round = ?", round);
}

export interface BurstSummary {
  readonly steps: number;
  readonly passed: number;
  /** Of all its requests together. */
  readonly ms: number;
}

/** Of one round, by node. */
export function burstsOf(sql: Sql, round: number): ReadonlyMap<string, BurstSummary> {
  const rows = sql.exec(
    `SELECT node, COUNT(*) AS steps, SUM(outcome = 'pass') AS passed, SUM(ms) AS ms FROM burst
     WHERE round = ? GROUP BY node`,
    round,
  );
  return new Map(
    rows.map((row) => [
      String(row["node"]),
      { steps: Number(row["steps"]), passed: Number(row["passed"]), ms: Number(row["ms"]) },
    ]),
  );
}
