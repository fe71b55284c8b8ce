/**
 * Module `audit` of `floe_audit`, second half: claims, from filing to their end.
 *
 * A claim is shared, and taken by value where it ends; every bond leaves exactly once, to refuter or accuser.
 */
import { equalBytes } from "../../../../shared/base/bytes.ts";
import { assert } from "../../../../shared/base/errors.ts";
import type { ObjectId } from "../../../../shared/protocol/ids.ts";
import { auditType, ClaimLayout } from "../../../../shared/sui/audit/layouts.ts";
import { CoinLayout } from "../../../../shared/sui/walrus/layouts.ts";
import { coinType, SUI_TYPE } from "../../move/types.ts";
import type { NativeCall, NativeTable } from "../../vm/native-call.ts";
import {
  addEntry,
  type Claim,
  check,
  clockMs,
  emitAudit,
  entryOf,
  OPEN_CLAIMS,
  type Params,
  type Population,
  REPORTS,
  type Registry,
  ROUNDS,
  removeEntry,
} from "./audit-call.ts";
import {
  checkSelected,
  drawOf,
  isVacuous,
  leafHash,
  merkleRoot,
  pairOfShard,
  parsePopEntry,
  verifySymbol,
} from "./audit-proof.ts";
import {
  auditorInfo,
  checkAuditor,
  isActive,
  isPast,
  populationOf,
  registryAt,
  witnessName,
} from "./audit-registry.ts";

const PENDING = 0;
const CONFIRMED = 2;
const LAPSED = 3;
const RS2 = 1;
const CONFIRMATION_BYTES = 136;

type Coin = ReturnType<typeof CoinLayout.parse>;
interface SymbolBuf {
  bytes: Uint8Array;
}
/** Buffers only live inside a transaction and are never read from bytes. */
const SymbolBufShape = { parse: (bytes: Uint8Array): SymbolBuf => ({ bytes }) };
/** What the signature calls vector<vector<u8>>. */
const PathShape = { parse: (_: Uint8Array): Uint8Array[] => [] };

const claimAt = (call: NativeCall, index: number): Claim => call.struct(index, ClaimLayout);

function checkOwn(call: NativeCall, registry: Registry, claim: Claim): void {
  check(call, claim.registry === registry.id, "registry", "assert_own");
}

/** Ends the object and hands out its bond as a coin. */
function takeBond(call: NativeCall, claim: Claim): Coin {
  call.session.deleteId(claim.id);
  return { id: call.session.newId(), balance: claim.bond };
}

interface DrawKey {
  readonly mode: number;
  readonly shard: number;
  readonly t: number;
}

function takeDraw(
  call: NativeCall,
  registry: Registry,
  no: bigint,
  { mode, shard, t }: DrawKey,
): { seed: Uint8Array; params: Params; epoch: number } {
  const where = "take_draw";
  const round = entryOf(call, registry.rounds, ROUNDS, no);
  check(call, round !== undefined, "noRound", where);
  const report = entryOf(call, round.reports, REPORTS, call.session.sender);
  check(call, report !== undefined, "noReport", where);
  const { params, seed } = round;
  check(call, mode < 2 && shard < params.n_shards && t < params.draws_per_shard, "selection", where);
  const key = (BigInt(mode) << 48n) | (BigInt(shard) << 32n) | BigInt(t);
  check(call, !report.claimed.includes(key), "duplicate", where);
  report.claimed.push(key);
  return { seed, params, epoch: report.epoch };
}

function checkPopulation(
  call: NativeCall,
  registry: Registry,
  no: bigint,
  epoch: number,
  auditor: ObjectId,
): Population {
  const where = "assert_population";
  const population = populationOf(call, registry, epoch, auditor);
  check(call, population !== undefined, "population", where);
  const round = entryOf(call, registry.rounds, ROUNDS, no);
  // Indexing a table without the entry.
  if (round === undefined) call.abortFramework("dynamic_field", 1, "borrow_child_object");
  check(call, population.declared_ms < round.opened_ms, "population", where);
  return population;
}

