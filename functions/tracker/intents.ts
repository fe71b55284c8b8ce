/**
 * Intents of one blob: how it is to be stored, which worker works on it, and what was reached. Decisions without the
 * platform; every method is to be called inside one transaction, and repeating one changes nothing.
 *
 * | from                  | on                                                        | to         |
 * |-----------------------|-----------------------------------------------------------|------------|
 * | -                     | begin                                                     | begun      |
 * | begun                 | registration on chain                                     | registered |
 * | begun                 | nothing to pay; or failed and nothing was paid            | dropped    |
 * | registered            | certificate built                                         | confirmed  |
 * | confirmed             | other epoch reported                                      | registered |
 * | registered, confirmed | certification on chain                                    | certified  |
 * | begun, registered, confirmed | not finished until `give_up_at_ms`                 | abandoned  |
 * | abandoned             | the same request again, while the wallet keeps the object | registered (begun when nothing was paid) |
 *
 * `certified` and `dropped` are final. In the other states a worker works on the intent, or one will: it is the turn of
 * one worker at a time, for as long as that renews it. When the turn has run out, or the pause after a failed attempt is
 * over, the next request that brings the blob may take it, or the alarm once the blob is staged.
 */

import { doubledMs } from "../../shared/base/deadline.ts";
import type { PortableError } from "../../shared/sui/wallet/portable-error.ts";
import type { CertifiedBlob, RegisteredBlob } from "../../shared/sui/wallet/submissions.ts";
import { SIGNER_LIMITS } from "../wallet/limits.ts";
import type { TrackerEvents } from "./events.ts";
import { TRACKER_LIMITS } from "./limits.ts";
import {
  type AlreadyCertified,
  type Claim,
  type IntentRequest,
  type IntentState,
  type IntentView,
  type NodeSlivers,
  sliverNumber,
  type Turn,
} from "./port.ts";
import type { TrackerStaging } from "./staging.ts";
import { type IntentRow, type Steps, TrackerError, type TrackerTables } from "./tables.ts";

/** An intent in one of these states is done with, unless the same request brings it back. */
export const ENDED: readonly IntentState[] = ["certified", "dropped", "abandoned"];
export const UNFINISHED = `state NOT IN (${ENDED.map((state) => `'${state}'`).join(", ")})`;
/** How long before the wallet sweeps a forgotten registration it is not counted on any more. */
const SWEEP_MARGIN_MS = 3_600_000;

export class TrackerIntents {
  readonly #tables: TrackerTables;
  readonly #events: TrackerEvents;
  readonly #staging: TrackerStaging;
  readonly #turnMs: number;

  constructor(tables: TrackerTables, events: TrackerEvents, staging: TrackerStaging, turnMs: number) {
    this.#tables = tables;
    this.#events = events;
    this.#staging = staging;
    this.#turnMs = turnMs;
  }

  begin(request: IntentRequest, workerId: string, arrivedAtMs: number): Turn {
    const key = intentKey(request, workerId);
    const known = this.#find(request, key, arrivedAtMs);
    if (known?.kind === "already-certified") return known;
    if (known !== undefined) this.#join(known.row);
    const intentId = known?.row.intentId ?? this.#insert(key, request);
    return this.claim(intentId, { workerId, canWork: true, knowsStaged: false, attempt: null });
  }

  claim(intentId: string, claim: Claim): Turn {
    const row = this.#tables.intent(intentId);
    const intent = viewOf(row);
    if (row.state === "certified") return { kind: "certified", intent };
    if (row.answer !== null) return row.answer;
    const failed = row.failure;
    const hasEnded = ENDED.includes(row.state);
    if (failed !== null && (hasEnded || row.failedAttempt >= (claim.attempt ?? Number.POSITIVE_INFINITY))) {
      return { kind: "failed", error: failed };
    }
    const nowMs = this.#tables.clock.nowMs();
    const isTaken = row.workerId !== null && row.turnUntilMs > nowMs;
    const isMine = row.workerId === claim.workerId;
    if (hasEnded || (isTaken && !isMine) || !claim.canWork) {
      const attempt = claim.attempt ?? row.attempt;
      return { kind: "wait", intent, attempt, isStaged: this.#staging.isHeld };
    }
    const attempt = isTaken ? row.attempt : this.#take(row, claim.workerId, nowMs);
    return { kind: "work", intent, attempt, isStaged: this.#staging.isHeld, stored: this.stored() };
  }

  renew(intentId: string, workerId: string): boolean {
    const row = this.#tables.intent(intentId);
    if (row.workerId !== workerId || ENDED.includes(row.state)) return false;
    this.#tables.changeIntent(intentId, { turnUntilMs: this.#tables.clock.nowMs() + this.#turnMs });
    return true;
  }

  leave(intentId: string, workerId: string, failure: PortableError, isUnpaid: boolean): void {
    const row = this.#tables.intent(intentId);
    if (row.workerId !== workerId || ENDED.includes(row.state)) return;
    this.#events.add("attempt-failed", intentId, { attempt: row.attempt, code: failure.code });
    this.#tables.changeIntent(intentId, {
      ...FREE,
      failure,
      failedAttempt: row.attempt,
      retryAtMs: this.#tables.clock.nowMs() + this.#pauseMs(row.attempt),
    });
    if (isUnpaid && row.state === "begun") this.end(row, "dropped");
  }

