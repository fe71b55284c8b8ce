/** Reads from the chain what a round has to be, without asking the auditor anything. */
import type { ChainReader } from "../auditor/chain-reader.ts";
import { youngFrom } from "../auditor/young-blobs.ts";
import { AuditError } from "../shared/audit/audit-error.ts";
import type { AuditParameters } from "../shared/audit/parameters.ts";
import { MemoryPopulation } from "../shared/audit/population.ts";
import {
  applyPopulationEvent,
  isPopulationEvent,
  MemoryPopulationStore,
} from "../shared/audit/population-events.ts";
import type { ChainFacts } from "../shared/audit/verify-round.ts";
import type { BlobId } from "../shared/protocol/ids.ts";

/**
 * @param no of the round
 * @param opened the seed that `open_round` drew, for a round that names it as its source
 * @throws SuiError; AuditError `INVALID_EVENT_ORDER` when the endpoint has not the whole history: event blobs are
 *   attested by those who are judged here, so nothing but the chain itself will do
 * Cost: reads every Walrus event up to the seed's checkpoint, and holds all live blobs in memory.
 */
export async function readChainFacts(
  chain: ChainReader,
  no: number,
  parameters: Pick<AuditParameters, "roundPeriodMs" | "freshGraceMs">,
  opened?: NonNullable<ChainFacts["openedSeed"]>,
): Promise<ChainFacts> {
  const snapshot = await chain.snapshot();
  const firstAvailable = await chain.firstAvailable();
  if (firstAvailable > 0) {
    throw new AuditError("INVALID_EVENT_ORDER", `the endpoint has forgotten all before ${firstAvailable}`, {
      details: { firstAvailable },
    });
  }
  const seedCheckpoint = await chain.firstCheckpointAt(no * parameters.roundPeriodMs);
  const before = opened?.checkpoint ?? seedCheckpoint?.sequence;
  const store = new MemoryPopulationStore();
  let permanent = new MemoryPopulation([], snapshot.nShards);
  let epoch: number | undefined;
  let after: Uint8Array | undefined;
  for (let isDone = before === undefined; !isDone; ) {
    const page = await chain.events(after, before ?? 0);
    for (const { event, checkpoint } of page.events) {
      if (event.kind === "EpochChangeStart")
        permanent = new MemoryPopulation(store.blobs("permanent", event.epoch), snapshot.nShards);
      if (isPopulationEvent(event)) applyPopulationEvent(store, event, checkpoint);
      if ("epoch" in event) epoch = Math.max(epoch ?? 0, event.epoch);
    }
    after = page.cursor;
    isDone = page.end !== "more";
  }
  const known = epoch ?? snapshot.epoch;
  const isYoung = await youthIn(chain, store, before, parameters.freshGraceMs);
  const listOf = (stratum: "deletable" | "fresh"): MemoryPopulation =>
    new MemoryPopulation(store.blobs(stratum, known), snapshot.nShards);
  const populations = { permanent, deletable: listOf("deletable"), fresh: listOf("fresh") };
  const justCertified = new Set<BlobId>();
  for (const { entries } of Object.values(populations))
    for (const { blobId } of entries) if (isYoung(blobId)) justCertified.add(blobId);
  const committees = [snapshot.committee, snapshot.previousCommittee];
  return {
    seedCheckpoint,
    ...(opened === undefined ? {} : { openedSeed: opened }),
    committee: committees.find((committee) => committee?.epoch === known) ?? undefined,
    populations,
    epoch: known,
    justCertified,
  };
}

/** @param seedCheckpoint up to which the store was filled */
async function youthIn(
  chain: ChainReader,
  store: MemoryPopulationStore,
  seedCheckpoint: number | undefined,
  graceMs: number,
): Promise<(blobId: BlobId) => boolean> {
  if (seedCheckpoint === undefined) return () => false;
  const from = await youngFrom(chain, seedCheckpoint, graceMs);
  return (blobId) => (store.certifiedSince(blobId) ?? -1) >= from;
}
