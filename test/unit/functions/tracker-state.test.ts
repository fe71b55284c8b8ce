// If this fails, an upload forgets what it has paid for, or two uploads of one blob get mixed up.
import { DatabaseSync } from "node:sqlite";
import { describe, expect, it } from "vitest";
import type { IntentRequest, IntentView } from "../../../functions/upload/tracker-port.ts";
import type { TrackerState } from "../../../functions/upload/tracker-state.ts";
import { blsSign } from "../../../shared/crypto/bls.ts";
import type { BlobId, ObjectId } from "../../../shared/protocol/ids.ts";
import { confirmationMessage, type Persistence } from "../../../shared/protocol/messages.ts";
import type { RegisteredBlob } from "../../../shared/sui/submissions.ts";
import { memoryTracker } from "../../support/scripted-edge.ts";
import { EPOCH, ScriptedNodes } from "../../support/scripted-nodes.ts";

const BLOB = "M4hsZGQ1oCktdzegB6HnI6Mi28S2nqOPHxK-W7_4BUk" as BlobId;
const OBJECT = `0x${"2a".repeat(32)}` as ObjectId;
const DIGEST = "4XQHFa9S324wTzYHF3vsBSwpUZuLpmwTHYMFv9nsttSs";
const nodes = new ScriptedNodes([1, 1, 1, 1, 1, 1, 1]);
const { committee } = nodes;

function tracker(database = new DatabaseSync(":memory:")) {
  return { state: memoryTracker(nodes, database), database };
}

const request: IntentRequest = {
  blobId: BLOB,
  unencodedLength: 17,
  principal: "anonymous",
  deletable: true,
  endEpoch: EPOCH + 2,
  sendObjectTo: null,
  share: false,
  idempotencyKey: null,
  force: false,
};
const blob: RegisteredBlob = {
  objectId: OBJECT,
  blobId: BLOB,
  registeredEpoch: EPOCH,
  unencodedLength: 17,
  deletable: true,
  storage: { id: OBJECT, startEpoch: EPOCH, endEpoch: EPOCH + 2, storageBytes: 1000 },
  costFrost: 2n ** 60n,
  txDigest: DIGEST,
  eventSeq: "0",
};
const certified = { txDigest: DIGEST, eventSeq: "1", certifiedEpoch: EPOCH, endEpoch: EPOCH + 2 };

function begin(state: TrackerState, changes: Partial<IntentRequest> = {}): IntentView {
  const answer = state.begin({ ...request, ...changes });
  if (answer.kind !== "intent") throw new Error("already certified");
  return answer;
}

function report(state: TrackerState, intentId: string, signers: number[], persistence: Persistence) {
  const confirmations = signers.map((node) => {
    const message = confirmationMessage({ epoch: EPOCH, blobId: BLOB, persistence });
    const nodeId = committee.members[node]?.nodeId ?? OBJECT;
    return { nodeId, signed: { message, signature: blsSign(message, new Uint8Array(32).fill(node + 1)) } };
  });
  return state.report({ intentId, committee, confirmations, stored: [], faults: [] });
}

const deletable: Persistence = { kind: "deletable", objectId: OBJECT };
const permanent: Persistence = { kind: "permanent" };

describe("the tracker", () => {
  it("joins requests that want the same while the upload is unfinished", () => {
    const { state } = tracker();
    const first = begin(state);
    expect(begin(state).intentId).toBe(first.intentId);
    state.registered(first.intentId, blob);
    const joined = begin(state);
    expect(joined.intentId).toBe(first.intentId);
    expect(joined.registered).toEqual(blob);
  });

  it.each<[string, Partial<IntentRequest>]>([
    ["principal", { principal: "other" }],
    ["persistence", { deletable: false }],
    ["end epoch", { endEpoch: EPOCH + 3 }],
    ["recipient", { sendObjectTo: OBJECT }],
    ["share", { share: true }],
    ["idempotency key", { idempotencyKey: "k" }],
    ["force", { force: true }],
  ])("does not join requests that differ in %s", (_, changes) => {
    const { state } = tracker();
    expect(begin(state, changes).intentId).not.toBe(begin(state).intentId);
  });

  it("begins anew after success for a deletable blob, and says already certified for a permanent one", () => {
    const { state } = tracker();
    for (const isDeletable of [true, false]) {
      const { intentId } = begin(state, { deletable: isDeletable });
      state.registered(intentId, { ...blob, deletable: isDeletable });
      report(state, intentId, [0, 1, 2, 3, 4], isDeletable ? deletable : permanent);
      state.certified(intentId, certified);
      const again = state.begin({ ...request, deletable: isDeletable });
      if (isDeletable) expect(again).toMatchObject({ kind: "intent", state: "begun" });
      else
        expect(again).toEqual({
          kind: "already-certified",
          txDigest: DIGEST,
          eventSeq: "1",
          endEpoch: EPOCH + 2,
        });
    }
    expect(begin(state, { deletable: false, endEpoch: EPOCH + 3 }).state).toBe("begun");
  });

  it("keeps confirmations and the certificate across its own death", () => {
    const { state, database } = tracker();
    const { intentId } = begin(state);
    state.registered(intentId, blob);
    expect(report(state, intentId, [0, 1, 2], deletable)).toMatchObject({ weight: 3, certificate: null });
    const second = tracker(database).state;
    const answer = report(second, intentId, [3, 4], deletable);
    expect(answer.certificate?.signers).toEqual([0, 1, 2, 3, 4]);
    const third = tracker(database).state;
    expect(report(third, intentId, [], deletable).certificate).toEqual(answer.certificate);
    expect(begin(third)).toMatchObject({ intentId, state: "confirmed", registered: blob });
  });

  it("counts confirmations of permanent blobs for every permanent upload, of deletable ones for their object only", () => {
    const { state } = tracker();
    const first = begin(state, { deletable: false });
    const second = begin(state, { deletable: false, force: true });
    for (const { intentId } of [first, second]) state.registered(intentId, { ...blob, deletable: false });
    report(state, first.intentId, [0, 1, 2, 3], permanent);
    expect(report(state, second.intentId, [4], permanent).certificate).not.toBeNull();
    const other = begin(state);
    state.registered(other.intentId, blob);
    expect(report(state, other.intentId, [], deletable).weight).toBe(0);
  });

  it("drops a certificate of another epoch and collects again", () => {
    const { state } = tracker();
    const { intentId } = begin(state);
    state.registered(intentId, blob);
    report(state, intentId, [0, 1, 2, 3, 4], deletable);
    const next = { ...committee, epoch: EPOCH + 1 };
    const answer = state.report({ intentId, committee: next, confirmations: [], stored: [], faults: [] });
    expect(answer).toMatchObject({ weight: 0, certificate: null });
    expect(begin(state).state).toBe("registered");
  });

  it("refuses a second registration for one intent, and confirmations before there is one", () => {
    const { state } = tracker();
    const { intentId } = begin(state);
    expect(() => report(state, intentId, [0], deletable)).toThrow(/nothing to confirm/);
    state.registered(intentId, blob);
    state.registered(intentId, blob);
    expect(() =>
      state.registered(intentId, { ...blob, objectId: `0x${"1".repeat(64)}` as ObjectId }),
    ).toThrow(/another Blob object/);
  });
});
