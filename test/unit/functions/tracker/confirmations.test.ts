// If this fails, a blob is called available although too few shards promised it, or one bad node blocks every upload.
import { describe, expect, it } from "vitest";
import { ConfirmationCollector } from "../../../../functions/tracker/confirmations.ts";
import {
  blsPublicKey,
  blsSign,
  nobleSignatures,
  parseBlsPublicKey,
  parseBlsSignature,
  verifyAggregate,
} from "../../../../shared/crypto/bls.ts";
import type { Committee } from "../../../../shared/protocol/committee.ts";
import { type BlobId, type ObjectId, shardIndex } from "../../../../shared/protocol/ids.ts";
import {
  type Confirmation,
  confirmationMessage,
  type SignedMessage,
} from "../../../../shared/protocol/messages.ts";

const BLOB = "M4hsZGQ1oCktdzegB6HnI6Mi28S2nqOPHxK-W7_4BUk" as BlobId;
const OBJECT = `0x${"2a".repeat(32)}` as ObjectId;
const N = 10; // f = 3, quorum = 7 shards

const key = (node: number): Uint8Array => new Uint8Array(32).fill(node + 1);
const nodeId = (node: number): ObjectId => `0x${String(node + 1).padStart(64, "0")}` as ObjectId;

/** Shards: node 0 holds 4, nodes 1-6 hold one each. */
const WEIGHTS = [4, 1, 1, 1, 1, 1, 1];
const committee: Committee = (() => {
  let next = 0;
  const members = WEIGHTS.map((count, node) => ({
    nodeId: nodeId(node),
    name: `node-${node}`,
    networkAddress: "node:1",
    publicKey: blsPublicKey(key(node)),
    shards: Array.from({ length: count }, () => shardIndex(next++, N)),
  }));
  return { epoch: 5, nShards: N, members };
})();

const right: Confirmation = { epoch: 5, blobId: BLOB, persistence: { kind: "permanent" } };
function sign(node: number, confirmation: Confirmation = right, signer = node): SignedMessage {
  const message = confirmationMessage(confirmation);
  return { message, signature: blsSign(message, key(signer)) };
}
const collector = () => new ConfirmationCollector(committee, BLOB, { kind: "permanent" }, nobleSignatures);
const noRejection = (): never => {
  throw new Error("nothing should be rejected");
};

