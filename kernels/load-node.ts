/**
 * Loads the kernels in Node: relaxed SIMD, else plain SIMD, else none.
 *
 * workerd compiles modules at start-up only and refuses what it cannot compile, so there the composition root imports
 * the variant chosen at build instead.
 */
import { existsSync, readFileSync } from "node:fs";
import { kernelPath } from "./build.ts";
import { VARIANTS, type Variant } from "./generate/sources.ts";

/** The Workers' types have no constructor for modules, because workerd forbids compiling at run time; Node has it. */
const compileModule = WebAssembly.Module as unknown as new (bytes: Uint8Array) => WebAssembly.Module;

export interface LoadedKernels {
  readonly variant: Variant;
  readonly module: WebAssembly.Module;
}

/**
 * The best variant this runtime can compile; undefined when it has no SIMD or nothing was built, for which the caller
 * falls back to the TypeScript codec. A file that is built but damaged is an error, not a fallback.
 *
 * @param variants to try in order
 */
export function loadKernels(variants: readonly Variant[] = VARIANTS): LoadedKernels | undefined {
  for (const variant of variants) {
    if (!canCompile(variant)) continue;
    const path = kernelPath(variant);
    if (existsSync(path)) return { variant, module: new compileModule(readFileSync(path)) };
  }
  return undefined;
}

/** Validates a module of one function that takes nothing and uses one instruction of the variant. */
function canCompile(variant: Variant): boolean {
  const header = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00];
  const signature = [0x01, 0x04, 0x01, 0x60, 0x00, 0x00, 0x03, 0x02, 0x01, 0x00];
  const zero = [0x41, 0x00, 0xfd, 0x0f]; // i32.const 0, i8x16.splat
  const swizzle = variant === "relaxed" ? [0xfd, 0x80, 0x02] : [0xfd, 0x0e];
  const body = [0x00, ...zero, ...zero, ...swizzle, 0x1a, 0x0b];
  const code = [0x0a, body.length + 2, 0x01, body.length, ...body];
  return WebAssembly.validate(new Uint8Array([...header, ...signature, ...code]));
}
