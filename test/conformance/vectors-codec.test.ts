// If this fails, Floe cannot rebuild blobs or slivers that others stored, or accepts or refuses the wrong proofs.
import { describe, expect, test } from "vitest";
import { fromHex, toHex } from "../../shared/base/bytes.ts";
import { CodecError } from "../../shared/codec/codec.ts";
import { foldToRoot, leafHashInto, proofFor, verifyMerkleProof } from "../../shared/codec/merkle.ts";
import { blake2b256 } from "../../shared/crypto/blake2b.ts";
import { BcsWriter } from "../../shared/protocol/bcs.ts";
import {
  type Axis,
  otherAxis,
  parseBlobId,
  type SliverIndex,
  type SliverPairIndex,
} from "../../shared/protocol/ids.ts";
import { pairOfSliver } from "../../shared/protocol/mapping.ts";
import { parseBlobMetadata, type VerifiedMetadata } from "../../shared/protocol/metadata.ts";
import {
  type MerkleProof,
  parseInconsistencyProof,
  parseRecoverySymbols,
  type RecoverySymbol,
  serializeInconsistencyProof,
  serializeRecoverySymbols,
  symbolIdOf,
  symbolIdText,
} from "../../shared/protocol/recovery-symbol.ts";
import { blobLayout, sliverBytes } from "../../shared/protocol/sizes.ts";
import { parseSliver, serializeSliver, type VerifiedSliver } from "../../shared/protocol/sliver.ts";
import { allCodecs } from "../support/codec/kernel-codec.ts";
import { prng, readVectors } from "../support/vectors.ts";

