// If this fails, concurrent requests exceed the isolate's memory and all die, or refused ones are refused for ever.
import { describe, expect, it } from "vitest";
import { type HeldMemory, IsolateMemory, MemoryError } from "../../../../functions/base/isolate-memory.ts";
import { EDGE_LIMITS } from "../../../../functions/base/limits.ts";
import { VirtualClock } from "../../../support/virtual-clock.ts";

const clock = new VirtualClock();
const isolateMemory = (maxBytes = 100) => new IsolateMemory({ clock, maxBytes });

async function refusal(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => undefined,
    (reason) => reason,
  );
  return error instanceof MemoryError ? `${error.code} ${error.retryable}: ${error.message}` : String(error);
}

describe("admission", () => {
  it("never admits more than there is, and refuses with the numbers after a bounded wait", async () => {
    const memory = isolateMemory();
    const held = await memory.hold(60);
    const startMs = clock.nowMs();
    expect(await refusal(memory.hold(41))).toBe(
      "LEASE_FULL true: needs 41 bytes, 40 of 100 are free (waited 5000 ms)",
    );
    expect(clock.nowMs() - startMs).toBeLessThanOrEqual(EDGE_LIMITS.admissionWaitMs + 100);
    expect(await refusal(memory.hold(101))).toBe("LEASE_TOO_SMALL false: needs 101 bytes, there are 100");
    held.release();
    expect([memory.heldBytes, memory.peakBytes]).toEqual([0, 60]);
  });

  it("serves first come, first served: a small request does not overtake a large one", async () => {
    const memory = isolateMemory();
    const first = await memory.hold(90);
    const order: string[] = [];
    const take = (name: string, bytes: number): Promise<HeldMemory> =>
      memory.hold(bytes).then((held) => {
        order.push(name);
        return held;
      });
    const waiting = [take("large", 80), take("small", 5)];
    await clock.sleep(100);
    expect(order).toEqual([]);
    first.release();
    for (const held of await Promise.all(waiting)) held.release();
    expect(order).toEqual(["large", "small"]);
  });

  it("lets those grow first who hold something already", async () => {
    const memory = isolateMemory();
    const [growing, other] = [await memory.hold(30), await memory.hold(60)];
    const order: string[] = [];
    const fresh = memory.hold(40).then((held) => {
      order.push("new");
      held.release();
    });
    const grown = growing.grow(40).then(() => order.push("grown"));
    await clock.sleep(100);
    other.release();
    await grown;
    growing.release();
    await fresh;
    expect(order).toEqual(["grown", "new"]);
    expect(memory.heldBytes).toBe(0);
  });

  it("grants what is free when less than the wish will do", async () => {
    const memory = isolateMemory();
    const [all, rest] = [await memory.hold(70), await memory.hold(50, { atLeastBytes: 10 })];
    expect(rest.bytes).toBe(30);
    rest.shrink(25);
    expect(memory.heldBytes).toBe(75);
    for (const held of [all, rest]) held.release();
  });

  it("lets small reads past large uploads that wait, but only to their share", async () => {
    const memory = isolateMemory();
    const first = await memory.hold(70);
    const large = memory.hold(60);
    const read = await memory.hold(20, { kind: "read" });
    let isAdmitted = false;
    const another = memory.hold(6, { kind: "read" }).then((held) => {
      isAdmitted = true;
      return held;
    });
    await clock.sleep(1_000);
    expect(isAdmitted).toBe(false);
    first.release();
    for (const held of await Promise.all([large, another])) held.release();
    read.release();
    expect(memory.heldBytes).toBe(0);
  });

  it("keeps at most a bounded line", async () => {
    const memory = isolateMemory();
    const held = await memory.hold(100);
    const line = Array.from({ length: EDGE_LIMITS.admissionQueue }, () => refusal(memory.hold(1)));
    expect(await refusal(memory.hold(1))).toContain("too many wait already");
    await Promise.all(line);
    held.release();
  });

  it("takes a request that leaves out of the line at once", async () => {
    const memory = isolateMemory();
    const held = await memory.hold(100);
    const client = new AbortController();
    const leaving = refusal(memory.hold(50, { signal: client.signal }));
    const next = memory.hold(50);
    await clock.sleep(50);
    client.abort(new Error("client left"));
    expect(await leaving).toBe("Error: client left");
    held.release();
    (await next).release();
    expect(memory.heldBytes).toBe(0);
  });
});

describe("release", () => {
  it("gives everything back once, however often it is called, also while it grows", async () => {
    const memory = isolateMemory();
    let freed = 0;
    const held = await memory.hold(80);
    held.onRelease(() => freed++);
    const growth = held.grow(15);
    held.release();
    held.release();
    await growth;
    expect([memory.heldBytes, freed]).toEqual([0, 1]);
  });

  it("happens by itself when the platform ended the request, and not while a slow one still lives", async () => {
    // Its timers never fire: as after the end of its invocation.
    const dead = { nowMs: () => clock.nowMs(), sleep: () => new Promise<void>(() => {}) };
    let current: { nowMs(): number; sleep(ms: number, signal?: AbortSignal): Promise<void> } = dead;
    const memory = new IsolateMemory({
      clock: { nowMs: () => clock.nowMs(), sleep: (ms, signal) => current.sleep(ms, signal) },
      maxBytes: 100,
    });
    let freed = 0;
    (await memory.hold(60)).onRelease(() => freed++);
    current = clock;
    const living = await memory.hold(30);
    await clock.sleep(EDGE_LIMITS.memoryLostMs - 10_000);
    expect(await refusal(memory.hold(50))).toContain("LEASE_FULL");
    await clock.sleep(6_000);
    const next = await memory.hold(70);
    expect([freed, memory.heldBytes]).toEqual([1, 100]);
    for (const held of [living, next]) held.release();
    expect(memory.heldBytes).toBe(0);
  });

  it("drops idle memory before it refuses anybody", async () => {
    let idleBytes = 70;
    const memory = new IsolateMemory({
      clock,
      maxBytes: 100,
      idle: {
        bytes: () => idleBytes,
        drop: () => {
          idleBytes = 0;
        },
      },
    });
    (await memory.hold(30)).release();
    expect(idleBytes).toBe(70);
    (await memory.hold(31)).release();
    expect(idleBytes).toBe(0);
  });
});
