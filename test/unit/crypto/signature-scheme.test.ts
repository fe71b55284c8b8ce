// If this fails, the edge counts confirmations nobody gave, refuses good ones, or builds certificates Sui rejects.

import * as walrusWasm from "@mysten/walrus-wasm";
import { bls12_381 } from "@noble/curves/bls12-381.js";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fromHex, toHex } from "../../../shared/base/bytes.ts";
import { blsPublicKey, blsSign, nobleSignatures } from "../../../shared/crypto/bls.ts";
import {
  type AttributedSignature,
  findInvalidSignatures,
  isInfinity,
  type SignatureScheme,
} from "../../../shared/crypto/signature-scheme.ts";
import { createWasmSignatures, type WasmBlsFunctions } from "../../../shared/crypto/wasm-signatures.ts";
import { propertyRuns } from "../../support/property.ts";

// The package types its lists as `any`.
const official = createWasmSignatures(walrusWasm as WasmBlsFunctions);
const MESSAGE = new TextEncoder().encode("a message");
const secretOf = (i: number): Uint8Array => new Uint8Array(32).fill(i + 1);
const keys = [0, 1, 2, 3, 4].map((i) => blsPublicKey(secretOf(i)));
const signatures = keys.map((_, i) => blsSign(MESSAGE, secretOf(i)));
const negative = (signature: Uint8Array): Uint8Array => signature.with(0, (signature[0] ?? 0) ^ 0x20);
const INFINITY = new Uint8Array(96).with(0, 0xc0);

const { Fp, Fp2, Fr } = bls12_381.fields;
const Point = bls12_381.G2.Point;
type TwistPoint = InstanceType<typeof Point>;

/** The library writes and multiplies points of the subgroup only. */
function encoded(point: TwistPoint): Uint8Array {
  const { x, y } = point.toAffine();
  const half = (Fp.ORDER - 1n) / 2n;
  const flags = (y.c1 === 0n ? y.c0 > half : y.c1 > half) ? 0xa0 : 0x80;
  const bytes = fromHex([x.c1, x.c0].map((part) => part.toString(16).padStart(96, "0")).join(""));
  return bytes.with(0, (bytes[0] ?? 0) | flags);
}
function times(point: TwistPoint, scalar: bigint): TwistPoint {
  let sum = Point.ZERO;
  for (const bit of scalar.toString(2)) sum = bit === "1" ? sum.double().add(point) : sum.double();
  return sum;
}
/** The first point of the twist; its order is a multiple of r, as that of nearly all of its points. */
function twistPoint(): TwistPoint {
  for (let c0 = 2n; ; c0++) {
    const x = Fp2.create({ c0, c1: 0n });
    const square = Fp2.add(Fp2.mul(Fp2.sqr(x), x), Fp2.create({ c0: 4n, c1: 4n }));
    try {
      return Point.fromAffine({ x, y: Fp2.sqrt(square) });
    } catch {
      // No root: no point has this x.
    }
  }
}
const outsideTheSubgroup = (): Uint8Array => encoded(twistPoint());
/** A right signature, and a point of which no pairing shows anything. */
const besideTheSubgroup = (): Uint8Array =>
  encoded(Point.fromBytes(signatures[0] ?? INFINITY).add(times(twistPoint(), Fr.ORDER)));

function noPoint(): Uint8Array {
  for (let x = 2; ; x++) {
    const bytes = new Uint8Array(96).with(0, 0x80).with(95, x);
    try {
      Point.fromBytes(bytes);
    } catch (error) {
      if (!/subgroup/.test(String(error))) return bytes;
    }
  }
}

/** The same point with x0 + p for x0, where that still fits 384 bits. */
function secondSpelling(): Uint8Array {
  for (let seed = 0; ; seed++) {
    const bytes = blsSign(Uint8Array.of(seed), secretOf(0));
    const low = BigInt(`0x${toHex(bytes.subarray(48))}`) + bls12_381.fields.Fp.ORDER;
    if (low >= 1n << 384n) continue;
    return Uint8Array.of(...bytes.subarray(0, 48), ...fromHex(low.toString(16).padStart(96, "0")));
  }
}

