/** What transactions of `floe_audit` name: shared objects, packages, and the parameters of a registry. */
import type { ObjectId } from "../../protocol/ids.ts";

/** A shared object, as transactions name it. */
export interface SharedRef {
  readonly objectId: ObjectId;
  readonly initialSharedVersion: bigint;
}

/** One registry and the package to call for it. */
export interface AuditContracts {
  readonly packageId: ObjectId;
  /** Types and events are named by this. */
  readonly originalPackageId: ObjectId;
  readonly registry: SharedRef;
  /** Sui's source of randomness, which only opening a round reads. */
  readonly randomInitialSharedVersion: bigint;
}

/** Where a bond comes from. */
export type BondSource = "gas-coin" | "address-balance";

export interface RegistryParams {
  /** Auditors that must stand behind a claim, the accuser included. */
  readonly quorum: number;
  readonly nShards: number;
  /** Round `no` can be opened from `no * periodMs` (inclusive) to `(no + 1) * periodMs` (exclusive). */
  readonly periodMs: number;
  /** From filing to deadline. */
  readonly windowMs: number;
  readonly bondMist: bigint;
  readonly maxOpenPerNode: number;
  readonly maxPerAuditorEpoch: number;
  readonly drawsPerShard: number;
  /** More than `windowMs / periodMs + 1`. */
  readonly retentionRounds: number;
}

/** What a vote for slashing needs beside the evidence. */
export interface SlashingContracts {
  /** Walrus package to call. */
  readonly walrusPackageId: ObjectId;
  readonly slashingManager: SharedRef;
  readonly staking: SharedRef;
}
