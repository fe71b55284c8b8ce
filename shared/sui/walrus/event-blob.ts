/**
 * Event blobs: the history of the Walrus contracts, which the storage nodes themselves keep on Walrus.
 *
 * Every node writes the events of the checkpoints it reads into a file, byte for byte the same as every other node,
 * stores the file like any blob and attests it on chain; with a quorum the System object names it as the latest one.
 * Each names its predecessor, so the latest ID stands for the whole history.
 *
 * | offset  | bytes | field                                                                              |
 * |---------|-------|------------------------------------------------------------------------------------|
 * | 0       | 4     | magic `00 5E A1 CE`                                                                |
 * | 4       | 4     | format version, u32 big-endian: 1                                                  |
 * | 8       | 4     | epoch in which the file was begun, u32 big-endian                                  |
 * | 12      | 32    | ID of the event blob before; zeros: none, this one begins the history              |
 * | 44      | 40    | last event of the one before: digest 32, number u64 big-endian. Zeros in practice, |
 * |         |       | since a file ends with the mark of a checkpoint; not used here                     |
 * | 84      |       | entries                                                                            |
 * | end-16  | 8     | first checkpoint, u64 big-endian                                                   |
 * | end-8   | 8     | last checkpoint (inclusive), u64 big-endian                                        |
 *
 * An entry is `length` (unsigned LEB128), `encoding` u8 (1: BCS) and `length` bytes of BCS:
 *
 * | bytes   | field                                                                                        |
 * |---------|----------------------------------------------------------------------------------------------|
 * | 1       | 0: event, 1: end of the checkpoint                                                           |
 * | 2       | of an event: its group and its kind, see `EVENT_NAMES`                                       |
 * | ...     | of an event: its Move contents, exactly as on chain                                          |
 * | 33 + 8  | of an event: transaction digest (length byte 32), number among the transaction's Walrus events |
 * | 8       | checkpoint                                                                                   |
 * | 8       | number among the checkpoint's Walrus events; in the end mark, how many there were            |
 * | 8       | index of the element, counted from the first checkpoint of the history                       |
 *
 * Numbers inside BCS are u64 little-endian. Every checkpoint has an end mark (27 bytes with its frame). A new file begins after 216,000 checkpoints (some
 * 15 hours), or after the checkpoint in which it passed 100 MiB.
 *
 * Sources: MystenLabs/walrus v1.56, `walrus-service` (`event/event_blob.rs`, `event/events.rs`,
 * `node/event_blob_writer.rs`), `walrus-sui` (`types/events.rs`); MystenLabs/sui `sui-types` (`event.rs`, `digests.rs`).
 */
import { FloeError } from "../../base/errors.ts";
import { type BlobId, blobIdFromBytes } from "../../protocol/ids.ts";
import { parseWalrusEvent, type UnknownEvent, type WalrusEvent, type WalrusEventName } from "./events.ts";
import { CHAIN_LIMITS } from "./limits.ts";

export type EventBlobErrorCode =
  /** The magic number is another. */
  | "NOT_AN_EVENT_BLOB"
  /** A format version, encoding, group or kind that this program must know: newer nodes may write them. */
  | "UNKNOWN_IN_EVENT_BLOB"
  /** Bytes that are not the format's. */
  | "MALFORMED_EVENT_BLOB"
  /** Elements that do not follow one another: something was left out, or stands twice. */
  | "EVENT_BLOB_OUT_OF_ORDER";

/** Names the offset in the blob. Never retryable. */
export class EventBlobError extends FloeError<EventBlobErrorCode> {}

const MAGIC = 0x005e_a1ce;
const VERSION = 1;
const ENCODING_BCS = 1;
const PREVIOUS_ID_OFFSET = 12;
export const EVENT_BLOB_HEADER_BYTES = 84;
export const EVENT_BLOB_TRAILER_BYTES = 16;
/** A u64 in LEB128. */
const MAX_LENGTH_BYTES = 10;
const DIGEST_BYTES = 32;
/** Length byte and digest, number. */
const EVENT_ID_BYTES = 1 + DIGEST_BYTES + 8;
/** Checkpoint, number in it, index. */
const PLACE_BYTES = 24;
const TAGS_BYTES = 3;
const MARK_BYTES = 1 + PLACE_BYTES;

/** By group, then kind, in the order of the nodes' own types. */
const EVENT_NAMES: readonly (readonly WalrusEventName[])[] = [
  [
    "BlobRegistered",
    "BlobCertified",
    "BlobDeleted",
    "InvalidBlobID",
    "DenyListBlobDeleted",
    "PooledBlobRegistered",
    "PooledBlobCertified",
    "PooledBlobDeleted",
  ],
  ["EpochParametersSelected", "EpochChangeStart", "EpochChangeDone", "ShardsReceived", "ShardRecoveryStart"],
  ["ContractUpgraded", "ContractUpgradeProposed", "ContractUpgradeQuorumReached"],
  ["RegisterDenyListUpdate", "DenyListUpdate"],
  ["ProtocolVersionUpdated", "PricesUpdated"],
  ["StoragePoolCreated", "StoragePoolExtended"],
];

