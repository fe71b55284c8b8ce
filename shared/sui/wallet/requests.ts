/** Checks of what callers ask of the wallet, before anything is stored. */
import { equalBytes } from "../../base/bytes.ts";
import { WALLET_LIMITS } from "./limits.ts";
import type { CertifyRequest, RegisterRequest } from "./submissions.ts";
import { SubmissionError } from "./submissions.ts";

const ROOT_HASH_BYTES = 32;
const encoder = new TextEncoder();

/** @throws SubmissionError `INVALID_SUBMISSION` naming the field */
export function checkRegisterRequest(request: RegisterRequest): void {
  checkText("intentId", request.intentId);
  checkText("principal", request.principal);
  if (request.rootHash.length !== ROOT_HASH_BYTES) {
    invalid("rootHash", `has ${request.rootHash.length} bytes, not ${ROOT_HASH_BYTES}`);
  }
  const { attributes } = request;
  if (attributes.length > WALLET_LIMITS.blobAttributes) {
    invalid("attributes", `are ${attributes.length}, at most ${WALLET_LIMITS.blobAttributes} are allowed`);
  }
  if (new Set(attributes.map(({ key }) => key)).size !== attributes.length) {
    invalid("attributes", "have a key twice");
  }
  for (const { key, value } of attributes) {
    const [keyBytes, valueBytes] = [encoder.encode(key).length, encoder.encode(value).length];
    if (keyBytes > WALLET_LIMITS.attributeKeyBytes || valueBytes > WALLET_LIMITS.attributeValueBytes) {
      invalid("attributes", `have a pair of ${keyBytes} and ${valueBytes} bytes`);
    }
  }
}

/** @throws SubmissionError `INVALID_SUBMISSION` naming the field */
export function checkCertifyRequest(request: CertifyRequest): void {
  checkText("intentId", request.intentId);
  if (request.share === true && request.sendObjectTo !== undefined) {
    invalid("share", "and sendObjectTo exclude each other");
  }
}

function checkText(field: string, text: string): void {
  if (text.length === 0 || text.length > WALLET_LIMITS.intentIdCharacters) {
    invalid(field, `has ${text.length} characters; 1 to ${WALLET_LIMITS.intentIdCharacters} are allowed`);
  }
}

function invalid(field: string, reason: string): never {
  throw new SubmissionError("INVALID_SUBMISSION", `${field} ${reason}`, { details: { field } });
}

/** Deep equality of requests: plain data of texts, numbers, booleans, lists, records and bytes; undefined = absent. */
export function sameRequest(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (a instanceof Uint8Array || b instanceof Uint8Array) {
    return a instanceof Uint8Array && b instanceof Uint8Array && equalBytes(a, b);
  }
  const [left, right] = [new Map(Object.entries(a)), new Map(Object.entries(b))];
  const keys = new Set([...left.keys(), ...right.keys()]);
  for (const key of keys) if (!sameRequest(left.get(key), right.get(key))) return false;
  return true;
}

/**
 * Whether a call repeats an intent. A certificate may be collected anew, by other signers or in the next epoch: it is
 * how the intent is reached, not part of it.
 */
export function isSameIntent(known: object, request: object): boolean {
  return sameRequest({ ...known, certificate: undefined }, { ...request, certificate: undefined });
}