function countClaim(
  call: NativeCall,
  registry: Registry,
  no: bigint,
  epoch: number,
  params: Params,
): Population {
  const accuser = call.session.sender;
  const population = checkPopulation(call, registry, no, epoch, accuser);
  check(call, population.claims < params.max_per_auditor_epoch, "tooMany", "count_claim");
  population.claims++;
  const info = auditorInfo(registry, accuser);
  if (info !== undefined) info.claims_filed++;
  return population;
}

function countOpen(call: NativeCall, registry: Registry, node: ObjectId, params: Params): void {
  const open = entryOf(call, registry.open_claims, OPEN_CLAIMS, node);
  if (open !== undefined) removeEntry(call, registry.open_claims, OPEN_CLAIMS, node);
  check(call, (open ?? 0n) < BigInt(params.max_open_per_node), "tooMany", "count_open");
  addEntry(call, registry.open_claims, OPEN_CLAIMS, node, (open ?? 0n) + 1n);
}

function countClosed(call: NativeCall, registry: Registry, node: ObjectId): void {
  if (entryOf(call, registry.open_claims, OPEN_CLAIMS, node) === undefined) {
    call.abortFramework("dynamic_field", 1, "remove_child_object");
  }
  const open = removeEntry(call, registry.open_claims, OPEN_CLAIMS, node);
  if (open > 1n) addEntry(call, registry.open_claims, OPEN_CLAIMS, node, open - 1n);
}

function fileClaim(call: NativeCall): readonly unknown[] {
  const { session } = call;
  const [registry, no] = [registryAt(call, 0), call.big(1)];
  const key: DrawKey = { mode: call.int(2), shard: call.int(3), t: call.int(4) };
  const [node, index, entryBytes, path] = [call.id(5), call.big(6), call.bytes(7), call.struct(8, PathShape)];
  const confirmation = call.optionalBytes(9);
  const bond = call.struct(10, CoinLayout);
  const accuser = session.sender;
  check(call, !registry.paused, "paused");
  checkAuditor(call, registry, accuser);
  check(call, confirmation === null || confirmation.length === CONFIRMATION_BYTES, "argument");
  const { seed, params, epoch } = takeDraw(call, registry, no, key);
  const population = countClaim(call, registry, no, epoch, params);
  countOpen(call, registry, node, params);
  check(call, bond.balance === params.bond, "bond");
  const filedMs = clockMs(call, 11);
  const deadlineMs = call.u64(filedMs + params.window_ms);
  const lastRound = call.u64(no + params.retention_rounds);
  check(call, deadlineMs / params.period_ms < lastRound, "tooLate");

  const root = merkleRoot(call, leafHash(entryBytes), index, population.size, path);
  check(call, equalBytes(root, population.root), "population");
  const entry = parsePopEntry(call, entryBytes);
  const nShards = params.n_shards;
  const size = key.mode === 0 ? population.size : population.total;
  const draw = drawOf(call, seed, key, size, nShards);
  checkSelected(call, draw, key.mode, { index, entry }, population, nShards);
  check(call, entry.encoding === RS2, "selection");
  check(call, entry.end_epoch >= epoch + 2, "expiring");
  const pair = pairOfShard(call, key.shard, entry.blob_id, nShards);
  check(call, !isVacuous(call, nShards, pair, draw.axis, entry.unencoded_length), "vacuous");

  const claim: Claim = {
    id: session.newId(),
    registry: registry.id,
    round: no,
    ...key,
    entry,
    pair,
    axis: draw.axis,
    symbol: draw.symbol,
    node,
    epoch,
    accuser,
    filed_ms: filedMs,
    deadline_ms: deadlineMs,
    bond: bond.balance,
    attestors: [accuser],
    pop_size: population.size,
    pop_root: population.root,
    confirmation,
    n_shards: nShards,
    quorum: params.quorum,
    bound: false,
    state: PENDING,
  };
  session.deleteId(bond.id);
  emitAudit(call, "ClaimFiled", {
    claim: claim.id,
    registry: registry.id,
    no,
    ...key,
    node,
    blob_id: entry.blob_id,
    pair,
    axis: draw.axis,
    symbol: draw.symbol,
    deadline_ms: deadlineMs,
    accuser,
  });
  const type = auditType(call.auditPackageId, "Claim");
  session.place(type, claim, { kind: "shared", initialSharedVersion: 0n });
  return [];
}

