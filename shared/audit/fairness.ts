/**
 * When a failure counts against nobody: hand-overs, young blobs, maintenance, and an auditor whose own network is broken.
 *
 * A pass counts whatever the circumstances: it shows that the node has what it might not have had to have yet.
 */
import type { AuditParameters } from "./parameters.ts";
import type { Excuse, VerdictOutcome } from "./verdict.ts";

export interface Circumstances {
  /** When the challenge was asked. */
  readonly askedMs: number;
  readonly epochChangeStartMs: number;
  /** Undefined while the hand-over still runs. */
  readonly epochChangeDoneMs: number | undefined;
  /** Set when the shard came from another node at this epoch: when its receipt was announced, if it was. */
  readonly shardMove: { readonly receivedMs: number | undefined } | undefined;
  /** What the node says of itself; absent when it was not reached. */
  readonly nodeStatus: string | undefined;
  /** Maintenance already excused for this node in this epoch. */
  readonly maintenanceUsedMs: number;
  /** The blob was reported invalid on chain after the draw, or was gone for a while. */
  readonly isBlobInvalid: boolean;
  /** The blob was certified less than the profile's grace before the round's seed was drawn. */
  readonly isJustCertified: boolean;
}

const WORKING: ReadonlySet<string> = new Set(["Active", "Standby"]);

/**
 * @param outcome what the draw came to: maintenance excuses unavailability only; youth absence only, never wrong bytes
 * @returns undefined when the failure counts
 */
export function excuseFor(
  circumstances: Circumstances,
  outcome: VerdictOutcome,
  parameters: AuditParameters,
): Excuse | undefined {
  const { askedMs, epochChangeStartMs, epochChangeDoneMs, shardMove } = circumstances;
  if (circumstances.isBlobInvalid) return "invalid-blob";
  const isChanging = epochChangeDoneMs === undefined || askedMs < epochChangeDoneMs + parameters.epochGraceMs;
  if (askedMs >= epochChangeStartMs && isChanging) return "epoch-change";
  if (shardMove !== undefined) {
    const { receivedMs } = shardMove;
    if (receivedMs === undefined || askedMs < receivedMs + parameters.shardGraceMs) return "shard-moved";
  }
  if (outcome === "missing" && circumstances.isJustCertified) return "just-certified";
  const isUnavailable = outcome === "timeout" || outcome === "refused";
  const { nodeStatus } = circumstances;
  const isMaintained = nodeStatus !== undefined && !WORKING.has(nodeStatus);
  const hasAllowance = circumstances.maintenanceUsedMs < parameters.maintenanceMs;
  return isUnavailable && isMaintained && hasAllowance ? "maintenance" : undefined;
}

/** One pass of one node, as far as the self-check looks at it. */
export interface NodePass {
  readonly nodeIndex: number;
  readonly passedMs: number;
}

/**
 * True when the auditor may trust what it sees: some stretch of `selfCheckMs` holds passes of two thirds of the nodes.
 */
export function hasProvenNetwork(
  passes: readonly NodePass[],
  nodeCount: number,
  parameters: AuditParameters,
): boolean {
  const needed = Math.ceil((nodeCount * parameters.selfCheckPassThousandths) / 1000);
  const inOrder = [...passes].sort((a, b) => a.passedMs - b.passedMs);
  const recent = new Map<number, number>();
  let from = 0;
  for (const pass of inOrder) {
    recent.set(pass.nodeIndex, (recent.get(pass.nodeIndex) ?? 0) + 1);
    for (;;) {
      const oldest = inOrder[from];
      if (oldest === undefined || pass.passedMs - oldest.passedMs <= parameters.selfCheckMs) break;
      const count = (recent.get(oldest.nodeIndex) ?? 1) - 1;
      if (count === 0) recent.delete(oldest.nodeIndex);
      else recent.set(oldest.nodeIndex, count);
      from++;
    }
    if (recent.size >= needed) return true;
  }
  return false;
}

/** True when a round counts for nothing: the network was never proven, or too many shards look unreachable at once. */
export function isSelfSuspect(
  round: {
    readonly passes: readonly NodePass[];
    readonly nodeCount: number;
    readonly nShards: number;
    /** Shards whose every draw ended unreachable or timed out. */
    readonly unreachableShards: number;
  },
  parameters: AuditParameters,
): boolean {
  const { passes, nodeCount, nShards, unreachableShards } = round;
  return (
    !hasProvenNetwork(passes, nodeCount, parameters) ||
    unreachableShards * 1000 >= nShards * parameters.selfSuspectShardThousandths
  );
}
