/**
 * What storage nodes did wrong, as far as this isolate has seen: the log line, a bounded list, and a short memory of
 * who did not answer, so that the next read does not wait for the same silence again.
 */
import type { Clock } from "../../shared/base/clock.ts";
import type { Log } from "../../shared/base/log.ts";
import type { ObjectId } from "../../shared/protocol/ids.ts";
import { FAULT_LIMITS } from "./limits.ts";

export interface RecordedFault {
  readonly nodeId: ObjectId;
  readonly code: string;
  readonly atMs: number;
}

/** Codes that mean "no answer came" (LATE: not yet): only these make a node suspect. */
const SILENT: ReadonlySet<string> = new Set(["TIMEOUT", "UNREACHABLE", "LATE"]);

export class NodeFaults {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #recorded: RecordedFault[] = [];
  readonly #silentSince = new Map<ObjectId, number>();

  constructor(clock: Clock, log: Log) {
    this.#clock = clock;
    this.#log = log;
  }

  get recorded(): readonly RecordedFault[] {
    return this.#recorded;
  }

  record(nodeId: ObjectId, code: string): void {
    const atMs = this.#clock.nowMs();
    this.#recorded.push({ nodeId, code, atMs });
    if (this.#recorded.length > FAULT_LIMITS.faultsKept) this.#recorded.shift();
    if (SILENT.has(code)) this.#silentSince.set(nodeId, atMs);
    this.#log("node-fault", { nodeId, code });
  }

  /** A node that answered is not suspect any more. */
  answered(nodeId: ObjectId): void {
    this.#silentSince.delete(nodeId);
  }

  /** True while a recent call to this node got no answer: ask others first. */
  isSuspect(nodeId: ObjectId): boolean {
    const since = this.#silentSince.get(nodeId);
    return since !== undefined && this.#clock.nowMs() - since < FAULT_LIMITS.suspectMs;
  }
}
