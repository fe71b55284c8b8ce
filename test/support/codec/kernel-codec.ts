/** The codec with SIMD kernels as the tests use it; compiles the kernels when they are out of date. */
import { buildKernels } from "../../../kernels/build.ts";
import { VARIANTS, type Variant } from "../../../kernels/generate/sources.ts";
import { loadKernels } from "../../../kernels/load-node.ts";
import type { Codec } from "../../../shared/codec/codec.ts";
import { createKernelCodec, type KernelCodec } from "../../../shared/codec/kernel-codec.ts";
import { createReferenceCodec } from "../../../shared/codec/reference-codec.ts";

await buildKernels();

const MIB = 1024 * 1024;

export function kernelModule(variant: Variant = "relaxed"): WebAssembly.Module {
  const loaded = loadKernels([variant]);
  if (loaded === undefined) throw new Error(`this runtime cannot compile the ${variant} kernels`);
  return loaded.module;
}

export const kernelCodec = (variant: Variant = "relaxed", maxMemoryBytes = 96 * MIB): KernelCodec =>
  createKernelCodec({ module: kernelModule(variant), maxMemoryBytes });

/** Every implementation of the codec: all must agree with the official vectors. */
export const allCodecs = (): [name: string, codec: Codec][] => [
  ["TypeScript", createReferenceCodec()],
  ...VARIANTS.map((variant): [string, Codec] => [`${variant} kernels`, kernelCodec(variant)]),
];

export { VARIANTS };
