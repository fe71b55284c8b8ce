/** The platform's clock, randomness and fail points, for the composition root and the ledger's object to inject. */
import { type Clock, type RandomBytes, timerClock } from "../shared/protocol/clock.ts";
import { type FailPoint, noFailPoints } from "../shared/protocol/fail-point.ts";
import type { Env } from "./env.ts";

export const systemClock: Clock = timerClock(() => Date.now());

export const systemRandom: RandomBytes = (count) => crypto.getRandomValues(new Uint8Array(count));

export class FailPointReached extends Error {
  override readonly name = "FailPointReached";
}

/** None, unless a test binds `TEST_FAIL_POINTS`: any answer but 200 stands for the death of the isolate there. */
export function failPointsOf(env: Env): FailPoint {
  const binding = env.TEST_FAIL_POINTS;
  if (binding === undefined) return noFailPoints;
  return async (name) => {
    const response = await binding.fetch(`http://fail-points/${name}`);
    if (response.status !== 200) throw new FailPointReached(name);
  };
}

/** One JSON object per event: stable names, IDs and numbers, never payloads, keys or addresses. */
export type Log = (event: string, fields: Readonly<Record<string, string | number | boolean | null>>) => void;

export const writeLog: Log = (event, fields) => console.log(JSON.stringify({ event, ...fields }));
