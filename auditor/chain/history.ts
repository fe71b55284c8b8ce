/**
 * The chain's history out of Walrus event blobs, for what a full node has forgotten.
 *
 * First the way back: from the latest certified blob to each one's predecessor, until one reaches what the ledger needs
 * next. Only ID, range and length of each are kept (table `event_blob`); that takes the metadata and two rows of each.
 * Then forwards, the oldest first, a stretch of 256 KiB at a time: its elements are handed to the follower, which
 * applies them and notes in the same transaction where in the blob it stands. So any number of deaths costs at most
 * the stretch under way, and no element is applied twice or left out: each says its checkpoint, its number in it and
 * its index in the whole history, and none but the very next one is taken.
 *
 * `meta.history` is where the last applied element was, as JSON; it outlives its blob, because the next one must go on
 * with the next index.
 *
 * Event blobs are stored for as many epochs as storage can be bought ahead (53 on both public networks: two years of
 * mainnet's epochs of 14 days, 53 days of testnet's of one day). What is older is gone, and `HISTORY_EXPIRED` says so.
 *
 * Who is believed: the chain's state for the latest ID, and through it a quorum of the storage nodes for what they wrote
 * down, since that ID fixes every byte of every predecessor. A node alone can withhold, not change.
 */
import { toBase58 } from "@mysten/sui/utils";
import type { Sql } from "../../shared/base/sql.ts";
import type { BlobId } from "../../shared/protocol/ids.ts";
import type { ChainReader } from "../../shared/sui/walrus/chain-reader.ts";
import {
  checkPlace,
  EVENT_BLOB_HEADER_BYTES,
  EVENT_BLOB_TRAILER_BYTES,
  EventBlobError,
  type EventElement,
  parseEventBlobHeader,
  parseEventBlobTrailer,
  parseEventEntry,
  placeAfter,
} from "../../shared/sui/walrus/event-blob.ts";
import { readMeta, writeMeta } from "../ledger/meta.ts";
import {
  countEventBlobs,
  earliestEventBlob,
  eventBlobWith,
  firstEventBlob,
  forgetEventBlobs,
  hasSuccessor,
  insertEventBlob,
  type KnownBlob,
} from "./event-blob-table.ts";
import { BlobGone, type HistoryBlobReader, HistoryError } from "./history-blob.ts";
import { HISTORY_LIMITS } from "./limits.ts";

/** How far the ledger is: all of the checkpoints before, and `count` Walrus events of this one. */
export interface LedgerPlace {
  readonly checkpoint: number;
  readonly count: number;
}

/** Where in which blob the next element stands; the blob is null between two of them. */
export interface HistoryMark {
  readonly blobId: BlobId | null;
  readonly offset: number;
  /** The place of the next element; its index is not known before the first one was seen. */
  readonly next: LedgerPlace & { readonly index: number | null };
}

/** The next elements that the ledger does not have, with where it stands once each is applied. */
export interface HistoryStretch {
  readonly elements: readonly { readonly element: EventElement; readonly mark: HistoryMark }[];
  /** Where it stands once all of them are, also when there are none. */
  readonly mark: HistoryMark;
}

/** One step: at 1,000 shards 14 rows of a blob of 6 MB, some 100 ms of CPU. */
const STRETCH_BYTES = 256 * 1024;
/** How long an expired history is not asked for again. */
const EXPIRED_MS = 600_000;

export interface HistoryParts {
  readonly sql: Sql;
  readonly chain: ChainReader;
  readonly blobs: HistoryBlobReader;
  readonly nowMs: () => number;
  /** Bytes read in one step; at least what an entry may have. */
  readonly stretchBytes?: number;
}

export class History {
  readonly #parts: HistoryParts;
  #expired: { readonly error: HistoryError; readonly untilMs: number } | undefined;

  constructor(parts: HistoryParts) {
    this.#parts = parts;
  }

  /**
   * What comes next, or one step on the way to it.
   *
   * @param from where the ledger stands
   * @param applied digest of the last event's transaction, when `from` is behind an event: the history must agree
   * @returns undefined after a step of the way back: call again
   * @throws HistoryError; EventBlobError for a certified blob that is no event blob; SuiError
   */
  async next(from: LedgerPlace, applied: string | undefined): Promise<HistoryStretch | undefined> {
    const { nowMs } = this.#parts;
    if (this.#expired !== undefined && this.#expired.untilMs > nowMs()) throw this.#expired.error;
    const blob = this.#blobFor(from);
    if (blob === undefined) {
      await this.#walkBack(from);
      return undefined;
    }
    const known = this.#mark();
    const mark = known?.blobId === blob.blobId ? known : beginningOf(blob, known);
    return this.#stretch(blob, mark, from, applied);
  }

  /** Notes how far the ledger is. To be called in the transaction that applies what leads there. */
  keep(mark: HistoryMark): void {
    const { sql } = this.#parts;
    writeMeta(sql, "history", JSON.stringify(mark));
    if (mark.blobId === null) forgetEventBlobs(sql, mark.next.checkpoint);
  }

  /** The blob that holds what comes next. An empty ledger begins with the first one of all. */
  #blobFor(from: LedgerPlace): KnownBlob | undefined {
    const { sql } = this.#parts;
    return isStart(from) ? firstEventBlob(sql) : eventBlobWith(sql, from.checkpoint);
  }

