/**
 * What an auditor does on chain beside reading Walrus: seeds, populations, reports.
 *
 * Every call is idempotent by its natural key (round number, epoch), so the caller repeats whatever it is not sure of;
 * "the reply was lost" and "it was done before" look the same. An implementation keeps what it must before it sends.
 */

import type { Refutation } from "../../shared/audit/refutation.ts";
import type { ReportTotals } from "../../shared/audit/report-rows.ts";
import type { SeedSource } from "../../shared/audit/round-export.ts";
import { checkpointSeed } from "../../shared/audit/selection.ts";
import type { ObjectId } from "../../shared/protocol/ids.ts";
import type { ClaimOnChain } from "../../shared/sui/audit/reader.ts";
import type { ClaimDraft } from "../../shared/sui/audit/transactions.ts";
import type { ChainReader } from "../../shared/sui/walrus/chain-reader.ts";

export interface RoundSeed {
  /** 32 bytes. */
  readonly seed: Uint8Array;
  readonly source: SeedSource;
  /** Populations are made of the events of all checkpoints before this one: the seed could not be known then. */
  readonly checkpoint: number;
}

export interface PopulationDeclaration {
  readonly epoch: number;
  readonly size: number;
  readonly totalBytes: bigint;
  readonly root: Uint8Array;
}

export interface RoundReport {
  readonly no: number;
  readonly epoch: number;
  readonly totals: ReportTotals;
  readonly evidenceRoot: Uint8Array;
  readonly nodesRoot: Uint8Array;
  /** 52 bytes per node, ascending by node ID. */
  readonly rows: Uint8Array;
}

/** What the contract knows of claims, and what an auditor does about them; only where there is a key. */
export interface ClaimsOnChain {
  readonly auditor: ObjectId;
  /**
   * One page of the claims that were ever filed with this registry, in order.
   *
   * @param after where the page before ended
   */
  filed(after: Uint8Array | undefined): Promise<FiledClaims>;
  /** Those of this registry that still exist on chain. */
  read(ids: readonly ObjectId[]): Promise<readonly ClaimOnChain[]>;
  /** @returns false when the contract does not take it, or the outcome is not known: `filed` tells */
  file(draft: ClaimDraft): Promise<boolean>;
  attest(claim: ClaimOnChain): Promise<boolean>;
  /** Ties the claim to the Walrus committee, while its epoch lasts. @returns also false when no gate is known */
  bind(claim: ClaimOnChain): Promise<boolean>;
  /** Takes the bond. */
  refute(claim: ClaimOnChain, refutation: Refutation): Promise<boolean>;
  finalize(claim: ClaimOnChain): Promise<boolean>;
  /** Takes back an own claim that no other auditor stands behind, with its bond. */
  withdraw(claim: ClaimOnChain): Promise<boolean>;
}

export interface FiledClaims {
  readonly ids: readonly ObjectId[];
  /** Behind the last of them; undefined when the page is empty. */
  readonly cursor: Uint8Array | undefined;
  readonly hasMore: boolean;
}

/** Deletes what the contract keeps no longer; every account may, and its sender gets the storage rebate. */
export interface PruningOnChain {
  /** Rounds up to this one are past the registry's retention. */
  lastPastRound(nowMs: number): Promise<number>;
  /**
   * @returns true once it is not on chain any more; false when the contract does not take it, or the outcome is unknown
   */
  purgeClaim(id: ObjectId): Promise<boolean>;
  pruneRound(no: number): Promise<boolean>;
  /** Of all auditors. */
  prunePopulation(epoch: number): Promise<boolean>;
}

export interface AuditChain {
  /** Absent in read-only mode. */
  readonly pruning?: PruningOnChain;
  /** Absent in read-only mode. */
  readonly claims?: ClaimsOnChain;
  /** False: everything below that writes answers null. */
  readonly writes: boolean;
  /**
   * The seed of a round; with a package, opens it when no auditor has.
   *
   * @param startMs when the round begins: its number times the period
   * @returns undefined while the chain has none: ask again
   */
  seedOf(no: number, startMs: number): Promise<RoundSeed | undefined>;
  /** Must stand on chain before the seed of any round of the epoch is drawn. @returns the transaction's digest */
  declarePopulation(population: PopulationDeclaration): Promise<string | null>;
  /**
   * @returns the transaction's digest; null when nothing is written, or the contract does not take it from this auditor
   */
  report(report: RoundReport): Promise<string | null>;
}

/**
 * Without key or package: seeds from checkpoints, and nothing is ever written.
 *
 * The round's seed is fixed by the first checkpoint at or after its start. Validators could bias it.
 */
export function readOnlyAuditChain(chain: ChainReader): AuditChain {
  return {
    writes: false,
    async seedOf(_no, startMs) {
      const checkpoint = await chain.firstCheckpointAt(startMs);
      if (checkpoint === undefined) return undefined;
      return {
        seed: checkpointSeed(checkpoint.digest),
        source: "checkpoint",
        checkpoint: checkpoint.sequence,
      };
    },
    declarePopulation: async () => null,
    report: async () => null,
  };
}
