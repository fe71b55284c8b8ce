/**
 * Claims on chain: filing what the ledger can stand behind, standing behind what others filed, answering what is false.
 *
 * Filed is a fresh failure of a claimable draw, of a node that was suspect before the round. An auditor stands behind
 * another's claim when its own round came to the same failure of the same draw; any other claim it answers with the
 * symbol, whoever is accused: from the accused node, or, when that does not answer at all, rebuilt from the others. An
 * own claim that turns out wrong is taken back while nobody else stands behind it. Claims that a quorum stands behind
 * are bound to the committee while their epoch lasts; deadlines passed, claims are finalized.
 *
 * Every claim that was filed is followed to its end, a few at a time, in turn. Every step looks at the chain first and
 * may be repeated: the contract takes each of them once.
 */
import { claimObstacle } from "../../shared/audit/claim.ts";
import type { AuditParameters } from "../../shared/audit/parameters.ts";
import { serializeEntry } from "../../shared/audit/population.ts";
import type { Challenge, DrawMode } from "../../shared/audit/selection.ts";
import { nodeState, possessionTest } from "../../shared/audit/statistics.ts";
import type { VerdictOutcome } from "../../shared/audit/verdict.ts";
import { concatBytes, fromBase64, fromHex, toBase64 } from "../../shared/base/bytes.ts";
import type { Log } from "../../shared/base/log.ts";
import type { Sql, SqlRow } from "../../shared/base/sql.ts";
import {
  blobIdToBytes,
  type ObjectId,
  type ShardIndex,
  type SliverIndex,
  type SliverPairIndex,
} from "../../shared/protocol/ids.ts";
import type { ClaimOnChain } from "../../shared/sui/audit/reader.ts";
import type { ChainReader } from "../../shared/sui/walrus/chain-reader.ts";
import type { ClaimsOnChain } from "../chain/audit-chain.ts";
import { readMeta, textOrNull, writeMeta } from "../ledger/ledger-sql.ts";
import type { NodeRecords } from "../ledger/node-records.ts";
import type { Round, RoundDraw, Rounds } from "../ledger/rounds.ts";
import { listName, type PopulationLists } from "../population/population-tables.ts";
import type { PoliteAskerParts } from "../round/polite-asker.ts";
import { dropRefutations, keepRefutation } from "./refutation-view.ts";
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

type Role = "accuser" | "attestor" | "refuter" | "watcher";

/** Pages of filed claims looked through at once; the next call goes on. */
const MAX_PAGES = 10;
/** Of the own confirmed claims of an epoch, the newest are looked at for their binding. */
const MAX_BOUND_AT_ONCE = 16;
/** Claims looked at in one call; the next call goes on with the others. */
const MAX_CLAIMS_AT_ONCE = 32;
const CURSOR = "claims_cursor";
/** The claim looked at last; empty when all had their turn. */
const TURN = "claims_turn";

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
  const ids = nextInTurn(sql, clock.nowMs());
  for (const claim of await claims.read(ids)) {
    if (claim.state === "pending") await answer(parts, claims, claim);
    writeMeta(sql, TURN, claim.ref.objectId);
  }
  noteStates(sql, ids, await claims.read(ids));
  const isRoundOver = ids.length < MAX_CLAIMS_AT_ONCE;
  writeMeta(sql, TURN, isRoundOver ? "" : (ids.at(-1) ?? ""));
  if (!seenAll || !isRoundOver) return clock.nowMs() + 1;
  const pending = sql.exec("SELECT MIN(deadline_ms) AS ms FROM claim WHERE state = 'pending'")[0]?.["ms"];
  return typeof pending === "number" ? Math.max(pending + 1, clock.nowMs() + 1) : undefined;
}

/**
 * The next claims to look at, of those whose end the ledger has not seen. An endpoint that lags may not know a claim
 * yet, so that one that seems gone is looked at again until its deadline.
 */
const nextInTurn = (sql: Sql, nowMs: number): readonly ObjectId[] =>
  sql
    .exec(
      `SELECT id FROM claim WHERE id > ? AND (state = 'pending' OR (state = 'gone' AND deadline_ms >= ?))
       ORDER BY id LIMIT ?`,
      readMeta(sql, TURN) ?? "",
      nowMs,
      MAX_CLAIMS_AT_ONCE,
    )
    // Written by the ledger, which has them from the chain.
    .map((row) => String(row["id"]) as ObjectId);

