/**
 * RedStuff with the SIMD kernels: the codec of edge and storage nodes.
 *
 * Same results and same errors as the TypeScript codec (`reference-codec.ts`), which stays its oracle. Memory is that
 * of the kernels' instances, pooled and bounded (`kernel-pool.ts`): an encoder or decoder holds one from opening to
 * release; single slivers and symbols borrow one within a call.
 */
import { equalBytes } from "../base/bytes.ts";
import { ProtocolError } from "../base/errors.ts";
import { AXES, type Axis, type BlobId, sliverPairIndex } from "../protocol/ids.ts";
import { type BlobMetadata, HASH_BYTES, sliverHash, type VerifiedMetadata } from "../protocol/metadata.ts";
import { blobLayout, sliverBytes } from "../protocol/sizes.ts";
import type { VerifiedSliver } from "../protocol/sliver.ts";
import { computeBlobId } from "./blob-id.ts";
import { type BlobDecoder, type Codec, CodecError, type SliverToVerify } from "./codec.ts";
import { metadataScratchBytes, planEncoder } from "./kernel-arena.ts";
import type { ColumnBlock } from "./kernel-columns.ts";
import { KernelDecoder, planBlobDecoder } from "./kernel-decoder.ts";
import { KernelEncoder } from "./kernel-encoder.ts";
import { ARENA } from "./kernel-exports.ts";
import { metadataFromBlocks, rootOfPairs } from "./kernel-metadata.ts";
import { KernelPool } from "./kernel-pool.ts";
import { KernelSliverMath, sliverBatch } from "./kernel-slivers.ts";
import { CODEC_LIMITS } from "./limits.ts";
import { checkSliverForm, checkSliverRoot } from "./sliver-check.ts";
import { checkInconsistencyProof, checkSymbol, makeSymbol, recoverFromSymbols } from "./symbol-proofs.ts";

export interface KernelCodecOptions {
  /** Compiled from `build/kernels`; the composition root chooses the variant its runtime can compile. */
  readonly module: WebAssembly.Module;
  /** Bytes that all instances may have together, in use or idle; `CODEC_LIMITS.codecBytes` by default. */
  readonly maxMemoryBytes?: number;
}

export interface KernelCodec extends Codec {
  openEncoder(nShards: number, unencodedLength: number): KernelEncoder;
  /** Metadata of a blob whose column blocks were hashed elsewhere (`KernelEncoder.columnBlock`). */
  combineColumnBlocks(
    nShards: number,
    unencodedLength: number,
    blocks: readonly ColumnBlock[],
  ): VerifiedMetadata;
  /** Bytes of all instances, idle ones included. */
  readonly heldBytes: number;
  /** Bytes held beyond what open encoders and decoders asked for. */
  readonly spareBytes: number;
  /** Gives up idle instances. */
  dropIdle(): void;
}

