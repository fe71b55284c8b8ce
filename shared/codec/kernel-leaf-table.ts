/**
 * Digests of all 65,536 symbols of 2 bytes.
 *
 * A blob of up to 445,556 bytes at 1000 shards has 2-byte symbols, a million of them, but only 65,536 different ones:
 * hashing each once takes 4 to 7 ms instead of 60 to 110. The table stays in its instance until another job overwrites
 * it, and counts as 2 MiB of the job's memory.
 */
import { LEAF_TABLE_BYTES, LEAF_TABLE_LEAVES } from "./kernel-arena.ts";
import type { Kernel } from "./kernel-exports.ts";

/**
 * Makes the table unless it is there.
 *
 * @param table address of the table
 * @param scratch 128 KiB of free memory with `LEAF_SLACK` bytes around them
 * Leaves the kernel set to leaves of 2 bytes.
 */
export function ensureLeafTable(kernel: Kernel, table: number, scratch: number): void {
  if (kernel.leafTableAt === table) return;
  const view = new DataView(kernel.bytes.buffer, scratch, 2 * LEAF_TABLE_LEAVES);
  for (let symbol = 0; symbol < LEAF_TABLE_LEAVES; symbol++) view.setUint16(2 * symbol, symbol, true);
  kernel.exports.setLeaf(2);
  kernel.exports.leafRows(table, LEAF_TABLE_BYTES, 0, 0, scratch, 0, 1, LEAF_TABLE_LEAVES);
  kernel.leafTableAt = table;
}
