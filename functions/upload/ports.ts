/** What the steps of an upload take, each no more than it uses. */
import type { FailPoint } from "../../shared/base/fail-point.ts";
import type { Codec } from "../../shared/codec/codec.ts";
import type { Carrier } from "../../shared/node/carrier.ts";
import type { BlobId } from "../../shared/protocol/ids.ts";
import type { Invocation } from "../base/invocation.ts";
import type { IsolateMemory } from "../base/isolate-memory.ts";
import type { ChainPorts } from "../chain/port.ts";
import type { NodePorts } from "../nodes/ports.ts";
import type { IntentRequest, Tracker } from "../tracker/port.ts";
import type { StagedObjects } from "../tracker/staged-objects.ts";
import type { WalletPort } from "../wallet/port.ts";

/** Opening an encoder in admitted memory. */
export interface EncoderPorts {
  readonly codec: Codec;
  /** The isolate's memory: whatever an upload holds is admitted here first. */
  readonly memory: IsolateMemory;
  /** Its width decides how many slivers are held at once. */
  readonly carrier: Carrier;
}

/** Reading a body. */
export interface BodyPorts extends EncoderPorts, Pick<Invocation, "transport"> {
  readonly maxBodyBytes: number;
  /** Largest blob that can be held durably; infinite with a bucket. */
  readonly maxStagedBytes: number;
}

/** Staging a blob and reading it back. */
export interface StagingPorts extends EncoderPorts {
  /** The bucket for staged copies, when one is bound. */
  readonly stagedObjects: StagedObjects | undefined;
  readonly failPoint: FailPoint;
}

/** Having a turn at an upload. */
export interface TurnPorts extends Pick<Invocation, "transport"> {
  tracker(blobId: BlobId): Tracker;
  /** Without a sign of life for so long, a worker loses its turn. */
  readonly turnMs: number;
}

/** Sending slivers until a quorum has confirmed. */
export interface DistributionPorts extends Invocation, ChainPorts, NodePorts {}

/** One attempt at an upload. */
export interface WorkPorts extends DistributionPorts, StagingPorts {
  readonly wallet: WalletPort;
}

/** Finishing an upload without its client. */
export interface FinishPorts extends WorkPorts, TurnPorts {}

/** Publishing for a client. */
export interface PublishPorts extends WorkPorts, TurnPorts, BodyPorts {
  /** Ties the request's Idempotency-Key, if any, to it. @throws EdgeError `IDEMPOTENCY_KEY_REUSED` */
  bindIdempotencyKey(request: IntentRequest): Promise<void>;
}
