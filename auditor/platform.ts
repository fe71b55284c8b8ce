/** The platform's clock, randomness and log, for the composition root and the ledger's object to inject. */
import { type Clock, type RandomBytes, timerClock } from "../shared/base/clock.ts";
import type { Log } from "../shared/base/log.ts";

export const systemClock: Clock = timerClock(() => Date.now());

export const systemRandom: RandomBytes = (count) => crypto.getRandomValues(new Uint8Array(count));

export const writeLog: Log = (event, fields) => console.log(JSON.stringify({ event, ...fields }));
