/**
 * Memory of one isolate, admitted by the byte before it is used.
 *
 * All concurrent requests of an isolate share 128 MB, and exceeding them kills every one. So each request states what it
 * will hold (encoder, decoder, slivers under way, rows read ahead) before it reads a body, asks a node or pays; what
 * does not fit waits a moment, uploads and reads each first come, first served, and is then refused. What is counted are bytes really held;
 * the isolate's own needs and garbage not yet collected fit between `EDGE_LIMITS.memoryBytes` and the platform's limit.
 *
 * | state of an entry | meaning                                                                                    |
 * |-------------------|--------------------------------------------------------------------------------------------|
 * | waiting           | looks by itself every `POLL_MS` whether it is first and fits: a promise that another        |
 * |                   | request resolves would tie the two requests together                                        |
 * | held              | counted until `release`; a timer of its own request renews it                               |
 * | lost              | not renewed for `EDGE_LIMITS.memoryLostMs`: the platform ended its request silently                |
 * |                   | (no `finally` runs then), so the next one that needs room takes the bytes back               |
 */
import type { Clock } from "../../shared/base/clock.ts";
import { assert, FloeError } from "../../shared/base/errors.ts";
import { EDGE_LIMITS } from "./limits.ts";

export type MemoryErrorCode =
  // Operators' logs have these names.
  /** No room now; retryable. */
  | "LEASE_FULL"
  /** More than the isolate ever has. */
  | "LEASE_TOO_SMALL";

export class MemoryError extends FloeError<MemoryErrorCode> {}

/** Memory kept only in case it is needed again, such as idle kernel instances. */
export interface IdleMemory {
  bytes(): number;
  /** Gives all of it up. */
  drop(): void;
}

export interface IsolateMemoryOptions {
  readonly clock: Clock;
  readonly maxBytes?: number;
  /** Counted as used until it is dropped, which happens when something does not fit otherwise. */
  readonly idle?: IdleMemory;
  /** Called with the bytes admitted, after each admission and before each release. */
  readonly observe?: (heldBytes: number) => void;
}

/** Uploads and reads wait in lines of their own: large uploads must not keep small reads waiting. */
export type HoldKind = "upload" | "read";

export interface HoldOptions {
  /** `upload` by default. */
  readonly kind?: HoldKind;
  /** At least this much will do; the rest is a wish. By default all of it is needed. */
  readonly atLeastBytes?: number;
  readonly signal?: AbortSignal | undefined;
}

/** Memory admitted to one request. Its owner releases it on every path; doing so again changes nothing. */
export interface HeldMemory {
  readonly bytes: number;
  /**
   * Asks for more, before all requests that hold nothing yet. @throws MemoryError; what was held before stays held
   */
  grow(bytes: number, signal?: AbortSignal): Promise<void>;
  /** Gives a part back. */
  shrink(bytes: number): void;
  /** What to do when it is released, by its owner or because that was lost: free the memory itself. */
  onRelease(free: () => void): void;
  release(): void;
}

interface Waiter {
  seenMs: number;
}

/** Of all memory, for reads while uploads wait. */
const READ_SHARE = 1 / 4;
const POLL_MS = 20;
/** A waiter that did not look for so long belongs to a request that has ended. */
const WAITER_LOST_MS = 5_000;
const RENEW_MS = 5_000;
/** Between the suspicion that an entry is lost and taking it back: time for its timer to run if it still can. */
const DOUBT_MS = 2_000;

export class IsolateMemory {
  readonly #clock: Clock;
  readonly #maxBytes: number;
  readonly #idle: IdleMemory | undefined;
  readonly #observe: (heldBytes: number) => void;
  readonly #entries = new Set<Entry>();
  /** First come, first served; growing entries stand before new ones. */
  readonly #lines: Readonly<Record<HoldKind, Waiter[]>> = { upload: [], read: [] };
  readonly #heldByKind: Record<HoldKind, number> = { upload: 0, read: 0 };
  #peakBytes = 0;

