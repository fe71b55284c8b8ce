/**
 * Idempotency-Key: a principal's key stands for one request, whatever blob it brought. The same request again joins its
 * upload or gets its outcome; another request with the same key is refused.
 *
 * One IdempotencyKey object per principal and key remembers what the key was first used for; the outcome itself is
 * with the blob's tracker.
 */

import { toHex } from "../../shared/base/bytes.ts";
import { blake2b256 } from "../../shared/crypto/blake2b.ts";
import { EdgeError } from "../base/edge-error.ts";
import type { IntentRequest } from "../tracker/port.ts";

export interface IdempotencyKeyPort {
  /** @returns true when the key stands for this request now, false when it stands for another one */
  bind(fingerprint: string): Promise<boolean>;
}

/** @throws EdgeError `IDEMPOTENCY_KEY_REUSED` */
export async function bindIdempotencyKey(
  request: IntentRequest,
  bind: (objectName: string, fingerprint: string) => Promise<boolean>,
): Promise<void> {
  const { principal, idempotencyKey, blobId, deletable, epochs, sendObjectTo, share, force } = request;
  if (idempotencyKey === null) return;
  const name = hashOf([principal, idempotencyKey]);
  // The end epoch is left out: the same request in the next epoch is still the same request.
  if (await bind(name, hashOf([blobId, deletable, epochs, sendObjectTo, share, force]))) return;
  throw new EdgeError("IDEMPOTENCY_KEY_REUSED", "blob or parameters differ", { details: { blobId } });
}

const hashOf = (parts: readonly unknown[]): string =>
  toHex(blake2b256(new TextEncoder().encode(JSON.stringify(parts))));
