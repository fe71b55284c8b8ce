/**
 * Asks a round's draws until every one has its last answer.
 *
 * Each node has a lane that works through its draws in the round's seeded order, comes back for repetitions when they
 * are due, and ends with a burst (C6); lanes take turns. Every request is in the ledger before the next step follows
 * from it, so an invocation may end, or die, anywhere: the next one reads the ledger and goes on. A request whose
 * record was lost is made again; nothing that stands in the ledger is.
 */

import type { Outcome } from "../../shared/audit/outcomes.ts";
import type { AuditParameters } from "../../shared/audit/parameters.ts";
import { DRAW_MODES, drawDigest } from "../../shared/audit/selection.ts";
import { nextStep } from "../../shared/audit/verdict.ts";
import { toHex } from "../../shared/base/bytes.ts";
import { assert } from "../../shared/base/errors.ts";
import type { FailPoint } from "../../shared/base/fail-point.ts";
import type { Sql } from "../../shared/base/sql.ts";
import { blake2b256 } from "../../shared/crypto/blake2b.ts";
import type { NodeTransport } from "../../shared/node/direct-carrier.ts";
import type { NetworkKind } from "../../shared/node/node-address.ts";
import type { ProbeResult } from "../../shared/node/probe.ts";
import type { Committee, CommitteeMember } from "../../shared/protocol/committee.ts";
import type { BlobId, ObjectId } from "../../shared/protocol/ids.ts";
import type { Persistence } from "../../shared/protocol/messages.ts";
import type { VerifiedMetadata } from "../../shared/protocol/metadata.ts";
import type { ChainReader } from "../../shared/sui/walrus/chain-reader.ts";
import { recordAttempt, requestsOfRound } from "../ledger/attempts.ts";
import { drawsOf, type RoundDraw, saveDraw } from "../ledger/draws.ts";
import type { Round, Rounds } from "../ledger/rounds.ts";
import type { SqlPopulationStore } from "../population/object-tables.ts";
import type { PopulationLists } from "../population/population-tables.ts";
import { Bursts } from "./burst.ts";
import { asksWholeSliver, jitterOf, symbolsToAsk } from "./challenge-rules.ts";
import { MetadataShelf } from "./metadata-shelf.ts";
import { type Budget, PoliteAsker } from "./polite-asker.ts";
import {
  confirmationQuestion,
  healthQuestion,
  metadataQuestion,
  type Question,
  sliverQuestion,
  statusQuestion,
  symbolQuestion,
  type Weighed,
  weigh,
} from "./questions.ts";
import { Silence } from "./silence.ts";

export interface ChallengeParts {
  readonly sql: Sql;
  readonly rounds: Rounds;
  readonly chain: ChainReader;
  readonly store: SqlPopulationStore;
  readonly lists: PopulationLists;
  readonly transport: NodeTransport;
  readonly networkKind: NetworkKind;
  readonly parameters: AuditParameters;
  readonly failPoint: FailPoint;
}

/** Nodes asked for one blob's metadata before the blob's draws are given up. */
const METADATA_SOURCES = 7;
/** A lane that has to wait longer leaves the waiting to the ledger's alarm. */
const LONGEST_NAP_MS = 2_000;
/** One pass in so many keeps its body, so that a sample of passes can be checked again. */
const KEEP_PASS_ONE_IN = 100;
const MAX_BODY_KEPT_BYTES = 1 << 20;

const FAILED: ReadonlySet<Outcome> = new Set(["missing", "invalid", "disowned"]);

export interface ChallengeProgress {
  readonly isDone: boolean;
  /** When there is something to do again. */
  readonly wakeMs: number;
}

/** Works until the budget is spent, everything is asked, or nothing is due for a while. */
export async function challengeRound(
  parts: ChallengeParts,
  round: Round,
  budget: Budget,
): Promise<ChallengeProgress> {
  const work = new RoundWork(parts, round, budget);
  // All lanes have ended before an error goes on: the next call must not meet a lane at work.
  const lanes = await Promise.allSettled(
    work.nodes.map((node) =>
      work.runLane(node).catch((error: unknown) => {
        work.stop();
        throw error;
      }),
    ),
  );
  const failed = lanes.find((lane) => lane.status === "rejected");
  if (failed !== undefined) throw failed.reason;
  const wakes = lanes.map((lane) => (lane.status === "fulfilled" ? lane.value : undefined));
  const wakeMs = Math.min(...wakes.map((wake) => wake ?? Number.POSITIVE_INFINITY));
  return { isDone: wakeMs === Number.POSITIVE_INFINITY, wakeMs };
}

