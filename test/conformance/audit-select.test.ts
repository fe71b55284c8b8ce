// If this fails, our auditors ask other things than everybody else computes: their rounds cannot be verified.
import { describe, expect, it } from "vitest";
import { type DrawMode, draw, drawDigest } from "../../shared/audit/selection.ts";
import { fromHex, toHex } from "../../shared/base/bytes.ts";
import { blake2b256 } from "../../shared/crypto/blake2b.ts";
import type { ShardIndex } from "../../shared/protocol/ids.ts";
import { readVectors } from "../support/vectors.ts";

interface Case {
  readonly seed: string;
  readonly mode: DrawMode;
  readonly shard: number;
  readonly t: number;
  readonly size: string;
  readonly nShards: number;
  readonly digest: string;
  readonly index: string;
  readonly axis: number;
  readonly symbol: number;
}

describe("audit draws", () => {
  const { cases } = readVectors<{ cases: Case[] }>("audit-select.json");

  it("are 64, of the modes 0 to 2", () => {
    expect(cases).toHaveLength(64);
    expect(new Set(cases.map(({ mode }) => mode))).toEqual(new Set([0, 1, 2]));
  });

  it("of mode 3 differ from those of mode 0 by the mode's byte only", () => {
    const key = { mode: 3, shard: 258 as ShardIndex, t: 5 } as const;
    const bytes = new Uint8Array(20 + 32 + 15);
    bytes.set(new TextEncoder().encode("floe-audit/select/v1"));
    bytes.fill(9, 20, 52);
    bytes.set([3, 2, 1, 5, 0, 0, 0, 77], 52);
    expect(drawDigest(new Uint8Array(32).fill(9), key, 77n)).toEqual(blake2b256(bytes));
  });

  it("equal those of an independent implementation", () => {
    for (const each of cases) {
      const seed = fromHex(each.seed);
      const key = { mode: each.mode, shard: each.shard as ShardIndex, t: each.t };
      const size = BigInt(each.size);
      expect(toHex(drawDigest(seed, key, size))).toBe(each.digest);
      const drawn = draw(seed, key, size, each.nShards);
      expect(drawn.offset).toBe(BigInt(each.index));
      expect(drawn.axis).toBe(each.axis === 0 ? "primary" : "secondary");
      expect(drawn.symbol).toBe(each.symbol);
    }
  });
});
