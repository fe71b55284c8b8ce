/**
 * Recomputes an auditor's round from the chain and its export, and lists every difference.
 *
 * From the chain alone: seed, populations, committee. From those: what had to be asked of whom. From the leaves: every
 * outcome, the evidence root, totals, rows and the possession record that follows from them. Whether an outcome is what
 * the node really answered cannot be recomputed (answers are not signed); whether it *may* be concluded from the
 * recorded requests can, and is; and so is whether it had to be excused, from the chain's events up to the checkpoint
 * at which it was judged (`excuse-check.ts`). What the auditor said earlier, on chain (`report-check.ts`) or noted by
 * the caller, binds the roots.
 *
 * What is left is the auditor's word: which answers came, when by its own clock (between the seed and the judged
 * checkpoint), four kinds of excuses, availability, and which nodes had confirmed claims. `words-taken.ts` counts the
 * excuses.
 */

import type { EvidenceRecord } from "../shared/audit/evidence.ts";
import { rootOfLeaves } from "../shared/audit/evidence.ts";
import { parseLeaf } from "../shared/audit/evidence-leaf.ts";
import { isSelfSuspectRound } from "../shared/audit/fairness.ts";
import { parametersHash } from "../shared/audit/parameters.ts";
import {
  committeeHash,
  EXPORT_FORMAT,
  type PublishedPopulation,
  type RoundExport,
} from "../shared/audit/round-export.ts";
import {
  type Challenge,
  checkpointSeed,
  compareDraws,
  drawCounts,
  planRound,
} from "../shared/audit/selection.ts";
import { fromHex, toHex } from "../shared/base/bytes.ts";
import { FloeError } from "../shared/base/errors.ts";
import type { ObjectId } from "../shared/protocol/ids.ts";
import type { ChainFacts } from "./chain-facts.ts";
import { type Difference, type Differs, expecting } from "./difference.ts";
import { checkNodes } from "./node-check.ts";
import { checkReport } from "./report-check.ts";
import { verdictProblem } from "./verdict-check.ts";

/**
 * @returns empty, but for notes, when everything can be recomputed
 * Cost: hashes all leaves, and plans the round.
 */
export function verifyRound(round: RoundExport, facts: ChainFacts): Difference[] {
  const differences: Difference[] = [];
  const differs: Differs = (what, detail, weight = "differs") => {
    differences.push({ what, detail, weight });
  };
  try {
    new Verification(round, facts, differs).run();
  } catch (error) {
    // Fields of the export that no parser accepts.
    if (!(error instanceof FloeError)) throw error;
    differs("malformed", `${error.code}: ${error.message}`);
  }
  return differences;
}

// JSON from outside need not hold what the types promise.
const STATES: ReadonlySet<string> = new Set<RoundExport["state"]>(["done", "void"]);
const SEED_SOURCES: ReadonlySet<string> = new Set<RoundExport["seedSource"]>(["checkpoint", "open_round"]);

class Verification {
  readonly #round: RoundExport;
  readonly #facts: ChainFacts;
  readonly #differs: Differs;
  readonly #expect: ReturnType<typeof expecting>;

  constructor(round: RoundExport, facts: ChainFacts, differs: Differs) {
    this.#round = round;
    this.#facts = facts;
    this.#differs = differs;
    this.#expect = expecting(differs);
  }

