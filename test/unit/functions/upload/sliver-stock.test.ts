// If this fails, an upload holds more memory than it was admitted, or generates its slivers again and again.
import { describe, expect, it } from "vitest";
import { SliverStock } from "../../../../functions/upload/sliver-stock.ts";
import type { BlobEncoder } from "../../../../shared/codec/codec.ts";
import { createReferenceCodec } from "../../../../shared/codec/reference-codec.ts";
import type { SliverPairIndex } from "../../../../shared/protocol/ids.ts";
import { sliverPairIndex } from "../../../../shared/protocol/ids.ts";
import { VirtualClock } from "../../../support/virtual-clock.ts";

const N_SHARDS = 20;
const PAIR_BYTES = 100;
const ALL = Array.from({ length: N_SHARDS }, (_, pair) => sliverPairIndex(pair, N_SHARDS));
const codec = createReferenceCodec();

/** A stock with room for so many pairs. `passes`: the pairs of each pass over the blob. */
function stock(roomPairs: number, wanted: readonly SliverPairIndex[] = ALL) {
  const encoder = codec.openEncoder(N_SHARDS, 300);
  encoder.write(new Uint8Array(300).fill(7));
  encoder.metadata();
  const passes: number[] = [];
  const counted: BlobEncoder = Object.assign(Object.create(encoder) as BlobEncoder, {
    slivers: (pairs: readonly SliverPairIndex[]) => {
      passes.push(pairs.length);
      return encoder.slivers(pairs);
    },
  });
  const work = new AbortController();
  const clock = new VirtualClock();
  const maxBytes = roomPairs * PAIR_BYTES;
  const own = new SliverStock({
    encoder: counted,
    clock,
    pairBytes: PAIR_BYTES,
    maxBytes,
    wanted,
    signal: work.signal,
  });
  return { stock: own, passes, work, clock, maxBytes };
}

describe("a stock of slivers", () => {
  it("makes a small blob's slivers in one pass, whatever the order of requests", async () => {
    const { stock: own, passes } = stock(N_SHARDS);
    for (const pair of ALL.toReversed()) {
      const [made] = await own.take([pair]);
      expect(made?.pair).toBe(pair);
    }
    expect(passes).toEqual([N_SHARDS]);
    expect(own.heldBytes).toBe(N_SHARDS * PAIR_BYTES);
    own.giveBack(N_SHARDS);
    expect(own.heldBytes).toBe(0);
  });

  it("makes anew what is asked for a second time", async () => {
    const { stock: own, passes } = stock(N_SHARDS);
    await own.take([ALL[3] ?? 0] as SliverPairIndex[]);
    own.giveBack(N_SHARDS);
    const again = await own.take([ALL[3] ?? 0] as SliverPairIndex[]);
    expect(again.map(({ pair }) => pair)).toEqual([3]);
    expect(passes).toEqual([N_SHARDS, 1]);
  });

  it("never holds more bytes than its bound, and serves every order in the end", async () => {
    const { stock: own, maxBytes, passes } = stock(6);
    let peakBytes = 0;
    let served = 0;
    await Promise.all(
      Array.from({ length: 10 }, async (_, node) => {
        const pairs = ALL.slice(2 * node, 2 * node + 2);
        const made = await own.take(pairs);
        expect(made.map(({ pair }) => pair)).toEqual(pairs);
        peakBytes = Math.max(peakBytes, own.heldBytes);
        served++;
        await new Promise((resolve) => setImmediate(resolve));
        own.giveBack(pairs.length);
      }),
    );
    expect([served, own.heldBytes]).toEqual([10, 0]);
    expect(peakBytes).toBe(maxBytes);
    expect(passes.length).toBeLessThan(10);
  });

  it("serves an order above its bound alone", async () => {
    const { stock: own } = stock(2);
    const first = await own.take(ALL.slice(0, 2));
    const large = own.take(ALL.slice(2, 7));
    expect(first).toHaveLength(2);
    own.giveBack(2);
    expect(await large).toHaveLength(5);
    own.giveBack(5);
  });

  it("refuses all orders once the upload is over", async () => {
    const { stock: own, work } = stock(2);
    await own.take(ALL.slice(0, 2));
    const waiting = [own.take(ALL.slice(2, 4)), own.take(ALL.slice(4, 6))];
    work.abort(new Error("the upload is over"));
    for (const each of waiting) await expect(each).rejects.toThrow("the upload is over");
    expect(() => own.take(ALL.slice(0, 1))).toThrow("the upload is over");
  });

  it("does not take back more than it gave", async () => {
    const { stock: own } = stock(6);
    await own.take(ALL.slice(0, 2));
    own.giveBack(2);
    expect(() => own.giveBack(1)).toThrow("no more is given back than was taken");
  });

  it("fails the orders of a pass that fails", async () => {
    const { stock: own } = stock(6, ALL);
    const beyond = 99 as SliverPairIndex;
    await expect(own.take([beyond])).rejects.toThrow();
  });
});
