/**
 * When a failure counts against no node: hand-overs, young blobs, maintenance, and an auditor whose own network is
 * broken.
 *
 * A pass counts whatever the circumstances: it shows that the node has what it might not have had to have yet.
 */
import type { ShardHolders } from "../protocol/committee.ts";
import type { ObjectId } from "../protocol/ids.ts";
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
 * Every excuse that holds for a failure asked at one moment, the first one to be given first.
 *
 * @param outcome what the draw came to: maintenance excuses unavailability only; youth absence only, never wrong bytes
 * @returns empty when the failure counts
 */
export function excusesFor(
  circumstances: Circumstances,
  outcome: VerdictOutcome,
  parameters: AuditParameters,
): Excuse[] {
  const { askedMs, epochChangeStartMs, epochChangeDoneMs, shardMove } = circumstances;
  const found: Excuse[] = [];
  if (circumstances.isBlobInvalid) found.push("invalid-blob");
  const isChanging = epochChangeDoneMs === undefined || askedMs < epochChangeDoneMs + parameters.epochGraceMs;
  if (askedMs >= epochChangeStartMs && isChanging) found.push("epoch-change");
  if (shardMove !== undefined) {
    const { receivedMs } = shardMove;
    if (receivedMs === undefined || askedMs < receivedMs + parameters.shardGraceMs) found.push("shard-moved");
  }
  if (outcome === "missing" && circumstances.isJustCertified) found.push("just-certified");
  const isUnavailable = outcome === "timeout" || outcome === "refused";
  const { nodeStatus } = circumstances;
  const isMaintained = nodeStatus !== undefined && !WORKING.has(nodeStatus);
  const hasAllowance = circumstances.maintenanceUsedMs < parameters.maintenanceMs;
  if (isUnavailable && isMaintained && hasAllowance) found.push("maintenance");
  return found;
}

/** When a hand-over began and was done. */
export type EpochChange = Pick<Circumstances, "epochChangeStartMs" | "epochChangeDoneMs">;

export interface KnownEpochChange {
  readonly epoch: number;
  readonly startMs: number;
  readonly doneMs: number | undefined;
}

/**
 * The hand-over at which a round's epoch began, and what came after it. Once a later epoch has begun no node owes
 * anything as a member of this round's committee, however long that hand-over is done: a later one never ends here.
 *
 * @param known in any order; those before the round's epoch do not matter
 * @returns never empty
 */
export function epochChangesOf(epoch: number, known: readonly KnownEpochChange[]): EpochChange[] {
  const changes = known
    .filter((change) => change.epoch >= epoch)
    .sort((a, b) => a.epoch - b.epoch)
    .map((change) => ({
      epochChangeStartMs: change.startMs,
      epochChangeDoneMs: change.epoch === epoch ? change.doneMs : undefined,
    }));
  // Without any change on record, none is under way.
  return changes.length > 0
    ? changes
    : [{ epochChangeStartMs: 0, epochChangeDoneMs: Number.NEGATIVE_INFINITY }];
}

/**
 * Every excuse that holds for a draw: for one of the moments at which it was asked, and one of the epoch changes.
 *
 * @param askedMs one at least; of a draw that was never asked because its node was silent, when the round was judged
 */
export const excusesOfDraw = (
  askedMs: readonly number[],
  changes: readonly EpochChange[],
  circumstances: Omit<Circumstances, "askedMs" | keyof EpochChange>,
  outcome: VerdictOutcome,
  parameters: AuditParameters,
): Excuse[] =>
  askedMs.flatMap((each) =>
    changes.flatMap((change) =>
      excusesFor({ ...circumstances, ...change, askedMs: each }, outcome, parameters),
    ),
  );

/** Shards that another node held in the epoch before. @param previous null when there was none */
export function movedShards(
  committee: Pick<ShardHolders, "members">,
  previous: Pick<ShardHolders, "members"> | null,
): ReadonlySet<number> {
  const moved = new Set<number>();
  for (const { nodeId, shards } of previous === null ? [] : committee.members) {
    const before = previous?.members.find((member) => member.nodeId === nodeId);
    for (const shard of shards) if (before?.shards.includes(shard) !== true) moved.add(shard);
  }
  return moved;
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

/** A judged draw, as far as it shows something of the auditor's own network. */
export interface JudgedDraw {
  readonly node: ObjectId;
  readonly shard: number;
  readonly outcome: VerdictOutcome;
  /** When its last request ended; undefined without any. */
  readonly endedMs: number | undefined;
}

/** `isSelfSuspect` from a round's draws. One in which nothing had to be asked shows nothing either way. */
export function isSelfSuspectRound(draws: readonly JudgedDraw[], parameters: AuditParameters): boolean {
  const asked = draws.filter(({ outcome }) => outcome !== "vacuous");
  if (asked.length === 0) return false;
  const nodes = [...new Set(asked.map(({ node }) => node))];
  const shards = new Set(asked.map(({ shard }) => shard));
  const passes: NodePass[] = [];
  const reachable = new Set<number>();
  for (const { node, shard, outcome, endedMs } of asked) {
    if (outcome === "passed" && endedMs !== undefined)
      passes.push({ nodeIndex: nodes.indexOf(node), passedMs: endedMs });
    if (outcome !== "timeout") reachable.add(shard);
  }
  const unreachableShards = shards.size - reachable.size;
  return isSelfSuspect(
    { passes, nodeCount: nodes.length, nShards: shards.size, unreachableShards },
    parameters,
  );
}
