/**
 * Carries requests by this invocation's own connections and by those of child invocations.
 *
 * | a request goes ... | when                                                                                       |
 * |--------------------|--------------------------------------------------------------------------------------------|
 * | directly           | a connection of this invocation is free, or the request fits no frame                       |
 * | by an open lane    | one has a free place                                                                       |
 * | by a new lane      | the work announced by `expect` is worth it and lanes are left                                |
 * | later              | otherwise: first come, first served                                                        |
 *
 * A lane that dies gives its requests back, and they travel again elsewhere: storage node routes are idempotent. After
 * `LANE_LIMITS.attemptsPerRequest` lost lanes a request goes directly. Lanes are opened as the work needs them; the
 * number that one invocation ever opens is bounded, since closed ones count for the platform too.
 */
import type { Clock, RandomBytes } from "../../shared/base/clock.ts";
import { INVOCATION_REQUESTS } from "../../shared/base/gate.ts";
import type { Log } from "../../shared/base/log.ts";
import {
  type Carrier,
  CarrierError,
  type CarryOptions,
  type NodeAnswer,
  type NodeRequest,
} from "../../shared/node/carrier.ts";
import { fitsFrame } from "./frames.ts";
import { LANE_LIMITS } from "./limits.ts";
import { type LaneChannel, OpenLane } from "./open-lane.ts";

export interface LaneCarrierOptions {
  /** This invocation's own connections. */
  readonly direct: Carrier;
  /** Starts a child invocation. Fails by its streams. */
  readonly open: () => LaneChannel;
  /** What an answer of a storage node takes, as far as is known. */
  readonly answerMs: () => number | undefined;
  /** Told what each answer took. */
  readonly answered: (ms: number) => void;
  readonly log: Log;
  /** 0: everything goes directly. */
  readonly maxLanes?: number;
}

/** How many lanes so much work is worth; 0 when it is soon done without. */
export function lanesFor(requests: number, answerMs: number, width: number): number {
  const aloneMs = (requests / width) * answerMs;
  if (aloneMs < LANE_LIMITS.worthMs) return 0;
  const waves = aloneMs / Math.max(answerMs, LANE_LIMITS.waveMs);
  return Math.min(LANE_LIMITS.lanesPerInvocation, Math.ceil(waves) - 1);
}

/** Before the first answer: enough for a thousand shards to get lanes at once, too little for a small committee. */
const UNKNOWN_ANSWER_MS = 20;

interface Job {
  readonly request: NodeRequest;
  readonly result: PromiseWithResolvers<NodeAnswer>;
  readonly onStart: (() => void) | undefined;
  readonly signal: AbortSignal | undefined;
  /** When it was sent first; 0 before. */
  startedMs: number;
  isSettled: boolean;
  lostLanes: number;
  cancel: (() => void) | undefined;
}

export class LaneCarrier implements Carrier {
  readonly clock: Clock;
  readonly randomBytes: RandomBytes;
  readonly #options: LaneCarrierOptions;
  readonly #maxLanes: number;
  readonly #lanes = new Set<OpenLane>();
  readonly #queue: Job[] = [];
  /** The lane that uploads go into until it is full. */
  #filling: OpenLane | undefined;
  #direct = 0;
  #opened = 0;
  /** Lanes that announced work is worth. */
  #wanted = 0;
  #isClosed = false;

