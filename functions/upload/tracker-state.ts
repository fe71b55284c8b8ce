/**
 * What one blob ID's uploads have reached, in SQL: the decisions of BlobTracker without the platform.
 *
 * States of an intent; every transition is one transaction, and repeating one changes nothing:
 *
 * | from       | on                    | to         |
 * |------------|-----------------------|------------|
 * | -          | begin                 | begun      |
 * | begun      | registration on chain | registered |
 * | begun      | drop                  | dropped    |
 * | registered | certificate built     | confirmed  |
 * | confirmed  | other epoch reported  | registered |
 * | registered, confirmed | certification on chain | certified |
 *
 * `certified` and `dropped` are final. Confirmations of permanent blobs do not name an object, so all permanent intents
 * share them (scope `permanent`); a deletable one has its own (scope = its Blob object). Shard progress is shared by all.
 *
 * Tables (schema version 1): `schema(version)`; `intent(id, key, state, request, registered, certificate,
 * certificate_epoch, certified, begun_at_ms)`; `confirmation(scope, epoch, node_id, message, signature)`;
 * `shard(shard, axis, stored_at_ms)`; `fault(id, node_id, code, route, at_ms)`. Objects stand as JSON with bytes in
 * base64 and u64 as decimal text.
 */
import { fromBase64, toBase64, toHex } from "../../shared/protocol/bytes.ts";
import type { Certificate } from "../../shared/protocol/certificate.ts";
import type { Clock, RandomBytes } from "../../shared/protocol/clock.ts";
import { FloeError } from "../../shared/protocol/errors.ts";
import type { ObjectId } from "../../shared/protocol/ids.ts";
import { LIMITS } from "../../shared/protocol/limits.ts";
import type { Persistence } from "../../shared/protocol/messages.ts";
import type { CertifiedBlob, RegisteredBlob } from "../../shared/sui/submissions.ts";
import { ConfirmationCollector, type RejectedConfirmation } from "./confirmations.ts";
import type {
  AlreadyCertified,
  IntentRequest,
  IntentState,
  IntentView,
  NodeFault,
  ProgressReport,
  ReportAnswer,
} from "./tracker-port.ts";

const SCHEMA_VERSION = 1;

export type SqlValue = string | number | null;
export type SqlRow = Readonly<Record<string, unknown>>;

/** SQLite, synchronous and durable by the time an answer leaves (the Durable Object's output gate holds it back). */
export interface TrackerSql {
  exec(query: string, ...parameters: SqlValue[]): SqlRow[];
  /** All or nothing; `work` must not await. */
  transaction<T>(work: () => T): T;
}

export type TrackerErrorCode = "UNKNOWN_INTENT" | "WRONG_STATE" | "OTHER_REGISTRATION" | "TOO_MANY_INTENTS";
/** A caller's order does not fit what this tracker knows. */
export class TrackerError extends FloeError<TrackerErrorCode> {}

interface IntentRow {
  readonly id: string;
  readonly state: IntentState;
  readonly request: IntentRequest;
  readonly registered: RegisteredBlob | null;
  readonly certificate: Certificate | null;
  readonly certificateEpoch: number | null;
  readonly certified: CertifiedBlob | null;
}

export class TrackerState {
  readonly #sql: TrackerSql;
  readonly #clock: Clock;
  readonly #randomBytes: RandomBytes;
  /** Parsed signatures by scope and epoch: a cache of the `confirmation` table, rebuilt after eviction. */
  readonly #collectors = new Map<string, ConfirmationCollector>();

  constructor(sql: TrackerSql, clock: Clock, randomBytes: RandomBytes) {
    this.#sql = sql;
    this.#clock = clock;
    this.#randomBytes = randomBytes;
    this.#migrate();
  }