  async #walkBack(from: LedgerPlace): Promise<void> {
    const { sql, chain } = this.#parts;
    forgetEventBlobs(sql, from.checkpoint);
    if (countEventBlobs(sql) >= HISTORY_LIMITS.eventBlobsWalked) {
      throw broken(`more than ${HISTORY_LIMITS.eventBlobsWalked} event blobs`, {
        most: HISTORY_LIMITS.eventBlobsWalked,
      });
    }
    const earliest = earliestEventBlob(sql);
    if (earliest === undefined) {
      const latest = await chain.certifiedEventBlob();
      if (latest === undefined || latest.lastCheckpoint < from.checkpoint) {
        throw await this.#notCertified(from, latest?.lastCheckpoint);
      }
      const head = await this.#head(latest.blobId);
      if (head.range.last !== latest.lastCheckpoint) {
        throw broken(`event blob ${latest.blobId} ends at ${head.range.last}, certified for another`, {
          blobId: latest.blobId,
          last: head.range.last,
          certified: latest.lastCheckpoint,
        });
      }
      insertEventBlob(sql, head);
      return;
    }
    if (earliest.previousBlobId === null) {
      throw broken(`the history begins at checkpoint ${earliest.range.first}, the ledger stands before it`, {
        checkpoint: from.checkpoint,
        first: earliest.range.first,
      });
    }
    const head = await this.#headOfPredecessor(earliest, earliest.previousBlobId, from);
    if (head.range.last + 1 !== earliest.range.first) {
      throw broken(`event blob ${head.blobId} ends at ${head.range.last}, its successor begins elsewhere`, {
        blobId: head.blobId,
        last: head.range.last,
        first: earliest.range.first,
      });
    }
    insertEventBlob(sql, head);
  }

  async #headOfPredecessor(successor: KnownBlob, blobId: BlobId, from: LedgerPlace): Promise<KnownBlob> {
    try {
      return await this.#head(blobId);
    } catch (cause) {
      if (!(cause instanceof BlobGone)) throw cause;
      const { chain, nowMs } = this.#parts;
      const { epoch: epochNow, maxEpochsAhead } = await chain.snapshot();
      const error = new HistoryError(
        "HISTORY_EXPIRED",
        `checkpoints ${from.checkpoint} to ${successor.range.first - 1} are in event blobs that have expired (the oldest left is of epoch ${successor.epoch}, now is ${epochNow}, they last ${maxEpochsAhead} epochs): begin with an endpoint that has them`,
        {
          cause,
          details: {
            blobId,
            needed: from.checkpoint,
            oldestCheckpoint: successor.range.first,
            oldestEpoch: successor.epoch,
            epochNow,
            maxEpochsAhead,
          },
        },
      );
      this.#expired = { error, untilMs: nowMs() + EXPIRED_MS };
      throw error;
    }
  }

  async #head(blobId: BlobId): Promise<KnownBlob> {
    const { blobs } = this.#parts;
    const bytes = await this.#lengthOf(blobId);
    if (bytes > HISTORY_LIMITS.eventBlobBytes || bytes < EVENT_BLOB_HEADER_BYTES + EVENT_BLOB_TRAILER_BYTES) {
      throw new EventBlobError("MALFORMED_EVENT_BLOB", `event blob ${blobId} has ${bytes} bytes`, {
        details: { offset: 0, blobId, bytes, most: HISTORY_LIMITS.eventBlobBytes },
      });
    }
    const { epoch, previousBlobId } = parseEventBlobHeader(
      await blobs.read(blobId, 0, EVENT_BLOB_HEADER_BYTES),
    );
    const trailer = await blobs.read(blobId, bytes - EVENT_BLOB_TRAILER_BYTES, bytes);
    return { blobId, bytes, epoch, previousBlobId, range: parseEventBlobTrailer(trailer, bytes) };
  }

  /** @throws BlobGone only for a blob that has a successor: of the latest one the nodes may not know yet */
  async #lengthOf(blobId: BlobId): Promise<number> {
    const { blobs, sql } = this.#parts;
    try {
      return await blobs.length(blobId);
    } catch (cause) {
      if (!(cause instanceof BlobGone) || hasSuccessor(sql, blobId)) throw cause;
      throw new HistoryError("HISTORY_UNAVAILABLE", `the nodes do not have event blob ${blobId} yet`, {
        retryable: true,
        cause,
        details: { blobId },
      });
    }
  }

  async #stretch(
    blob: KnownBlob,
    start: HistoryMark,
    from: LedgerPlace,
    applied: string | undefined,
  ): Promise<HistoryStretch> {
    const end = blob.bytes - EVENT_BLOB_TRAILER_BYTES;
    const to = Math.min(start.offset + (this.#parts.stretchBytes ?? STRETCH_BYTES), end);
    const bytes = await this.#read(blob.blobId, start.offset, to);
    const elements: HistoryStretch["elements"][number][] = [];
    let mark = start;
    for (let at = 0; at < bytes.length; ) {
      const offset = start.offset + at;
      const entry = parseEventEntry(bytes, at, start.offset);
      if (entry === undefined && to === end) {
        throw new EventBlobError("MALFORMED_EVENT_BLOB", `offset ${offset}: the last entry is cut off`, {
          details: { offset, blobId: blob.blobId },
        });
      }
      // The rest of it comes with the next stretch: none is longer than a quarter of this one.
      if (entry === undefined) break;
      const { element } = entry;
      checkPlace(element, { ...mark.next, index: mark.next.index ?? element.place.index }, offset);
      at = entry.end;
      mark = { blobId: blob.blobId, offset: start.offset + at, next: placeAfter(element) };
      if (mark.offset === end) mark = leave(blob, mark);
      if (isBehind(mark.next, from)) continue;
      if (samePlace(mark.next, from)) checkAgreement(blob, element, applied);
      else if (elements.length > 0 || isStart(from) || samePlace(element.place, from))
        elements.push({ element, mark });
      else throw disagreement(blob, from, `has ${element.place.count} events there`);
    }
    if (end === EVENT_BLOB_HEADER_BYTES) leave(blob, mark);
    return { elements, mark };
  }

  #read(blobId: BlobId, from: number, to: number): Promise<Uint8Array> {
    return this.#parts.blobs.read(blobId, from, to).catch((cause: unknown) => {
      // It was there on the way back.
      if (!(cause instanceof BlobGone)) throw cause;
      throw new HistoryError("HISTORY_UNAVAILABLE", `event blob ${blobId} has expired meanwhile`, {
        retryable: true,
        cause,
        details: { blobId },
      });
    });
  }

  #mark(): HistoryMark | undefined {
    const text = readMeta(this.#parts.sql, "history");
    // Only `keep` writes it.
    return text === undefined ? undefined : (JSON.parse(text) as HistoryMark);
  }

  async #notCertified(from: LedgerPlace, latest: number | undefined): Promise<HistoryError> {
    const firstAvailable = await this.#parts.chain.firstAvailable();
    return new HistoryError(
      "HISTORY_NOT_CERTIFIED",
      `the ledger needs checkpoint ${from.checkpoint}; the endpoint begins at ${firstAvailable}, certified event blobs end ${latest === undefined ? "nowhere: there is none" : `at ${latest}`}`,
      {
        retryable: true,
        details: { needed: from.checkpoint, firstAvailable, latest: latest ?? null },
      },
    );
  }
}

