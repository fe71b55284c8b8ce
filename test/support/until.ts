/** Waiting for what comes as soon as this machine gets round to it, however slow it is. */
import { setTimeout as sleep } from "node:timers/promises";

/** Below the limit of a test, so that the error says what did not come. */
const LIMIT_MS = 240_000;
const POLL_MS = 10;

/**
 * @param look undefined or false: not yet
 * @throws Error when it never comes
 */
export async function until<T>(
  what: string,
  look: () => T | Promise<T>,
): Promise<Exclude<T, undefined | false>> {
  const endMs = performance.now() + LIMIT_MS;
  for (;;) {
    const found = await look();
    // The compiler does not narrow a type parameter.
    if (found !== undefined && found !== false) return found as Exclude<T, undefined | false>;
    if (performance.now() > endMs) throw new Error(`${what}: not within ${LIMIT_MS} ms`);
    await sleep(POLL_MS);
  }
}
