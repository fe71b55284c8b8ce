/** What a transaction leaves beside its objects: events, and balances that changed. */
import type { ObjectId } from "../../../shared/protocol/ids.ts";

export interface EmittedEvent {
  readonly packageId: ObjectId;
  readonly module: string;
  readonly sender: ObjectId;
  readonly type: string;
  readonly contents: Uint8Array;
}

export interface BalanceDelta {
  readonly address: ObjectId;
  readonly token: string;
  readonly amount: bigint;
}
