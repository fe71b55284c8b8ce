/**
 * Confirmations of storage nodes, stored slivers and faults of one blob; to be called inside one transaction.
 *
 * Confirmations of permanent blobs do not name an object, so all permanent intents share them (scope `permanent`); a
 * deletable one has its own (scope = its Blob object). They are kept by epoch: a certificate is built of one epoch's
 * only. Stored slivers are shared by all intents.
 */

import { fromBase64, toBase64 } from "../../shared/base/bytes.ts";
import type { SignatureScheme } from "../../shared/crypto/signature-scheme.ts";
import type { Certificate } from "../../shared/protocol/certificate.ts";
import type { ObjectId } from "../../shared/protocol/ids.ts";
import type { Persistence } from "../../shared/protocol/messages.ts";
import { ConfirmationCollector, type RejectedConfirmation } from "./confirmations.ts";
import type { TrackerEvents } from "./events.ts";
import { ENDED } from "./intents.ts";
import { TRACKER_LIMITS } from "./limits.ts";
import type { NodeFault, ProgressReport, ReportAnswer } from "./port.ts";
import { type IntentRow, TrackerError, type TrackerTables } from "./tables.ts";

const MAX_COLLECTORS = 64;

export class TrackerConfirmations {
  readonly #tables: TrackerTables;
  readonly #events: TrackerEvents;
  /** Sums of signatures by scope and epoch: a cache of the `confirmation` table, rebuilt after eviction. */
  readonly #collectors = new Map<string, ConfirmationCollector>();

  readonly #signatures: SignatureScheme;

  constructor(tables: TrackerTables, events: TrackerEvents, signatures: SignatureScheme) {
    this.#tables = tables;
    this.#events = events;
    this.#signatures = signatures;
  }

