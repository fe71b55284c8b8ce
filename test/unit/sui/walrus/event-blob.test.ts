// If this fails, an auditor takes a history from Walrus that is not the chain's, or hangs on one that somebody made up.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { blobIdFromBytes } from "../../../../shared/protocol/ids.ts";
import {
  checkPlace,
  EVENT_BLOB_HEADER_BYTES,
  EVENT_BLOB_TRAILER_BYTES,
  EventBlobError,
  type EventElement,
  parseEventBlobHeader,
  parseEventBlobTrailer,
  parseEventEntry,
  placeAfter,
} from "../../../../shared/sui/walrus/event-blob.ts";
import { EVENT_LAYOUTS, parseWalrusEvent } from "../../../../shared/sui/walrus/events.ts";
import { CHAIN_LIMITS } from "../../../../shared/sui/walrus/limits.ts";
import { PROPERTY_TIMEOUT, propertyRuns } from "../../../support/property.ts";
import {
  EVENT_BLOB_KINDS,
  encodeEventBlob,
  endMark,
  eventBlobHeader,
  eventBlobTrailer,
  eventEntry,
  type RawEvent,
} from "../../../support/sui/event-blobs.ts";

const ID = `0x${"ab".repeat(32)}`;
const epoch = 7;
const BLOB = (1n << 255n) + 5n;
const list = { epoch, root: 3n, sequence_number: 4n, node_id: ID };
/** One event of every kind there is. */
const CONTENTS: Readonly<Record<string, Uint8Array>> = {
  BlobRegistered: EVENT_LAYOUTS.BlobRegistered.serialize({
    epoch,
    blob_id: BLOB,
    size: 99n,
    encoding_type: 1,
    end_epoch: 60,
    deletable: true,
    object_id: ID,
  }).toBytes(),
  BlobCertified: EVENT_LAYOUTS.BlobCertified.serialize({
    epoch,
    blob_id: BLOB,
    end_epoch: 60,
    deletable: true,
    object_id: ID,
    is_extension: true,
  }).toBytes(),
  BlobDeleted: EVENT_LAYOUTS.BlobDeleted.serialize({
    epoch,
    blob_id: BLOB,
    end_epoch: 60,
    object_id: ID,
    was_certified: true,
  }).toBytes(),
  InvalidBlobID: EVENT_LAYOUTS.InvalidBlobID.serialize({ epoch, blob_id: BLOB }).toBytes(),
  DenyListBlobDeleted: EVENT_LAYOUTS.DenyListBlobDeleted.serialize({ epoch, blob_id: BLOB }).toBytes(),
  PooledBlobRegistered: EVENT_LAYOUTS.PooledBlobRegistered.serialize({
    epoch,
    blob_id: BLOB,
    unencoded_size: 1n,
    encoding_type: 1,
    deletable: false,
    object_id: ID,
    storage_pool_id: ID,
  }).toBytes(),
  PooledBlobCertified: EVENT_LAYOUTS.PooledBlobCertified.serialize({
    epoch,
    blob_id: BLOB,
    deletable: false,
    object_id: ID,
    storage_pool_id: ID,
  }).toBytes(),
  PooledBlobDeleted: EVENT_LAYOUTS.PooledBlobDeleted.serialize({
    epoch,
    blob_id: BLOB,
    object_id: ID,
    was_certified: true,
    storage_pool_id: ID,
  }).toBytes(),
  EpochParametersSelected: EVENT_LAYOUTS.EpochParametersSelected.serialize({ next_epoch: 8 }).toBytes(),
  EpochChangeStart: EVENT_LAYOUTS.EpochChangeStart.serialize({ epoch }).toBytes(),
  EpochChangeDone: EVENT_LAYOUTS.EpochChangeDone.serialize({ epoch }).toBytes(),
  ShardsReceived: EVENT_LAYOUTS.ShardsReceived.serialize({
    epoch,
    shards: Array.from({ length: 1_000 }, (_, i) => i),
  }).toBytes(),
  ShardRecoveryStart: EVENT_LAYOUTS.ShardRecoveryStart.serialize({ epoch, shards: [] }).toBytes(),
  ContractUpgraded: EVENT_LAYOUTS.ContractUpgraded.serialize({
    epoch,
    package_id: ID,
    version: 2n,
  }).toBytes(),
  ContractUpgradeProposed: EVENT_LAYOUTS.ContractUpgradeProposed.serialize({
    epoch,
    package_digest: new Uint8Array(32),
  }).toBytes(),
  ContractUpgradeQuorumReached: EVENT_LAYOUTS.ContractUpgradeQuorumReached.serialize({
    epoch,
    package_digest: new Uint8Array(32),
  }).toBytes(),
  RegisterDenyListUpdate: EVENT_LAYOUTS.RegisterDenyListUpdate.serialize(list).toBytes(),
  DenyListUpdate: EVENT_LAYOUTS.DenyListUpdate.serialize(list).toBytes(),
  ProtocolVersionUpdated: EVENT_LAYOUTS.ProtocolVersionUpdated.serialize({
    epoch,
    start_epoch: 9,
    protocol_version: 2n,
  }).toBytes(),
  PricesUpdated: EVENT_LAYOUTS.PricesUpdated.serialize({
    epoch,
    storage_price: 1n,
    write_price: 2n,
  }).toBytes(),
  StoragePoolCreated: EVENT_LAYOUTS.StoragePoolCreated.serialize({
    epoch,
    storage_pool_id: ID,
    capacity: 5n,
    start_epoch: 7,
    end_epoch: 9,
  }).toBytes(),
  StoragePoolExtended: EVENT_LAYOUTS.StoragePoolExtended.serialize({
    epoch,
    storage_pool_id: ID,
    new_end_epoch: 90,
  }).toBytes(),
};
const raw = (name: string, seq = 0): RawEvent => ({
  name,
  contents: CONTENTS[name] ?? new Uint8Array(0),
  txDigest: new Uint8Array(32).fill(9),
  seq,
});
const deleted = (): Buffer => eventEntry(raw("BlobDeleted"), 500, 2, 77);

