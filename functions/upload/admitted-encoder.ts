/** An encoder and the memory admitted for its upload, which are given back together. */

import type { BlobEncoder, Codec } from "../../shared/codec/codec.ts";
import type { HeldMemory } from "../base/isolate-memory.ts";
import type { EncoderPorts } from "./ports.ts";
import { type UploadMemory, uploadMemory, uploadRequests } from "./upload-memory.ts";

export interface AdmittedEncoder extends BlobEncoder {
  /** Admitted for slivers outside the encoder, their copies in lanes included. */
  readonly sliverBytes: number;
}

/** An empty encoder with the memory of its whole upload. @throws MemoryError; nothing is held then */
export async function admitEncoder(
  services: EncoderPorts,
  nShards: number,
  unencodedLength: number,
): Promise<AdmittedEncoder> {
  const { codec, memory } = services;
  services.carrier.expect(uploadRequests(nShards));
  const need = uploadMemory(services, nShards, unencodedLength);
  const held = await memory.hold(need.totalBytes);
  try {
    return openAdmitted(codec, nShards, unencodedLength, held, need);
  } catch (error) {
    held.release();
    throw error;
  }
}

/**
 * Opens an encoder in memory that is held already. Releasing either releases both; so does the isolate, when it takes
 * back the memory of a request that the platform has ended.
 */
export function openAdmitted(
  codec: Codec,
  nShards: number,
  unencodedLength: number,
  held: HeldMemory,
  { sliverBytes }: UploadMemory,
): AdmittedEncoder {
  const encoder = codec.openEncoder(nShards, unencodedLength);
  held.onRelease(() => encoder.release());
  return {
    nShards,
    unencodedLength,
    sliverBytes,
    write: (chunk) => encoder.write(chunk),
    metadata: () => encoder.metadata(),
    slivers: (pairs) => encoder.slivers(pairs),
    source: (from, to) => encoder.source(from, to),
    release: () => held.release(),
  };
}
