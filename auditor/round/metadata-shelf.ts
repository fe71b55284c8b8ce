/**
 * Verified metadata of the blobs under challenge: in SQLite between invocations, the latest few in memory.
 *
 * 66 kB a blob at 1,000 shards; checking it again after reading costs 2 n hashes, a few milliseconds.
 */

import type { Sql } from "../../shared/base/sql.ts";
import type { BlobId } from "../../shared/protocol/ids.ts";
import type { VerifiedMetadata } from "../../shared/protocol/metadata.ts";
import { bytesOf } from "../ledger/ledger-sql.ts";
import { verifiedMetadata } from "./questions.ts";

const KEPT_IN_MEMORY = 64;

export class MetadataShelf {
  readonly #sql: Sql;
  readonly #nShards: number;
  /** In the order of last use. */
  readonly #recent = new Map<BlobId, VerifiedMetadata>();

  constructor(sql: Sql, nShards: number) {
    this.#sql = sql;
    this.#nShards = nShards;
  }

  get(blobId: BlobId): VerifiedMetadata | undefined {
    const known = this.#recent.get(blobId);
    if (known !== undefined) return this.#use(blobId, known);
    const [row] = this.#sql.exec("SELECT bytes FROM metadata WHERE blob_id = ?", blobId);
    if (row === undefined) return undefined;
    return this.#use(blobId, verifiedMetadata(bytesOf(row["bytes"]), blobId, this.#nShards));
  }

  /** @param body an answer to GET metadata that has passed @param metadata what it holds */
  put(body: Uint8Array, metadata: VerifiedMetadata): VerifiedMetadata {
    const { blobId } = metadata;
    this.#sql.exec("INSERT OR IGNORE INTO metadata (blob_id, bytes) VALUES (?, ?)", blobId, body);
    return this.#use(blobId, metadata);
  }

  #use(blobId: BlobId, metadata: VerifiedMetadata): VerifiedMetadata {
    this.#recent.delete(blobId);
    this.#recent.set(blobId, metadata);
    for (const oldest of this.#recent.keys()) {
      if (this.#recent.size <= KEPT_IN_MEMORY) break;
      this.#recent.delete(oldest);
    }
    return metadata;
  }
}

/** Metadata of a round that is closed is not needed any more. */
export const clearShelf = (sql: Sql): void => {
  sql.exec("DELETE FROM metadata");
};