/** Every element of a blob, read as it would come from rows of `step` bytes. */
function elementsOf(blob: Uint8Array, step = blob.length): EventElement[] {
  const found: EventElement[] = [];
  const end = blob.length - EVENT_BLOB_TRAILER_BYTES;
  let at = EVENT_BLOB_HEADER_BYTES;
  let have = at;
  while (at < end) {
    const entry = parseEventEntry(blob.subarray(at, have), 0, at);
    if (entry === undefined) {
      if (have === end) throw new Error("cut off");
      have = Math.min(end, have + step);
      continue;
    }
    found.push(entry.element);
    at += entry.end;
  }
  return found;
}

const codeOf = (work: () => unknown): string => {
  try {
    work();
  } catch (error) {
    if (error instanceof EventBlobError) return error.code;
    throw error;
  }
  return "none";
};

describe("an event blob", () => {
  const previous = blobIdFromBytes(new Uint8Array(32).fill(3));
  const checkpoints = [
    { sequence: 500, events: EVENT_BLOB_KINDS.slice(0, 9).map((name, i) => raw(name, i)) },
    { sequence: 501, events: [] },
    { sequence: 502, events: EVENT_BLOB_KINDS.slice(9).map((name, i) => raw(name, i)) },
  ];
  const blob = encodeEventBlob({ epoch: 7, previous, firstIndex: 40, checkpoints });

  it("is read event by event, of every kind that the contracts have, exactly as the chain has them", () => {
    expect([...EVENT_BLOB_KINDS].sort()).toEqual(Object.keys(EVENT_LAYOUTS).sort());
    expect(parseEventBlobHeader(blob)).toEqual({ epoch: 7, previousBlobId: previous });
    const trailer = blob.subarray(blob.length - EVENT_BLOB_TRAILER_BYTES);
    expect(parseEventBlobTrailer(trailer, blob.length)).toEqual({ first: 500, last: 502 });
    const elements = elementsOf(blob);
    expect(elements.flatMap(({ event }) => event ?? [])).toEqual(
      EVENT_BLOB_KINDS.map((name) =>
        parseWalrusEvent(`0x1::events::${name}`, CONTENTS[name] ?? new Uint8Array(0)),
      ),
    );
    expect(elements.map(({ place }) => place.index)).toEqual(Array.from({ length: 25 }, (_, i) => 40 + i));
    expect(elements.filter(({ event }) => event === null).map(({ place }) => place)).toEqual([
      { checkpoint: 500, count: 9, index: 49 },
      { checkpoint: 501, count: 0, index: 50 },
      { checkpoint: 502, count: 13, index: 64 },
    ]);
    expect(elements[0]?.txDigest).toEqual(new Uint8Array(32).fill(9));
    let expected = { checkpoint: 500, count: 0, index: 40 };
    for (const element of elements) {
      checkPlace(element, expected, 0);
      expected = placeAfter(element);
    }
    expect(expected).toEqual({ checkpoint: 503, count: 0, index: 65 });
  });

  it("has the bytes that the nodes write: fixed examples, laid out by hand", () => {
    expect(endMark(500, 2, 77).toString("hex")).toBe(
      `1901${"01"}${"f401000000000000"}${"0200000000000000"}${"4d00000000000000"}`,
    );
    // 73 bytes of contents, 3 tags, 41 of ID and 24 of place: 141 is `8d 01`.
    expect(deleted().toString("hex")).toBe(
      [
        "8d0101",
        "000002",
        "07000000",
        `05${"00".repeat(30)}80`,
        "3c000000",
        "ab".repeat(32),
        "01",
        `20${"09".repeat(32)}`,
        "0000000000000000",
        "f401000000000000",
        "0200000000000000",
        "4d00000000000000",
      ].join(""),
    );
    expect(eventBlobHeader(7, null).toString("hex")).toBe(`005ea1ce0000000100000007${"00".repeat(72)}`);
    expect(eventBlobTrailer(500, 502).toString("hex")).toBe("00000000000001f400000000000001f6");
    expect(parseEventBlobHeader(eventBlobHeader(7, null)).previousBlobId).toBeNull();
  });

  it("reads the same in rows of any length", () => {
    const whole = elementsOf(blob);
    for (const step of [1, 7, 26, 27, 28, 141, 1_000]) expect(elementsOf(blob, step)).toEqual(whole);
  });
});

