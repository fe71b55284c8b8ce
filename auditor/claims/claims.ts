/**
 * Claims on chain: filing what the ledger can stand behind, standing behind what others filed, answering what is false.
 *
 * Filed is a fresh failure of a claimable draw, of a node that was suspect before the round. An auditor stands behind
 * another's claim when its own round came to the same failure of the same draw; any other claim it answers with the
 * symbol, whichever node is accused: from the accused node, or, when that does not answer at all, rebuilt from the
 * others. An own claim that turns out wrong is taken back while no other auditor stands behind it. Claims that a quorum
 * stands behind are bound to the committee while their epoch lasts; deadlines passed, claims are finalized.
 *
 * Every claim that was filed is followed to its end, a few at a time, in turn. Every step looks at the chain first and
 * may be repeated: the contract takes each of them once.
 */
import { claimObstacle } from "../../shared/audit/claim.ts";
import type { AuditParameters } from "../../shared/audit/parameters.ts";
import { serializeEntry } from "../../shared/audit/population.ts";
import type { DrawMode } from "../../shared/audit/selection.ts";
import { nodeState, possessionTest } from "../../shared/audit/statistics.ts";
import { concatBytes, fromBase64, fromHex, toBase64 } from "../../shared/base/bytes.ts";
import type { Log } from "../../shared/base/log.ts";
import type { Sql } from "../../shared/base/sql.ts";
import type { ObjectId, ShardIndex, SliverIndex, SliverPairIndex } from "../../shared/protocol/ids.ts";
import type { ClaimOnChain } from "../../shared/sui/audit/reader.ts";
import type { ClaimDraft } from "../../shared/sui/audit/transactions.ts";
import type { ChainReader } from "../../shared/sui/walrus/chain-reader.ts";
import type { ClaimsOnChain } from "../chain/audit-chain.ts";
import { confirmationDetail } from "../ledger/attempts.ts";
import {
  type ClaimRole,
  claimRecord,
  confirmedClaimsOf,
  countConfirmedAgainst,
  countPendingAgainst,
  dropRefutations,
  hasFiled,
  keepClaim,
  keepRefutation,
  nextDeadlineMs,
  openClaimsAfter,
  setClaimState,
} from "../ledger/claim-records.ts";
import type { RoundDraw } from "../ledger/draws.ts";
import { readMeta, writeMeta } from "../ledger/meta.ts";
import type { NodeRecords } from "../ledger/node-records.ts";
import type { Round, Rounds } from "../ledger/rounds.ts";
import { failedDraws, hasSeenFailure } from "../ledger/verdicts.ts";
import { isExcluded } from "../population/object-tables.ts";
import { listName, type PopulationLists } from "../population/population-tables.ts";
import type { PoliteAskerParts } from "../round/polite-asker.ts";
import { fetchRefutation } from "./refute-claim.ts";

export interface ClaimParts extends PoliteAskerParts {
  readonly sql: Sql;
  readonly rounds: Rounds;
  readonly nodes: NodeRecords;
  readonly lists: PopulationLists;
  readonly chain: ChainReader;
  readonly parameters: AuditParameters;
  readonly log: Log;
}

