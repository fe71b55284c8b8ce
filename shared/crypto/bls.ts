/**
 * BLS12-381 signatures as the Walrus committee uses them: min-pk, all messages equal.
 *
 * | thing      | group | bytes | encoding                                      |
 * |------------|-------|-------|-----------------------------------------------|
 * | secret key | Fr    | 32    | big-endian scalar, 1 <= scalar < r            |
 * | public key | G1    | 48    | compressed, big-endian, ZCash flag bits       |
 * | public key | G1    | 96    | uncompressed, as the contract stores group elements |
 * | signature  | G2    | 96    | compressed, big-endian, ZCash flag bits       |
 *
 * Domain separation tag: `BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_NUL_`, for proofs of possession too. Parsing accepts
 * exactly one encoding per point and rejects infinity and points outside the prime-order subgroup.
 *
 * Verifying signatures one by one takes about 20 ms each; the sum of 100 parsed signatures is checked in about 25 ms.
 * Those who collect many signatures use a `SignatureScheme`; the one here is the oracle of the fast one.
 */
import { bls12_381 } from "@noble/curves/bls12-381.js";
import { concatBytes, equalBytes, toHex } from "../base/bytes.ts";
import { PUBLIC_KEY_BYTES, SIGNATURE_BYTES } from "../protocol/messages.ts";
import { CryptoError, type CryptoErrorCode } from "./crypto-error.ts";
import type { SignatureScheme } from "./signature-scheme.ts";

const SECRET_KEY_BYTES = 32;
const UNCOMPRESSED_KEY_BYTES = 96;
/** First byte of infinity: compressed, and no coordinate follows. */
const INFINITY_FLAGS = 0xc0;
/** Flag bits of a compressed point: that it is one, and that of the two values of y it has the larger. */
const COMPRESSED_FLAG = 0x80;
const LARGER_Y_FLAG = 0x20;
const bls = bls12_381.longSignatures;
const PublicKeyPoint = bls12_381.G1.Point;
const SignaturePoint = bls12_381.G2.Point;

/** A public key checked to be a point of the subgroup, not infinity. Parsing costs about 1 ms: keep it. */
export type BlsPublicKey = InstanceType<typeof PublicKeyPoint>;
/** A signature checked to be a point of the subgroup, not infinity; says nothing about what it signs. */
export type BlsSignature = InstanceType<typeof SignaturePoint>;

/** Messages are few and signed by many: hashing one to the curve costs as much as signing it, so a few are kept. */
const HASHES_KEPT = 16;
const hashes = new Map<string, MessagePoint>();

interface MessagePoint {
  readonly point: BlsSignature;
  /** How often it was signed here. */
  signed: number;
}

/**
 * Bits of a scalar per step when a message is signed again and again. A table of multiples of its point costs 37 ms and
 * 150 KB with 4 bits; each further signature then takes 2 ms and not 14.
 */
const TABLE_BITS = 4;

/** The point of G2 that stands for a message; depends on nothing but its bytes. */
const hashToCurve = (message: Uint8Array): BlsSignature => messagePoint(message).point;

function messagePoint(message: Uint8Array): MessagePoint {
  const key = toHex(message);
  const known = hashes.get(key);
  if (known !== undefined) return known;
  const point: MessagePoint = { point: bls.hash(message), signed: 0 };
  for (const oldest of hashes.keys()) {
    if (hashes.size < HASHES_KEPT) break;
    hashes.delete(oldest);
  }
  hashes.set(key, point);
  return point;
}

/** The 48-byte compressed public key of a 32-byte big-endian secret key. */
export function blsPublicKey(secretKey: Uint8Array): Uint8Array {
  checkSecretKey(secretKey);
  return bls.getPublicKey(secretKey).toBytes(true);
}

/**
 * Signs exactly these bytes; 96 bytes, compressed.
 *
 * Cost: 30 ms for a message that is new, 14 ms the second time it is signed, with whatever key, 2 ms from then on.
 */
export function blsSign(message: Uint8Array, secretKey: Uint8Array): Uint8Array {
  checkSecretKey(secretKey);
  const hashed = messagePoint(message);
  hashed.signed++;
  // The second signature says that more will come: all nodes of a committee sign one message.
  if (hashed.signed === 2) hashed.point.precompute(TABLE_BITS);
  return compressSignature(bls.sign(hashed.point, secretKey));
}

/**
 * The encoding of a signature made here. The library's own encoder first checks that the point is in the subgroup, for
 * 1.8 ms; a multiple of a point of the subgroup is.
 */
function compressSignature(signature: BlsSignature): Uint8Array {
  const { x, y } = signature.toAffine();
  const { Fp } = bls12_381.fields;
  const bytes = concatBytes(Fp.toBytes(x.c1), Fp.toBytes(x.c0));
  const isLarger = 2n * (y.c1 === 0n ? y.c0 : y.c1) > Fp.ORDER;
  bytes[0] = (bytes[0] ?? 0) | COMPRESSED_FLAG | (isLarger ? LARGER_Y_FLAG : 0);
  return bytes;
}

/** @throws CryptoError `INVALID_SIGNATURE` unless the 96 bytes are the one encoding of a finite subgroup point */
export function parseBlsSignature(bytes: Uint8Array): BlsSignature {
  return parsePoint(SignaturePoint, bytes, SIGNATURE_BYTES, true, "INVALID_SIGNATURE", "signature");
}

