/** One thread of `column-threads.ts`: takes a job, hashes its columns, sends the block back. */
import { parentPort, workerData } from "node:worker_threads";
import { createKernelCodec } from "../shared/codec/kernel-codec.ts";
import type { ColumnJob } from "./column-threads.ts";

const MAX_MEMORY_BYTES = 512 * 1024 * 1024;
// A compiled module may be sent to a thread as it is.
const codec = createKernelCodec({
  module: workerData as WebAssembly.Module,
  maxMemoryBytes: MAX_MEMORY_BYTES,
});

parentPort?.on("message", ({ nShards, blob, from, to, nodeColumns }: ColumnJob) => {
  const encoder = codec.openEncoder(nShards, blob.byteLength);
  try {
    encoder.write(new Uint8Array(blob));
    parentPort?.postMessage(encoder.columnBlock(from, to, nodeColumns));
  } finally {
    encoder.release();
  }
});