  run(): void {
    const round = this.#round;
    if (round.format !== EXPORT_FORMAT) {
      this.#differs("format", `the export is ${String(round.format)}, this program reads ${EXPORT_FORMAT}`);
      return;
    }
    if (!STATES.has(round.state)) this.#differs("state", `no round is ${round.state}`);
    if (!SEED_SOURCES.has(round.seedSource)) this.#differs("seed-source", `there is no ${round.seedSource}`);
    this.#expect("parameters", toHex(parametersHash(round.parameters)), round.parametersHash);
    this.#checkNetwork();
    this.#checkSeed();
    checkReport(round, this.#facts.registry, this.#differs);
    this.#checkJudged();
    this.#checkCommittee();
    this.#checkPopulations();
    const records = round.leaves.map((leaf, i) => this.#leaf(leaf, i));
    this.#checkPlan(records);
    this.#checkVerdicts(records);
    this.#checkState(records);
    this.#checkRoots();
    checkNodes(round, records, this.#facts, this.#differs);
  }

  #checkNetwork(): void {
    const spell = ({ systemObjectId, stakingObjectId }: RoundExport["network"]): string =>
      `System ${systemObjectId}, Staking ${stakingObjectId}`;
    this.#expect("network", spell(this.#facts.network), spell(this.#round.network));
  }

  /** Where the chain was read to for the verdicts: after every request (`verdict-check.ts`), before the round ended. */
  #checkJudged(): void {
    const { judgedCheckpoint, seedCheckpoint, finishedMs } = this.#round;
    const { judged } = this.#facts;
    if (judgedCheckpoint === null || judgedCheckpoint === undefined)
      this.#differs(
        "judged",
        "the export does not say by which checkpoint it was judged: no excuse can be checked",
        "unknown",
      );
    else if (judged === undefined && judgedCheckpoint > seedCheckpoint)
      this.#differs(
        "judged",
        `the endpoint has no checkpoint ${judgedCheckpoint}, or not yet: no excuse can be checked`,
        "unknown",
      );
    else if (judged === undefined)
      this.#differs(
        "judged",
        `there is no checkpoint ${judgedCheckpoint} behind the seed's, ${seedCheckpoint}`,
      );
    else {
      this.#expect("judged", `${judged.checkpoint}`, `${judgedCheckpoint}`);
      if (judged.timestampMs > finishedMs)
        this.#differs(
          "time",
          `it ended at ${finishedMs}, before its judged checkpoint of ${judged.timestampMs}`,
        );
    }
  }

  #checkSeed(): void {
    const { no, seed, seedSource, seedCheckpoint, openedMs, finishedMs, parameters } = this.#round;
    const { seedCheckpoint: first, openedSeed, epoch } = this.#facts;
    this.#expect("epoch", `${epoch}`, `${this.#round.epoch}`);
    const startMs = no * parameters.roundPeriodMs;
    if (openedMs < startMs || openedMs >= startMs + parameters.roundPeriodMs)
      this.#differs("time", `round ${no} was opened at ${openedMs}, outside of its period`);
    if (finishedMs < openedMs) this.#differs("time", `it ended at ${finishedMs}, before it was opened`);
    // The contract takes reports of opened rounds only. Who is on a panel may not choose between two seeds; who is on
    // none knows of the checkpoint's alone.
    if (this.#round.tx !== null) this.#expect("seed-source", "open_round", seedSource);
    else if (this.#round.auditor !== null && openedSeed !== undefined && seedSource !== "open_round")
      this.#differs(
        "seed-source",
        `the contract drew a seed for round ${no}: an auditor with a key has no other`,
      );
    const isOpened = seedSource === "open_round";
    if (isOpened && this.#round.auditor === null)
      this.#differs("seed-source", "an auditor without a key draws from a checkpoint");
    const fromCheckpoint = first === undefined ? undefined : checkpointSeed(first.digest);
    const expected = isOpened ? openedSeed?.seed : fromCheckpoint;
    const checkpoint = isOpened ? openedSeed?.checkpoint : first?.sequence;
    if (expected === undefined) this.#differs("seed", `the chain has no seed for round ${no}`);
    else this.#expect("seed", toHex(expected), seed);
    this.#expect("seed-checkpoint", `${checkpoint}`, `${seedCheckpoint}`);
  }

  #checkCommittee(): void {
    const { committee, committeeHash: claimed, epoch, nShards } = this.#round;
    this.#expect("committee", toHex(committeeHash({ epoch, nShards, members: committee })), claimed);
    const known = this.#facts.committee;
    if (known === undefined)
      this.#differs(
        "committee",
        this.#facts.noCommittee ?? `the chain does not tell epoch ${epoch}'s committee`,
        "unknown",
      );
    else this.#expect("committee", toHex(committeeHash(known)), claimed);
  }

  #checkPopulations(): void {
    const { populations } = this.#round;
    for (const stratum of ["permanent", "deletable", "fresh"] as const) {
      const found = this.#facts.populations[stratum];
      const computed: PublishedPopulation = {
        size: found.size,
        totalBytes: found.totalBytes.toString(),
        root: toHex(found.root()),
      };
      const spell = ({ size, totalBytes, root }: PublishedPopulation): string =>
        `${size} ${totalBytes} ${root}`;
      this.#expect(`population-${stratum}`, spell(computed), spell(populations[stratum]));
    }
  }

  #leaf(text: string, index: number): EvidenceRecord | undefined {
    try {
      const record = parseLeaf(text);
      if (record.round === this.#round.no) return record;
      this.#differs("leaf", `leaf ${index} is of round ${record.round}`);
    } catch (error) {
      if (!(error instanceof FloeError)) throw error;
      this.#differs("leaf", `leaf ${index}: ${error.message}`);
    }
    return undefined;
  }

  /** Every draw has its leaf, in order, with the challenge that follows from the seed. */
  #checkPlan(records: readonly (EvidenceRecord | undefined)[]): void {
    const { seed, nShards, no, parameters } = this.#round;
    const counts = drawCounts(no, parameters);
    const plan = planRound(fromHex(seed), nShards, this.#facts.populations, counts);
    if (plan.length !== records.length)
      this.#differs(
        "draws",
        `${plan.length} draws follow from the seed, ${records.length} leaves are published`,
      );
    const owners = new Map<number, ObjectId>();
    for (const { nodeId, shards } of this.#facts.committee?.members ?? [])
      for (const shard of shards) owners.set(shard, nodeId);
    records.forEach((record, i) => {
      const challenge = plan[i];
      if (record === undefined || challenge === undefined) return;
      const problem = drawProblem(record, challenge, owners.get(challenge.shard));
      if (problem !== undefined)
        this.#differs("draw", `leaf ${i} (${record.mode}/${record.shard}/${record.t}): ${problem}`);
    });
  }

  #checkVerdicts(records: readonly (EvidenceRecord | undefined)[]): void {
    const { state, parameters, openedMs, finishedMs } = this.#round;
    const known = records.filter((record) => record !== undefined);
    for (const record of known) {
      const problem = verdictProblem(record, known, parameters, {
        isVoid: state === "void",
        openedMs,
        finishedMs,
        seedMs: this.#facts.seedMs,
        judged: this.#facts.judged,
        justCertified: this.#facts.justCertified,
      });
      if (problem !== undefined)
        this.#differs("verdict", `${record.mode}/${record.shard}/${record.t}: ${problem}`);
    }
  }

  /** A round that counts shows by its own draws that the auditor's network worked; a void one need show nothing. */
  #checkState(records: readonly (EvidenceRecord | undefined)[]): void {
    const { state, parameters } = this.#round;
    const draws = records.flatMap((record) => {
      if (record === undefined) return [];
      const { node, shard, outcome, attempts } = record;
      const last = attempts.at(-1);
      return { node, shard, outcome, endedMs: last && last.startedMs + last.ms };
    });
    if (state === "done" && isSelfSuspectRound(draws, parameters))
      this.#differs("state", "it counts, although by its own draws the auditor's network is suspect");
  }

  #checkRoots(): void {
    const { leaves, evidenceRoot, nodesRoot } = this.#round;
    const bytes = leaves.map((leaf) => new TextEncoder().encode(leaf));
    this.#expect("evidence-root", toHex(rootOfLeaves(bytes)), evidenceRoot);
    const { committed } = this.#facts;
    if (committed === undefined) return;
    this.#expect("evidence-root-committed", committed.evidenceRoot, evidenceRoot);
    if (committed.nodesRoot !== undefined)
      this.#expect("nodes-root-committed", committed.nodesRoot, nodesRoot);
  }
}

function drawProblem(
  record: EvidenceRecord,
  challenge: Challenge,
  owner: ObjectId | undefined,
): string | undefined {
  if (compareDraws(record, challenge) !== 0)
    return `draw ${challenge.mode}/${challenge.shard}/${challenge.t} belongs here`;
  const pairs: [string, unknown, unknown][] = [
    ["blob", challenge.blobId, record.blobId],
    ["pair", challenge.pair, record.pair],
    ["axis", challenge.axis, record.axis],
    ["symbol", challenge.symbol, record.symbol],
    ["node", owner ?? record.node, record.node],
    ["vacuous", challenge.isVacuous, record.outcome === "vacuous"],
  ];
  const wrong = pairs.find(([, computed, claimed]) => computed !== claimed);
  return wrong === undefined ? undefined : `${wrong[0]} is ${wrong[1]}, the leaf says ${wrong[2]}`;
}
