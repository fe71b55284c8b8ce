/**
 * Repeats calls to Durable Objects that broke without an answer: the object was evicted, aborted or moved. The callee
 * must answer a repetition as it would have answered the first time.
 *
 * Operating errors are answers. An overloaded object is not asked again: that would make it worse.
 */

import type { Clock, RandomBytes } from "../../shared/base/clock.ts";
import { backoffMs } from "../../shared/base/deadline.ts";
import { FloeError } from "../../shared/base/errors.ts";

const ATTEMPTS = 4;
const BASE_MS = 50;
const MAX_MS = 1_000;

export async function repeatBroken<T>(
  call: () => Promise<T>,
  clock: Clock,
  randomBytes: RandomBytes,
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await call();
    } catch (error) {
      const isOverloaded = error instanceof Error && "overloaded" in error && error.overloaded === true;
      if (error instanceof FloeError || isOverloaded || attempt >= ATTEMPTS) throw error;
      await clock.sleep(backoffMs(attempt, BASE_MS, MAX_MS, randomBytes));
    }
  }
}
