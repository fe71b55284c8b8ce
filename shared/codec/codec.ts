/**
 * What the rest of Floe knows of RedStuff. Two implementations: the readable TypeScript codec, which stays for ever
 * as the oracle, and SIMD kernels. Both are synchronous, and both own their memory:
 *
 * - input bytes are **copied in**; the caller may reuse its buffer as soon as a call returns;
 * - output bytes are **owned by the caller**: never a view of codec memory, safe to keep or hand to `fetch`;
 * - memory is asked for up front (`encoderBytes`, `decoderBytes`) so that an isolate can admit or refuse a job
 *   before it reads a body, and is held from `openEncoder`/`openDecoder` until `release()`.
 *
 * After `release()` every other method of an encoder or decoder throws `CodecError` `RELEASED`; releasing again does
 * nothing, so it may stand in a `finally`.
 */
import { FloeError } from "../base/errors.ts";
import type { Axis, BlobId, SliverIndex, SliverPairIndex } from "../protocol/ids.ts";
import type { BlobMetadata, VerifiedMetadata } from "../protocol/metadata.ts";
import type { InconsistencyProof, RecoverySymbol } from "../protocol/recovery-symbol.ts";
import type { Sliver, VerifiedSliver } from "../protocol/sliver.ts";

export type CodecErrorCode =
  /** Bytes written and declared length differ. */
  | "LENGTH_MISMATCH"
  /** Recomputed blob ID differs from the claimed one. */
  | "BLOB_ID_MISMATCH"
  /** A sliver's index, length, symbol size or Merkle root does not fit the metadata. */
  | "SLIVER_MISMATCH"
  /** A symbol's indices, length or Merkle proof do not fit the metadata. */
  | "SYMBOL_MISMATCH"
  | "TOO_FEW_SLIVERS"
  | "TOO_FEW_SYMBOLS"
  /** The same sliver index twice with different bytes. */
  | "CONTRADICTORY_SLIVERS"
  /** Verified symbols decode to a sliver whose root differs: the blob was encoded inconsistently. */
  | "INCONSISTENT_ENCODING"
  | "INVALID_INCONSISTENCY_PROOF"
  /** The job needs more memory than the codec may hold now; retryable. */
  | "OUT_OF_CODEC_MEMORY"
  | "RELEASED";

export class CodecError extends FloeError<CodecErrorCode> {}

/** One sliver pair, serialised for the storage node's PUT route (`shared/protocol/sliver.ts`). */
export interface EncodedPair {
  readonly pair: SliverPairIndex;
  readonly primary: Uint8Array;
  readonly secondary: Uint8Array;
}

/** Encodes one blob. Order of calls: `write`* (all bytes), then `metadata` and `slivers` in any order, `release`. */
export interface BlobEncoder {
  readonly nShards: number;
  readonly unencodedLength: number;
  /** Appends blob bytes. @throws CodecError `LENGTH_MISMATCH` beyond the declared length */
  write(chunk: Uint8Array): void;
  /**
   * All sliver hashes and the blob ID; computed once. Cost at n shards: n^2 leaf hashes and about 2 n^2 inner
   * hashes, whatever the blob's size. @throws CodecError `LENGTH_MISMATCH` before all bytes are written
   */
  metadata(): VerifiedMetadata;
  /**
   * The slivers of just these pairs, generated on demand; needs no hashing and may be called again for other pairs.
   * Memory on top of the encoder's: the returned bytes. @throws CodecError `LENGTH_MISMATCH` as above
   */
  slivers(pairs: readonly SliverPairIndex[]): EncodedPair[];
  /** An owned copy of the blob's bytes `from <= i < to`. @throws CodecError `LENGTH_MISMATCH` as above */
  source(from: number, to: number): Uint8Array;
  release(): void;
}

/** Rebuilds a blob from any `sliversToDecode` verified slivers of one axis. */
export interface BlobDecoder {
  /** Copies a sliver in. @returns slivers still needed; an index already held is ignored */
  add(sliver: VerifiedSliver): number;
  /**
   * The blob. Does **not** check consistency: data whose systematic slivers were not individually verified must go
   * through `verifyBlob`. @throws CodecError `TOO_FEW_SLIVERS` with have/need
   */
  blob(): Uint8Array;
  /**
   * Source rows (systematic primary slivers) `from <= r < to` of the blob, decoded; zero-padded at the blob's end.
   * Decoding is done once for all rows, so asking row by row costs no more than asking for all of them.
   * @throws CodecError `TOO_FEW_SLIVERS` unless these rows are held as systematic primary slivers already
   */
  rows(from: number, to: number): Uint8Array;
  release(): void;
}

export interface SliverToVerify {
  readonly axis: Axis;
  readonly pair: SliverPairIndex;
  readonly sliver: Sliver;
}

export interface Codec {
  /** Memory an encoder of this size holds, in bytes. */
  encoderBytes(nShards: number, unencodedLength: number): number;
  /** Memory a decoder of this size holds, in bytes. */
  decoderBytes(nShards: number, unencodedLength: number): number;

  /** @throws ProtocolError `BLOB_TOO_LARGE`, `UNSUPPORTED_SHARD_COUNT`; CodecError `OUT_OF_CODEC_MEMORY` */
  openEncoder(nShards: number, unencodedLength: number): BlobEncoder;
  openDecoder(metadata: VerifiedMetadata, axis: Axis): BlobDecoder;

  /** @throws CodecError `BLOB_ID_MISMATCH`; ProtocolError `INVALID_METADATA` when made for another n */
  verifyMetadata(metadata: BlobMetadata, blobId: BlobId, nShards: number): VerifiedMetadata;

  /**
   * Checks slivers against metadata: index, length, symbol size, then Merkle root of the expanded sliver.
   * @returns one result per sliver, in order; a `VerifiedSliver` shares its data with the input sliver
   */
  verifySlivers(
    metadata: VerifiedMetadata,
    slivers: readonly SliverToVerify[],
  ): (VerifiedSliver | CodecError)[];

  /** The symbol of a stored sliver at `targetIndex` of the other axis, with its proof. */
  symbolWithProof(
    metadata: VerifiedMetadata,
    sliver: VerifiedSliver,
    targetIndex: SliverIndex,
  ): RecoverySymbol;

  /** @throws CodecError `SYMBOL_MISMATCH` unless the symbol recovers sliver `target` and its proof holds */
  verifySymbol(
    metadata: VerifiedMetadata,
    symbol: RecoverySymbol,
    target: { readonly axis: Axis; readonly index: SliverIndex },
  ): void;

  /**
   * Rebuilds one sliver from verified symbols (at least the source symbols of its code, distinct positions).
   * @throws CodecError `TOO_FEW_SYMBOLS`, or `INCONSISTENT_ENCODING` when the rebuilt sliver's root differs
   */
  recoverSliver(
    metadata: VerifiedMetadata,
    target: { readonly axis: Axis; readonly index: SliverIndex },
    symbols: readonly RecoverySymbol[],
  ): VerifiedSliver;

  /** Accepts a proof that the encoding is inconsistent. @throws CodecError `INVALID_INCONSISTENCY_PROOF` */
  verifyInconsistencyProof(metadata: VerifiedMetadata, proof: InconsistencyProof): void;

  /**
   * Consistency of decoded bytes. `default` checks the systematic primary slivers against the metadata; `strict`
   * re-encodes and compares the blob ID. @throws CodecError `INCONSISTENT_ENCODING`
   */
  verifyBlob(metadata: VerifiedMetadata, blob: Uint8Array, level: "default" | "strict"): void;
}
