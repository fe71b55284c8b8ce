/**
 * The codec of a Node process: SIMD kernels where the runtime compiles them, else the TypeScript codec.
 *
 * Builds the kernels when their sources have changed (about 8 s, once), and keeps one codec per process: all storage
 * nodes of the embedded network share its memory, as they share the process.
 */
import { buildKernels } from "../kernels/build.ts";
import { loadKernels } from "../kernels/load-node.ts";
import type { Codec } from "../shared/codec/codec.ts";
import { createKernelCodec } from "../shared/codec/kernel-codec.ts";
import { createReferenceCodec } from "../shared/codec/reference-codec.ts";

/** No isolate's 128 MB here; 14 MB blobs at 1000 shards need 70 MB an encoder. */
const MAX_MEMORY_BYTES = 1024 ** 3;

let shared: Promise<Codec> | undefined;

export function nodeCodec(): Promise<Codec> {
  shared ??= load();
  return shared;
}

async function load(): Promise<Codec> {
  await buildKernels();
  const kernels = loadKernels();
  return kernels === undefined
    ? createReferenceCodec({ maxBytes: MAX_MEMORY_BYTES })
    : createKernelCodec({ module: kernels.module, maxMemoryBytes: MAX_MEMORY_BYTES });
}
