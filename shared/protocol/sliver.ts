/**
 * A sliver as it travels: BCS of SliverData.
 *
 * | offset | length | field                                                |
 * |--------|--------|------------------------------------------------------|
 * | 0      | uleb   | data length                                          |
 * | ..     | length | data: all source symbols, one after the other        |
 * | ..     | 2      | symbol bytes z, u16 LE, non-zero                     |
 * | ..     | 2      | **sliver** index on its axis (not the pair), u16 LE  |
 *
 * There is no axis marker: the axis comes from the route.
 */
import { BcsReader, BcsWriter, ulebBytes } from "./bcs.ts";
import type { Axis, SliverIndex } from "./ids.ts";
import { MAX_SYMBOL_BYTES } from "./sizes.ts";

/** A well-formed sliver whose root nobody has checked yet: must not reach a decoder. */
export interface Sliver {
  readonly data: Uint8Array;
  readonly symbolBytes: number;
  readonly index: SliverIndex;
}

declare const verified: unique symbol;
/** A sliver whose Merkle root equals the metadata's hash; made only by `shared/codec`. */
export interface VerifiedSliver extends Sliver {
  readonly axis: Axis;
  readonly [verified]: true;
}

/** Bytes of a serialised sliver with `dataBytes` of data. */
export const serializedSliverBytes = (dataBytes: number): number => ulebBytes(dataBytes) + dataBytes + 4;

export function serializeSliver(sliver: Sliver): Uint8Array {
  return new BcsWriter(serializedSliverBytes(sliver.data.length))
    .vector(sliver.data)
    .u16(sliver.symbolBytes)
    .u16(sliver.index)
    .finish();
}

/**
 * @param maxDataBytes longest data accepted; longer is refused before anything is read
 * @returns a sliver whose `data` is a view of `bytes`; index and length are checked against metadata later
 */
export function parseSliver(bytes: Uint8Array, maxDataBytes: number): Sliver {
  const reader = new BcsReader(bytes, "SliverData");
  const data = reader.vector(maxDataBytes);
  const symbolBytes = reader.u16();
  const index = reader.u16() as SliverIndex;
  reader.end();
  if (symbolBytes === 0 || symbolBytes % 2 !== 0 || symbolBytes > MAX_SYMBOL_BYTES) {
    reader.fail(`symbol size ${symbolBytes} is not even and in 2..${MAX_SYMBOL_BYTES}`);
  }
  if (data.length % symbolBytes !== 0) {
    reader.fail(`${data.length} data bytes are no whole number of ${symbolBytes}-byte symbols`);
  }
  return { data, symbolBytes, index };
}
