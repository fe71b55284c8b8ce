/** `GET` and `HEAD /v1/blobs/{blob_id}`: parse, call, format. */

import { withDeadline } from "../../shared/base/deadline.ts";
import { FloeError } from "../../shared/base/errors.ts";
import type { BlobId } from "../../shared/protocol/ids.ts";
import type { VerifiedMetadata } from "../../shared/protocol/metadata.ts";
import { EDGE_LIMITS } from "../base/limits.ts";
import { fetchMetadata } from "../read/fetch-metadata.ts";
import { readCommittee } from "../read/locate.ts";
import type { ReadPorts } from "../read/ports.ts";
import { type ByteRange, parseRange } from "../read/range.ts";
import { checkPaddingRows, readBlob } from "../read/read-blob.ts";
import { readStrictly } from "../read/read-strictly.ts";
import { parsePathBlobId } from "./path-blob-id.ts";
import { parseReadQuery } from "./query.ts";
import { blobEtag, blobHeaders, matchesEtag } from "./response-headers.ts";

/** @throws EdgeError for everything that goes wrong before the first byte; later the body is cut off */
export async function getBlob(request: Request, blobIdText: string, services: ReadPorts): Promise<Response> {
  const blobId = parsePathBlobId(blobIdText);
  const consistency = parseReadQuery(new URL(request.url));
  const committee = await readCommittee(services, blobId);
  const metadata = await fetchMetadata(services, committee, blobId);
  const headers = blobHeaders(request, blobId);
  if (matchesEtag(request.headers.get("if-none-match"), blobId)) {
    headers.delete("content-type");
    return new Response(null, { status: 304, headers });
  }
  const size = metadata.unencodedLength;
  const partial = requestedRange(request, metadata);
  const range = partial ?? { start: 0, end: size };
  const length = range.end - range.start;
  const status = partial === undefined ? 200 : 206;
  if (partial !== undefined) headers.set("content-range", `bytes ${range.start}-${range.end - 1}/${size}`);
  headers.set("content-length", String(length));
  if (request.method === "HEAD") return new Response(null, { status, headers });

  // As upstream, a range read checks only what it reads.
  if (partial === undefined && consistency === "default") checkPaddingRows(services, metadata);
  const { signal } = request;
  const pieces =
    partial === undefined && consistency === "strict"
      ? readStrictly(services, committee, metadata, signal)
      : readBlob(services, committee, metadata, range, signal);
  const first = await pieces.next();
  if (first.done) return new Response(new Uint8Array(0), { status, headers });
  return new Response(stream(first.value, pieces, length, services, blobId), { status, headers });
}

/** A body of exactly `length` bytes; a failure on the way breaks the connection instead of ending the body. */
function stream(
  first: Uint8Array,
  rest: AsyncGenerator<Uint8Array, void, undefined>,
  length: number,
  services: ReadPorts,
  blobId: BlobId,
): ReadableStream {
  const { readable, writable } = new FixedLengthStream(length);
  const writer = writable.getWriter();
  // Memory is held for this client: one that takes nothing is not waited for.
  const take = (piece: Uint8Array): Promise<void> =>
    withDeadline(
      services.transport.clock,
      EDGE_LIMITS.clientGraceMs + Math.ceil((piece.length / EDGE_LIMITS.clientBytesPerSecond) * 1000),
      undefined,
      () => new FloeError("CLIENT_TOO_SLOW", `took less than ${piece.length} bytes`),
      () => writer.write(piece),
    );
  const pump = async (): Promise<void> => {
    try {
      // Awaiting each write is the backpressure: nothing is fetched far ahead of a slow client.
      await take(first);
      for await (const piece of rest) await take(piece);
      await writer.close();
    } catch (error) {
      services.log("read-cut-off", { blobId, code: error instanceof FloeError ? error.code : "CLIENT_GONE" });
      // The memory of the read is given back first: a client that takes nothing may hold up the rest.
      await rest.return(undefined);
      await writer.abort(error).catch(() => {}); // The client may have left first; then nothing is left to abort.
    }
  };
  services.waitUntil(pump());
  return readable;
}

function requestedRange(request: Request, metadata: VerifiedMetadata): ByteRange | undefined {
  const header = request.headers.get("range");
  if (header === null) return undefined;
  // A range of another version of the resource must not be mixed into this one; weak tags never match here.
  const ifRange = request.headers.get("if-range");
  if (ifRange !== null && ifRange !== blobEtag(metadata.blobId)) return undefined;
  return parseRange(header, metadata.unencodedLength);
}
