/**
 * Time for tests of auditors. Slots and windows last minutes, so that no machine is too slow for one and no pause
 * outlives it; a test that would wait for their end sets the clock forward instead. Pauses of the code under test are
 * real. Chain, storage nodes and auditors of a test share one clock.
 */
import { systemClock } from "../../host/clock.ts";
import { AUDIT_PROFILES, type AuditParameters } from "../../shared/audit/parameters.ts";
import type { Clock } from "../../shared/base/clock.ts";

/** For the panel of the network (`auditParams`). */
export const LONG_SLOTS = { periodMs: 600_000, windowMs: 300_000 } as const;

/** Rules that match: nobody is called silent or unproven because this machine was busy. */
export const PATIENT: AuditParameters = {
  ...AUDIT_PROFILES.local,
  roundPeriodMs: LONG_SLOTS.periodMs,
  requestTimeoutMs: 30_000,
  selfCheckMs: 120_000,
};

export class JumpingClock implements Clock {
  #aheadMs = 0;
  readonly sleep = systemClock.sleep;

  /** Begins with a slot: what happens before the first jump is as far from the next one as can be. */
  constructor() {
    this.jumpTo(Math.ceil(this.nowMs() / LONG_SLOTS.periodMs) * LONG_SLOTS.periodMs);
  }

  nowMs(): number {
    return systemClock.nowMs() + this.#aheadMs;
  }

  /** Does nothing when that time is past. */
  jumpTo(ms: number): void {
    this.#aheadMs += Math.max(0, ms - this.nowMs());
  }
}