  /** Takes in what an upload has seen, and answers with the certificate as soon as there is one. */
  report(report: ProgressReport): ReportAnswer {
    const row = report.intentId === null ? undefined : this.#tables.intent(report.intentId);
    const storedBefore = this.storedCount;
    for (const { nodeId, shard, axis } of report.stored) {
      // A shard that has moved is stored by its new node only once that has taken it.
      this.#tables.sql.exec(
        `INSERT INTO shard (shard, axis, node_id, stored_at_ms) VALUES (?, ?, ?, ?)
         ON CONFLICT (shard, axis) DO UPDATE SET node_id = excluded.node_id, stored_at_ms = excluded.stored_at_ms
         WHERE node_id <> excluded.node_id`,
        shard,
        axis,
        nodeId,
        this.#tables.clock.nowMs(),
      );
    }
    for (const fault of report.faults) this.#recordFault(fault);
    const answer = row === undefined ? NOTHING : this.#collect(row, report);
    const stored = this.storedCount;
    if (stored !== storedBefore || (row !== undefined && answer.weight !== row.weight)) {
      this.#events.add("progress", report.intentId, { weight: answer.weight, storedSlivers: stored });
    }
    return answer;
  }

  /** Slivers stored on their nodes; twice the number of shards when none is missing. */
  get storedCount(): number {
    const [row] = this.#tables.sql.exec("SELECT COUNT(*) AS n FROM shard");
    return Number(row?.["n"] ?? 0);
  }

  /** Forgets the cache; the rows are wiped by the caller. */
  forget(): void {
    this.#collectors.clear();
  }

  #collect(row: IntentRow, report: ProgressReport): ReportAnswer {
    const { committee } = report;
    if (row.registered === null) {
      throw new TrackerError(
        "WRONG_STATE",
        `intent ${row.intentId} is ${row.state}: nothing to confirm yet`,
        {
          details: { intentId: row.intentId, state: row.state },
        },
      );
    }
    // A worker that has missed the change of epoch must not undo what was collected after it.
    if (row.certificateEpoch !== null && row.certificateEpoch > committee.epoch) return NOTHING;
    const scope = row.request.deletable ? row.registered.objectId : PERMANENT;
    const collector = this.#collector(row, report, scope);
    const rejected: RejectedConfirmation[] = [];
    for (const received of report.confirmations) {
      const rejection = collector.add(received);
      if (rejection !== undefined) {
        rejected.push(rejection);
        continue;
      }
      this.#tables.sql.exec(
        "INSERT OR IGNORE INTO confirmation (scope, epoch, node_id, message, signature) VALUES (?, ?, ?, ?, ?)",
        scope,
        committee.epoch,
        received.nodeId,
        toBase64(received.signed.message),
        toBase64(received.signed.signature),
      );
    }
    const certificate = this.#certificate(row, collector, scope, committee.epoch, rejected);
    for (const { nodeId, fault } of rejected) {
      this.#recordFault({ nodeId, code: fault, route: "get confirmation" });
    }
    if (!ENDED.includes(row.state)) {
      this.#tables.changeIntent(row.intentId, { weight: collector.weight });
      if (certificate !== row.certificate) this.#setCertificate(row, certificate, committee.epoch);
    }
    return { weight: collector.weight, rejected, certificate };
  }

  #certificate(
    row: IntentRow,
    collector: ConfirmationCollector,
    scope: string,
    epoch: number,
    rejected: RejectedConfirmation[],
  ): Certificate | null {
    if (row.certificateEpoch === epoch && row.certificate !== null) return row.certificate;
    const built = collector.certificate((wrong) => {
      rejected.push(wrong);
      this.#tables.sql.exec(
        "DELETE FROM confirmation WHERE scope = ? AND epoch = ? AND node_id = ?",
        scope,
        epoch,
        wrong.nodeId,
      );
    });
    return built ?? null;
  }

  #setCertificate(row: IntentRow, certificate: Certificate | null, epoch: number): void {
    const nowMs = this.#tables.clock.nowMs();
    if (certificate === null) {
      this.#tables.changeIntent(row.intentId, {
        state: "registered",
        certificate: null,
        certificateEpoch: null,
      });
      return;
    }
    this.#tables.changeIntent(row.intentId, {
      state: "confirmed",
      certificate,
      certificateEpoch: epoch,
      steps: { ...row.steps, confirmed: nowMs },
    });
    this.#events.add("confirmed", row.intentId, { epoch, signers: certificate.signers.length });
  }

  #collector(row: IntentRow, { committee }: ProgressReport, scope: string): ConfirmationCollector {
    const key = `${scope} ${committee.epoch}`;
    const known = this.#collectors.get(key);
    if (known !== undefined) return known;
    // A scope is either `permanent` or the ID of the intent's own object.
    const persistence: Persistence =
      scope === PERMANENT ? { kind: "permanent" } : { kind: "deletable", objectId: scope as ObjectId };
    const collector = new ConfirmationCollector(committee, row.request.blobId, persistence, this.#signatures);
    const rows = this.#tables.sql.exec(
      "SELECT node_id, message, signature FROM confirmation WHERE scope = ? AND epoch = ?",
      scope,
      committee.epoch,
    );
    for (const stored of rows) {
      const message = fromBase64(String(stored["message"]));
      const signature = fromBase64(String(stored["signature"]));
      collector.add({ nodeId: String(stored["node_id"]) as ObjectId, signed: { message, signature } });
    }
    // What was confirmed in an earlier epoch certifies nothing any more.
    this.#tables.sql.exec("DELETE FROM confirmation WHERE scope = ? AND epoch < ?", scope, committee.epoch);
    // One entry per upload in flight; old epochs and finished objects are not asked for again.
    if (this.#collectors.size >= MAX_COLLECTORS) this.#collectors.clear();
    this.#collectors.set(key, collector);
    return collector;
  }

  #recordFault({ nodeId, code, route }: NodeFault): void {
    const { sql, clock } = this.#tables;
    sql.exec(
      "INSERT INTO fault (node_id, code, route, at_ms) VALUES (?, ?, ?, ?)",
      nodeId,
      code,
      route,
      clock.nowMs(),
    );
    sql.exec("DELETE FROM fault WHERE id <= (SELECT MAX(id) FROM fault) - ?", TRACKER_LIMITS.faultsPerBlob);
    this.#events.add("fault", null, { nodeId, code, route });
  }
}

const PERMANENT = "permanent";
const NOTHING: ReportAnswer = { weight: 0, rejected: [], certificate: null };
