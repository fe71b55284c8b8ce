// If this fails, a storage node's malformed answer is taken for a sliver, metadata, symbol, proof or confirmation.
import { describe, expect, test } from "vitest";
import { concatBytes, toBase64 } from "../../../shared/base/bytes.ts";
import { BcsWriter } from "../../../shared/protocol/bcs.ts";
import {
  blobIdFromBytes,
  parseObjectId,
  type SliverIndex,
  sliverPairIndex,
} from "../../../shared/protocol/ids.ts";
import {
  confirmationMessage,
  parseConfirmation,
  signedMessageFromJson,
  signedMessageToJson,
} from "../../../shared/protocol/messages.ts";
import {
  metadataBytes,
  parseBlobMetadata,
  parseBlobMetadataWithId,
  serializeBlobMetadata,
  serializeBlobMetadataWithId,
  sliverHash,
} from "../../../shared/protocol/metadata.ts";
import {
  parseInconsistencyProof,
  parseRecoverySymbols,
  type RecoverySymbol,
  serializeInconsistencyProof,
  serializeRecoverySymbols,
} from "../../../shared/protocol/recovery-symbol.ts";
import { maxUnencodedLength } from "../../../shared/protocol/sizes.ts";
import { parseSliver, serializedSliverBytes, serializeSliver } from "../../../shared/protocol/sliver.ts";
import { expectExactLength, protocolError } from "../../support/parsers.ts";
import { prng } from "../../support/vectors.ts";

const blobId = blobIdFromBytes(prng(1, 32));

describe("sliver", () => {
  const sliver = { data: prng(5, 132), symbolBytes: 66, index: 3 as SliverIndex };
  const bytes = serializeSliver(sliver);

  test("survives, has the predicted length, and is refused at any other", () => {
    expect(bytes.length).toBe(serializedSliverBytes(132));
    expect(parseSliver(bytes, 132)).toEqual(sliver);
    expectExactLength(bytes, (input) => parseSliver(input, 1000));
  });

  test("data above the limit is refused before it is read", () => {
    expect(() => parseSliver(bytes, 131)).toThrow(protocolError("MALFORMED_BYTES"));
    expect(() => parseSliver(Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0x0f), 131)).toThrow(
      protocolError("MALFORMED_BYTES"),
    );
  });

  test("a length that is not in its shortest form is refused", () => {
    const padded = Uint8Array.of(0x84, 0x00, 1, 2, 3, 4, 2, 0, 0, 0);
    expect(() => parseSliver(padded, 100)).toThrow(protocolError("NON_CANONICAL"));
  });

  test.each([0, 1, 3, 65, 65535])("a symbol size of %i is refused", (symbolBytes) => {
    expect(() => parseSliver(serializeSliver({ ...sliver, symbolBytes }), 1000)).toThrow(
      protocolError("MALFORMED_BYTES"),
    );
  });

  test("data that is no whole number of symbols is refused", () => {
    expect(() => parseSliver(serializeSliver({ ...sliver, symbolBytes: 64 }), 1000)).toThrow(
      protocolError("MALFORMED_BYTES"),
    );
  });
});