/** Pages of filed claims looked through at once; the next call goes on. */
const MAX_PAGES = 10;
/** Of the own confirmed claims of an epoch, the newest are looked at for their binding. */
const MAX_BOUND_AT_ONCE = 16;
/** Claims looked at in one call; the next call goes on with the others. */
const MAX_CLAIMS_AT_ONCE = 32;
/** @returns when a claim has to be looked at again; undefined when none is open */
export async function tendClaims(parts: ClaimParts, claims: ClaimsOnChain): Promise<number | undefined> {
  const { sql } = parts;
  const { clock } = parts.transport;
  const seenAll = await discover(sql, claims);
  const round = parts.rounds.list(Number.MAX_SAFE_INTEGER, 1)[0];
  // Without knowing every claim it could file one twice, or one too many against a node.
  if (seenAll && round?.state === "done" && (await fileAll(parts, claims, round)))
    await discover(sql, claims);
  await bindConfirmed(sql, claims, round?.epoch ?? null);
  const ids = openClaimsAfter(sql, readMeta(sql, "claims_turn") ?? "", clock.nowMs(), MAX_CLAIMS_AT_ONCE);
  for (const claim of await claims.read(ids)) {
    if (claim.state === "pending") await answer(parts, claims, claim);
    writeMeta(sql, "claims_turn", claim.ref.objectId);
  }
  noteStates(sql, ids, await claims.read(ids));
  const isRoundOver = ids.length < MAX_CLAIMS_AT_ONCE;
  writeMeta(sql, "claims_turn", isRoundOver ? "" : (ids.at(-1) ?? ""));
  if (!seenAll || !isRoundOver) return clock.nowMs() + 1;
  const deadlineMs = nextDeadlineMs(sql);
  return deadlineMs === undefined ? undefined : Math.max(deadlineMs + 1, clock.nowMs() + 1);
}

/** Brings what was filed since the last time into the ledger. @returns false when there is more */
async function discover(sql: Sql, claims: ClaimsOnChain): Promise<boolean> {
  for (let page = 0; page < MAX_PAGES; page++) {
    const text = readMeta(sql, "claims_cursor");
    const { ids, cursor, hasMore } = await claims.filed(text === undefined ? undefined : fromBase64(text));
    const found = await claims.read(ids);
    sql.transaction(() => {
      for (const claim of found)
        keepClaim(sql, claim, claim.accuser === claims.auditor ? "accuser" : roleOf(sql, claim));
      if (cursor !== undefined) writeMeta(sql, "claims_cursor", toBase64(cursor));
    });
    if (!hasMore) return true;
  }
  return false;
}

/** Binds own claims whose binding was lost on the way, or that another account finalized first. */
async function bindConfirmed(sql: Sql, claims: ClaimsOnChain, epoch: number | null): Promise<void> {
  const ids = confirmedClaimsOf(sql, claims.auditor, epoch, MAX_BOUND_AT_ONCE);
  if (ids.length === 0) return;
  for (const claim of await claims.read(ids)) if (isBindable(claim)) await claims.bind(claim);
}

/** Files what the newest round showed. @returns whether anything was filed */
async function fileAll(parts: ClaimParts, claims: ClaimsOnChain, round: Round): Promise<boolean> {
  const { sql, parameters, log } = parts;
  if (round.tx === null || round.epoch === null) return false;
  const before = new Map(parts.nodes.ofRound(round.no).map((record) => [record.node, record.before]));
  const test = possessionTest(parameters);
  let isAnyFiled = false;
  for (const { draw, outcome } of failedDraws(sql, round.no)) {
    if (hasFiled(sql, claims.auditor, round.no, draw)) continue;
    const record = before.get(draw.node);
    const confirmed = countConfirmedAgainst(sql, draw.node, round.epoch);
    const obstacle = claimObstacle(
      {
        challenge: draw,
        verdict: { outcome, excuse: null },
        nodeState: record === undefined ? "unaudited" : nodeState(record, test, confirmed),
        openClaimsOfNode: countPendingAgainst(sql, draw.node),
        epoch: round.epoch,
      },
      parameters,
    );
    if (obstacle !== undefined) continue;
    const isFiled = await claims.file(draftOf(parts, round, draw));
    log(isFiled ? "claim-filed" : "claim-not-taken", { round: round.no, node: draw.node, shard: draw.shard });
    // One claim a node and round: what the next ones would add, the next round shows too.
    before.delete(draw.node);
    isAnyFiled ||= isFiled;
  }
  return isAnyFiled;
}

function draftOf(parts: ClaimParts, round: Round, draw: RoundDraw): ClaimDraft {
  const population = parts.lists.index(listName("permanent", round.epoch ?? 0));
  // "message signature" in hex, as the question wrote it.
  const signed = confirmationDetail(parts.sql, round.no, draw)?.split(" ").map(fromHex);
  return {
    round: round.no,
    draw: { mode: draw.mode, shard: draw.shard, t: draw.t },
    node: draw.node,
    index: draw.leaf,
    entry: serializeEntry(population.leafAt(draw.leaf)),
    path: population.path(draw.leaf),
    confirmation: signed === undefined ? undefined : concatBytes(...signed),
  };
}

