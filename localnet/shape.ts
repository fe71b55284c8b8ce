/**
 * The shape of Walrus's mainnet: how many nodes and shards, how unevenly the shards are shared, how far the nodes are.
 *
 * What is published: the Walrus whitepaper describes a network of 105 independent operators in 17 countries and 1000
 * shards given out by stake, where no operator has more than 18 shards, 19 operators together have f + 1 shards and
 * 38 have 2f + 1; `walrus info` on mainnet showed 103 nodes and 1000 shards (epoch 1, March 2025). From that:
 *
 * - stake is capped: the 38 largest nodes have nearly the same, 17 or 18 shards (38 nodes need 667, so 17.5 on average,
 *   and 18 is the most), and the other 62 share 333
 * - behind the cap stake falls as a power of the rank; the exponent 2.5 is the one that leaves 333 shards to the rest
 *
 * No distances are published. Assumed: a client in one place, half of the nodes within 80 ms, the nearest 26 ms and the
 * farthest 248 ms away, whatever their stake.
 */
import type { ShardIndex } from "../shared/protocol/ids.ts";
import { type Distance, shuffled } from "./distance.ts";

export const MAINNET_SHAPE = {
  nodes: 100,
  shards: 1000,
  distance: { latencyMs: 80, spread: 1.6 } satisfies Distance,
} as const;

const CAPPED_NODES = 38;
const CAPPED_STAKE = 17.55;
const STAKE_EXPONENT = 2.5;

/** Shards of each node by its rank, largest first: stake in shards, rounded by largest remainder. */
export function mainnetWeights(): number[] {
  const { nodes, shards } = MAINNET_SHAPE;
  const stakes = Array.from(
    { length: nodes },
    (_, rank) => CAPPED_STAKE * Math.min(1, ((rank + 1) / CAPPED_NODES) ** -STAKE_EXPONENT),
  );
  const total = stakes.reduce((sum, stake) => sum + stake, 0);
  const exact = stakes.map((stake) => (stake * shards) / total);
  const weights = exact.map(Math.floor);
  const left = shards - weights.reduce((sum, weight) => sum + weight, 0);
  const byRemainder = exact
    .map((share, rank) => ({ rank, remainder: share % 1 }))
    .sort((a, b) => b.remainder - a.remainder || a.rank - b.rank);
  for (const { rank } of byRemainder.slice(0, left)) weights[rank] = (weights[rank] ?? 0) + 1;
  return weights;
}

/** Shards by node number: which node has which rank, and which shards it holds, follow from the seed. */
export function mainnetShards(seededBytes: (purpose: string) => Uint8Array): ShardIndex[][] {
  const { nodes, shards } = MAINNET_SHAPE;
  const weights = mainnetWeights();
  const order = shuffled(shards, (i) => seededBytes(`shard-${i}`));
  const owned: ShardIndex[][] = [];
  let dealt = 0;
  for (const [rank, node] of shuffled(nodes, (i) => seededBytes(`rank-${i}`)).entries()) {
    const next = dealt + (weights[rank] ?? 0);
    owned[node] = order.slice(dealt, next).sort((a, b) => a - b) as ShardIndex[];
    dealt = next;
  }
  return owned;
}
