/** What the rest of the Worker may ask about the chain. */
import type { SnapshotOptions } from "../../shared/sui/walrus/chain-cache.ts";
import type { ChainSnapshot } from "../../shared/sui/walrus/chain-snapshot.ts";

/** An answer is at most `CHAIN_LIMITS.chainSnapshotMs` old, or as fresh as asked for. */
export interface Chain {
  snapshot(options?: SnapshotOptions): Promise<ChainSnapshot>;
}

/** What a use case that reads the chain takes. */
export interface ChainPorts {
  readonly chain: Chain;
}