describe("metadata", () => {
  const metadata = { nShards: 7, unencodedLength: 123, hashes: prng(2, 7 * 64) };
  const bytes = serializeBlobMetadata(metadata);
  const change = (at: number, value: number): Uint8Array => bytes.map((byte, i) => (i === at ? value : byte));

  test("survives, with and without the blob ID, and is refused at any other length", () => {
    expect(bytes.length).toBe(metadataBytes(7));
    expect(parseBlobMetadata(bytes)).toEqual(metadata);
    expectExactLength(bytes, parseBlobMetadata);
    const withId = serializeBlobMetadataWithId(blobId, metadata);
    expect(parseBlobMetadataWithId(withId)).toEqual({ claimedBlobId: blobId, metadata });
    expectExactLength(withId, parseBlobMetadataWithId);
  });

  test("hashes are copied out of the answer and found by pair and axis", () => {
    const input = bytes.slice();
    const parsed = parseBlobMetadata(input);
    input.fill(0);
    expect(parsed).toEqual(metadata);
    const pair = sliverPairIndex(2, 7);
    expect(sliverHash(parsed, pair, "primary")).toEqual(metadata.hashes.subarray(128, 160));
    expect(sliverHash(parsed, pair, "secondary")).toEqual(metadata.hashes.subarray(160, 192));
  });

  test("another variant, the retired encoding type and empty hashes are refused", () => {
    expect(() => parseBlobMetadata(change(0, 1))).toThrow(protocolError("MALFORMED_BYTES"));
    for (const type of [0, 2, 255]) {
      expect(() => parseBlobMetadata(change(1, type))).toThrow(protocolError("UNSUPPORTED_ENCODING_TYPE"));
    }
    for (const kind of [0, 2])
      expect(() => parseBlobMetadata(change(11, kind))).toThrow(protocolError("MALFORMED_BYTES"));
  });

  test("hostile counts and lengths are refused by their numbers", () => {
    const withCount = (count: number, pairs: number): Uint8Array =>
      concatBytes(
        bytes.subarray(0, 10),
        new BcsWriter().uleb(count).finish(),
        bytes.subarray(11, 11 + 66 * pairs),
      );
    expect(() => parseBlobMetadata(withCount(2 ** 32 - 1, 7))).toThrow(protocolError("MALFORMED_BYTES"));
    expect(() => parseBlobMetadata(withCount(8, 7))).toThrow(protocolError("MALFORMED_BYTES"));
    expect(() => parseBlobMetadata(withCount(6, 7))).toThrow(
      protocolError("TRAILING_BYTES", { trailing: 66 }),
    );
    for (const count of [0, 3]) {
      expect(() => parseBlobMetadata(withCount(count, count))).toThrow(
        protocolError("UNSUPPORTED_SHARD_COUNT"),
      );
    }
    const nonMinimal = concatBytes(bytes.subarray(0, 10), Uint8Array.of(0x87, 0), bytes.subarray(11));
    expect(() => parseBlobMetadata(nonMinimal)).toThrow(protocolError("NON_CANONICAL"));
    const limit = maxUnencodedLength(7);
    const ofLength = (unencodedLength: number) => serializeBlobMetadata({ ...metadata, unencodedLength });
    expect(parseBlobMetadata(ofLength(limit)).unencodedLength).toBe(limit);
    expect(() => parseBlobMetadata(ofLength(limit + 1))).toThrow(
      protocolError("INVALID_METADATA", { limit, nShards: 7 }),
    );
  });
});