class RoundWork {
  readonly #parts: ChallengeParts;
  readonly #round: Round;
  readonly #seed: Uint8Array;
  readonly #committee: Committee;
  readonly #members: ReadonlyMap<ObjectId, CommitteeMember>;
  readonly #lanes = new Map<ObjectId, RoundDraw[]>();
  readonly #silence: Silence;
  /** When each was asked last before this invocation. */
  readonly #lastAskedMs = new Map<ObjectId, number>();
  readonly #asker: PoliteAsker;
  readonly #shelf: MetadataShelf;
  /** One search per blob, joined by all who need it. */
  readonly #searches = new Map<BlobId, Promise<VerifiedMetadata | "spent" | "none">>();
  /** Nodes whose own metadata answer (C3) stands in the ledger for this round. */
  readonly #hasShownMetadata = new Set<ObjectId>();
  readonly #hasShownHealth = new Set<ObjectId>();
  readonly #bursts: Bursts;

  constructor(parts: ChallengeParts, round: Round, budget: Budget) {
    assert(round.seed !== null, `round ${round.no} has a seed`);
    this.#parts = parts;
    this.#round = round;
    this.#seed = round.seed;
    this.#committee = parts.rounds.committee(round.no);
    this.#members = new Map(this.#committee.members.map((member) => [member.nodeId, member]));
    this.#silence = new Silence(parts.parameters);
    this.#shelf = new MetadataShelf(parts.sql, this.#committee.nShards);
    const draws = drawsOf(parts.sql, round.no).sort((a, b) => a.place - b.place);
    for (const draw of draws) {
      const lane = this.#lanes.get(draw.node) ?? [];
      this.#lanes.set(draw.node, lane);
      if (!draw.isFinal) lane.push(draw);
    }
    const recent: { node: ObjectId; startedMs: number }[] = [];
    for (const { node, kind, outcome, startedMs } of requestsOfRound(parts.sql, round.no)) {
      if (startedMs > parts.transport.clock.nowMs() - 60_000) recent.push({ node, startedMs });
      this.#silence.note(node, startedMs, kind, outcome);
      this.#lastAskedMs.set(node, startedMs);
      if (kind === "metadata") this.#hasShownMetadata.add(node);
      if (kind === "health") this.#hasShownHealth.add(node);
    }
    this.#bursts = new Bursts(parts, round, this.#seed, this.#committee.nShards);
    for (const burst of this.#bursts.startedAfter(parts.transport.clock.nowMs() - 60_000)) {
      recent.push(burst);
      this.#lastAskedMs.set(burst.node, Math.max(burst.startedMs, this.#lastAskedMs.get(burst.node) ?? 0));
    }
    recent.sort((a, b) => a.startedMs - b.startedMs);
    this.#asker = new PoliteAsker(parts, budget, recent);
  }

