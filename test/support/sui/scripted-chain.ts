/** A chain that a test writes by hand: the interface a storage node follows, without Sui behind it. */
import type {
  ChainEvent,
  ChainSource,
  ChainView,
  EventPage,
} from "../../../localnet/storage-node/chain-source.ts";
import type { BlobId, ObjectId } from "../../../shared/protocol/ids.ts";
import type { WalrusEvent } from "../../../shared/sui/walrus/events.ts";

export class ScriptedChain implements ChainSource {
  #view: ChainView;
  readonly #events: ChainEvent[] = [];
  readonly #bells = new Set<() => void>();
  /** While set, every call fails with it. */
  failure: Error | undefined;
  pageEvents = 50;
  /** Cursors that were asked for, as event counts. */
  readonly reads: number[] = [];

  constructor(view: ChainView) {
    this.#view = view;
  }

  setView(view: ChainView): void {
    this.#view = view;
  }

  emit(...events: WalrusEvent[]): void {
    for (const event of events) {
      const index = this.#events.length;
      this.#events.push({
        event,
        txDigest: `digest-${index}`,
        eventSeq: String(index),
        checkpoint: index + 1,
      });
    }
    for (const ring of this.#bells) ring();
  }

  register(blobId: BlobId, objectId: ObjectId, endEpoch: number, deletable = false): void {
    this.emit({
      kind: "BlobRegistered",
      epoch: this.#view.epoch,
      blob_id: blobId,
      size: 100n,
      encoding_type: 1,
      end_epoch: endEpoch,
      deletable,
      object_id: objectId,
    });
  }

  certify(blobId: BlobId, objectId: ObjectId, endEpoch: number, deletable = false, extension = false): void {
    this.emit({
      kind: "BlobCertified",
      epoch: this.#view.epoch,
      blob_id: blobId,
      end_epoch: endEpoch,
      deletable,
      object_id: objectId,
      is_extension: extension,
    });
  }

  async view(): Promise<ChainView> {
    if (this.failure !== undefined) throw this.failure;
    return this.#view;
  }

  async read(after: Uint8Array | undefined): Promise<EventPage> {
    if (this.failure !== undefined) throw this.failure;
    const from = after === undefined ? 0 : Number(new TextDecoder().decode(after));
    this.reads.push(from);
    const events = this.#events.slice(from, from + this.pageEvents);
    const next = from + events.length;
    return {
      events,
      cursor: new TextEncoder().encode(String(next)),
      atTip: next === this.#events.length,
    };
  }

  listen(signal: AbortSignal, ring: () => void): Promise<void> {
    this.#bells.add(ring);
    return new Promise((resolve) => {
      signal.addEventListener("abort", () => {
        this.#bells.delete(ring);
        resolve();
      });
    });
  }
}
