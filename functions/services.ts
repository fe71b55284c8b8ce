/**
 * Everything the use cases need from outside, made by the composition root for one invocation.
 *
 * Nothing in `upload/` and `read/` reaches for a clock, randomness, the network or a binding by itself: a simulation
 * passes its own.
 */

import { FloeError } from "../shared/base/errors.ts";
import type { FailPoint } from "../shared/base/fail-point.ts";
import type { Log } from "../shared/base/log.ts";
import type { Codec } from "../shared/codec/codec.ts";
import { type NetworkKind, nodeBaseUrl } from "../shared/node/node-address.ts";
import { type NodeTransport, StorageNodeClient } from "../shared/node/storage-node-client.ts";
import type { Committee, CommitteeMember } from "../shared/protocol/committee.ts";
import type { BlobId } from "../shared/protocol/ids.ts";
import type {
  CertifiedBlob,
  CertifyRequest,
  RegisteredBlob,
  RegisterRequest,
} from "../shared/sui/wallet/submissions.ts";
import type { ChainSnapshot } from "../shared/sui/walrus/chain-snapshot.ts";
import type { KernelLease } from "./base/isolate-memory.ts";
import type { EdgeReads } from "./nodes/edge-reads.ts";
import type { NodeFaults } from "./nodes/node-faults.ts";
import type { SharedReads } from "./read/shared-reads.ts";
import type { IntentRequest, Tracker } from "./tracker/port.ts";
import type { StagedObjects } from "./upload/staging.ts";

/** What is known of the chain; an answer is at most `CHAIN_LIMITS.chainSnapshotMs` old, or as fresh as asked for. */
export interface Chain {
  snapshot(options?: { readonly minReadAtMs?: number }): Promise<ChainSnapshot>;
}

/** Spends money. Both calls answer one intent with one outcome, however often they are repeated. */
export interface WalletPort {
  register(request: RegisterRequest): Promise<RegisteredBlob>;
  certify(request: CertifyRequest): Promise<CertifiedBlob>;
}

export interface Services {
  readonly requestId: string;
  readonly networkKind: NetworkKind;
  readonly maxBodyBytes: number;
  /** Largest blob that can be held durably; infinite with a bucket. */
  readonly maxStagedBytes: number;
  /** Without a sign of life for so long, an upload is taken over. */
  readonly uploadLeaseMs: number;
  /** The bucket for staged copies, when one is bound. */
  readonly stagedObjects: StagedObjects | undefined;
  /** Clock, randomness, fetch and the one gate of this invocation. */
  readonly transport: NodeTransport;
  readonly codec: Codec;
  /** The isolate's memory: whatever a request holds is admitted here first. */
  readonly lease: KernelLease;
  /** What all reads of the isolate know together. */
  readonly reads: SharedReads;
  readonly chain: Chain;
  readonly wallet: WalletPort;
  tracker(blobId: BlobId): Tracker;
  /** Ties the request's Idempotency-Key, if any, to it. @throws EdgeError `IDEMPOTENCY_KEY_REUSED` */
  bindIdempotencyKey(request: IntentRequest): Promise<void>;
  readonly faults: NodeFaults;
  /** What reads saw, for the auditor; undefined when none is configured. */
  readonly edgeReads: EdgeReads | undefined;
  readonly failPoint: FailPoint;
  /** Keeps the invocation alive for work after the reply, for as long as the platform lets it (30 s). */
  waitUntil(work: Promise<unknown>): void;
  readonly log: Log;
}

/** A committee member we can talk to. */
export interface ReachableNode {
  readonly member: CommitteeMember;
  readonly position: number;
  readonly client: StorageNodeClient;
}

/** Clients of all members whose address the policy allows; the others are recorded as faults and left out. */
export function reachableNodes(services: Services, committee: Committee): ReachableNode[] {
  return committee.members.flatMap((member, position) => {
    try {
      const baseUrl = nodeBaseUrl(member.networkAddress, services.networkKind);
      return [{ member, position, client: new StorageNodeClient(baseUrl, member.name, services.transport) }];
    } catch (error) {
      if (!(error instanceof FloeError)) throw error;
      services.faults.record(member.nodeId, error.code);
      return [];
    }
  });
}

/** Errors by which a node says that our committee, or its own, is not the newest. */
const STALE_COMMITTEE: ReadonlySet<string> = new Set(["SHARD_NOT_ASSIGNED", "WRONG_EPOCH"]);

/**
 * Has the chain read again when a node's error says that the committee may have changed: what runs goes on with the
 * committee it has, the next request works with the new one.
 */
export function refreshIfStale(services: Services, code: string): void {
  if (!STALE_COMMITTEE.has(code)) return;
  const refreshed = services.chain.snapshot({ minReadAtMs: services.transport.clock.nowMs() });
  services.waitUntil(refreshed.catch(() => services.log("chain-refresh-failed", { code })));
}
