/** The strict consistency check: nothing is sent before the whole blob, encoded again, gives the same blob ID. */
import type { Committee } from "../../shared/protocol/committee.ts";
import type { VerifiedMetadata } from "../../shared/protocol/metadata.ts";
import { EdgeError } from "../edge-error.ts";
import type { Services } from "../services.ts";
import { readBlob } from "./read-blob.ts";

/**
 * @throws EdgeError `BLOB_TOO_LARGE` above what this deployment holds in memory, `INCONSISTENT_BLOB` (by way of
 *   CodecError `INCONSISTENT_ENCODING`), and whatever `readBlob` throws
 * Memory: the blob and an encoder of its size.
 */
export async function readStrictly(
  services: Services,
  committee: Committee,
  metadata: VerifiedMetadata,
): Promise<Uint8Array<ArrayBuffer>> {
  const size = metadata.unencodedLength;
  if (size > services.maxBodyBytes) {
    throw new EdgeError("BLOB_TOO_LARGE", `${services.maxBodyBytes}; the blob has ${size} bytes`, {
      details: { size, limit: services.maxBodyBytes },
    });
  }
  const blob = new Uint8Array(size);
  let offset = 0;
  for await (const piece of readBlob(services, committee, metadata, { start: 0, end: size })) {
    blob.set(piece, offset);
    offset += piece.length;
  }
  services.codec.verifyBlob(metadata, blob, "strict");
  return blob;
}
