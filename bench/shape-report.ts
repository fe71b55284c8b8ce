/** What `bench -- shape` prints: one JSON line a figure, or rows of a Markdown table. */
import { formatSpread, type Spread, spread } from "./statistics.ts";

export const OPS = [
  "publish",
  "read",
  "firstByte",
  "readAfterPublish",
  "range",
  "hot",
  "readDegraded",
  "memory",
] as const;
export type Op = (typeof OPS)[number];

export interface Figure {
  readonly op: Op;
  readonly size: number;
  readonly side: "edge" | "sdk" | "floor";
  /** Of each run. */
  readonly ms: readonly number[];
  /** How many times as long the other side took, medians; of the floor: how many times as long the edge took. */
  readonly ratio?: number;
  /** At the nodes, of each run. */
  readonly requests?: readonly number[];
  /** Of the process that does the work, of each run. */
  readonly cpuMs?: readonly number[];
  readonly peakMb?: number;
  /** What belongs to this operation alone. */
  readonly more?: Readonly<Record<string, number | string>>;
}

export class ShapeReport {
  readonly #network: { readonly nodes: number; readonly shards: number; readonly latencyMs: number };
  readonly #isJson: boolean;
  #hasHeader = false;

  constructor(
    network: { readonly nodes: number; readonly shards: number; readonly latencyMs: number },
    isJson: boolean,
  ) {
    this.#network = network;
    this.#isJson = isJson;
  }

  add(figure: Figure): void {
    if (this.#isJson) this.#printJson(figure);
    else this.#printRow(figure);
  }

  #printJson({ op, size, side, ms, ratio, requests, cpuMs, peakMb, more }: Figure): void {
    const runs = ms.length;
    console.log(
      JSON.stringify({
        op,
        size,
        ...this.#network,
        side,
        ms: spread(ms),
        ratio,
        requests: requests === undefined ? undefined : spread(requests).median,
        peakMb,
        cpuMs: cpuMs === undefined ? undefined : spread(cpuMs).median,
        runs,
        ...more,
      }),
    );
  }

  #printRow({ op, size, side, ms, ratio, requests, cpuMs, peakMb, more = {} }: Figure): void {
    if (!this.#hasHeader) {
      console.log(
        "\n| Operation | Size | Side | ms | Ratio | Requests | CPU, ms | Also |\n|---|---|---|---|---|---|---|---|",
      );
      this.#hasHeader = true;
    }
    const also = [
      ...(peakMb === undefined ? [] : [`peak ${peakMb.toFixed(1)} MiB`]),
      ...Object.entries(more).map(
        ([name, value]) => `${name} ${typeof value === "number" ? round(value) : value}`,
      ),
    ];
    const cells = [
      op,
      sizeName(size),
      side,
      formatSpread(spread(ms)),
      ratio === undefined ? "" : ratio.toFixed(2),
      median(requests),
      median(cpuMs),
      also.join(", "),
    ];
    console.log(`| ${cells.join(" | ")} |`);
  }
}

export const medianOf = (values: readonly number[]): number => spread(values).median;

const median = (values: readonly number[] | undefined): string =>
  values === undefined ? "" : (spread(values) satisfies Spread).median.toFixed(0);

const round = (value: number): string => String(Math.round(value * 100) / 100);

export const sizeName = (size: number): string =>
  size >= 2 ** 20 ? `${size / 2 ** 20} MiB` : `${size / 1024} KiB`;