/** A codec with its own pool of kernel instances. */
export function createKernelCodec(options: KernelCodecOptions): KernelCodec {
  const pool = new KernelPool(options.module, options.maxMemoryBytes ?? CODEC_LIMITS.codecBytes);
  const math = new KernelSliverMath(pool);

  function openEncoder(nShards: number, unencodedLength: number): KernelEncoder {
    const layout = blobLayout(nShards, unencodedLength);
    return new KernelEncoder(layout, pool.lease(planEncoder(layout).bytes));
  }

  function openDecoder(metadata: VerifiedMetadata, axis: Axis): BlobDecoder {
    const layout = blobLayout(metadata.nShards, metadata.unencodedLength);
    return new KernelDecoder(layout, axis, pool.lease(planBlobDecoder(layout, axis).bytes));
  }

  function verifyMetadata(metadata: BlobMetadata, blobId: BlobId, nShards: number): VerifiedMetadata {
    const { unencodedLength, hashes } = metadata;
    if (metadata.nShards !== nShards || hashes.length !== 2 * HASH_BYTES * nShards) {
      const message = `metadata of ${metadata.nShards} shards; there are ${nShards}`;
      throw new ProtocolError("INVALID_METADATA", message, {
        details: { nShards, metadataShards: metadata.nShards, hashBytes: hashes.length },
      });
    }
    blobLayout(nShards, unencodedLength);
    const lease = pool.lease(ARENA + metadataScratchBytes(nShards, 1));
    try {
      lease.kernel.leafTableAt = 0;
      const computed = computeBlobId(rootOfPairs(lease.kernel, ARENA, hashes), unencodedLength);
      if (computed !== blobId) {
        throw new CodecError("BLOB_ID_MISMATCH", `metadata hashes to blob ID ${computed}, not ${blobId}`, {
          details: { computed, claimed: blobId, nShards },
        });
      }
    } finally {
      lease.release();
    }
    // The brand stands for the comparison above; the copy keeps later writes to the caller's bytes out.
    return { nShards, unencodedLength, hashes: hashes.slice(), blobId } as VerifiedMetadata;
  }

  function verifySlivers(
    metadata: VerifiedMetadata,
    slivers: readonly SliverToVerify[],
  ): (VerifiedSliver | CodecError)[] {
    const layout = blobLayout(metadata.nShards, metadata.unencodedLength);
    const results: (VerifiedSliver | CodecError | undefined)[] = slivers.map((sliver) =>
      checkSliverForm(metadata, sliver),
    );
    for (const axis of AXES) {
      const open = slivers.flatMap((sliver, i) =>
        sliver.axis === axis && results[i] === undefined ? [{ sliver, i }] : [],
      );
      const data = open.map(({ sliver }) => sliver.sliver.data);
      const roots = math.roots(layout, axis, data, layout.symbolBytes);
      open.forEach(({ sliver, i }, k) => {
        results[i] = checkSliverRoot(metadata, sliver, roots[k] ?? new Uint8Array());
      });
    }
    // Every sliver has an axis, so every result is set.
    return results as (VerifiedSliver | CodecError)[];
  }

  /** The default consistency check: every source row of the zero-padded blob has the root the metadata says. */
  function checkSystematicSlivers(metadata: VerifiedMetadata, blob: Uint8Array): void {
    const layout = blobLayout(metadata.nShards, blob.length);
    const { primarySourceSymbols: p, symbolBytes } = layout;
    const rowBytes = sliverBytes(layout, "primary");
    const batch = sliverBatch(rowBytes);
    for (let first = 0; first < p; first += batch) {
      const rows = Array.from({ length: Math.min(batch, p - first) }, (_, i) =>
        paddedRow(blob, first + i, rowBytes),
      );
      math.roots(layout, "primary", rows, symbolBytes).forEach((root, i) => {
        const pair = sliverPairIndex(first + i, metadata.nShards);
        if (!equalBytes(root, sliverHash(metadata, pair, "primary"))) {
          throw inconsistent(`source row ${pair} has another root than the metadata says`, {
            sliverIndex: pair,
          });
        }
      });
    }
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

  function combineColumnBlocks(
    nShards: number,
    unencodedLength: number,
    blocks: readonly ColumnBlock[],
  ): VerifiedMetadata {
    blobLayout(nShards, unencodedLength);
    const nodes = Math.ceil(nShards / (blocks[0]?.nodeColumns ?? 1));
    const lease = pool.lease(ARENA + metadataScratchBytes(nShards, nodes));
    try {
      lease.kernel.leafTableAt = 0;
      return metadataFromBlocks(lease.kernel, ARENA, nShards, unencodedLength, blocks);
    } finally {
      lease.release();
    }
  }

  return {
    encoderBytes: (nShards, unencodedLength) => planEncoder(blobLayout(nShards, unencodedLength)).bytes,
    decoderBytes: (nShards, unencodedLength) => {
      const layout = blobLayout(nShards, unencodedLength);
      return Math.max(...AXES.map((axis) => planBlobDecoder(layout, axis).bytes));
    },
    openEncoder,
    openDecoder,
    verifyMetadata,
    verifySlivers,
    symbolWithProof: (metadata, sliver, index) => makeSymbol(metadata, sliver, index, math),
    verifySymbol: (metadata, symbol, target) => checkSymbol(metadata, symbol, target, math),
    recoverSliver: (metadata, target, symbols) => recoverFromSymbols(metadata, target, symbols, math),
    verifyInconsistencyProof: (metadata, proof) => checkInconsistencyProof(metadata, proof, math),
    verifyBlob,
    combineColumnBlocks,
    dropIdle: () => pool.dropIdle(),
    get spareBytes() {
      return pool.spareBytes;
    },
    get heldBytes() {
      return pool.heldBytes;
    },
  };
}

/** Row `index` of the zero-padded blob; a view unless it is padded. */
function paddedRow(blob: Uint8Array, index: number, rowBytes: number): Uint8Array {
  const row = blob.subarray(index * rowBytes, (index + 1) * rowBytes);
  if (row.length === rowBytes) return row;
  const padded = new Uint8Array(rowBytes);
  padded.set(row);
  return padded;
}

function inconsistent(message: string, details: Record<string, string | number>): CodecError {
  return new CodecError("INCONSISTENT_ENCODING", message, { details });
}
