/** Options of the command line that say how far away the nodes are, for `npm start` and `npm run localnet`. */
import { text } from "../host/options.ts";
import { UsageError } from "../host/usage-error.ts";
import type { NetworkOptions } from "./network-plan.ts";
import { MAINNET_SHAPE } from "./shape.ts";

const { nodes, shards, distance } = MAINNET_SHAPE;

export const SHAPE_OPTIONS = {
  shape: text(
    "mainnet",
    `${shards} shards on ${nodes} nodes, as unevenly shared and as far away as mainnet's`,
  ),
  latency: text(
    "MS",
    `how far away the nodes are, median; 0 when absent, ${distance.latencyMs} with --shape mainnet`,
  ),
  spread: text(
    "RATIO",
    `latency of the ninetieth percentile by the median; 1 when absent, ${distance.spread} with --shape mainnet`,
  ),
  bandwidth: text("BYTES", "bytes a second that a node takes, and gives; no limit when absent"),
};

export interface ShapeOptionTexts {
  readonly shape: string | undefined;
  readonly latency: string | undefined;
  readonly spread: string | undefined;
  readonly bandwidth: string | undefined;
}

/** Ranges are checked where the network is planned. @throws UsageError */
export function parseShapeOptions(texts: ShapeOptionTexts): Pick<NetworkOptions, "shape" | "distance"> {
  const { shape } = texts;
  if (shape !== undefined && shape !== "mainnet") {
    throw new UsageError(`--shape takes mainnet, not "${shape}"`);
  }
  const given = {
    ...number("latencyMs", "latency", texts),
    ...number("spread", "spread", texts),
    ...number("bandwidth", "bandwidth", texts),
  };
  return {
    ...(shape === undefined ? {} : { shape }),
    ...(Object.keys(given).length === 0 ? {} : { distance: given }),
  };
}

function number<Field extends string>(
  field: Field,
  option: keyof ShapeOptionTexts,
  texts: ShapeOptionTexts,
): { [F in Field]?: number } {
  const given = texts[option];
  if (given === undefined) return {};
  if (!/^[0-9]{1,13}(?:\.[0-9]{1,6})?$/.test(given)) {
    throw new UsageError(`--${option} takes a number, not "${given}"`);
  }
  // The computed key is exactly `field`.
  return { [field]: Number(given) } as { [F in Field]?: number };
}