describe.each(allCodecs())("%s", (_name, codec) => {
  interface DecodeCase {
    readonly nShards: number;
    readonly symbolSize: number;
    readonly blobSize: number;
    readonly sliverSeed: number;
    readonly indices: readonly number[];
    readonly blobHash: string;
    readonly blobHead: string;
    readonly blobTail: string;
  }

  describe("decode.json: any p primary slivers decode to the one blob the official decoder finds", () => {
    const { cases } = readVectors<{ cases: DecodeCase[] }>("decode.json");
    test.each(
      cases.map(
        (vector) => [`n=${vector.nShards} z=${vector.symbolSize} from ${vector.indices}`, vector] as const,
      ),
    )("%s", (_, vector) => {
      const { nShards, symbolSize, blobSize } = vector;
      const layout = blobLayout(nShards, blobSize);
      expect(layout.symbolBytes).toBe(symbolSize);
      // The vectors' slivers belong to no metadata, on purpose: the brand is forged here and only here.
      const metadata = {
        nShards,
        unencodedLength: blobSize,
        hashes: new Uint8Array(64 * nShards),
      } as VerifiedMetadata;
      const decoder = codec.openDecoder(metadata, "primary");
      vector.indices.forEach((index, t) => {
        const data = prng((vector.sliverSeed + t + 1) >>> 0, sliverBytes(layout, "primary"));
        const left = decoder.add({
          data,
          symbolBytes: symbolSize,
          index,
          axis: "primary",
        } as unknown as VerifiedSliver);
        expect(left).toBe(vector.indices.length - 1 - t);
      });
      const blob = decoder.blob();
      expect(blob.length).toBe(blobSize);
      expect(blob.buffer.byteLength).toBe(blobSize);
      expect(toHex(blake2b256(blob))).toBe(vector.blobHash);
      expect(toHex(blob.subarray(0, 32))).toBe(vector.blobHead);
      expect(toHex(blob.slice(-32))).toBe(vector.blobTail);
      decoder.release();
    });
  });

  interface RecoveryCase {
    readonly nShards: number;
    readonly size: number;
    readonly seed: number;
    readonly symbolSize: number;
    readonly blobId: string;
    readonly metadata: string;
    readonly symbols: readonly { readonly id: string; readonly proofAxis: Axis; readonly bcs: string }[];
    readonly recover: readonly {
      readonly targetAxis: Axis;
      readonly targetIndex: number;
      readonly sourceIndices: readonly number[];
      readonly symbols: readonly string[];
      readonly sliver: string;
    }[];
    readonly inconsistency: readonly {
      readonly targetAxis: Axis;
      readonly targetIndex: number;
      readonly metadata: string;
      readonly blobId: string;
      readonly proof: string;
      readonly proofValidForAlteredMetadata: boolean;
      readonly proofValidForOriginalMetadata: boolean;
      readonly defaultCheckFails: boolean;
      readonly strictCheckFails: boolean;
    }[];
  }
  interface MerkleCase {
    readonly leafCount: number;
    readonly seed: number;
    readonly root: string | null;
    readonly proofs: readonly { readonly index: number; readonly pathBcs: string }[];
  }
  const recovery = readVectors<{ cases: RecoveryCase[]; merkle: MerkleCase[] }>("recovery.json");

  const verified = (vector: { nShards: number; metadata: string; blobId: string }): VerifiedMetadata =>
    codec.verifyMetadata(
      parseBlobMetadata(fromHex(vector.metadata)),
      parseBlobId(vector.blobId),
      vector.nShards,
    );

  /** Verified slivers of the encoded blob, by axis and sliver index. */
  function sliversOf(vector: RecoveryCase): (axis: Axis, index: SliverIndex) => VerifiedSliver {
    const { nShards, size, seed } = vector;
    const encoder = codec.openEncoder(nShards, size);
    encoder.write(prng(seed, size));
    expect(encoder.metadata().blobId).toBe(vector.blobId);
    const pairs = encoder.slivers(Array.from({ length: nShards }, (_, pair) => pair as SliverPairIndex));
    encoder.release();
    const metadata = verified(vector);
    return (axis, index) => {
      const pair = pairOfSliver(index, axis, nShards);
      const bytes = pairs[pair]?.[axis] ?? new Uint8Array();
      const [result] = codec.verifySlivers(metadata, [
        { axis, pair, sliver: parseSliver(bytes, bytes.length) },
      ]);
      if (result === undefined || result instanceof CodecError)
        throw new Error(`sliver ${axis} ${index} refused`);
      return result;
    };
  }

  describe.each(recovery.cases.map((vector) => [vector.nShards, vector] as const))(
    "recovery.json: n = %i",
    (_, vector) => {
      const { nShards } = vector;
      const metadata = verified(vector);
      const sliver = sliversOf(vector);

      test("symbols with proofs are byte-identical, verify, and recover both slivers they lie on", () => {
        for (const expected of vector.symbols) {
          const [parsed, ...rest] = parseRecoverySymbols(fromHex(`01${expected.bcs}`), 1);
          if (parsed === undefined || rest.length > 0) throw new Error("one symbol expected");
          expect(symbolIdText(symbolIdOf(parsed))).toBe(expected.id);
          expect(parsed.proofAxis).toBe(expected.proofAxis);
          const made = codec.symbolWithProof(
            metadata,
            sliver(parsed.proofAxis, parsed.sourceIndex),
            parsed.targetIndex,
          );
          expect(toHex(serializeRecoverySymbols([made]))).toBe(`01${expected.bcs}`);
          for (const axis of ["primary", "secondary"] as const) {
            codec.verifySymbol(metadata, parsed, { axis, index: symbolIdOf(parsed)[axis] });
          }
        }
      });

      test("slivers recover from the listed symbols, whichever axis their proofs are over", () => {
        for (const each of vector.recover) {
          const target = { axis: each.targetAxis, index: each.targetIndex as SliverIndex };
          for (const proofAxis of ["primary", "secondary"] as const) {
            const symbols = each.sourceIndices.map((source, i) => {
              const symbol =
                proofAxis === target.axis
                  ? codec.symbolWithProof(metadata, sliver(proofAxis, target.index), source as SliverIndex)
                  : codec.symbolWithProof(metadata, sliver(proofAxis, source as SliverIndex), target.index);
              expect(toHex(symbol.symbol)).toBe(each.symbols[i]);
              codec.verifySymbol(metadata, symbol, target);
              return symbol;
            });
            expect(toHex(serializeSliver(codec.recoverSliver(metadata, target, symbols)))).toBe(each.sliver);
            expect(() => codec.recoverSliver(metadata, target, symbols.slice(1))).toThrow(
              expect.objectContaining({
                code: "TOO_FEW_SYMBOLS",
                details: expect.objectContaining({ have: symbols.length - 1, need: symbols.length }),
              }),
            );
          }
        }
      });

      test("inconsistency proofs hold for the altered metadata only", () => {
        for (const each of vector.inconsistency) {
          const altered = verified({ nShards, metadata: each.metadata, blobId: each.blobId });
          const proof = parseInconsistencyProof(fromHex(each.proof), each.targetAxis, nShards);
          expect(toHex(serializeInconsistencyProof(proof))).toBe(each.proof);
          expect(holds(() => codec.verifyInconsistencyProof(altered, proof))).toBe(
            each.proofValidForAlteredMetadata,
          );
          expect(holds(() => codec.verifyInconsistencyProof(metadata, proof))).toBe(
            each.proofValidForOriginalMetadata,
          );
          const target = { axis: each.targetAxis, index: each.targetIndex as SliverIndex };
          expect(() => codec.recoverSliver(altered, target, proof.symbols)).toThrow(
            expect.objectContaining({ code: "INCONSISTENT_ENCODING" }),
          );
          for (const broken of brokenProofs(proof.symbols)) {
            expect(() => codec.verifyInconsistencyProof(altered, { ...proof, symbols: broken })).toThrow(
              expect.objectContaining({ code: "INVALID_INCONSISTENCY_PROOF" }),
            );
          }
        }
      });

      test("the default and the strict check find what the vectors say they find", () => {
        const blob = prng(vector.seed, vector.size);
        codec.verifyBlob(metadata, blob, "default");
        codec.verifyBlob(metadata, blob, "strict");
        for (const each of vector.inconsistency) {
          const altered = verified({ nShards, metadata: each.metadata, blobId: each.blobId });
          expect(holds(() => codec.verifyBlob(altered, blob, "default"))).toBe(!each.defaultCheckFails);
          expect(holds(() => codec.verifyBlob(altered, blob, "strict"))).toBe(!each.strictCheckFails);
        }
      });
    },
  );

  /** Proofs that must be refused: too few, too many, a source twice, a proof over the target's own axis, a changed byte. */
  function brokenProofs(symbols: readonly RecoverySymbol[]): RecoverySymbol[][] {
    const [first, ...rest] = symbols;
    if (first === undefined) throw new Error("a proof has symbols");
    const changed = first.symbol.map((byte, i) => (i === 0 ? byte ^ 1 : byte));
    const doubled = rest[0] === undefined ? [] : [[rest[0], ...rest]];
    return [
      [],
      rest,
      [...symbols, first],
      ...doubled,
      [{ ...first, symbol: changed }, ...rest],
      [{ ...first, proof: first.proof.slice(1) }, ...rest],
      [
        {
          ...first,
          proofAxis: otherAxis(first.proofAxis),
          sourceIndex: first.targetIndex,
          targetIndex: first.sourceIndex,
        },
        ...rest,
      ],
    ];
  }

  function holds(check: () => void): boolean {
    try {
      check();
      return true;
    } catch (error) {
      if (!(error instanceof CodecError)) throw error;
      return false;
    }
  }

  describe("recovery.json: Merkle trees", () => {
    test.each(recovery.merkle.map((vector) => [vector.leafCount, vector] as const))(
      "%i leaves: root and every proof are byte-identical",
      (_, { leafCount, seed, root, proofs }) => {
        const leaves = Array.from({ length: leafCount }, (_, i) => prng((seed + i) >>> 0, 3 + i));
        const hashes = () => {
          const all = new Uint8Array((leafCount + 1) * 32);
          leaves.forEach((leaf, i) => {
            leafHashInto(leaf, 0, leaf.length, all, 32 * i);
          });
          return all;
        };
        const computed = foldToRoot(hashes(), leafCount);
        expect(computed && toHex(computed)).toBe(root);
        for (const { index, pathBcs } of proofs) {
          const proof = proofFor(hashes(), leafCount, index);
          expect(toHex(proofBcs(proof))).toBe(pathBcs);
          const leaf = leaves[index] ?? new Uint8Array();
          expect(verifyMerkleProof(fromHex(root ?? ""), leaf, index, leafCount, proof)).toBe(true);
        }
      },
    );
  });

  function proofBcs(proof: MerkleProof): Uint8Array {
    const writer = new BcsWriter().uleb(proof.length);
    for (const sibling of proof) {
      if (sibling === null) writer.u8(0);
      else writer.u8(1).fixed(sibling);
    }
    return writer.finish();
  }
});