/** @throws CryptoError `INVALID_PUBLIC_KEY` unless the 48 bytes are the one encoding of a finite subgroup point */
export function parseBlsPublicKey(bytes: Uint8Array): BlsPublicKey {
  return parsePoint(PublicKeyPoint, bytes, PUBLIC_KEY_BYTES, true, "INVALID_PUBLIC_KEY", "public key");
}

/** Compresses a key in the contract's 96-byte form. @throws CryptoError `INVALID_PUBLIC_KEY` */
export function blsPublicKeyFromUncompressed(bytes: Uint8Array): Uint8Array {
  return parsePoint(
    PublicKeyPoint,
    bytes,
    UNCOMPRESSED_KEY_BYTES,
    false,
    "INVALID_PUBLIC_KEY",
    "uncompressed public key",
  ).toBytes(true);
}

/** The contract's 96-byte form of a compressed key. @throws CryptoError `INVALID_PUBLIC_KEY` */
export function blsPublicKeyToUncompressed(bytes: Uint8Array): Uint8Array {
  return parseBlsPublicKey(bytes).toBytes(false);
}

/** True when `signature` is this key's signature over exactly these bytes. Cost: two pairings and a hash to G2. */
export function verifyBls(message: Uint8Array, signature: BlsSignature, publicKey: BlsPublicKey): boolean {
  return bls.verify(signature, hashToCurve(message), publicKey);
}

/** @throws CryptoError `NOTHING_TO_AGGREGATE` for an empty list */
export function aggregateSignatures(signatures: readonly BlsSignature[]): BlsSignature {
  if (signatures.length === 0) throw nothingToAggregate("signatures");
  return signatures.reduce((sum, each) => sum.add(each), SignaturePoint.ZERO);
}

export function serializeSignature(signature: BlsSignature): Uint8Array {
  return bls.Signature.toBytes(signature);
}

/**
 * True when `signature` is the sum of the signatures of all `publicKeys` over exactly these bytes.
 *
 * Each key counts once per occurrence; the caller sees to it that a signer is listed once. False for no keys at all.
 */
export function verifyAggregate(
  message: Uint8Array,
  signature: BlsSignature,
  publicKeys: readonly BlsPublicKey[],
): boolean {
  const sum = sumOfKeys(publicKeys);
  return !sum.is0() && !signature.is0() && bls.verify(signature, hashToCurve(message), sum);
}

/** Sum of keys, 48 bytes compressed. @throws CryptoError `NOTHING_TO_AGGREGATE` for an empty list */
export function aggregatePublicKeys(publicKeys: readonly BlsPublicKey[]): Uint8Array {
  if (publicKeys.length === 0) throw nothingToAggregate("public keys");
  return sumOfKeys(publicKeys).toBytes(true);
}

/** The oracle of `SignatureScheme`: every signature and key is parsed at each call. */
export const nobleSignatures: SignatureScheme = {
  aggregate(signatures) {
    const sum = aggregateSignatures(signatures.map(parseBlsSignature));
    return sum.is0() ? new Uint8Array(SIGNATURE_BYTES).with(0, INFINITY_FLAGS) : serializeSignature(sum);
  },
  verifyAggregate(message, signature, publicKeys) {
    const keys = publicKeys.map(parseBlsPublicKey);
    try {
      return verifyAggregate(message, parseBlsSignature(signature), keys);
    } catch (error) {
      if (!(error instanceof CryptoError)) throw error;
      return false;
    }
  },
};

function sumOfKeys(publicKeys: readonly BlsPublicKey[]): BlsPublicKey {
  return publicKeys.reduce((sum, each) => sum.add(each), PublicKeyPoint.ZERO);
}

function nothingToAggregate(what: string): CryptoError {
  return new CryptoError("NOTHING_TO_AGGREGATE", `no ${what} to aggregate`);
}

interface Point {
  is0(): boolean;
  toBytes(compressed: boolean): Uint8Array;
}

function parsePoint<P extends Point>(
  group: { fromBytes(bytes: Uint8Array): P },
  bytes: Uint8Array,
  byteLength: number,
  compressed: boolean,
  code: CryptoErrorCode,
  what: string,
): P {
  if (bytes.length !== byteLength) {
    throw new CryptoError(code, `a ${what} has ${byteLength} bytes, this has ${bytes.length}`, {
      details: { bytes: bytes.length, expectedBytes: byteLength },
    });
  }
  let point: P;
  try {
    // Checks the flag bits, that the point is on the curve, and that it is in the subgroup.
    point = group.fromBytes(bytes);
  } catch (cause) {
    throw new CryptoError(code, `these ${byteLength} bytes are no valid ${what}`, { cause });
  }
  if (point.is0()) throw new CryptoError(code, `the point at infinity is no valid ${what}`);
  // The library reduces coordinates modulo the field's order; a coordinate above it would be a second spelling.
  if (!equalBytes(point.toBytes(compressed), bytes)) throw new CryptoError(code, `a non-canonical ${what}`);
  return point;
}

/** The library reduces scalars modulo r; a key outside 1..r-1 is a damaged key and must not sign anything. */
function checkSecretKey(secretKey: Uint8Array): void {
  if (secretKey.length !== SECRET_KEY_BYTES) {
    throw new CryptoError("INVALID_SECRET_KEY", `a secret key has 32 bytes, this has ${secretKey.length}`);
  }
  const scalar = BigInt(`0x${toHex(secretKey)}`);
  if (scalar === 0n || scalar >= bls12_381.fields.Fr.ORDER) {
    throw new CryptoError("INVALID_SECRET_KEY", "a secret key is a scalar in 1..r-1");
  }
}
