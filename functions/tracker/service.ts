/**
 * The tracker of one blob ID, without the platform: its methods, its alarm, and the calls that wait for news.
 *
 * Every method is one transaction over the tables, sets the alarm in the same turn (so that both are written or
 * neither), and only then wakes waiters and answers. In memory are sums of signatures, waiters and the time the alarm
 * was last set for; losing them costs nothing but time.
 */

import type { Clock, RandomBytes } from "../../shared/base/clock.ts";
import { raceWithin } from "../../shared/base/deadline.ts";
import type { FailPoint } from "../../shared/base/fail-point.ts";
import type { Log } from "../../shared/base/log.ts";
import type { Sql } from "../../shared/base/sql.ts";
import type { SignatureScheme } from "../../shared/crypto/signature-scheme.ts";
import type { PortableError } from "../../shared/sui/wallet/portable-error.ts";
import type { CertifiedBlob, RegisteredBlob } from "../../shared/sui/wallet/submissions.ts";
import type { FailPointName } from "../base/fail-point-names.ts";
import { TrackerConfirmations } from "./confirmation-log.ts";
import { TrackerEvents } from "./events.ts";
import { TrackerIntents } from "./intents.ts";
import { TRACKER_LIMITS } from "./limits.ts";
import { News } from "./news.ts";
import type {
  AlreadyCertified,
  Claim,
  IntentRequest,
  ProgressReport,
  ReportAnswer,
  StagedCopy,
  StagingStore,
  TailView,
  Tracker,
  Turn,
  UploaderPort,
} from "./port.ts";
import { type TrackerJob, TrackerSchedule } from "./schedule.ts";
import { TrackerStaging } from "./staging.ts";
import { uploadStatus } from "./status.ts";
import type { EventPage, UploadStatus } from "./status-view.ts";
import { TrackerTables } from "./tables.ts";

export interface TrackerPlatform {
  readonly sql: Sql;
  readonly clock: Clock;
  readonly randomBytes: RandomBytes;
  readonly failPoint: FailPoint;
  readonly log: Log;
  readonly signatures: SignatureScheme;
  /** How long a worker keeps its turn without renewing it. */
  readonly turnMs: number;
  /** Replaces the alarm; durable together with the SQL writes of the same turn. */
  setAlarm(atMs: number): Promise<void>;
  /** Wipes tables and alarm. */
  deleteAll(): Promise<void>;
  readonly uploader: UploaderPort;
  /** Deletes staged objects from the bucket; repeating it is harmless. */
  deleteStagedObjects(blobId: string, stagingIds: readonly string[]): Promise<void>;
}

/** If everything fails after this, the alarm comes back. */
const WATCHDOG_MS = TRACKER_LIMITS.uploaderCallMs + 60_000;
const FAILED_ALARM_PAUSE_MS = 1_000;

export class TrackerService implements Tracker {
  readonly #platform: TrackerPlatform;
  readonly #tables: TrackerTables;
  readonly #events: TrackerEvents;
  readonly #staging: TrackerStaging;
  readonly #intents: TrackerIntents;
  readonly #confirmations: TrackerConfirmations;
  readonly #schedule: TrackerSchedule;
  readonly #news: News;
  /** When the alarm goes off as far as this instance knows; written by `#arm` and `alarm`. */
  #alarmAtMs: number | undefined;

