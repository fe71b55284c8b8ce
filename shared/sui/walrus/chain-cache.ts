/**
 * Keeps the newest chain snapshot and reads a newer one when asked: one reading at a time, joined by all who need
 * nothing newer than it will be.
 *
 *   caller wants     kept snapshot                       answer
 *   any              younger than `chainSnapshotMs`      the kept one
 *   at least t       read at t or later, and young       the kept one
 *   otherwise                                            a new reading, begun at t or later
 *   any              old, and no endpoint answers        the kept one up to `chainSnapshotStaleMs`, else the error
 */
import type { Clock } from "../../base/clock.ts";
import type { ChainSnapshot } from "./chain-snapshot.ts";
import { CHAIN_LIMITS } from "./limits.ts";

export interface SnapshotOptions {
  /** The snapshot's reading must have begun at this time or later; a time in the future means now. */
  readonly minReadAtMs?: number;
}

export class ChainCache {
  readonly #clock: Clock;
  readonly #read: (nowMs: number, known: ChainSnapshot | undefined) => Promise<ChainSnapshot>;
  #kept: ChainSnapshot | undefined;
  #reading: { readonly beganAtMs: number; readonly result: Promise<ChainSnapshot> } | undefined;

  /** @param read makes a snapshot whose `readAtMs` is `nowMs`; gets the kept one to save look-ups */
  constructor(
    clock: Clock,
    read: (nowMs: number, known: ChainSnapshot | undefined) => Promise<ChainSnapshot>,
  ) {
    this.#clock = clock;
    this.#read = read;
  }

  /** @throws whatever reading throws when nothing kept is good enough */
  async snapshot(options: SnapshotOptions = {}): Promise<ChainSnapshot> {
    const nowMs = this.#clock.nowMs();
    const minReadAtMs = Math.min(options.minReadAtMs ?? 0, nowMs);
    const kept = this.#kept;
    const isRecent = kept !== undefined && kept.readAtMs >= minReadAtMs;
    if (isRecent && nowMs - kept.readAtMs < CHAIN_LIMITS.chainSnapshotMs) return kept;
    try {
      return await this.#readSince(minReadAtMs);
    } catch (error) {
      if (isRecent && nowMs - kept.readAtMs < CHAIN_LIMITS.chainSnapshotStaleMs) return kept;
      throw error;
    }
  }

  async #readSince(minReadAtMs: number): Promise<ChainSnapshot> {
    const running = this.#reading;
    if (running !== undefined && running.beganAtMs >= minReadAtMs) return running.result;
    const beganAtMs = this.#clock.nowMs();
    const result = this.#read(beganAtMs, this.#kept);
    const reading = { beganAtMs, result };
    this.#reading = reading;
    try {
      const snapshot = await result;
      // A reading that was overtaken must not replace a newer one.
      if (this.#kept === undefined || this.#kept.readAtMs <= snapshot.readAtMs) this.#kept = snapshot;
      return snapshot;
    } finally {
      if (this.#reading === reading) this.#reading = undefined;
    }
  }
}