/** Releases, deny lists of nodes, protocol versions and prices: whatever kinds these groups get, no blob depends on. */
const PASSABLE_GROUPS: ReadonlySet<number> = new Set([2, 3, 4]);

export interface EventBlobHeader {
  readonly epoch: number;
  /** Null: the history begins with this one. */
  readonly previousBlobId: BlobId | null;
}

/** Both inclusive. */
export interface CheckpointRange {
  readonly first: number;
  readonly last: number;
}

/** Where an element stands. */
export interface ElementPlace {
  readonly checkpoint: number;
  /** Walrus events of the checkpoint before it. */
  readonly count: number;
  /** Elements of the whole history before it. */
  readonly index: number;
}

export interface EventElement {
  readonly place: ElementPlace;
  /** Null: the checkpoint ends here. */
  readonly event: WalrusEvent | UnknownEvent | null;
  /** 32 bytes; empty in an end mark. */
  readonly txDigest: Uint8Array;
}

/** @param bytes the first `EVENT_BLOB_HEADER_BYTES` of the blob, or more */
export function parseEventBlobHeader(bytes: Uint8Array): EventBlobHeader {
  const view = viewOf(bytes);
  if (bytes.length < EVENT_BLOB_HEADER_BYTES) {
    throw malformed(bytes.length, `a header of ${bytes.length} bytes, ${EVENT_BLOB_HEADER_BYTES} needed`);
  }
  const magic = view.getUint32(0);
  if (magic !== MAGIC) {
    throw new EventBlobError("NOT_AN_EVENT_BLOB", `the blob begins with ${magic.toString(16)}`, {
      details: { offset: 0, magic },
    });
  }
  const version = view.getUint32(4);
  if (version !== VERSION) throw unknown(4, "format version", version);
  const previous = bytes.slice(PREVIOUS_ID_OFFSET, PREVIOUS_ID_OFFSET + DIGEST_BYTES);
  return {
    epoch: view.getUint32(8),
    previousBlobId: previous.every((byte) => byte === 0) ? null : blobIdFromBytes(previous),
  };
}

/**
 * @param bytes the last `EVENT_BLOB_TRAILER_BYTES` of the blob
 * @param blobBytes the blob's length
 */
export function parseEventBlobTrailer(bytes: Uint8Array, blobBytes: number): CheckpointRange {
  const offset = blobBytes - EVENT_BLOB_TRAILER_BYTES;
  if (bytes.length !== EVENT_BLOB_TRAILER_BYTES || offset < EVENT_BLOB_HEADER_BYTES) {
    throw malformed(Math.max(0, offset), `no room for header and trailer in ${blobBytes} bytes`);
  }
  const view = viewOf(bytes);
  const first = safe(view.getBigUint64(0), offset);
  const last = safe(view.getBigUint64(8), offset + 8);
  if (last < first) throw malformed(offset, `checkpoints ${first} to ${last}`);
  return { first, last };
}

/**
 * Reads the entry at `at`.
 *
 * @param bytes any stretch of the blob's entries: the trailer must not be part of it
 * @param blobOffset where in the blob `bytes` begin, for errors
 * @returns undefined when the entry does not end within `bytes`, although it may be a good one
 * @throws EventBlobError for an entry that no further bytes can make a good one
 */
export function parseEventEntry(
  bytes: Uint8Array,
  at: number,
  blobOffset: number,
): { readonly element: EventElement; readonly end: number } | undefined {
  const frame = entryFrame(bytes, at, blobOffset);
  if (frame === undefined) return undefined;
  const { start, end } = frame;
  if (end > bytes.length) return undefined;
  return { element: elementOf(bytes.subarray(start, end), blobOffset + start), end };
}