  /** Joins an unfinished upload of the same intent, else begins one; or says that nothing is left to pay for. */
  begin(request: IntentRequest): IntentView | AlreadyCertified {
    return this.#sql.transaction(() => {
      const id = toHex(this.#randomBytes(16));
      // A forced upload neither joins nor is joined: its key is its own.
      const key = request.force ? id : intentKey(request);
      if (!request.force) {
        const certified = request.deletable ? undefined : this.#certifiedUntil(request.endEpoch);
        if (certified !== undefined) return certified;
        const [unfinished] = this.#sql.exec(
          "SELECT id FROM intent WHERE key = ? AND state NOT IN ('certified', 'dropped') ORDER BY begun_at_ms LIMIT 1",
          key,
        );
        if (unfinished !== undefined) return this.#view(String(unfinished["id"]));
      }
      this.#makeRoom();
      this.#sql.exec(
        "INSERT INTO intent (id, key, state, request, begun_at_ms) VALUES (?, ?, 'begun', ?, ?)",
        id,
        key,
        JSON.stringify(request),
        this.#clock.nowMs(),
      );
      return this.#view(id);
    });
  }

  /** Records what was bought. @throws TrackerError `OTHER_REGISTRATION` when this intent bought something else */
  registered(intentId: string, blob: RegisteredBlob): IntentView {
    return this.#sql.transaction(() => {
      const row = this.#intent(intentId);
      if (row.registered !== null) {
        if (row.registered.objectId === blob.objectId) return this.#view(intentId);
        throw new TrackerError("OTHER_REGISTRATION", `intent ${intentId} has another Blob object already`, {
          details: { intentId, have: row.registered.objectId, got: blob.objectId },
        });
      }
      this.#expect(row, ["begun"], "registered");
      const json = JSON.stringify({ ...blob, costFrost: String(blob.costFrost) });
      this.#sql.exec("UPDATE intent SET state = 'registered', registered = ? WHERE id = ?", json, intentId);
      return this.#view(intentId);
    });
  }

  /** Takes in what an upload has seen, and answers with the certificate as soon as there is one. */
  report(report: ProgressReport): ReportAnswer {
    return this.#sql.transaction(() => {
      const row = this.#intent(report.intentId);
      const nowMs = this.#clock.nowMs();
      for (const { shard, axis } of report.stored) {
        this.#sql.exec(
          "INSERT OR IGNORE INTO shard (shard, axis, stored_at_ms) VALUES (?, ?, ?)",
          shard,
          axis,
          nowMs,
        );
      }
      for (const fault of report.faults) this.#recordFault(fault, nowMs);
      return this.#collect(row, report, nowMs);
    });
  }

  certified(intentId: string, blob: CertifiedBlob): IntentView {
    return this.#sql.transaction(() => {
      const row = this.#intent(intentId);
      if (row.state === "certified") return this.#view(intentId);
      this.#expect(row, ["registered", "confirmed"], "certified");
      this.#sql.exec(
        "UPDATE intent SET state = 'certified', certified = ? WHERE id = ?",
        JSON.stringify(blob),
        intentId,
      );
      return this.#view(intentId);
    });
  }

  drop(intentId: string): void {
    this.#sql.exec("UPDATE intent SET state = 'dropped' WHERE id = ? AND state = 'begun'", intentId);
  }

  #collect(row: IntentRow, report: ProgressReport, nowMs: number): ReportAnswer {
    const { committee } = report;
    if (row.registered === null) {
      throw new TrackerError("WRONG_STATE", `intent ${row.id} is ${row.state}: nothing to confirm yet`, {
        details: { intentId: row.id, state: row.state },
      });
    }
    const scope = row.request.deletable ? row.registered.objectId : "permanent";
    const collector = this.#collector(row, report, scope);
    const rejected: RejectedConfirmation[] = [];
    for (const received of report.confirmations) {
      const rejection = collector.add(received);
      if (rejection !== undefined) {
        rejected.push(rejection);
        continue;
      }
      this.#sql.exec(
        "INSERT OR IGNORE INTO confirmation (scope, epoch, node_id, message, signature) VALUES (?, ?, ?, ?, ?)",
        scope,
        committee.epoch,
        received.nodeId,
        toBase64(received.signed.message),
        toBase64(received.signed.signature),
      );
    }
    const stored = row.certificateEpoch === committee.epoch ? row.certificate : null;
    const certificate =
      stored ??
      collector.certificate((wrong) => {
        rejected.push(wrong);
        this.#sql.exec(
          "DELETE FROM confirmation WHERE scope = ? AND epoch = ? AND node_id = ?",
          scope,
          committee.epoch,
          wrong.nodeId,
        );
      }) ??
      null;
    for (const { nodeId, fault } of rejected) {
      this.#recordFault({ nodeId, code: fault, route: "get confirmation" }, nowMs);
    }
    if (row.state !== "certified" && certificate !== row.certificate)
      this.#setCertificate(row, certificate, committee.epoch);
    return { weight: collector.weight, rejected, certificate };
  }

  #setCertificate(row: IntentRow, certificate: Certificate | null, epoch: number): void {
    const json =
      certificate === null
        ? null
        : JSON.stringify({
            signers: certificate.signers,
            message: toBase64(certificate.message),
            signature: toBase64(certificate.signature),
          });
    this.#sql.exec(
      "UPDATE intent SET state = ?, certificate = ?, certificate_epoch = ? WHERE id = ?",
      certificate === null ? "registered" : "confirmed",
      json,
      certificate === null ? null : epoch,
      row.id,
    );
  }

  #collector(row: IntentRow, report: ProgressReport, scope: string): ConfirmationCollector {
    const { committee } = report;
    const key = `${scope} ${committee.epoch}`;
    const known = this.#collectors.get(key);
    if (known !== undefined) return known;
    const persistence: Persistence =
      scope === "permanent" ? { kind: "permanent" } : { kind: "deletable", objectId: scope as ObjectId };
    const collector = new ConfirmationCollector(committee, row.request.blobId, persistence);
    const rows = this.#sql.exec(
      "SELECT node_id, message, signature FROM confirmation WHERE scope = ? AND epoch = ?",
      scope,
      committee.epoch,
    );
    for (const stored of rows) {
      const message = fromBase64(String(stored["message"]));
      const signature = fromBase64(String(stored["signature"]));
      collector.add({ nodeId: String(stored["node_id"]) as ObjectId, signed: { message, signature } });
    }
    // One entry per upload in flight; old epochs and finished objects are not asked for again.
    if (this.#collectors.size >= MAX_COLLECTORS) this.#collectors.clear();
    this.#collectors.set(key, collector);
    return collector;
  }

  #certifiedUntil(endEpoch: number): AlreadyCertified | undefined {
    const rows = this.#sql.exec("SELECT id FROM intent WHERE state = 'certified'");
    for (const { id } of rows) {
      const { request, certified } = this.#intent(String(id));
      if (request.deletable || certified === null || certified.endEpoch < endEpoch) continue;
      const { txDigest, eventSeq } = certified;
      return { kind: "already-certified", txDigest, eventSeq, endEpoch: certified.endEpoch };
    }
    return undefined;
  }

  /** Drops the oldest finished intents beyond the limit; unfinished ones may have cost money and stay. */
  #makeRoom(): void {
    const [count] = this.#sql.exec("SELECT COUNT(*) AS n FROM intent");
    if (Number(count?.["n"] ?? 0) < LIMITS.intentsPerBlob) return;
    this.#sql.exec(
      "DELETE FROM intent WHERE id IN (SELECT id FROM intent WHERE state IN ('certified', 'dropped') ORDER BY begun_at_ms LIMIT 1)",
    );
    const [left] = this.#sql.exec("SELECT COUNT(*) AS n FROM intent");
    if (Number(left?.["n"] ?? 0) < LIMITS.intentsPerBlob) return;
    throw new TrackerError("TOO_MANY_INTENTS", `${LIMITS.intentsPerBlob} unfinished uploads of this blob`, {
      retryable: true,
    });
  }

  #recordFault(fault: NodeFault, nowMs: number): void {
    const { nodeId, code, route } = fault;
    this.#sql.exec(
      "INSERT INTO fault (node_id, code, route, at_ms) VALUES (?, ?, ?, ?)",
      nodeId,
      code,
      route,
      nowMs,
    );
    this.#sql.exec("DELETE FROM fault WHERE id <= (SELECT MAX(id) FROM fault) - ?", LIMITS.faultsKept);
  }

  #expect(row: IntentRow, states: readonly IntentState[], what: string): void {
    if (states.includes(row.state)) return;
    throw new TrackerError("WRONG_STATE", `intent ${row.id} is ${row.state}, cannot become ${what}`, {
      details: { intentId: row.id, state: row.state },
    });
  }

  #view(intentId: string): IntentView {
    const { id, state, registered, certified } = this.#intent(intentId);
    return { kind: "intent", intentId: id, state, registered, certified };
  }

  #intent(intentId: string): IntentRow {
    const [row] = this.#sql.exec("SELECT * FROM intent WHERE id = ?", intentId);
    if (row === undefined) throw new TrackerError("UNKNOWN_INTENT", `no intent ${intentId}`);
    // The casts restore what this class wrote itself; nothing else writes these columns.
    return {
      id: String(row["id"]),
      state: String(row["state"]) as IntentState,
      request: JSON.parse(String(row["request"])) as IntentRequest,
      registered: parseJson(
        row["registered"],
        (json: Omit<RegisteredBlob, "costFrost"> & { costFrost: string }) => ({
          ...json,
          costFrost: BigInt(json.costFrost),
        }),
      ),
      certificate: parseJson(
        row["certificate"],
        (json: { signers: number[]; message: string; signature: string }) => ({
          signers: json.signers,
          message: fromBase64(json.message),
          signature: fromBase64(json.signature),
        }),
      ),
      certificateEpoch: typeof row["certificate_epoch"] === "number" ? row["certificate_epoch"] : null,
      certified: parseJson(row["certified"], (json: CertifiedBlob) => json),
    };
  }

  #migrate(): void {
    this.#sql.transaction(() => {
      this.#sql.exec("CREATE TABLE IF NOT EXISTS schema (version INTEGER NOT NULL)");
      const [row] = this.#sql.exec("SELECT version FROM schema");
      if (row?.["version"] === SCHEMA_VERSION) return;
      if (row !== undefined) {
        throw new TrackerError(
          "WRONG_STATE",
          `schema version ${row["version"]}, this code knows ${SCHEMA_VERSION}`,
        );
      }
      for (const statement of SCHEMA) this.#sql.exec(statement);
      this.#sql.exec("INSERT INTO schema (version) VALUES (?)", SCHEMA_VERSION);
    });
  }
}

