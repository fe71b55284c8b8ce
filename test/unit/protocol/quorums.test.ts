// If this fails, Floe certifies with too few shards, trusts too few nodes, or names the wrong signers to the contract.
import { describe, expect, test } from "vitest";
import { parseNetworkFile } from "../../../shared/network/network-file.ts";
import {
  bftParameters,
  isQuorum,
  isValidity,
  quorumWeight,
  validityWeight,
} from "../../../shared/protocol/bft.ts";
import { type BlobStatus, blobStatusToJson, combineStatuses } from "../../../shared/protocol/blob-status.ts";
import { bitmapToSigners, signersToBitmap } from "../../../shared/protocol/certificate.ts";
import {
  type Committee,
  checkCommittee,
  memberOfShards,
  weightOf,
} from "../../../shared/protocol/committee.ts";
import { objectIdFromBytes, type ShardIndex } from "../../../shared/protocol/ids.ts";
import { protocolError } from "../../support/parsers.ts";

describe("thresholds", () => {
  test("a quorum tolerates f faulty shards and two quorums meet in a correct one, for every n up to 400", () => {
    for (let n = 4; n <= 400; n++) {
      const { maxFaultyShards: f, primarySourceSymbols: p, secondarySourceSymbols: s } = bftParameters(n);
      expect(isQuorum(quorumWeight(n), n) && !isQuorum(quorumWeight(n) - 1, n)).toBe(true);
      expect(isValidity(validityWeight(n), n) && !isValidity(validityWeight(n) - 1, n)).toBe(true);
      expect(quorumWeight(n)).toBeLessThanOrEqual(n - f);
      expect(2 * quorumWeight(n) - n).toBeGreaterThan(f);
      expect(validityWeight(n)).toBeGreaterThan(f);
      expect([p, s]).toEqual([n - 2 * f, n - f]);
    }
  });
});

describe("signers bitmap", () => {
  test("member i is bit i mod 8 of byte i / 8, and the way back sorts", () => {
    expect([...signersToBitmap([9, 0, 7], 11)]).toEqual([0x81, 0x02]);
    expect(bitmapToSigners(Uint8Array.of(0x81, 0x02), 11)).toEqual([0, 7, 9]);
    expect(bitmapToSigners(Uint8Array.of(0x81), 11)).toEqual([0, 7]);
    expect(bitmapToSigners(new Uint8Array(0), 11)).toEqual([]);
  });

  test("signers and bits beyond the members, and longer bitmaps, are refused", () => {
    for (const signer of [11, -1, 0.5])
      expect(() => signersToBitmap([signer], 11)).toThrow(protocolError("INVALID_BITMAP"));
    expect(() => bitmapToSigners(Uint8Array.of(0, 0x08), 11)).toThrow(protocolError("INVALID_BITMAP"));
    expect(() => bitmapToSigners(new Uint8Array(3), 11)).toThrow(protocolError("INVALID_BITMAP"));
  });
});

const committee = (shards: readonly (readonly number[])[], order = shards.map((_, i) => i)): Committee => ({
  epoch: 3,
  nShards: 7,
  members: shards.map((held, i) => ({
    nodeId: objectIdFromBytes(new Uint8Array(32).fill(1 + (order[i] ?? 0))),
    name: `node-${i}`,
    networkAddress: "127.0.0.1:1",
    publicKey: new Uint8Array(48),
    shards: held as readonly ShardIndex[],
  })),
});

describe("committee", () => {
  test("weight counts shards, each member once", () => {
    const valid = checkCommittee(committee([[0, 3, 6], [1], [2, 4, 5]]));
    expect([...memberOfShards(valid)]).toEqual([0, 1, 2, 0, 2, 2, 0]);
    expect(weightOf(valid, [0, 2, 0])).toBe(6);
    expect(weightOf(valid, [])).toBe(0);
  });

  test.each([
    [
      "a shard held twice",
      committee([
        [0, 1, 2, 3],
        [3, 4, 5, 6],
      ]),
    ],
    [
      "a shard held by nobody",
      committee([
        [0, 1, 2],
        [4, 5, 6],
      ]),
    ],
    [
      "a shard out of range",
      committee([
        [0, 1, 2, 3],
        [4, 5, 7],
      ]),
    ],
    [
      "nodes out of order",
      committee(
        [
          [0, 1, 2, 3],
          [4, 5, 6],
        ],
        [1, 0],
      ),
    ],
    [
      "a node listed twice",
      committee(
        [
          [0, 1, 2, 3],
          [4, 5, 6],
        ],
        [0, 0],
      ),
    ],
  ])("%s: refused", (_, invalid) => {
    expect(() => checkCommittee(invalid)).toThrow(
      protocolError("INVALID_COMMITTEE", { epoch: 3, nShards: 7 }),
    );
  });
});

