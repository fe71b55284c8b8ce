/**
 * Questions to storage nodes within one read, and what to do when one is silent.
 *
 * An answer is late when it takes several times as long as answers take now; from then on somebody else is asked, but
 * the late one is still listened to. Late requests keep at most half of the carrier's
 * places: silent nodes would otherwise hold all of them, and no other node could be asked. The oldest one then counts as timed out.
 */

import { FloeError } from "../../shared/base/errors.ts";
import type { CallOptions } from "../../shared/node/storage-node-client.ts";
import { StorageNodeError } from "../../shared/node/storage-node-errors.ts";
import type { ObjectId } from "../../shared/protocol/ids.ts";
import type { ReachableNode } from "../nodes/reachable-nodes.ts";
import type { ReadPorts } from "./ports.ts";

export interface Inquiry<Answer> {
  /** What came, or why nothing did. Rejects only for failures of our own. */
  readonly answer: Promise<Answer | FloeError>;
  /** Resolves when the answer is late, and never if it is not. */
  readonly late: Promise<void>;
}

const HEDGE_SLICES = 4;

export class Inquirer {
  readonly #services: ReadPorts;
  readonly #signal: AbortSignal;
  /** Late requests still under way, oldest first. */
  readonly #late: { readonly stop: AbortController; readonly node: ReachableNode }[] = [];

  /** @param signal ends all questions of this read */
  constructor(services: ReadPorts, signal: AbortSignal) {
    this.#services = services;
    this.#signal = signal;
  }

  /**
   * Asks one node, once. What it does wrong is recorded.
   *
   * @param request checks the answer too: an error it throws is the node's
   */
  ask<Answer>(
    node: ReachableNode,
    headersTimeoutMs: number,
    request: (call: CallOptions) => Promise<Answer>,
  ): Inquiry<Answer> {
    const { faults, reads, transport } = this.#services;
    const { clock } = transport;
    const { nodeId } = node.member;
    const late = Promise.withResolvers<void>();
    const stop = new AbortController();
    const timer = new AbortController();
    const entry = { stop, node };
    let isLate = false;
    let startMs = clock.nowMs();
    const started = (): void => {
      startMs = clock.nowMs();
      this.#untilLate(nodeId, timer.signal).then(
        () => {
          if (!reads.times.takeHedge()) return;
          isLate = true;
          faults.record(nodeId, "LATE");
          this.#keepLate(entry);
          late.resolve();
        },
        () => {}, // Answered in time.
      );
    };
    const settled = (): void => {
      timer.abort();
      const at = this.#late.indexOf(entry);
      if (at >= 0) this.#late.splice(at, 1);
    };
    const signal = AbortSignal.any([this.#signal, stop.signal]);
    const call = { signal, attempts: 1, headersTimeoutMs, onStart: started };
    const answer = request(call).then(
      (value) => {
        settled();
        reads.times.add(nodeId, clock.nowMs() - startMs);
        if (!isLate) faults.answered(nodeId);
        return value;
      },
      (error: unknown) => {
        settled();
        if (!(error instanceof FloeError)) {
          // A node that let the read end without it was silent; one that had no time yet was not.
          if (this.#signal.aborted) return new FloeError(isLate ? "LATE" : "ABORTED", "the read has ended");
          throw error;
        }
        faults.record(nodeId, error.code);
        return error;
      },
    );
    return { answer, late: late.promise };
  }

  /** In slices: while the isolate computes, neither answers nor time come through, and the node is not to blame. */
  async #untilLate(nodeId: ObjectId, signal: AbortSignal): Promise<void> {
    const { reads, transport } = this.#services;
    const sliceMs = Math.ceil(reads.times.hedgeMs(nodeId) / HEDGE_SLICES);
    for (let slice = 0; slice < HEDGE_SLICES; slice++) await transport.clock.sleep(sliceMs, signal);
  }

  #keepLate(entry: { readonly stop: AbortController; readonly node: ReachableNode }): void {
    this.#late.push(entry);
    // Half of the places.
    if (this.#late.length <= Math.floor(this.#services.carrier.width / 2)) return;
    const oldest = this.#late.shift();
    oldest?.stop.abort(
      new StorageNodeError("TIMEOUT", "silent, and its connection was needed", {
        node: oldest.node.member.name,
        route: "read",
      }),
    );
  }
}

/** An inquiry that has ended before it began. */
export const refused = (error: FloeError): Inquiry<never> => ({
  answer: Promise.resolve(error),
  late: new Promise(() => {}),
});

export interface GatherOptions<Candidate, Answer> {
  /** In the order to ask them. */
  readonly candidates: readonly Candidate[];
  /** How many may be asked at once, late ones not counted. */
  readonly width: number;
  /** How much of what is missing an answer is expected to bring. */
  weight(candidate: Candidate): number;
  missing(): number;
  ask(candidate: Candidate): Inquiry<Answer>;
  take(candidate: Candidate, answer: Answer): void;
}

/**
 * Asks as many candidates as should suffice; one that fails or is late is replaced by the next. Settles when nothing
 * is missing any more, or when all have answered or failed.
 */
export function gather<Candidate, Answer>(options: GatherOptions<Candidate, Answer>): Promise<void> {
  const { candidates, width, missing } = options;
  const done = Promise.withResolvers<void>();
  let next = 0;
  let expected = 0;
  let inTime = 0;
  let running = 0;

  const step = (): void => {
    if (missing() <= 0) {
      done.resolve();
      return;
    }
    while (expected < missing() && inTime < width && next < candidates.length) {
      const candidate = candidates[next++];
      if (candidate !== undefined) launch(candidate);
    }
    if (running === 0) done.resolve();
  };
  const launch = (candidate: Candidate): void => {
    const weight = options.weight(candidate);
    let isExpected = true;
    expected += weight;
    inTime++;
    running++;
    const giveUpOn = (): void => {
      if (!isExpected) return;
      isExpected = false;
      expected -= weight;
      inTime--;
    };
    const { answer, late } = options.ask(candidate);
    late.then(() => {
      giveUpOn();
      step();
    });
    answer
      .then((value) => {
        giveUpOn();
        running--;
        if (!(value instanceof FloeError) && missing() > 0) options.take(candidate, value);
        step();
      })
      .catch((error: unknown) => done.reject(error));
  };
  step();
  return done.promise;
}
