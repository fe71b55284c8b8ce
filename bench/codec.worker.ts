/**
 * The codec benchmark inside workerd. Its clock stands still while code runs, so the caller times whole requests:
 * `POST /prepare` with a case, then `POST /run/ours?times=N` or `/run/anchor?times=N`; `/idle` does nothing.
 */

import * as walrusWasm from "@mysten/walrus-wasm";
import walrusModule from "@mysten/walrus-wasm/web/walrus_wasm_bg.wasm";
import kernels from "../build/kernels/floe-relaxed.wasm";
import { createKernelCodec } from "../shared/codec/kernel-codec.ts";
import type { WasmBlsFunctions } from "../shared/crypto/wasm-signatures.ts";
import { type CodecCase, type Contenders, type OfficialEncoder, prepareCase } from "./codec-cases.ts";
import type { PreparedCase } from "./prepared-case.ts";

const MAX_MEMORY_BYTES = 512 * 1024 * 1024;

// The package's types describe its Node build; bundlers for Workers take the web build, which must be initialised.
const officialBls = walrusWasm as unknown as WasmBlsFunctions;
const { initSync, BlobEncoder } = walrusWasm as unknown as {
  initSync(options: { module: WebAssembly.Module }): void;
  BlobEncoder: new (n: number) => OfficialEncoder;
};
const contenders: Omit<Contenders, "codec"> = { official: (n) => new BlobEncoder(n), officialBls };
let isInitialised = false;
const codec = createKernelCodec({ module: kernels, maxMemoryBytes: MAX_MEMORY_BYTES });
let prepared: PreparedCase | undefined;

export default {
  async fetch(request: Request): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url);
    if (!isInitialised) initSync({ module: walrusModule });
    isInitialised = true;
    if (pathname === "/prepare") {
      prepared = prepareCase({ codec, ...contenders }, await request.json<CodecCase>());
      return Response.json({ perCall: prepared.perCall, hasAnchor: prepared.anchor !== undefined });
    }
    const side =
      pathname === "/run/ours" ? prepared?.ours : pathname === "/run/anchor" ? prepared?.anchor : undefined;
    if (side !== undefined) for (let i = 0; i < Number(searchParams.get("times")); i++) side();
    return Response.json({ heldBytes: codec.heldBytes });
  },
} satisfies ExportedHandler;
