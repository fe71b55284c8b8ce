/**
 * What the reads of one isolate know together: which blobs nobody has, what is being fetched right now, and how fast
 * nodes normally answer. Memory only; nothing negative is ever stored.
 */
import type { Clock } from "../../shared/base/clock.ts";
import type { BlobId } from "../../shared/protocol/ids.ts";
import type { VerifiedMetadata } from "../../shared/protocol/metadata.ts";
import { AnswerTimes } from "../nodes/answer-times.ts";
import { READ_LIMITS } from "./limits.ts";

export class SharedReads {
  readonly absences: AbsenceMemo;
  readonly metadata = new Flights<VerifiedMetadata>();
  readonly times = new AnswerTimes();

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
