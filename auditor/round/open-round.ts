/**
 * The beginning of a round: seed, populations, plan. What is asked follows from them, and no auditor chooses any of
 * them.
 *
 * A round's populations are made of the events before its seed's checkpoint, so they are fixed before the seed is
 * known. The chain must therefore not have been read further than that when a round opens: `earliestRound` says which
 * number may be next.
 */
import { movedShards } from "../../shared/audit/fairness.ts";
import { type AuditParameters, parametersHash } from "../../shared/audit/parameters.ts";
import type { Stratum } from "../../shared/audit/population-events.ts";
import { committeeHash, type PublishedPopulations } from "../../shared/audit/round-export.ts";
import { DRAW_MODES, drawCounts, planRound, shuffleBySeed } from "../../shared/audit/selection.ts";
import { toHex } from "../../shared/base/bytes.ts";
import { assert } from "../../shared/base/errors.ts";
import type { Sql } from "../../shared/base/sql.ts";
import { type Committee, memberOfShards } from "../../shared/protocol/committee.ts";
import { SuiError } from "../../shared/sui/client/sui-error.ts";
import type { ChainReader } from "../../shared/sui/walrus/chain-reader.ts";
import { youngFrom } from "../../shared/sui/walrus/young-blobs.ts";
import type { AuditChain } from "../chain/audit-chain.ts";
import type { ChainFollower } from "../chain/chain-follower.ts";
import { insertDraw } from "../ledger/draws.ts";
import { readMeta } from "../ledger/meta.ts";
import { committeeJson, type Round, type Rounds } from "../ledger/rounds.ts";
import type { SqlPopulationStore } from "../population/object-tables.ts";
import { listName, type PopulationLists } from "../population/population-tables.ts";

/** Slices of work in one step: some seconds of CPU at most. */
const UNITS_PER_STEP = 100;

export interface OpeningParts {
  readonly sql: Sql;
  readonly rounds: Rounds;
  readonly lists: PopulationLists;
  readonly store: SqlPopulationStore;
  readonly follower: ChainFollower;
  readonly chain: ChainReader;
  readonly auditChain: AuditChain;
  readonly parameters: AuditParameters;
}

/** Times up to here are behind what was read of the chain: a round must begin later. */
export const readToMs = (sql: Sql): number => readMeta(sql, "read_to_ms") ?? 0;

/** The number of the first round that may open. */
export function earliestRound(sql: Sql, rounds: Rounds, parameters: AuditParameters): number {
  const afterReading = Math.floor(readToMs(sql) / parameters.roundPeriodMs) + 1;
  return Math.max(afterReading, (rounds.latest()?.no ?? -1) + 1);
}

/** Opens the round whose time has come. @returns false when none may open now */
export function openRound(parts: OpeningParts, nowMs: number): boolean {
  const { sql, rounds, parameters } = parts;
  const no = Math.floor(nowMs / parameters.roundPeriodMs);
  if (rounds.active() !== undefined || no < earliestRound(sql, rounds, parameters)) return false;
  return rounds.open(no, nowMs, parametersHash(parameters));
}

/** Learns the seed, and with it how old a blob has to be. @returns false while the chain has none */
export async function seedRound(parts: OpeningParts, round: Round): Promise<boolean> {
  const { sql, rounds, store, chain, auditChain, parameters } = parts;
  const seed = await auditChain.seedOf(round.no, round.no * parameters.roundPeriodMs);
  if (seed === undefined) return false;
  const young = await youngFrom(chain, seed.checkpoint, parameters.freshGraceMs);
  sql.transaction(() => {
    store.forgetCertifications(young);
    rounds.update(round.no, "opening", "following", {
      seed: toHex(seed.seed),
      seed_source: seed.source,
      seed_checkpoint: seed.checkpoint,
    });
  });
  return true;
}

/** Reads the chain on towards the seed's checkpoint. @param isSpent ends the reading for now */
export async function followToSeed(parts: OpeningParts, round: Round, isSpent: () => boolean): Promise<void> {
  const { chain, follower, lists, rounds, sql } = parts;
  const checkpoint = round.seedCheckpoint;
  assert(checkpoint !== null, `round ${round.no} has a seed`);
  const { nShards, epoch: epochNow } = await chain.snapshot();
  if (!(await follower.follow(checkpoint, nShards, isSpent))) return;
  // Before its first event a network has only known its present epoch.
  const epoch = follower.epoch ?? epochNow;
  sql.transaction(() => {
    // At EpochChangeStart the follower made the epoch's list; the first epoch began without one.
    lists.beginEmpty(listName("permanent", epoch), "permanent", epoch);
    lists.begin(listName("deletable", round.no), "deletable", epoch);
    lists.begin(listName("fresh", round.no), "fresh", epoch);
    rounds.update(round.no, "following", "populating", { epoch, n_shards: nShards });
  });
}

