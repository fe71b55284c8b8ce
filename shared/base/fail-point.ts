/**
 * Named places where a test may kill or delay a step ("tracker.after-register").
 *
 * Production injects `noFailPoints`; only a test binding reaches anything else. A fail point that throws stands for
 * the death of the isolate at that step, one that waits for a step that takes long.
 */
export type FailPoint = (name: string) => void | Promise<void>;

export const noFailPoints: FailPoint = () => {};

/** What a test binds: told `http://fail-points/<name>`, it answers when the step may go on. */
export interface FailPointBinding {
  fetch(url: string): Promise<{ readonly status: number }>;
}

export class FailPointReached extends Error {
  override readonly name = "FailPointReached";
}

/** Fail points of a deployment: none without a binding. Any other status than 200 is the death of the isolate there. */
export function failPointsBy(binding: FailPointBinding | undefined): FailPoint {
  if (binding === undefined) return noFailPoints;
  return async (name) => {
    const { status } = await binding.fetch(`http://fail-points/${name}`);
    if (status !== 200) throw new FailPointReached(name);
  };
}
