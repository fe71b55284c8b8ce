// If this fails, a far node is asked twice for everything, or a silent one holds a read up.
import { describe, expect, it } from "vitest";
import { AnswerTimes } from "../../../../functions/nodes/answer-times.ts";
import { ANSWER_LIMITS } from "../../../../functions/nodes/limits.ts";
import type { ObjectId } from "../../../../shared/protocol/ids.ts";

const { hedgeLeastMs, hedgeMostMs, hedgeFactor, ownHedgeFactor, hedgesKept, timesKept } = ANSWER_LIMITS;
const node = (number: number): ObjectId => `0x${number.toString(16).padStart(64, "0")}` as ObjectId;

describe("answer times", () => {
  it("are unknown before the first answer", () => {
    const times = new AnswerTimes();
    expect([times.typicalMs, times.usualMs(node(1)), times.hedgeMs(node(1))]).toEqual([
      undefined,
      undefined,
      hedgeLeastMs,
    ]);
  });

  it("are typically the lower quartile, so that an isolate's own work is not counted as distance", () => {
    const times = new AnswerTimes();
    for (let ms = 1; ms <= 60; ms++) times.carried(ms <= 20 ? 80 : 80 + 10 * ms);
    expect(times.typicalMs).toBe(80);
  });

  it("move: what is old is forgotten", () => {
    const times = new AnswerTimes();
    for (let each = 0; each < timesKept; each++) times.carried(500);
    for (let each = 0; each < timesKept; each++) times.carried(20);
    expect(times.typicalMs).toBe(20);
  });

  it("are a node's own where it has answered", () => {
    const times = new AnswerTimes();
    for (let each = 0; each < 20; each++) {
      times.add(node(1), 100);
      times.add(node(2), 400);
      times.add(node(3), 100);
    }
    expect([times.usualMs(node(1)), times.usualMs(node(2))]).toEqual([100, 400]);
    expect(times.hedgeMs(node(1))).toBe(hedgeFactor * 100);
    expect(times.hedgeMs(node(2))).toBe(ownHedgeFactor * 400);
    // Not heard of yet: by all nodes together.
    expect(times.hedgeMs(node(4))).toBe(hedgeFactor * 100);
  });

  it("are late neither before the least nor after the most", () => {
    const times = new AnswerTimes();
    times.add(node(1), 1);
    expect(times.hedgeMs(node(1))).toBe(hedgeLeastMs);
    for (let each = 0; each < 20; each++) times.add(node(1), 60_000);
    expect(times.hedgeMs(node(1))).toBe(hedgeMostMs);
  });

  it("of a bounded number of nodes are kept, of those heard of last", () => {
    const times = new AnswerTimes();
    for (let number = 0; number <= ANSWER_LIMITS.nodesKept; number++) times.add(node(number), 50);
    expect([times.usualMs(node(0)), times.usualMs(node(1))]).toEqual([undefined, 50]);
  });

  it("bound the hedges: each of them is earned by ten answers", () => {
    const times = new AnswerTimes();
    const taken = (): number => {
      let count = 0;
      while (times.takeHedge()) count++;
      return count;
    };
    expect(taken()).toBe(hedgesKept);
    for (let each = 0; each < 31; each++) times.add(node(1), 50);
    expect(taken()).toBe(3);
    for (let each = 0; each < 10_000; each++) times.add(node(1), 50);
    expect(taken()).toBe(hedgesKept);
  });
});
