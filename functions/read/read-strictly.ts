/** The strict consistency check: nothing is sent before the whole blob, encoded again, gives the same blob ID. */
import type { Committee } from "../../shared/protocol/committee.ts";
import type { VerifiedMetadata } from "../../shared/protocol/metadata.ts";
import { EdgeError } from "../base/edge-error.ts";
import type { ReadPorts } from "./ports.ts";
import { readBlob } from "./read-blob.ts";

/**
 * The blob, in pieces, none of which comes before all of them are proven.
 *
 * @throws EdgeError from the first step: `BLOB_TOO_LARGE` above what this deployment holds in memory,
 *   `INCONSISTENT_BLOB` (by way of CodecError `INCONSISTENT_ENCODING`), MemoryError, and whatever `readBlob` throws
 * Memory: the blob until it is sent, and an encoder of its size until it is checked; admitted before anything is read.
 */
export async function* readStrictly(
  services: ReadPorts,
  committee: Committee,
  metadata: VerifiedMetadata,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  const { codec, memory, maxBodyBytes } = services;
  const size = metadata.unencodedLength;
  if (size > maxBodyBytes) {
    throw new EdgeError("BLOB_TOO_LARGE", `${maxBodyBytes}; the blob has ${size} bytes`, {
      details: { size, limit: maxBodyBytes },
    });
  }
  const encoderBytes = codec.encoderBytes(metadata.nShards, size);
  const held = await memory.hold(size + encoderBytes, { kind: "read", signal });
  try {
    const blob = new Uint8Array(size);
    let offset = 0;
    const pieces = readBlob(services, committee, metadata, { start: 0, end: size }, signal);
    for await (const piece of pieces) {
      blob.set(piece, offset);
      offset += piece.length;
    }
    codec.verifyBlob(metadata, blob, "strict");
    held.shrink(encoderBytes);
    for (let from = 0; from < size; from += PIECE_BYTES) yield blob.subarray(from, from + PIECE_BYTES);
  } finally {
    held.release();
  }
}

const PIECE_BYTES = 256 * 1024;
