// If this fails, one lying storage node decides what a blob is: every sliver is then checked against its metadata.
import { expect, test } from "vitest";
import { Gate } from "../../../shared/base/gate.ts";
import { createReferenceCodec } from "../../../shared/codec/reference-codec.ts";
import { DirectCarrier } from "../../../shared/node/direct-carrier.ts";
import { fetchVerifiedMetadata, parseVerifiedMetadata } from "../../../shared/node/fetch-metadata.ts";
import { StorageNodeClient } from "../../../shared/node/storage-node-client.ts";
import { serializeBlobMetadataWithId } from "../../../shared/protocol/metadata.ts";
import { encodeBlob, someBlob } from "../../support/codec/encoded-blob.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";

const N = 10;
const codec = createReferenceCodec();
const { metadata } = encodeBlob(N, someBlob(100, 1));
const other = encodeBlob(N, someBlob(100, 2)).metadata;
const ofFewer = encodeBlob(7, someBlob(100, 1)).metadata;
const { blobId } = metadata;
const honest = serializeBlobMetadataWithId(blobId, metadata);

function ask(body: Uint8Array, status = 200) {
  const urls: string[] = [];
  const fetch = async (request: Request): Promise<Response> => {
    urls.push(request.url);
    return new Response(body.slice(), { status, headers: { "content-type": "application/octet-stream" } });
  };
  const randomBytes = (count: number) => new Uint8Array(count);
  const transport = { fetch, clock: new VirtualClock(), randomBytes, gate: new Gate(1) };
  const client = new StorageNodeClient("http://node", "node", new DirectCarrier(transport));
  return { urls, answer: fetchVerifiedMetadata(codec, client, blobId, N, { attempts: 1 }) };
}

test("metadata that the blob ID is a hash of comes back, for one request", async () => {
  const { urls, answer } = ask(honest);
  expect(await answer).toEqual(metadata);
  expect(urls).toEqual([`http://node/v1/blobs/${blobId}/metadata`]);
  expect(parseVerifiedMetadata(codec, honest, blobId, N)).toEqual(metadata);
});

test.each([
  ["another blob's metadata under the blob's ID", serializeBlobMetadataWithId(blobId, other)],
  ["another blob's metadata under its own ID", serializeBlobMetadataWithId(other.blobId, other)],
  ["one changed hash", honest.map((byte, i) => (i === honest.length - 1 ? byte ^ 1 : byte))],
])("%s is a mismatch", async (_, body) => {
  const mismatch = expect.objectContaining({ code: "BLOB_ID_MISMATCH" });
  await expect(ask(body).answer).rejects.toThrow(mismatch);
  expect(() => parseVerifiedMetadata(codec, body, blobId, N)).toThrow(mismatch);
});

test("metadata for another number of shards, and what is no metadata, is told from a mismatch", async () => {
  const fewer = serializeBlobMetadataWithId(blobId, ofFewer);
  await expect(ask(fewer).answer).rejects.toThrow(expect.objectContaining({ code: "INVALID_METADATA" }));
  await expect(ask(honest.subarray(1)).answer).rejects.toThrow(
    expect.objectContaining({ code: "MALFORMED_ANSWER" }),
  );
});

test("a node that does not have it is told from one that fails", async () => {
  const none = new Uint8Array();
  await expect(ask(none, 404).answer).rejects.toThrow(expect.objectContaining({ code: "NOT_FOUND" }));
  await expect(ask(none, 500).answer).rejects.toThrow(expect.objectContaining({ code: "SERVER_ERROR" }));
});
