/**
 * BlobTracker: one Durable Object per blob ID (named by its canonical text), the one owner of that blob's uploads:
 * intents, confirmations, certificates, per-shard progress and faults.
 *
 * This file is the platform shell; states, transitions and tables are in `upload/tracker-state.ts`. Everything it knows
 * stands in SQLite before a call returns, so eviction loses nothing but parsed signatures, which are parsed again.
 * It makes no outbound calls and sets no alarm.
 */
import { DurableObject } from "cloudflare:workers";
import type { FailPoint } from "../shared/protocol/fail-point.ts";
import type { CertifiedBlob, RegisteredBlob } from "../shared/sui/submissions.ts";
import type { Env } from "./env.ts";
import { failPointsOf } from "./fail-points.ts";
import { systemClock, systemRandom } from "./platform.ts";
import type {
  AlreadyCertified,
  IntentRequest,
  IntentView,
  ProgressReport,
  ReportAnswer,
  Tracker,
} from "./upload/tracker-port.ts";
import { TrackerState } from "./upload/tracker-state.ts";

export class BlobTracker extends DurableObject<Env> implements Tracker {
  readonly #state: TrackerState;
  readonly #failPoint: FailPoint;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    const { storage } = ctx;
    this.#state = new TrackerState(
      {
        exec: (query, ...parameters) => storage.sql.exec(query, ...parameters).toArray(),
        transaction: (work) => storage.transactionSync(work),
      },
      systemClock,
      systemRandom,
    );
    this.#failPoint = failPointsOf(env);
  }

  async begin(request: IntentRequest): Promise<IntentView | AlreadyCertified> {
    const answer = this.#state.begin(request);
    await this.#failPoint("tracker.after-begin");
    return answer;
  }

  async registered(intentId: string, blob: RegisteredBlob): Promise<IntentView> {
    await this.#failPoint("tracker.before-registered");
    const view = this.#state.registered(intentId, blob);
    await this.#failPoint("tracker.after-registered");
    return view;
  }

  async report(report: ProgressReport): Promise<ReportAnswer> {
    const answer = this.#state.report(report);
    if (answer.certificate !== null) await this.#failPoint("tracker.after-certificate");
    return answer;
  }

  async certified(intentId: string, blob: CertifiedBlob): Promise<IntentView> {
    await this.#failPoint("tracker.before-certified");
    const view = this.#state.certified(intentId, blob);
    await this.#failPoint("tracker.after-certified");
    return view;
  }

  async drop(intentId: string): Promise<void> {
    this.#state.drop(intentId);
  }
}
