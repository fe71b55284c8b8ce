/**
 * Certificates as the contract checks them (`bls_aggregate`, `messages`).
 *
 * Order of checks: bitmap length and stray bits (bls_aggregate, 0), weight (2), signature (1), then the header of the
 * message: version (messages, 3), application (0), epoch (1). The type comes last, with the body.
 */

import { toHex } from "../../../../shared/base/bytes.ts";
import { ProtocolError } from "../../../../shared/base/errors.ts";
import {
  type BlsPublicKey,
  type BlsSignature,
  blsPublicKeyFromUncompressed,
  parseBlsPublicKey,
  parseBlsSignature,
  verifyAggregate,
} from "../../../../shared/crypto/bls.ts";
import { CryptoError } from "../../../../shared/crypto/crypto-error.ts";
import { BcsReader } from "../../../../shared/protocol/bcs.ts";
import { isQuorum, isValidity } from "../../../../shared/protocol/bft.ts";
import { bitmapToSigners } from "../../../../shared/protocol/certificate.ts";
import { bytesToU256, type ObjectId, objectIdFromBytes } from "../../../../shared/protocol/ids.ts";
import type { BlsCommitteeLayout } from "../../../../shared/sui/walrus/layouts.ts";
import type { NativeCall } from "../../vm/native-call.ts";

export type BlsCommittee = ReturnType<typeof BlsCommitteeLayout.parse>;
export type RequiredWeight = "quorum" | "one-correct-node";

export interface CertifiedMessage {
  readonly type: number;
  readonly body: BcsReader;
}

/** Parsing a key costs about a millisecond; a committee's keys come back with every certificate. */
const parsedKeys = new Map<string, BlsPublicKey>();
const MAX_PARSED_KEYS = 4096;

/** Verifies that members of enough weight signed `message` in the committee's epoch, or aborts like the contract. */
export function verifyCertificate(
  call: NativeCall,
  committee: BlsCommittee,
  certificate: { signature: Uint8Array; bitmap: Uint8Array; message: Uint8Array },
  required: RequiredWeight,
): CertifiedMessage {
  const where = "verify_certificate_and_weight";
  let signers: number[];
  try {
    signers = bitmapToSigners(certificate.bitmap, committee.members.length);
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    call.abort("bls_aggregate", 0, where);
  }
  const signing = signers.flatMap((position) => committee.members[position] ?? []);
  const weight = signing.reduce((sum, member) => sum + member.weight, 0);
  const isEnough =
    required === "quorum" ? isQuorum(weight, committee.n_shards) : isValidity(weight, committee.n_shards);
  if (!isEnough) call.abort("bls_aggregate", 2, where);
  const keys = signing.map((member) => parsedKey(member.public_key));
  const signature = trySignature(certificate.signature);
  if (signature === undefined || !verifyAggregate(certificate.message, signature, keys)) {
    call.abort("bls_aggregate", 1, where);
  }
  return checkHeader(call, committee.epoch, certificate.message);
}

function checkHeader(call: NativeCall, epoch: number, message: Uint8Array): CertifiedMessage {
  const body = new BcsReader(message, "certified message");
  const type = peel(call, () => body.u8(), "peel_u8");
  if (peel(call, () => body.u8(), "peel_u8") !== 0) call.abort("messages", 3, "new_certified_message");
  if (peel(call, () => body.u8(), "peel_u8") !== 3) call.abort("messages", 0, "new_certified_message");
  if (peel(call, () => body.u32(), "peel_u32") !== epoch) call.abort("messages", 1, "new_certified_message");
  return { type, body };
}

export interface CertifiedBlob {
  readonly blobId: bigint;
  /** The Blob object a deletable blob's certificate is bound to; undefined for a permanent blob. */
  readonly objectId: ObjectId | undefined;
}

/** The body of a blob certificate. What follows it is ignored, as in the contract. */
export function certifiedBlob(call: NativeCall, message: CertifiedMessage): CertifiedBlob {
  if (message.type !== 1) call.abort("messages", 2, "certify_blob_message");
  const blobId = peelU256(call, message.body);
  const persistence = peel(call, () => message.body.u8(), "peel_u8");
  if (persistence > 1) call.abort("messages", 4, "peel_blob_persistence_type");
  if (persistence === 0) return { blobId, objectId: undefined };
  const objectId = objectIdFromBytes(peel(call, () => message.body.fixed(32), "peel_address"));
  return { blobId, objectId };
}

/** The body of a certificate that a blob ID is inconsistent. */
export function certifiedInvalidBlobId(call: NativeCall, message: CertifiedMessage): bigint {
  if (message.type !== 2) call.abort("messages", 2, "invalid_blob_id_message");
  return peelU256(call, message.body);
}

const peelU256 = (call: NativeCall, body: BcsReader): bigint =>
  bytesToU256(peel(call, () => body.fixed(32), "peel_u256"));

/** Reading past the end aborts in `0x2::bcs` with EOutOfRange. */
function peel<T>(call: NativeCall, read: () => T, functionName: string): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return call.abortFramework("bcs", 0, functionName);
  }
}

function parsedKey(uncompressed: Uint8Array): BlsPublicKey {
  const name = toHex(uncompressed);
  const known = parsedKeys.get(name);
  if (known !== undefined) return known;
  const key = parseBlsPublicKey(blsPublicKeyFromUncompressed(uncompressed));
  if (parsedKeys.size >= MAX_PARSED_KEYS) parsedKeys.clear();
  parsedKeys.set(name, key);
  return key;
}

/** Bytes that are no signature simply do not verify. */
function trySignature(bytes: Uint8Array): BlsSignature | undefined {
  try {
    return parseBlsSignature(bytes);
  } catch (error) {
    if (error instanceof CryptoError) return undefined;
    throw error;
  }
}
