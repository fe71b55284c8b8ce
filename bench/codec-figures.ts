/** The rows of the codec benchmark: their shape, their targets and how they print. */
import type { CodecCase, CodecOp, Missing } from "./codec-cases.ts";

export interface Figure {
  readonly op: CodecOp | "threads";
  readonly n: number;
  readonly size: number;
  readonly missing?: Missing;
  readonly batch?: number;
  /** What is timed, of several parts. */
  readonly step?: string;
  readonly runtime: "node" | "workerd";
  readonly oursMs: number;
  readonly oursMinMs: number;
  readonly oursMaxMs: number;
  readonly anchorMs: number | null;
  readonly ratio: number | null;
  readonly peakMb: number | null;
  readonly anchorPeakMb: number | null;
  /** At least this ratio, or at most this many milliseconds; null where nothing is promised. */
  readonly target: { readonly ratio: number } | { readonly ms: number } | null;
}

const KIB = 1024;
const MIB = 1024 * KIB;

type Ratios = Readonly<Record<number, number>>;
const bySize = (...ratios: [number, number, number, number]): Ratios => ({
  [KIB]: ratios[0],
  [MIB]: ratios[1],
  [8 * MIB]: ratios[2],
  [32 * MIB]: ratios[3],
});

/** Ratios to the official encoder at 1000 shards, one thread; those of workerd's encoding are estimates. */
const TARGETS: Record<"node" | "workerd", Record<"metadata" | "encode" | "decode", Ratios>> = {
  node: {
    metadata: bySize(8, 5.5, 4.8, 6),
    encode: bySize(7.5, 5.2, 5, 5.5),
    decode: bySize(400, 220, 45, 20),
  },
  workerd: {
    metadata: bySize(13, 9.5, 9, 9),
    encode: bySize(12, 8.5, 8, 8),
    decode: bySize(200, 150, 30, 18),
  },
};
/** Milliseconds for one primary sliver in batches of 8: up to 38-byte symbols (8 MiB), and at 152 bytes (32 MiB). */
const VERIFY_MS = { small: 0.25, large: 0.4 };

/** Milliseconds for 100 confirmations. */
const CONFIRMATION_MS = {
  node: { "final step": 35, "from bytes": 200 },
  workerd: { "final step": 45, "from bytes": 250 },
};

export function caseTarget(each: CodecCase, runtime: "node" | "workerd"): Figure["target"] {
  if (each.op === "bls") return { ms: CONFIRMATION_MS[runtime][each.step ?? "from bytes"] };
  if (each.n !== 1000) return null;
  if (each.op === "verify") {
    if (each.batch !== 8) return null;
    return { ms: each.size <= 8 * MIB ? VERIFY_MS.small : VERIFY_MS.large };
  }
  if (each.op === "decode" && each.missing !== "half") return null;
  const ratio = TARGETS[runtime][each.op][each.size];
  return ratio === undefined ? null : { ratio };
}

const WIDTHS = [22, 6, 8, 8, 26, 10, 9, 14, 16] as const;
const line = (cells: readonly string[]): string =>
  cells.map((cell, i) => (i === 0 ? cell.padEnd(WIDTHS[i]) : cell.padStart(WIDTHS[i] ?? 10))).join(" ");

export const COLUMNS = line([
  "operation",
  "n",
  "size",
  "runtime",
  "ours ms",
  "anchor ms",
  "ratio",
  "target",
  "peak MB (anchor)",
]);

export function figureRow(figure: Figure): string {
  const { op, missing, batch, step, oursMs, oursMinMs, oursMaxMs, anchorMs, ratio, target } = figure;
  const digits = oursMs < 10 ? 3 : oursMs < 100 ? 1 : 0;
  const detail =
    missing === undefined ? (batch === undefined ? (step ?? "") : `by ${batch}`) : `${missing} missing`;
  return line([
    `${op} ${detail}`.trim(),
    String(figure.n),
    sizeText(figure.size),
    figure.runtime,
    `${oursMs.toFixed(digits)} (${oursMinMs.toFixed(digits)}..${oursMaxMs.toFixed(digits)})`,
    anchorMs === null ? "-" : anchorMs.toFixed(anchorMs < 10 ? 2 : 0),
    ratio === null ? "-" : ratio.toFixed(ratio < 20 ? 2 : 0),
    targetText(target, ratio, oursMs),
    figure.peakMb === null ? "-" : `${figure.peakMb.toFixed(0)} (${figure.anchorPeakMb?.toFixed(0) ?? "-"})`,
  ]);
}

function targetText(target: Figure["target"], ratio: number | null, oursMs: number): string {
  if (target === null) return "";
  if ("ms" in target) return `<= ${target.ms} ${oursMs <= target.ms ? "ok" : "MISSED"}`;
  return `>= ${target.ratio} ${(ratio ?? 0) >= target.ratio ? "ok" : "MISSED"}`;
}

const sizeText = (size: number): string =>
  size >= MIB ? `${size / MIB} MiB` : size >= KIB ? `${size / KIB} KiB` : `${size} B`;
