/**
 * BlobTracker: one Durable Object per blob ID (named by its canonical text), the one owner of that blob's uploads:
 * intents, staged copy, confirmations, certificates, per-shard progress, faults and history.
 *
 * This file is the platform shell of `service.ts`, with the methods of `methods.ts`; states and transitions are in
 * `intents.ts`, tables in docs/storage-schema.md. Everything it knows stands in SQLite before a call
 * returns, so eviction loses nothing but sums of signatures, which are added up again, and waiting callers, who ask again.
 * Its alarm is set whenever anything is left to do (`schedule.ts`): it has the Uploader finish what lost
 * its client, and wipes what is done with. Running it twice is harmless: what is due is read from the rows.
 */
import { DurableObject } from "cloudflare:workers";
import { failPointsBy } from "../../shared/base/fail-point.ts";
import type { SqlValue } from "../../shared/base/sql.ts";
import { type Env, parseConfig } from "../base/env.ts";
import { systemClock, systemRandom } from "../base/platform.ts";
import { addTrackerMethods } from "./methods.ts";
import { officialSignatures } from "./official-signatures.ts";
import type { UploaderPort } from "./port.ts";
import { TrackerService } from "./service.ts";
import { stagedObjectKey } from "./staged-objects.ts";

export class BlobTracker extends DurableObject<Env> {
  readonly #service: TrackerService;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    const { storage } = ctx;
    this.#service = new TrackerService({
      sql: {
        exec: (query, ...parameters) => storage.sql.exec(query, ...parameters.map(toSql)).toArray(),
        transaction: (work) => storage.transactionSync(work),
      },
      clock: systemClock,
      randomBytes: systemRandom,
      failPoint: failPointsBy(env.TEST_FAIL_POINTS),
      signatures: officialSignatures,
      log: (event, fields) => console.log(JSON.stringify({ event, ...fields })),
      turnMs: parseConfig(env).uploadLeaseMs,
      setAlarm: (atMs) => storage.setAlarm(atMs),
      deleteAll: () => storage.deleteAll(),
      // RPC carries the same calls; the platform's types lose branded strings on the way.
      uploader: (ctx.exports as unknown as { readonly Uploader: UploaderPort }).Uploader,
      deleteStagedObjects: async (blobId, stagingIds) => {
        // Without the bucket that once was bound nothing can be deleted; its lifecycle rule does that.
        await env.STAGING?.delete(stagingIds.map((stagingId) => stagedObjectKey(blobId, stagingId)));
      },
    });
  }

  static {
    addTrackerMethods(BlobTracker.prototype, (object) => object.#service);
  }

  override async alarm(): Promise<void> {
    await this.#service.alarm();
  }
}

/** SQLite takes bytes as an ArrayBuffer of exactly their length. */
function toSql(value: SqlValue): SqlStorageValue {
  if (!(value instanceof Uint8Array)) return value;
  const isExact = value.byteOffset === 0 && value.byteLength === value.buffer.byteLength;
  // What came over RPC or out of an encoder is never a view of shared memory.
  return (isExact ? value.buffer : value.slice().buffer) as ArrayBuffer;
}
