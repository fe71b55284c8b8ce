/**
 * Asks candidates one after the other until one succeeds, without waiting for the slow.
 *
 * One request goes out first, another after each `hedgeMs` of silence; as soon as one fails, up to `width` run at once:
 * the first failure means that the fast path is gone.
 */
import type { Clock } from "../../shared/base/clock.ts";

export interface HedgeOptions<Candidate, Answer> {
  readonly clock: Clock;
  /** In order of preference. */
  readonly candidates: readonly Candidate[];
  readonly hedgeMs: number;
  readonly width: number;
  ask(candidate: Candidate, signal: AbortSignal): Promise<Answer>;
  /** Told of each failure; an error it returns ends the search with that error. */
  failed(candidate: Candidate, error: unknown): Error | undefined;
}

/** @returns undefined when every candidate failed and none of the failures ended the search */
export async function firstAnswer<Candidate, Answer>(
  options: HedgeOptions<Candidate, Answer>,
): Promise<Answer | undefined> {
  const { clock, candidates, hedgeMs, width } = options;
  const result = Promise.withResolvers<Answer | undefined>();
  const done = new AbortController();
  let next = 0;
  let running = 0;
  let hasFailed = false;

  const start = (): void => {
    const candidate = candidates[next];
    if (done.signal.aborted || candidate === undefined || running >= width) return;
    next++;
    running++;
    options.ask(candidate, done.signal).then(
      (answer) => result.resolve(answer),
      (error) => {
        if (done.signal.aborted) return;
        running--;
        hasFailed = true;
        const final = options.failed(candidate, error);
        if (final !== undefined) result.reject(final);
        else if (running === 0 && next >= candidates.length) result.resolve(undefined);
        else for (let room = width - running; room > 0; room--) start();
      },
    );
  };
  const hedge = async (): Promise<void> => {
    while (next < candidates.length && !done.signal.aborted) {
      await clock.sleep(hedgeMs, done.signal);
      if (!hasFailed) start();
    }
  };
  if (candidates.length === 0) return undefined;
  start();
  hedge().catch(() => {}); // The pause is ended by `done` alone.
  try {
    return await result.promise;
  } finally {
    done.abort(new Error("another answer came first"));
  }
}
