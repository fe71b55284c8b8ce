/** What executing a transaction yields: everything that its commit keeps. */
import type { ObjectId } from "../../../shared/protocol/ids.ts";
import type { StoredObject } from "../move/objects.ts";
import type { Effects } from "./effects.ts";
import type { BalanceDelta, EmittedEvent } from "./records.ts";

export interface Execution {
  readonly effects: Effects;
  readonly effectsBytes: Uint8Array;
  readonly effectsDigest: string;
  readonly events: readonly EmittedEvent[];
  readonly eventsBytes: Uint8Array | null;
  readonly written: readonly StoredObject[];
  readonly removed: readonly ObjectId[];
  /** Changes of address balances. */
  readonly balances: readonly BalanceDelta[];
  /** Changes per address and coin type, coin objects and address balances together. */
  readonly balanceChanges: readonly BalanceDelta[];
}
