/**
 * Everything the use cases need from outside, made by the composition root for one invocation.
 *
 * Nothing in `upload/` and `read/` reaches for a clock, randomness, the network or a binding by itself: a simulation
 * passes its own.
 */

import type { FailPoint } from "../shared/base/fail-point.ts";
import type { Log } from "../shared/base/log.ts";
import type { Codec } from "../shared/codec/codec.ts";
import type { Carrier } from "../shared/node/carrier.ts";
import type { NodeTransport } from "../shared/node/direct-carrier.ts";
import type { NetworkKind } from "../shared/node/node-address.ts";
import type { BlobId } from "../shared/protocol/ids.ts";
import type { IsolateMemory } from "./base/isolate-memory.ts";
import type { Chain } from "./chain/port.ts";
import type { EdgeReads } from "./nodes/edge-reads.ts";
import type { NodeFaults } from "./nodes/node-faults.ts";
import type { SharedReads } from "./read/shared-reads.ts";
import type { IntentRequest, Tracker } from "./tracker/port.ts";
import type { StagedObjects } from "./tracker/staged-objects.ts";
import type { WalletPort } from "./wallet/port.ts";

export interface Services {
  readonly requestId: string;
  readonly networkKind: NetworkKind;
  readonly maxBodyBytes: number;
  /** Largest blob that can be held durably; infinite with a bucket. */
  readonly maxStagedBytes: number;
  /** Without a sign of life for so long, a worker loses its turn at an upload. */
  readonly turnMs: number;
  /** The bucket for staged copies, when one is bound. */
  readonly stagedObjects: StagedObjects | undefined;
  /** Clock, randomness, fetch and the one gate of this invocation. */
  readonly transport: NodeTransport;
  /** What requests to storage nodes travel by. */
  readonly carrier: Carrier;
  readonly codec: Codec;
  /** The isolate's memory: whatever a request holds is admitted here first. */
  readonly memory: IsolateMemory;
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
