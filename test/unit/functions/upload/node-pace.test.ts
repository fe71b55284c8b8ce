// If this fails, one slow storage node gets so many requests that it answers none, or a fast one waits for nothing.
import { describe, expect, it } from "vitest";
import { UPLOAD_LIMITS } from "../../../../functions/upload/limits.ts";
import { NodePace } from "../../../../functions/upload/node-pace.ts";
import { VirtualClock } from "../../../support/virtual-clock.ts";

const { requestsPerNodeAtFirst, requestsPerNodeMost } = UPLOAD_LIMITS;

/** A node with so many hands: it works at that many requests at a time, for `ms` each. */
class BusyNode {
  readonly clock = new VirtualClock();
  readonly pace = new NodePace(this.clock);
  peak = 0;
  #inFlight = 0;

  async send(ms: number, fails = false): Promise<void> {
    await this.pace.run(async (started) => {
      started();
      this.#inFlight++;
      this.peak = Math.max(this.peak, this.#inFlight);
      await this.clock.sleep(ms);
      this.#inFlight--;
      if (fails) throw new Error("refused");
    });
  }
}

describe("a node's pace", () => {
  it("begins low and rises while answers come as fast as they can, up to a bound", async () => {
    const node = new BusyNode();
    expect(node.pace.width).toBe(requestsPerNodeAtFirst);
    await Promise.all(Array.from({ length: requestsPerNodeAtFirst }, () => node.send(50)));
    expect(node.peak).toBe(requestsPerNodeAtFirst);
    await Promise.all(Array.from({ length: 200 }, () => node.send(50)));
    expect(node.peak).toBe(requestsPerNodeMost);
    expect(node.pace.width).toBe(requestsPerNodeMost);
  });

  it("falls when answers become slow, and never below one", async () => {
    const node = new BusyNode();
    await node.send(50);
    const before = node.pace.width;
    await node.send(160);
    expect(node.pace.width).toBeCloseTo(0.75 * before);
    for (let each = 0; each < 40; each++) await node.send(1_000);
    expect(node.pace.width).toBe(1);
  });

  it("is one after a failure, and the other requests still get their turn", async () => {
    const node = new BusyNode();
    const failing = node.send(10, true);
    await expect(failing).rejects.toThrow("refused");
    expect(node.pace.width).toBe(1);
    node.peak = 0;
    await Promise.all([node.send(10), node.send(10), node.send(10)]);
    expect(node.peak).toBeLessThanOrEqual(3);
  });

  it("does not hold the wait for a place against the node", async () => {
    const node = new BusyNode();
    await node.send(50);
    const before = node.pace.width;
    await node.pace.run(async (started) => {
      await node.clock.sleep(10_000);
      started();
      await node.clock.sleep(50);
    });
    expect(node.pace.width).toBe(before + 1);
  });

  it("forgets no request: all of a burst are sent although every second one fails", async () => {
    const node = new BusyNode();
    const all = await Promise.allSettled(
      Array.from({ length: 60 }, (_, number) => node.send(20, number % 2 === 0)),
    );
    expect(all.filter(({ status }) => status === "fulfilled")).toHaveLength(30);
  });
});
