/**
 * `SignatureScheme` over the BLS functions of `@mysten/walrus-wasm` (blst compiled to WebAssembly).
 *
 * The package reports every refusal as an `Error` with a text of its own; an error of the engine itself (a trap) is
 * passed on as it is. Per signature it takes about an eighth of what the TypeScript library takes.
 */
import { PUBLIC_KEY_BYTES, SIGNATURE_BYTES } from "../protocol/messages.ts";
import { CryptoError, type CryptoErrorCode } from "./crypto-error.ts";
import { isInfinity, type SignatureScheme } from "./signature-scheme.ts";

/** The part of the package that is used; it takes lists of bytes as plain arrays. */
export interface WasmBlsFunctions {
  bls12381_min_pk_aggregate(signatures: readonly (readonly number[])[]): Uint8Array;
  bls12381_min_pk_verify_aggregate(
    publicKeys: readonly (readonly number[])[],
    message: Uint8Array,
    signature: Uint8Array,
  ): boolean;
}

export function createWasmSignatures(wasm: WasmBlsFunctions): SignatureScheme {
  return {
    aggregate(signatures) {
      if (signatures.length === 0) {
        throw new CryptoError("NOTHING_TO_AGGREGATE", "no signatures to aggregate");
      }
      for (const signature of signatures) {
        checkForm(signature, SIGNATURE_BYTES, "INVALID_SIGNATURE", "signature");
      }
      return refusing("INVALID_SIGNATURE", "one of the signatures is no point of the group", () =>
        wasm.bls12381_min_pk_aggregate(signatures.map((each) => Array.from(each))),
      );
    },
    verifyAggregate(message, signature, publicKeys) {
      for (const key of publicKeys) checkForm(key, PUBLIC_KEY_BYTES, "INVALID_PUBLIC_KEY", "public key");
      if (publicKeys.length === 0 || signature.length !== SIGNATURE_BYTES || isInfinity(signature))
        return false;
      const keys = publicKeys.map((each) => Array.from(each));
      // Only the keys are left to be refused: a signature that cannot be read does not hold.
      if (!isSignature(signature)) return false;
      return refusing("INVALID_PUBLIC_KEY", "one of the public keys is no point of the group", () =>
        wasm.bls12381_min_pk_verify_aggregate(keys, message, signature),
      );
    },
  };

  function isSignature(bytes: Uint8Array): boolean {
    try {
      wasm.bls12381_min_pk_aggregate([Array.from(bytes)]);
      return true;
    } catch (error) {
      if (error instanceof WebAssembly.RuntimeError) throw error;
      return false;
    }
  }
}

function checkForm(bytes: Uint8Array, byteLength: number, code: CryptoErrorCode, what: string): void {
  if (bytes.length !== byteLength) {
    throw new CryptoError(code, `a ${what} has ${byteLength} bytes, this has ${bytes.length}`, {
      details: { bytes: bytes.length, expectedBytes: byteLength },
    });
  }
  if (isInfinity(bytes)) throw new CryptoError(code, `the point at infinity is no valid ${what}`);
}

function refusing<T>(code: CryptoErrorCode, message: string, call: () => T): T {
  try {
    return call();
  } catch (cause) {
    // A trap says nothing about the bytes.
    if (cause instanceof WebAssembly.RuntimeError) throw cause;
    throw new CryptoError(code, message, { cause });
  }
}
