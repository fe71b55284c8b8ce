/**
 * 100 confirmations of one message, as the edge collects them, beside the plain official calls.
 *
 * - final step: the signatures were added up on arrival; the sum is verified once
 * - from bytes: the signatures are added up one by one as well
 * - anchor: the official aggregate of all at once and one verification of it
 *
 * Keys are taken as bytes by all of them.
 */
import { blsPublicKey, blsSign } from "../shared/crypto/bls.ts";
import { createWasmSignatures, type WasmBlsFunctions } from "../shared/crypto/wasm-signatures.ts";
import type { PreparedCase } from "./prepared-case.ts";

export const CONFIRMATIONS = 100;
export const CONFIRMATION_BYTES = 40;
export const CONFIRMATION_STEPS = ["final step", "from bytes"] as const;
export type ConfirmationStep = (typeof CONFIRMATION_STEPS)[number];

export function prepareConfirmations(official: WasmBlsFunctions, step: ConfirmationStep): PreparedCase {
  const scheme = createWasmSignatures(official);
  const message = Uint8Array.from({ length: CONFIRMATION_BYTES }, (_, i) => i);
  const secrets = Array.from({ length: CONFIRMATIONS }, (_, i) => {
    const secret = new Uint8Array(32).fill(1);
    new DataView(secret.buffer).setUint32(28, i + 1);
    return secret;
  });
  const keys = secrets.map((secret) => blsPublicKey(secret));
  const signatures = secrets.map((secret) => blsSign(message, secret));
  const check = (holds: boolean): void => {
    if (!holds) throw new Error("the aggregate does not verify");
  };
  const addUp = (): Uint8Array => {
    const [first = new Uint8Array(), ...rest] = signatures;
    return rest.reduce((sum, each) => scheme.aggregate([sum, each]), scheme.aggregate([first]));
  };
  const sum = addUp();
  const plain = (list: readonly Uint8Array[]): number[][] => list.map((bytes) => Array.from(bytes));
  const [plainSignatures, plainKeys] = [plain(signatures), plain(keys)];
  return {
    ours: () => check(scheme.verifyAggregate(message, step === "final step" ? sum : addUp(), keys)),
    anchor: () => {
      const aggregate = official.bls12381_min_pk_aggregate(plainSignatures);
      check(official.bls12381_min_pk_verify_aggregate(plainKeys, message, aggregate));
    },
    perCall: 1,
  };
}