  /**
   * The node that has waited longest comes first. The pace over all nodes leaves an invocation fewer requests than
   * there are nodes; in one and the same order the first ones would take them all, and the round would be over before
   * two thirds of the nodes have passed at about the same time.
   */
  get nodes(): ObjectId[] {
    const lastMs = (node: ObjectId): number => this.#lastAskedMs.get(node) ?? 0;
    return [...this.#lanes.keys()].sort((a, b) => lastMs(a) - lastMs(b));
  }

  /** Lets every lane end after the request it is at. */
  stop(): void {
    this.#asker.stop();
  }

  /** @returns when the node has something due again; undefined when all its draws are final */
  async runLane(node: ObjectId): Promise<number | undefined> {
    const { clock } = this.#parts.transport;
    const lane = this.#lanes.get(node) ?? [];
    for (;;) {
      if (this.#silence.isShownByDraw(node)) this.#giveUp(lane);
      const next = this.#nextDue(lane);
      if (next === undefined) {
        const isOver =
          this.#silence.isSilent(node) ||
          (await this.#bursts.run(this.#memberOf(node), this.#asker, this.#shelf));
        return isOver ? undefined : clock.nowMs();
      }
      const waitMs = next.dueMs - clock.nowMs();
      if (this.#asker.isSpent) return Math.max(next.dueMs, clock.nowMs());
      if (waitMs > LONGEST_NAP_MS) return next.dueMs;
      if (waitMs > 0) await clock.sleep(waitMs);
      if (!(await this.#challenge(next.draw))) return clock.nowMs();
    }
  }

  /** The open draw that is due first; among several due now, the first by the round's order. */
  #nextDue(lane: readonly RoundDraw[]): { draw: RoundDraw; dueMs: number } | undefined {
    const nowMs = this.#parts.transport.clock.nowMs();
    let best: { draw: RoundDraw; dueMs: number } | undefined;
    for (const draw of lane) {
      if (draw.isFinal) continue;
      const step = this.#stepOf(draw);
      const dueMs = step.kind === "final" ? nowMs : Math.max(nowMs, step.notBeforeMs);
      if (best === undefined || dueMs < best.dueMs) best = { draw, dueMs };
    }
    return best;
  }

  #stepOf(draw: RoundDraw) {
    return nextStep(draw.attempts, this.#parts.parameters, jitterOf(this.#digest(draw)), draw.isOwner);
  }

  #digest = (draw: RoundDraw): Uint8Array => drawDigest(this.#seed, draw, draw.populationSize);

  /** One step of a draw. @returns false when the budget is spent */
  async #challenge(draw: RoundDraw): Promise<boolean> {
    const { parameters } = this.#parts;
    const step = this.#stepOf(draw);
    if (step.kind === "final") {
      // When the node disowned the shard, the chain may have been out of reach, or the auditor died before it could
      // ask.
      if (draw.isOwner && draw.attempts.some((each) => each.outcome === "disowned"))
        await this.#checkOwner(draw);
      this.#close(draw);
      return true;
    }
    const metadata = await this.#metadataFor(draw);
    if (metadata === "spent") return false;
    if (metadata === "none") {
      draw.hasMetadata = false;
      this.#close(draw);
      return true;
    }
    const digest = this.#digest(draw);
    const isWhole = draw.attempts.length === 0 && asksWholeSliver(digest, parameters);
    const question =
      isWhole || step.attempt === "sliver"
        ? sliverQuestion(draw, metadata)
        : symbolQuestion(draw, metadata, symbolsToAsk(draw, digest, metadata.nShards, parameters));
    const outcome = await this.#ask(draw, this.#memberOf(draw.node), question);
    if (outcome === undefined) return false;
    if (outcome === "pass") this.#close(draw);
    else await this.#lookCloser(draw, outcome);
    return true;
  }

  #close(draw: RoundDraw): void {
    draw.isFinal = true;
    saveDraw(this.#parts.sql, this.#round.no, draw);
  }

  #memberOf(node: ObjectId): CommitteeMember {
    const member = this.#members.get(node);
    assert(member !== undefined, `node ${node} is a member`);
    return member;
  }

  /** Asks and records. @returns undefined when the budget is spent */
  async #ask(draw: RoundDraw, member: CommitteeMember, question: Question): Promise<Outcome | undefined> {
    const result = await this.#asker.ask(member, question);
    if (result === undefined) return undefined;
    const { outcome } = this.#record(draw, member.nodeId, question, result);
    await this.#parts.failPoint("audit.after-attempt");
    return outcome;
  }

  #record<Answer>(
    draw: RoundDraw,
    node: ObjectId,
    question: Question<Answer>,
    result: ProbeResult,
  ): Weighed<Answer> {
    const weighed = weigh(question, result);
    const { outcome, detail } = weighed;
    const { body } = result;
    const hash = body === undefined ? undefined : blake2b256(body);
    const isSample = hash !== undefined && ((hash[0] ?? 0) * 256 + (hash[1] ?? 0)) % KEEP_PASS_ONE_IN === 0;
    const isKept =
      body !== undefined &&
      body.length <= MAX_BODY_KEPT_BYTES &&
      (question.kind === "symbol" || question.kind === "sliver") &&
      (outcome !== "pass" || isSample);
    const { startedMs, ms, httpStatus } = result;
    recordAttempt(
      this.#parts.sql,
      this.#round.no,
      draw,
      {
        node,
        kind: question.kind,
        startedMs,
        ms,
        httpStatus,
        outcome,
        bytes: body?.length ?? 0,
        bodyHash: hash === undefined ? null : toHex(hash),
        detail,
      },
      isKept ? body : undefined,
    );
    this.#silence.note(node, startedMs, question.kind, outcome);
    return weighed;
  }

  /** A node that says nothing at all is not asked about every draw in turn. */
  #giveUp(lane: readonly RoundDraw[]): void {
    this.#parts.sql.transaction(() => {
      for (const draw of lane) if (!draw.isFinal) this.#close(draw);
    });
  }

  /** What else is asked once an answer was no pass: never evidence by itself, recorded beside it. */
  async #lookCloser(draw: RoundDraw, outcome: Outcome): Promise<void> {
    const member = this.#memberOf(draw.node);
    if (outcome === "disowned") await this.#checkOwner(draw);
    if (FAILED.has(outcome) && draw.attempts.filter((each) => FAILED.has(each.outcome)).length === 1) {
      const persistence = this.#persistenceOf(draw);
      if (persistence !== undefined) {
        const signer = { epoch: this.#committee.epoch, publicKey: member.publicKey };
        await this.#ask(draw, member, confirmationQuestion(draw.blobId, persistence, signer));
      }
      await this.#ask(draw, member, statusQuestion(draw));
    }
    if (!FAILED.has(outcome) && outcome !== "denied" && !this.#hasShownHealth.has(draw.node)) {
      this.#hasShownHealth.add(draw.node);
      await this.#ask(draw, member, healthQuestion());
    }
  }

  #persistenceOf(draw: RoundDraw): Persistence | undefined {
    if (draw.mode === DRAW_MODES.perBlob || draw.mode === DRAW_MODES.perByte) return { kind: "permanent" };
    const objectId = this.#parts.store.deletableObject(draw.blobId);
    if (objectId !== undefined) return { kind: "deletable", objectId };
    return draw.mode === DRAW_MODES.fresh ? { kind: "permanent" } : undefined;
  }

  /** A node says that the shard is not its own: the chain decides. */
  async #checkOwner(draw: RoundDraw): Promise<void> {
    const { clock } = this.#parts.transport;
    const { committee } = await this.#parts.chain.snapshot(clock.nowMs());
    const holder = committee.members.find((member) => member.shards.includes(draw.shard));
    // In the round's own epoch it is its owner who is asked; an endpoint may still show the one before.
    draw.isOwner = committee.epoch <= this.#committee.epoch || holder?.nodeId === draw.node;
    saveDraw(this.#parts.sql, this.#round.no, draw);
  }

  /** Every node shows metadata once a round (C3); after that any node's will do, because the blob ID checks it. */
  async #metadataFor(draw: RoundDraw): Promise<VerifiedMetadata | "spent" | "none"> {
    if (!this.#hasShownMetadata.has(draw.node)) {
      this.#hasShownMetadata.add(draw.node);
      const found = await this.#fetchMetadata(draw, this.#memberOf(draw.node));
      if (found !== undefined) return found;
    }
    const kept = this.#shelf.get(draw.blobId);
    if (kept !== undefined) return kept;
    const running = this.#searches.get(draw.blobId);
    if (running !== undefined) return running;
    const search = this.#searchMetadata(draw);
    this.#searches.set(draw.blobId, search);
    return search;
  }

  async #searchMetadata(draw: RoundDraw): Promise<VerifiedMetadata | "spent" | "none"> {
    const { members } = this.#committee;
    const own = members.findIndex((member) => member.nodeId === draw.node);
    for (let i = 0; i < Math.min(METADATA_SOURCES, members.length); i++) {
      const member = members[(own + i) % members.length];
      if (member === undefined || this.#silence.isSilent(member.nodeId)) continue;
      const found = await this.#fetchMetadata(draw, member);
      if (found !== undefined) return found;
    }
    return "none";
  }

  /** @returns undefined when this node did not give it */
  async #fetchMetadata(
    draw: RoundDraw,
    member: CommitteeMember,
  ): Promise<VerifiedMetadata | "spent" | undefined> {
    const { nShards } = this.#committee;
    const question = metadataQuestion(draw.blobId, nShards);
    const result = await this.#asker.ask(member, question);
    if (result === undefined) return "spent";
    const { answer } = this.#record(draw, member.nodeId, question, result);
    if (answer === undefined || result.body === undefined) return undefined;
    return this.#shelf.put(result.body, answer);
  }
}
