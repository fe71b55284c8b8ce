/**
 * Single slivers and symbols with the SIMD kernels: roots of many slivers at once, proofs, recovery.
 *
 * Slivers are expanded side by side in the same vectors and hashed in one run of groups, so a batch of 8 costs less a
 * sliver than one. Every job takes an instance from the pool and gives it back before it returns.
 */

import { equalBytes } from "../base/bytes.ts";
import { assert } from "../base/errors.ts";
import type { BftParameters } from "../protocol/bft.ts";
import type { Axis } from "../protocol/ids.ts";
import { HASH_BYTES } from "../protocol/metadata.ts";
import type { MerkleProof } from "../protocol/recovery-symbol.ts";
import { LEAF_TABLE_LEAVES, planDecoder, planSlivers, type SliverPlan } from "./kernel-arena.ts";
import { decodeErasures } from "./kernel-erasures.ts";
import type { Kernel } from "./kernel-exports.ts";
import { ensureLeafTable } from "./kernel-leaf-table.ts";
import type { KernelPool } from "./kernel-pool.ts";
import { proofLength } from "./merkle.ts";
import type { ReedSolomonCode } from "./reed-solomon.ts";
import type { SliverMath } from "./sliver-math.ts";
import { codeOfSliver } from "./symbols.ts";

/** Source bytes of the slivers hashed together. */
const BATCH_BYTES = 1024 * 1024;
const MAX_BATCH = 32;

/** Slivers of this size that are worth hashing together. */
export const sliverBatch = (dataBytes: number): number =>
  Math.max(1, Math.min(MAX_BATCH, Math.floor(BATCH_BYTES / dataBytes)));

export class KernelSliverMath implements SliverMath {
  readonly #pool: KernelPool;
  /** Leaves of 2-byte symbols hashed so far, up to what makes a table worth while. */
  #shortLeaves = 0;

  constructor(pool: KernelPool) {
    this.#pool = pool;
  }

  root(parameters: BftParameters, axis: Axis, data: Uint8Array, symbolBytes: number): Uint8Array {
    const [root] = this.roots(parameters, axis, [data], symbolBytes);
    assert(root !== undefined, "one root per sliver");
    return root;
  }

