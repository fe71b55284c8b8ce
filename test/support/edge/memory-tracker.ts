/** A tracker on SQLite in memory, whose object can die and whose alarm goes off when the test says so. */
import { DatabaseSync } from "node:sqlite";
import { EDGE_LIMITS } from "../../../functions/base/limits.ts";
import type { Tracker, UploaderPort } from "../../../functions/tracker/port.ts";
import { TrackerService } from "../../../functions/tracker/service.ts";
import { nodeSql } from "../../../host/node-sqlite.ts";
import type { Clock } from "../../../shared/base/clock.ts";
import { type FailPoint, noFailPoints } from "../../../shared/base/fail-point.ts";
import { nobleSignatures } from "../../../shared/crypto/bls.ts";

export const TURN_MS = EDGE_LIMITS.uploadLeaseMs;

const noUploader: UploaderPort = { finish: async () => {}, finishTail: async () => {} };

export class MemoryTracker {
  readonly database = new DatabaseSync(":memory:");
  /** What the alarm is set to. */
  alarmAtMs: number | undefined;
  /** `blob ID/staging ID` of objects deleted from the bucket. */
  readonly deletedObjects: string[] = [];
  uploader: UploaderPort;
  failPoint: FailPoint = noFailPoints;
  /** Breaks one write to storage: the `atWrite`-th from now on is lost, or done although it looks failed. */
  storageFault: { atWrite: number; readonly kind: "lost" | "done" } | undefined;
  #random = 0;
  #service: TrackerService;
  readonly #clock: Clock;

  constructor(clock: Clock, uploader: UploaderPort = noUploader) {
    this.#clock = clock;
    this.uploader = uploader;
    this.#service = this.#start();
  }

  /** The object's memory is lost; its storage and its alarm are not. */
  die(): void {
    this.#service = this.#start();
  }

  /** Lets time pass until the alarm is due, and `lateMs` more, and runs it. */
  async runAlarm(lateMs = 0): Promise<void> {
    if (this.alarmAtMs === undefined) throw new Error("no alarm is set");
    const waitMs = this.alarmAtMs + lateMs - this.#clock.nowMs();
    if (waitMs > 0) await this.#clock.sleep(waitMs);
    this.alarmAtMs = undefined;
    await this.#service.alarm();
  }

  get service(): TrackerService {
    return this.#service;
  }

  /** Always the living object. */
  get port(): Tracker {
    return new Proxy({} as Tracker, {
      get:
        (_, method) =>
        (...parameters: unknown[]) => {
          const service = this.#service as unknown as Record<
            string | symbol,
            (...parameters: unknown[]) => unknown
          >;
          return service[method]?.(...parameters);
        },
    });
  }

  #start(): TrackerService {
    const { database } = this;
    return new TrackerService({
      sql: {
        exec: nodeSql(database).exec,
        transaction: (work) => {
          const fault = this.storageFault;
          const breaks = fault !== undefined && --fault.atWrite === 0;
          let result: ReturnType<typeof work>;
          database.exec("BEGIN");
          try {
            result = work();
            if (breaks && fault.kind === "lost") throw new Error("the write was lost");
            database.exec("COMMIT");
          } catch (error) {
            database.exec("ROLLBACK");
            throw error;
          }
          if (breaks) throw new Error("the write took effect, and its answer was lost");
          return result;
        },
      },
      clock: this.#clock,
      randomBytes: (count) => new Uint8Array(count).fill(++this.#random),
      failPoint: (name) => this.failPoint(name),
      signatures: nobleSignatures,
      log: () => {},
      turnMs: TURN_MS,
      setAlarm: async (atMs) => {
        this.alarmAtMs = atMs;
      },
      deleteAll: async () => {
        const tables = database.prepare("SELECT name FROM sqlite_master WHERE type = 'table'").all();
        for (const { name } of tables)
          if (!String(name).startsWith("sqlite_")) database.exec(`DROP TABLE ${name}`);
        this.alarmAtMs = undefined;
      },
      uploader: {
        finish: (blobId, intentId) => this.uploader.finish(blobId, intentId),
        finishTail: (blobId) => this.uploader.finishTail(blobId),
      },
      deleteStagedObjects: async (blobId, stagingIds) => {
        this.deletedObjects.push(...stagingIds.map((stagingId) => `${blobId}/${stagingId}`));
      },
    });
  }
}
