/**
 * The invocation's end of one lane: which requests are in it, and what became of them.
 *
 * A lane holds as many questions as it can send at once, so none waits in it; of uploads, which are many and not urgent,
 * some wait. It ends when it is closed, when
 * its stream breaks, when a frame is malformed, or when it is silent past the deadline of a request: the requests in it
 * go back to the carrier, which repeats them elsewhere.
 */
import type { Clock } from "../../shared/base/clock.ts";
import { CarrierError, type NodeAnswer, type NodeRequest } from "../../shared/node/carrier.ts";
import { FrameWriter, type ReadBytes, readFrames } from "./frame-stream.ts";
import { cancelFrame, type FromLane, parseFromLane, requestFrame } from "./frames.ts";
import { LANE_LIMITS } from "./limits.ts";

/** A child invocation, as its opener sees it. */
export interface LaneChannel {
  readonly input: WritableStream<Uint8Array>;
  readonly output: ReadBytes;
}

export interface LaneJob {
  readonly request: NodeRequest;
  settle(result: NodeAnswer | CarrierError): void;
  /** The request may or may not have been sent; the lane does not know what became of it. */
  giveBack(): void;
}

export interface LaneEvents {
  /** A place is free. */
  freed(): void;
  /** It takes no more requests; `lost` of them are about to be given back. */
  ended(lane: OpenLane, lost: number, error: unknown): void;
}

interface Entry {
  readonly job: LaneJob;
  readonly deadlineMs: number;
}

export class OpenLane {
  readonly #clock: Clock;
  readonly #events: LaneEvents;
  readonly #writer: FrameWriter;
  readonly #underWay = new Map<number, Entry>();
  readonly #stopped = new AbortController();
  #nextId = 1;
  #isEnded = false;
  #lastUsedMs: number;

  constructor(channel: LaneChannel, clock: Clock, events: LaneEvents) {
    this.#clock = clock;
    this.#events = events;
    this.#lastUsedMs = clock.nowMs();
    this.#writer = new FrameWriter(channel.input, (error) => this.#end(error));
    readFrames(channel.output, (frame) => this.#take(parseFromLane(frame))).then(
      () => this.#end(new Error("the lane closed its stream")),
      (error) => this.#end(error),
    );
    this.#watch().catch(() => {}); // Stopped.
  }

  /** Requests in this lane, cancelled ones included until the lane has let go of them. */
  get load(): number {
    return this.#underWay.size;
  }

  /** @returns cancels the request: the lane drops it, and its place is free once that is confirmed */
  send(job: LaneJob): () => void {
    const id = this.#nextId++;
    const nowMs = this.#clock.nowMs();
    this.#lastUsedMs = nowMs;
    // An upload may have waited for another one's deadline before its own began.
    const deadlineMs = nowMs + 2 * job.request.timeoutMs + LANE_LIMITS.graceMs;
    this.#underWay.set(id, { job, deadlineMs });
    this.#writer.send(requestFrame(id, job.request));
    return () => this.#writer.send(cancelFrame(id));
  }

  /** Ends the lane; what is under way in it is given back. */
  close(): void {
    this.#end(new Error("closed"));
  }

  #take(frame: FromLane): void {
    const entry = this.#underWay.get(frame.id);
    if (entry === undefined) return;
    this.#underWay.delete(frame.id);
    this.#lastUsedMs = this.#clock.nowMs();
    if (frame.kind === "answer") entry.job.settle(frame.answer);
    // Cancelled by its caller, who has gone; or by the lane's own end, which gives it back.
    else if (frame.code === "CANCELLED") entry.job.giveBack();
    else {
      const { code, message, status } = frame;
      entry.job.settle(new CarrierError(code, message, { details: status === 0 ? {} : { status } }));
    }
    this.#events.freed();
  }

  #end(error: unknown): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#stopped.abort(error);
    this.#writer.close();
    const entries = [...this.#underWay.values()];
    this.#underWay.clear();
    this.#events.ended(this, entries.length, error);
    // Each goes to the head of the queue, so the last one first.
    for (const { job } of entries.reverse()) job.giveBack();
  }

  /** Gives the lane up when it is silent past a deadline, and closes it when it has had nothing to do for long. */
  async #watch(): Promise<void> {
    for (;;) {
      await this.#clock.sleep(LANE_LIMITS.graceMs, this.#stopped.signal);
      const nowMs = this.#clock.nowMs();
      const isSilent = [...this.#underWay.values()].some(({ deadlineMs }) => deadlineMs < nowMs);
      const isIdle = this.#underWay.size === 0 && nowMs - this.#lastUsedMs >= LANE_LIMITS.idleMs;
      if (isSilent || isIdle) return this.#end(new Error(isSilent ? "the lane is silent" : "idle"));
    }
  }
}
