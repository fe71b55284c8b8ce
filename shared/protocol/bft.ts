/**
 * Fault arithmetic. n = number of shards, f = floor((n-1)/3) of them may be faulty.
 *
 * Weight always counts **shards**, never nodes. The contract's forms are used everywhere: they agree with the
 * off-chain forms (`w > 2f`, `w > f`) only when n = 3f+1.
 */
import { ProtocolError } from "../base/errors.ts";

/** Below this f = 0, so there are no recovery symbols and the reference encoder aborts. */
export const MIN_SHARDS = 4;
/** min(P2(k),P2(r)) + max(k,r) <= 65536 over GF(2^16) holds up to here for k = n-f, r = f and k = n-2f, r = 2f. */
export const MAX_SHARDS = 49155;

export interface BftParameters {
  readonly nShards: number;
  /** f */
  readonly maxFaultyShards: number;
  /** p = n-2f: rows of the source matrix = symbols in a secondary sliver = primary slivers that decode a blob. */
  readonly primarySourceSymbols: number;
  /** s = n-f: columns of the source matrix = symbols in a primary sliver = secondary slivers that decode a blob. */
  readonly secondarySourceSymbols: number;
}

export function bftParameters(nShards: number): BftParameters {
  if (!Number.isInteger(nShards) || nShards < MIN_SHARDS || nShards > MAX_SHARDS) {
    throw new ProtocolError(
      "UNSUPPORTED_SHARD_COUNT",
      `${nShards} shards; ${MIN_SHARDS} to ${MAX_SHARDS} are supported`,
      { details: { nShards } },
    );
  }
  const maxFaultyShards = Math.floor((nShards - 1) / 3);
  return {
    nShards,
    maxFaultyShards,
    primarySourceSymbols: nShards - 2 * maxFaultyShards,
    secondarySourceSymbols: nShards - maxFaultyShards,
  };
}

/** Enough weight to certify. */
export const isQuorum = (weight: number, nShards: number): boolean => 3 * weight >= 2 * nShards + 1;
/** Enough weight that at least one correct node is among them. */
export const isValidity = (weight: number, nShards: number): boolean => 3 * weight >= nShards + 1;
/** The smallest quorum weight. */
export const quorumWeight = (nShards: number): number => Math.ceil((2 * nShards + 1) / 3);
/** The smallest validity weight. */
export const validityWeight = (nShards: number): number => Math.ceil((nShards + 1) / 3);
