/** Names and contents of the AssemblyScript files that are generated, for each of the two builds. */
import { Blake2bKernelWriter } from "./blake2b-kernel.ts";

/** The two builds: relaxed SIMD has a byte shuffle without a clamp (1.4 times the speed on the whole). */
export const VARIANTS = ["relaxed", "simd"] as const;
export type Variant = (typeof VARIANTS)[number];

/** Message words of the leaf kernels: symbols of up to 6, 14, 38, 62 and 126 bytes. */
const LEAF_WORDS = [1, 2, 5, 8, 16] as const;
/** Message words of the kernels for blocks of longer leaves. */
const BLOCK_WORDS = [4, 8, 16] as const;

export function generatedSources(variant: Variant): ReadonlyMap<string, string> {
  const relaxed = variant === "relaxed";
  const writer = new Blake2bKernelWriter({ streams: ["pair", "single"], relaxed });
  const blake2b = [
    writer.prelude(),
    writer.inner(),
    ...LEAF_WORDS.map((words) => writer.leaf(words)),
    writer.blockEnds(),
    ...BLOCK_WORDS.map((words) => writer.block(words)),
  ].join("\n");
  const swizzle = relaxed ? "i8x16.relaxed_swizzle" : "i8x16.swizzle";
  // Indexes are always nibbles, for which the two instructions agree.
  const simd = [
    "/** Looks 16 nibbles up in a table of 16 bytes. */",
    "@inline",
    "export function lookup(table: v128, nibbles: v128): v128 {",
    `  return ${swizzle}(table, nibbles);`,
    "}",
    "",
  ].join("\n");
  return new Map([
    ["blake2b.ts", blake2b],
    ["simd.ts", simd],
  ]);
}