  constructor(options: LaneCarrierOptions) {
    this.clock = options.direct.clock;
    this.randomBytes = options.direct.randomBytes;
    this.#options = options;
    this.#maxLanes = Math.min(
      options.maxLanes ?? LANE_LIMITS.lanesPerInvocation,
      LANE_LIMITS.lanesPerInvocation,
    );
  }

  get width(): number {
    return this.#options.direct.width + INVOCATION_REQUESTS * this.#reachableLanes();
  }

  /** Lanes may share this isolate: a body or an answer is there as itself and in its frame. */
  get copies(): number {
    return this.#reachableLanes() === 0 ? 1 : 2;
  }

  /** Lanes that were ever opened. */
  get opened(): number {
    return this.#opened;
  }

  expect(requests: number): void {
    const answerMs = this.#options.answerMs() ?? UNKNOWN_ANSWER_MS;
    const wanted = lanesFor(requests, answerMs, this.#options.direct.width);
    this.#wanted = Math.max(this.#wanted, wanted);
    this.#dispatch();
  }

  async carry(request: NodeRequest, { signal, onStart }: CarryOptions = {}): Promise<NodeAnswer> {
    signal?.throwIfAborted();
    if (this.#isClosed) throw closed();
    const result = Promise.withResolvers<NodeAnswer>();
    const job: Job = {
      request,
      result,
      onStart,
      signal,
      startedMs: 0,
      isSettled: false,
      lostLanes: 0,
      cancel: undefined,
    };
    const abort = (): void => {
      if (job.isSettled) return;
      job.isSettled = true;
      job.cancel?.();
      result.reject(signal?.reason);
    };
    signal?.addEventListener("abort", abort, { once: true });
    this.#queue.push(job);
    this.#dispatch();
    try {
      return await result.promise;
    } finally {
      signal?.removeEventListener("abort", abort);
    }
  }

  /** Ends all lanes. What is under way in them, what waits and what comes later fails. */
  close(): void {
    this.#isClosed = true;
    for (const lane of [...this.#lanes]) lane.close();
    for (const job of this.#queue.splice(0)) this.#settle(job, closed());
  }

  #reachableLanes(): number {
    if (this.#isClosed) return 0;
    const wanted = Math.min(this.#wanted, this.#maxLanes);
    return Math.min(Math.max(wanted, this.#lanes.size), this.#lanes.size + this.#maxLanes - this.#opened);
  }

  #dispatch(): void {
    for (let job = this.#queue.shift(); job !== undefined; job = this.#queue.shift()) {
      if (job.isSettled) continue;
      if (this.#direct < this.#options.direct.width) {
        this.#sendDirectly(job);
        continue;
      }
      const mayLane = fitsFrame(job.request) && job.lostLanes < LANE_LIMITS.attemptsPerRequest;
      const lane = mayLane ? this.#freeLane(job.request) : undefined;
      if (lane === undefined) {
        this.#queue.unshift(job);
        return;
      }
      this.#sendBy(lane, job);
    }
  }

  /** The emptiest lane with a place, or a new one; for an upload first the lane that is being filled. */
  #freeLane({ method }: NodeRequest): OpenLane | undefined {
    const { uploadsPerLane, refillBelow } = LANE_LIMITS;
    const isUpload = method === "PUT";
    if (isUpload && this.#filling !== undefined && this.#filling.load < uploadsPerLane) return this.#filling;
    const limit = isUpload ? refillBelow : INVOCATION_REQUESTS;
    let best: OpenLane | undefined;
    for (const lane of this.#lanes) {
      if (lane.load < limit && (best === undefined || lane.load < best.load)) best = lane;
    }
    // As long as lanes are left, each gets what it can send at once.
    const isBusy = best === undefined || best.load >= INVOCATION_REQUESTS;
    if (isBusy && this.#lanes.size < this.#reachableLanes()) return this.#openLane();
    if (isUpload && this.#lanes.size >= this.#reachableLanes()) this.#filling = best;
    return best;
  }

  #openLane(): OpenLane {
    this.#opened++;
    const lane = new OpenLane(this.#options.open(), this.clock, {
      freed: () => this.#dispatch(),
      ended: (ended, lost, error) => {
        this.#lanes.delete(ended);
        if (this.#filling === ended) this.#filling = undefined;
        const cause = error instanceof Error ? error.message : String(error);
        if (lost > 0 && !this.#isClosed)
          this.#options.log("lane-lost", { cause, requests: lost, opened: this.#opened });
      },
    });
    this.#lanes.add(lane);
    return lane;
  }

  #start(job: Job): void {
    if (job.startedMs !== 0) return;
    job.startedMs = this.clock.nowMs();
    job.onStart?.();
  }

  #sendDirectly(job: Job): void {
    this.#direct++;
    const { signal, request } = job;
    const onStart = (): void => this.#start(job);
    this.#options.direct
      .carry(request, { signal, onStart })
      .then(
        (answer) => this.#settle(job, answer),
        (error: unknown) => this.#settle(job, error),
      )
      .finally(() => {
        this.#direct--;
        this.#dispatch();
      });
  }

  #sendBy(lane: OpenLane, job: Job): void {
    this.#start(job);
    job.cancel = lane.send({
      request: job.request,
      settle: (result) => this.#settle(job, result),
      giveBack: () => {
        if (job.isSettled) return;
        job.lostLanes++;
        job.cancel = undefined;
        if (this.#isClosed) this.#settle(job, closed());
        else {
          this.#queue.unshift(job);
          this.#dispatch();
        }
      },
    });
  }

  #settle(job: Job, result: unknown): void {
    if (job.isSettled) return;
    job.isSettled = true;
    if (isAnswer(result)) {
      this.#options.answered(this.clock.nowMs() - job.startedMs);
      job.result.resolve(result);
    } else job.result.reject(result);
  }
}

const closed = (): CarrierError => new CarrierError("UNREACHABLE", "the carrier was closed");

const isAnswer = (result: unknown): result is NodeAnswer =>
  typeof result === "object" && result !== null && "body" in result && "status" in result;
