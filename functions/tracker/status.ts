/** Builds what the progress route shows from the tracker's rows. */

import { toHex } from "../../shared/base/bytes.ts";
import { blake2b256 } from "../../shared/crypto/blake2b.ts";
import { quorumWeight } from "../../shared/protocol/bft.ts";
import type { TrackerEvents } from "./events.ts";
import { ENDED } from "./intents.ts";
import { TRACKER_LIMITS } from "./limits.ts";
import type { TrackerStaging } from "./staging.ts";
import type { IntentStatus, NodeFailure, UploadStatus } from "./status-view.ts";
import type { BlobRow, IntentRow, TrackerTables } from "./tables.ts";

const PRINCIPAL_HASH_BYTES = 16;
const FAILURES_SHOWN = 50;
/** Of texts that lower layers wrote: the first part has the reason. */
const MESSAGE_CHARACTERS = 500;

export function uploadStatus(
  tables: TrackerTables,
  staging: TrackerStaging,
  events: TrackerEvents,
): UploadStatus | null {
  const blob = tables.blob();
  if (blob === undefined) return null;
  const held = staging.held();
  const newest = tables.intents().reverse().slice(0, TRACKER_LIMITS.intentsShown);
  return {
    blobId: blob.blobId,
    unencodedLength: blob.unencodedLength,
    nShards: blob.nShards,
    quorum: quorumWeight(blob.nShards),
    staging: held === null ? null : { store: held.store, bytes: held.bytes, stagedAtMs: held.atMs },
    shards: shardDigits(tables, blob),
    tail: blob.tail,
    intents: newest.map((row) => intentStatus(row, tables.clock.nowMs())),
    failures: failures(tables),
    lastEventId: events.lastId,
  };
}

function shardDigits(tables: TrackerTables, { nShards }: BlobRow): string {
  const digits = new Uint8Array(nShards);
  for (const row of tables.sql.exec("SELECT shard, axis FROM shard")) {
    const shard = Number(row["shard"]);
    digits[shard] = (digits[shard] ?? 0) | (row["axis"] === "primary" ? 1 : 2);
  }
  return digits.join("");
}

function intentStatus(row: IntentRow, nowMs: number): IntentStatus {
  const { request, registered, certified, certificate, certificateEpoch, failure } = row;
  const hasEnded = ENDED.includes(row.state);
  const isWorkedOn = !hasEnded && row.workerId !== null && row.turnUntilMs > nowMs;
  return {
    intentId: row.intentId,
    principalHash: toHex(
      blake2b256(new TextEncoder().encode(request.principal)).subarray(0, PRINCIPAL_HASH_BYTES),
    ),
    state: row.state,
    isWorkedOn,
    attempts: row.attempt,
    nextAttemptAtMs: hasEnded || isWorkedOn ? null : row.retryAtMs,
    deletable: request.deletable,
    epochs: request.epochs,
    endEpoch: request.endEpoch,
    sendObjectTo: request.sendObjectTo,
    share: request.share,
    force: request.force,
    steps: row.steps,
    weight: row.weight,
    registration:
      registered === null
        ? null
        : {
            objectId: registered.objectId,
            txDigest: registered.txDigest,
            registeredEpoch: registered.registeredEpoch,
            endEpoch: registered.storage.endEpoch,
            costFrost: String(registered.costFrost),
          },
    certificate:
      certificate === null || certificateEpoch === null
        ? null
        : { epoch: certificateEpoch, signers: certificate.signers },
    certification:
      certified === null
        ? null
        : {
            txDigest: certified.txDigest,
            certifiedEpoch: certified.certifiedEpoch,
            sharedObjectId: certified.sharedObjectId ?? null,
          },
    failure:
      failure === null
        ? null
        : {
            code: failure.code,
            message: failure.message.slice(0, MESSAGE_CHARACTERS),
            attempt: row.failedAttempt,
          },
  };
}

function failures(tables: TrackerTables): NodeFailure[] {
  return tables.sql
    .exec("SELECT node_id, code, route, at_ms FROM fault ORDER BY id DESC LIMIT ?", FAILURES_SHOWN)
    .map((row) => ({
      nodeId: String(row["node_id"]),
      code: String(row["code"]),
      route: String(row["route"]),
      atMs: Number(row["at_ms"]),
    }));
}
