/** Tells the tracker that a worker is alive, three times per turn, until its work ends or another worker has it. */
import type { Services } from "../services.ts";
import type { Tracker } from "../tracker/port.ts";

export interface HeldWork {
  readonly tracker: Tracker;
  readonly intentId: string;
  readonly workerId: string;
}

export async function withHeartbeat<T>(
  services: Services,
  held: HeldWork,
  work: () => Promise<T>,
): Promise<T> {
  const ended = new AbortController();
  beat(services, held, ended.signal).catch(() => {}); // Ended.
  try {
    return await work();
  } finally {
    ended.abort(new Error("the work has ended"));
  }
}

async function beat(services: Services, held: HeldWork, signal: AbortSignal): Promise<void> {
  for (;;) {
    await services.transport.clock.sleep(services.turnMs / 3, signal);
    // A call that fails is made up for by the next one, or the turn runs out: no harm in either.
    const isStillOurs = await held.tracker.renew(held.intentId, held.workerId).catch(() => true);
    if (!isStillOurs) return;
  }
}
