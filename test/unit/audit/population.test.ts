// If this fails, auditors commit to different populations of the same chain, or a claim's path does not fit its root.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { AuditError } from "../../../shared/audit/audit-error.ts";
import {
  ENTRY_BYTES,
  MemoryPopulation,
  orderPopulation,
  parseEntry,
  populationPath,
  rootOfSlices,
  SLICE_LEAVES,
  serializeEntry,
  sliceCount,
  sliceNode,
} from "../../../shared/audit/population.ts";
import { concatBytes, toHex } from "../../../shared/base/bytes.ts";
import { merkleRoot, verifyMerkleProof } from "../../../shared/codec/merkle.ts";
import { blobIdToBytes } from "../../../shared/protocol/ids.ts";
import { encodedLength } from "../../../shared/protocol/sizes.ts";
import { blobOf, populationOf } from "./fixtures.ts";

const N = 10;
const RUNS = Number(process.env["FLOE_RUNS"] ?? 50);

describe("a population", () => {
  it("ascends by blob ID bytes and sums up encoded bytes", () => {
    const population = populationOf(300, N);
    let cum = 0n;
    population.entries.forEach((entry, i) => {
      expect(entry.index).toBe(i);
      expect(entry.cumBytes).toBe(cum);
      cum += BigInt(encodedLength(N, entry.unencodedLength));
    });
    expect(population.totalBytes).toBe(cum);
    const ids = population.entries.map((entry) => toHex(blobIdToBytes(entry.blobId)));
    expect([...ids].sort()).toEqual(ids);
  });

  it("does not depend on the order blobs come in", () => {
    const blobs = Array.from({ length: 40 }, (_, i) => blobOf(i, 100 * i));
    expect(orderPopulation([...blobs].reverse(), N)).toEqual(orderPopulation(blobs, N));
  });

  it("holds a blob once", () => {
    expect(() => orderPopulation([blobOf(1), blobOf(1)], N)).toThrow(AuditError);
  });

  it("finds the entry that holds each byte", () => {
    const population = populationOf(20, N);
    for (const entry of population.entries) {
      const last = entry.cumBytes + BigInt(encodedLength(N, entry.unencodedLength)) - 1n;
      expect(population.leafByCum(entry.cumBytes)).toBe(entry);
      expect(population.leafByCum(last)).toBe(entry);
    }
  });

  it("refuses leaves and bytes outside itself", () => {
    const population = populationOf(2, N);
    expect(() => population.leafAt(2)).toThrow();
    expect(() => population.leafByCum(population.totalBytes)).toThrow();
    expect(() => new MemoryPopulation([], N).leafAt(0)).toThrow();
  });
});

describe("an entry", () => {
  it("survives its 61 bytes", () => {
    fc.assert(
      fc.property(
        fc.nat(1_000_000),
        fc.nat(2 ** 31),
        fc.nat(2 ** 31),
        fc.bigInt(0n, 2n ** 128n - 1n),
        (number, unencodedLength, endEpoch, cumBytes) => {
          const entry = { ...blobOf(number, unencodedLength, endEpoch), index: 5, cumBytes };
          const bytes = serializeEntry(entry);
          expect(bytes).toHaveLength(ENTRY_BYTES);
          expect(parseEntry(bytes, 5)).toEqual(entry);
        },
      ),
      { numRuns: RUNS },
    );
  });

  it("has no other encoding, no fewer and no more bytes", () => {
    const bytes = serializeEntry({ ...blobOf(1), index: 0, cumBytes: 0n });
    expect(() => parseEntry(bytes.subarray(1), 0)).toThrow();
    expect(() => parseEntry(concatBytes(bytes, bytes.subarray(0, 1)), 0)).toThrow();
    const retired = bytes.slice();
    retired[32] = 0;
    expect(() => parseEntry(retired, 0)).toThrow(AuditError);
  });
});

describe("the root made slice by slice", () => {
  // Around one slice, two slices, and where the last slice's single node climbs beside an odd level.
  const sizes = [1, 2, 3, 1023, 1024, 1025, 1026, 2047, 2048, 2049, 3000, 3073, 5121];
  const all = populationOf(Math.max(...sizes), N).entries.map(serializeEntry);

  it.each(sizes)("equals the tree over all %i leaves, and its paths verify", (size) => {
    const leaves = all.slice(0, size);
    const slices = Array.from({ length: sliceCount(size) }, (_, i) =>
      leaves.slice(i * SLICE_LEAVES, (i + 1) * SLICE_LEAVES),
    );
    const nodes = slices.map((slice) => sliceNode(slice, size));
    const root = rootOfSlices(nodes, size);
    expect(toHex(root)).toBe(toHex(merkleRoot(concatBytes(...leaves), ENTRY_BYTES) ?? new Uint8Array()));
    for (const index of new Set([0, size >> 1, size - 1, Math.min(1023, size - 1)])) {
      const slice = slices[Math.floor(index / SLICE_LEAVES)] ?? [];
      const path = populationPath(index, size, slice, nodes);
      const leaf = leaves[index] ?? new Uint8Array();
      expect(verifyMerkleProof(root, leaf, index, size, path), `leaf ${index}`).toBe(true);
      expect(verifyMerkleProof(root, leaf, index ^ 1, size, path)).toBe(false);
    }
  });

  it("is that of the population in memory", () => {
    const population = populationOf(1500, N);
    const root = population.root();
    for (const index of [0, 1023, 1024, 1499]) {
      const leaf = serializeEntry(population.leafAt(index));
      expect(verifyMerkleProof(root, leaf, index, 1500, population.path(index))).toBe(true);
    }
  });

  it("refuses a missing or extra slice", () => {
    const node = sliceNode(all.slice(0, SLICE_LEAVES), 2048);
    expect(() => rootOfSlices([node], 2048)).toThrow(AuditError);
    expect(() => rootOfSlices([node, node, node], 2048)).toThrow(AuditError);
  });

  it("is 32 zero bytes for no blobs", () => {
    expect(new MemoryPopulation([], N).root()).toEqual(new Uint8Array(32));
  });
});
