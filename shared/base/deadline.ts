/**
 * Deadlines and pauses on an injected clock.
 *
 * A deadline runs from the moment the work starts, covers the whole of it (connection, headers and body) and ends the
 * wait even when the work ignores its signal: a peer that accepts and never answers costs one deadline, no more.
 */
import type { Clock, RandomBytes } from "./clock.ts";

/**
 * Runs `task` for at most `ms`.
 *
 * @param onTimeout makes the error that both rejects the call and aborts the task's signal
 * @param parent cancels the task with the parent's reason
 */
export async function withDeadline<T>(
  clock: Pick<Clock, "sleep">,
  ms: number,
  parent: AbortSignal | undefined,
  onTimeout: () => Error,
  task: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  parent?.throwIfAborted();
  const work = new AbortController();
  const forward = () => work.abort(parent?.reason);
  parent?.addEventListener("abort", forward, { once: true });
  const aborted = new Promise<never>((_, reject) => {
    work.signal.addEventListener("abort", () => reject(work.signal.reason), { once: true });
  });
  try {
    return await withTimer(
      clock,
      ms,
      () => work.abort(onTimeout()),
      () => Promise.race([task(work.signal), aborted]),
    );
  } finally {
    parent?.removeEventListener("abort", forward);
  }
}

/** Runs `task`, and calls `onTime` if that takes longer than `ms`; only the task's end ends the wait. */
export async function withTimer<T>(
  clock: Pick<Clock, "sleep">,
  ms: number,
  onTime: () => void,
  task: () => Promise<T>,
): Promise<T> {
  const timer = new AbortController();
  clock.sleep(ms, timer.signal).then(onTime, () => {}); // Cancelled: the task has ended.
  try {
    return await task();
  } finally {
    timer.abort(new Error("the task has ended"));
  }
}

/** Waits for `work`, at most `ms`. @returns undefined when the time is over; the work goes on unheard */
export function raceWithin<T>(
  clock: Pick<Clock, "sleep">,
  ms: number,
  work: Promise<T>,
): Promise<T | undefined> {
  const late = Promise.withResolvers<undefined>();
  return withTimer(
    clock,
    ms,
    () => late.resolve(undefined),
    () => Promise.race([work, late.promise]),
  );
}

/** A pause before attempt `attempt` (1 = first retry): `baseMs`, doubled each time, at most `maxMs`. */
export const doubledMs = (attempt: number, baseMs: number, maxMs: number): number =>
  Math.min(maxMs, baseMs * 2 ** (attempt - 1));

/** The same pause, half of it random: callers that failed together do not come back together. */
export function backoffMs(attempt: number, baseMs: number, maxMs: number, randomBytes: RandomBytes): number {
  const full = doubledMs(attempt, baseMs, maxMs);
  const [byte = 0] = randomBytes(1);
  return full / 2 + (full / 2) * (byte / 255);
}