const LISTS: readonly Stratum[] = ["permanent", "deletable", "fresh"];
const listOf = (stratum: Stratum, round: Round): string => {
  assert(round.epoch !== null, `round ${round.no} has an epoch`);
  return listName(stratum, stratum === "permanent" ? round.epoch : round.no);
};

/**
 * Builds the lists, then plans the round.
 *
 * @returns false when the committee of the round's epoch is gone: the round cannot be held
 */
export async function populateRound(parts: OpeningParts, round: Round): Promise<boolean> {
  const { lists, rounds, sql } = parts;
  assert(round.nShards !== null && round.epoch !== null, `round ${round.no} has an epoch`);
  let units = 0;
  for (const stratum of LISTS) {
    while (!lists.build(listOf(stratum, round), round.nShards)) {
      if (++units >= UNITS_PER_STEP) return true;
    }
  }
  const committees = await committeesOf(parts.chain, round.epoch);
  if (committees === undefined) return false;
  const { committee } = committees;
  // The claims of later rounds rest on it; this round's seed is known already, so none of its own can.
  const declared = lists.summary(listOf("permanent", round));
  assert(declared !== undefined, "the list is ready");
  await parts.auditChain.declarePopulation({ epoch: round.epoch, ...declared });
  sql.transaction(() => {
    const populations = planInto(parts, round, committee, movedShards(committee, committees.previous));
    rounds.update(round.no, "populating", "challenging", {
      committee: committeeJson(committee),
      committee_hash: toHex(committeeHash(committee)),
      populations: JSON.stringify(populations),
    });
  });
  return true;
}

interface Committees {
  readonly committee: Committee;
  /** Of the epoch before; null when it cannot be read any more. */
  readonly previous: Committee | null;
}

/**
 * @returns undefined when the epoch is more than one behind
 * @throws SuiError `SUI_STALE`, retryable, when it is the endpoint's state that is behind its events
 */
async function committeesOf(chain: ChainReader, epoch: number): Promise<Committees | undefined> {
  const { committee, previousCommittee } = await chain.snapshot();
  if (committee.epoch < epoch) {
    throw new SuiError(
      "SUI_STALE",
      `the state read is of epoch ${committee.epoch}, the events are of ${epoch}`,
      {
        retryable: true,
        details: { stateEpoch: committee.epoch, eventEpoch: epoch },
      },
    );
  }
  if (committee.epoch === epoch) return { committee, previous: previousCommittee };
  return previousCommittee?.epoch === epoch ? { committee: previousCommittee, previous: null } : undefined;
}

function planInto(
  parts: OpeningParts,
  round: Round,
  committee: Committee,
  moved: ReadonlySet<number>,
): PublishedPopulations {
  const { lists, parameters } = parts;
  assert(round.seed !== null, `round ${round.no} has a seed`);
  const [permanent, deletable, fresh] = (["permanent", "deletable", "fresh"] as const).map((stratum) =>
    lists.index(listOf(stratum, round)),
  );
  assert(permanent !== undefined && deletable !== undefined && fresh !== undefined, "three lists");
  const populations = { permanent, deletable, fresh };
  const { nShards } = committee;
  const challenges = planRound(round.seed, nShards, populations, drawCounts(round.no, parameters));
  const owners = memberOfShards(committee);
  const places = new Map(
    shuffleBySeed(
      round.seed,
      challenges.map((_, index) => index),
    ).map((index, place) => [index, place]),
  );
  const sizes = {
    [DRAW_MODES.perBlob]: BigInt(permanent.size),
    [DRAW_MODES.perByte]: permanent.totalBytes,
    [DRAW_MODES.deletable]: BigInt(deletable.size),
    [DRAW_MODES.fresh]: BigInt(fresh.size),
  };
  challenges.forEach((challenge, index) => {
    const owner = committee.members[owners[challenge.shard] ?? -1];
    assert(owner !== undefined, `shard ${challenge.shard} has an owner`);
    insertDraw(parts.sql, round.no, {
      ...challenge,
      node: owner.nodeId,
      place: places.get(index) ?? index,
      populationSize: sizes[challenge.mode],
      isFinal: challenge.isVacuous,
      isOwner: true,
      hasMetadata: true,
      hasMoved: moved.has(challenge.shard),
      attempts: [],
      requests: 0,
    });
  });
  const published = ({ size, totalBytes, root }: typeof permanent) => ({
    size,
    totalBytes: totalBytes.toString(),
    root: toHex(root),
  });
  return { permanent: published(permanent), deletable: published(deletable), fresh: published(fresh) };
}