/** Length and encoding, checked as soon as they are there: a wrong length must not make anybody wait for more bytes. */
function entryFrame(
  bytes: Uint8Array,
  at: number,
  blobOffset: number,
): { readonly start: number; readonly end: number } | undefined {
  const offset = blobOffset + at;
  let length = 0;
  let next = at;
  for (let shift = 0; ; shift += 7) {
    const byte = bytes[next++];
    if (byte === undefined) return undefined;
    length += (byte & 0x7f) * 2 ** shift;
    if (length > CHAIN_LIMITS.eventEntryBytes || next - at > MAX_LENGTH_BYTES) {
      throw malformed(offset, `an entry of ${length} bytes or more, at most ${CHAIN_LIMITS.eventEntryBytes}`);
    }
    if ((byte & 0x80) !== 0) continue;
    if (byte === 0 && shift > 0) throw malformed(offset, "a length that is not in its shortest form");
    break;
  }
  if (length < MARK_BYTES) throw malformed(offset, `an entry of ${length} bytes`);
  const encoding = bytes[next++];
  if (encoding === undefined) return undefined;
  if (encoding !== ENCODING_BCS) throw unknown(blobOffset + next - 1, "encoding", encoding);
  return { start: next, end: next + length };
}

function elementOf(entry: Uint8Array, offset: number): EventElement {
  const place = placeOf(entry.subarray(entry.length - PLACE_BYTES), offset + entry.length - PLACE_BYTES);
  const kind = entry[0] ?? 0;
  if (kind === 1) {
    if (entry.length !== MARK_BYTES) throw malformed(offset, `an end mark of ${entry.length} bytes`);
    return { place, event: null, txDigest: new Uint8Array(0) };
  }
  if (kind !== 0) throw unknown(offset, "element", kind);
  const idStart = entry.length - PLACE_BYTES - EVENT_ID_BYTES;
  if (idStart < TAGS_BYTES) throw malformed(offset, `an event of ${entry.length} bytes`);
  if (entry[idStart] !== DIGEST_BYTES) {
    throw malformed(offset + idStart, `a transaction digest of ${entry[idStart]} bytes`);
  }
  const [group, number] = [entry[1] ?? 0, entry[2] ?? 0];
  const names = EVENT_NAMES[group];
  if (names === undefined) throw unknown(offset + 1, "group of events", group);
  const name = names[number];
  if (name === undefined && !PASSABLE_GROUPS.has(group))
    throw unknown(offset + 2, `event of group ${group}`, number);
  const event: WalrusEvent | UnknownEvent =
    name === undefined
      ? { kind: "Unknown", name: `${group}/${number}`, isHarmless: true }
      : eventOf(name, entry.subarray(TAGS_BYTES, idStart), offset + TAGS_BYTES);
  return { place, event, txDigest: entry.slice(idStart + 1, idStart + 1 + DIGEST_BYTES) };
}

function eventOf(name: WalrusEventName, contents: Uint8Array, offset: number): WalrusEvent {
  try {
    const event = parseWalrusEvent(`0x0::events::${name}`, contents);
    if (event !== undefined) return event;
  } catch (cause) {
    if (!(cause instanceof FloeError)) throw cause;
    throw malformed(offset, `${name} of ${contents.length} bytes`, cause);
  }
  throw unknown(offset, "event", name);
}

function placeOf(bytes: Uint8Array, offset: number): ElementPlace {
  const view = viewOf(bytes);
  return {
    checkpoint: safe(view.getBigUint64(0, true), offset),
    count: safe(view.getBigUint64(8, true), offset + 8),
    index: safe(view.getBigUint64(16, true), offset + 16),
  };
}

/** Where the element after this one must stand: elements leave nothing out, and no checkpoint either. */
export const placeAfter = ({ place, event }: EventElement): ElementPlace =>
  event === null
    ? { checkpoint: place.checkpoint + 1, count: 0, index: place.index + 1 }
    : { checkpoint: place.checkpoint, count: place.count + 1, index: place.index + 1 };

/** @throws EventBlobError `EVENT_BLOB_OUT_OF_ORDER` with both places. @param offset of the element in the blob */
export function checkPlace({ place }: EventElement, expected: ElementPlace, offset: number): void {
  const { checkpoint, count, index } = place;
  if (checkpoint === expected.checkpoint && count === expected.count && index === expected.index) return;
  throw new EventBlobError(
    "EVENT_BLOB_OUT_OF_ORDER",
    `offset ${offset}: element ${index} at ${checkpoint}/${count} instead of ${expected.index} at ${expected.checkpoint}/${expected.count}`,
    { details: { offset, checkpoint, count, index, expectedIndex: expected.index } },
  );
}

const viewOf = (bytes: Uint8Array): DataView =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

function safe(value: bigint, offset: number): number {
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw malformed(offset, `the number ${value}`);
  return Number(value);
}

const malformed = (offset: number, what: string, cause?: unknown): EventBlobError =>
  new EventBlobError("MALFORMED_EVENT_BLOB", `offset ${offset}: ${what}`, { cause, details: { offset } });

const unknown = (offset: number, what: string, value: number | string): EventBlobError =>
  new EventBlobError("UNKNOWN_IN_EVENT_BLOB", `offset ${offset}: ${what} ${value} is not known`, {
    details: { offset, what, value },
  });