  /**
   * Roots of slivers of one axis, in order.
   *
   * @param slivers source symbols, each of the length the axis demands
   * Cost at 1000 shards and 2-byte symbols: 2000 hashes a sliver, 0.15 to 0.25 ms.
   */
  roots(
    parameters: BftParameters,
    axis: Axis,
    slivers: readonly Uint8Array[],
    symbolBytes: number,
  ): Uint8Array[] {
    const { nShards } = parameters;
    const code = codeOfSliver(parameters, axis);
    const batch = Math.min(slivers.length, sliverBatch(code.originals * symbolBytes));
    if (batch === 0) return [];
    const useLeafTable = this.#tablePays(symbolBytes, slivers.length * nShards);
    const plan = planSlivers(nShards, code, symbolBytes, batch, useLeafTable);
    return this.#run(plan, (kernel) => {
      const roots: Uint8Array[] = [];
      for (let first = 0; first < slivers.length; first += batch) {
        const group = slivers.slice(first, first + batch);
        hashLeaves(kernel, plan, code, group, symbolBytes);
        const levels = proofLength(nShards);
        kernel.exports.foldRows(plan.nodes, plan.nodesStride, group.length, nShards, levels, 0, 0, 0, 0);
        for (let i = 0; i < group.length; i++)
          roots.push(digestAt(kernel, plan.nodes + i * plan.nodesStride));
      }
      return roots;
    });
  }

  symbolWithProof(
    parameters: BftParameters,
    axis: Axis,
    data: Uint8Array,
    symbolBytes: number,
    index: number,
  ): { symbol: Uint8Array; proof: MerkleProof } {
    const { nShards } = parameters;
    const code = codeOfSliver(parameters, axis);
    const plan = planSlivers(nShards, code, symbolBytes, 1);
    return this.#run(plan, (kernel) => {
      hashLeaves(kernel, plan, code, [data], symbolBytes);
      const k = code.originals;
      const at = index < k ? plan.data + index * symbolBytes : plan.parity + (index - k) * symbolBytes;
      const symbol = kernel.bytes.slice(at, at + symbolBytes);
      const proof: (Uint8Array | null)[] = [];
      for (let count = nShards, node = index; count > 1; count = (count + 1) >> 1, node >>= 1) {
        const sibling = node ^ 1;
        proof.push(sibling < count ? digestAt(kernel, plan.nodes + sibling * HASH_BYTES) : null);
        kernel.exports.foldRows(plan.nodes, plan.nodesStride, 1, count, 1, 0, 0, 0, 0);
      }
      return { symbol, proof };
    });
  }

  proofHolds(
    root: Uint8Array,
    leaf: Uint8Array,
    leafIndex: number,
    leafCount: number,
    proof: MerkleProof,
  ): boolean {
    if (leafIndex < 0 || leafIndex >= leafCount || proof.length !== proofLength(leafCount)) return false;
    const code: ReedSolomonCode = { originals: 1, recoveries: 1, rate: "high", blockSize: 1 };
    const plan = planSlivers(2, code, leaf.length, 1);
    return this.#run(plan, (kernel) => {
      const { exports } = kernel;
      kernel.bytes.set(leaf, plan.data);
      exports.setLeaf(leaf.length);
      const { nodes } = plan;
      exports.leafRows(nodes, 0, 0, 0, plan.data, 0, 1, 1);
      let node = leafIndex;
      for (const sibling of proof) {
        const isRight = (node & 1) === 1;
        if (isRight) kernel.bytes.copyWithin(nodes + HASH_BYTES, nodes, nodes + HASH_BYTES);
        const at = nodes + (isRight ? 0 : HASH_BYTES);
        if (sibling === null) kernel.bytes.fill(0, at, at + HASH_BYTES);
        else kernel.bytes.set(sibling, at);
        exports.innerRows(nodes, 0, nodes, 0, 1, 1, 0, 0);
        node >>= 1;
      }
      return equalBytes(kernel.bytes.subarray(nodes, nodes + HASH_BYTES), root);
    });
  }

  decode(code: ReedSolomonCode, symbolBytes: number, symbols: ReadonlyMap<number, Uint8Array>): Uint8Array {
    const plan = planDecoder(code, 1, symbolBytes);
    return this.#run(plan, (kernel) => {
      let slot = plan.slots;
      for (const symbol of symbols.values()) {
        kernel.bytes.set(symbol, slot);
        slot += symbolBytes;
      }
      const slotOf = decodeErasures(kernel, plan, code, [...symbols.keys()]);
      const data = new Uint8Array(code.originals * symbolBytes);
      slotOf.forEach((from, original) => {
        const at = plan.slots + from * symbolBytes;
        data.set(kernel.bytes.subarray(at, at + symbolBytes), original * symbolBytes);
      });
      return data;
    });
  }

  /**
   * Whether 2-byte symbols are looked up. The table costs as much as 65,536 leaves, so it is made once that many were
   * hashed without it: never more than twice the work, half of it soon.
   */
  #tablePays(symbolBytes: number, leaves: number): boolean {
    if (symbolBytes !== 2) return false;
    if (this.#shortLeaves < LEAF_TABLE_LEAVES) this.#shortLeaves += leaves;
    return this.#shortLeaves >= LEAF_TABLE_LEAVES;
  }

  #run<Result>(plan: { bytes: number; leafTable?: number }, job: (kernel: Kernel) => Result): Result {
    const lease = this.#pool.lease(plan.bytes);
    try {
      if (lease.kernel.leafTableAt !== plan.leafTable) lease.kernel.leafTableAt = 0;
      return job(lease.kernel);
    } finally {
      lease.release();
    }
  }
}

/** Expands slivers and leaves the digests of their n symbols in rows at `plan.nodes`. */
function hashLeaves(
  kernel: Kernel,
  plan: SliverPlan,
  code: ReedSolomonCode,
  slivers: readonly Uint8Array[],
  symbolBytes: number,
): void {
  const { exports } = kernel;
  const { originals: k, recoveries: r } = code;
  const [dataBytes, parityBytes] = [k * symbolBytes, r * symbolBytes];
  slivers.forEach((data, i) => {
    kernel.bytes.set(data, plan.data + i * dataBytes);
  });
  const { data, parity, nodes, nodesStride, planes, work } = plan;
  const count = slivers.length;
  exports.encodeRows(data, dataBytes, parity, parityBytes, count, k, r, symbolBytes, planes, work);
  const parityNodes = nodes + k * HASH_BYTES;
  if (plan.leafTable === 0) {
    exports.setLeaf(symbolBytes);
    exports.leafRows(nodes, nodesStride, 0, 0, data, dataBytes, count, k);
    exports.leafRows(parityNodes, nodesStride, 0, 0, parity, parityBytes, count, r);
  } else {
    const table = plan.leafTable;
    ensureLeafTable(kernel, table, plan.tableSymbols);
    exports.leafRowsFromTable(nodes, nodesStride, 0, 0, data, dataBytes, count, k, table);
    exports.leafRowsFromTable(parityNodes, nodesStride, 0, 0, parity, parityBytes, count, r, table);
  }
}

const digestAt = (kernel: Kernel, at: number): Uint8Array => kernel.bytes.slice(at, at + HASH_BYTES);