describe("what is no event blob", () => {
  it("is refused by its first bytes, an unknown version by its number", () => {
    const header = eventBlobHeader(7, null);
    const changed = (offset: number): Buffer => {
      const copy = Buffer.from(header);
      copy[offset] = (copy[offset] ?? 0) ^ 1;
      return copy;
    };
    for (const offset of [0, 1, 2, 3]) {
      expect(codeOf(() => parseEventBlobHeader(changed(offset)))).toBe("NOT_AN_EVENT_BLOB");
    }
    expect(codeOf(() => parseEventBlobHeader(changed(7)))).toBe("UNKNOWN_IN_EVENT_BLOB");
    expect(codeOf(() => parseEventBlobHeader(header.subarray(0, 83)))).toBe("MALFORMED_EVENT_BLOB");
  });

  it("is refused when the trailer does not fit, or says nonsense", () => {
    const trailer = (first: number, last: number) => () =>
      parseEventBlobTrailer(eventBlobTrailer(first, last), 200);
    expect(trailer(5, 5)()).toEqual({ first: 5, last: 5 });
    expect(codeOf(trailer(6, 5))).toBe("MALFORMED_EVENT_BLOB");
    expect(codeOf(() => parseEventBlobTrailer(eventBlobTrailer(1, 2), 99))).toBe("MALFORMED_EVENT_BLOB");
    expect(codeOf(() => parseEventBlobTrailer(new Uint8Array(16).fill(255), 200))).toBe(
      "MALFORMED_EVENT_BLOB",
    );
  });
});

