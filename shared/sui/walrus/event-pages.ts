/**
 * Events of the contracts in ledger order, page by page, with a place to go on from after every event.
 *
 * `ListEvents` with a filter on a module (or on one type) yields every event of it; its watermark cursor moves on over
 * stretches without events too. A cursor is opaque and belongs to the chain, not to the endpoint.
 */
import { GrpcTypes, type SuiGrpcClient } from "@mysten/sui/grpc";
import { type ObjectId, parseObjectId } from "../../protocol/ids.ts";
import { suiCall } from "../client/sui-client.ts";
import { SuiError } from "../client/sui-error.ts";
import { parseStructName } from "../client/type-names.ts";
import { parseWalrusEvent, type UnknownEvent, type WalrusEvent } from "./events.ts";

/** Servers cap a page at about this. */
const PAGE_EVENTS = 50;

export interface PlacedEvent<Event = WalrusEvent | UnknownEvent> {
  readonly event: Event;
  readonly txDigest: string;
  /** Index among the transaction's events, decimal. */
  readonly eventSeq: string;
  readonly checkpoint: number;
  /** Reading on from here begins with the next event. */
  readonly cursor: Uint8Array;
}

export interface EventPage<Event = WalrusEvent | UnknownEvent> {
  /** In chain order, none left out between `after` and `cursor`. */
  readonly events: readonly PlacedEvent<Event>[];
  /** Where the next page starts; moves on also over stretches without events. */
  readonly cursor: Uint8Array | undefined;
  /** All events of the checkpoints before this one came with this page or earlier ones; undefined when it is not said. */
  readonly coveredBefore: number | undefined;
  /** `more`: read on at once; `bound`: everything before `beforeCheckpoint` was read; `tip`: the endpoint has no more. */
  readonly end: "more" | "bound" | "tip";
}

/** Which stretch of a list of events is wanted. */
export interface EventSpan {
  /** From `fromCheckpoint` when absent. */
  readonly after?: Uint8Array | undefined;
  /**
   * An endpoint that has forgotten this checkpoint, or what follows the cursor, refuses (`SUI_FORGOTTEN`). Where the list
   * begins with neither, it is cut off without a word at the first checkpoint that the endpoint still has.
   */
  readonly fromCheckpoint?: number | undefined;
  /** Exclusive. */
  readonly beforeCheckpoint?: number;
  readonly signal?: AbortSignal;
}

export interface EventPageRequest extends EventSpan {
  /** Those of `readEventPackages`: an event type is named by the release that brought it. */
  readonly packages: readonly ObjectId[];
}

/**
 * Walrus events, also of kinds that this program does not know: they count where an event's place is counted. May be
 * repeated.
 *
 * @throws SuiError `SUI_MALFORMED` for an answer that broke off, `SUI_FORGOTTEN`, or a transport error
 */
export function readEventPage(client: SuiGrpcClient, request: EventPageRequest): Promise<EventPage> {
  return readPage(
    client,
    eventFilter(request.packages),
    request,
    (type, contents): WalrusEvent | UnknownEvent =>
      parseWalrusEvent(type, contents) ?? {
        kind: "Unknown",
        name: parseStructName(type).name,
        isHarmless: false,
      },
  );
}

export interface AnyEventSpan extends EventSpan {
  /** Newest first, from before this cursor. */
  readonly newestBefore?: Uint8Array | "tip";
}

/** @returns undefined for an event to leave out */
export type ParseEvent<Event> = (type: string, contents: Uint8Array) => Event | undefined;

/**
 * One page of the events that a filter names.
 *
 * @param parse leaves an event out by returning undefined
 * @throws SuiError `SUI_MALFORMED` for an answer that broke off, `SUI_FORGOTTEN`, or a transport error
 */
