/** How long each step of an upload took, for its log line. Production's clock stands still during CPU work. */
import type { Clock } from "../../shared/base/clock.ts";

export type StepName = "readMs" | "encodeMs" | "stageMs" | "registerMs" | "collectMs" | "certifyMs";

export class StepTimes {
  readonly times: Partial<Record<StepName, number>> = {};
  readonly #clock: Clock;
  #sinceMs: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#sinceMs = clock.nowMs();
  }

  done(step: StepName): void {
    const nowMs = this.#clock.nowMs();
    this.times[step] = (this.times[step] ?? 0) + nowMs - this.#sinceMs;
    this.#sinceMs = nowMs;
  }
}
