/**
 * Whether a draw may be excused, or held against its node, by what the chain says of it.
 *
 * | excuse         | is recomputed from                                                                           |
 * |----------------|----------------------------------------------------------------------------------------------|
 * | invalid-blob   | events up to the judged checkpoint: no certified object of the blob is left, or it came anew |
 * | epoch-change   | the times of EpochChangeStart and EpochChangeDone                                            |
 * | shard-moved    | the committee and the one before, and the time of ShardsReceived                             |
 * | just-certified | the checkpoint in which the blob was certified                                               |
 * | not-owner      | later epochs that began before the judged checkpoint, and their committees                   |
 * | denied         | nothing: a node's 451 is not signed; but it is given exactly where one stands in the leaf    |
 * | maintenance    | nothing: what a node says of itself is not signed; but it excuses unavailability only        |
 * | no-metadata    | nothing: who was asked for metadata stands in no leaf; but then nothing else was asked either |
 * | self-suspect   | nothing: what came through to the auditor; but a round that counts shows that it does come   |
 *
 * An excuse that holds is enough: which of several an auditor names makes no difference to a node. What of the chain
 * cannot be read any more (a committee that the endpoint does not keep) is assumed in the disfavour of none, and
 * counts among what rests on the auditor's word. Times of hand-overs are the chain's: an auditor that had to take them
 * for later, from event blobs, excuses more than is recomputed here.
 */

import type { EvidenceRecord } from "../shared/audit/evidence.ts";
import { type EpochChange, excusesOfDraw } from "../shared/audit/fairness.ts";
import type { AuditParameters } from "../shared/audit/parameters.ts";
import type { Excuse, VerdictOutcome } from "../shared/audit/verdict.ts";
import type { ShardHolders } from "../shared/protocol/committee.ts";
import type { BlobId, ObjectId } from "../shared/protocol/ids.ts";

/** What the chain says of a round's draws, by the events of all checkpoints before the one at which it was judged. */
export interface JudgedFacts {
  /** As the export names it. */
  readonly checkpoint: number;
  readonly timestampMs: number;
  /** Never empty (`epochChangesOf`). */
  readonly epochChanges: readonly EpochChange[];
  /** Shards that came from another node at the round's epoch; undefined when the committee before is not known. */
  readonly movedShards: ReadonlySet<number> | undefined;
  /** When the receipt of a moved shard was announced, by shard. */
  readonly receivedMs: ReadonlyMap<number, number>;
  /** Drawn from, but no node has to hold it any more: deleted, ended, invalid or denied, or gone for a while. */
  readonly invalidBlobs: ReadonlySet<BlobId>;
  /** Committees of the epochs that began since; undefined one whose committee is not known. */
  readonly laterCommittees: readonly (ShardHolders | undefined)[];
}

/** Outcomes that an excuse can stand for. */
const FAILURES = ["missing", "invalid", "timeout", "refused"] as const satisfies readonly VerdictOutcome[];
const isFailure = (outcome: VerdictOutcome): boolean => (FAILURES as readonly string[]).includes(outcome);
/** Any that a node does not say of itself while it works. */
const MAINTAINED = "Maintenance";

export class ExcuseCheck {
  readonly #facts: JudgedFacts;
  readonly #justCertified: ReadonlySet<BlobId>;
  readonly #parameters: AuditParameters;

  /** @param justCertified blobs certified less than the profile's grace before the seed was drawn */
  constructor(facts: JudgedFacts, justCertified: ReadonlySet<BlobId>, parameters: AuditParameters) {
    this.#facts = facts;
    this.#justCertified = justCertified;
    this.#parameters = parameters;
  }

