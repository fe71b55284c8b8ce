/**
 * What the reads of one isolate know together: which blobs nobody has, what is being fetched right now, and how fast
 * nodes normally answer. Memory only; nothing negative is ever stored.
 */
import type { Clock } from "../../shared/base/clock.ts";
import { NODE_LIMITS } from "../../shared/node/limits.ts";
import type { BlobId } from "../../shared/protocol/ids.ts";
import type { VerifiedMetadata } from "../../shared/protocol/metadata.ts";
import { READ_LIMITS } from "./limits.ts";

export class SharedReads {
  readonly absences: AbsenceMemo;
  readonly metadata = new Flights<VerifiedMetadata>();
  readonly latency = new AnswerTimes();

  constructor(clock: Clock) {
    this.absences = new AbsenceMemo(clock);
  }
}

/** Blob IDs a quorum did not know a moment ago. Short, because a blob may be certified the next second. */
export class AbsenceMemo {
  readonly #clock: Clock;
  /** When each was found missing, in that order. */
  readonly #sinceMs = new Map<BlobId, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  has(blobId: BlobId): boolean {
    const since = this.#sinceMs.get(blobId);
    return since !== undefined && this.#clock.nowMs() - since < READ_LIMITS.absenceMs;
  }

  add(blobId: BlobId): void {
    this.#sinceMs.delete(blobId);
    this.#sinceMs.set(blobId, this.#clock.nowMs());
    const oldest = this.#sinceMs.keys().next();
    if (this.#sinceMs.size > READ_LIMITS.absencesKept && !oldest.done) this.#sinceMs.delete(oldest.value);
  }

  /** The blob exists now. */
  forget(blobId: BlobId): void {
    this.#sinceMs.delete(blobId);
  }
}

/**
 * Identical work under way, joined instead of repeated. The platform may end the request that does the work without a
 * word: who joins must be ready to do it alone after a while.
 */
export class Flights<Result> {
  readonly #underWay = new Map<string, Promise<Result>>();

  /** The work for `key` that another request has begun, if any. */
  joinable(key: string): Promise<Result> | undefined {
    return this.#underWay.get(key);
  }

  /** Lets others join `work` until it settles. */
  lead(key: string, work: Promise<Result>): Promise<Result> {
    this.#underWay.set(key, work);
    const ended = (): void => {
      if (this.#underWay.get(key) === work) this.#underWay.delete(key);
    };
    work.then(ended, ended);
    return work;
  }
}

/**
 * How long answers of all nodes took lately: the measure of what is late. And how many may be given up as late: when
 * everybody is, asking others as well would only double the load.
 */
export class AnswerTimes {
  readonly #recentMs: number[] = [];
  #hedges: number = READ_LIMITS.hedgesKept;

  /** Takes one of the hedges, if any is left; answers in time earn new ones. */
  takeHedge(): boolean {
    if (this.#hedges < 1) return false;
    this.#hedges--;
    return true;
  }

  add(ms: number): void {
    this.#hedges = Math.min(READ_LIMITS.hedgesKept, this.#hedges + READ_LIMITS.hedgesPerAnswer);
    this.#recentMs.push(ms);
    if (this.#recentMs.length > READ_LIMITS.answerTimesKept) this.#recentMs.shift();
  }

  /**
   * After how much silence somebody else is asked: a multiple of the median, which slow nodes of less than half the
   * weight cannot push up.
   */
  get hedgeMs(): number {
    if (this.#recentMs.length === 0) return READ_LIMITS.readHedgeMs;
    const sorted = this.#recentMs.toSorted((a, b) => a - b);
    const median = sorted[sorted.length >> 1] ?? 0;
    return Math.min(
      NODE_LIMITS.readHeadersTimeoutMs,
      Math.max(READ_LIMITS.readHedgeMs, HEDGE_FACTOR * median),
    );
  }
}
const HEDGE_FACTOR = 4;