/** Brings what was filed since the last time into the ledger. @returns false when there is more */
async function discover(sql: Sql, claims: ClaimsOnChain): Promise<boolean> {
  for (let page = 0; page < MAX_PAGES; page++) {
    const text = readMeta(sql, CURSOR);
    const { ids, cursor, hasMore } = await claims.filed(text === undefined ? undefined : fromBase64(text));
    const found = await claims.read(ids);
    sql.transaction(() => {
      for (const claim of found)
        keepClaim(sql, claim, claim.accuser === claims.auditor ? "accuser" : roleOf(sql, claim));
      if (cursor !== undefined) writeMeta(sql, CURSOR, toBase64(cursor));
    });
    if (!hasMore) return true;
  }
  return false;
}

/** Binds own claims whose binding was lost on the way, or that somebody else finalized first. */
async function bindConfirmed(sql: Sql, claims: ClaimsOnChain, epoch: number | null): Promise<void> {
  const rows = sql.exec(
    "SELECT id FROM claim WHERE state = 'confirmed' AND accuser = ? AND epoch = ? ORDER BY round DESC LIMIT ?",
    claims.auditor,
    epoch,
    MAX_BOUND_AT_ONCE,
  );
  if (rows.length === 0) return;
  for (const claim of await claims.read(rows.map((row) => String(row["id"]) as ObjectId)))
    if (isBindable(claim)) await claims.bind(claim);
}

