/**
 * Runs the distribution of a blob until the tracker has a certificate, and lets the rest finish in the background.
 *
 * The wait ends at the certificate, shortly after the nodes that can still confirm no longer weigh a quorum, or at the
 * stage's deadline. After the certificate the remaining slivers are sent within the 30 s that the platform grants for
 * work after the reply.
 */

import { withTimer } from "../../shared/base/deadline.ts";
import type { StorageNodeError } from "../../shared/node/storage-node-errors.ts";
import { isQuorum, quorumWeight } from "../../shared/protocol/bft.ts";
import type { Certificate } from "../../shared/protocol/certificate.ts";
import type { Committee } from "../../shared/protocol/committee.ts";
import type { BlobId, ObjectId } from "../../shared/protocol/ids.ts";
import type { Persistence } from "../../shared/protocol/messages.ts";
import { EdgeError } from "../base/edge-error.ts";
import { type ReachableNode, reachableNodes, refreshIfStale } from "../nodes/reachable-nodes.ts";
import { TRACKER_LIMITS } from "../tracker/limits.ts";
import type { ReportAnswer, Tracker } from "../tracker/port.ts";
import type { AdmittedEncoder } from "./admitted-encoder.ts";
import { distribute, type NodeOutcome } from "./distribute.ts";
import { UPLOAD_LIMITS } from "./limits.ts";
import type { DistributionPorts } from "./ports.ts";
import { ProgressReporter } from "./progress-reporter.ts";
import type { StoredSlivers } from "./stored-slivers.ts";

export interface CollectOptions {
  readonly intentId: string;
  readonly tracker: Tracker;
  readonly committee: Committee;
  readonly blobId: BlobId;
  readonly persistence: Persistence;
  /** What nodes have already; kept up to date. */
  readonly stored: StoredSlivers;
  readonly encoder: AdmittedEncoder;
  /** Serialised, without the blob ID. */
  readonly metadata: Uint8Array;
  /** Called exactly once, when nothing uses the encoder any more: possibly long after the certificate. */
  readonly onFinished: () => void;
}

/** @throws EdgeError `INSUFFICIENT_CONFIRMATIONS` with shards had and needed, and how the nodes failed */
export async function collectCertificate(
  services: DistributionPorts,
  options: CollectOptions,
): Promise<Certificate> {
  const collection = new Collection(services, options);
  const { clock } = services.transport;
  const stage = new AbortController();
  clock.sleep(UPLOAD_LIMITS.distributeTimeoutMs, stage.signal).then(
    () => collection.fail("deadline"),
    () => {}, // Cancelled: the stage ended by itself.
  );
  const finished = collection.run();
  try {
    const certificate = await collection.certificate;
    services.waitUntil(collection.finishTail(finished));
    return certificate;
  } catch (error) {
    collection.stop(error);
    services.waitUntil(finished);
    throw error;
  } finally {
    stage.abort();
  }
}

class Collection {
  readonly #services: DistributionPorts;
  readonly #options: CollectOptions;
  readonly #work = new AbortController();
  readonly #result = Promise.withResolvers<Certificate>();
  /** Nodes that will not confirm, and why. Written by outcomes and by the tracker's rejections. */
  readonly #failed = new Map<ObjectId, string>();
  readonly #reporter: ProgressReporter;
  #weight = 0;
  #isDecided = false;
  #isDoomed = false;
  /** Errors after which the chain was asked again already. */
  readonly #refreshedFor = new Set<string>();
  /** Aborted when the result is decided: ends timers. */
  readonly #settled = new AbortController();

