/**
 * The list methods of LedgerService: events, transactions and checkpoints, filtered, in pages with cursors.
 *
 * A cursor is 12 bytes: checkpoint u64 BE, index of the item in it u32 BE; an index of 2^32-1 stands for the whole
 * checkpoint. Frames carry one item each with the watermark after it; exactly one frame, the last, carries `end`:
 *
 * | reason           | that frame has an item | when                                                     |
 * |------------------|------------------------|----------------------------------------------------------|
 * | ITEM_LIMIT       | yes                    | the page is full; nothing was scanned past it            |
 * | SCAN_LIMIT       | no                     | enough was looked at; more may follow, or nothing        |
 * | CURSOR_BOUND     | no                     | the opposite cursor was reached                          |
 * | CHECKPOINT_BOUND | no                     | the asked-for end of the range was reached               |
 * | LEDGER_TIP       | no                     | there is no more for now                                 |
 */
import { GrpcTypes } from "@mysten/sui/grpc";
import { assert } from "../../../shared/base/errors.ts";
import { GrpcError, invalidArgument } from "../base/grpc-error.ts";
import type { Checkpoint, ExecutedTransaction, LedgerEvent } from "../ledger/state.ts";
import type { RpcContext } from "./context.ts";
import { eventPredicate, type Predicate, transactionPredicate } from "./filters.ts";
import { applyMask } from "./wire/field-mask.ts";
import { type Methods, streaming } from "./wire/grpc-web.ts";
import { checkpointMessage, ledgerTransactionMessage } from "./wire/proto-effects.ts";
import { eventMessage } from "./wire/proto-objects.ts";

const SERVICE = "sui.rpc.v2.LedgerService";
const DEFAULT_LIMIT = 50;
/** Larger limits are silently lowered to it, as on the public servers. */
const MAX_LIMIT = 50;
/** Items looked at in one request. */
const SCAN_LIMIT = 10_000;
const CURSOR_BYTES = 12;
const WHOLE_CHECKPOINT = 0xffff_ffff;

/** A place in the ledger, before or after which a list goes on. */
export interface Position {
  readonly checkpoint: bigint;
  readonly index: number;
}

export function encodeCursor({ checkpoint, index }: Position): Uint8Array {
  const bytes = new Uint8Array(CURSOR_BYTES);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, checkpoint);
  view.setUint32(8, index);
  return bytes;
}

/** @throws GrpcError `INVALID_ARGUMENT` */
export function decodeCursor(bytes: Uint8Array): Position {
  if (bytes.length !== CURSOR_BYTES) throw invalidArgument(`a cursor of ${bytes.length} bytes`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return { checkpoint: view.getBigUint64(0), index: view.getUint32(8) };
}

const compare = (a: Position, b: Position): number =>
  a.checkpoint === b.checkpoint ? a.index - b.index : a.checkpoint < b.checkpoint ? -1 : 1;

export interface ListRequest {
  readonly startCheckpoint?: bigint;
  readonly endCheckpoint?: bigint;
  readonly options?: GrpcTypes.QueryOptions;
}

export interface ListFrame<T> {
  readonly value?: T;
  readonly watermark: GrpcTypes.Watermark;
  readonly end?: GrpcTypes.QueryEnd;
}

interface Bounds {
  readonly after: Position | undefined;
  readonly before: Position | undefined;
  readonly descending: boolean;
  readonly limit: number;
  readonly reason: GrpcTypes.QueryEndReason;
  /** Where a list that finds nothing more ends. */
  readonly final: Position;
}

function boundsOf(request: ListRequest, height: bigint): Bounds {
  const { options } = request;
  const after = options?.after === undefined ? undefined : decodeCursor(options.after);
  const before = options?.before === undefined ? undefined : decodeCursor(options.before);
  const start = request.startCheckpoint ?? 0n;
  const end = request.endCheckpoint ?? height + 1n;
  // Both kinds of bounds are canonical: the interval is their intersection, whatever the ordering.
  const low = latest(after, start > 0n ? { checkpoint: start - 1n, index: WHOLE_CHECKPOINT } : undefined);
  const high = earliest(before, { checkpoint: end, index: 0 });
  const descending = options?.ordering === GrpcTypes.Ordering.DESCENDING;
  const reasons = GrpcTypes.QueryEndReason;
  const reachesCursor = descending ? after !== undefined && low === after : high === before;
  const isBounded = descending ? start > 0n : end <= height;
  const tip = { checkpoint: height < 0n ? 0n : height, index: WHOLE_CHECKPOINT };
  // The end bound is exclusive: what was covered ends with the checkpoint before it.
  const covered = high === before || end === 0n ? high : { checkpoint: end - 1n, index: WHOLE_CHECKPOINT };
  const last = earliest({ checkpoint: covered.checkpoint, index: covered.index }, tip);
  return {
    after: low,
    before: high,
    descending,
    limit: Math.min(
      options?.limit === undefined || options.limit === 0 ? DEFAULT_LIMIT : options.limit,
      MAX_LIMIT,
    ),
    reason: reachesCursor ? reasons.CURSOR_BOUND : isBounded ? reasons.CHECKPOINT_BOUND : reasons.LEDGER_TIP,
    final: descending ? (low ?? { checkpoint: 0n, index: 0 }) : latestOf(low, last),
  };
}

function latest(a: Position | undefined, b: Position | undefined): Position | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return compare(a, b) >= 0 ? a : b;
}
const latestOf = (a: Position | undefined, b: Position): Position =>
  a !== undefined && compare(a, b) > 0 ? a : b;
