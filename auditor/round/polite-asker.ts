/**
 * Requests to storage nodes at the pace that the rules allow: one in flight per node, a few a minute per node, a
 * bounded rate over all nodes, and a budget for one invocation.
 */

import type { AuditParameters } from "../../shared/audit/parameters.ts";
import type { NodeTransport } from "../../shared/node/direct-carrier.ts";
import { type NetworkKind, NodeAddressError, nodeBaseUrl } from "../../shared/node/node-address.ts";
import { type ProbeResult, probe } from "../../shared/node/probe.ts";
import type { CommitteeMember } from "../../shared/protocol/committee.ts";
import type { ObjectId } from "../../shared/protocol/ids.ts";
import { nextRequestMs } from "./challenge-rules.ts";
import type { Question } from "./questions.ts";

const MINUTE_MS = 60_000;

/** What one invocation may use up. */
export interface Budget {
  readonly untilMs: number;
  readonly requests: number;
}

export interface PoliteAskerParts {
  readonly transport: NodeTransport;
  readonly parameters: AuditParameters;
  readonly networkKind: NetworkKind;
}

export class PoliteAsker {
  readonly #transport: NodeTransport;
  readonly #parameters: AuditParameters;
  readonly #networkKind: NetworkKind;
  readonly #budget: Budget;
  /** The end of each node's line of requests. */
  readonly #tails = new Map<ObjectId, Promise<void>>();
  readonly #nodeStarts = new Map<ObjectId, number[]>();
  #allStarts: number[] = [];
  #requests = 0;
  #isStopped = false;

  /** @param recent requests of the last minute, ascending, which earlier invocations made */
  constructor(
    parts: PoliteAskerParts,
    budget: Budget,
    recent: readonly { readonly node: ObjectId; readonly startedMs: number }[],
  ) {
    this.#transport = parts.transport;
    this.#parameters = parts.parameters;
    this.#networkKind = parts.networkKind;
    this.#budget = budget;
    for (const { node, startedMs } of recent) this.#note(node, startedMs);
  }

  /** From now on no node is asked. */
  stop(): void {
    this.#isStopped = true;
  }

  get isSpent(): boolean {
    const { requests, untilMs } = this.#budget;
    return this.#isStopped || this.#requests >= requests || this.#transport.clock.nowMs() >= untilMs;
  }

  /** Asks when it is the node's turn. @returns undefined, without having asked, when the budget does not allow it */
  async ask(member: CommitteeMember, question: Question): Promise<ProbeResult | undefined> {
    const { nodeId } = member;
    const before = this.#tails.get(nodeId);
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#tails.set(nodeId, promise);
    try {
      await before;
      return await this.#askNow(member, question);
    } finally {
      resolve();
    }
  }

  async #askNow(member: CommitteeMember, question: Question): Promise<ProbeResult | undefined> {
    const { clock } = this.#transport;
    const { nodeId } = member;
    if (this.isSpent) return undefined;
    const nodeStartsMs = this.#nodeStarts.get(nodeId) ?? [];
    const log = { inFlightAtNode: 0, nodeStartsMs, allStartsMs: this.#allStarts };
    const atMs = nextRequestMs(log, clock.nowMs(), this.#parameters);
    if (atMs === undefined || atMs > this.#budget.untilMs) return undefined;
    // Noted before the wait: the next request comes after this one.
    this.#note(nodeId, atMs);
    this.#requests++;
    const waitMs = atMs - clock.nowMs();
    if (waitMs > 0) await clock.sleep(waitMs);
    const baseUrl = this.#baseUrl(member);
    if (baseUrl === undefined) return refusedAddress(clock.nowMs());
    const { path, accept, maxBytes } = question;
    const timeoutMs = this.#parameters.requestTimeoutMs;
    return probe(this.#transport, { baseUrl, path, accept, maxBytes, timeoutMs });
  }

  /** A node whose address may not be called counts as unreachable. */
  #baseUrl(member: CommitteeMember): string | undefined {
    try {
      return nodeBaseUrl(member.networkAddress, this.#networkKind);
    } catch (error) {
      if (error instanceof NodeAddressError) return undefined;
      throw error;
    }
  }

  #note(node: ObjectId, startMs: number): void {
    const ofNode = this.#nodeStarts.get(node) ?? [];
    this.#nodeStarts.set(node, [...ofNode.filter((each) => each > startMs - MINUTE_MS), startMs]);
    // Only the last start over all nodes matters.
    this.#allStarts = [startMs];
  }
}

const refusedAddress = (nowMs: number): ProbeResult => ({
  end: "unreachable",
  startedMs: nowMs,
  ms: 0,
  httpStatus: 0,
  contentType: undefined,
  body: undefined,
});