/** Files what the newest round showed. @returns whether anything was filed */
async function fileAll(parts: ClaimParts, claims: ClaimsOnChain, round: Round): Promise<boolean> {
  const { sql, parameters, log } = parts;
  if (round.tx === null || round.epoch === null) return false;
  const before = new Map(parts.nodes.ofRound(round.no).map((record) => [record.node, record.before]));
  const test = possessionTest(parameters);
  let isAnyFiled = false;
  for (const row of sql.exec(
    `SELECT verdict.outcome, draw.* FROM verdict JOIN draw USING (round, mode, shard, t)
     WHERE round = ? AND outcome IN ('missing', 'invalid') ORDER BY mode, shard, t`,
    round.no,
  )) {
    const draw = drawOf(row);
    if (hasFiled(sql, claims.auditor, round.no, draw)) continue;
    const record = before.get(draw.node);
    const confirmed = parts.nodes.confirmedClaims(draw.node, round.epoch);
    const obstacle = claimObstacle(
      {
        challenge: draw,
        // Read from the ledger, which has it from a judgement.
        verdict: { outcome: String(row["outcome"]) as VerdictOutcome, excuse: null },
        nodeState: record === undefined ? "unaudited" : nodeState(record, test, confirmed),
        openClaimsOfNode: openClaimsOf(sql, draw.node),
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

function draftOf(parts: ClaimParts, round: Round, draw: Challenge & { readonly node: ObjectId }) {
  const population = parts.lists.index(listName("permanent", round.epoch ?? 0));
  const [row] = parts.sql.exec(
    `SELECT detail FROM attempt WHERE round = ? AND mode = ? AND shard = ? AND t = ? AND kind = 'confirmation'
       AND outcome = 'pass' ORDER BY id DESC LIMIT 1`,
    round.no,
    draw.mode,
    draw.shard,
    draw.t,
  );
  // "message signature" in hex, as the question wrote it.
  const signed = textOrNull(row?.["detail"])?.split(" ").map(fromHex);
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

function hasFiled(
  sql: Sql,
  auditor: ObjectId,
  round: number,
  draw: { readonly mode: number; readonly shard: number; readonly t: number },
): boolean {
  const [row] = sql.exec(
    "SELECT 1 FROM claim WHERE accuser = ? AND round = ? AND mode = ? AND shard = ? AND t = ?",
    auditor,
    round,
    draw.mode,
    draw.shard,
    draw.t,
  );
  return row !== undefined;
}

/** As far as the ledger knows; the contract counts for itself. */
const openClaimsOf = (sql: Sql, node: ObjectId): number =>
  Number(
    sql.exec("SELECT COUNT(*) AS count FROM claim WHERE node = ? AND state = 'pending'", node)[0]?.["count"],
  );

/** One open claim: finalize it, stand behind it, or answer it. */
async function answer(parts: ClaimParts, claims: ClaimsOnChain, claim: ClaimOnChain): Promise<void> {
  const { sql, log } = parts;
  const nowMs = parts.transport.clock.nowMs();
  const isOwn = claim.accuser === claims.auditor;
  let role: Role = isOwn ? "accuser" : roleOf(sql, claim);
  // Before it is confirmed: the event of the confirmation says whether the gate had seen it.
  if (isBindable(claim) && (isOwn || nowMs > claim.deadlineMs)) await claims.bind(claim);
  if (nowMs > claim.deadlineMs) {
    await claims.finalize(claim);
  } else if (isOwn) {
    const isAlone = claim.attestors.every((attestor) => attestor === claims.auditor);
    if (isAlone && (await isOverturned(parts, claim))) await claims.withdraw(claim);
  } else if (!claim.attestors.includes(claims.auditor)) {
    if (hasSeenFailure(sql, claim)) {
      // Nobody has to hold a blob that was declared invalid: the accuser is to take its claim back.
      if (!isExcluded(sql, claim) && (await claims.attest(claim))) role = "attestor";
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

function roleOf(sql: Sql, claim: ClaimOnChain): Role {
  const [known] = sql.exec("SELECT role FROM claim WHERE id = ?", claim.ref.objectId);
  // Written by `keepClaim`.
  return known === undefined ? "watcher" : (String(known["role"]) as Role);
}

/** Its role is the last one that was written. */
function keepClaim(sql: Sql, claim: ClaimOnChain, role: Role): void {
  sql.exec(
    `INSERT INTO claim (id, round, mode, shard, t, node, epoch, accuser, deadline_ms, role, state)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'pending') ON CONFLICT (id) DO UPDATE SET role = excluded.role`,
    claim.ref.objectId,
    claim.round,
    claim.mode,
    claim.shard,
    claim.t,
    claim.node,
    claim.epoch,
    claim.accuser,
    claim.deadlineMs,
    role,
  );
}

const isBindable = ({ isBound, attestors, quorum }: ClaimOnChain): boolean =>
  !isBound && attestors.length >= quorum;

/** This auditor's own round came to the same failure, of the same symbol of the same node. */
function hasSeenFailure(sql: Sql, claim: ClaimOnChain): boolean {
  const [row] = sql.exec(
    `SELECT 1 FROM verdict JOIN draw USING (round, mode, shard, t)
     WHERE round = ? AND mode = ? AND shard = ? AND t = ? AND draw.node = ? AND blob_id = ? AND pair = ? AND axis = ?
       AND symbol = ? AND outcome IN ('missing', 'invalid')`,
    claim.round,
    claim.mode,
    claim.shard,
    claim.t,
    claim.node,
    claim.blobId,
    claim.pair,
    claim.axis,
    claim.symbol,
  );
  return row !== undefined;
}

/** The blob is invalid by now, so nobody has to hold it; or the node itself shows the symbol after all. */
const isOverturned = async (parts: ClaimParts, claim: ClaimOnChain): Promise<boolean> =>
  isExcluded(parts.sql, claim) || (await refutationFor(parts, claim, false)) !== undefined;

const isExcluded = (sql: Sql, { blobId }: ClaimOnChain): boolean =>
  sql.exec("SELECT 1 FROM excluded WHERE blob_id = ?", blobIdToBytes(blobId)).length > 0;

async function refutationFor(parts: ClaimParts, claim: ClaimOnChain, mayRebuild: boolean) {
  const { committee } = await parts.chain.snapshot();
  return fetchRefutation(parts, committee, challengeOfClaim(claim), mayRebuild);
}

/** Claims seen once stay in the ledger with the state they ended in; what is gone from the chain was refuted or withdrawn. */
function noteStates(sql: Sql, ids: readonly ObjectId[], onChain: readonly ClaimOnChain[]): void {
  for (const id of ids) {
    const found = onChain.find(({ ref }) => ref.objectId === id);
    sql.exec("UPDATE claim SET state = ? WHERE id = ?", found?.state ?? "gone", id);
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

const drawOf = (row: SqlRow): Challenge & { readonly node: ObjectId } => ({
  ...challengeOfClaim({
    mode: Number(row["mode"]),
    shard: Number(row["shard"]),
    t: Number(row["t"]),
    axis: String(row["axis"]),
    symbol: Number(row["symbol"]),
    blobId: String(row["blob_id"]),
    unencodedLength: Number(row["length"]),
    endEpoch: Number(row["end_epoch"]),
    pair: Number(row["pair"]),
    node: String(row["node"]),
    // The ledger's columns are of the types that the same fields have on chain.
  } as unknown as ClaimOnChain),
  leaf: Number(row["leaf"]),
  isVacuous: row["vacuous"] === 1,
});
