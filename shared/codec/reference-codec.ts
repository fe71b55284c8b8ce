/**
 * RedStuff in plain TypeScript: the oracle that faster implementations are compared with, and the codec to use where
 * no kernel is injected.
 *
 * Most of the time goes into hashing, n^2 leaves and 2 n^2 inner nodes at 1.7 us a block of 128 bytes. Scratch memory
 * of the stateless operations (at most a few slivers) is not counted against `maxBytes`.
 */
import { equalBytes } from "../base/bytes.ts";
import { ProtocolError } from "../base/errors.ts";
import { type Axis, type BlobId, type SliverPairIndex, sliverPairIndex } from "../protocol/ids.ts";
import { type BlobMetadata, HASH_BYTES, sliverHash, type VerifiedMetadata } from "../protocol/metadata.ts";
import { blobLayout, sliverBytes } from "../protocol/sizes.ts";
import { computeBlobId, metadataRootHash } from "./blob-id.ts";
import { type Codec, CodecError } from "./codec.ts";
import { CodecMemory } from "./codec-memory.ts";
import { CODEC_LIMITS } from "./limits.ts";
import { decoderBytes, ReferenceDecoder } from "./reference-decoder.ts";
import { encoderBytes, ReferenceEncoder } from "./reference-encoder.ts";
import { checkSliver } from "./sliver-check.ts";
import { sliverRoot } from "./sliver-root.ts";
import { checkInconsistencyProof, checkSymbol, makeSymbol, recoverFromSymbols } from "./symbol-proofs.ts";

export interface ReferenceCodecOptions {
  /** Bytes that all open encoders and decoders may hold together; `CODEC_LIMITS.codecBytes` by default. */
  readonly maxBytes?: number;
}

/** A codec with its own memory budget. Any number may exist; they share nothing but constant tables. */
export function createReferenceCodec(options: ReferenceCodecOptions = {}): Codec {
  const memory = new CodecMemory(options.maxBytes ?? CODEC_LIMITS.codecBytes);

  function openEncoder(nShards: number, unencodedLength: number): ReferenceEncoder {
    const layout = blobLayout(nShards, unencodedLength);
    return new ReferenceEncoder(layout, memory.hold(encoderBytes(layout)));
  }

  function openDecoder(metadata: VerifiedMetadata, axis: Axis): ReferenceDecoder {
    const layout = blobLayout(metadata.nShards, metadata.unencodedLength);
    return new ReferenceDecoder(layout, axis, memory.hold(decoderBytes(layout)));
  }

  function verifyBlob(metadata: VerifiedMetadata, blob: Uint8Array, level: "default" | "strict"): void {
    if (blob.length !== metadata.unencodedLength) {
      throw new CodecError("LENGTH_MISMATCH", `${blob.length} of ${metadata.unencodedLength} bytes`, {
        details: { haveBytes: blob.length, declaredBytes: metadata.unencodedLength },
      });
    }
    if (level === "default") {
      checkSystematicSlivers(metadata, blob);
      return;
    }
    const encoder = openEncoder(metadata.nShards, blob.length);
    try {
      encoder.write(blob);
      const { blobId } = encoder.metadata();
      if (blobId !== metadata.blobId) throw inconsistent("the blob encodes to another blob ID", { blobId });
    } finally {
      encoder.release();
    }
  }

  return {
    encoderBytes: (nShards, unencodedLength) => encoderBytes(blobLayout(nShards, unencodedLength)),
    decoderBytes: (nShards, unencodedLength) => decoderBytes(blobLayout(nShards, unencodedLength)),
    openEncoder,
    openDecoder,
    verifyMetadata,
    verifySlivers: (metadata, slivers) => slivers.map((sliver) => checkSliver(metadata, sliver)),
    symbolWithProof: makeSymbol,
    verifySymbol: checkSymbol,
    recoverSliver: recoverFromSymbols,
    verifyInconsistencyProof: checkInconsistencyProof,
    verifyBlob,
  };
}

function verifyMetadata(metadata: BlobMetadata, blobId: BlobId, nShards: number): VerifiedMetadata {
  if (metadata.nShards !== nShards || metadata.hashes.length !== 2 * HASH_BYTES * nShards) {
    throw new ProtocolError(
      "INVALID_METADATA",
      `metadata of ${metadata.nShards} shards; there are ${nShards}`,
      {
        details: { nShards, metadataShards: metadata.nShards, hashBytes: metadata.hashes.length },
      },
    );
  }
  blobLayout(nShards, metadata.unencodedLength);
  const computed = computeBlobId(metadataRootHash(metadata), metadata.unencodedLength);
  if (computed !== blobId) {
    throw new CodecError("BLOB_ID_MISMATCH", `metadata hashes to blob ID ${computed}, not ${blobId}`, {
      details: { computed, claimed: blobId, nShards },
    });
  }
  // The brand stands for the comparison above; the copy keeps later writes to the caller's bytes out.
  return {
    nShards,
    unencodedLength: metadata.unencodedLength,
    hashes: metadata.hashes.slice(),
    blobId,
  } as VerifiedMetadata;
}

/** The default consistency check: every source row of the zero-padded blob has the root the metadata says. */
function checkSystematicSlivers(metadata: VerifiedMetadata, blob: Uint8Array): void {
  const { nShards } = metadata;
  const layout = blobLayout(nShards, blob.length);
  const rowBytes = sliverBytes(layout, "primary");
  const row = new Uint8Array(rowBytes);
  for (let index = 0; index < layout.primarySourceSymbols; index++) {
    row.fill(0);
    row.set(blob.subarray(index * rowBytes, (index + 1) * rowBytes));
    const pair: SliverPairIndex = sliverPairIndex(index, nShards);
    const root = sliverRoot(layout, "primary", row, layout.symbolBytes);
    if (!equalBytes(root, sliverHash(metadata, pair, "primary"))) {
      throw inconsistent(`source row ${index} has another root than the metadata says`, {
        sliverIndex: index,
      });
    }
  }
}

function inconsistent(message: string, details: Record<string, string | number>): CodecError {
  return new CodecError("INCONSISTENT_ENCODING", message, { details });
}
