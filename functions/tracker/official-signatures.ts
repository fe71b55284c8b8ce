/** The BLS functions of the official package, as a Worker loads them; its engine starts with the first call. */
import * as walrusWasm from "@mysten/walrus-wasm";
import walrusModule from "@mysten/walrus-wasm/web/walrus_wasm_bg.wasm";
import type { SignatureScheme } from "../../shared/crypto/signature-scheme.ts";
import { createWasmSignatures, type WasmBlsFunctions } from "../../shared/crypto/wasm-signatures.ts";

// The package's types describe its Node build; bundlers for Workers take the web build, which must be initialised.
const official = walrusWasm as unknown as WasmBlsFunctions & {
  initSync(options: { module: WebAssembly.Module }): void;
};
const scheme = createWasmSignatures(official);
let isStarted = false;

function started(): SignatureScheme {
  if (!isStarted) official.initSync({ module: walrusModule });
  isStarted = true;
  return scheme;
}

export const officialSignatures: SignatureScheme = {
  aggregate: (signatures) => started().aggregate(signatures),
  verifyAggregate: (message, signature, publicKeys) =>
    started().verifyAggregate(message, signature, publicKeys),
};