describe("confirmations", () => {
  it("make a certificate of the exact quorum, counted in shards, with signers in committee order", () => {
    const collected = collector();
    for (const node of [3, 0, 1])
      expect(collected.add({ nodeId: nodeId(node), signed: sign(node) })).toBeUndefined();
    expect(collected.weight).toBe(6);
    expect(collected.certificate(noRejection)).toBeUndefined();
    collected.add({ nodeId: nodeId(2), signed: sign(2) });
    const certificate = collected.certificate(noRejection);
    expect(certificate?.signers).toEqual([0, 1, 2, 3]);
    expect(certificate?.message).toEqual(confirmationMessage(right));
    const keys = [0, 1, 2, 3].map((node) => parseBlsPublicKey(blsPublicKey(key(node))));
    const signature = parseBlsSignature(certificate?.signature ?? new Uint8Array());
    expect(verifyAggregate(confirmationMessage(right), signature, keys)).toBe(true);
  });

  it("count each node once, however often it confirms", () => {
    const collected = collector();
    for (let times = 0; times < 9; times++) collected.add({ nodeId: nodeId(1), signed: sign(1) });
    expect(collected.weight).toBe(1);
  });

  it.each<[string, ObjectId, SignedMessage, string]>([
    ["from nobody of the committee", nodeId(40), sign(4), "UNKNOWN_MEMBER"],
    ["of the epoch before", nodeId(4), sign(4, { ...right, epoch: 4 }), "WRONG_EPOCH"],
    ["of the epoch after", nodeId(4), sign(4, { ...right, epoch: 6 }), "WRONG_EPOCH"],
    [
      "of another blob",
      nodeId(4),
      sign(4, { ...right, blobId: `A${BLOB.slice(1)}` as BlobId }),
      "WRONG_MESSAGE",
    ],
    [
      "of a deletable blob",
      nodeId(4),
      sign(4, { ...right, persistence: { kind: "deletable", objectId: OBJECT } }),
      "WRONG_MESSAGE",
    ],
    [
      "with a byte after the message",
      nodeId(4),
      { ...sign(4), message: Uint8Array.of(...confirmationMessage(right), 0) },
      "MALFORMED_MESSAGE",
    ],
    [
      "of another intent",
      nodeId(4),
      { ...sign(4), message: confirmationMessage(right).with(0, 2) },
      "MALFORMED_MESSAGE",
    ],
    [
      "with the point at infinity",
      nodeId(4),
      { ...sign(4), signature: new Uint8Array(96).with(0, 0xc0) },
      "MALFORMED_SIGNATURE",
    ],
    [
      "with no point at all",
      nodeId(4),
      { ...sign(4), signature: new Uint8Array(96).fill(7) },
      "MALFORMED_SIGNATURE",
    ],
  ])("%s do not count", (_, from, signed, fault) => {
    const collected = collector();
    expect(collected.add({ nodeId: from, signed })?.fault).toBe(fault);
    expect(collected.weight).toBe(0);
  });

  it("with wrong signatures are found by bisection, put out, and do not spoil the others", () => {
    const collected = collector();
    collected.add({ nodeId: nodeId(0), signed: sign(0) });
    collected.add({ nodeId: nodeId(1), signed: sign(1, right, 2) });
    collected.add({ nodeId: nodeId(2), signed: sign(2) });
    collected.add({ nodeId: nodeId(5), signed: sign(5, right, 1) });
    const wrong: string[] = [];
    expect(collected.certificate(({ nodeId: id, fault }) => wrong.push(`${id} ${fault}`))).toBeUndefined();
    expect(wrong).toEqual([`${nodeId(1)} WRONG_SIGNATURE`, `${nodeId(5)} WRONG_SIGNATURE`]);
    expect(collected.weight).toBe(5);
    for (const node of [1, 3]) collected.add({ nodeId: nodeId(node), signed: sign(node) });
    expect(collected.certificate(noRejection)?.signers).toEqual([0, 1, 2, 3]);
  });

  it("that cancel in the sum spoil nothing: they are put out, and the rest makes a certificate", () => {
    const collected = collector();
    const { message, signature } = sign(1, right, 9);
    // The sign of a compressed point is one flag bit.
    const opposite = signature.with(0, (signature[0] ?? 0) ^ 0x20);
    expect(collected.add({ nodeId: nodeId(1), signed: { message, signature } })).toBeUndefined();
    expect(collected.add({ nodeId: nodeId(2), signed: { message, signature: opposite } })).toBeUndefined();
    for (const node of [3, 4, 5, 6]) collected.add({ nodeId: nodeId(node), signed: sign(node) });
    expect(collected.certificate(noRejection)).toBeUndefined();
    const wrong: string[] = [];
    const cancelled = { message, signature: sign(0, right, 8).signature };
    collected.add({ nodeId: nodeId(0), signed: cancelled });
    expect(collected.certificate(({ nodeId: id }) => wrong.push(id))).toBeUndefined();
    expect(wrong).toContain(nodeId(0));
    collected.add({ nodeId: nodeId(0), signed: sign(0) });
    const certificate = collected.certificate(({ nodeId: id }) => wrong.push(id));
    expect(certificate?.signers).toEqual(expect.arrayContaining([0, 3, 4, 5, 6]));
  });

  it("copied from another node do not count for two", () => {
    const collected = collector();
    collected.add({ nodeId: nodeId(0), signed: sign(0) });
    for (const node of [1, 2, 3]) collected.add({ nodeId: nodeId(node), signed: sign(0, right, 1) });
    const wrong: string[] = [];
    expect(collected.certificate(({ nodeId: id }) => wrong.push(id))).toBeUndefined();
    expect(wrong).toEqual([nodeId(2), nodeId(3)]);
  });
});
