/**
 * Sends what reads saw to the auditor, after the invocation's own work: then none of the six connections is a reader's,
 * and no client waits for it. A failure costs a log line.
 */
import { EDGE_READ_LIMITS, EDGE_READS_PATH } from "../../shared/audit/edge-reads.ts";
import type { Clock } from "../../shared/base/clock.ts";
import { withDeadline } from "../../shared/base/deadline.ts";
import type { Log } from "../../shared/base/log.ts";
import type { EdgeReadsConfig } from "../base/env.ts";
import type { EdgeReads, PendingBatch } from "./edge-reads.ts";

export interface SendingParts {
  readonly reads: EdgeReads;
  readonly config: EdgeReadsConfig;
  /** Work of the invocation that goes on after the reply; may grow. */
  readonly background: readonly Promise<unknown>[];
  readonly fetch: (request: Request) => Promise<Response>;
  readonly clock: Clock;
  readonly log: Log;
}

/** Answers that another try may turn into a success; every other refusal is final. */
const isPassing = (status: number): boolean => status === 408 || status === 429 || status >= 500;

/**
 * Once the work in the background has ended: one batch, if there is one and no other invocation of the isolate is sending. Never
 * rejects.
 *
 * Cost: nothing, or a wait of at most `EDGE_READ_LIMITS.waitMs` and one request.
 */
export async function sendEdgeReads(parts: SendingParts): Promise<void> {
  const { reads, config, background, clock, log } = parts;
  // How that work ends is its own affair.
  for (let next = 0; next < background.length; next++) await background[next]?.catch(() => {});
  const waitMs = reads.takeTurn(config.flushMs);
  if (waitMs === undefined) return;
  if (waitMs > 0) await clock.sleep(waitMs);
  const batch = reads.next();
  if (batch === undefined) return reads.tried(batch, true);
  try {
    const status = await post(parts, batch);
    const isStored = status >= 200 && status < 300;
    if (!isStored) log("edge-reads-refused", { batch: batch.id, status, attempts: batch.attempts });
    reads.tried(batch, !isPassing(status));
  } catch (error) {
    // Whether it arrived is unknown: the next turn sends the same batch, and the auditor counts it once.
    const cause = error instanceof Error ? error.name : "unknown";
    log("edge-reads-not-sent", { batch: batch.id, cause, attempts: batch.attempts });
    reads.tried(batch, false);
  }
}

function post({ config, fetch, clock }: SendingParts, batch: PendingBatch): Promise<number> {
  const late = (): Error => new DOMException("no answer from the auditor", "TimeoutError");
  return withDeadline(clock, EDGE_READ_LIMITS.timeoutMs, undefined, late, async (signal) => {
    const request = new Request(config.auditorUrl + EDGE_READS_PATH, {
      method: "POST",
      headers: { authorization: `Bearer ${config.token}`, "content-type": "application/json" },
      // The token must not be sent to another host.
      redirect: "manual",
      body: batch.body,
      signal,
    });
    const response = await fetch(request);
    await response.body?.cancel();
    return response.status;
  });
}
