/**
 * Carries what nodes answered to the tracker, in batches: whatever arrives while one report is under way makes the next
 * one.
 */
import type { Committee } from "../../shared/protocol/committee.ts";
import type { NodeFault, ProgressReport, ReportAnswer, StoredSliver, Tracker } from "../tracker/port.ts";

type Batch = { -readonly [Part in "confirmations" | "stored" | "faults"]: ProgressReport[Part][number][] };

const emptyBatch = (): Batch => ({ confirmations: [], stored: [], faults: [] });
const isEmpty = (batch: Batch): boolean =>
  batch.confirmations.length === 0 && batch.stored.length === 0 && batch.faults.length === 0;

export interface ReporterOptions {
  readonly tracker: Tracker;
  readonly intentId: string | null;
  readonly committee: Committee;
  readonly onAnswer: (answer: ReportAnswer) => void;
  /** The tracker cannot be reached, or refuses the report. */
  readonly onError: (error: unknown) => void;
}

export class ProgressReporter {
  readonly #options: ReporterOptions;
  #batch = emptyBatch();
  #reporting: Promise<void> | undefined;

  constructor(options: ReporterOptions) {
    this.#options = options;
  }

  stored(sliver: StoredSliver): void {
    this.#batch.stored.push(sliver);
  }

  fault(fault: NodeFault): void {
    this.#batch.faults.push(fault);
  }

  /** Reported at once, with everything else that has gathered. */
  confirmed(confirmation: ProgressReport["confirmations"][number]): void {
    this.#batch.confirmations.push(confirmation);
    this.#kick();
  }

  /** Reports even when there is nothing new: the answer has what is known. */
  async report(): Promise<void> {
    const batch = this.#batch;
    this.#batch = emptyBatch();
    const { tracker, intentId, committee, onAnswer } = this.#options;
    onAnswer(await tracker.report({ intentId, committee, ...batch }));
  }

  /** Settles when everything is reported. @throws what the tracker's call threw */
  async flush(): Promise<void> {
    while (this.#reporting !== undefined || !isEmpty(this.#batch)) {
      this.#kick();
      await this.#reporting;
    }
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