describe("symbols and proofs", () => {
  const symbol = (proofAxis: "primary" | "secondary", seed: number): RecoverySymbol => ({
    proofAxis,
    sourceIndex: 4 as SliverIndex,
    targetIndex: 2 as SliverIndex,
    symbol: prng(seed, 6),
    proof: [prng(seed + 1, 32), null, prng(seed + 2, 32)],
  });

  test("lists survive and are refused at any other length", () => {
    const symbols = [symbol("primary", 1), symbol("secondary", 9)];
    const bytes = serializeRecoverySymbols(symbols);
    expect(parseRecoverySymbols(bytes, 2)).toEqual(symbols);
    expectExactLength(bytes, (input) => parseRecoverySymbols(input, 10));
    expect(() => parseRecoverySymbols(bytes, 1)).toThrow(protocolError("MALFORMED_BYTES"));
    expect(parseRecoverySymbols(Uint8Array.of(0), 0)).toEqual([]);
  });

  test("inconsistency proofs survive and are refused at any other length", () => {
    for (const targetAxis of ["primary", "secondary"] as const) {
      const proofAxis = targetAxis === "primary" ? "secondary" : "primary";
      const proof = {
        targetAxis,
        targetIndex: 2 as SliverIndex,
        symbols: [symbol(proofAxis, 1), symbol(proofAxis, 5)],
      };
      const bytes = serializeInconsistencyProof(proof);
      expect(parseInconsistencyProof(bytes, targetAxis, 2)).toEqual(proof);
      expectExactLength(bytes, (input) => parseInconsistencyProof(input, targetAxis, 2));
      expect(() => parseInconsistencyProof(bytes, targetAxis, 1)).toThrow(protocolError("MALFORMED_BYTES"));
    }
  });

  test("unknown tags, node kinds and over-long paths are refused", () => {
    const bytes = serializeRecoverySymbols([symbol("primary", 1)]);
    const change = (at: number, value: number): Uint8Array =>
      bytes.map((byte, i) => (i === at ? value : byte));
    // 1 count, 1 tag, 2 index, 1 + 6 symbol, 2 target, 1 path length, then the first node.
    expect(() => parseRecoverySymbols(change(1, 2), 1)).toThrow(protocolError("MALFORMED_BYTES"));
    expect(() => parseRecoverySymbols(change(13, 17), 1)).toThrow(protocolError("MALFORMED_BYTES"));
    expect(() => parseRecoverySymbols(change(14, 2), 1)).toThrow(protocolError("MALFORMED_BYTES"));
  });
});

describe("confirmation", () => {
  const objectId = parseObjectId(`0x${"7".repeat(64)}`);
  const permanent = { epoch: 2 ** 32 - 1, blobId, persistence: { kind: "permanent" } } as const;
  const deletable = { epoch: 0, blobId, persistence: { kind: "deletable", objectId } } as const;

  test.each([
    ["permanent", permanent, 40],
    ["deletable", deletable, 72],
  ] as const)("%s: survives, and is refused at any other length", (_, confirmation, byteLength) => {
    const bytes = confirmationMessage(confirmation);
    expect(bytes.length).toBe(byteLength);
    expect(parseConfirmation(bytes)).toEqual(confirmation);
    // A permanent one followed by bytes signs something else than a permanent one: the contract would ignore them.
    expectExactLength(bytes, parseConfirmation);
  });

  test("other message types, versions, applications and persistence kinds are refused", () => {
    const bytes = confirmationMessage(permanent);
    const change = (at: number, value: number): Uint8Array =>
      bytes.map((byte, i) => (i === at ? value : byte));
    for (const [at, value] of [
      [0, 2],
      [0, 0],
      [1, 1],
      [2, 0],
      [2, 4],
    ] as const) {
      expect(() => parseConfirmation(change(at, value))).toThrow(protocolError("INVALID_MESSAGE"));
    }
    expect(() => parseConfirmation(change(39, 2))).toThrow(protocolError("MALFORMED_BYTES"));
  });

  test("the JSON form survives; anything else is refused without decoding much", () => {
    const signed = { message: confirmationMessage(permanent), signature: prng(3, 96) };
    const json = signedMessageToJson(signed);
    expect(signedMessageFromJson(JSON.parse(JSON.stringify(json)))).toEqual(signed);
    const bad: unknown[] = [
      null,
      undefined,
      7,
      "x",
      [],
      {},
      { ...json, signature: undefined },
      { ...json, serializedMessage: 1 },
      { ...json, signature: toBase64(prng(3, 94)) },
      { ...json, signature: toBase64(prng(3, 95)) },
      { ...json, signature: toBase64(prng(3, 97)) },
      { ...json, serializedMessage: "A".repeat(4096) },
    ];
    for (const value of bad)
      expect(() => signedMessageFromJson(value)).toThrow(protocolError("INVALID_MESSAGE"));
    for (const serializedMessage of ["A", "AA", "AB==", "A-__", "AAA=\n"]) {
      expect(() => signedMessageFromJson({ ...json, serializedMessage })).toThrow(
        protocolError("MALFORMED_BYTES"),
      );
    }
  });
});
