/** A blob with its metadata and all its slivers, encoded by the reference codec. */
import { CodecError } from "../../../shared/codec/codec.ts";
import { createReferenceCodec } from "../../../shared/codec/reference-codec.ts";
import { AXES, type Axis, type SliverIndex, type SliverPairIndex } from "../../../shared/protocol/ids.ts";
import { pairOfSliver } from "../../../shared/protocol/mapping.ts";
import type { VerifiedMetadata } from "../../../shared/protocol/metadata.ts";
import { parseSliver, type VerifiedSliver } from "../../../shared/protocol/sliver.ts";
import { prng } from "../vectors.ts";

export interface EncodedBlob {
  readonly blob: Uint8Array;
  readonly metadata: VerifiedMetadata;
  sliver(axis: Axis, index: number): VerifiedSliver;
  /** Bytes as a storage node gets them. */
  serialized(axis: Axis, index: number): Uint8Array;
}

export const pairIndexes = (nShards: number): SliverPairIndex[] =>
  Array.from({ length: nShards }, (_, pair) => pair as SliverPairIndex);

/** Every sliver handed out has passed `verifySlivers`. */
export function encodeBlob(nShards: number, blob: Uint8Array): EncodedBlob {
  const codec = createReferenceCodec();
  const encoder = codec.openEncoder(nShards, blob.length);
  encoder.write(blob);
  const metadata = encoder.metadata();
  const pairs = encoder.slivers(pairIndexes(nShards));
  encoder.release();

  const serialized = (axis: Axis, index: number): Uint8Array => {
    const bytes = pairs[pairOfSliver(index as SliverIndex, axis, nShards)]?.[axis];
    if (bytes === undefined) throw new Error(`no ${axis} sliver ${index}`);
    return bytes;
  };
  const asked = AXES.flatMap((axis) =>
    pairs.map((each) => ({ axis, pair: each.pair, sliver: parseSliver(each[axis], each[axis].length) })),
  );
  const slivers = new Map<string, VerifiedSliver>();
  for (const result of codec.verifySlivers(metadata, asked)) {
    if (result instanceof CodecError) throw result;
    slivers.set(`${result.axis} ${result.index}`, result);
  }
  const sliver = (axis: Axis, index: number): VerifiedSliver => {
    const found = slivers.get(`${axis} ${index}`);
    if (found === undefined) throw new Error(`no ${axis} sliver ${index}`);
    return found;
  };
  return { blob, metadata, sliver, serialized };
}

/** Reproducible contents of this length. */
export const someBlob = (length: number, seed = 12345): Uint8Array => prng(seed, length);
