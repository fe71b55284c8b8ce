/** The blob ID in a request's path. */
import { ProtocolError } from "../../shared/base/errors.ts";
import { type BlobId, parseBlobId } from "../../shared/protocol/ids.ts";
import { EdgeError } from "../base/edge-error.ts";

/** The canonical spelling only. @throws EdgeError `INVALID_PATH`; anything but a refused spelling is thrown as it is */
export function parsePathBlobId(text: string): BlobId {
  try {
    return parseBlobId(text);
  } catch (cause) {
    if (!(cause instanceof ProtocolError)) throw cause;
    throw new EdgeError("INVALID_PATH", cause.message, { cause });
  }
}
