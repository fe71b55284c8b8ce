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
import { equalBytes, fromHex, toHex } from "../protocol/bytes.ts";
import type { ShardHolders } from "../protocol/committee.ts";
import { FloeError } from "../protocol/errors.ts";
import type { BlobId, ObjectId } from "../protocol/ids.ts";
import { canonicalJson } from "./canonical-json.ts";
import type { Difference, Differs } from "./difference.ts";
import type { EvidenceRecord } from "./evidence.ts";
import { rootOfLeaves } from "./evidence.ts";
import { parseLeaf } from "./evidence-leaf.ts";
import type { JudgedFacts } from "./excuse-check.ts";
import { isSelfSuspectRound } from "./fairness.ts";
import { parametersHash } from "./parameters.ts";
import type { MemoryPopulation } from "./population.ts";
import { checkReport, type RegistryFacts } from "./report-check.ts";
import {
  countOutcome,
  NO_OUTCOMES,
  type OutcomeCounts,
  parseRow,
  reportTotals,
  serializeRow,
  serializeRows,
} from "./report-rows.ts";
import { committeeHash, EXPORT_FORMAT, type PublishedPopulation, type RoundExport } from "./round-export.ts";
import { type Challenge, checkpointSeed, compareDraws, drawCounts, planRound } from "./selection.ts";
import { addTrial, newPossession, nodeState, type PossessionState, possessionTest } from "./statistics.ts";
import { possessionTrial } from "./verdict.ts";
import { verdictProblem } from "./verdict-check.ts";

/** What the verifier read from the chain by itself. */
export interface ChainFacts {
  readonly network: RoundExport["network"];
  /** The first checkpoint at or after the round's start; undefined while there is none. */
  readonly seedCheckpoint: { readonly sequence: number; readonly digest: Uint8Array } | undefined;
  /** The seed that `open_round` drew, and the checkpoint that holds it; absent when there is no contract. */
  readonly openedSeed?: { readonly seed: Uint8Array; readonly checkpoint: number };
  /** Time of the checkpoint up to which the populations were made. */
  readonly seedMs: number | undefined;
  /** Of the round's epoch; undefined when nobody tells any more, and then why. */
  readonly committee: ShardHolders | undefined;
  readonly noCommittee?: string;
  readonly populations: {
    readonly permanent: MemoryPopulation;
    readonly deletable: MemoryPopulation;
    readonly fresh: MemoryPopulation;
  };
  readonly epoch: number;
  /** Blobs of the populations that were certified less than the profile's grace before the seed was drawn. */
  readonly justCertified: ReadonlySet<BlobId>;
  /** At the checkpoint that the export names; undefined when the chain has none there, or it comes before the seed. */
  readonly judged: JudgedFacts | undefined;
  /** Absent when no registry was named. */
  readonly registry?: RegistryFacts;
  /** The evidence root that the caller noted. */
  readonly committed?: { readonly evidenceRoot: string; readonly nodesRoot: string | undefined };
  /** The auditor's round before this one; null when there is none, undefined when the caller does not know. */
  readonly previous?: RoundExport | null;
}

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

// What the types promise, somebody else's JSON need not hold.
const STATES: ReadonlySet<string> = new Set<RoundExport["state"]>(["done", "void"]);
const SEED_SOURCES: ReadonlySet<string> = new Set<RoundExport["seedSource"]>(["checkpoint", "open_round"]);

class Verification {
  readonly #round: RoundExport;
  readonly #facts: ChainFacts;
  readonly #differs: Differs;

  constructor(round: RoundExport, facts: ChainFacts, differs: Differs) {
    this.#round = round;
    this.#facts = facts;
    this.#differs = differs;
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
    this.#checkNodes(records);
  }

  #expect(what: string, computed: string, claimed: string): void {
    if (computed !== claimed) this.#differs(what, `computed ${computed}, the export says ${claimed}`);
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

  /** A possession record begins where the auditor's round before left it, or with nothing: nobody invents a past. */
  #checkBefore(): void {
    const { previous } = this.#facts;
    if (previous === undefined) return;
    const { no, epoch, nodes } = this.#round;
    if (previous !== null && previous.no >= no)
      this.#differs("previous", `round ${previous.no} is not before round ${no}`);
    for (const { node, before } of nodes) {
      const known = previous?.nodes.find((record) => record.node === node);
      const expected =
        known === undefined ? newPossession(before) : carriedOver(known.after, previous?.epoch === epoch);
      this.#expect(`record of ${node} before`, spellState(expected), spellState(before));
    }
  }

  /** Rows, totals and possession records follow from the leaves. */
  #checkNodes(records: readonly (EvidenceRecord | undefined)[]): void {
    const { nodes, nodesRoot, totals, committee, parameters } = this.#round;
    const names = new Map(this.#facts.committee?.members.map(({ nodeId, name }) => [nodeId, name]));
    const test = possessionTest(parameters);
    this.#expect(
      "nodes",
      [...committee]
        .map(({ nodeId }) => nodeId)
        .sort()
        .join(" "),
      nodes.map(({ node }) => node).join(" "),
    );
    this.#checkBefore();
    const rows = nodes.map((claimed) => {
      const present = names.get(claimed.node) ?? claimed.name;
      // A node may rename itself, or end its pool, at any time.
      if (present !== claimed.name)
        this.#differs(
          `name of ${claimed.node}`,
          `it is ${JSON.stringify(present)} today, the export says ${JSON.stringify(claimed.name)}`,
          "note",
        );
      let counts: OutcomeCounts = NO_OUTCOMES;
      let after = claimed.before;
      for (const record of records) {
        if (record?.node !== claimed.node) continue;
        counts = countOutcome(counts, record.outcome);
        const trial = possessionTrial(record);
        if (trial !== undefined) after = addTrial(after, trial === "failure", test);
      }
      const stated = parseRow(fromHex(claimed.row));
      const row = {
        ...counts,
        node: claimed.node,
        logLikelihoodRatio: after.logLikelihoodRatio,
        state: nodeState(after, test, claimed.confirmedClaims),
        // Availability is a mean over windows of many rounds: taken as stated.
        availability: stated.availability,
      };
      if (!equalBytes(serializeRow(row), fromHex(claimed.row)))
        this.#differs("row", `node ${claimed.node}: the row does not follow from the leaves`);
      this.#expect(`record of ${claimed.node}`, spellState(after), spellState(claimed.after));
      return row;
    });
    this.#expect("nodes-root", toHex(serializeRows(rows).root), nodesRoot);
    this.#expect("totals", canonicalJson({ ...reportTotals(rows) }), canonicalJson({ ...totals }));
  }
}

/** What a record is at the start of a round, after this one. */
function carriedOver(after: PossessionState, isSameEpoch: boolean): PossessionState {
  return isSameEpoch && after.trials > 0 ? after : newPossession(after);
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

/** Sums of logarithms are made in one order by everybody; twelve digits leave room for nothing else. */
const spellState = (state: PossessionState): string =>
  [
    state.trials,
    state.failures,
    state.logLikelihoodRatio.toPrecision(12),
    state.maxLogLikelihoodRatio.toPrecision(12),
    state.cusum.toPrecision(12),
    state.alpha.toPrecision(12),
    state.beta.toPrecision(12),
  ].join(" ");
