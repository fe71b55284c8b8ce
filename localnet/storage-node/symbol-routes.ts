/**
 * Recovery symbols (with proofs) and decoding symbols (without).
 *
 * Only shards owned in the newest committee are looked at. Each recovery symbol costs an expansion of its sliver and
 * a Merkle tree over n leaves, twice: once to check what the disk gave back, once for the proof. Work is cut between
 * slivers so that the node stays responsive.
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import { CodecError } from "../../shared/codec/codec.ts";
import { parseDecodingFilter, parseSymbolFilter } from "../../shared/node/storage-node-api.ts";
import { BcsWriter } from "../../shared/protocol/bcs.ts";
import { bftParameters } from "../../shared/protocol/bft.ts";
import {
  type Axis,
  type BlobId,
  otherAxis,
  type SliverIndex,
  type SliverPairIndex,
} from "../../shared/protocol/ids.ts";
import { pairOfShard, pairOfSliver, shardOfPair, sliverOfPair } from "../../shared/protocol/mapping.ts";
import type { VerifiedMetadata } from "../../shared/protocol/metadata.ts";
import {
  type RecoverySymbol,
  type SymbolId,
  serializeRecoverySymbols,
} from "../../shared/protocol/recovery-symbol.ts";
import { sliversToDecode } from "../../shared/protocol/sizes.ts";
import { parseSliver, type Sliver } from "../../shared/protocol/sliver.ts";
import type { NodeContext } from "./node-context.ts";
import { bytesReply, NodeRefusal, type NodeReply } from "./reply.ts";

export async function getRecoverySymbols(
  node: NodeContext,
  blobId: BlobId,
  query: URLSearchParams,
): Promise<NodeReply> {
  const { ids, proofAxis } = wantedSymbols(node, blobId, query);
  node.refuseBlocked(blobId);
  const metadata = registeredMetadata(node, blobId);
  const symbols: RecoverySymbol[] = [];
  let refusal: NodeRefusal | undefined;
  for (const id of ids) {
    try {
      symbols.push(symbolAt(node, metadata, id, proofAxis));
    } catch (error) {
      // A symbol that cannot be had is left out; only when all are does the last reason count.
      if (!(error instanceof NodeRefusal)) throw error;
      refusal = error;
    }
    await nextTurn();
  }
  if (symbols.length === 0 && refusal !== undefined) throw refusal;
  return bytesReply(serializeRecoverySymbols(symbols));
}

function wantedSymbols(
  node: NodeContext,
  blobId: BlobId,
  query: URLSearchParams,
): { ids: readonly SymbolId[]; proofAxis: Axis | undefined } {
  const filter = parseSymbolFilter(query);
  if (filter === undefined) {
    throw new NodeRefusal("INVALID_FILTER", "ask by id, or by targetSliver and targetType");
  }
  const { nShards } = node;
  const { proofAxis } = filter;
  if (filter.kind === "ids") {
    if (filter.ids.length === 0) throw new NodeRefusal("NO_SYMBOLS_SPECIFIED", "no symbol is asked for");
    const outside = filter.ids.find(({ primary, secondary }) => primary >= nShards || secondary >= nShards);
    if (outside !== undefined) {
      throw new NodeRefusal(
        "RECOVERY_SYMBOL_OUT_OF_RANGE",
        `symbol ${outside.primary}-${outside.secondary} of ${nShards} shards`,
      );
    }
    return { ids: filter.ids, proofAxis };
  }
  if (filter.index >= nShards) {
    throw new NodeRefusal("INDEX_OUT_OF_RANGE", `sliver ${filter.index} is not below ${nShards} shards`);
  }
  const target = filter.index as SliverIndex;
  const source = otherAxis(filter.axis);
  const ids = node.ownShards().map((shard): SymbolId => {
    const crossing = sliverOfPair(pairOfShard(shard, blobId, nShards), source, nShards);
    return filter.axis === "primary"
      ? { primary: target, secondary: crossing }
      : { primary: crossing, secondary: target };
  });
  if (ids.length === 0) throw new NodeRefusal("SYMBOL_NOT_PRESENT_AT_SHARDS", "this node owns no shard");
  ids.sort((a, b) => a.primary - b.primary || a.secondary - b.secondary);
  return { ids, proofAxis };
}

function registeredMetadata(node: NodeContext, blobId: BlobId): VerifiedMetadata {
  const metadata = node.isRegistered(blobId) ? node.metadata(blobId) : undefined;
  if (metadata === undefined) {
    throw new NodeRefusal("SLIVER_NOT_FOUND", `the blob is not registered or stored, epoch ${node.epoch}`);
  }
  return metadata;
}

/**
 * A symbol lies on two slivers: without a wanted axis the primary one is tried first.
 *
 * @throws NodeRefusal `SYMBOL_NOT_PRESENT_AT_SHARDS`, or `SLIVER_NOT_FOUND` when it should be here
 */
