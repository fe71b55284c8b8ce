/**
 * BLAKE2b with a 32-byte digest, no key, no salt: the one hash of the Walrus protocol (RFC 7693).
 *
 * Blob IDs, sliver hashes and Merkle nodes are all made of it. Encoding at n shards hashes about 3 n^2 messages of
 * mostly one block, so the hasher is reset and used again instead of made anew for every message.
 */
import { blake2b } from "@noble/hashes/blake2.js";

export const BLAKE2B_256_BYTES = 32;

/** Never updated: resetting the work hasher means copying this state over it. */
const INITIAL = blake2b.create({ dkLen: BLAKE2B_256_BYTES });
/** Written by `hashInto` only, which is synchronous and leaves no state behind for the next call. */
const work = INITIAL.clone();
const digest = new Uint8Array(BLAKE2B_256_BYTES);

/** Hash of the concatenation of `parts`, freshly allocated. */
export function blake2b256(...parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(BLAKE2B_256_BYTES);
  blake2b256Into(out, 0, parts);
  return out;
}

/**
 * Writes the hash of the concatenation of `parts` to `out[at .. at+32)`; `parts` may lie in `out`.
 *
 * Cost: one compression per started 128 bytes plus the reset; allocates nothing that outlives the call.
 */
export function blake2b256Into(out: Uint8Array, at: number, parts: readonly Uint8Array[]): void {
  INITIAL._cloneInto(work);
  for (const part of parts) work.update(part);
  work.digestInto(digest);
  out.set(digest, at);
}
