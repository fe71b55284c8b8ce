/** What the official encoder (`@mysten/walrus-wasm`) makes of a blob, to compare with. */
import { BlobEncoder } from "@mysten/walrus-wasm";

export interface OfficialEncoding {
  readonly blobId: string;
  readonly rootHash: Uint8Array;
  /** Serialised slivers by sliver pair. */
  readonly primary: readonly Uint8Array[];
  readonly secondary: readonly Uint8Array[];
}

/** @param pairs tell the lengths of the buffers; their contents are not looked at */
export function officialEncoding(
  nShards: number,
  blob: Uint8Array,
  pairs: readonly { readonly primary: Uint8Array; readonly secondary: Uint8Array }[],
): OfficialEncoding {
  const primary = pairs.map((pair) => new Uint8Array(pair.primary.length));
  const secondary = pairs.map((pair) => new Uint8Array(pair.secondary.length));
  // The official encoder is typed as returning anything; it fills the buffers by pair.
  const [metadata, rootHash] = new BlobEncoder(nShards).encode(blob, primary, secondary) as [
    { readonly blob_id: Uint8Array },
    { readonly Digest: Uint8Array },
  ];
  const blobId = Buffer.from(metadata.blob_id).toString("base64url");
  return { blobId, rootHash: new Uint8Array(rootHash.Digest), primary, secondary };
}
