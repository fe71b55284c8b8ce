/**
 * The chain as one isolate remembers it: a snapshot is reused for `CHAIN_LIMITS.chainSnapshotMs`, so that a warm read makes
 * no call for it. Only the value is shared between requests, never a promise: the platform ties I/O to its request.
 */
import type { Clock } from "../../shared/base/clock.ts";
import type { ChainSnapshot } from "../../shared/sui/walrus/chain-snapshot.ts";
import { CHAIN_LIMITS } from "../../shared/sui/walrus/limits.ts";
import type { Chain } from "./port.ts";

export class ChainMemo {
  readonly #clock: Clock;
  #snapshot: ChainSnapshot | undefined;
  #fetchedAtMs = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** @param view asks the ChainView object, on behalf of one request */
  on(view: Chain): Chain {
    return {
      snapshot: async (options) => {
        const kept = this.#snapshot;
        const isFresh = this.#clock.nowMs() - this.#fetchedAtMs < CHAIN_LIMITS.chainSnapshotMs;
        if (kept !== undefined && isFresh && kept.readAtMs >= (options?.minReadAtMs ?? 0)) return kept;
        const snapshot = await view.snapshot(options);
        this.#snapshot = snapshot;
        this.#fetchedAtMs = this.#clock.nowMs();
        return snapshot;
      },
    };
  }
}
