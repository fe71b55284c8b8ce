/**
 * Walrus events in ledger order, page by page, with a place to go on from after every event.
 *
 * `ListEvents` with a filter on the contracts' `events` module yields every event; its watermark cursor moves on over
 * stretches without events too. A cursor is opaque and belongs to the chain, not to the endpoint.
 */
import { GrpcTypes, type SuiGrpcClient } from "@mysten/sui/grpc";
import type { ObjectId } from "../protocol/ids.ts";
import { parseWalrusEvent, type WalrusEvent } from "./events.ts";
import { suiCall } from "./sui-client.ts";
import { SuiError } from "./sui-error.ts";

/** Servers cap a page at about this. */
const PAGE_EVENTS = 50;

export interface PlacedEvent {
  readonly event: WalrusEvent;
  readonly txDigest: string;
  /** Index among the transaction's events, decimal. */
  readonly eventSeq: string;
  readonly checkpoint: number;
  /** Reading on from here begins with the next event. */
  readonly cursor: Uint8Array;
}

export interface EventPage {
  /** In chain order, none left out between `after` and `cursor`; types this program does not know are skipped. */
  readonly events: readonly PlacedEvent[];
  /** Where the next page starts; moves on also over stretches without events. */
  readonly cursor: Uint8Array | undefined;
  /** `more`: read on at once; `bound`: everything before `beforeCheckpoint` was read; `tip`: the endpoint has no more. */
  readonly end: "more" | "bound" | "tip";
}

export interface EventPageRequest {
  /** The contracts' packages: an event type is named by the release that brought it. */
  readonly packages: readonly ObjectId[];
  /** From genesis when absent. */
  readonly after?: Uint8Array | undefined;
  /** Exclusive. */
  readonly beforeCheckpoint?: number;
  readonly signal?: AbortSignal;
}

/** @throws SuiError `SUI_MALFORMED` for an answer that broke off, or a transport error; may be repeated */
export function readEventPage(client: SuiGrpcClient, request: EventPageRequest): Promise<EventPage> {
  return suiCall("listing events", async () => {
    const call = client.ledgerService.listEvents(
      {
        readMask: { paths: ["event_type", "contents", "checkpoint", "transaction_digest", "event_index"] },
        filter: eventFilter(request.packages),
        ...(request.beforeCheckpoint === undefined
          ? {}
          : { endCheckpoint: BigInt(request.beforeCheckpoint) }),
        options: {
          limit: PAGE_EVENTS,
          ordering: GrpcTypes.Ordering.ASCENDING,
          ...(request.after === undefined ? {} : { after: request.after }),
        },
      },
      request.signal === undefined ? {} : { abort: request.signal },
    );
    const events: PlacedEvent[] = [];
    let cursor = request.after;
    let reason: GrpcTypes.QueryEndReason | undefined;
    for await (const frame of call.responses) {
      cursor = frame.watermark?.cursor ?? cursor;
      const event = frame.event && placedEvent(frame.event, cursor);
      if (event !== undefined) events.push(event);
      reason = frame.end?.reason ?? reason;
    }
    // Without its last frame the answer broke off; what came is in order, but nobody vouches for the rest.
    if (reason === undefined) {
      throw new SuiError("SUI_MALFORMED", `the event list ended after ${events.length} events, unfinished`);
    }
    return { events, cursor, end: endOf(reason) };
  });
}

export function eventFilter(packages: readonly ObjectId[]): GrpcTypes.EventFilter {
  return {
    terms: [...new Set(packages)].map((id) => ({
      literals: [
        {
          negated: false,
          predicate: { oneofKind: "eventType" as const, eventType: { eventType: `${id}::events` } },
        },
      ],
    })),
  };
}

function endOf(reason: GrpcTypes.QueryEndReason): EventPage["end"] {
  switch (reason) {
    case GrpcTypes.QueryEndReason.LEDGER_TIP:
      return "tip";
    case GrpcTypes.QueryEndReason.CHECKPOINT_BOUND:
      return "bound";
    default:
      return "more";
  }
}

/** @returns undefined for events of types this program does not know: newer packages may add some */
function placedEvent(event: GrpcTypes.Event, cursor: Uint8Array | undefined): PlacedEvent | undefined {
  const { eventType, contents, transactionDigest, eventIndex, checkpoint } = event;
  if (
    eventType === undefined ||
    contents?.value === undefined ||
    transactionDigest === undefined ||
    cursor === undefined
  ) {
    throw new SuiError("SUI_MALFORMED", "an event without type, contents, transaction digest or cursor");
  }
  const parsed = parseWalrusEvent(eventType, contents.value);
  if (parsed === undefined) return undefined;
  return {
    event: parsed,
    txDigest: transactionDigest,
    eventSeq: String(eventIndex ?? 0),
    checkpoint: Number(checkpoint ?? 0n),
    cursor,
  };
}
