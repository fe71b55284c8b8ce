/**
 * What the reads of this isolate saw of each storage node, held until it is sent to the auditor.
 *
 * Memory only, plain data, at most `EDGE_READ_LIMITS.pairs` entries; what is not sent before the isolate goes is lost,
 * and a sample is as good. All invocations of the isolate write here; one at a time has the turn to send. The platform
 * may end that one silently, so a turn lapses, and a batch under way stays here with its ID: sent again, it
 * counts once.
 *
 *   held --turn--> batch --2xx--> gone
 *    |               | 4xx, third failure --> dropped
 *    |               '-- failure, death --> the next turn sends it again
 *    '-- keepMs, in a batch or not --> dropped: whether a node owed a blob depends on when it was asked
 */
import {
  EDGE_READ_LIMITS,
  EDGE_READ_OUTCOMES,
  type EdgeReadOutcome,
  type EdgeReadsOfNode,
  serializeEdgeReads,
} from "../../shared/audit/edge-reads.ts";
import { toHex } from "../../shared/base/bytes.ts";
import type { Clock, RandomBytes } from "../../shared/base/clock.ts";
import type { FloeError } from "../../shared/base/errors.ts";
import { CodecError } from "../../shared/codec/codec.ts";
import { StorageNodeError } from "../../shared/node/storage-node-errors.ts";
import type { BlobId, ObjectId } from "../../shared/protocol/ids.ts";

const BATCH_ID_BYTES = 16;
/** After the deadline of a try, for what surrounds it. */
const TURN_GRACE_MS = 1_000;

/** A batch on its way. */
export interface PendingBatch {
  readonly id: string;
  readonly body: string;
  /** When its first entry was seen. */
  readonly sinceMs: number;
  /** Tries begun. */
  attempts: number;
}