  /** Records what was bought. @throws TrackerError `OTHER_REGISTRATION` when this intent bought something else */
  registered(intentId: string, blob: RegisteredBlob): void {
    const row = this.#tables.intent(intentId);
    if (row.registered !== null) {
      if (row.registered.objectId === blob.objectId) return;
      throw new TrackerError("OTHER_REGISTRATION", `intent ${intentId} has another Blob object already`, {
        details: { intentId, have: row.registered.objectId, got: blob.objectId },
      });
    }
    // A registration that arrives after its intent was given up is recorded all the same: it has been paid.
    expect(row, ["begun", "abandoned"], "registered");
    const state = row.state === "begun" ? "registered" : row.state;
    this.#tables.changeIntent(intentId, { state, registered: blob, steps: this.#step(row, "registered") });
    this.#events.add("registered", intentId, {
      objectId: blob.objectId,
      txDigest: blob.txDigest,
      costFrost: String(blob.costFrost),
    });
  }

  certified(intentId: string, blob: CertifiedBlob): void {
    const row = this.#tables.intent(intentId);
    if (row.state === "certified") return;
    expect(row, ["registered", "confirmed", "abandoned"], "certified");
    this.#tables.changeIntent(intentId, { certified: blob });
    this.#events.add("certified", intentId, {
      txDigest: blob.txDigest,
      epoch: blob.certifiedEpoch,
      endEpoch: blob.endEpoch,
    });
    this.end(row, "certified");
  }

  drop(intentId: string, answer: AlreadyCertified): void {
    const row = this.#tables.intent(intentId);
    if (row.state === "dropped") return;
    expect(row, ["begun"], "dropped");
    this.#tables.changeIntent(intentId, { answer });
    this.end(row, "dropped");
  }

  /** Moves an intent into a state in which no worker works on it. */
  end(row: IntentRow, state: "certified" | "dropped" | "abandoned"): void {
    if (state !== "certified") this.#events.add(state, row.intentId);
    this.#tables.changeIntent(row.intentId, { ...FREE, state, steps: this.#step(row, state) });
    this.#tables.changeBlob({ quietSinceMs: this.#tables.clock.nowMs() });
  }

  unfinished(): IntentRow[] {
    return this.#tables.intents(UNFINISHED);
  }

  get hasUnfinished(): boolean {
    if (this.#tables.isEmpty) return false;
    return this.#tables.sql.exec(`SELECT 1 FROM intent WHERE ${UNFINISHED} LIMIT 1`).length > 0;
  }

  /** The blob is held: from now on each of these uploads can be finished without its client. */
  staged(): void {
    for (const row of this.unfinished()) {
      if (row.steps.staged !== undefined) continue;
      this.#tables.changeIntent(row.intentId, { steps: this.#step(row, "staged") });
    }
  }

  /** What each node has taken. */
  stored(): NodeSlivers[] {
    const rows = this.#tables.sql.exec("SELECT shard, axis, node_id FROM shard");
    const byNode = new Map<string, number[]>();
    for (const row of rows) {
      const nodeId = String(row["node_id"]);
      const slivers = byNode.get(nodeId) ?? [];
      byNode.set(nodeId, slivers);
      slivers.push(sliverNumber(Number(row["shard"]), row["axis"] === "secondary" ? "secondary" : "primary"));
    }
    // Node IDs were written from a committee's members.
    return [...byNode].map(([nodeId, slivers]) => ({ nodeId: nodeId as NodeSlivers["nodeId"], slivers }));
  }

  #find(
    request: IntentRequest,
    key: string,
    arrivedAtMs: number,
  ): AlreadyCertified | { kind: "intent"; row: IntentRow } | undefined {
    if (!request.force && !request.deletable && request.idempotencyKey === null) {
      const certified = this.#certifiedUntil(request.endEpoch);
      if (certified !== undefined) return certified;
    }
    const sweptBeforeMs = this.#tables.clock.nowMs() - SIGNER_LIMITS.walletSweepAfterMs + SWEEP_MARGIN_MS;
    for (const row of this.#tables.intents("key = ?", key).reverse()) {
      const isOpen = !ENDED.includes(row.state);
      const paidAtMs = row.steps.registered ?? row.steps.staged ?? 0;
      const isRevivable = row.state === "abandoned" && paidAtMs > sweptBeforeMs;
      // A key stands for its outcome for ever; without one, a repetition after success is a new request.
      const isReplay = request.idempotencyKey !== null && (row.state === "certified" || row.answer !== null);
      const wasInFlight = row.state === "certified" && (row.steps.certified ?? 0) > arrivedAtMs;
      if (isOpen || isRevivable || isReplay || wasInFlight) return { kind: "intent", row };
    }
    return undefined;
  }

  #join(row: IntentRow): void {
    if (row.state === "certified" || row.state === "dropped") return;
    this.#events.add("joined", row.intentId);
    this.#tables.changeIntent(row.intentId, {
      giveUpAtMs: this.#tables.clock.nowMs() + TRACKER_LIMITS.uploadGiveUpMs,
      ...(row.state === "abandoned" ? { state: row.registered === null ? "begun" : "registered" } : {}),
    });
  }

  #insert(key: string, request: IntentRequest): string {
    this.#makeRoom();
    const id = this.#tables.newId();
    this.#tables.insertIntent(id, key, request, this.#tables.clock.nowMs() + TRACKER_LIMITS.uploadGiveUpMs);
    this.#events.add("begun", id, {
      deletable: request.deletable,
      epochs: request.epochs,
      endEpoch: request.endEpoch,
    });
    return id;
  }

  #take(row: IntentRow, workerId: string, nowMs: number): number {
    const attempt = row.attempt + 1;
    this.#tables.changeIntent(row.intentId, {
      workerId,
      attempt,
      turnUntilMs: nowMs + this.#turnMs,
      // When this worker dies, its attempt has still had its pause: one that kills its isolate must not spin.
      retryAtMs: nowMs + this.#pauseMs(attempt),
      ...(this.#staging.isHeld && row.steps.staged === undefined ? { steps: this.#step(row, "staged") } : {}),
    });
    this.#events.add("attempt", row.intentId, { attempt });
    return attempt;
  }

  /** The length of one turn, doubled with every attempt. */
  #pauseMs(attempt: number): number {
    return doubledMs(attempt, this.#turnMs, TRACKER_LIMITS.uploadRetryMaxMs);
  }

  #step(row: IntentRow, step: keyof Steps): Steps {
    return { ...row.steps, [step]: this.#tables.clock.nowMs() };
  }

  #certifiedUntil(endEpoch: number): AlreadyCertified | undefined {
    for (const { request, certified } of this.#tables.intents("state = 'certified'")) {
      if (request.deletable || certified === null || certified.endEpoch < endEpoch) continue;
      const { txDigest, eventSeq } = certified;
      return { kind: "already-certified", txDigest, eventSeq, endEpoch: certified.endEpoch };
    }
    return undefined;
  }

  /** Drops the oldest finished intents beyond the limit; unfinished ones may have cost money and stay. */
  #makeRoom(): void {
    const { sql } = this.#tables;
    const isFull = (): boolean =>
      Number(sql.exec("SELECT COUNT(*) AS n FROM intent")[0]?.["n"] ?? 0) >= TRACKER_LIMITS.intentsPerBlob;
    if (!isFull()) return;
    sql.exec(
      "DELETE FROM intent WHERE id IN (SELECT id FROM intent WHERE state IN ('certified', 'dropped') ORDER BY begun_at_ms LIMIT 1)",
    );
    if (!isFull()) return;
    throw new TrackerError(
      "TOO_MANY_INTENTS",
      `${TRACKER_LIMITS.intentsPerBlob} unfinished uploads of this blob`,
      {
        retryable: true,
      },
    );
  }
}

const FREE = { workerId: null, turnUntilMs: 0 } as const;

export function viewOf({ intentId, state, request, registered, certified }: IntentRow): IntentView {
  return { intentId, state, request, registered, certified };
}

function expect(row: IntentRow, states: readonly IntentState[], what: string): void {
  if (states.includes(row.state)) return;
  throw new TrackerError("WRONG_STATE", `intent ${row.intentId} is ${row.state}, cannot become ${what}`, {
    details: { intentId: row.intentId, state: row.state },
  });
}

/** Equal for requests that want the same thing of this blob. */
function intentKey(request: IntentRequest, workerId: string): string {
  const { principal, deletable, endEpoch, sendObjectTo, share, idempotencyKey, force } = request;
  if (idempotencyKey !== null) return JSON.stringify(["key", principal, idempotencyKey]);
  // The worker's name makes a repetition of the same call, whose answer got lost, find its own intent.
  if (force) return JSON.stringify(["force", workerId]);
  return JSON.stringify([principal, deletable, endEpoch, sendObjectTo, share]);
}