export function symbolAt(
  node: NodeContext,
  metadata: VerifiedMetadata,
  id: SymbolId,
  proofAxis: Axis | undefined,
): RecoverySymbol {
  const axes: readonly Axis[] = proofAxis === undefined ? ["primary", "secondary"] : [proofAxis];
  let refusal = new NodeRefusal(
    "SYMBOL_NOT_PRESENT_AT_SHARDS",
    `symbol ${id.primary}-${id.secondary} lies on no sliver of this node's ${node.ownShards().length} shards`,
  );
  for (const axis of axes) {
    const pair = pairOfSliver(id[axis], axis, node.nShards);
    const shard = shardOfPair(pair, metadata.blobId, node.nShards);
    if (!node.ownShards().includes(shard)) continue;
    const bytes = node.store.sliver({ blobId: metadata.blobId, shard, axis });
    if (bytes === undefined) {
      refusal = new NodeRefusal("SLIVER_NOT_FOUND", `${axis} sliver ${id[axis]} is not stored here`);
      continue;
    }
    return symbolOf(node, metadata, { bytes, pair, axis }, id[otherAxis(axis)]);
  }
  throw refusal;
}

function symbolOf(
  node: NodeContext,
  metadata: VerifiedMetadata,
  stored: { bytes: Uint8Array; pair: SliverPairIndex; axis: Axis },
  targetIndex: SliverIndex,
): RecoverySymbol {
  const sliver = parseSliver(stored.bytes, stored.bytes.length);
  const [verified] = node.codec.verifySlivers(metadata, [{ axis: stored.axis, pair: stored.pair, sliver }]);
  // The disk gave back other bytes than were stored: for the caller that sliver is not here.
  if (verified === undefined || verified instanceof CodecError) {
    throw new NodeRefusal("SLIVER_NOT_FOUND", `the stored ${stored.axis} sliver is damaged`, {
      cause: verified,
    });
  }
  return node.codec.symbolWithProof(metadata, verified, targetIndex);
}

/**
 * Map of target index to one symbol per owned shard, cut from stored source symbols without any encoding:
 * `uleb(count)`, then per target `u16, uleb(symbols)`, then per symbol `axis tag u8, source index u16, uleb(z), z bytes`.
 * BCS orders map keys by their serialised (little-endian) bytes.
 */
export function getDecodingSymbols(node: NodeContext, blobId: BlobId, query: URLSearchParams): NodeReply {
  const { axis, targets } = parseDecodingFilter(query);
  if (targets.length === 0) throw new NodeRefusal("NO_TARGET_SLIVERS_SPECIFIED", "no target is asked for");
  const limit = sliversToDecode(bftParameters(node.nShards), axis);
  const outside = targets.find((target) => target >= limit);
  if (outside !== undefined) {
    throw new NodeRefusal(
      "INDEX_OUT_OF_RANGE",
      `${axis} sliver ${outside} is no source sliver; there are ${limit}`,
    );
  }
  node.refuseBlocked(blobId);
  if (!node.isRegistered(blobId)) {
    throw new NodeRefusal("SLIVER_NOT_FOUND", `the blob is not registered in epoch ${node.epoch}`);
  }
  const source = otherAxis(axis);
  const slivers: Sliver[] = [];
  for (const shard of node.ownShards()) {
    const bytes = node.store.sliver({ blobId, shard, axis: source });
    if (bytes !== undefined) slivers.push(parseSliver(bytes, bytes.length));
  }
  const writer = new BcsWriter(1024).uleb(slivers.length === 0 ? 0 : targets.length);
  if (slivers.length === 0) return bytesReply(writer.finish());
  const byKeyBytes = (a: number, b: number): number => (a & 0xff) - (b & 0xff) || a - b;
  for (const target of [...targets].sort(byKeyBytes)) {
    writer.u16(target).uleb(slivers.length);
    for (const { index, symbolBytes, data } of slivers) {
      writer.u8(axis === "primary" ? 0 : 1).u16(index);
      writer.vector(data.subarray(target * symbolBytes, (target + 1) * symbolBytes));
    }
  }
  return bytesReply(writer.finish());
}