  /**
   * @param isPlausible whether the draw's requests allow this outcome, had it not been excused
   * @returns what is wrong; undefined when nothing is
   */
  problem(record: EvidenceRecord, isPlausible: (outcome: VerdictOutcome) => boolean): string | undefined {
    const { outcome, excuse, shard, attempts } = record;
    const { movedShards } = this.#facts;
    if (excuse !== "denied" && outcome !== "passed" && excuse !== "self-suspect" && wasDenied(record))
      return `${excuse ?? outcome}, although the node answered 451`;
    switch (excuse) {
      case null: {
        const [holds] = isFailure(outcome)
          ? this.#excuses(record, outcome, movedShards?.has(shard) ?? false)
          : [];
        return holds === undefined ? undefined : `${outcome}, although ${holds} excuses it`;
      }
      case "denied":
        return attempts.some(({ httpStatus }) => httpStatus === 451)
          ? undefined
          : "denied, without an answer 451";
      case "no-metadata":
        return attempts.length === 0 ? undefined : "no-metadata, although it could be asked";
      case "not-owner":
        return this.#ownerProblem(record);
      case "self-suspect":
        return undefined;
      default: {
        const fitting = FAILURES.filter((each) =>
          this.#excuses(record, each, movedShards?.has(shard) ?? true, MAINTAINED).includes(excuse),
        );
        if (fitting.length === 0) return `${excuse}, although the chain says otherwise`;
        return fitting.some(isPlausible) ? undefined : `${excuse}, of what was no failure yet`;
      }
    }
  }

  /**
   * What the auditor's word is taken for in a draw; undefined when its excuse, or having none, follows from the chain.
   */
  wordTaken(record: EvidenceRecord): string | undefined {
    const { outcome, excuse, shard, node } = record;
    const { movedShards } = this.#facts;
    switch (excuse) {
      case "denied":
      case "maintenance":
      case "no-metadata":
      case "self-suspect":
        return excuse;
      case "shard-moved":
        return movedShards === undefined ? excuse : undefined;
      case "not-owner": {
        const isAnother = this.#laterHolders(shard).some((holder) => holder !== undefined && holder !== node);
        return isAnother ? undefined : excuse;
      }
      case null: {
        const mayBeExcused =
          movedShards === undefined &&
          isFailure(outcome) &&
          this.#excuses(record, outcome, true).includes("shard-moved");
        return mayBeExcused ? "failed shard that may have moved" : undefined;
      }
      default:
        return undefined;
    }
  }

  /** @param nodeStatus the status that the node may have reported. @returns every excuse that holds */
  #excuses(
    { attempts, blobId, shard }: EvidenceRecord,
    outcome: VerdictOutcome,
    hasMoved: boolean,
    nodeStatus?: string,
  ): Excuse[] {
    const { timestampMs, receivedMs, epochChanges, invalidBlobs } = this.#facts;
    const asked = attempts.length === 0 ? [timestampMs] : attempts.map(({ startedMs }) => startedMs);
    const circumstances = {
      shardMove: hasMoved ? { receivedMs: receivedMs.get(shard) } : undefined,
      nodeStatus,
      maintenanceUsedMs: 0,
      isBlobInvalid: invalidBlobs.has(blobId),
      isJustCertified: this.#justCertified.has(blobId),
    };
    return excusesOfDraw(asked, epochChanges, circumstances, outcome, this.#parameters);
  }

  #ownerProblem({ attempts, shard, node }: EvidenceRecord): string | undefined {
    const holders = this.#laterHolders(shard);
    if (holders.length === 0) return "not-owner, although no later epoch had begun";
    if (holders.every((holder) => holder === node))
      return "not-owner, although the node held the shard in the next epoch, too";
    const isRefused = attempts.some(
      ({ httpStatus, bodyHash }) => httpStatus >= 400 && httpStatus < 500 && bodyHash !== null,
    );
    return isRefused ? undefined : "not-owner, without an answer that said so";
  }

  /** The node that held the shard in each later epoch; undefined where it cannot be read. */
  #laterHolders(shard: number): (ObjectId | undefined)[] {
    return this.#facts.laterCommittees.map(
      (committee) => committee?.members.find(({ shards }) => shards.includes(shard))?.nodeId,
    );
  }
}

/** By a whole answer, not one that broke off. */
const wasDenied = ({ attempts }: EvidenceRecord): boolean =>
  attempts.some(({ httpStatus, bodyHash }) => httpStatus === 451 && bodyHash !== null);
