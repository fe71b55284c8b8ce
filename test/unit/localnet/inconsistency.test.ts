// If this fails, a badly encoded blob cannot be marked invalid, and readers get different bytes for one blob ID.
import { afterAll, beforeAll, expect, test } from "vitest";
import { toHex } from "../../../shared/base/bytes.ts";
import { computeBlobId, metadataRootHash } from "../../../shared/codec/blob-id.ts";
import { CodecError } from "../../../shared/codec/codec.ts";
import { blsPublicKey, parseBlsPublicKey, parseBlsSignature, verifyBls } from "../../../shared/crypto/bls.ts";
import { parseSuccessBody } from "../../../shared/node/storage-node-api.ts";
import { parseObjectId, type SliverIndex, type SliverPairIndex } from "../../../shared/protocol/ids.ts";
import { invalidBlobIdMessage, signedMessageFromJson } from "../../../shared/protocol/messages.ts";
import {
  parseBlobMetadata,
  serializeBlobMetadata,
  type VerifiedMetadata,
} from "../../../shared/protocol/metadata.ts";
import {
  type RecoverySymbol,
  serializeInconsistencyProof,
} from "../../../shared/protocol/recovery-symbol.ts";
import { parseSliver } from "../../../shared/protocol/sliver.ts";
import {
  codec,
  encodeBlob,
  type LoneNode,
  N_SHARDS,
  SECRET_KEY,
  startLoneNode,
} from "../../support/nodes/lone-node.ts";

const honest = encodeBlob(new Uint8Array(500).fill(3));
/** The honest encoding, but the hash of primary sliver 0 is made up: no sliver fits it. */
const forged = (() => {
  const metadata = parseBlobMetadata(honest.metadata);
  metadata.hashes[0] = (metadata.hashes[0] ?? 0) ^ 1;
  const blobId = computeBlobId(metadataRootHash(metadata), metadata.unencodedLength);
  return {
    blobId,
    bytes: serializeBlobMetadata(metadata),
    metadata: codec.verifyMetadata(metadata, blobId, N_SHARDS),
  };
})();

/** Symbols of primary sliver `index`, each proven by a secondary sliver that fits the metadata. */
function symbolsOf(metadata: VerifiedMetadata, index: number): RecoverySymbol[] {
  return Array.from({ length: 7 }, (_, at) => {
    const pair = at as SliverPairIndex;
    const sliver = parseSliver(honest.pairs[at]?.secondary ?? new Uint8Array(), 65_536);
    const [verified] = codec.verifySlivers(metadata, [{ axis: "secondary", pair, sliver }]);
    if (verified === undefined || verified instanceof CodecError) throw verified;
    return codec.symbolWithProof(metadata, verified, index as SliverIndex);
  });
}

const proofOf = (index: number): Uint8Array =>
  serializeInconsistencyProof({
    targetAxis: "primary",
    targetIndex: index as SliverIndex,
    symbols: symbolsOf(forged.metadata, index),
  });

let node: LoneNode;
const path = `/v1/blobs/${forged.blobId}`;
beforeAll(async () => {
  node = await startLoneNode();
  node.chain.register(forged.blobId, parseObjectId("0xa1"), 10);
  await node.caughtUp(1);
  expect((await node.ask("PUT", `${path}/metadata`, forged.bytes)).status).toBe(201);
});
afterAll(() => node.stop());

test("attests with its signature that the blob ID is invalid, on a proof that holds", async () => {
  const response = await node.ask("POST", `${path}/inconsistencyProof/primary`, proofOf(0));
  expect(response.status).toBe(200);
  const { message, signature } = signedMessageFromJson(parseSuccessBody(await response.text()));
  expect(toHex(message)).toBe(toHex(invalidBlobIdMessage(5, forged.blobId)));
  const key = parseBlsPublicKey(blsPublicKey(SECRET_KEY));
  expect(verifyBls(message, parseBlsSignature(signature), key)).toBe(true);
});

test("refuses to attest for a sliver that is what the metadata says, or on the wrong axis", async () => {
  const reasons = async (axis: string, proof: Uint8Array) => {
    const response = await node.ask("POST", `${path}/inconsistencyProof/${axis}`, proof);
    return [response.status, (await response.text()).includes("INVALID_PROOF")];
  };
  expect(await reasons("primary", proofOf(1))).toEqual([400, true]);
  expect(await reasons("secondary", proofOf(0))).toEqual([400, true]);
});