  constructor(services: DistributionPorts, options: CollectOptions) {
    this.#services = services;
    this.#options = options;
    this.#reporter = new ProgressReporter({
      ...options,
      clock: services.transport.clock,
      onAnswer: (answer) => this.#take(answer),
      onError: (error) => this.#decide(() => this.#result.reject(error)),
    });
    // A failure may be decided before anybody waits for the result.
    this.#result.promise.catch(() => {});
  }

  get certificate(): Promise<Certificate> {
    return this.#result.promise;
  }

  /** Uploads to all nodes; settles when the last one has ended and everything is reported. Never rejects. */
  async run(): Promise<void> {
    const { committee, onFinished } = this.#options;
    const nodes = reachableNodes(this.#services, committee);
    const reachable = new Set(nodes.map((node) => node.member.nodeId));
    for (const { nodeId } of committee.members) {
      if (!reachable.has(nodeId)) this.#failed.set(nodeId, "REFUSED_ADDRESS");
    }
    try {
      // An earlier request for this intent may have got as far as a certificate.
      const known = this.#reporter.report();
      const uploads = distribute({
        ...this.#options,
        nodes,
        carrier: this.#services.carrier,
        signal: this.#work.signal,
        events: {
          ...this.#reporter.events,
          confirmed: (node, signed) => {
            this.#services.faults.answered(node.member.nodeId);
            this.#reporter.events.confirmed(node, signed);
          },
          fault: (node, error) => this.#recordFault(node, error),
        },
      });
      await Promise.all([known, ...uploads.map((upload) => upload.then((outcome) => this.#ended(outcome)))]);
      await this.#reporter.flush();
      this.fail(this.#isDoomed ? "too many nodes failed" : "every node has answered");
    } catch (error) {
      // Not a node's failure: a codec error, a bug, or a tracker that cannot be reached.
      this.#decide(() => this.#result.reject(error));
      this.#work.abort(error);
      this.#services.log("distribution-broken", { blobId: this.#options.blobId });
    } finally {
      onFinished();
    }
  }

  /** Waits for the rest of the slivers, at most `TRACKER_LIMITS.tailTimeoutMs`. Never rejects. */
  async finishTail(finished: Promise<void>): Promise<void> {
    const { clock } = this.#services.transport;
    const stop = (): void => this.#work.abort(new Error("the tail's time is up"));
    await withTimer(clock, TRACKER_LIMITS.tailTimeoutMs, stop, () => finished);
    this.#services.log("distributed", { blobId: this.#options.blobId, failedNodes: this.#failed.size });
  }

  stop(reason: unknown): void {
    this.#work.abort(reason);
  }

  fail(reason: string): void {
    this.#decide(() => this.#result.reject(this.#insufficient(reason)));
  }

  #ended({ node, error }: NodeOutcome): void {
    if (error === undefined) return;
    this.#failed.set(node.member.nodeId, error.code);
    this.#checkReachable();
  }

  /**
   * When no quorum can come together any more, the nodes still at work get a moment to finish: what they store and
   * confirm now is there for the next attempt, and the numbers in the error are what the network really has.
   */
  #checkReachable(): void {
    const { committee } = this.#options;
    let possible = 0;
    for (const { nodeId, shards } of committee.members)
      if (!this.#failed.has(nodeId)) possible += shards.length;
    if (this.#isDecided || this.#isDoomed || isQuorum(possible, committee.nShards)) return;
    this.#isDoomed = true;
    this.#services.transport.clock.sleep(UPLOAD_LIMITS.doomedUploadGraceMs, this.#settled.signal).then(
      () => this.fail("too many nodes failed"),
      () => {}, // Decided before.
    );
  }

  #recordFault(node: ReachableNode, error: StorageNodeError): void {
    this.#services.faults.record(node.member.nodeId, error.code);
    this.#refreshOnce(error.code);
    this.#reporter.events.fault(node, error);
  }

  #refreshOnce(code: string): void {
    if (this.#refreshedFor.has(code)) return;
    this.#refreshedFor.add(code);
    refreshIfStale(this.#services, code);
  }

  #take(answer: ReportAnswer): void {
    this.#weight = Math.max(this.#weight, answer.weight);
    for (const { nodeId, fault } of answer.rejected) {
      this.#services.faults.record(nodeId, fault);
      this.#refreshOnce(fault);
      this.#failed.set(nodeId, fault);
    }
    const { certificate } = answer;
    if (certificate !== null) this.#decide(() => this.#result.resolve(certificate));
    else if (answer.rejected.length > 0) this.#checkReachable();
  }

  #decide(settle: () => void): void {
    if (this.#isDecided) return;
    this.#isDecided = true;
    this.#settled.abort(new Error("decided"));
    settle();
  }

  #insufficient(reason: string): EdgeError {
    const { committee } = this.#options;
    const need = quorumWeight(committee.nShards);
    const codes = [...this.#failed.values()];
    const timedOut = codes.filter((code) => code === "TIMEOUT").length;
    const unreachable = codes.filter((code) => code === "UNREACHABLE" || code === "REFUSED_ADDRESS").length;
    const refused = codes.length - timedOut - unreachable;
    const message =
      `have ${this.#weight} of ${need} shards, ${refused} nodes refused, ${timedOut} timed out, ` +
      `${unreachable} unreachable of ${committee.members.length}, epoch ${committee.epoch} (${reason})`;
    return new EdgeError("INSUFFICIENT_CONFIRMATIONS", message, {
      retryable: true,
      details: {
        blobId: this.#options.blobId,
        haveShards: this.#weight,
        needShards: need,
        refused,
        timedOut,
        unreachable,
        epoch: committee.epoch,
      },
    });
  }
}
