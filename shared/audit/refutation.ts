/**
 * A symbol with everything the contract needs to see that it belongs to a blob: the answer to a claim.
 *
 * Beside the symbol it has 32 (2 ceil(log2 n) + 1) bytes of hashes: 672 at n = 1000. The contract takes the symbol with
 * its leaf prefix 00 in front, and 32 zero bytes where a tree has no right sibling. A transaction's argument holds
 * 16,381 bytes, so longer symbols travel in chunks.
 */
import { leafHashes, proofFor, verifyMerkleProof } from "../codec/merkle.ts";
import { otherAxis } from "../protocol/ids.ts";
import { pairOfSliver } from "../protocol/mapping.ts";
import { HASH_BYTES, sliverHash, type VerifiedMetadata } from "../protocol/metadata.ts";
import type { MerkleProof, RecoverySymbol } from "../protocol/recovery-symbol.ts";
import { blobLayout } from "../protocol/sizes.ts";
import { AuditError } from "./audit-error.ts";

/** Pure argument of a Sui transaction: 16 KiB with its length prefix. */
export const MAX_ARGUMENT_BYTES = 16_381;
const LEAF_PREFIX = 0;

/** Arguments of `floe_audit::audit::refute`. */
export interface Refutation {
  /** Leaf prefix and symbol. */
  readonly prefixedSymbol: Uint8Array;
  readonly sliverPath: readonly Uint8Array[];
  /** Root of the pair's sliver of the other axis. */
  readonly otherRoot: Uint8Array;
  readonly pairPath: readonly Uint8Array[];
}

/**
 * @param symbol as a storage node answers it; its proof axis is the audited sliver's
 * @throws AuditError `INVALID_EVIDENCE` when the symbol does not belong to the blob: the contract would refuse it
 * Cost: 3 n hashes.
 */
export function refutationOf(metadata: VerifiedMetadata, symbol: RecoverySymbol): Refutation {
  const { nShards } = metadata;
  const pair = pairOfSliver(symbol.sourceIndex, symbol.proofAxis, nShards);
  const root = sliverHash(metadata, pair, symbol.proofAxis);
  const { symbolBytes } = blobLayout(nShards, metadata.unencodedLength);
  const fits =
    symbol.symbol.length === symbolBytes &&
    verifyMerkleProof(root, symbol.symbol, symbol.targetIndex, nShards, symbol.proof);
  if (!fits) {
    throw new AuditError(
      "INVALID_EVIDENCE",
      `symbol ${symbol.targetIndex} is not of blob ${metadata.blobId}`,
      {
        details: { blobId: metadata.blobId, symbolBytes, pair, targetIndex: symbol.targetIndex },
      },
    );
  }
  const prefixedSymbol = new Uint8Array(1 + symbolBytes);
  prefixedSymbol[0] = LEAF_PREFIX;
  prefixedSymbol.set(symbol.symbol, 1);
  return {
    prefixedSymbol,
    sliverPath: withZeros(symbol.proof),
    otherRoot: sliverHash(metadata, pair, otherAxis(symbol.proofAxis)).slice(),
    pairPath: withZeros(proofFor(leafHashes(metadata.hashes, 2 * HASH_BYTES), nShards, pair)),
  };
}

const withZeros = (proof: MerkleProof): Uint8Array[] =>
  proof.map((sibling) => sibling ?? new Uint8Array(HASH_BYTES));

/** The symbol in pieces that fit transaction arguments, in order. */
export function argumentChunks(prefixedSymbol: Uint8Array): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  for (let at = 0; at < prefixedSymbol.length; at += MAX_ARGUMENT_BYTES) {
    chunks.push(prefixedSymbol.subarray(at, at + MAX_ARGUMENT_BYTES));
  }
  return chunks;
}