/** @param known where the history was left: the blob that follows there must go on with its index */
function beginningOf(blob: KnownBlob, known: HistoryMark | undefined): HistoryMark {
  const { first } = blob.range;
  const follows = known?.next.checkpoint === first && known.next.count === 0;
  const index = follows ? known.next.index : null;
  return {
    blobId: blob.blobId,
    offset: EVENT_BLOB_HEADER_BYTES,
    // One without a predecessor must really be the first.
    next: { checkpoint: first, count: 0, index: blob.previousBlobId === null ? 0 : index },
  };
}

/** The mark after a blob's last element, which must be the end of its last checkpoint. */
function leave(blob: KnownBlob, mark: HistoryMark): HistoryMark {
  const { checkpoint, count } = mark.next;
  if (checkpoint !== blob.range.last + 1 || count !== 0) {
    throw broken(`event blob ${blob.blobId} says that it ends with checkpoint ${blob.range.last}`, {
      blobId: blob.blobId,
      last: blob.range.last,
      checkpoint,
      count,
    });
  }
  return { blobId: null, offset: 0, next: mark.next };
}

/** @param element the last one that the ledger has applied, by its place */
function checkAgreement(
  blob: KnownBlob,
  { place, event, txDigest }: EventElement,
  applied: string | undefined,
): void {
  if (event === null || applied === undefined) return;
  const digest = toBase58(txDigest);
  if (digest !== applied) throw disagreement(blob, place, `has transaction ${digest} there, not ${applied}`);
}

const disagreement = (blob: KnownBlob, { checkpoint, count }: LedgerPlace, what: string): HistoryError =>
  broken(`the ledger has ${count} events of checkpoint ${checkpoint}, event blob ${blob.blobId} ${what}`, {
    blobId: blob.blobId,
    checkpoint,
    count,
  });

const broken = (message: string, details: Record<string, string | number>): HistoryError =>
  new HistoryError("HISTORY_BROKEN", message, { details });

const isStart = ({ checkpoint, count }: LedgerPlace): boolean => checkpoint === 0 && count === 0;
const samePlace = (a: LedgerPlace, b: LedgerPlace): boolean =>
  a.checkpoint === b.checkpoint && a.count === b.count;
const isBehind = (a: LedgerPlace, b: LedgerPlace): boolean =>
  a.checkpoint < b.checkpoint || (a.checkpoint === b.checkpoint && a.count < b.count);