describe("combined blob status", () => {
  const event = { txDigest: "digest", eventSeq: "0" };
  const counts = { count_deletable_total: 0, count_deletable_certified: 0 };
  const permanent = (endEpoch: number): BlobStatus => ({
    kind: "permanent",
    endEpoch,
    isCertified: true,
    statusEvent: event,
    deletableCounts: counts,
    initialCertifiedEpoch: 1,
  });
  const nonexistent: BlobStatus = { kind: "nonexistent" };
  const invalid: BlobStatus = { kind: "invalid", event };

  test("needs a quorum of answers and validity of one answer; the highest rank wins", () => {
    const answers = (...list: [BlobStatus, number][]) => list.map(([status, weight]) => ({ status, weight }));
    expect(combineStatuses(answers([permanent(9), 4]), 7)).toBeUndefined();
    expect(combineStatuses(answers([permanent(9), 5]), 7)).toEqual(permanent(9));
    expect(combineStatuses(answers([permanent(9), 2], [nonexistent, 3]), 7)).toEqual(nonexistent);
    expect(combineStatuses(answers([permanent(9), 3], [nonexistent, 4]), 7)).toEqual(permanent(9));
    expect(combineStatuses(answers([permanent(9), 3], [invalid, 3]), 7)).toEqual(invalid);
    expect(
      combineStatuses(answers([permanent(9), 2], [permanent(8), 2], [nonexistent, 2]), 7),
    ).toBeUndefined();
    expect(combineStatuses(answers([permanent(9), 3], [permanent(8), 4]), 7)).toEqual(permanent(8));
  });

  test("the JSON keeps the official key order, by which the official SDK compares answers", () => {
    expect(JSON.stringify(blobStatusToJson(permanent(9)))).toBe(
      '{"permanent":{"endEpoch":9,"isCertified":true,"statusEvent":{"txDigest":"digest","eventSeq":"0"},' +
        '"deletableCounts":{"count_deletable_total":0,"count_deletable_certified":0},"initialCertifiedEpoch":1}}',
    );
    expect(JSON.stringify(blobStatusToJson(nonexistent))).toBe('"nonexistent"');
  });
});

describe("network file", () => {
  const minimal = {
    nShards: 40,
    epoch: 1,
    epochDurationMs: 0,
    sui: { url: "http://x", chainId: "c" },
    walrus: { systemObjectId: "0x1", stakingObjectId: "0x2" },
  };
  const full = {
    ...minimal,
    audit: { packageId: "0x3", registryId: "0x4" },
    wallet: { address: "0x5", secretKey: "k" },
    nodes: [{ name: "node-0", nodeId: "0x6", url: "http://n", shards: [0, 13] }],
    control: { url: "http://c" },
    edge: { url: "http://e" },
    auditor: { url: "http://a" },
  };

  test("optional parts are optional, and IDs come out in full form", () => {
    expect(Object.keys(parseNetworkFile(JSON.stringify(minimal)))).toEqual(Object.keys(minimal));
    const parsed = parseNetworkFile(JSON.stringify(full));
    expect(Object.keys(parsed).sort()).toEqual(Object.keys(full).sort());
    expect(parsed.nodes?.[0]?.shards).toEqual([0, 13]);
    expect(parsed.walrus.systemObjectId).toBe(`0x${"0".repeat(63)}1`);
  });

  test.each([
    ["not JSON", "{", undefined],
    ["a list", "[]", "network file"],
    ["no Sui", JSON.stringify({ ...minimal, sui: undefined }), "sui"],
    ["an empty URL", JSON.stringify({ ...minimal, sui: { url: "", chainId: "c" } }), "sui.url"],
    ["a negative epoch", JSON.stringify({ ...minimal, epoch: -1 }), "epoch"],
    [
      "shards that are no list",
      JSON.stringify({ ...full, nodes: [{ ...full.nodes[0], shards: 3 }] }),
      "nodes[0].shards",
    ],
  ])("%s: refused, naming the field", (_, text, field) => {
    expect(() => parseNetworkFile(text)).toThrow(
      protocolError("INVALID_NETWORK_FILE", field === undefined ? {} : { field }),
    );
  });
});