const earliest = (a: Position | undefined, b: Position): Position =>
  a !== undefined && compare(a, b) <= 0 ? a : b;

/**
 * Frames of one list request.
 *
 * @param items all items in ledger order; found by bisection, so a page costs its own length
 */
export function* listFrames<T>(
  items: readonly T[],
  positionOf: (item: T) => Position,
  matches: Predicate<T>,
  request: ListRequest,
  height: bigint,
): Generator<ListFrame<T>> {
  const bounds = boundsOf(request, height);
  const { descending } = bounds;
  const first = bounds.after === undefined ? 0 : firstAfter(items, positionOf, bounds.after, true);
  const beyond =
    bounds.before === undefined ? items.length : firstAfter(items, positionOf, bounds.before, false);
  let found = 0;
  let scanned = 0;
  for (let step = 0; step < beyond - first; step++) {
    const value = items[descending ? beyond - 1 - step : first + step];
    assert(value !== undefined, "positions lie inside the list");
    const position = positionOf(value);
    if (scanned++ >= SCAN_LIMIT) {
      const previous = items[descending ? beyond - step : first + step - 1];
      const frontier = previous === undefined ? position : positionOf(previous);
      yield {
        watermark: watermark(frontier, descending),
        end: { reason: GrpcTypes.QueryEndReason.SCAN_LIMIT },
      };
      return;
    }
    if (!matches(value)) continue;
    const isLast = ++found === bounds.limit;
    const end = isLast ? { end: { reason: GrpcTypes.QueryEndReason.ITEM_LIMIT } } : {};
    yield { value, watermark: watermark(position, descending), ...end };
    if (isLast) return;
  }
  yield { watermark: watermark(bounds.final, descending), end: { reason: bounds.reason } };
}

/** The checkpoint of a watermark is covered in full: one less (or more) while its items are being listed. */
function watermark(position: Position, descending: boolean): GrpcTypes.Watermark {
  const cursor = encodeCursor(position);
  if (position.index === WHOLE_CHECKPOINT) return { cursor, checkpoint: position.checkpoint };
  const covered = descending ? position.checkpoint + 1n : position.checkpoint - 1n;
  return covered < 0n ? { cursor } : { cursor, checkpoint: covered };
}

/** Index of the first item at a position beyond `bound` (or at it, unless `exclusive`). */
function firstAfter<T>(
  items: readonly T[],
  positionOf: (item: T) => Position,
  bound: Position,
  exclusive: boolean,
): number {
  let low = 0;
  let high = items.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const item = items[middle];
    assert(item !== undefined, "bisection stays inside the list");
    const order = compare(positionOf(item), bound);
    if (order < 0 || (order === 0 && exclusive)) low = middle + 1;
    else high = middle;
  }
  return low;
}

