/**
 * What the codec benchmark times, as pairs of functions over the same bytes: ours and the official WASM package's.
 *
 * Runs in Node and in workerd alike, so it reads no clock: the caller times the calls.
 */

import { type Codec, CodecError } from "../shared/codec/codec.ts";
import type { WasmBlsFunctions } from "../shared/crypto/wasm-signatures.ts";
import type { SliverPairIndex } from "../shared/protocol/ids.ts";
import { type BlobLayout, blobLayout, sliverBytes } from "../shared/protocol/sizes.ts";
import { parseSliver, serializedSliverBytes, type VerifiedSliver } from "../shared/protocol/sliver.ts";
import { type ConfirmationStep, prepareConfirmations } from "./codec-bls.ts";
import type { PreparedCase } from "./prepared-case.ts";

export type CodecOp = "metadata" | "encode" | "decode" | "verify" | "bls";
/** Which systematic primary slivers a reader lacks. */
export type Missing = "none" | "half" | "all";

export interface CodecCase {
  readonly op: CodecOp;
  readonly n: number;
  readonly size: number;
  readonly missing?: Missing;
  /** Slivers verified at a time. */
  readonly batch?: number;
  /** Of confirmations: what is timed. */
  readonly step?: ConfirmationStep;
}

/** The part of `@mysten/walrus-wasm`'s BlobEncoder that is timed; its package types these as `any`. */
export interface OfficialEncoder {
  compute_metadata(blob: Uint8Array): unknown;
  encode(blob: Uint8Array, primary: Uint8Array[], secondary: Uint8Array[]): unknown;
  decode(blobId: Uint8Array, size: bigint, slivers: Uint8Array[], target: Uint8Array): void;
}

export interface Contenders {
  readonly codec: Codec;
  readonly official: (n: number) => OfficialEncoder;
  readonly officialBls: WasmBlsFunctions;
}

const VERIFIED_SLIVERS = 32;

/** Pseudo-random bytes, the same on every run (xorshift32). */
export function benchBytes(size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  let x = 0x9e3779b9 | 0;
  for (let i = 0; i < size; i++) {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    bytes[i] = x >>> 11;
  }
  return bytes;
}

/** Makes inputs; nothing of it is timed. Slivers to read are encoded by us and compared by tests elsewhere. */
export function prepareCase(contenders: Contenders, each: CodecCase): PreparedCase {
  const { codec } = contenders;
  if (each.op === "bls") return prepareConfirmations(contenders.officialBls, each.step ?? "from bytes");
  const blob = benchBytes(each.size);
  const official = contenders.official(each.n);
  const layout = blobLayout(each.n, each.size);
  switch (each.op) {
    case "metadata":
      return {
        ours: () => {
          const encoder = codec.openEncoder(each.n, blob.length);
          encoder.write(blob);
          encoder.metadata();
          encoder.release();
        },
        anchor: () => official.compute_metadata(blob),
        perCall: 1,
      };
    case "encode":
      return {
        ours: () => encodeAll(codec, each.n, blob),
        anchor: () => {
          const buffers = (bytes: number) => Array.from({ length: each.n }, () => new Uint8Array(bytes));
          official.encode(
            blob,
            buffers(serializedSliverBytes(sliverBytes(layout, "primary"))),
            buffers(serializedSliverBytes(sliverBytes(layout, "secondary"))),
          );
        },
        perCall: 1,
      };
    case "decode":
      return decodeCase(codec, official, each, layout, blob);
    case "verify":
      return verifyCase(codec, each, blob);
  }
}

function encodeAll(codec: Codec, n: number, blob: Uint8Array) {
  const encoder = codec.openEncoder(n, blob.length);
  encoder.write(blob);
  const pairs = encoder.slivers(Array.from({ length: n }, (_, i) => i as SliverPairIndex));
  const metadata = encoder.metadata();
  encoder.release();
  return { metadata, pairs };
}

function decodeCase(
  codec: Codec,
  official: OfficialEncoder,
  { n, size, missing }: CodecCase,
  layout: BlobLayout,
  blob: Uint8Array,
): PreparedCase {
  const { metadata, pairs } = encodeAll(codec, n, blob);
  const p = layout.primarySourceSymbols;
  const lost = missing === "all" ? p : missing === "half" ? p >> 1 : 0;
  const held = [...pairs.slice(0, p - lost), ...pairs.slice(p, p + lost)].map(({ primary }) => primary);
  const blobId = Uint8Array.from(atob(base64(metadata.blobId)), (character) => character.charCodeAt(0));
  const target = new Uint8Array(size);
  return {
    ours: () => {
      const decoder = codec.openDecoder(metadata, "primary");
      for (const bytes of held) {
        // The official decoder takes slivers unverified as well.
        decoder.add({ ...parseSliver(bytes, bytes.length), axis: "primary" } as unknown as VerifiedSliver);
      }
      decoder.blob();
      decoder.release();
    },
    anchor: () => official.decode(blobId, BigInt(size), held, target),
    perCall: 1,
  };
}

const base64 = (text: string): string => text.replaceAll("-", "+").replaceAll("_", "/");

function verifyCase(codec: Codec, { n, batch = 1 }: CodecCase, blob: Uint8Array): PreparedCase {
  const { metadata, pairs } = encodeAll(codec, n, blob);
  const slivers = pairs.slice(0, VERIFIED_SLIVERS).map(({ pair, primary }) => ({
    axis: "primary" as const,
    pair,
    sliver: parseSliver(primary, primary.length),
  }));
  return {
    ours: () => {
      for (let first = 0; first < slivers.length; first += batch) {
        for (const result of codec.verifySlivers(metadata, slivers.slice(first, first + batch))) {
          if (result instanceof CodecError) throw result;
        }
      }
    },
    anchor: undefined,
    perCall: slivers.length,
  };
}
