// If this fails, a node that was merely unreachable is called missing, or garbage passes for an answer.
import { describe, expect, it } from "vitest";
import {
  classifyAnswer,
  type NodeAnswer,
  type Outcome,
  verifySymbolAnswer,
} from "../../../shared/audit/outcomes.ts";
import { symbolIdOfChallenge } from "../../../shared/audit/selection.ts";
import { concatBytes } from "../../../shared/base/bytes.ts";
import { createReferenceCodec } from "../../../shared/codec/reference-codec.ts";
import {
  errorBody,
  NODE_ERRORS,
  type NodeErrorName,
  parseErrorBody,
} from "../../../shared/node/storage-node-api.ts";
import { AXES, otherAxis, type SliverIndex, type SliverPairIndex } from "../../../shared/protocol/ids.ts";
import { pairOfSliver, sliverOfPair } from "../../../shared/protocol/mapping.ts";
import { type RecoverySymbol, serializeRecoverySymbols } from "../../../shared/protocol/recovery-symbol.ts";
import { parseSliver } from "../../../shared/protocol/sliver.ts";
import { prng } from "../../support/vectors.ts";
import { challengeWith } from "./fixtures.ts";

const OFFICIAL: Readonly<Record<NodeErrorName, Outcome>> = {
  NOT_REGISTERED: "missing",
  METADATA_NOT_FOUND: "missing",
  METADATA_REQUIRED: "missing",
  SLIVER_NOT_FOUND: "missing",
  MISSING_SLIVERS: "missing",
  FORBIDDEN_BLOB: "denied",
  FORBIDDEN_PROOF: "refused",
  SHARD_NOT_ASSIGNED: "disowned",
  SYMBOL_NOT_PRESENT_AT_SHARDS: "disowned",
  INVALID_BLOB: "disowned",
  CACHE_SATURATED: "refused",
  UNAVAILABLE: "refused",
  INTERNAL_ERROR: "unreachable",
  INDEX_OUT_OF_RANGE: "refused",
  INVALID_METADATA: "refused",
  INVALID_SLIVER: "refused",
  SLIVER_INDEX_MISMATCH: "refused",
  UNSUPPORTED_ENCODING_TYPE: "refused",
  NO_SYMBOLS_SPECIFIED: "refused",
  NO_TARGET_SLIVERS_SPECIFIED: "refused",
  RECOVERY_SYMBOL_OUT_OF_RANGE: "refused",
  INVALID_FILTER: "refused",
  INVALID_PROOF: "refused",
  INVALID_CONTENT_TYPE: "refused",
};

const bare = (httpStatus: number): NodeAnswer => ({
  kind: "error",
  httpStatus,
  hasEnvelope: false,
  reason: undefined,
});

describe("an error answer", () => {
  it.each(Object.entries(OFFICIAL))("%s is %s", (name, outcome) => {
    const { http, body } = errorBody(name as NodeErrorName, "text");
    const info = parseErrorBody(body);
    expect(info).toBeDefined();
    const answer = { kind: "error", httpStatus: http, hasEnvelope: true, reason: info?.reason } as const;
    expect(classifyAnswer(answer)).toBe(outcome);
  });

  it("is classified for every official reason", () => {
    expect(Object.keys(OFFICIAL).sort()).toEqual(Object.keys(NODE_ERRORS).sort());
  });

  it("of a proxy never counts as missing", () => {
    for (let status = 300; status < 600; status++) {
      expect(["unreachable", "refused", "denied"]).toContain(classifyAnswer(bare(status)));
    }
    expect(classifyAnswer(bare(404))).toBe("unreachable");
    expect(classifyAnswer(bare(429))).toBe("refused");
    expect(classifyAnswer(bare(503))).toBe("refused");
    expect(classifyAnswer(bare(451))).toBe("denied");
  });

  it("that never came is unreachable or a timeout", () => {
    expect(classifyAnswer({ kind: "unreachable" })).toBe("unreachable");
    expect(classifyAnswer({ kind: "timeout" })).toBe("timeout");
  });
});