describe.each<[string, SignatureScheme]>([
  ["the oracle", nobleSignatures],
  ["the official WebAssembly", official],
])("signatures by %s", (_, scheme) => {
  it("add up to one that holds under all keys, and under no other set or message", () => {
    const sum = scheme.aggregate(signatures);
    expect(scheme.verifyAggregate(MESSAGE, sum, keys)).toBe(true);
    expect(scheme.verifyAggregate(MESSAGE, sum, keys.slice(1))).toBe(false);
    expect(scheme.verifyAggregate(MESSAGE, sum, [...keys, ...keys.slice(0, 1)])).toBe(false);
    expect(scheme.verifyAggregate(Uint8Array.of(1), sum, keys)).toBe(false);
    expect(scheme.verifyAggregate(MESSAGE, sum, [])).toBe(false);
    expect(scheme.verifyAggregate(MESSAGE, signatures[0] ?? sum, keys.slice(0, 1))).toBe(true);
  });

  it("can be added one after the other", () => {
    const [first = INFINITY, ...rest] = signatures;
    expect(rest.reduce((sum, each) => scheme.aggregate([sum, each]), first)).toEqual(
      scheme.aggregate(signatures),
    );
  });

  it("that cancel add up to infinity, which is no signature", () => {
    const [one = INFINITY] = signatures;
    const sum = scheme.aggregate([one, negative(one)]);
    expect(isInfinity(sum)).toBe(true);
    expect(scheme.verifyAggregate(MESSAGE, sum, keys)).toBe(false);
  });

  it.each<[string, Uint8Array]>([
    ["the point at infinity", INFINITY],
    ["zeros", new Uint8Array(96)],
    ["a byte too few", new Uint8Array(95).fill(0x80)],
    ["no point of the curve", noPoint()],
    ["a coordinate written as x + p", secondSpelling()],
  ])("are refused when they are %s, and never hold", (_name, bytes) => {
    const refused = expect.objectContaining({ code: "INVALID_SIGNATURE" });
    expect(() => scheme.aggregate([bytes])).toThrow(refused);
    expect(() => scheme.aggregate([...signatures, bytes])).toThrow(refused);
    expect(scheme.verifyAggregate(MESSAGE, bytes, keys.slice(0, 1))).toBe(false);
    expect(scheme.verifyAggregate(MESSAGE, scheme.aggregate(signatures), keys)).toBe(true);
  });

  it.each<[string, () => Uint8Array]>([
    ["outside the subgroup", outsideTheSubgroup],
    ["beside the subgroup, where pairings cannot tell them from right ones", besideTheSubgroup],
  ])("never hold %s", (_name, make) => {
    const bytes = make();
    expect(() => Point.fromBytes(bytes)).toThrow(/subgroup/);
    expect(scheme.verifyAggregate(MESSAGE, bytes, keys.slice(0, 1))).toBe(false);
    try {
      const sum = scheme.aggregate([bytes, ...signatures.slice(1)]);
      expect(scheme.verifyAggregate(MESSAGE, sum, keys)).toBe(false);
    } catch (error) {
      expect(error).toMatchObject({ code: "INVALID_SIGNATURE" });
    }
  });

  it("of keys that are no points are an error, not an answer", () => {
    const refused = expect.objectContaining({ code: "INVALID_PUBLIC_KEY" });
    const sum = scheme.aggregate(signatures);
    for (const key of [new Uint8Array(47), new Uint8Array(48), new Uint8Array(48).with(0, 0xc0)]) {
      expect(() => scheme.verifyAggregate(MESSAGE, sum, [...keys, key])).toThrow(refused);
    }
    expect(() => scheme.aggregate([])).toThrow(expect.objectContaining({ code: "NOTHING_TO_AGGREGATE" }));
  });

  it("that are wrong are found wherever they stand", () => {
    const signed: AttributedSignature[] = signatures.map((signature, i) => ({
      publicKey: keys[i] ?? new Uint8Array(),
      signature,
    }));
    expect(findInvalidSignatures(scheme, MESSAGE, [])).toEqual([]);
    expect(findInvalidSignatures(scheme, MESSAGE, signed)).toEqual([]);
    const wrong = blsSign(Uint8Array.of(3), secretOf(0));
    for (const bad of [[0], [4], [1, 3], [0, 1, 2, 3, 4]]) {
      const list = signed.map((each, i) => (bad.includes(i) ? { ...each, signature: wrong } : each));
      expect(findInvalidSignatures(scheme, MESSAGE, list)).toEqual(bad);
    }
  });
});

describe("oracle and official WebAssembly", () => {
  const bytesOf = (call: () => Uint8Array | boolean): unknown => {
    try {
      return call();
    } catch (error) {
      return (error as { code?: string }).code ?? error;
    }
  };

  function isOutsideTheSubgroup(bytes: Uint8Array): boolean {
    try {
      Point.fromBytes(bytes);
      return false;
    } catch (error) {
      return /subgroup/.test(String(error));
    }
  }

  it("agree on any mixture of signatures, damaged bytes and keys", () => {
    const damaged = fc
      .tuple(fc.nat({ max: 4 }), fc.nat({ max: 95 }), fc.nat({ max: 7 }))
      .map(([which, at, bit]) => {
        const bytes = signatures[which] ?? INFINITY;
        return bytes.with(at, (bytes[at] ?? 0) ^ (1 << bit));
      });
    const signature = fc.oneof(
      { weight: 6, arbitrary: fc.constantFrom(...signatures) },
      { weight: 1, arbitrary: fc.constantFrom(...signatures.map(negative)) },
      { weight: 1, arbitrary: damaged },
    );
    fc.assert(
      fc.property(fc.array(signature, { minLength: 1, maxLength: 6 }), fc.subarray(keys), (list, signers) => {
        const isOutside = list.some((bytes) => isOutsideTheSubgroup(bytes));
        const sums = [nobleSignatures, official].map((scheme) => bytesOf(() => scheme.aggregate(list)));
        if (!isOutside) expect(sums[1]).toEqual(sums[0]);
        const sum = sums[1] instanceof Uint8Array ? sums[1] : (list[0] ?? INFINITY);
        const holds = [nobleSignatures, official].map((scheme) =>
          bytesOf(() => scheme.verifyAggregate(MESSAGE, sum, signers)),
        );
        expect(holds[1]).toEqual(holds[0]);
      }),
      propertyRuns(8),
    );
  });
});
