/** Names of the files that `floe encode --out` writes and `floe decode` reads. */
import type { Axis } from "../../shared/protocol/ids.ts";

export const METADATA_FILE = "metadata.bin";

export const sliverFile = (axis: Axis, index: number): string => `${axis}-${index}.sliver`;

/** @returns undefined for a file that is no sliver's */
export function parseSliverFile(name: string): { axis: Axis; index: number } | undefined {
  const match = /^(primary|secondary)-(0|[1-9]\d{0,4})\.sliver$/.exec(name);
  // The pattern allows these two words only.
  return match === null ? undefined : { axis: match[1] as Axis, index: Number(match[2]) };
}
