/** Options of the command line that say how far away the nodes are, for `npm start` and `npm run localnet`. */
import { NetworkError, type NetworkOptions } from "./network-plan.ts";
import { MAINNET_SHAPE } from "./shape.ts";

const { nodes, shards, distance } = MAINNET_SHAPE;

export const SHAPE_HELP = `  --shape mainnet      ${shards} shards on ${nodes} nodes, as unevenly shared and as far away as mainnet's
  --latency MS         how far away the nodes are, median (default 0; ${distance.latencyMs} with --shape mainnet)
  --spread RATIO       latency of the ninetieth percentile by the median (default 1; ${distance.spread} with --shape mainnet)
  --bandwidth BYTES    bytes a second that a node takes, and gives (default: no limit)`;

const text = { type: "string" } as const;
/** For `parseArgs`. */
export const SHAPE_OPTIONS = { shape: text, latency: text, spread: text, bandwidth: text } as const;

export interface ShapeOptionTexts {
  readonly shape?: string | undefined;
  readonly latency?: string | undefined;
  readonly spread?: string | undefined;
  readonly bandwidth?: string | undefined;
}

/** Ranges are checked where the network is planned. @throws NetworkError `INVALID_NETWORK` */
export function parseShapeOptions(texts: ShapeOptionTexts): Pick<NetworkOptions, "shape" | "distance"> {
  const { shape } = texts;
  if (shape !== undefined && shape !== "mainnet") {
    throw new NetworkError("INVALID_NETWORK", `--shape takes mainnet, not "${shape}"`);
  }
  const distance = {
    ...number("latencyMs", "latency", texts),
    ...number("spread", "spread", texts),
    ...number("bandwidth", "bandwidth", texts),
  };
  return {
    ...(shape === undefined ? {} : { shape }),
    ...(Object.keys(distance).length === 0 ? {} : { distance }),
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
    throw new NetworkError("INVALID_NETWORK", `--${option} takes a number, not "${given}"`);
  }
  // The computed key is exactly `field`.
  return { [field]: Number(given) } as { [F in Field]?: number };
}
