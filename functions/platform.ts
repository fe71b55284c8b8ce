/** The platform's clock and randomness, for composition roots and Durable Objects to inject. */
import { type Clock, type RandomBytes, timerClock } from "../shared/base/clock.ts";

export const systemClock: Clock = timerClock(() => Date.now());

export const systemRandom: RandomBytes = (count) => crypto.getRandomValues(new Uint8Array(count));
