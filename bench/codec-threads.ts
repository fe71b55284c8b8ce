/** Metadata by two threads beside one, both ours: what splitting by column blocks gains. */
import { loadKernels } from "../kernels/load-node.ts";
import { createKernelCodec } from "../shared/codec/kernel-codec.ts";
import { benchBytes } from "./codec-cases.ts";
import type { Figure } from "./codec-figures.ts";
import { startColumnThreads } from "./column-threads.ts";
import { spread } from "./statistics.ts";

const SHARDS = 1000;
const THREADS = 2;
const TARGET_RATIO = 1.8;
const MAX_MEMORY_BYTES = 512 * 1024 * 1024;

export async function threadFigures(rounds: number, sizes: readonly number[]): Promise<Figure[]> {
  const kernels = loadKernels();
  if (kernels === undefined) throw new Error("this Node cannot run the kernels");
  const codec = createKernelCodec({ module: kernels.module, maxMemoryBytes: MAX_MEMORY_BYTES });
  const threads = startColumnThreads(codec, kernels.module, THREADS);
  try {
    const figures: Figure[] = [];
    for (const size of sizes) {
      const shared = new SharedArrayBuffer(size);
      const blob = new Uint8Array(shared);
      blob.set(benchBytes(size));
      const alone = async (): Promise<void> => {
        const encoder = codec.openEncoder(SHARDS, size);
        encoder.write(blob);
        encoder.metadata();
        encoder.release();
      };
      const together = async (): Promise<void> => {
        await threads.metadata(SHARDS, shared);
      };
      const [one, many]: [number[], number[]] = [[], []];
      await alone();
      await together();
      for (let round = 0; round < rounds; round++) {
        for (const [into, call] of [
          [one, alone],
          [many, together],
          [many, together],
          [one, alone],
        ] as const) {
          const started = performance.now();
          await call();
          into.push(performance.now() - started);
        }
      }
      const [ours, anchor] = [spread(many), spread(one)];
      figures.push({
        op: "threads",
        n: SHARDS,
        size,
        step: `${THREADS} beside 1`,
        runtime: "node",
        oursMs: ours.median,
        oursMinMs: ours.min,
        oursMaxMs: ours.max,
        anchorMs: anchor.median,
        ratio: anchor.median / ours.median,
        peakMb: null,
        anchorPeakMb: null,
        target: { ratio: TARGET_RATIO },
      });
    }
    return figures;
  } finally {
    await threads.close();
  }
}
