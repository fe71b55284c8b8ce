/**
 * Carries what nodes answered to the tracker, in batches: whatever arrives while one report is under way makes the next
 * one, and confirmations that make no quorum yet wait a moment for more.
 */
import type { Clock } from "../../shared/base/clock.ts";
import { isQuorum } from "../../shared/protocol/bft.ts";
import type { Committee } from "../../shared/protocol/committee.ts";
import type { ProgressReport, ReportAnswer, Tracker } from "../tracker/port.ts";
import type { DistributionEvents } from "./distribute.ts";
import { UPLOAD_LIMITS } from "./limits.ts";

type Batch = { -readonly [Part in "confirmations" | "stored" | "faults"]: ProgressReport[Part][number][] };

const emptyBatch = (): Batch => ({ confirmations: [], stored: [], faults: [] });
const isEmpty = (batch: Batch): boolean =>
  batch.confirmations.length === 0 && batch.stored.length === 0 && batch.faults.length === 0;

export interface ReporterOptions {
  readonly tracker: Tracker;
  readonly intentId: string | null;
  readonly committee: Committee;
  readonly clock: Clock;
  readonly onAnswer: (answer: ReportAnswer) => void;
  /** The tracker cannot be reached, or refuses the report. */
  readonly onError: (error: unknown) => void;
}

export class ProgressReporter {
  readonly #options: ReporterOptions;
  #batch = emptyBatch();
  #reporting: Promise<void> | undefined;
  /** As the tracker knows it. */
  #weight = 0;
  #isWaiting = false;

  constructor(options: ReporterOptions) {
    this.#options = options;
  }

  /** What a distribution tells of its nodes, put into reports. */
  readonly events: DistributionEvents = {
    stored: ({ member }, shard, axis) => {
      this.#batch.stored.push({ nodeId: member.nodeId, shard, axis });
    },
    confirmed: ({ member }, signed) => this.#confirmed({ nodeId: member.nodeId, signed }),
    fault: ({ member }, { code, details }) => {
      this.#batch.faults.push({ nodeId: member.nodeId, code, route: String(details["route"] ?? "") });
    },
  };

  /** Reported at once when it may make a quorum, else with what gathers in a moment. */
  #confirmed(confirmation: ProgressReport["confirmations"][number]): void {
    this.#batch.confirmations.push(confirmation);
    if (this.#mayBeQuorum()) this.#kick();
    else if (!this.#isWaiting) {
      this.#isWaiting = true;
      this.#options.clock.sleep(UPLOAD_LIMITS.confirmationsGatherMs).then(
        () => {
          this.#isWaiting = false;
          if (!isEmpty(this.#batch)) this.#kick();
        },
        () => {}, // Never: nothing cancels it.
      );
    }
  }

  /** Reports even when there is nothing new: the answer has what is known. */
  async report(): Promise<void> {
    const batch = this.#batch;
    this.#batch = emptyBatch();
    const { tracker, intentId, committee, onAnswer } = this.#options;
    const answer = await tracker.report({ intentId, committee, ...batch });
    this.#weight = answer.weight;
    onAnswer(answer);
  }

  /** Settles when everything is reported. @throws what the tracker's call threw */
  async flush(): Promise<void> {
    while (this.#reporting !== undefined || !isEmpty(this.#batch)) {
      this.#kick();
      await this.#reporting;
    }
  }

  #mayBeQuorum(): boolean {
    const { members, nShards } = this.#options.committee;
    const waiting = new Set(this.#batch.confirmations.map(({ nodeId }) => nodeId));
    let weight = this.#weight;
    for (const { nodeId, shards } of members) if (waiting.has(nodeId)) weight += shards.length;
    return isQuorum(weight, nShards);
  }

  #kick(): void {
    this.#reporting ??= this.#reportAll().finally(() => {
      this.#reporting = undefined;
    });
    // `flush` awaits the same promise or reports again; here only an unhandled rejection has to be kept away.
    this.#reporting.catch((error) => this.#options.onError(error));
  }

  async #reportAll(): Promise<void> {
    while (!isEmpty(this.#batch)) await this.report();
  }
}
