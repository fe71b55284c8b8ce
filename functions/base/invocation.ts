/**
 * What any use case has of the invocation it runs in. The composition root makes it: nothing in the rooms reaches for a
 * clock, randomness or the network by itself, so a simulation passes its own.
 */
import type { Clock, RandomBytes } from "../../shared/base/clock.ts";
import type { Log } from "../../shared/base/log.ts";

export interface Invocation {
  readonly transport: { readonly clock: Clock; readonly randomBytes: RandomBytes };
  readonly log: Log;
  /** Keeps the invocation alive for work after the reply, for as long as the platform lets it (30 s). */
  waitUntil(work: Promise<unknown>): void;
}
