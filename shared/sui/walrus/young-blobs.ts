/** Which blobs are too young for a round to hold their absence against anybody: by checkpoints, so that all agree. */
import { SuiError } from "../client/sui-error.ts";
import type { ChainReader } from "./chain-reader.ts";

/**
 * The first checkpoint that is less than `graceMs` older than the round's seed: a blob whose certification stands in it
 * or later is young. The seed's own when there is no grace, and then no blob is.
 *
 * @throws SuiError; `SUI_STALE`, retryable, when the endpoint does not know the seed's checkpoint yet
 * Cost: 2 log2(checkpoints in between) requests, some 30 for two hours of a public network.
 */
export async function youngFrom(
  chain: ChainReader,
  seedCheckpoint: number,
  graceMs: number,
): Promise<number> {
  if (graceMs === 0) return seedCheckpoint;
  const { timestampMs } = await chain.checkpoint(seedCheckpoint);
  const first = await chain.firstCheckpointAt(timestampMs - graceMs + 1);
  if (first === undefined) {
    throw new SuiError("SUI_STALE", `the endpoint's checkpoints end before ${seedCheckpoint}`, {
      retryable: true,
      details: { seedCheckpoint },
    });
  }
  return first.sequence;
}
