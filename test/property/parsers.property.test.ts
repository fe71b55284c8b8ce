// If this fails, some bytes from outside crash a Worker, or two different byte strings mean the same thing.
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ProtocolError } from "../../shared/base/errors.ts";
import { parseNetworkFile } from "../../shared/network/network-file.ts";
import { bitmapToSigners, signersToBitmap } from "../../shared/protocol/certificate.ts";
import { blobIdFromBytes, blobIdToBytes, parseBlobId, parseObjectId } from "../../shared/protocol/ids.ts";
import { confirmationMessage, parseConfirmation } from "../../shared/protocol/messages.ts";
import { parseBlobMetadata, serializeBlobMetadata } from "../../shared/protocol/metadata.ts";
import {
  parseInconsistencyProof,
  parseRecoverySymbols,
  parseSymbolId,
  serializeInconsistencyProof,
  serializeRecoverySymbols,
  symbolIdText,
} from "../../shared/protocol/recovery-symbol.ts";
import { parseSliver, serializeSliver } from "../../shared/protocol/sliver.ts";
import { PROPERTY_TIMEOUT, propertyRuns } from "../support/property.ts";

/** Parsers of bytes, each followed by its serialiser: what parses at all must come back byte for byte. */
const LAYOUTS: Record<string, (bytes: Uint8Array) => Uint8Array> = {
  sliver: (bytes) => serializeSliver(parseSliver(bytes, 1000)),
  metadata: (bytes) => serializeBlobMetadata(parseBlobMetadata(bytes)),
  "recovery symbols": (bytes) => serializeRecoverySymbols(parseRecoverySymbols(bytes, 5)),
  "inconsistency proof": (bytes) => serializeInconsistencyProof(parseInconsistencyProof(bytes, "primary", 5)),
  confirmation: (bytes) => confirmationMessage(parseConfirmation(bytes)),
};

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const u16 = fc.nat(65535).map((value) => Uint8Array.of(value & 255, value >> 8));
const node = fc.oneof(
  fc.constant(Uint8Array.of(0)),
  bytes(32).map((hash) => Uint8Array.of(1, ...hash)),
);
const path = fc
  .array(node, { maxLength: 5 })
  .map((nodes) => [nodes.length, ...nodes.flatMap((each) => [...each])]);
const symbolBody = fc.tuple(u16, fc.uint8Array({ maxLength: 8 }), u16, path);
/** Close to valid, so that mutations reach every branch of the parsers. */
const nearlyValid = fc.oneof(
  fc.uint8Array({ maxLength: 120 }),
  fc
    .tuple(fc.nat(40), u16, u16)
    .chain(([length, z, index]) => bytes(length).map((data) => [length, ...data, ...z, ...index])),
  fc
    .tuple(fc.constantFrom(0, 4, 5), bytes(8))
    .chain(([n, length]) =>
      fc
        .array(bytes(32), { minLength: 2 * n, maxLength: 2 * n })
        .map((hashes) => [
          0,
          1,
          ...length.map((b, i) => (i < 2 ? b : 0)),
          n,
          ...hashes.flatMap((hash) => [1, ...hash]),
        ]),
    ),
  fc
    .array(fc.tuple(fc.nat(1), symbolBody), { maxLength: 3 })
    .map((symbols) => [
      symbols.length,
      ...symbols.flatMap(([tag, [index, data, target, proof]]) => [
        tag,
        ...index,
        data.length,
        ...data,
        ...target,
        ...proof,
      ]),
    ]),
  fc
    .tuple(u16, fc.array(symbolBody, { maxLength: 3 }))
    .map(([target, symbols]) => [
      ...target,
      symbols.length,
      ...symbols.flatMap(([index, data, , proof]) => [...index, data.length, ...data, ...proof]),
    ]),
  fc
    .tuple(bytes(4), bytes(32), fc.boolean(), bytes(32))
    .map(([epoch, id, isDeletable, object]) => [
      1,
      0,
      3,
      ...epoch,
      ...id,
      ...(isDeletable ? [1, ...object] : [0]),
    ]),
);
const mutated = fc.tuple(nearlyValid, fc.option(fc.tuple(fc.nat(200), fc.nat(255)))).map(([base, change]) => {
  const result = Uint8Array.from(base);
  if (change !== null && change[0] < result.length) result[change[0]] = change[1];
  return result;
});

function parsed<Value>(parse: () => Value): Value | undefined {
  try {
    return parse();
  } catch (error) {
    if (error instanceof ProtocolError) return undefined;
    throw error;
  }
}

describe("parsers of bytes", () => {
  test("refuse with a typed error or give back exactly the bytes they read", PROPERTY_TIMEOUT, () => {
    const accepted = new Set<string>();
    fc.assert(
      fc.property(mutated, (input) => {
        const before = input.slice();
        for (const [layout, roundTrip] of Object.entries(LAYOUTS)) {
          const output = parsed(() => roundTrip(input));
          if (output === undefined) continue;
          accepted.add(layout);
          expect(output, layout).toEqual(before);
        }
        expect(input).toEqual(before);
      }),
      propertyRuns(1500),
    );
    expect([...accepted].sort()).toEqual(Object.keys(LAYOUTS).sort());
  });

  test("bitmaps name each signer once, or are refused", PROPERTY_TIMEOUT, () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 4 }), fc.nat(30), (bitmap, members) => {
        const signers = parsed(() => bitmapToSigners(bitmap, members));
        if (signers === undefined) return;
        expect(
          signers.every((signer, i) => signer < members && (i === 0 || signer > (signers[i - 1] ?? 0))),
        ).toBe(true);
        expect(signersToBitmap(signers, members).subarray(0, bitmap.length)).toEqual(bitmap);
      }),
      propertyRuns(300),
    );
  });
});

describe("parsers of text", () => {
  test("accept one spelling of a blob ID, and any 32 bytes are one", PROPERTY_TIMEOUT, () => {
    fc.assert(
      fc.property(bytes(32), fc.nat(42), fc.string({ minLength: 1, maxLength: 1 }), (id, at, character) => {
        const text = blobIdFromBytes(id);
        expect(blobIdToBytes(parseBlobId(text))).toEqual(id);
        const changed = text.slice(0, at) + character + text.slice(at + 1);
        const other = parsed(() => parseBlobId(changed));
        if (other !== undefined && changed !== text) expect(blobIdToBytes(other)).not.toEqual(id);
      }),
      propertyRuns(300),
    );
  });

  test("refuse arbitrary text with a typed error", PROPERTY_TIMEOUT, () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json(), fc.stringMatching(/^[0-9]{1,6}-[0-9]{1,6}$/)), (text) => {
        parsed(() => parseBlobId(text));
        parsed(() => parseObjectId(text));
        parsed(() => parseNetworkFile(text));
        const id = parsed(() => parseSymbolId(text, 1000));
        if (id !== undefined) expect(symbolIdText(id)).toBe(text);
      }),
      propertyRuns(300),
    );
  });
});
