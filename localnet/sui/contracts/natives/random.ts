/**
 * The part of `sui::random` that is computed: a generator from the Random object's bytes and a fresh ID.
 *
 *   seed       = HMAC-SHA3-256(random bytes of the object, fresh ID 32)
 *   block i    = HMAC-SHA3-256(seed, i u16 LE), i from 1
 *
 * On Sui the object's bytes change with every commit of the validators. Here they follow from the network's seed and
 * stay, so that a network replays: two transactions differ in their fresh IDs only.
 */
import { hmac } from "@noble/hashes/hmac.js";
import { sha3_256 } from "@noble/hashes/sha3.js";
import { assert } from "../../../../shared/base/errors.ts";
import { objectIdToBytes } from "../../../../shared/protocol/ids.ts";
import { auditKeys } from "../../../../shared/sui/audit/layouts.ts";
import { type RandomInnerFieldLayout, RandomLayout } from "../../move/types.ts";
import type { NativeCall } from "../../vm/native-call.ts";

const BLOCK_BYTES = 32;

/** Bytes of a new generator over the Random object at argument `index`; a whole number of blocks. */
export function randomBytesOf(call: NativeCall, index: number, count: number): Uint8Array {
  assert(count % BLOCK_BYTES === 0, "whole blocks");
  const { inner } = call.struct(index, RandomLayout);
  const field = call.session.field(inner.id, "u64", auditKeys.u64(inner.version));
  assert(field !== undefined, "Random has its state field");
  // The field's type names RandomInner, whose layout this is.
  const { random_bytes } = (field as ReturnType<typeof RandomInnerFieldLayout.parse>).value;
  const seed = hmac(sha3_256, random_bytes, objectIdToBytes(call.session.newId()));
  const bytes = new Uint8Array(count);
  for (let block = 1; block * BLOCK_BYTES <= count; block++) {
    const counter = Uint8Array.of(block & 0xff, block >> 8);
    bytes.set(hmac(sha3_256, seed, counter), (block - 1) * BLOCK_BYTES);
  }
  return bytes;
}
