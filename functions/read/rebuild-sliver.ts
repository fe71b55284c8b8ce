/**
 * Rebuilds one missing primary sliver from recovery symbols: every shard holds one symbol of it, where the shard's
 * secondary sliver crosses it, and s = n-f of them decode it. Each symbol comes with its Merkle proof, so that a liar is
 * known by his first wrong symbol.
 *
 * | way to a missing row        | bytes                     | requests                        | memory              |
 * |-----------------------------|---------------------------|---------------------------------|---------------------|
 * | symbols (this file)         | s x (z + about 330)       | nodes that hold s shards        | a row and its proofs |
 * | all other rows (row-decoder) | up to p x s x z, once     | up to p, once for all rows      | the whole blob      |
 */

import { CodecError } from "../../shared/codec/codec.ts";
import { NODE_LIMITS } from "../../shared/node/limits.ts";
import { SliverRebuild, rebuildBytes as symbolsBytes } from "../../shared/node/rebuild.ts";
import type { SliverIndex } from "../../shared/protocol/ids.ts";
import type { VerifiedMetadata } from "../../shared/protocol/metadata.ts";
import type { RecoverySymbol } from "../../shared/protocol/recovery-symbol.ts";
import type { BlobLayout } from "../../shared/protocol/sizes.ts";
import type { VerifiedSliver } from "../../shared/protocol/sliver.ts";
import { EdgeError } from "../base/edge-error.ts";
import type { ReachableNode } from "../nodes/reachable-nodes.ts";
import { gather, type Inquirer } from "./inquiry.ts";
import type { ReadPorts } from "./ports.ts";

/** Bytes that rebuilding one sliver holds on top of the sliver: its symbols with their proofs. */
export const rebuildBytes = (layout: BlobLayout): number => symbolsBytes(layout, "primary");

/**
 * @param nodes in the order to ask them
 * @returns undefined when too few symbols can be had
 * @throws EdgeError `INCONSISTENT_BLOB` when proven symbols do not decode to the sliver committed to
 * Memory: `rebuildBytes`, and the sliver.
 */
export async function rebuildSliver(
  { codec, faults, carrier }: ReadPorts,
  metadata: VerifiedMetadata,
  index: SliverIndex,
  nodes: readonly ReachableNode[],
  inquirer: Inquirer,
): Promise<VerifiedSliver | undefined> {
  const rebuild = new SliverRebuild(codec, metadata, { axis: "primary", index });
  carrier.expect(nodes.length);
  await gather<ReachableNode, RecoverySymbol[]>({
    candidates: nodes,
    width: carrier.width,
    weight: ({ member }) => member.shards.length,
    missing: () => rebuild.missing,
    ask: (node) =>
      inquirer.ask(node, NODE_LIMITS.readHeadersTimeoutMs, (call) =>
        rebuild.request(node.client, node.member.shards.length, call),
      ),
    take: ({ member }, symbols) => {
      for (const wrong of rebuild.add(symbols)) faults.record(member.nodeId, wrong.code);
    },
  });
  if (rebuild.missing > 0) return undefined;
  try {
    return rebuild.sliver();
  } catch (cause) {
    if (!(cause instanceof CodecError) || cause.code !== "INCONSISTENT_ENCODING") throw cause;
    throw new EdgeError(
      "INCONSISTENT_BLOB",
      `proven symbols decode to another row ${index} than committed to`,
      {
        details: { blobId: metadata.blobId, row: index },
        cause,
      },
    );
  }
}
