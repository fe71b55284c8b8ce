/**
 * What collecting confirmations needs of BLS12-381 min-pk, in bytes: sums of signatures, and one check of a sum.
 *
 * | thing      | bytes | encoding                             |
 * |------------|-------|--------------------------------------|
 * | public key | 48    | G1, compressed, ZCash flag bits      |
 * | signature  | 96    | G2, compressed, ZCash flag bits      |
 *
 * Two implementations that must agree: `nobleSignatures` (bls.ts, plain TypeScript, the oracle) and the official
 * package's WebAssembly (wasm-signatures.ts, about eight times faster, used at the edge). Summing is sound because every
 * key of a committee carries a proof of possession and only the sum goes on chain.
 */

export interface SignatureScheme {
  /**
   * The sum of these signatures; the point at infinity (`isInfinity`) when they cancel. A point of the curve outside the
   * subgroup may be added up (its check costs as much again); no sum that it leaves outside the subgroup ever holds.
   *
   * @throws CryptoError `INVALID_SIGNATURE` unless each is the one encoding of a finite point of the curve,
   *   `NOTHING_TO_AGGREGATE` for an empty list
   */
  aggregate(signatures: readonly Uint8Array[]): Uint8Array;
  /**
   * True when `signature` is the sum of the signatures of all `publicKeys` over exactly these bytes. A key counts once
   * per occurrence. False for no keys, for infinity, outside the subgroup, and for bytes that are no point.
   *
   * @throws CryptoError `INVALID_PUBLIC_KEY` for bytes that are no public key
   */
  verifyAggregate(message: Uint8Array, signature: Uint8Array, publicKeys: readonly Uint8Array[]): boolean;
}

/** A signature, and the key it is said to be of. */
export interface AttributedSignature {
  readonly publicKey: Uint8Array;
  readonly signature: Uint8Array;
}

/** True for the encoding of the point at infinity, which is a sum of signatures that cancel and never a signature. */
export function isInfinity(point: Uint8Array): boolean {
  return ((point[0] ?? 0) & 0x40) !== 0;
}

/**
 * Positions of signatures without which the rest verifies as an aggregate, ascending; none when all of it verifies.
 *
 * Bisects: with b bad signatures among m about b * log2(m) sums and checks. Colluding signers can make their errors
 * cancel in a sum; then their aggregate is valid, and nothing is reported, which is all a certificate needs.
 *
 * @throws CryptoError as `SignatureScheme.aggregate` and `verifyAggregate`
 */
export function findInvalidSignatures(
  scheme: SignatureScheme,
  message: Uint8Array,
  signed: readonly AttributedSignature[],
): number[] {
  const invalid: number[] = [];
  if (signed.length > 0 && !holds(0, signed.length)) search(0, signed.length);
  return invalid;

  function holds(from: number, to: number): boolean {
    const part = signed.slice(from, to);
    const sum = scheme.aggregate(part.map((each) => each.signature));
    const keys = part.map((each) => each.publicKey);
    return scheme.verifyAggregate(message, sum, keys);
  }

  /** Called only for ranges known not to hold: when the first half holds, the second cannot. */
  function search(from: number, to: number): void {
    if (to - from === 1) {
      invalid.push(from);
      return;
    }
    const middle = (from + to) >>> 1;
    const firstHolds = holds(from, middle);
    if (!firstHolds) search(from, middle);
    if (firstHolds || !holds(middle, to)) search(middle, to);
  }
}