export function readPage<Event>(
  client: SuiGrpcClient,
  filter: GrpcTypes.EventFilter,
  request: AnyEventSpan,
  parse: ParseEvent<Event>,
): Promise<EventPage<Event>> {
  const { newestBefore } = request;
  return suiCall("listing events", async () => {
    const call = client.ledgerService.listEvents(
      {
        readMask: { paths: ["event_type", "contents", "checkpoint", "transaction_digest", "event_index"] },
        filter,
        ...(request.beforeCheckpoint === undefined
          ? {}
          : { endCheckpoint: BigInt(request.beforeCheckpoint) }),
        ...(request.fromCheckpoint === undefined ? {} : { startCheckpoint: BigInt(request.fromCheckpoint) }),
        options: {
          limit: PAGE_EVENTS,
          ordering: newestBefore === undefined ? GrpcTypes.Ordering.ASCENDING : GrpcTypes.Ordering.DESCENDING,
          ...(request.after === undefined ? {} : { after: request.after }),
          ...(newestBefore instanceof Uint8Array ? { before: newestBefore } : {}),
        },
      },
      request.signal === undefined ? {} : { abort: request.signal },
    );
    const events: PlacedEvent<Event>[] = [];
    let cursor = request.after;
    let coveredBefore: number | undefined;
    let reason: GrpcTypes.QueryEndReason | undefined;
    for await (const frame of call.responses) {
      cursor = frame.watermark?.cursor ?? cursor;
      const covered = frame.watermark?.checkpoint;
      if (covered !== undefined && newestBefore === undefined) coveredBefore = Number(covered) + 1;
      const event = frame.event && placedEvent(frame.event, cursor, parse);
      if (event !== undefined) events.push(event);
      reason = frame.end?.reason ?? reason;
    }
    // Without its last frame the answer broke off; what came is in order, but nobody vouches for the rest.
    if (reason === undefined) {
      throw new SuiError("SUI_MALFORMED", `the event list ended after ${events.length} events, unfinished`);
    }
    return { events, cursor, coveredBefore, end: endOf(reason) };
  });
}

/**
 * The packages that name the types of Walrus's events: an upgrade that adds a kind names it, and every later release keeps
 * that name, so neither the first nor the newest release is enough.
 *
 * @param packageId the newest release
 * @throws SuiError `SUI_MALFORMED` for a package without events; transport errors
 */
export async function readEventPackages(client: SuiGrpcClient, packageId: ObjectId): Promise<ObjectId[]> {
  const { response } = await suiCall("reading the origins of event types", async () =>
    client.movePackageService.getPackage({ packageId }),
  );
  const origins = response.package?.typeOrigins ?? [];
  const packages = origins.flatMap((origin) =>
    origin.moduleName === "events" && origin.packageId !== undefined ? parseObjectId(origin.packageId) : [],
  );
  if (packages.length === 0) {
    throw new SuiError("SUI_MALFORMED", `package ${packageId} has no module of events`);
  }
  return [...new Set(packages)];
}

export const eventFilter = (packages: readonly ObjectId[]): GrpcTypes.EventFilter =>
  anyEventOf([...new Set(packages)].map((id) => `${id}::events`));

/** Events of any of these types, or of any type of these modules. */
export const anyEventOf = (eventTypes: readonly string[]): GrpcTypes.EventFilter => ({
  terms: eventTypes.map((eventType) => ({
    literals: [{ negated: false, predicate: { oneofKind: "eventType" as const, eventType: { eventType } } }],
  })),
});

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

/** @returns undefined for an event to leave out */
function placedEvent<Event>(
  event: GrpcTypes.Event,
  cursor: Uint8Array | undefined,
  parse: ParseEvent<Event>,
): PlacedEvent<Event> | undefined {
  const { eventType, contents, transactionDigest, eventIndex, checkpoint } = event;
  if (
    eventType === undefined ||
    contents?.value === undefined ||
    transactionDigest === undefined ||
    cursor === undefined
  ) {
    throw new SuiError("SUI_MALFORMED", "an event without type, contents, transaction digest or cursor");
  }
  const parsed = parse(eventType, contents.value);
  if (parsed === undefined) return undefined;
  return {
    event: parsed,
    txDigest: transactionDigest,
    eventSeq: String(eventIndex ?? 0),
    checkpoint: Number(checkpoint ?? 0n),
    cursor,
  };
}
