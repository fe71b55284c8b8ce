/** What the auditor reads from the chain, as one port. Reads may be repeated; none has an effect. */
import type { SuiGrpcClient } from "@mysten/sui/grpc";
import type { Clock } from "../../base/clock.ts";
import type { ObjectId } from "../../protocol/ids.ts";
import {
  type CheckpointInfo,
  firstCheckpointAt,
  readChainId,
  readCheckpoint,
  readFirstAvailable,
  readTip,
} from "../client/checkpoints.ts";
import { ChainCache } from "./chain-cache.ts";
import {
  type CertifiedEventBlob,
  type ChainSnapshot,
  readCertifiedEventBlob,
  readChainSnapshot,
  type WalrusObjectIds,
} from "./chain-snapshot.ts";
import { type EventPage, readEventPackages, readEventPage } from "./event-pages.ts";
import { type PastCommittees, readPastCommittees } from "./past-committees.ts";

export interface ChainReader {
  /** Of the Walrus whose events these are. */
  readonly systemObjectId: ObjectId;
  /** What the endpoint says which chain it serves. */
  chainId(): Promise<string>;
  /** Epoch, committees, packages. @param minReadAtMs read anew when older */
  snapshot(minReadAtMs?: number): Promise<ChainSnapshot>;
  tip(): Promise<number>;
  checkpoint(sequence: number): Promise<CheckpointInfo>;
  /** The first checkpoint at or after a moment; undefined while there is none. */
  firstCheckpointAt(startMs: number): Promise<CheckpointInfo | undefined>;
  /**
   * Events in ledger order, all or nothing.
   *
   * @param after a page's cursor, or the checkpoint to begin with; genesis when absent
   * @param beforeCheckpoint exclusive
   * @throws SuiError `SUI_FORGOTTEN`, retryable, when the endpoint that answers has not got the beginning
   */
  events(after: Uint8Array | number | undefined, beforeCheckpoint: number): Promise<EventPage>;
  /** The oldest checkpoint that the endpoint still has. */
  firstAvailable(): Promise<number>;
  /**
   * The committee that an epoch change brought, and the one before it.
   *
   * @param startDigest of the transaction that emitted `EpochChangeStart`
   * @returns undefined when the endpoint does not keep that version of Walrus's state
   */
  pastCommittees(startDigest: string): Promise<PastCommittees | undefined>;
  /** The latest event blob; undefined while no one is certified. */
  certifiedEventBlob(): Promise<CertifiedEventBlob | undefined>;
}

export function suiChainReader(client: SuiGrpcClient, ids: WalrusObjectIds, clock: Clock): ChainReader {
  const cache = new ChainCache(clock, (nowMs, known) => readChainSnapshot(client, ids, nowMs, known));
  let known: { readonly packageId: ObjectId; readonly packages: readonly ObjectId[] } | undefined;
  let knownBefore = -1;
  const packages = async (beforeCheckpoint: number): Promise<readonly ObjectId[]> => {
    // A release may bring types of events. One that is in force before that checkpoint is in force now, but was not
    // necessarily when the state was last read.
    const isNewer = beforeCheckpoint > knownBefore;
    const { packageId } = await cache.snapshot(isNewer ? { minReadAtMs: clock.nowMs() } : {});
    if (known?.packageId !== packageId)
      known = { packageId, packages: await readEventPackages(client, packageId) };
    knownBefore = Math.max(knownBefore, beforeCheckpoint);
    return known.packages;
  };
  return {
    systemObjectId: ids.systemObjectId,
    chainId: () => readChainId(client),
    snapshot: (minReadAtMs) => cache.snapshot(minReadAtMs === undefined ? {} : { minReadAtMs }),
    tip: () => readTip(client),
    checkpoint: (sequence) => readCheckpoint(client, sequence),
    firstCheckpointAt: (startMs) => firstCheckpointAt(client, startMs),
    events: async (after, beforeCheckpoint) =>
      readEventPage(client, {
        packages: await packages(beforeCheckpoint),
        ...(after instanceof Uint8Array ? { after } : { fromCheckpoint: after ?? 0 }),
        beforeCheckpoint,
      }),
    firstAvailable: () => readFirstAvailable(client),
    pastCommittees: async (startDigest) =>
      readPastCommittees(client, ids.stakingObjectId, (await cache.snapshot()).version, startDigest),
    certifiedEventBlob: () => readCertifiedEventBlob(client, ids),
  };
}
