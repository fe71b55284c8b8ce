// If this fails, reads ask the chain each time, or writes go on with prices and committees that are out of date.
import { describe, expect, it } from "vitest";
import { ChainCache } from "../../../../shared/sui/walrus/chain-cache.ts";
import type { ChainSnapshot } from "../../../../shared/sui/walrus/chain-snapshot.ts";
import { CHAIN_LIMITS } from "../../../../shared/sui/walrus/limits.ts";
import { snapshotOf } from "./fixtures.ts";

function setUp() {
  const state = { nowMs: 1_000_000, isDown: false, pending: [] as (() => void)[], holds: false, readings: 0 };
  const cache = new ChainCache(
    { nowMs: () => state.nowMs, sleep: () => Promise.resolve() },
    async (readAtMs): Promise<ChainSnapshot> => {
      state.readings++;
      if (state.holds) await new Promise<void>((resolve) => state.pending.push(resolve));
      if (state.isDown) throw new Error("down");
      return snapshotOf({ readAtMs });
    },
  );
  return { state, cache };
}

describe("the chain cache", () => {
  it("reads once for many callers at once, and not again while young", async () => {
    const { state, cache } = setUp();
    await Promise.all(Array.from({ length: 10 }, () => cache.snapshot()));
    state.nowMs += CHAIN_LIMITS.chainSnapshotMs - 1;
    await cache.snapshot();
    expect(state.readings).toBe(1);
    state.nowMs += 1;
    await cache.snapshot();
    expect(state.readings).toBe(2);
  });

  it("reads anew for who needs something newer, and never joins a reading begun too early", async () => {
    const { state, cache } = setUp();
    state.holds = true;
    const early = cache.snapshot();
    state.nowMs += 10;
    const late = cache.snapshot({ minReadAtMs: state.nowMs });
    expect(state.readings).toBe(2);
    for (const release of state.pending.splice(0).reverse()) release();
    expect((await late).readAtMs).toBe(state.nowMs);
    await early;
    expect((await cache.snapshot()).readAtMs).toBe(state.nowMs);
  });

  it("takes a time in the future for now", async () => {
    const { state, cache } = setUp();
    expect((await cache.snapshot({ minReadAtMs: state.nowMs + 60_000 })).readAtMs).toBe(state.nowMs);
  });

  it("serves an old snapshot while no endpoint answers, but not to who needs a newer one, nor for ever", async () => {
    const { state, cache } = setUp();
    const kept = await cache.snapshot();
    state.isDown = true;
    state.nowMs += CHAIN_LIMITS.chainSnapshotMs;
    expect(await cache.snapshot()).toBe(kept);
    await expect(cache.snapshot({ minReadAtMs: state.nowMs })).rejects.toThrow("down");
    state.nowMs += CHAIN_LIMITS.chainSnapshotStaleMs;
    await expect(cache.snapshot()).rejects.toThrow("down");
  });
});
