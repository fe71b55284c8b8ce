/**
 * Named places where a test may kill or delay a step ("tracker.after-register").
 *
 * Production injects `noFailPoints`; only a test binding reaches anything else. A fail point that throws stands for
 * the death of the isolate at that step, one that waits for a step that takes long.
 */
export type FailPoint = (name: string) => void | Promise<void>;

export const noFailPoints: FailPoint = () => {};
