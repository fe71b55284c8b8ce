// If this fails, a node of the embedded network stores bytes that it never checked, because another one checked others.
import { expect, test } from "vitest";
import { SharedChecks } from "../../../localnet/storage-node/checks.ts";
import { CodecError } from "../../../shared/codec/codec.ts";
import { createReferenceCodec } from "../../../shared/codec/reference-codec.ts";
import type { SliverPairIndex } from "../../../shared/protocol/ids.ts";
import { parseBlobMetadata } from "../../../shared/protocol/metadata.ts";
import { parseSliver } from "../../../shared/protocol/sliver.ts";
import { encodeBlob, N_SHARDS, type TestBlob } from "../../support/nodes/lone-node.ts";

const codec = createReferenceCodec();
const blobs = Array.from({ length: 20 }, (_, i) => encodeBlob(new Uint8Array(50).fill(i)));
const [blob, other] = blobs as [TestBlob, TestBlob];
const verified = ({ metadata, blobId }: TestBlob) =>
  codec.verifyMetadata(parseBlobMetadata(metadata), blobId, N_SHARDS);

test("metadata is known by all of its bytes and for its own blob alone", () => {
  const checks = SharedChecks.of(createReferenceCodec());
  const bytes = blob.metadata.slice();
  expect(checks.knownMetadata(bytes, blob.blobId, N_SHARDS)).toBeUndefined();
  const metadata = verified(blob);
  checks.keepMetadata(bytes, metadata);
  expect(checks.knownMetadata(blob.metadata, blob.blobId, N_SHARDS)).toBe(metadata);
  expect(checks.knownMetadata(blob.metadata, other.blobId, N_SHARDS)).toBeUndefined();
  expect(checks.knownMetadata(blob.metadata, blob.blobId, N_SHARDS + 1)).toBeUndefined();
  const last = blob.metadata.length - 1;
  expect(checks.knownMetadata(blob.metadata.with(last, 1), blob.blobId, N_SHARDS)).toBeUndefined();
  expect(checks.knownMetadata(blob.metadata.subarray(0, last), blob.blobId, N_SHARDS)).toBeUndefined();
  // The caller's buffer is its own again.
  bytes.fill(0);
  expect(checks.knownMetadata(blob.metadata, blob.blobId, N_SHARDS)).toBe(metadata);
});

test("only the metadata of the last sixteen blobs is kept", () => {
  const checks = SharedChecks.of(createReferenceCodec());
  for (const each of blobs) checks.keepMetadata(each.metadata, verified(each));
  const known = blobs.map((each) => checks.knownMetadata(each.metadata, each.blobId, N_SHARDS) !== undefined);
  expect(known).toEqual(blobs.map((_, i) => i >= 4));
});

test("slivers of several blobs that arrive together each get their own answer", async () => {
  const checks = SharedChecks.of(createReferenceCodec());
  const check = (of: TestBlob, from: TestBlob, pair: number) => {
    const bytes = from.pairs[pair]?.primary ?? new Uint8Array();
    const sliver = parseSliver(bytes, bytes.length);
    return checks.verifySliver(verified(of), { axis: "primary", pair: pair as SliverPairIndex, sliver });
  };
  const results = await Promise.all([
    check(blob, blob, 0),
    check(blob, other, 0),
    check(other, other, 1),
    check(blob, blob, 1),
  ]);
  expect(results.map((result) => !(result instanceof CodecError))).toEqual([true, false, true, true]);
});