const MAX_COLLECTORS = 64;

const SCHEMA = [
  `CREATE TABLE intent (
    id TEXT PRIMARY KEY, key TEXT NOT NULL, state TEXT NOT NULL, request TEXT NOT NULL, registered TEXT,
    certificate TEXT, certificate_epoch INTEGER, certified TEXT, begun_at_ms INTEGER NOT NULL)`,
  "CREATE INDEX intent_by_key ON intent (key, state)",
  `CREATE TABLE confirmation (
    scope TEXT NOT NULL, epoch INTEGER NOT NULL, node_id TEXT NOT NULL, message TEXT NOT NULL,
    signature TEXT NOT NULL, PRIMARY KEY (scope, epoch, node_id))`,
  "CREATE TABLE shard (shard INTEGER NOT NULL, axis TEXT NOT NULL, stored_at_ms INTEGER NOT NULL, PRIMARY KEY (shard, axis))",
  `CREATE TABLE fault (
    id INTEGER PRIMARY KEY AUTOINCREMENT, node_id TEXT NOT NULL, code TEXT NOT NULL, route TEXT NOT NULL,
    at_ms INTEGER NOT NULL)`,
];

/** Equal for requests that want the same thing of this blob. */
function intentKey(request: IntentRequest): string {
  const { principal, deletable, endEpoch, sendObjectTo, share, idempotencyKey } = request;
  return JSON.stringify([principal, deletable, endEpoch, sendObjectTo, share, idempotencyKey]);
}

function parseJson<Json, Value>(column: unknown, revive: (json: Json) => Value): Value | null {
  // The type of the JSON is what this class wrote into the column.
  return typeof column === "string" ? revive(JSON.parse(column) as Json) : null;
}