function attest(call: NativeCall): readonly unknown[] {
  const [registry, claim] = [registryAt(call, 0), claimAt(call, 1)];
  checkOwn(call, registry, claim);
  const auditor = call.session.sender;
  checkAuditor(call, registry, auditor);
  check(call, claim.state === PENDING, "state");
  check(call, clockMs(call, 2) <= claim.deadline_ms, "window");
  check(call, !claim.attestors.includes(auditor), "duplicate");
  const round = entryOf(call, registry.rounds, ROUNDS, claim.round);
  if (round === undefined) call.abortFramework("dynamic_field", 1, "borrow_child_object");
  const report = entryOf(call, round.reports, REPORTS, auditor);
  check(call, report !== undefined && report.epoch === claim.epoch, "noReport");
  const population = checkPopulation(call, registry, claim.round, claim.epoch, auditor);
  const isSame = equalBytes(population.root, claim.pop_root) && population.size === claim.pop_size;
  check(call, isSame, "population");
  claim.attestors.push(auditor);
  emitAudit(call, "ClaimAttested", { claim: claim.id, auditor, count: BigInt(claim.attestors.length) });
  return [];
}

/** `bind` for a witness of this type; the gate calls it for its own. */
export function bindClaim(
  call: NativeCall,
  registry: Registry,
  claim: Claim,
  witness: string,
): readonly unknown[] {
  checkOwn(call, registry, claim);
  check(call, registry.gate === witness, "gate", "bind");
  claim.bound = true;
  const { id, node, shard, epoch } = claim;
  emitAudit(call, "ClaimBound", { claim: id, node, shard, epoch });
  return [];
}

function refute(call: NativeCall): readonly unknown[] {
  const [registry, claim] = [registryAt(call, 0), claimAt(call, 1)];
  checkOwn(call, registry, claim);
  check(call, claim.state === PENDING, "state");
  const nowMs = clockMs(call, 6);
  check(call, nowMs <= claim.deadline_ms, "window");
  const place = {
    blobId: claim.entry.blob_id,
    nShards: claim.n_shards,
    encoding: claim.entry.encoding,
    unencodedLength: claim.entry.unencoded_length,
    pair: claim.pair,
    axis: claim.axis,
    symbolIndex: claim.symbol,
  };
  const proof = {
    symbol: call.bytes(2),
    sliverPath: call.struct(3, PathShape),
    otherRoot: call.bytes(4),
    pairPath: call.struct(5, PathShape),
  };
  check(call, verifySymbol(call, place, proof), "proof");
  const info = auditorInfo(registry, claim.accuser);
  if (info === undefined) call.abortFramework("vec_map", 1, "get_idx");
  info.claims_refuted++;
  emitAudit(call, "ClaimRefuted", {
    claim: claim.id,
    node: claim.node,
    by: call.session.sender,
    latency_ms: call.u64(nowMs - claim.filed_ms),
  });
  countClosed(call, registry, claim.node);
  return [takeBond(call, claim)];
}

function withdraw(call: NativeCall): readonly unknown[] {
  const [registry, claim] = [registryAt(call, 0), claimAt(call, 1)];
  checkOwn(call, registry, claim);
  check(call, call.session.sender === claim.accuser, "notAuditor");
  check(call, claim.state === PENDING && claim.attestors.length === 1, "state");
  emitAudit(call, "ClaimWithdrawn", { claim: claim.id });
  countClosed(call, registry, claim.node);
  return [takeBond(call, claim)];
}

function finalize(call: NativeCall): readonly unknown[] {
  const [registry, claim] = [registryAt(call, 0), claimAt(call, 1)];
  checkOwn(call, registry, claim);
  check(call, claim.state === PENDING, "state");
  check(call, clockMs(call, 2) > claim.deadline_ms, "window");
  const attestors = claim.attestors.filter((attestor) => isActive(registry, attestor));
  if (attestors.length >= claim.quorum) {
    claim.state = CONFIRMED;
    const { node, epoch, round: no, mode, shard, t, pair, axis, symbol, bound, confirmation } = claim;
    emitAudit(call, "ClaimConfirmed", {
      claim: claim.id,
      registry: registry.id,
      node,
      epoch,
      no,
      mode,
      shard,
      t,
      blob_id: claim.entry.blob_id,
      pair,
      axis,
      symbol,
      bound,
      attestors,
      confirmation,
    });
  } else {
    claim.state = LAPSED;
    emitAudit(call, "ClaimLapsed", { claim: claim.id });
  }
  countClosed(call, registry, claim.node);
  const coin = { id: call.session.newId(), balance: claim.bond };
  claim.bond = 0n;
  call.session.place(coinType(SUI_TYPE), coin, { kind: "address", address: claim.accuser });
  return [];
}