export const eventPosition = (event: LedgerEvent): Position => ({
  checkpoint: event.checkpoint,
  index: event.eventIndex,
});
const transactionPosition = ({ checkpoint }: ExecutedTransaction): Position => ({ checkpoint, index: 0 });
const checkpointPosition = ({ sequenceNumber }: Checkpoint): Position => ({
  checkpoint: sequenceNumber,
  index: WHOLE_CHECKPOINT,
});

/**
 * As full nodes do: a list that nobody said the beginning of begins with what is kept; one that shall begin earlier, or
 * goes on after something forgotten, is refused.
 *
 * @throws GrpcError `OUT_OF_RANGE`
 */
function ofWhatIsKept(rpc: RpcContext, request: ListRequest): ListRequest {
  const firstKept = BigInt(rpc.firstKept());
  const { startCheckpoint, options } = request;
  if (startCheckpoint === undefined && options?.after === undefined)
    return { ...request, startCheckpoint: firstKept };
  const after = options?.after === undefined ? undefined : decodeCursor(options.after);
  const behind = after === undefined ? 0n : after.checkpoint + (after.index === WHOLE_CHECKPOINT ? 1n : 0n);
  const begin = startCheckpoint === undefined || behind > startCheckpoint ? behind : startCheckpoint;
  if (begin < firstKept)
    throw new GrpcError(
      "OUT_OF_RANGE",
      `checkpoint ${begin} is forgotten; the first one kept is ${firstKept}`,
    );
  return request;
}

export const listMethods = (rpc: RpcContext): Methods => ({
  [`${SERVICE}/ListEvents`]: streaming(
    GrpcTypes.ListEventsRequest,
    GrpcTypes.ListEventsResponse,
    function* (request): Generator<GrpcTypes.ListEventsResponse> {
      const { events, height } = rpc.ledger.reads;
      const matches = eventPredicate(request.filter);
      for (const { value, ...rest } of listFrames(
        events,
        eventPosition,
        matches,
        ofWhatIsKept(rpc, request),
        height,
      )) {
        if (value === undefined) yield rest;
        else yield { event: applyMask(GrpcTypes.Event, eventMessage(value), request.readMask), ...rest };
      }
    },
  ),
  [`${SERVICE}/ListTransactions`]: streaming(
    GrpcTypes.ListTransactionsRequest,
    GrpcTypes.ListTransactionsResponse,
    function* (request): Generator<GrpcTypes.ListTransactionsResponse> {
      const { transactions, height } = rpc.ledger.reads;
      const all = [...transactions.values()];
      const matches = transactionPredicate(request.filter);
      for (const { value, ...rest } of listFrames(
        all,
        transactionPosition,
        matches,
        ofWhatIsKept(rpc, request),
        height,
      )) {
        if (value === undefined) yield rest;
        else {
          const message = ledgerTransactionMessage(value);
          const transaction = applyMask(GrpcTypes.ExecutedTransaction, message, request.readMask, ["digest"]);
          yield { transaction, ...rest };
        }
      }
    },
  ),
  [`${SERVICE}/ListCheckpoints`]: streaming(
    GrpcTypes.ListCheckpointsRequest,
    GrpcTypes.ListCheckpointsResponse,
    function* (request): Generator<GrpcTypes.ListCheckpointsResponse> {
      const { checkpoints, height } = rpc.ledger.reads;
      const holds = transactionPredicate(request.filter);
      const matches = ({ transaction }: Checkpoint): boolean =>
        request.filter === undefined || (transaction !== null && holds(transaction));
      for (const { value, ...rest } of listFrames(
        checkpoints,
        checkpointPosition,
        matches,
        ofWhatIsKept(rpc, request),
        height,
      )) {
        if (value === undefined) yield rest;
        else {
          const fallback = ["sequence_number", "digest"];
          const message = checkpointMessage(value);
          yield { checkpoint: applyMask(GrpcTypes.Checkpoint, message, request.readMask, fallback), ...rest };
        }
      }
    },
  ),
});
