/** Spending caps: how much WAL may be charged per request, per principal and day, and per day in all. */

import type { SubmitterStore } from "./store.ts";
import { SubmissionError } from "./submissions.ts";

/** FROST; undefined = no cap. A day is a UTC day. */
export interface SpendingCaps {
  readonly perRequestFrost?: bigint | undefined;
  readonly perPrincipalPerDayFrost?: bigint | undefined;
  readonly perDayFrost?: bigint | undefined;
}

const DAY_MS = 86_400_000;

/** Spending against the caps, this batch's included. */
export class Spending {
  readonly #caps: SpendingCaps;
  readonly #store: SubmitterStore;
  readonly #dayStartMs: number;
  readonly #added = new Map<string, bigint>();
  #addedTotal = 0n;

  constructor(caps: SpendingCaps, store: SubmitterStore, nowMs: number) {
    this.#caps = caps;
    this.#store = store;
    this.#dayStartMs = nowMs - (nowMs % DAY_MS);
  }

  /** @throws SubmissionError `SPENDING_CAP_EXCEEDED` naming the cap */
  check(principal: string, frost: bigint): void {
    const [caps, store] = [this.#caps, this.#store];
    const over = (cap: string, limit: bigint | undefined, spent: bigint) => {
      if (limit === undefined || spent + frost <= limit) return;
      throw new SubmissionError(
        "SPENDING_CAP_EXCEEDED",
        `${frost} FROST on top of ${spent} pass the cap ${cap} of ${limit}`,
        { details: { cap, limit, spent, need: frost } },
      );
    };
    over("per request", caps.perRequestFrost, 0n);
    if (caps.perPrincipalPerDayFrost !== undefined) {
      const spent = store.chargedFrost(this.#dayStartMs, principal) + (this.#added.get(principal) ?? 0n);
      over("per principal and day", caps.perPrincipalPerDayFrost, spent);
    }
    if (caps.perDayFrost !== undefined) {
      over("per day", caps.perDayFrost, store.chargedFrost(this.#dayStartMs) + this.#addedTotal);
    }
  }

  add(principal: string, frost: bigint): void {
    this.#added.set(principal, (this.#added.get(principal) ?? 0n) + frost);
    this.#addedTotal += frost;
  }
}