function recordEscalation(call: NativeCall): readonly unknown[] {
  const claim = claimAt(call, 0);
  check(call, claim.state === CONFIRMED, "state");
  const { id, node } = claim;
  emitAudit(call, "Escalated", { claim: id, node, voter_node: call.id(1), by: call.session.sender });
  return [];
}

function purgeClaim(call: NativeCall): readonly unknown[] {
  const [registry, claim] = [registryAt(call, 0), claimAt(call, 1)];
  checkOwn(call, registry, claim);
  check(call, claim.state !== PENDING, "state");
  check(call, isPast(registry, claim.round, registry.params, clockMs(call, 2)), "tooEarly");
  assert(claim.bond === 0n, "a claim that has ended holds no bond");
  call.session.deleteId(claim.id);
  return [];
}

const reader =
  (read: (claim: Claim) => unknown) =>
  (call: NativeCall): readonly unknown[] => [read(claimAt(call, 0))];

export const AUDIT_CLAIM_NATIVES: NativeTable = {
  "audit::file_claim(&mut Registry, u64, u8, u16, u32, ID, u64, vector<u8>, vector<vector<u8>>, Option<vector<u8>>, Coin<SUI>, &Clock, &mut TxContext)":
    fileClaim,
  "audit::attest(&Registry, &mut Claim, &Clock, &mut TxContext)": attest,
  "audit::bind<Witness>(&Registry, &mut Claim, Witness)": (call) =>
    bindClaim(call, registryAt(call, 0), claimAt(call, 1), witnessName(call)),
  "audit::symbol_buf(vector<u8>): SymbolBuf": (call) => [{ bytes: call.bytes(0) } satisfies SymbolBuf],
  "audit::push(&mut SymbolBuf, vector<u8>)": (call) => {
    const [buffer, chunk] = [call.struct(0, SymbolBufShape), call.bytes(1)];
    const joined = new Uint8Array(buffer.bytes.length + chunk.length);
    joined.set(buffer.bytes);
    joined.set(chunk, buffer.bytes.length);
    buffer.bytes = joined;
    return [];
  },
  "audit::into_symbol(SymbolBuf): vector<u8>": (call) => [call.struct(0, SymbolBufShape).bytes],
  "audit::refute(&mut Registry, Claim, vector<u8>, vector<vector<u8>>, vector<u8>, vector<vector<u8>>, &Clock, &mut TxContext): Coin<SUI>":
    refute,
  "audit::withdraw(&mut Registry, Claim, &mut TxContext): Coin<SUI>": withdraw,
  "audit::finalize(&mut Registry, &mut Claim, &Clock, &mut TxContext)": finalize,
  "audit::record_escalation(&Claim, ID, &mut TxContext)": recordEscalation,
  "audit::purge_claim(&Registry, Claim, &Clock)": purgeClaim,
  "audit::registry(&Claim): ID": reader((claim) => claim.registry),
  "audit::state(&Claim): u8": reader((claim) => claim.state),
  "audit::round(&Claim): u64": reader((claim) => claim.round),
  "audit::node(&Claim): ID": reader((claim) => claim.node),
  "audit::shard(&Claim): u16": reader((claim) => claim.shard),
  "audit::epoch(&Claim): u32": reader((claim) => claim.epoch),
  "audit::pair(&Claim): u16": reader((claim) => claim.pair),
  "audit::axis(&Claim): u8": reader((claim) => claim.axis),
  "audit::symbol(&Claim): u16": reader((claim) => claim.symbol),
  "audit::is_bound(&Claim): bool": reader((claim) => claim.bound),
  "audit::bond_value(&Claim): u64": reader((claim) => claim.bond),
  "audit::attestor_count(&Claim): u64": reader((claim) => BigInt(claim.attestors.length)),
};
