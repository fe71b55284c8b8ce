/**
 * The chain as a storage node reads it: over gRPC (binary grpc-web), from one Sui endpoint.
 *
 * `ListEvents` with a filter on the contracts' `events` module yields every event in ledger order; its watermark
 * cursor moves on over stretches without events too. `SubscribeEvents` starts at the tip and has no resume, so it
 * only rings.
 */
import { GrpcTypes, GrpcWebFetchTransport, SuiGrpcClient } from "@mysten/sui/grpc";
import {
  type ChainSnapshot,
  readChainSnapshot,
  type WalrusObjectIds,
} from "../../shared/sui/chain-snapshot.ts";
import { parseWalrusEvent } from "../../shared/sui/events.ts";
import { createSuiClient, type Fetch, suiCall } from "../../shared/sui/sui-client.ts";
import { SuiError } from "../../shared/sui/sui-error.ts";
import type { ChainEvent, ChainSource, EventPage } from "./chain-source.ts";

/** Servers cap a page at about this. */
const PAGE_EVENTS = 50;

export interface SuiChainSourceOptions extends WalrusObjectIds {
  readonly url: string;
  readonly fetch: Fetch;
  readonly nowMs: () => number;
}

export function createSuiChainSource(options: SuiChainSourceOptions): ChainSource {
  const { url, fetch, nowMs } = options;
  const client = createSuiClient({ url, fetch });
  // Without a deadline: a subscription lasts as long as the node does.
  const subscriptions = new SuiGrpcClient({
    network: "floe",
    transport: new GrpcWebFetchTransport({
      baseUrl: url,
      format: "binary",
      // The transport only passes text URLs and plain init objects.
      fetch: fetch as typeof globalThis.fetch,
    }),
  });
  let snapshot: ChainSnapshot | undefined;

  async function refresh(): Promise<ChainSnapshot> {
    snapshot = await readChainSnapshot(client, options, nowMs(), snapshot);
    return snapshot;
  }

  async function filter(): Promise<GrpcTypes.EventFilter> {
    const known = snapshot ?? (await refresh());
    const packages = new Set([known.originalPackageId, known.packageId]);
    return {
      terms: [...packages].map((id) => ({
        literals: [
          {
            negated: false,
            predicate: { oneofKind: "eventType" as const, eventType: { eventType: `${id}::events` } },
          },
        ],
      })),
    };
  }

  return {
    view: refresh,

    async read(after, signal): Promise<EventPage> {
      const eventFilter = await filter();
      return suiCall("listing events", async () => {
        const call = client.ledgerService.listEvents(
          {
            readMask: {
              paths: ["event_type", "contents", "checkpoint", "transaction_digest", "event_index"],
            },
            filter: eventFilter,
            options: {
              limit: PAGE_EVENTS,
              ordering: GrpcTypes.Ordering.ASCENDING,
              ...(after === undefined ? {} : { after }),
            },
          },
          { abort: signal },
        );
        const events: ChainEvent[] = [];
        let cursor = after;
        let reason: GrpcTypes.QueryEndReason | undefined;
        for await (const frame of call.responses) {
          const event = frame.event && toChainEvent(frame.event);
          if (event !== undefined) events.push(event);
          cursor = frame.watermark?.cursor ?? cursor;
          reason = frame.end?.reason ?? reason;
        }
        // Without its last frame the answer broke off; what came is in order, but nobody vouches for the rest.
        if (reason === undefined) {
          throw new SuiError(
            "SUI_MALFORMED",
            `the event list ended after ${events.length} events, unfinished`,
          );
        }
        return { events, cursor, atTip: reason === GrpcTypes.QueryEndReason.LEDGER_TIP };
      });
    },

    async listen(signal, ring): Promise<void> {
      const eventFilter = await filter();
      await suiCall("subscribing to events", async () => {
        const request = { readMask: { paths: ["event_type"] }, filter: eventFilter };
        const call = subscriptions.subscriptionService.subscribeEvents(request, { abort: signal });
        for await (const frame of call.responses) if (frame.event !== undefined) ring();
      });
    },
  };
}

/** @returns undefined for events of types this program does not know: newer packages may add some */
function toChainEvent(event: GrpcTypes.Event): ChainEvent | undefined {
  const { eventType, contents, transactionDigest, eventIndex, checkpoint } = event;
  if (eventType === undefined || contents?.value === undefined || transactionDigest === undefined) {
    throw new SuiError("SUI_MALFORMED", "an event without type, contents or transaction digest");
  }
  const parsed = parseWalrusEvent(eventType, contents.value);
  if (parsed === undefined) return undefined;
  return {
    event: parsed,
    txDigest: transactionDigest,
    eventSeq: String(eventIndex ?? 0),
    checkpoint: Number(checkpoint ?? 0n),
  };
}