describe("an entry", () => {
  const refusal = (bytes: Uint8Array): string => codeOf(() => parseEventEntry(bytes, 0, 84));
  const withByte = (offset: number, value: number): Buffer => {
    const entry = deleted();
    entry[offset] = value;
    return entry;
  };

  /** An event of the same group as that one, of a kind that nobody has heard of. */
  const newKind = (name: string): Buffer => {
    const entry = eventEntry(raw(name), 500, 2, 77);
    // Behind one or two bytes of length, the encoding, the element and the group.
    entry[((entry[0] ?? 0) & 0x80) === 0 ? 4 : 5] = 9;
    return entry;
  };

  it("that is cut off anywhere waits for more bytes", () => {
    const entry = deleted();
    for (let length = 0; length < entry.length; length++) {
      expect(parseEventEntry(entry.subarray(0, length), 0, 84)).toBeUndefined();
    }
    expect(parseEventEntry(entry, 0, 84)?.end).toBe(entry.length);
  });

  it("is refused for its length as soon as that is read", () => {
    const most = CHAIN_LIMITS.eventEntryBytes;
    const prefix = (value: number): Buffer =>
      Buffer.from([(value & 127) | 128, ((value >> 7) & 127) | 128, value >> 14]);
    expect(refusal(prefix(most))).toBe("none");
    expect(refusal(prefix(most + 1))).toBe("MALFORMED_EVENT_BLOB");
    expect(refusal(Buffer.from("ffffffffffffffffff01", "hex"))).toBe("MALFORMED_EVENT_BLOB");
    expect(refusal(Buffer.from("8080808080808080808080", "hex"))).toBe("MALFORMED_EVENT_BLOB");
    // 25 in two bytes.
    expect(refusal(Buffer.from("9900", "hex"))).toBe("MALFORMED_EVENT_BLOB");
    expect(refusal(Buffer.from([0]))).toBe("MALFORMED_EVENT_BLOB");
    expect(refusal(Buffer.from([24]))).toBe("MALFORMED_EVENT_BLOB");
  });

  it("of an encoding, element, group or kind that must be known is refused, not skipped", () => {
    expect(refusal(withByte(2, 2))).toBe("UNKNOWN_IN_EVENT_BLOB");
    expect(refusal(withByte(3, 2))).toBe("UNKNOWN_IN_EVENT_BLOB");
    expect(refusal(withByte(4, 6))).toBe("UNKNOWN_IN_EVENT_BLOB");
    for (const name of ["BlobDeleted", "EpochChangeDone", "StoragePoolCreated"])
      expect(refusal(newKind(name)), name).toBe("UNKNOWN_IN_EVENT_BLOB");
  });

  it("of a kind that is not known in a group that no blob depends on keeps its place, whatever it holds", () => {
    for (const [name, group] of [
      ["ContractUpgraded", 2],
      ["DenyListUpdate", 3],
      ["PricesUpdated", 4],
    ] as const) {
      const entry = new Uint8Array(newKind(name));
      expect(parseEventEntry(entry, 0, 84)).toEqual({
        end: entry.length,
        element: {
          place: { checkpoint: 500, count: 2, index: 77 },
          event: { kind: "Unknown", name: `${group}/9`, isHarmless: true },
          txDigest: new Uint8Array(32).fill(9),
        },
      });
    }
  });

  it("whose contents are not exactly its kind's is refused", () => {
    expect(refusal(withByte(5, 0))).toBe("MALFORMED_EVENT_BLOB");
    // A bool of 2, a digest of 31 bytes, an end mark with a byte more.
    expect(refusal(withByte(78, 2))).toBe("MALFORMED_EVENT_BLOB");
    expect(refusal(withByte(79, 31))).toBe("MALFORMED_EVENT_BLOB");
    const mark = endMark(1, 2, 3);
    expect(refusal(Buffer.concat([Buffer.from([26]), mark.subarray(1), Buffer.from([0])]))).toBe(
      "MALFORMED_EVENT_BLOB",
    );
    expect(refusal(withByte(deleted().length - 1, 255))).toBe("MALFORMED_EVENT_BLOB");
  });

  it("names the offset in the blob", () => {
    expect(() => parseEventEntry(withByte(4, 6), 0, 1_000)).toThrow(
      expect.objectContaining({ details: expect.objectContaining({ offset: 1_004 }) }),
    );
  });

  it("that is not the very next one is refused: left out, repeated, or of a later checkpoint", () => {
    const element = parseEventEntry(deleted(), 0, 0)?.element;
    if (element === undefined) throw new Error("it is whole");
    expect(element.place).toEqual({ checkpoint: 500, count: 2, index: 77 });
    checkPlace(element, { checkpoint: 500, count: 2, index: 77 }, 0);
    for (const other of [
      { checkpoint: 500, count: 2, index: 76 },
      { checkpoint: 500, count: 1, index: 77 },
      { checkpoint: 499, count: 2, index: 77 },
      { checkpoint: 501, count: 2, index: 77 },
    ]) {
      expect(codeOf(() => checkPlace(element, other, 0))).toBe("EVENT_BLOB_OUT_OF_ORDER");
    }
  });

  it("made of any bytes is read, waits or is refused with a typed error", PROPERTY_TIMEOUT, () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.boolean(), (bytes, isFramed) => {
        const entry = isFramed ? Buffer.concat([Buffer.from([bytes.length & 127, 1]), bytes]) : bytes;
        const code = codeOf(() => parseEventEntry(entry, 0, 84));
        expect(["none", "MALFORMED_EVENT_BLOB", "UNKNOWN_IN_EVENT_BLOB"]).toContain(code);
      }),
      propertyRuns(200),
    );
  });
});
