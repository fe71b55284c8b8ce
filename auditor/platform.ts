/** The platform's clock, randomness and log, for the composition root and the ledger's object to inject. */
import { type Clock, type RandomBytes, timerClock } from "../shared/protocol/clock.ts";

export const systemClock: Clock = timerClock(() => Date.now());

export const systemRandom: RandomBytes = (count) => crypto.getRandomValues(new Uint8Array(count));

/** One JSON object per event: stable names, IDs and numbers, never payloads, keys or addresses. */
export type Log = (event: string, fields: Readonly<Record<string, string | number | boolean | null>>) => void;

export const writeLog: Log = (event, fields) => console.log(JSON.stringify({ event, ...fields }));
