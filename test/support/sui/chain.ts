/** What the chain says, read over real gRPC: the tests' second opinion on what the edge claims. */
import { SuiGrpcClient } from "@mysten/sui/grpc";
import type { NetworkFile } from "../../../shared/network/network-file.ts";
import { readChainSnapshot } from "../../../shared/sui/walrus/chain-snapshot.ts";
import {
  parseWalrusEvent,
  type WalrusEvent,
  type WalrusEventName,
} from "../../../shared/sui/walrus/events.ts";

export const suiClient = (file: NetworkFile): SuiGrpcClient =>
  new SuiGrpcClient({ network: "testnet", baseUrl: file.sui.url });

/** All events of one kind since genesis, oldest first. */
export async function chainEvents<Name extends WalrusEventName>(
  file: NetworkFile,
  name: Name,
): Promise<Extract<WalrusEvent, { kind: Name }>[]> {
  const client = suiClient(file);
  const { originalPackageId } = await readChainSnapshot(client, file.walrus, Date.now());
  const events: Extract<WalrusEvent, { kind: Name }>[] = [];
  let after: string | null = null;
  for (;;) {
    const page = await client.listEvents({
      filter: { eventType: `${originalPackageId}::events::${name}` },
      limit: 50,
      ...(after === null ? {} : { after }),
    });
    for (const event of page.events) {
      const parsed = parseWalrusEvent(event.eventType, event.bcs);
      if (parsed?.kind === name) events.push(parsed as Extract<WalrusEvent, { kind: Name }>);
    }
    if (!page.hasNextPage) return events;
    after = page.endCursor;
  }
}

export const certifiedBlobIds = async (file: NetworkFile): Promise<string[]> =>
  (await chainEvents(file, "BlobCertified")).map((event) => event.blob_id);
