// If this fails, a call of an upload never reaches its tracker, or reaches another method than the one called.
import { describe, expect, it } from "vitest";
import { addTrackerMethods, TRACKER_METHODS, trackerBy } from "../../../../functions/tracker/methods.ts";
import type { Tracker } from "../../../../functions/tracker/port.ts";
import { TrackerService } from "../../../../functions/tracker/service.ts";

/** Answers every call with the method's name and what it was given. */
const echo = new Proxy({} as Tracker, {
  get:
    (_, name) =>
    async (...parameters: unknown[]) => [name, ...parameters],
});

describe("the list of the tracker's methods", () => {
  it("has every method of the service, and the alarm alone is left out", () => {
    const names = Object.getOwnPropertyNames(TrackerService.prototype);
    expect([...TRACKER_METHODS, "alarm", "constructor"].sort()).toEqual(names.sort());
  });

  it("makes a client that calls the method of the same name, with all parameters, as often as it is told", async () => {
    let calls = 0;
    const twice = trackerBy(async (call) => {
      calls += 2;
      await call(echo);
      return call(echo);
    });
    expect(Object.keys(twice).sort()).toEqual([...TRACKER_METHODS].sort());
    for (const name of TRACKER_METHODS) {
      const method: (...parameters: never[]) => Promise<unknown> = twice[name];
      expect(await Reflect.apply(method, twice, [1, "two", null, 4])).toEqual([name, 1, "two", null, 4]);
    }
    expect(calls).toBe(2 * TRACKER_METHODS.length);
  });

  it("makes methods on the prototype, where RPC looks for them, each with its own object", async () => {
    class Shell {
      readonly tracker = echo;
      readonly name: string;
      constructor(name: string) {
        this.name = name;
      }
    }
    const asked: string[] = [];
    addTrackerMethods(Shell.prototype, (shell) => {
      asked.push(shell.name);
      return shell.tracker;
    });
    expect(Object.getOwnPropertyNames(Shell.prototype).sort()).toEqual(
      ["constructor", ...TRACKER_METHODS].sort(),
    );
    const renew: unknown = Reflect.get(Shell.prototype, "renew");
    for (const shell of [new Shell("first"), new Shell("second")]) {
      expect(await Reflect.apply(renew as () => unknown, shell, ["an intent", "a worker"])).toEqual([
        "renew",
        "an intent",
        "a worker",
      ]);
    }
    expect(asked).toEqual(["first", "second"]);
  });
});