export class EdgeReads {
  readonly #clock: Clock;
  readonly #randomBytes: RandomBytes;
  readonly #nodes = new Map<ObjectId, Map<BlobId, EdgeReadOutcome>>();
  /** Entries of all maps in `#nodes`, their epoch, and when the first of them came. */
  #held = 0;
  #epoch = -1;
  #sinceMs = 0;
  #batch: PendingBatch | undefined;
  #triedAtMs = Number.NEGATIVE_INFINITY;
  #turnUntilMs = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock, randomBytes: RandomBytes) {
    this.#clock = clock;
    this.#randomBytes = randomBytes;
  }

  /** Blobs of nodes held now, without those of a batch under way. */
  get held(): number {
    return this.#held;
  }

  /**
   * Counts what came back for a blob; of several answers the worst stands.
   *
   * @param epoch of the committee asked. While shards move two committees are asked by turns: the newer one counts.
   * @param outcome undefined: it was no answer of the node, and does not count
   */
  note(epoch: number, nodeId: ObjectId, blobId: BlobId, outcome: EdgeReadOutcome | undefined): void {
    if (outcome === undefined || epoch < this.#epoch) return;
    const nowMs = this.#clock.nowMs();
    this.#dropOld(nowMs);
    if (epoch > this.#epoch) this.#forget();
    this.#epoch = epoch;
    const blobs = this.#nodes.get(nodeId) ?? new Map<BlobId, EdgeReadOutcome>();
    const known = blobs.get(blobId);
    if (known === undefined) {
      if (this.#held >= EDGE_READ_LIMITS.pairs) return;
      if (this.#held++ === 0) this.#sinceMs = nowMs;
      this.#nodes.set(nodeId, blobs);
    }
    if (known === undefined || rank(outcome) > rank(known)) blobs.set(blobId, outcome);
  }

  /**
   * Takes the turn to send, for as long as the wait and one try may take.
   *
   * @param flushMs least pause between two tries of the isolate
   * @returns how long to wait before `next`; undefined when there is nothing to send, another invocation has the turn, or the
   *   wait would be longer than the invocation lives
   */
  takeTurn(flushMs: number): number | undefined {
    const nowMs = this.#clock.nowMs();
    this.#dropOld(nowMs);
    if ((this.#held === 0 && this.#batch === undefined) || nowMs < this.#turnUntilMs) return undefined;
    const waitMs = Math.max(0, this.#triedAtMs + flushMs - nowMs);
    if (waitMs > EDGE_READ_LIMITS.waitMs) return undefined;
    this.#turnUntilMs = nowMs + waitMs + EDGE_READ_LIMITS.timeoutMs + TURN_GRACE_MS;
    return waitMs;
  }

  /** What to try now, in a turn: the batch that failed before, unless its tries are used up, else all that is held. */
  next(): PendingBatch | undefined {
    this.#triedAtMs = this.#clock.nowMs();
    this.#dropOld(this.#triedAtMs);
    if (this.#batch !== undefined && this.#batch.attempts >= EDGE_READ_LIMITS.attempts)
      this.#batch = undefined;
    this.#batch ??= this.#makeBatch();
    if (this.#batch !== undefined) this.#batch.attempts++;
    return this.#batch;
  }

  /** Ends the turn. @param isOver the batch arrived, or never will: it is forgotten */
  tried(batch: PendingBatch | undefined, isOver: boolean): void {
    if (isOver && this.#batch === batch) this.#batch = undefined;
    this.#turnUntilMs = Number.NEGATIVE_INFINITY;
  }

  #makeBatch(): PendingBatch | undefined {
    if (this.#held === 0) return undefined;
    const id = toHex(this.#randomBytes(BATCH_ID_BYTES));
    const nodes = [...this.#nodes].map(([node, blobs]) => summaryOf(node, blobs));
    const body = serializeEdgeReads({ batch: id, epoch: this.#epoch, nodes });
    const sinceMs = this.#sinceMs;
    this.#forget();
    return { id, body, sinceMs, attempts: 0 };
  }

  #dropOld(nowMs: number): void {
    const isOld = (sinceMs: number): boolean => nowMs - sinceMs > EDGE_READ_LIMITS.keepMs;
    if (this.#held > 0 && isOld(this.#sinceMs)) this.#forget();
    if (this.#batch !== undefined && isOld(this.#batch.sinceMs)) this.#batch = undefined;
  }

  #forget(): void {
    this.#nodes.clear();
    this.#held = 0;
  }
}

const rank = (outcome: EdgeReadOutcome): number => EDGE_READ_OUTCOMES.indexOf(outcome);

function summaryOf(node: ObjectId, blobs: ReadonlyMap<BlobId, EdgeReadOutcome>): EdgeReadsOfNode {
  const of = (outcome: EdgeReadOutcome): BlobId[] =>
    [...blobs].filter(([, found]) => found === outcome).map(([blobId]) => blobId);
  return {
    node,
    passed: of("passed").length,
    silent: of("silent").length,
    refused: of("refused").length,
    missing: of("missing"),
    invalid: of("invalid"),
  };
}

/**
 * What a failed question shows about the node, by the rules that challenges are judged by (docs/audit.md).
 *
 * @returns undefined when it shows nothing: the node was not asked, or the read ended first
 */
export function outcomeOfFailure(error: FloeError): EdgeReadOutcome | undefined {
  if (error instanceof StorageNodeError) return outcomeOfAnswer(error);
  if (error instanceof CodecError) {
    // Out of memory is our own trouble; every other check of the codec is one that the node's bytes failed.
    return error.code === "OUT_OF_CODEC_MEMORY" || error.code === "RELEASED" ? undefined : "invalid";
  }
  return error.code === "LATE" ? "silent" : undefined;
}

function outcomeOfAnswer({ code, details }: StorageNodeError): EdgeReadOutcome {
  switch (code) {
    case "NOT_FOUND":
    case "NOT_REGISTERED":
      // Without one of the protocol's reasons, a proxy may have answered.
      return details["reason"] === undefined ? "silent" : "missing";
    case "MALFORMED_ANSWER":
    case "ANSWER_TOO_LARGE":
      return "invalid";
    case "TIMEOUT":
    case "UNREACHABLE":
    case "SERVER_ERROR":
    case "REDIRECTED":
      return "silent";
    case "FORBIDDEN":
    case "MISSING_SLIVERS":
    case "REFUSED":
    case "SHARD_NOT_ASSIGNED":
    case "THROTTLED":
      return "refused";
    default:
      return code satisfies never;
  }
}
