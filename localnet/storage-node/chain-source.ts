/** What a storage node needs from the chain: the committee and the ordered events, nothing else. */
import type { Committee } from "../../shared/protocol/committee.ts";
import type { WalrusEvent } from "../../shared/sui/walrus/events.ts";

export interface ChainEvent {
  readonly event: WalrusEvent;
  readonly txDigest: string;
  /** Index among the transaction's events, decimal. */
  readonly eventSeq: string;
  readonly checkpoint: number;
}

export interface EventPage {
  /** In chain order, none left out between `after` and `cursor`. */
  readonly events: readonly ChainEvent[];
  /** Where the next page starts; moves on also over stretches without events. Opaque. */
  readonly cursor: Uint8Array | undefined;
  /** False when there is more to read at once. */
  readonly atTip: boolean;
}

/** Who holds which shards now, and who held them in the epoch before. */
export interface ChainView {
  readonly epoch: number;
  readonly committee: Committee;
  readonly previousCommittee: Committee | null;
}

export interface ChainSource {
  view(): Promise<ChainView>;
  /** Events after the cursor, from genesis without one. May be called again with the same cursor. */
  read(after: Uint8Array | undefined, signal: AbortSignal): Promise<EventPage>;
  /**
   * Rings whenever there may be new events; only a hint, `read` is what counts. Resolves when the subscription
   * ended, rejects when it failed; in both cases the caller may listen again.
   */
  listen(signal: AbortSignal, ring: () => void): Promise<void>;
}
