/** Staged copies outside of the tracker's own storage: one object per copy in a bucket, when one is bound. */

/** Objects appear whole or not at all. */
export interface StagedObjects {
  put(key: string, bytes: number, pieces: Iterable<Uint8Array>): Promise<void>;
  /** @returns undefined when there is no such object */
  get(key: string): Promise<ReadableStream<Uint8Array> | undefined>;
  /** Repeating it is harmless. */
  delete(keys: readonly string[]): Promise<void>;
}

export const stagedObjectKey = (blobId: string, stagingId: string): string => `${blobId}/${stagingId}`;
