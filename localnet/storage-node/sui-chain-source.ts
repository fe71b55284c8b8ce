/**
 * The chain as a storage node reads it: over gRPC (binary grpc-web), from one Sui endpoint.
 *
 * `ListEvents` yields every event in ledger order. `SubscribeEvents` starts at the tip and has no resume, so it only
 * rings.
 */
import { GrpcWebFetchTransport, SuiGrpcClient } from "@mysten/sui/grpc";
import type { ObjectId } from "../../shared/protocol/ids.ts";
import { createSuiClient, type Fetch, suiCall } from "../../shared/sui/client/sui-client.ts";
import {
  type ChainSnapshot,
  readChainSnapshot,
  type WalrusObjectIds,
} from "../../shared/sui/walrus/chain-snapshot.ts";
import { eventFilter, readEventPage } from "../../shared/sui/walrus/event-pages.ts";
import type { ChainSource, EventPage } from "./chain-source.ts";

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

  async function packages(): Promise<readonly ObjectId[]> {
    const known = snapshot ?? (await refresh());
    return [known.originalPackageId, known.packageId];
  }

  return {
    view: refresh,

    async read(after, signal): Promise<EventPage> {
      const page = await readEventPage(client, { packages: await packages(), after, signal });
      const events = page.events.flatMap(({ event, ...rest }) =>
        event.kind === "Unknown" ? [] : [{ event, ...rest }],
      );
      return { events, cursor: page.cursor, atTip: page.end === "tip" };
    },

    async listen(signal, ring): Promise<void> {
      const filter = eventFilter(await packages());
      await suiCall("subscribing to events", async () => {
        const request = { readMask: { paths: ["event_type"] }, filter };
        const call = subscriptions.subscriptionService.subscribeEvents(request, { abort: signal });
        for await (const frame of call.responses) if (frame.event !== undefined) ring();
      });
    },
  };
}
