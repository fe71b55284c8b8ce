/** The table a matrix prints: one line per row, with what was done, what came of it, and how long recovery took. */

export interface Outcome {
  /** Row of the fault matrix, e.g. "D1". */
  readonly row: string;
  readonly step: string;
  readonly fault: string;
  readonly outcome: string;
  readonly recoveryMs: number;
}

export class OutcomeTable {
  readonly #outcomes: Outcome[] = [];

  add(outcome: Outcome): void {
    this.#outcomes.push(outcome);
  }

  toString(): string {
    const lines = this.#outcomes.map(({ row, step, fault, outcome, recoveryMs }) =>
      [
        row.padEnd(4),
        step.padEnd(32),
        fault.padEnd(28),
        `${recoveryMs.toFixed(0)} ms`.padStart(9),
        outcome,
      ].join("  "),
    );
    return [
      `\n${"row".padEnd(4)}  ${"step".padEnd(32)}  ${"fault".padEnd(28)}   recovery  outcome`,
      ...lines,
    ].join("\n");
  }
}
