// If this fails, a peer that never answers holds a request for ever, or timers of finished work keep an isolate busy.
import { describe, expect, it } from "vitest";
import { backoffMs, doubledMs, raceWithin, withDeadline, withTimer } from "../../../shared/base/deadline.ts";
import { VirtualClock } from "../../support/virtual-clock.ts";

const clock = new VirtualClock();
const never = new Promise<never>(() => {});
const soon = <T>(ms: number, value: T): Promise<T> => clock.sleep(ms).then(() => value);

/** A clock that tells how many of its pauses are neither over nor cancelled. */
function countingClock() {
  let open = 0;
  return {
    open: () => open,
    sleep: (ms: number, signal?: AbortSignal) => {
      open++;
      return clock.sleep(ms, signal).finally(() => open--);
    },
  };
}

describe("withTimer", () => {
  it("calls at its time and goes on waiting for the task", async () => {
    const startMs = clock.nowMs();
    let calledMs = 0;
    const call = (): void => {
      calledMs = clock.nowMs() - startMs;
    };
    expect(await withTimer(clock, 100, call, () => soon(250, "done"))).toBe("done");
    expect([calledMs, clock.nowMs() - startMs]).toEqual([100, 250]);
  });

  it("calls nothing, and leaves no timer behind, when the task ends before, well or badly", async () => {
    const counting = countingClock();
    const call = (): never => {
      throw new Error("called");
    };
    expect(await withTimer(counting, 100, call, () => soon(99, "done"))).toBe("done");
    const broken = (): Promise<never> => Promise.reject(new Error("broken"));
    await expect(withTimer(counting, 100, call, broken)).rejects.toThrow("broken");
    await clock.sleep(200);
    expect(counting.open()).toBe(0);
  });
});

describe("raceWithin", () => {
  it("gives what comes in time, undefined for what does not, and passes failures on", async () => {
    const counting = countingClock();
    expect(await raceWithin(counting, 100, soon(99, "in time"))).toBe("in time");
    expect(await raceWithin(counting, 100, soon(101, "late"))).toBeUndefined();
    await expect(raceWithin(counting, 100, Promise.reject(new Error("broken")))).rejects.toThrow("broken");
    await clock.sleep(200);
    expect(counting.open()).toBe(0);
  });
});

describe("withDeadline", () => {
  const late = (): Error => new Error("late");

  it("ends the wait even when the task ignores its signal, and tells the task", async () => {
    let told: unknown;
    const task = (signal: AbortSignal): Promise<never> => {
      signal.addEventListener("abort", () => {
        told = signal.reason;
      });
      return never;
    };
    await expect(withDeadline(clock, 100, undefined, late, task)).rejects.toThrow("late");
    expect(told).toMatchObject({ message: "late" });
  });

  it("ends with its parent's reason, also when that was aborted before", async () => {
    const parent = new AbortController();
    const call = withDeadline(clock, 100, parent.signal, late, () => never);
    parent.abort(new Error("left"));
    await expect(call).rejects.toThrow("left");
    await expect(withDeadline(clock, 100, parent.signal, late, () => never)).rejects.toThrow("left");
  });
});

describe("pauses between attempts", () => {
  it("double up to their limit, and half of a back-off is random", () => {
    expect([1, 2, 3, 4, 2000].map((attempt) => doubledMs(attempt, 50, 300))).toEqual([
      50, 100, 200, 300, 300,
    ]);
    const random = (byte: number) => () => Uint8Array.of(byte);
    expect([0, 255].map((byte) => backoffMs(3, 50, 300, random(byte)))).toEqual([100, 200]);
  });
});
