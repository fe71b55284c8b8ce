/**
 * Checkpoints by number and by time.
 *
 * Their timestamps never decrease, so the first one at or after a moment is found by stepping back from the tip in
 * doubling strides and halving the last of them: 2 log2(distance) requests, some 20 for a moment half an hour ago.
 */
import type { SuiGrpcClient } from "@mysten/sui/grpc";
import { fromBase58 } from "@mysten/sui/utils";
import { suiCall } from "./sui-client.ts";
import { SuiError } from "./sui-error.ts";

export interface CheckpointInfo {
  readonly sequence: number;
  /** 32 bytes. */
  readonly digest: Uint8Array;
  readonly timestampMs: number;
}

interface KeptCheckpoints {
  /** The oldest checkpoint whose transactions and events the endpoint still has; full nodes forget. */
  readonly first: number;
  readonly tip: number;
}

async function readKept(client: SuiGrpcClient): Promise<KeptCheckpoints> {
  const { response } = await suiCall("reading the tip", async () => client.ledgerService.getServiceInfo({}));
  const { checkpointHeight, lowestAvailableCheckpoint = 0n } = response;
  if (checkpointHeight === undefined) throw new SuiError("SUI_MALFORMED", "the chain has no height");
  return { first: Number(lowestAvailableCheckpoint), tip: Number(checkpointHeight) };
}

/** The chain's identifier: base58 of the digest of its first checkpoint. The client asks for it once. */
export const readChainId = (client: SuiGrpcClient): Promise<string> =>
  suiCall("reading the chain ID", async () => (await client.getChainIdentifier()).chainIdentifier);

/** Sequence number of the newest checkpoint the endpoint has. */
export const readTip = async (client: SuiGrpcClient): Promise<number> => (await readKept(client)).tip;

/** The oldest checkpoint that the endpoint still has. */
export const readFirstAvailable = async (client: SuiGrpcClient): Promise<number> =>
  (await readKept(client)).first;

/** @throws SuiError `SUI_NOT_FOUND` (retryable) for a checkpoint that the endpoint does not have */
export async function readCheckpoint(client: SuiGrpcClient, sequence: number): Promise<CheckpointInfo> {
  const { response } = await suiCall(`reading checkpoint ${sequence}`, async () =>
    client.ledgerService.getCheckpoint({
      checkpointId: { oneofKind: "sequenceNumber", sequenceNumber: BigInt(sequence) },
      readMask: { paths: ["sequence_number", "digest", "summary.timestamp"] },
    }),
  );
  const { digest, summary } = response.checkpoint ?? {};
  const time = summary?.timestamp;
  if (digest === undefined || time === undefined) {
    throw new SuiError("SUI_MALFORMED", `checkpoint ${sequence} has no digest or no time`);
  }
  const timestampMs = Number(time.seconds) * 1000 + Math.floor(time.nanos / 1_000_000);
  return { sequence, digest: fromBase58(digest), timestampMs };
}

/**
 * The first checkpoint with a timestamp of at least `startMs`.
 *
 * @returns undefined while the chain has none
 * @throws SuiError `SUI_NOT_FOUND` when the endpoint has forgotten what was before
 */
export async function firstCheckpointAt(
  client: SuiGrpcClient,
  startMs: number,
): Promise<CheckpointInfo | undefined> {
  const { first, tip } = await readKept(client);
  let high = await readCheckpoint(client, tip);
  if (high.timestampMs < startMs) return undefined;
  // `high` is late enough; everything up to `low` is too early.
  let low = -1;
  for (let stride = 1; high.sequence > first; stride *= 2) {
    const earlier = await readCheckpoint(client, Math.max(first, high.sequence - stride));
    if (earlier.timestampMs < startMs) {
      low = earlier.sequence;
      break;
    }
    high = earlier;
  }
  if (low < first && first > 0) {
    throw new SuiError("SUI_NOT_FOUND", `the endpoint begins at checkpoint ${first}, after ${startMs}`, {
      details: { first, startMs },
    });
  }
  while (high.sequence - low > 1) {
    const middle = await readCheckpoint(client, low + Math.floor((high.sequence - low) / 2));
    if (middle.timestampMs < startMs) low = middle.sequence;
    else high = middle;
  }
  return high;
}
