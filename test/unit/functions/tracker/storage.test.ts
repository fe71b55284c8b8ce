// If this fails, a storage error of the platform in the middle of an upload loses what was paid for, or pays again.
import { describe, expect, it } from "vitest";
import { blsSign } from "../../../../shared/crypto/bls.ts";
import { confirmationMessage } from "../../../../shared/protocol/messages.ts";
import { MemoryTracker } from "../../../support/edge/memory-tracker.ts";
import {
  BLOB,
  BYTES,
  certifiedUpload as certified,
  committee,
  nodes,
  OBJECT,
  registeredUpload as registered,
  uploadRequest,
} from "../../../support/edge/tracked-upload.ts";
import { EPOCH } from "../../../support/nodes/scripted-nodes.ts";

const message = confirmationMessage({
  epoch: EPOCH,
  blobId: BLOB,
  persistence: { kind: "deletable", objectId: OBJECT },
});
const confirmations = [0, 1, 2, 3, 4].map((node) => ({
  nodeId: committee.members[node]?.nodeId ?? OBJECT,
  signed: { message, signature: blsSign(message, new Uint8Array(32).fill(node + 1)) },
}));
const stored = committee.members.flatMap(({ nodeId, shards }) =>
  shards.flatMap((shard) => (["primary", "secondary"] as const).map((axis) => ({ nodeId, shard, axis }))),
);

/** One upload as its worker lives it: a call that breaks meets a restarted object and is made once more. */
async function upload(tracker: MemoryTracker): Promise<void> {
  const call = async <Answer>(make: () => Promise<Answer>): Promise<Answer> => {
    try {
      return await make();
    } catch {
      // A failed write resets the object; the worker repeats the call at its successor.
      tracker.die();
      return make();
    }
  };
  const turn = await call(() => tracker.service.begin(uploadRequest, "worker", nodes.clock.nowMs()));
  if (turn.kind !== "work") throw new Error(`got ${turn.kind}`);
  const { intentId } = turn.intent;
  await call(async () => {
    const stagingId = await tracker.service.openStaging("sqlite");
    if (stagingId === undefined) return; // Held by the attempt that looked failed.
    await tracker.service.stagePiece(stagingId, 0, BYTES);
    await tracker.service.holdStaged(stagingId);
  });
  await call(() => tracker.service.registered(intentId, registered));
  const report = { intentId, committee, confirmations, stored, faults: [] };
  const { certificate } = await call(() => tracker.service.report(report));
  expect(certificate?.signers).toEqual([0, 1, 2, 3, 4]);
  await call(() => tracker.service.certified(intentId, certified));
}

/** What an upload without a storage error leaves; times and names differ from run to run. */
const outcome = async (tracker: MemoryTracker) => {
  const status = await tracker.service.status();
  return {
    intents: status?.intents.map(({ state, weight, registration, certification }) => ({
      state,
      weight,
      registration,
      certification,
    })),
    shards: status?.shards,
    tail: status?.tail,
  };
};

describe("a write to storage that fails", () => {
  it.each(["lost", "done"] as const)(
    "leaves one upload, certified and whole, when it was %s",
    async (kind) => {
      const faultless = new MemoryTracker(nodes.clock);
      await upload(faultless);
      const expected = await outcome(faultless);
      expect(expected).toMatchObject({ intents: [{ state: "certified", weight: 5 }], shards: "3333333" });

      let tried = 0;
      for (let atWrite = 1; ; atWrite++) {
        const tracker = new MemoryTracker(nodes.clock);
        const fault = { atWrite, kind };
        tracker.storageFault = fault;
        await upload(tracker);
        if (fault.atWrite > 0) break; // The upload makes fewer writes than that.
        tried++;
        expect(await outcome(tracker), `write ${atWrite} was ${kind}`).toEqual(expected);
      }
      expect(tried).toBeGreaterThanOrEqual(6);
    },
  );
});