/** One open claim: finalize it, stand behind it, or answer it. */
async function answer(parts: ClaimParts, claims: ClaimsOnChain, claim: ClaimOnChain): Promise<void> {
  const { sql, log } = parts;
  const nowMs = parts.transport.clock.nowMs();
  const isOwn = claim.accuser === claims.auditor;
  let role: ClaimRole = isOwn ? "accuser" : roleOf(sql, claim);
  // Before it is confirmed: the event of the confirmation says whether the gate had seen it.
  if (isBindable(claim) && (isOwn || nowMs > claim.deadlineMs)) await claims.bind(claim);
  if (nowMs > claim.deadlineMs) {
    await claims.finalize(claim);
  } else if (isOwn) {
    const isAlone = claim.attestors.every((attestor) => attestor === claims.auditor);
    if (isAlone && (await isOverturned(parts, claim))) await claims.withdraw(claim);
  } else if (!claim.attestors.includes(claims.auditor)) {
    if (hasSeenFailure(sql, claim)) {
      // No node has to hold a blob that was declared invalid: the accuser is to take its claim back.
      if (!isExcluded(sql, claim.blobId) && (await claims.attest(claim))) role = "attestor";
    } else {
      const refutation = await refutationFor(parts, claim, true);
      // Kept: when the transaction does not get through, others find the arguments at the routes.
      if (refutation !== undefined) keepRefutation(sql, claim.ref.objectId, refutation);
      if (refutation !== undefined && (await claims.refute(claim, refutation))) role = "refuter";
    }
    log("claim-answered", { claim: claim.ref.objectId, node: claim.node, role });
  }
  keepClaim(sql, claim, role);
}

const roleOf = (sql: Sql, claim: ClaimOnChain): ClaimRole =>
  claimRecord(sql, claim.ref.objectId)?.role ?? "watcher";

const isBindable = ({ isBound, attestors, quorum }: ClaimOnChain): boolean =>
  !isBound && attestors.length >= quorum;

/** The blob is invalid by now, so no node has to hold it; or the node itself shows the symbol after all. */
const isOverturned = async (parts: ClaimParts, claim: ClaimOnChain): Promise<boolean> =>
  isExcluded(parts.sql, claim.blobId) || (await refutationFor(parts, claim, false)) !== undefined;

async function refutationFor(parts: ClaimParts, claim: ClaimOnChain, mayRebuild: boolean) {
  const { committee } = await parts.chain.snapshot();
  return fetchRefutation(parts, committee, challengeOfClaim(claim), mayRebuild);
}

/**
 * Claims seen once stay in the ledger with the state they ended in; what is gone from the chain was refuted or
 * withdrawn.
 */
function noteStates(sql: Sql, ids: readonly ObjectId[], onChain: readonly ClaimOnChain[]): void {
  for (const id of ids) {
    const found = onChain.find(({ ref }) => ref.objectId === id);
    setClaimState(sql, id, found?.state ?? "gone");
  }
  dropRefutations(sql);
}

/** The contract derived these fields from the seed, so they are those of a draw. */
const challengeOfClaim = (claim: ClaimOnChain): RoundDraw => ({
  mode: claim.mode as DrawMode,
  shard: claim.shard as ShardIndex,
  t: claim.t,
  offset: 0n,
  axis: claim.axis,
  symbol: claim.symbol as SliverIndex,
  blobId: claim.blobId,
  unencodedLength: claim.unencodedLength,
  endEpoch: claim.endEpoch,
  leaf: 0,
  pair: claim.pair as SliverPairIndex,
  isVacuous: false,
  node: claim.node,
  place: 0,
  populationSize: 0n,
  isFinal: false,
  isOwner: true,
  hasMetadata: true,
  hasMoved: false,
  attempts: [],
  requests: 0,
});