  constructor(options: IsolateMemoryOptions) {
    this.#clock = options.clock;
    this.#maxBytes = options.maxBytes ?? EDGE_LIMITS.memoryBytes;
    this.#idle = options.idle;
    this.#observe = options.observe ?? (() => {});
  }

  get maxBytes(): number {
    return this.#maxBytes;
  }
  get heldBytes(): number {
    return this.#heldByKind.upload + this.#heldByKind.read;
  }
  /** The most that was ever held. */
  get peakBytes(): number {
    return this.#peakBytes;
  }

  /**
   * Admits `bytes`, waiting at most `EDGE_LIMITS.admissionWaitMs` for room.
   *
   * @throws MemoryError `LEASE_FULL` with needed and free bytes, `LEASE_TOO_SMALL` when it can never fit; the signal's
   *   reason when that aborts
   */
  async hold(bytes: number, options: HoldOptions = {}): Promise<HeldMemory> {
    const kind = options.kind ?? "upload";
    const entry = new Entry(this.#clock, kind, {
      grow: (more, signal) => this.#admit(entry, more, more, true, signal),
      gaveBack: (less) => {
        this.#observe(this.heldBytes);
        this.#heldByKind[kind] -= less;
      },
      ended: () => {
        this.#entries.delete(entry);
      },
    });
    await this.#admit(entry, options.atLeastBytes ?? bytes, bytes, false, options.signal);
    this.#entries.add(entry);
    entry.renew();
    return entry;
  }

  async #admit(
    entry: Entry,
    atLeastBytes: number,
    wishedBytes: number,
    isGrowth: boolean,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    assert(atLeastBytes >= 0 && wishedBytes >= atLeastBytes, `${atLeastBytes} to ${wishedBytes} bytes`);
    if (entry.bytes + atLeastBytes > this.#maxBytes) throw this.#tooSmall(entry.bytes + atLeastBytes);
    const line = this.#lines[entry.kind];
    if (line.length >= EDGE_LIMITS.admissionQueue) throw this.#full(atLeastBytes, "too many wait already");
    const waiter: Waiter = { seenMs: this.#clock.nowMs() };
    if (isGrowth) line.unshift(waiter);
    else line.push(waiter);
    const untilMs = waiter.seenMs + EDGE_LIMITS.admissionWaitMs;
    try {
      for (;;) {
        waiter.seenMs = this.#clock.nowMs();
        const freeBytes = this.#roomFor(waiter, entry.kind, atLeastBytes);
        if (freeBytes >= atLeastBytes) {
          this.#take(entry, Math.min(wishedBytes, freeBytes));
          return;
        }
        if (waiter.seenMs >= untilMs)
          throw this.#full(atLeastBytes, `waited ${EDGE_LIMITS.admissionWaitMs} ms`);
        await this.#clock.sleep(POLL_MS, signal);
      }
    } finally {
      const at = line.indexOf(waiter);
      if (at >= 0) line.splice(at, 1);
    }
  }

  /** Bytes free for this waiter when it is its turn, else -1. */
  #roomFor(waiter: Waiter, kind: HoldKind, needBytes: number): number {
    const nowMs = waiter.seenMs;
    for (const line of Object.values(this.#lines)) {
      while (line[0] !== undefined && nowMs - line[0].seenMs > WAITER_LOST_MS) line.shift();
    }
    const line = this.#lines[kind];
    if (line[0] !== waiter) {
      // Another request took this waiter for lost, but its own was only slow: it goes to the end of the line.
      if (!line.includes(waiter)) line.push(waiter);
      return -1;
    }
    if (this.#free(kind) < needBytes) this.#idle?.drop();
    if (this.#free(kind) < needBytes) this.#takeBackLost(nowMs);
    return this.#free(kind);
  }

  /** While an upload waits, reads leave it all but their share: many small ones must not keep it waiting for ever. */
  #free(kind: HoldKind): number {
    const freeBytes = this.#maxBytes - this.heldBytes - (this.#idle?.bytes() ?? 0);
    if (kind === "upload" || this.#lines.upload.length === 0) return freeBytes;
    return Math.min(freeBytes, Math.floor(this.#maxBytes * READ_SHARE) - this.#heldByKind.read);
  }

  #takeBackLost(nowMs: number): void {
    for (const entry of [...this.#entries]) if (entry.isLost(nowMs)) entry.takeBack();
  }

  #take(entry: Entry, bytes: number): void {
    this.#heldByKind[entry.kind] += bytes;
    this.#peakBytes = Math.max(this.#peakBytes, this.heldBytes);
    entry.took(bytes);
    this.#observe(this.heldBytes);
  }

  #full(needBytes: number, reason: string): MemoryError {
    const freeBytes = this.#maxBytes - this.heldBytes;
    return new MemoryError(
      "LEASE_FULL",
      `needs ${needBytes} bytes, ${freeBytes} of ${this.#maxBytes} are free (${reason})`,
      { retryable: true, details: { needBytes, freeBytes, maxBytes: this.#maxBytes } },
    );
  }

  #tooSmall(needBytes: number): MemoryError {
    return new MemoryError("LEASE_TOO_SMALL", `needs ${needBytes} bytes, there are ${this.#maxBytes}`, {
      details: { needBytes, maxBytes: this.#maxBytes },
    });
  }
}

interface EntryEvents {
  grow(bytes: number, signal: AbortSignal | undefined): Promise<void>;
  gaveBack(bytes: number): void;
  ended(): void;
}

class Entry implements HeldMemory {
  readonly kind: HoldKind;
  readonly #clock: Clock;
  readonly #events: EntryEvents;
  readonly #stopped = new AbortController();
  #bytes = 0;
  #renewedMs: number;
  #doubtedMs: number | undefined;
  #isReleased = false;
  #free: (() => void) | undefined;

  constructor(clock: Clock, kind: HoldKind, events: EntryEvents) {
    this.kind = kind;
    this.#clock = clock;
    this.#events = events;
    this.#renewedMs = clock.nowMs();
  }

  get bytes(): number {
    return this.#bytes;
  }

  async grow(bytes: number, signal?: AbortSignal): Promise<void> {
    assert(!this.#isReleased, "released memory does not grow");
    await this.#events.grow(bytes, signal);
    // Released meanwhile: what has just been admitted has no owner.
    if (this.#isReleased) this.shrink(this.#bytes);
  }

  shrink(bytes: number): void {
    const less = Math.min(bytes, this.#bytes);
    this.#bytes -= less;
    this.#events.gaveBack(less);
  }

  onRelease(free: () => void): void {
    this.#free = free;
  }

  release(): void {
    this.#stopped.abort(new Error("released"));
    this.takeBack();
  }

  /** Called by another request: touches nothing that belongs to the request that made this entry, like its timer. */
  takeBack(): void {
    if (this.#isReleased) return;
    this.#isReleased = true;
    this.shrink(this.#bytes);
    this.#events.ended();
    this.#free?.();
  }

  /** Called by `IsolateMemory` when bytes were admitted. */
  took(bytes: number): void {
    this.#bytes += bytes;
  }

  /** Renews itself for as long as its request lives: the platform ends the timers of a request with it. */
  renew(): void {
    if (this.#isReleased) return;
    this.#renewedMs = this.#clock.nowMs();
    this.#doubtedMs = undefined;
    this.#clock.sleep(RENEW_MS, this.#stopped.signal).then(
      () => this.renew(),
      () => {}, // Released.
    );
  }

  /** Asked twice, some time apart: after a long computation its timer may only be late. */
  isLost(nowMs: number): boolean {
    if (nowMs - this.#renewedMs < EDGE_LIMITS.memoryLostMs) return false;
    this.#doubtedMs ??= nowMs;
    return nowMs - this.#doubtedMs >= DOUBT_MS;
  }
}
