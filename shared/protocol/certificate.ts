/**
 * A certificate of availability: one message, an aggregate signature, and who signed.
 *
 * The contract takes the signers as a bitmap: member i is bit `i mod 8` (least significant first) of byte
 * `floor(i/8)`, at most ceil(members/8) bytes; missing bytes count as zero, a set bit beyond the members aborts.
 */
import { ProtocolError } from "../base/errors.ts";

export interface Certificate {
  /** Positions in the committee's member list, ascending, each once. */
  readonly signers: readonly number[];
  readonly message: Uint8Array;
  /** 96 bytes, compressed G2: sum of the signers' signatures. */
  readonly signature: Uint8Array;
}

export function signersToBitmap(signers: readonly number[], memberCount: number): Uint8Array {
  const bitmap = new Uint8Array(Math.ceil(memberCount / 8));
  for (const signer of signers) {
    if (!Number.isInteger(signer) || signer < 0 || signer >= memberCount) {
      throw new ProtocolError("INVALID_BITMAP", `signer ${signer} of ${memberCount} members`, {
        details: { signer, memberCount },
      });
    }
    const byte = signer >> 3;
    bitmap[byte] = (bitmap[byte] ?? 0) | (1 << (signer & 7));
  }
  return bitmap;
}

export function bitmapToSigners(bitmap: Uint8Array, memberCount: number): number[] {
  if (bitmap.length > Math.ceil(memberCount / 8)) {
    throw new ProtocolError("INVALID_BITMAP", `${bitmap.length} bytes for ${memberCount} members`);
  }
  const signers: number[] = [];
  for (let bit = 0; bit < bitmap.length * 8; bit++) {
    if ((((bitmap[bit >> 3] ?? 0) >> (bit & 7)) & 1) === 0) continue;
    if (bit >= memberCount)
      throw new ProtocolError("INVALID_BITMAP", `bit ${bit} of ${memberCount} members is set`);
    signers.push(bit);
  }
  return signers;
}
