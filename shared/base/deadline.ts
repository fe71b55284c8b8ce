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
  clock: Clock,
  ms: number,
  parent: AbortSignal | undefined,
  onTimeout: () => Error,
  task: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  parent?.throwIfAborted();
  const work = new AbortController();
  const timer = new AbortController();
  const forward = () => work.abort(parent?.reason);
  parent?.addEventListener("abort", forward, { once: true });
  const aborted = new Promise<never>((_, reject) => {
    work.signal.addEventListener("abort", () => reject(work.signal.reason), { once: true });
  });
  clock.sleep(ms, timer.signal).then(
    () => work.abort(onTimeout()),
    () => {}, // The timer was cancelled because the work settled first.
  );
  try {
    return await Promise.race([task(work.signal), aborted]);
  } finally {
    timer.abort();
    parent?.removeEventListener("abort", forward);
  }
}

/** A pause before attempt `attempt` (1 = first retry): exponential from `baseMs`, half of it random. */
export function backoffMs(attempt: number, baseMs: number, maxMs: number, randomBytes: RandomBytes): number {
  const full = Math.min(maxMs, baseMs * 2 ** (attempt - 1));
  const [byte = 0] = randomBytes(1);
  return full / 2 + (full / 2) * (byte / 255);
}
