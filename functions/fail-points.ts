/**
 * Fail points of a deployment: none, unless a test binds `TEST_FAIL_POINTS`.
 *
 * The binding is told `http://fail-points/<name>` and answers when the step may go on; any other status than 200 stands
 * for the death of the isolate at this step.
 */
import { type FailPoint, noFailPoints } from "../shared/protocol/fail-point.ts";
import type { Env } from "./env.ts";

export class FailPointReached extends Error {
  override readonly name = "FailPointReached";
}

export function failPointsOf(env: Env): FailPoint {
  const binding = env.TEST_FAIL_POINTS;
  if (binding === undefined) return noFailPoints;
  return async (name) => {
    const response = await binding.fetch(`http://fail-points/${name}`);
    if (response.status !== 200) throw new FailPointReached(name);
  };
}
