// If this fails, Floe builds certificates the contract rejects, or accepts confirmations nobody signed.
import { bls12_381 } from "@noble/curves/bls12-381.js";
import { describe, expect, test } from "vitest";
import { fromHex, toHex } from "../../../shared/base/bytes.ts";
import {
  aggregatePublicKeys,
  aggregateSignatures,
  blsPublicKey,
  blsPublicKeyFromUncompressed,
  blsPublicKeyToUncompressed,
  blsSign,
  parseBlsPublicKey,
  parseBlsSignature,
  serializeSignature,
  verifyAggregate,
  verifyBls,
} from "../../../shared/crypto/bls.ts";

const MESSAGE = new TextEncoder().encode("a message");
const secretKeys = [1, 2, 3, 4, 5].map((i) => new Uint8Array(32).fill(i));
const keys = secretKeys.map((secret) => parseBlsPublicKey(blsPublicKey(secret)));
const signatures = secretKeys.map((secret) => parseBlsSignature(blsSign(MESSAGE, secret)));

test("signatures of one message by many keys are, byte for byte, those of the library", () => {
  const message = new TextEncoder().encode("signed by a committee");
  const { longSignatures } = bls12_381;
  const hashed = longSignatures.hash(message);
  // Half of them have the larger y, and all but the first two come from the table of the message's multiples.
  for (let i = 1; i <= 24; i++) {
    const secret = new Uint8Array(32).fill(3).fill(i, 20);
    const expected = longSignatures.Signature.toBytes(longSignatures.sign(hashed, secret));
    expect(toHex(blsSign(message, secret))).toBe(toHex(expected));
  }
});

describe("points from outside", () => {
  const infinity = (length: number) => Uint8Array.from({ length }, (_, i) => (i === 0 ? 0xc0 : 0));

  test("a parsed key or signature serialises to the same bytes", () => {
    const key = blsPublicKey(new Uint8Array(32).fill(9));
    expect(parseBlsPublicKey(key).toBytes(true)).toEqual(key);
    expect(blsPublicKeyFromUncompressed(blsPublicKeyToUncompressed(key))).toEqual(key);
    const signature = blsSign(MESSAGE, new Uint8Array(32).fill(9));
    expect(serializeSignature(parseBlsSignature(signature))).toEqual(signature);
  });

  test("infinity, wrong lengths, the uncompressed form and bytes off the curve are rejected", () => {
    for (const bytes of [infinity(96), new Uint8Array(96), new Uint8Array(95), new Uint8Array(192)]) {
      expect(() => parseBlsSignature(bytes)).toThrow(expect.objectContaining({ code: "INVALID_SIGNATURE" }));
    }
    const uncompressed = blsPublicKeyToUncompressed(blsPublicKey(new Uint8Array(32).fill(9)));
    for (const bytes of [infinity(48), new Uint8Array(48), new Uint8Array(0), uncompressed]) {
      expect(() => parseBlsPublicKey(bytes)).toThrow(expect.objectContaining({ code: "INVALID_PUBLIC_KEY" }));
    }
  });

  test("a point of the curve outside the subgroup is rejected", () => {
    // x = 4 gives a point of E(Fp) of composite order: most points of the curve are outside the subgroup.
    const outside = fromHex(`80${"00".repeat(46)}04`);
    expect(() => bls12_381.G1.Point.fromBytes(outside)).toThrow(/subgroup/);
    expect(() => parseBlsPublicKey(outside)).toThrow(expect.objectContaining({ code: "INVALID_PUBLIC_KEY" }));
  });

  test("a coordinate written as x + p is rejected: one point has one encoding", () => {
    const p = bls12_381.fields.Fp.ORDER;
    for (let seed = 1; seed < 40; seed++) {
      const key = blsPublicKey(new Uint8Array(32).fill(seed));
      const x = BigInt(`0x${toHex(key)}`) & ((1n << 381n) - 1n);
      if (x + p >= 1n << 381n) continue;
      const flags = BigInt((key[0] ?? 0) & 0xe0) << 376n;
      const alias = fromHex((flags | (x + p)).toString(16).padStart(96, "0"));
      expect(() => parseBlsPublicKey(alias)).toThrow(expect.objectContaining({ code: "INVALID_PUBLIC_KEY" }));
      return;
    }
    expect.unreachable("no key with a small x found");
  });

  test("secret keys outside 1..r-1 are rejected", () => {
    for (const secret of [new Uint8Array(32), new Uint8Array(32).fill(255), new Uint8Array(31).fill(1)]) {
      expect(() => blsSign(MESSAGE, secret)).toThrow(expect.objectContaining({ code: "INVALID_SECRET_KEY" }));
    }
  });
});

describe("aggregates", () => {
  test("the sum of signatures verifies under all keys, and under no other set or message", () => {
    const sum = aggregateSignatures(signatures);
    expect(verifyAggregate(MESSAGE, sum, keys)).toBe(true);
    expect(verifyAggregate(MESSAGE, sum, keys.slice(1))).toBe(false);
    expect(verifyAggregate(new Uint8Array(1), sum, keys)).toBe(false);
    expect(verifyAggregate(MESSAGE, sum, [])).toBe(false);
    expect(verifyBls(MESSAGE, sum, parseBlsPublicKey(aggregatePublicKeys(keys)))).toBe(true);
  });

  test("nothing cannot be aggregated", () => {
    const empty = expect.objectContaining({ code: "NOTHING_TO_AGGREGATE" });
    expect(() => aggregateSignatures([])).toThrow(empty);
    expect(() => aggregatePublicKeys([])).toThrow(empty);
  });
});
