/**
 * Metadata by several threads: each hashes blocks of columns, the first thread puts them together.
 *
 * Threads share the blob's bytes (a SharedArrayBuffer) and keep their kernels; what comes back is n row nodes and the
 * column roots per block, 64 KiB at 1000 shards. The same split works for isolates.
 */
import { once } from "node:events";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import type { KernelCodec } from "../shared/codec/kernel-codec.ts";
import type { ColumnBlock } from "../shared/codec/kernel-columns.ts";
import type { VerifiedMetadata } from "../shared/protocol/metadata.ts";

export interface ColumnJob {
  readonly nShards: number;
  readonly blob: SharedArrayBuffer;
  readonly from: number;
  readonly to: number;
  readonly nodeColumns: number;
}

export interface ColumnThreads {
  metadata(nShards: number, blob: SharedArrayBuffer): Promise<VerifiedMetadata>;
  close(): Promise<void>;
}

/** @param codec puts the blocks together; `module` is its kernels */
export function startColumnThreads(
  codec: KernelCodec,
  module: WebAssembly.Module,
  threads: number,
): ColumnThreads {
  const workers = Array.from(
    { length: threads },
    () => new Worker(join(import.meta.dirname, "column-thread.ts"), { workerData: module }),
  );
  return {
    async metadata(nShards, blob) {
      const blocks = await Promise.all(
        columnRanges(nShards, threads).map(async (range, i) => {
          const worker = workers[i % threads];
          if (worker === undefined) throw new Error("no threads");
          worker.postMessage({ nShards, blob, ...range } satisfies ColumnJob);
          // The thread answers with the block and nothing else; an error inside it rejects here.
          const [block] = (await once(worker, "message")) as [ColumnBlock];
          return block;
        }),
      );
      return codec.combineColumnBlocks(nShards, blob.byteLength, blocks);
    },
    async close() {
      await Promise.all(workers.map((worker) => worker.terminate()));
    },
  };
}

/** One range a thread, of equal width: the smallest power of two that covers all columns. */
export function columnRanges(
  nShards: number,
  threads: number,
): { from: number; to: number; nodeColumns: number }[] {
  const nodeColumns = Math.max(16, 2 ** Math.ceil(Math.log2(nShards / threads)));
  const ranges = [];
  for (let from = 0; from < nShards; from += nodeColumns) {
    ranges.push({ from, to: Math.min(nShards, from + nodeColumns), nodeColumns });
  }
  return ranges;
}
