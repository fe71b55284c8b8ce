/**
 * The record of a round that can no longer be changed: one leaf per draw under one root, published with the report.
 *
 *   leaf = H(00 || canonical JSON of the record)
 *   root = tree over the leaves in (mode, shard, t) order
 *
 * The record's keys: round, mode, shard, t, node, blob, pair, axis ("primary" or "secondary"), symbol, outcome,
 * excuse (null or a word), attempts: list of { kind, started_ms, ms, status, body_hash }. `status` is 0 when no HTTP
 * answer came, `body_hash` the BLAKE2b-256 of the answer's body in hex, null when there was none.
 */
import { foldToRoot, leafHashInto, proofFor, verifyMerkleProof } from "../codec/merkle.ts";
import type { BlobId, ObjectId } from "../protocol/ids.ts";
import { HASH_BYTES } from "../protocol/metadata.ts";
import type { MerkleProof } from "../protocol/recovery-symbol.ts";
import { AuditError } from "./audit-error.ts";
import { canonicalBytes } from "./canonical-json.ts";
import { compareDraws, type DrawKey } from "./selection.ts";
import type { AttemptKind, Excuse, VerdictOutcome } from "./verdict.ts";

export interface EvidenceAttempt {
  readonly kind: AttemptKind;
  readonly startedMs: number;
  readonly ms: number;
  readonly httpStatus: number;
  readonly bodyHash: string | null;
}

export interface EvidenceRecord extends DrawKey {
  readonly round: number;
  readonly node: ObjectId;
  readonly blobId: BlobId;
  readonly pair: number;
  readonly axis: "primary" | "secondary";
  readonly symbol: number;
  readonly outcome: VerdictOutcome;
  readonly excuse: Excuse | null;
  readonly attempts: readonly EvidenceAttempt[];
}

/** The exact bytes that are hashed, and that a ledger keeps and exports. */
export function evidenceBytes(record: EvidenceRecord): Uint8Array {
  return canonicalBytes({
    round: record.round,
    mode: record.mode,
    shard: record.shard,
    t: record.t,
    node: record.node,
    blob: record.blobId,
    pair: record.pair,
    axis: record.axis,
    symbol: record.symbol,
    outcome: record.outcome,
    excuse: record.excuse,
    attempts: record.attempts.map((attempt) => ({
      kind: attempt.kind,
      started_ms: attempt.startedMs,
      ms: attempt.ms,
      status: attempt.httpStatus,
      body_hash: attempt.bodyHash,
    })),
  });
}

export function evidenceLeafHash(leaf: Uint8Array): Uint8Array {
  const hash = new Uint8Array(HASH_BYTES);
  leafHashInto(leaf, 0, leaf.length, hash, 0);
  return hash;
}

/** A round's leaves in their one order, with root and paths. Memory: the leaf bytes and 32 bytes per leaf. */
export class EvidenceTree {
  readonly #keys: readonly DrawKey[];
  readonly #leaves: readonly Uint8Array[];
  readonly #hashes: Uint8Array;

  /** @throws AuditError `INVALID_EVIDENCE` when a draw occurs twice; records may come in any order */
  constructor(records: readonly EvidenceRecord[]) {
    const sorted = [...records].sort(compareDraws);
    sorted.forEach((record, i) => {
      const previous = sorted[i - 1];
      if (previous !== undefined && compareDraws(previous, record) === 0) {
        throw new AuditError("INVALID_EVIDENCE", "a draw has two records", {
          details: { mode: record.mode, shard: record.shard, t: record.t },
        });
      }
    });
    this.#keys = sorted;
    this.#leaves = sorted.map(evidenceBytes);
    this.#hashes = hashesOf(this.#leaves);
  }

  get size(): number {
    return this.#keys.length;
  }

  /** 32 zero bytes for a round without draws. */
  root(): Uint8Array {
    return foldToRoot(this.#hashes.slice(), this.size) ?? new Uint8Array(HASH_BYTES);
  }

  /** Leaf and path of one draw; undefined when the round has no such draw. */
  proof(key: DrawKey): EvidenceProof | undefined {
    const index = this.#keys.findIndex((each) => compareDraws(each, key) === 0);
    const leaf = this.#leaves[index];
    if (leaf === undefined) return undefined;
    return { index, size: this.size, leaf, path: proofFor(this.#hashes.slice(), this.size, index) };
  }
}

/** Root over leaves as they were published, already in order; 32 zero bytes when there are none. */
export const rootOfLeaves = (leaves: readonly Uint8Array[]): Uint8Array =>
  foldToRoot(hashesOf(leaves), leaves.length) ?? new Uint8Array(HASH_BYTES);

/** Siblings of one of them. @param index 0 <= index < leaves.length */
export const pathOfLeaf = (leaves: readonly Uint8Array[], index: number): MerkleProof =>
  proofFor(hashesOf(leaves), leaves.length, index);

/** Leaf hashes with the room for one more that folding needs. */
function hashesOf(leaves: readonly Uint8Array[]): Uint8Array {
  const hashes = new Uint8Array((leaves.length + 1) * HASH_BYTES);
  leaves.forEach((leaf, i) => {
    leafHashInto(leaf, 0, leaf.length, hashes, i * HASH_BYTES);
  });
  return hashes;
}

/** What a verifier needs to check that a round's root stands for one record. */
export interface EvidenceProof {
  readonly index: number;
  readonly size: number;
  readonly leaf: Uint8Array;
  readonly path: MerkleProof;
}

export const verifyEvidence = (root: Uint8Array, proof: EvidenceProof): boolean =>
  verifyMerkleProof(root, proof.leaf, proof.index, proof.size, proof.path);
