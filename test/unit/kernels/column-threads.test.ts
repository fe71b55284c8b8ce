// If this fails, encoding split over threads or isolates gives another blob ID than encoding in one.
import { expect, test } from "vitest";
import { columnRanges, startColumnThreads } from "../../../bench/column-threads.ts";
import { someBlob } from "../../support/codec/encoded-blob.ts";
import { kernelCodec, kernelModule } from "../../support/codec/kernel-codec.ts";

test("two threads make the metadata that one makes", async () => {
  const codec = kernelCodec();
  const threads = startColumnThreads(codec, kernelModule(), 2);
  try {
    for (const [n, length] of [
      [100, 30_000],
      [333, 1000],
      [1000, 0],
    ] as const) {
      const shared = new SharedArrayBuffer(length);
      const blob = someBlob(length);
      new Uint8Array(shared).set(blob);
      const encoder = codec.openEncoder(n, length);
      encoder.write(blob);
      expect(await threads.metadata(n, shared)).toEqual(encoder.metadata());
      encoder.release();
    }
  } finally {
    await threads.close();
  }
});

test("ranges cover every column once, whatever the number of threads", () => {
  for (const n of [4, 16, 17, 100, 333, 1000, 1024]) {
    for (const threads of [1, 2, 3, 4, 8]) {
      const ranges = columnRanges(n, threads);
      expect(ranges.length).toBeLessThanOrEqual(threads);
      expect(ranges.reduce((at, range) => (range.from === at ? range.to : Number.NaN), 0)).toBe(n);
    }
  }
});
