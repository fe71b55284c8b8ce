/** Reads from the chain what a round has to be, without asking the auditor anything. */

import { AuditError } from "../shared/audit/audit-error.ts";
import { parseLeaf } from "../shared/audit/evidence-leaf.ts";
import { epochChangesOf, type KnownEpochChange, movedShards } from "../shared/audit/fairness.ts";
import type { AuditParameters } from "../shared/audit/parameters.ts";
import { MemoryPopulation } from "../shared/audit/population.ts";
import type { RoundExport } from "../shared/audit/round-export.ts";
import { FloeError } from "../shared/base/errors.ts";
import type { ShardHolders } from "../shared/protocol/committee.ts";
import type { BlobId } from "../shared/protocol/ids.ts";
import type { ChainReader } from "../shared/sui/walrus/chain-reader.ts";
import type { ChainSnapshot } from "../shared/sui/walrus/chain-snapshot.ts";
import { youngFrom } from "../shared/sui/walrus/young-blobs.ts";
import type { ChainFacts } from "./chain-facts.ts";
import { ChainHistory, type EpochEvents, type OnRead } from "./chain-history.ts";
import type { JudgedFacts } from "./excuse-check.ts";

/** Epochs that begin before a round is judged, of which the committee is looked up. */
const LATER_EPOCHS = 4;

/**
 * @param round its number, and what its export says: the epoch, and up to where the chain was read for the verdicts. One
 *   that says another epoch than the chain does gets no permanent blobs; of its leaves only those of a blob matter
 * @param opened the seed that `open_round` drew, for a round that names it as its source
 * @throws SuiError; AuditError `INVALID_EVENT_ORDER` when the endpoint has not the whole history: event blobs are
 *   attested by those who are judged here, so nothing but the chain itself will do
 * Cost: reads every Walrus event up to the judged checkpoint, and holds all live blobs in memory, 530 bytes each (1.3
 * GB for 2.5 million); beside that some ten requests, and one per checkpoint in which a moved shard was received. For a
 * round older than the epoch before the present one the endpoint must keep old versions of Walrus's state.
 */
export async function readChainFacts(
  chain: ChainReader,
  round: Pick<RoundExport, "no" | "epoch" | "judgedCheckpoint" | "leaves">,
  parameters: Pick<AuditParameters, "roundPeriodMs" | "freshGraceMs">,
  opened?: NonNullable<ChainFacts["openedSeed"]>,
  onRead?: OnRead,
): Promise<ChainFacts> {
  const snapshot = await chain.snapshot();
  const firstAvailable = await chain.firstAvailable();
  if (firstAvailable > 0) {
    throw new AuditError(
      "INVALID_EVENT_ORDER",
      `the endpoint has forgotten all before checkpoint ${firstAvailable}: name one that has the whole history (--sui)`,
      {
        details: { firstAvailable },
      },
    );
  }
  const seedCheckpoint = await chain.firstCheckpointAt(round.no * parameters.roundPeriodMs);
  const seedAt = opened?.checkpoint ?? seedCheckpoint?.sequence;
  const history = new ChainHistory(chain, snapshot.nShards, round.epoch, onRead);
  if (seedAt !== undefined) await history.readTo(seedAt);
  // Of the time before the first event the present state says nothing, and this history is not read on for it.
  const before = history.epoch === undefined ? new ChainHistory(chain, snapshot.nShards, 0) : undefined;
  const epoch = history.epoch ?? (await before?.readOnToFirstEpoch()) ?? snapshot.epoch;
  const listOf = (stratum: "deletable" | "fresh"): MemoryPopulation =>
    new MemoryPopulation(history.store.blobs(stratum, epoch), snapshot.nShards);
  const populations = {
    permanent: history.permanent,
    deletable: listOf("deletable"),
    fresh: listOf("fresh"),
  };
  const drawn = blobsOf(round.leaves);
  const justCertified = await youngOf(drawn, chain, history, seedAt, parameters.freshGraceMs);
  const judgedAt = await judgedIn(chain, round.judgedCheckpoint, seedAt);
  if (judgedAt !== undefined) await history.readTo(judgedAt.sequence);
  const invalidBlobs = invalidOf(drawn, history, epoch, seedAt);
  const [events, receipts] = [history.epochsFrom(epoch), history.receipts(epoch)];
  const holders = await readHolders(chain, history, snapshot, epoch);
  const judged: JudgedFacts | undefined = judgedAt && {
    checkpoint: judgedAt.sequence,
    timestampMs: judgedAt.timestampMs,
    ...(await readHandOver(chain, epoch, events, receipts, holders)),
    invalidBlobs,
    laterCommittees: await readLater(
      chain,
      snapshot,
      events.filter((each) => each.epoch > epoch),
    ),
  };
  const { systemObjectId, stakingObjectId } = snapshot;
  return {
    network: { systemObjectId, stakingObjectId },
    seedCheckpoint,
    ...(opened === undefined ? {} : { openedSeed: opened }),
    seedMs: seedAt === undefined ? undefined : (await chain.checkpoint(seedAt)).timestampMs,
    committee: holders.committee,
    ...(holders.reason === undefined ? {} : { noCommittee: holders.reason }),
    populations,
    epoch,
    justCertified,
    judged,
    tipMs: (await chain.checkpoint(await chain.tip())).timestampMs,
  };
}

/** Millions are live, and some thousand drawn: whether these are the right ones is for `verifyRound` to say. */
function blobsOf(leaves: readonly string[]): ReadonlySet<BlobId> {
  const blobs = new Set<BlobId>();
  for (const leaf of leaves) {
    try {
      blobs.add(parseLeaf(leaf).blobId);
    } catch (error) {
      if (!(error instanceof FloeError)) throw error;
    }
  }
  return blobs;
}

