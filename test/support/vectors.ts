/** Reads the conformance vectors and re-creates their contents, which are stored as seeds. */
import { readFileSync } from "node:fs";
import { join } from "node:path";

export function readVectors<Vectors>(name: string): Vectors {
  return JSON.parse(readFileSync(join(import.meta.dirname, "../vectors", name), "utf8")) as Vectors;
}

/** xorshift32 started at `seed`; every step appends its state as 4 little-endian bytes. */
export function prng(seed: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let x = seed;
  for (let i = 0; i < length; i++) {
    if (i % 4 === 0) {
      x ^= x << 13;
      x ^= x >>> 17;
      x ^= x << 5;
    }
    bytes[i] = x >>> (8 * (i % 4));
  }
  return bytes;
}

export type Content =
  | { readonly kind: "prng"; readonly seed: number }
  | { readonly kind: "fill"; readonly byte: number };

export const contentBytes = (content: Content, length: number): Uint8Array =>
  content.kind === "prng" ? prng(content.seed, length) : new Uint8Array(length).fill(content.byte);
