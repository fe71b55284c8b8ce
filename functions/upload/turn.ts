/**
 * One invocation as a worker at an upload: its name, and its turn, which it keeps by telling the tracker that it is
 * alive. The request that brought the blob and the Uploader work in the same way.
 */
import { toHex } from "../../shared/base/bytes.ts";
import type { BlobId } from "../../shared/protocol/ids.ts";
import type { Tracker, WorkTurn } from "../tracker/port.ts";
import type { TurnPorts } from "./ports.ts";

export interface Worker {
  readonly tracker: Tracker;
  /** Random: the tracker tells workers apart by it. */
  readonly workerId: string;
}

/** A worker whose turn it is. */
export interface HeldTurn extends Worker {
  readonly turn: WorkTurn;
}

export function newWorker({ tracker, transport }: TurnPorts, blobId: BlobId): Worker {
  return { tracker: tracker(blobId), workerId: toHex(transport.randomBytes(16)) };
}

/** Works while the turn is renewed, three times in the time it lasts, until the work ends or another worker has it. */
export async function withTurn<T>(
  services: TurnPorts,
  worker: Worker,
  turn: WorkTurn,
  work: (held: HeldTurn) => Promise<T>,
): Promise<T> {
  const held = { ...worker, turn };
  const ended = new AbortController();
  keep(services, held, ended.signal).catch(() => {}); // Ended.
  try {
    return await work(held);
  } finally {
    ended.abort(new Error("the work has ended"));
  }
}

async function keep(services: TurnPorts, held: HeldTurn, signal: AbortSignal): Promise<void> {
  const { tracker, workerId, turn } = held;
  for (;;) {
    await services.transport.clock.sleep(services.turnMs / 3, signal);
    // A call that fails is made up for by the next one, or the turn runs out: no harm in either.
    const isStillOurs = await tracker.renew(turn.intent.intentId, workerId).catch(() => true);
    if (!isStillOurs) return;
  }
}
