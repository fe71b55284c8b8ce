/**
 * Peak memory of one encoding in a process of its own: `codec-peak.ts ours|official metadata|encode N SIZE`.
 *
 * Linux only. Prints the growth of the maximum resident set from the loaded module with its input in place, in bytes. `encode`
 * hands slivers over in passes of a quarter of the pairs on our side, all at once on the official one, which knows no
 * other way.
 */
import { readFileSync } from "node:fs";
import { BlobEncoder } from "@mysten/walrus-wasm";
import { loadKernels } from "../kernels/load-node.ts";
import { createKernelCodec } from "../shared/codec/kernel-codec.ts";
import type { SliverPairIndex } from "../shared/protocol/ids.ts";
import { blobLayout, sliverBytes } from "../shared/protocol/sizes.ts";
import { serializedSliverBytes } from "../shared/protocol/sliver.ts";
import { benchBytes } from "./codec-cases.ts";

const PASSES = 4;
const [side, op, shards, bytes] = process.argv.slice(2);
const [n, size] = [Number(shards), Number(bytes)];
/** The kernel's own high-water mark: `resourceUsage` starts from that of the process that started this one. */
function peakBytes(): number {
  const match = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync("/proc/self/status", "utf8"));
  return Number(match?.[1]) * 1024;
}

const blob = benchBytes(size);
const kernels = loadKernels();
if (kernels === undefined) throw new Error("no kernels: run `npm run build`");
const official = new BlobEncoder(n);
const codec = createKernelCodec({ module: kernels.module, maxMemoryBytes: 512 * 1024 * 1024 });
const before = peakBytes();
if (side === "ours") {
  const encoder = codec.openEncoder(n, size);
  encoder.write(blob);
  encoder.metadata();
  for (let pass = 0; pass < PASSES && op === "encode"; pass++) {
    const pairs = Array.from({ length: n }, (_, i) => i as SliverPairIndex);
    encoder.slivers(pairs.filter((pair) => pair % PASSES === pass));
    // What was sent is gone before the next pass, as in a Worker that waits for its storage nodes.
    globalThis.gc?.();
  }
  encoder.release();
} else if (op === "metadata") official.compute_metadata(blob);
else {
  const layout = blobLayout(n, size);
  const buffers = (axis: "primary" | "secondary") =>
    Array.from({ length: n }, () => new Uint8Array(serializedSliverBytes(sliverBytes(layout, axis))));
  official.encode(blob, buffers("primary"), buffers("secondary"));
}
console.log(String(peakBytes() - before));