describe("a symbol answer", () => {
  const N = 10;
  const codec = createReferenceCodec();
  const encoder = codec.openEncoder(N, 1000);
  encoder.write(prng(5, 1000));
  const metadata = encoder.metadata();

  /** What an honest node answers for symbol `target` of the `axis` sliver of `pair`. */
  function answerOf(axis: "primary" | "secondary", pair: number, target: number): RecoverySymbol {
    const [encoded] = encoder.slivers([pair as SliverPairIndex]);
    if (encoded === undefined) throw new Error("no pair");
    const sliver = parseSliver(encoded[axis], encoded[axis].length);
    const [verified] = codec.verifySlivers(metadata, [{ axis, pair: pair as SliverPairIndex, sliver }]);
    if (verified === undefined || verified instanceof Error) throw new Error("unverified");
    return codec.symbolWithProof(metadata, verified, target as SliverIndex);
  }

  const challengeFor = (axis: "primary" | "secondary", pair: number, symbol: number) =>
    challengeWith({
      axis,
      pair: pair as SliverPairIndex,
      symbol: symbol as SliverIndex,
      blobId: metadata.blobId,
    });

  it("passes for every pair and axis", () => {
    for (const axis of AXES) {
      for (let pair = 0; pair < N; pair++) {
        const target = (pair * 3 + 1) % N;
        const symbol = answerOf(axis, pair, target);
        const challenge = challengeFor(axis, pair, target);
        expect(verifySymbolAnswer(serializeRecoverySymbols([symbol]), challenge, metadata)).toEqual([symbol]);
      }
    }
  });

  it("fails with any bit of symbol or proof flipped", () => {
    const challenge = challengeFor("primary", 2, 7);
    const bytes = serializeRecoverySymbols([answerOf("primary", 2, 7)]);
    for (let at = 0; at < bytes.length; at++) {
      const flipped = bytes.slice();
      flipped[at] = (flipped[at] ?? 0) ^ 1;
      expect(verifySymbolAnswer(flipped, challenge, metadata), `byte ${at}`).toBeUndefined();
    }
  });

  it("fails when it is another symbol of the blob, or the same one proven over the other axis", () => {
    const challenge = challengeFor("primary", 2, 7);
    const given = (symbol: RecoverySymbol) =>
      verifySymbolAnswer(serializeRecoverySymbols([symbol]), challenge, metadata);
    expect(given(answerOf("primary", 2, 6))).toBeUndefined();
    expect(given(answerOf("primary", 3, 7))).toBeUndefined();
    const { secondary } = symbolIdOfChallenge(challenge, N);
    const crossing = pairOfSliver(secondary, "secondary", N);
    const sameSymbol = answerOf(otherAxis("primary"), crossing, sliverOfPair(challenge.pair, "primary", N));
    expect(given(sameSymbol)).toBeUndefined();
  });

  it("fails when bytes are missing, left over, or more symbols come than were asked for", () => {
    const challenge = challengeFor("primary", 2, 7);
    const symbol = answerOf("primary", 2, 7);
    const bytes = serializeRecoverySymbols([symbol]);
    expect(verifySymbolAnswer(new Uint8Array(0), challenge, metadata)).toBeUndefined();
    expect(verifySymbolAnswer(bytes.subarray(0, -1), challenge, metadata)).toBeUndefined();
    expect(verifySymbolAnswer(concatBytes(bytes, new Uint8Array(1)), challenge, metadata)).toBeUndefined();
    const other = answerOf("primary", 2, 8);
    const two = serializeRecoverySymbols([other, symbol]);
    const asked = [7 as SliverIndex, 8 as SliverIndex];
    expect(verifySymbolAnswer(two, challenge, metadata)).toBeUndefined();
    expect(verifySymbolAnswer(two, challenge, metadata, asked)).toEqual([symbol, other]);
    expect(verifySymbolAnswer(bytes, challenge, metadata, asked)).toBeUndefined();
    const twice = serializeRecoverySymbols([symbol, symbol]);
    expect(verifySymbolAnswer(twice, challenge, metadata, asked)).toBeUndefined();
  });
});