  constructor(platform: TrackerPlatform) {
    const { sql, clock, randomBytes, turnMs } = platform;
    this.#platform = platform;
    this.#tables = new TrackerTables(sql, clock, randomBytes);
    this.#events = new TrackerEvents(this.#tables);
    this.#staging = new TrackerStaging(this.#tables, this.#events);
    this.#intents = new TrackerIntents(this.#tables, this.#events, this.#staging, turnMs);
    this.#confirmations = new TrackerConfirmations(this.#tables, this.#events, platform.signatures);
    this.#schedule = new TrackerSchedule(
      this.#tables,
      this.#events,
      this.#intents,
      this.#staging,
      this.#confirmations,
      turnMs,
    );
    this.#news = new News(clock);
  }

  async begin(request: IntentRequest, workerId: string, arrivedAtMs: number): Promise<Turn> {
    const turn = await this.#change(() => {
      this.#tables.create(request);
      return this.#intents.begin(request, workerId, arrivedAtMs);
    });
    await this.#reach("tracker.after-begin");
    return turn;
  }

  async claim(intentId: string, claim: Claim, waitMs: number): Promise<Turn> {
    const untilMs = this.#platform.clock.nowMs() + Math.min(waitMs, TRACKER_LIMITS.trackerPollMs);
    for (;;) {
      const news = this.#news.next();
      const turn = await this.#change(() => this.#intents.claim(intentId, claim));
      const leftMs = untilMs - this.#platform.clock.nowMs();
      if (turn.kind !== "wait" || (turn.isStaged && !claim.knowsStaged) || leftMs <= 0) {
        if (turn.kind === "work") await this.#reach("tracker.after-claim");
        return turn;
      }
      // The end of a turn is no news: a caller that can take over looks again by then.
      await news.arrived(Math.min(leftMs, this.#platform.turnMs));
    }
  }

  async renew(intentId: string, workerId: string): Promise<boolean> {
    return this.#change(() => this.#intents.renew(intentId, workerId));
  }

  async leave(intentId: string, workerId: string, failure: PortableError, isUnpaid: boolean): Promise<void> {
    await this.#change(() => this.#intents.leave(intentId, workerId, failure, isUnpaid));
    await this.#reach("tracker.after-leave");
  }

  async openStaging(store: StagingStore): Promise<string | undefined> {
    return this.#change(() => this.#staging.open(store));
  }

  async stagePiece(stagingId: string, at: number, bytes: Uint8Array): Promise<boolean> {
    return this.#change(() => this.#staging.put(stagingId, at, bytes));
  }

  async holdStaged(stagingId: string): Promise<void> {
    await this.#reach("tracker.before-staged");
    await this.#change(() => {
      this.#staging.hold(stagingId);
      this.#intents.staged();
    });
    await this.#reach("tracker.after-staged");
  }

  async staged(): Promise<StagedCopy | null> {
    return this.#tables.isEmpty ? null : this.#staging.held();
  }

  async stagedPiece(stagingId: string, at: number): Promise<Uint8Array> {
    return this.#staging.piece(stagingId, at);
  }

  async discardStaged(stagingId: string): Promise<void> {
    await this.#change(() => this.#staging.discard(stagingId));
  }

  async registered(intentId: string, blob: RegisteredBlob): Promise<void> {
    await this.#reach("tracker.before-registered");
    await this.#change(() => this.#intents.registered(intentId, blob));
    await this.#reach("tracker.after-registered");
  }

  async report(report: ProgressReport): Promise<ReportAnswer> {
    const answer = await this.#change(() => this.#confirmations.report(report));
    await this.#reach("tracker.after-report");
    if (answer.certificate !== null) await this.#reach("tracker.after-certificate");
    return answer;
  }

  async certified(intentId: string, blob: CertifiedBlob): Promise<void> {
    await this.#reach("tracker.before-certified");
    await this.#change(() => this.#intents.certified(intentId, blob));
    await this.#reach("tracker.after-certified");
  }

  async drop(intentId: string, answer: AlreadyCertified): Promise<void> {
    await this.#change(() => this.#intents.drop(intentId, answer));
    await this.#reach("tracker.after-drop");
  }

  async tail(): Promise<TailView | null> {
    return this.#tables.blob()?.tail === "open" ? { stored: this.#intents.stored() } : null;
  }

  async status(): Promise<UploadStatus | null> {
    return uploadStatus(this.#tables, this.#staging, this.#events);
  }

  async events(after: number, waitMs: number): Promise<EventPage | null> {
    const untilMs = this.#platform.clock.nowMs() + Math.min(waitMs, TRACKER_LIMITS.trackerPollMs);
    for (;;) {
      if (this.#tables.blob() === undefined) return null;
      const news = this.#news.next();
      const page = this.#events.page(after, !this.#intents.hasUnfinished);
      const leftMs = untilMs - this.#platform.clock.nowMs();
      if (page.events.length > 0 || page.isOver || leftMs <= 0) return page;
      await news.arrived(leftMs);
    }
  }

  /**
   * Does what is due and sets the next alarm. Never throws: what failed is due again.
   *
   * Running it twice is harmless: what is due is read from the rows, each job's own row has the time when it is due again, and
   * an Uploader that finds its intent taken goes away.
   */
  async alarm(): Promise<void> {
    this.#alarmAtMs = undefined;
    if (this.#tables.isEmpty) return;
    const { clock, log } = this.#platform;
    // First of all: if this run dies, another one follows.
    await this.#setAlarm(clock.nowMs() + WATCHDOG_MS);
    let atLeastMs = 0;
    try {
      await this.#reach("tracker.before-alarm");
      const jobs = this.#platform.sql.transaction(() => this.#schedule.due());
      this.#news.tell();
      for (const job of jobs) await this.#run(job);
    } catch (error) {
      log("alarm-failed", { cause: error instanceof Error ? error.name : "unknown" });
      // What is due is still due: without a pause this would spin.
      atLeastMs = clock.nowMs() + FAILED_ALARM_PAUSE_MS;
    } finally {
      this.#alarmAtMs = undefined;
      await this.#arm(atLeastMs);
    }
  }

  async #run(job: TrackerJob): Promise<void> {
    const blobId = this.#tables.blob()?.blobId;
    if (blobId === undefined) return;
    const { uploader, log } = this.#platform;
    try {
      switch (job.kind) {
        case "finish":
          await this.#bounded(uploader.finish(blobId, job.intentId));
          break;
        case "tail":
          await this.#bounded(uploader.finishTail(blobId));
          break;
        case "clean":
          await this.#platform.deleteStagedObjects(blobId, job.stagingIds);
          await this.#change(() => this.#staging.forgetGarbage(job.stagingIds));
          break;
        case "forget":
          await this.#forget();
          break;
        default:
          job satisfies never;
      }
    } catch (error) {
      if (job.kind === "clean") this.#schedule.cleanFailed();
      log("job-failed", { blobId, job: job.kind, cause: error instanceof Error ? error.name : "unknown" });
    }
  }

  /** A request that begins meanwhile makes the wiped tables anew: nothing is awaited between look and wipe. */
  async #forget(): Promise<void> {
    await this.#platform.deleteAll();
    this.#tables.recheck();
    this.#confirmations.forget();
    this.#alarmAtMs = undefined;
  }

  async #bounded(call: Promise<void>): Promise<void> {
    await raceWithin(this.#platform.clock, TRACKER_LIMITS.uploaderCallMs, call);
  }

  /** One transaction, then the alarm, then the news. */
  async #change<T>(work: () => T): Promise<T> {
    let result: T;
    const before = this.#lastEventId();
    try {
      result = this.#platform.sql.transaction(() => {
        const value = work();
        this.#schedule.settle();
        return value;
      });
    } catch (error) {
      this.#tables.recheck();
      throw error;
    }
    await this.#arm();
    // Everything worth waiting for is an event.
    if (this.#lastEventId() !== before) this.#news.tell();
    return result;
  }

  #lastEventId(): number {
    return this.#tables.isEmpty ? 0 : this.#events.lastId;
  }

  /** Leaves an earlier alarm alone: it looks, and sets the next one. One whose time has passed may have been lost. */
  async #arm(atLeastMs = 0): Promise<void> {
    const nextMs = this.#schedule.nextMs();
    if (nextMs === undefined) return;
    const isPending = this.#alarmAtMs !== undefined && this.#alarmAtMs > this.#platform.clock.nowMs();
    if (isPending && (this.#alarmAtMs ?? 0) <= nextMs) return;
    await this.#setAlarm(Math.max(nextMs, atLeastMs));
  }

  async #setAlarm(atMs: number): Promise<void> {
    this.#alarmAtMs = atMs;
    await this.#platform.setAlarm(atMs);
  }

  async #reach(name: FailPointName): Promise<void> {
    await this.#platform.failPoint(name);
  }
}
