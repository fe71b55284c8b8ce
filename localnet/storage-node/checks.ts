/**
 * What all storage nodes of a process check alike, done once and together.
 *
 * Every node checks everything it stores. One hundred of them in one process get the same metadata within a second, and
 * two thousand slivers of one blob: the answers are pure functions of bytes, so metadata that one node verified is
 * verified for the others that were sent the very same bytes, and slivers that arrive together are checked in one run
 * of the kernels. Nothing else is shared: a node learns nothing that it was not sent.
 */
import { equalBytes } from "../../shared/base/bytes.ts";
import type { Codec, CodecError, SliverToVerify } from "../../shared/codec/codec.ts";
import type { BlobId } from "../../shared/protocol/ids.ts";
import type { VerifiedMetadata } from "../../shared/protocol/metadata.ts";
import type { VerifiedSliver } from "../../shared/protocol/sliver.ts";

/** Serialised and verified, 131 KB each at n = 1000. */
const METADATA_KEPT = 16;

interface KnownMetadata {
  readonly bytes: Uint8Array;
  readonly metadata: VerifiedMetadata;
}

interface Waiting {
  readonly metadata: VerifiedMetadata;
  readonly sliver: SliverToVerify;
  readonly resolve: (result: VerifiedSliver | CodecError) => void;
  readonly reject: (error: unknown) => void;
}

export class SharedChecks {
  readonly #codec: Codec;
  readonly #known = new Map<BlobId, KnownMetadata>();
  /** Slivers that arrived in this turn of the event loop. */
  #waiting: Waiting[] = [];

  private constructor(codec: Codec) {
    this.#codec = codec;
  }

  static readonly #ofCodecs = new WeakMap<Codec, SharedChecks>();

  /** Those of all nodes that use this codec. */
  static of(codec: Codec): SharedChecks {
    const known = SharedChecks.#ofCodecs.get(codec);
    if (known !== undefined) return known;
    const checks = new SharedChecks(codec);
    SharedChecks.#ofCodecs.set(codec, checks);
    return checks;
  }

  /** Metadata that these very bytes were found to be, if they were. */
  knownMetadata(bytes: Uint8Array, blobId: BlobId, nShards: number): VerifiedMetadata | undefined {
    const known = this.#known.get(blobId);
    if (known === undefined || known.metadata.nShards !== nShards) return undefined;
    return equalBytes(known.bytes, bytes) ? known.metadata : undefined;
  }

  /** @param bytes what `metadata` was parsed from; kept */
  keepMetadata(bytes: Uint8Array, metadata: VerifiedMetadata): void {
    for (const oldest of this.#known.keys()) {
      if (this.#known.size < METADATA_KEPT) break;
      this.#known.delete(oldest);
    }
    this.#known.set(metadata.blobId, { bytes: bytes.slice(), metadata });
  }

  /** As `Codec.verifySlivers` says of this sliver, at the end of the event loop's turn. */
  verifySliver(metadata: VerifiedMetadata, sliver: SliverToVerify): Promise<VerifiedSliver | CodecError> {
    return new Promise((resolve, reject) => {
      if (this.#waiting.length === 0) setImmediate(() => this.#verifyWaiting());
      this.#waiting.push({ metadata, sliver, resolve, reject });
    });
  }

  #verifyWaiting(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    const byMetadata = Map.groupBy(waiting, ({ metadata }) => metadata);
    for (const [metadata, group] of byMetadata) {
      try {
        const results = this.#codec.verifySlivers(
          metadata,
          group.map(({ sliver }) => sliver),
        );
        group.forEach(({ resolve, reject }, i) => {
          const result = results[i];
          if (result === undefined) reject(new Error("the codec gives one result per sliver"));
          else resolve(result);
        });
      } catch (error) {
        for (const { reject } of group) reject(error);
      }
    }
  }
}
