/**
 * Messages that storage nodes sign: `type u8 | 00 | 03 | epoch u32 LE | body`, no length in front of the body.
 *
 * | type | name                    | body                                                        |
 * |------|-------------------------|-------------------------------------------------------------|
 * | 0    | proof of possession     | address[32], public key[48]                                 |
 * | 1    | confirmation            | blob ID[32], 00 permanent or 01 objectId[32] deletable      |
 * | 2    | invalid blob ID         | blob ID[32]                                                 |
 *
 * A confirmation has 40 bytes (permanent) or 72 (deletable). The parser is strict where the contract is not: it
 * rejects trailing bytes, which change what was signed.
 */

import { fromBase64, toBase64 } from "../base/bytes.ts";
import { ProtocolError } from "../base/errors.ts";
import { BcsReader, BcsWriter } from "./bcs.ts";
import {
  BLOB_ID_BYTES,
  type BlobId,
  blobIdFromBytes,
  blobIdToBytes,
  type ObjectId,
  objectIdFromBytes,
  objectIdToBytes,
} from "./ids.ts";

const INTENT_VERSION = 0;
const STORAGE_APP = 3;
const MESSAGE_TYPE = { proofOfPossession: 0, confirmation: 1, invalidBlobId: 2 } as const;

export const SIGNATURE_BYTES = 96;
export const PUBLIC_KEY_BYTES = 48;

/** How long a blob is promised: permanent, or deletable by the owner of one Sui object. */
export type Persistence =
  | { readonly kind: "permanent" }
  | { readonly kind: "deletable"; readonly objectId: ObjectId };

export interface Confirmation {
  readonly epoch: number;
  readonly blobId: BlobId;
  readonly persistence: Persistence;
}

/** A node's message and its BLS signature, not yet verified. */
export interface SignedMessage {
  readonly message: Uint8Array;
  /** 96 bytes, compressed G2. */
  readonly signature: Uint8Array;
}

function header(type: number, epoch: number): BcsWriter {
  return new BcsWriter(80).u8(type).u8(INTENT_VERSION).u8(STORAGE_APP).u32(epoch);
}

/** The exact bytes a node signs to confirm that all its shards hold the blob's slivers. */
export function confirmationMessage(confirmation: Confirmation): Uint8Array {
  const writer = header(MESSAGE_TYPE.confirmation, confirmation.epoch).fixed(
    blobIdToBytes(confirmation.blobId),
  );
  if (confirmation.persistence.kind === "permanent") return writer.u8(0).finish();
  return writer.u8(1).fixed(objectIdToBytes(confirmation.persistence.objectId)).finish();
}

export const invalidBlobIdMessage = (epoch: number, blobId: BlobId): Uint8Array =>
  header(MESSAGE_TYPE.invalidBlobId, epoch).fixed(blobIdToBytes(blobId)).finish();

export const proofOfPossessionMessage = (
  epoch: number,
  address: ObjectId,
  publicKey: Uint8Array,
): Uint8Array =>
  header(MESSAGE_TYPE.proofOfPossession, epoch).fixed(objectIdToBytes(address)).fixed(publicKey).finish();

/** @throws ProtocolError `INVALID_MESSAGE` for another type, version or application; BCS errors otherwise */
export function parseConfirmation(bytes: Uint8Array): Confirmation {
  const reader = new BcsReader(bytes, "confirmation");
  const [type, version, app] = [reader.u8(), reader.u8(), reader.u8()];
  if (type !== MESSAGE_TYPE.confirmation || version !== INTENT_VERSION || app !== STORAGE_APP) {
    throw new ProtocolError("INVALID_MESSAGE", `intent ${type}/${version}/${app}; a confirmation has 1/0/3`);
  }
  const epoch = reader.u32();
  const blobId = blobIdFromBytes(reader.fixed(BLOB_ID_BYTES));
  const kind = reader.u8();
  if (kind > 1) reader.fail(`persistence variant ${kind}`);
  const persistence: Persistence =
    kind === 0 ? { kind: "permanent" } : { kind: "deletable", objectId: objectIdFromBytes(reader.fixed(32)) };
  reader.end();
  return { epoch, blobId, persistence };
}

/** JSON form of a signed message in node answers. */
export interface SignedMessageJson {
  readonly serializedMessage: string;
  readonly signature: string;
}

export const signedMessageToJson = (signed: SignedMessage): SignedMessageJson => ({
  serializedMessage: toBase64(signed.message),
  signature: toBase64(signed.signature),
});

/** Longest protocol message accepted from a node. */
const MAX_MESSAGE_BYTES = 256;

export function signedMessageFromJson(json: unknown): SignedMessage {
  const { serializedMessage, signature } = (json ?? {}) as Record<string, unknown>;
  if (typeof serializedMessage !== "string" || typeof signature !== "string") {
    throw new ProtocolError("INVALID_MESSAGE", "a signed message has serializedMessage and signature");
  }
  if (serializedMessage.length > 2 * MAX_MESSAGE_BYTES || signature.length !== (SIGNATURE_BYTES / 3) * 4) {
    throw new ProtocolError("INVALID_MESSAGE", "a signed message's parts have the wrong length", {
      details: { messageCharacters: serializedMessage.length, signatureCharacters: signature.length },
    });
  }
  const signed = { message: fromBase64(serializedMessage), signature: fromBase64(signature) };
  // 94 and 95 bytes fill the same 128 characters, with padding.
  if (signed.signature.length !== SIGNATURE_BYTES) {
    throw new ProtocolError("INVALID_MESSAGE", `a signature of ${signed.signature.length} bytes`);
  }
  return signed;
}
