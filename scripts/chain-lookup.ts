/** Finds a blob's certification on chain and the certificate that was really sent, for people to look at. */
import { bcs } from "@mysten/sui/bcs";
import type { SuiGrpcClient } from "@mysten/sui/grpc";
import { fromBase64 } from "../shared/base/bytes.ts";
import type { NetworkFile } from "../shared/network/network-file.ts";
import type { BlobId } from "../shared/protocol/ids.ts";
import { parseConfirmation } from "../shared/protocol/messages.ts";
import { createSuiClient } from "../shared/sui/client/sui-client.ts";
import { readChainSnapshot } from "../shared/sui/walrus/chain-snapshot.ts";
import { parseWalrusEvent } from "../shared/sui/walrus/events.ts";

export interface CertifiedOnChain {
  readonly registerDigest: string;
  readonly certifyDigest: string;
  /** The confirmation message and the signers' bitmap as they stand in the certify transaction. */
  readonly message: Uint8Array;
  readonly bitmap: Uint8Array;
  readonly memberCount: number;
  /** Shards held by each committee member, by position. */
  readonly memberShards: readonly number[];
}

const PAGE = 50;

/** @returns undefined when the chain has no certification of this blob */
export async function findCertification(
  network: NetworkFile,
  blobId: BlobId,
): Promise<CertifiedOnChain | undefined> {
  const client = createSuiClient({ url: network.sui.url, fetch: globalThis.fetch });
  const snapshot = await readChainSnapshot(client, network.walrus, Date.now());
  const eventsModule = `${snapshot.originalPackageId}::events`;
  const registerDigest = await lastEventDigest(client, `${eventsModule}::BlobRegistered`, blobId);
  const certifyDigest = await lastEventDigest(client, `${eventsModule}::BlobCertified`, blobId);
  if (registerDigest === undefined || certifyDigest === undefined) return undefined;
  const { bitmap, message } = await certificateOf(client, certifyDigest, blobId);
  return {
    registerDigest,
    certifyDigest,
    message,
    bitmap,
    memberCount: snapshot.committee.members.length,
    memberShards: snapshot.committee.members.map((member) => member.shards.length),
  };
}

async function lastEventDigest(
  client: SuiGrpcClient,
  eventType: string,
  blobId: BlobId,
): Promise<string | undefined> {
  let digest: string | undefined;
  let after: string | null | undefined;
  for (;;) {
    const page = await client.listEvents({
      filter: { eventType },
      limit: PAGE,
      ...(after === undefined || after === null ? {} : { after }),
    });
    for (const event of page.events) {
      const parsed = parseWalrusEvent(event.eventType, event.bcs);
      if (parsed !== undefined && "blob_id" in parsed && parsed.blob_id === blobId)
        digest = event.transactionDigest;
    }
    if (!page.hasNextPage) return digest;
    after = page.endCursor;
  }
}

/** The certify call's pure inputs: signature, bitmap, message, each a length-prefixed byte vector. */
async function certificateOf(
  client: SuiGrpcClient,
  digest: string,
  blobId: BlobId,
): Promise<{ bitmap: Uint8Array; message: Uint8Array }> {
  const result = await client.getTransaction({ digest, include: { transaction: true } });
  const transaction = (result.Transaction ?? result.FailedTransaction)?.transaction;
  for (const command of transaction?.commands ?? []) {
    if (!("MoveCall" in command) || command.MoveCall === undefined) continue;
    const call = command.MoveCall;
    if (call.module !== "system" || call.function !== "certify_blob") continue;
    const [, , , bitmapInput, messageInput] = call.arguments.map((argument) => {
      if (!("Input" in argument) || argument.Input === undefined) return undefined;
      const input = transaction?.inputs[argument.Input];
      if (input === undefined || !("Pure" in input) || input.Pure === undefined) return undefined;
      return bcs.byteVector().parse(fromBase64(input.Pure.bytes));
    });
    if (bitmapInput === undefined || messageInput === undefined) continue;
    if (parseConfirmation(messageInput).blobId === blobId)
      return { bitmap: bitmapInput, message: messageInput };
  }
  throw new Error(`transaction ${digest} does not certify ${blobId}`);
}