/** @param seedAt up to where the history was read */
async function youngOf(
  blobs: Iterable<BlobId>,
  chain: ChainReader,
  { store }: ChainHistory,
  seedAt: number | undefined,
  graceMs: number,
): Promise<ReadonlySet<BlobId>> {
  const young = new Set<BlobId>();
  if (seedAt === undefined) return young;
  const from = await youngFrom(chain, seedAt, graceMs);
  for (const blobId of blobs) if ((store.certifiedSince(blobId) ?? -1) >= from) young.add(blobId);
  return young;
}

/** @returns undefined unless the chain has this checkpoint, and not before the seed's */
async function judgedIn(
  chain: ChainReader,
  checkpoint: number | null,
  seedAt: number | undefined,
): Promise<Awaited<ReturnType<ChainReader["checkpoint"]>> | undefined> {
  if (!Number.isSafeInteger(checkpoint) || checkpoint === null || seedAt === undefined) return undefined;
  const isThere = checkpoint >= seedAt && checkpoint <= (await chain.tip());
  return isThere ? chain.checkpoint(checkpoint) : undefined;
}

/** Blobs that no node had to hold any more where the history was read to, or that were gone since the seed. */
function invalidOf(
  blobs: ReadonlySet<BlobId>,
  { store, epoch }: ChainHistory,
  roundEpoch: number,
  seedAt: number | undefined,
): ReadonlySet<BlobId> {
  const invalid = new Set<BlobId>();
  if (seedAt === undefined) return invalid;
  const live = store.liveAmong(blobs, epoch ?? roundEpoch);
  for (const blobId of blobs) {
    const isRenewed = (store.certifiedSince(blobId) ?? seedAt) >= seedAt;
    if (isRenewed || !live.has(blobId)) invalid.add(blobId);
  }
  return invalid;
}

interface Holders {
  readonly committee: ShardHolders | undefined;
  /** Of the epoch before: null when there was none, undefined when it cannot be read. */
  readonly previous: ShardHolders | null | undefined;
  /** Why there is no committee. */
  readonly reason?: string;
}

/** The committee of an epoch, and the one before it: from the present state, or the one that the epoch began with. */
async function readHolders(
  chain: ChainReader,
  history: ChainHistory,
  snapshot: ChainSnapshot,
  epoch: number,
): Promise<Holders> {
  const { committee, previousCommittee } = snapshot;
  if (committee.epoch === epoch) return { committee, previous: previousCommittee };
  const [start] = history.epochsFrom(epoch);
  const own = start?.epoch === epoch ? start : undefined;
  const past = own && (await chain.pastCommittees(own.startDigest));
  if (past?.committee.epoch === epoch) return past;
  // The history is whole: an epoch that no event began is the network's first.
  const previous = own === undefined ? null : undefined;
  if (previousCommittee?.epoch === epoch) return { committee: previousCommittee, previous };
  const next = await history.readOnToEpoch(epoch + 1);
  const afterwards = next && (await chain.pastCommittees(next.startDigest));
  if (afterwards?.previous?.epoch === epoch) return { committee: afterwards.previous, previous };
  return { committee: undefined, previous: undefined, reason: reasonOf(epoch, committee.epoch, own ?? next) };
}

function reasonOf(epoch: number, present: number, start: EpochEvents | undefined): string {
  if (present < epoch)
    return `the endpoint's state is of epoch ${present}, its events of ${epoch}: ask it again`;
  const where =
    start === undefined ? "" : ` (transaction ${start.startDigest}, checkpoint ${start.startedAt})`;
  return (
    `epoch ${epoch} is over, it is epoch ${present}, and the endpoint keeps no version of Walrus's state that names ` +
    `its committee${where}: who held a shard cannot be checked without an archival endpoint (--sui URL)`
  );
}

async function readHandOver(
  chain: ChainReader,
  epoch: number,
  events: readonly EpochEvents[],
  receipts: ReadonlyMap<number, number>,
  { committee, previous }: Holders,
): Promise<Pick<JudgedFacts, "epochChanges" | "movedShards" | "receivedMs">> {
  const times = new Map<number, number>();
  const timeOf = async (checkpoint: number): Promise<number> => {
    const known = times.get(checkpoint) ?? (await chain.checkpoint(checkpoint)).timestampMs;
    times.set(checkpoint, known);
    return known;
  };
  const changes: KnownEpochChange[] = [];
  for (const { epoch: each, startedAt, doneAt } of events) {
    const doneMs = doneAt === undefined ? undefined : await timeOf(doneAt);
    changes.push({ epoch: each, startMs: await timeOf(startedAt), doneMs });
  }
  const moved =
    committee === undefined || previous === undefined ? undefined : movedShards(committee, previous);
  const receivedMs = new Map<number, number>();
  for (const [shard, checkpoint] of receipts)
    if (moved?.has(shard) !== false) receivedMs.set(shard, await timeOf(checkpoint));
  return { epochChanges: epochChangesOf(epoch, changes), movedShards: moved, receivedMs };
}

async function readLater(
  chain: ChainReader,
  { committee, previousCommittee }: ChainSnapshot,
  later: readonly EpochEvents[],
): Promise<(ShardHolders | undefined)[]> {
  const found: (ShardHolders | undefined)[] = [];
  for (const { epoch, startDigest } of later.slice(0, LATER_EPOCHS)) {
    const present = [committee, previousCommittee].find((each) => each?.epoch === epoch);
    found.push(present ?? (await chain.pastCommittees(startDigest))?.committee);
  }
  return found;
}
