/** One upload of 17 bytes to seven nodes of a shard each, as a tracker's callers describe it. */
import type { IntentRequest } from "../../../functions/tracker/port.ts";
import type { BlobId, ObjectId } from "../../../shared/protocol/ids.ts";
import type { RegisteredBlob } from "../../../shared/sui/wallet/submissions.ts";
import { EPOCH, ScriptedNodes } from "../nodes/scripted-nodes.ts";

export const BLOB = "M4hsZGQ1oCktdzegB6HnI6Mi28S2nqOPHxK-W7_4BUk" as BlobId;
export const OBJECT = `0x${"2a".repeat(32)}` as ObjectId;
export const DIGEST = "4XQHFa9S324wTzYHF3vsBSwpUZuLpmwTHYMFv9nsttSs";
export const BYTES = Uint8Array.from({ length: 17 }, (_, index) => index);
export const nodes = new ScriptedNodes([1, 1, 1, 1, 1, 1, 1]);
export const { committee } = nodes;

export const uploadRequest: IntentRequest = {
  blobId: BLOB,
  unencodedLength: BYTES.length,
  nShards: 7,
  principal: "anonymous",
  deletable: true,
  epochs: 2,
  endEpoch: EPOCH + 2,
  sendObjectTo: null,
  share: false,
  idempotencyKey: null,
  force: false,
};
/** The cost is more than a double holds exactly. */
export const registeredUpload: RegisteredBlob = {
  objectId: OBJECT,
  blobId: BLOB,
  registeredEpoch: EPOCH,
  unencodedLength: BYTES.length,
  deletable: true,
  storage: { id: OBJECT, startEpoch: EPOCH, endEpoch: EPOCH + 2, storageBytes: 1000 },
  costFrost: 2n ** 60n,
  txDigest: DIGEST,
  eventSeq: "0",
};
export const certifiedUpload = {
  txDigest: DIGEST,
  eventSeq: "1",
  certifiedEpoch: EPOCH,
  endEpoch: EPOCH + 2,
};
