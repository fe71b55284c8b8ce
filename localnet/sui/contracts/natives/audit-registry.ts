/**
 * Module `audit` of `floe_audit`, first half: the panel, its parameters, rounds, populations and reports.
 *
 * Checks run in the contract's order, each with its code. Whatever a failed transaction changed here is thrown away
 * with its session, so changes may precede checks as they do in Move.
 */
import type { ObjectId } from "../../../../shared/protocol/ids.ts";
import { auditType, RegistryLayout } from "../../../../shared/sui/audit/layouts.ts";
import { ExecutionFailure } from "../../move/execution-error.ts";
import { typeNameText } from "../../move/types.ts";
import type { NativeCall, NativeTable } from "../../vm/native-call.ts";
import {
  ABORT,
  abortIn,
  addEntry,
  check,
  clockMs,
  destroyTable,
  emitAudit,
  entryOf,
  newTable,
  OPEN_CLAIMS,
  type Params,
  POPULATION,
  POPULATIONS,
  REPORTS,
  type Registry,
  ROUNDS,
  removeEntry,
} from "./audit-call.ts";
import { randomBytesOf } from "./random.ts";

const AUDIT_VERSION = 1n;

const MAX_AUDITORS = 64;
const MAX_NAME_BYTES = 64;
const MAX_URL_BYTES = 256;
const ROW_BYTES = 52;
const MAX_ROWS = 128;
const TOTALS = 8;
const DIGEST_BYTES = 32;
const MIN_SHARDS = 4;
const MAX_U64 = (1n << 64n) - 1n;

/** Values of the parameters' type only live inside a transaction; those at rest are parts of other objects. */
const ParamsShape = { parse: (bytes: Uint8Array): Params => RegistryLayout.parse(bytes).params };

export const registryAt = (call: NativeCall, index: number): Registry => call.struct(index, RegistryLayout);
const byteLength = (text: string): number => new TextEncoder().encode(text).length;

export function auditorInfo(registry: Registry, auditor: string) {
  return registry.auditors.find((entry) => entry.key === auditor)?.value;
}

export const isActive = (registry: Registry, auditor: string): boolean =>
  auditorInfo(registry, auditor)?.active === true;

export function checkAuditor(call: NativeCall, registry: Registry, auditor: ObjectId): void {
  check(call, registry.version === AUDIT_VERSION, "version", "assert_auditor");
  check(call, isActive(registry, auditor), "notAuditor", "assert_auditor");
}

/** Whether a slot of the registry's present period lies more than the retention behind. */
export function isPast(registry: Registry, no: bigint, params: Params, nowMs: bigint): boolean {
  const slot = nowMs / registry.params.period_ms;
  return slot > no && slot - no > params.retention_rounds;
}

function newParams(call: NativeCall): Params {
  const params: Params = {
    quorum: call.int(0),
    n_shards: call.int(1),
    period_ms: call.big(2),
    window_ms: call.big(3),
    bond: call.big(4),
    max_open_per_node: call.int(5),
    max_per_auditor_epoch: call.int(6),
    draws_per_shard: call.int(7),
    retention_rounds: call.big(8),
  };
  const { quorum, n_shards, period_ms, window_ms, retention_rounds } = params;
  check(call, quorum > 0 && n_shards >= MIN_SHARDS && period_ms > 0n && window_ms > 0n, "argument");
  check(call, retention_rounds > call.u64(window_ms / period_ms + 1n), "argument");
  return params;
}

/** An empty registry. */
function createRegistry(call: NativeCall, params: Params): readonly unknown[] {
  const { session } = call;
  const registry: Registry = {
    id: session.newId(),
    version: AUDIT_VERSION,
    paused: false,
    auditors: [],
    params,
    gate: null,
    populations: newTable(call),
    rounds: newTable(call),
    open_claims: newTable(call),
  };
  emitAudit(call, "RegistryCreated", { registry: registry.id, params });
  const type = auditType(call.auditPackageId, "Registry");
  session.place(type, registry, { kind: "shared", initialSharedVersion: 0n });
  return [];
}

function emitParams(call: NativeCall, registry: Registry): readonly unknown[] {
  const { params, paused, version, gate } = registry;
  emitAudit(call, "ParamsChanged", { registry: registry.id, params, paused, version, gate });
  return [];
}

function setParams(call: NativeCall): readonly unknown[] {
  const registry = registryAt(call, 0);
  const params = call.struct(2, ParamsShape);
  check(call, params.period_ms === registry.params.period_ms, "argument");
  registry.params = params;
  return emitParams(call, registry);
}

function setGate(call: NativeCall): readonly unknown[] {
  const registry = registryAt(call, 0);
  registry.gate = witnessName(call);
  return emitParams(call, registry);
}

/** The name of the type argument, which must be droppable. */
export function witnessName(call: NativeCall): string {
  const witness = call.typeArgument(0);
  if (!call.session.types.abilities(witness).drop) {
    throw new ExecutionFailure({ kind: "TypeArgumentError", argument: 0 });
  }
  return typeNameText(witness);
}

/** @param auditor as `add_auditor` takes it */
function addAuditor(
  call: NativeCall,
  registry: Registry,
  auditor: { address: ObjectId; name: string; url: string; sinceEpoch: number },
): readonly unknown[] {
  const { address, name, url, sinceEpoch } = auditor;
  const where = "add_auditor";
  const fits = byteLength(name) <= MAX_NAME_BYTES && byteLength(url) <= MAX_URL_BYTES;
  check(call, fits, "argument", where);
  const info = auditorInfo(registry, address);
  if (info !== undefined) {
    check(call, !info.active, "duplicate", where);
    info.name = name;
    info.url = url;
    info.active = true;
  } else {
    check(call, registry.auditors.length < MAX_AUDITORS, "tooMany", where);
    const value = { name, url, since_epoch: sinceEpoch, claims_filed: 0, claims_refuted: 0, active: true };
    registry.auditors.push({ key: address, value });
  }
  emitAudit(call, "AuditorChanged", { registry: registry.id, auditor: address, name, url, active: true });
  return [];
}

function deactivateAuditor(call: NativeCall): readonly unknown[] {
  const [registry, auditor] = [registryAt(call, 0), call.id(2)];
  const info = auditorInfo(registry, auditor);
  if (info?.active !== true) return abortIn(call, "audit", ABORT.notAuditor, "deactivate_auditor");
  info.active = false;
  const { name, url } = info;
  emitAudit(call, "AuditorChanged", { registry: registry.id, auditor, name, url, active: false });
  return [];
}

function openRound(call: NativeCall): readonly unknown[] {
  const [registry, no] = [registryAt(call, 0), call.big(1)];
  const where = "insert_round";
  const seed = randomBytesOf(call, 2, DIGEST_BYTES);
  check(call, registry.version === AUDIT_VERSION, "version", where);
  check(call, !registry.paused, "paused", where);
  check(call, entryOf(call, registry.rounds, ROUNDS, no) === undefined, "roundExists", where);
  const openedMs = clockMs(call, 3);
  const slot = openedMs / registry.params.period_ms;
  check(call, slot >= no, "tooEarly", where);
  check(call, slot === no, "tooLate", where);
  const params = { ...registry.params };
  addEntry(call, registry.rounds, ROUNDS, no, { seed, opened_ms: openedMs, params, reports: newTable(call) });
  emitAudit(call, "RoundOpened", { registry: registry.id, no, seed, opened_ms: openedMs });
  return [];
}

function declarePopulation(call: NativeCall): readonly unknown[] {
  const [registry, epoch, size, total, root] = [
    registryAt(call, 0),
    call.int(1),
    call.big(2),
    call.big(3),
    call.bytes(4),
  ];
  const auditor = call.session.sender;
  checkAuditor(call, registry, auditor);
  const fits = size > 0n && total > 0n && total <= MAX_U64 && root.length === DIGEST_BYTES;
  check(call, fits, "population");
  let declared = entryOf(call, registry.populations, POPULATIONS, epoch);
  if (declared === undefined) {
    declared = newTable(call);
    addEntry(call, registry.populations, POPULATIONS, epoch, declared);
  }
  check(call, entryOf(call, declared, POPULATION, auditor) === undefined, "duplicate");
  const population = { size, total, root, declared_ms: clockMs(call, 5), claims: 0, last_round: 0n };
  addEntry(call, declared, POPULATION, auditor, population);
  emitAudit(call, "PopulationDeclared", { registry: registry.id, epoch, auditor, size, total, root });
  return [];
}

/** The auditor's population of an epoch. */
export function populationOf(call: NativeCall, registry: Registry, epoch: number, auditor: ObjectId) {
  const declared = entryOf(call, registry.populations, POPULATIONS, epoch);
  return declared === undefined ? undefined : entryOf(call, declared, POPULATION, auditor);
}

function report(call: NativeCall): readonly unknown[] {
  const [registry, no, epoch] = [registryAt(call, 0), call.big(1), call.int(2)];
  const totals = call.struct(3, { parse: (_: Uint8Array): number[] => [] });
  const [evidenceRoot, nodesRoot, rows] = [call.bytes(4), call.bytes(5), call.bytes(6)];
  const auditor = call.session.sender;
  checkAuditor(call, registry, auditor);
  const round = entryOf(call, registry.rounds, ROUNDS, no);
  check(call, round !== undefined, "noRound");
  check(call, evidenceRoot.length === DIGEST_BYTES && nodesRoot.length === DIGEST_BYTES, "argument");
  check(call, rows.length % ROW_BYTES === 0 && rows.length <= MAX_ROWS * ROW_BYTES, "argument");
  check(call, totals.length === TOTALS, "argument");
  const outcomes = totals.slice(1, TOTALS - 1).reduce((sum, count) => sum + count, 0);
  check(call, totals[0] === outcomes, "argument");
  check(call, entryOf(call, round.reports, REPORTS, auditor) === undefined, "duplicate");
  const value = { epoch, totals, evidence_root: evidenceRoot, nodes_root: nodesRoot, claimed: [] };
  addEntry(call, round.reports, REPORTS, auditor, value);
  const population = populationOf(call, registry, epoch, auditor);
  if (population !== undefined && population.last_round < no) population.last_round = no;
  const roots = { evidence_root: evidenceRoot, nodes_root: nodesRoot };
  emitAudit(call, "RoundReported", { registry: registry.id, no, auditor, epoch, totals, ...roots, rows });
  return [];
}

function pruneRound(call: NativeCall): readonly unknown[] {
  const [registry, no] = [registryAt(call, 0), call.big(1)];
  const round = entryOf(call, registry.rounds, ROUNDS, no);
  check(call, round !== undefined, "noRound");
  check(call, isPast(registry, no, round.params, clockMs(call, 2)), "tooEarly");
  removeEntry(call, registry.rounds, ROUNDS, no);
  for (const { key } of registry.auditors) {
    if (entryOf(call, round.reports, REPORTS, key) !== undefined) {
      removeEntry(call, round.reports, REPORTS, key);
    }
  }
  destroyTable(call, round.reports);
  return [];
}

function prunePopulation(call: NativeCall): readonly unknown[] {
  const [registry, epoch] = [registryAt(call, 0), call.int(1)];
  const nowMs = clockMs(call, 2);
  const declared = entryOf(call, registry.populations, POPULATIONS, epoch);
  check(call, declared !== undefined, "population");
  removeEntry(call, registry.populations, POPULATIONS, epoch);
  for (const { key } of registry.auditors) {
    const population = entryOf(call, declared, POPULATION, key);
    if (population === undefined) continue;
    removeEntry(call, declared, POPULATION, key);
    const declaredIn = population.declared_ms / registry.params.period_ms;
    const last = population.last_round > declaredIn ? population.last_round : declaredIn;
    check(call, isPast(registry, last, registry.params, nowMs), "tooEarly");
  }
  destroyTable(call, declared);
  return [];
}

function seedOf(call: NativeCall): readonly unknown[] {
  const round = entryOf(call, registryAt(call, 0).rounds, ROUNDS, call.big(1));
  check(call, round !== undefined, "noRound");
  return [round.seed];
}

function recordOf(call: NativeCall): readonly unknown[] {
  const info = auditorInfo(registryAt(call, 0), call.id(1));
  if (info === undefined) call.abortFramework("vec_map", 1, "get_idx");
  return [info.claims_filed, info.claims_refuted];
}

export const AUDIT_REGISTRY_NATIVES: NativeTable = {
  "audit::new_params(u8, u16, u64, u64, u64, u8, u16, u32, u64): Params": (call) => [newParams(call)],
  "audit::create(&AdminCap, Params, &mut TxContext)": (call) =>
    createRegistry(call, call.struct(1, ParamsShape)),
  "audit::set_params(&mut Registry, &AdminCap, Params)": setParams,
  "audit::set_paused(&mut Registry, &AdminCap, bool)": (call) => {
    const registry = registryAt(call, 0);
    registry.paused = call.bool(2);
    return emitParams(call, registry);
  },
  "audit::set_gate<Witness>(&mut Registry, &AdminCap)": setGate,
  "audit::migrate(&mut Registry, &AdminCap)": (call) => {
    const registry = registryAt(call, 0);
    check(call, registry.version < AUDIT_VERSION, "version");
    registry.version = AUDIT_VERSION;
    return emitParams(call, registry);
  },
  "audit::add_auditor(&mut Registry, &AdminCap, address, String, String, u32)": (call) =>
    addAuditor(call, registryAt(call, 0), {
      address: call.id(2),
      name: call.text(3),
      url: call.text(4),
      sinceEpoch: call.int(5),
    }),
  "audit::deactivate_auditor(&mut Registry, &AdminCap, address)": deactivateAuditor,
  "entry audit::open_round(&mut Registry, u64, &Random, &Clock, &mut TxContext)": openRound,
  "audit::declare_population(&mut Registry, u32, u64, u128, vector<u8>, &Clock, &mut TxContext)":
    declarePopulation,
  "audit::report(&mut Registry, u64, u32, vector<u32>, vector<u8>, vector<u8>, vector<u8>, &mut TxContext)":
    report,
  "audit::prune_round(&mut Registry, u64, &Clock)": pruneRound,
  "audit::prune_population(&mut Registry, u32, &Clock)": prunePopulation,
  "audit::is_active(&Registry, address): bool": (call) => [isActive(registryAt(call, 0), call.id(1))],
  "audit::params(&Registry): Params": (call) => [{ ...registryAt(call, 0).params }],
  "audit::is_paused(&Registry): bool": (call) => [registryAt(call, 0).paused],
  "audit::has_round(&Registry, u64): bool": (call) => [
    entryOf(call, registryAt(call, 0).rounds, ROUNDS, call.big(1)) !== undefined,
  ],
  "audit::seed(&Registry, u64): vector<u8>": seedOf,
  "audit::has_population(&Registry, u32, address): bool": (call) => [
    populationOf(call, registryAt(call, 0), call.int(1), call.id(2)) !== undefined,
  ],
  "audit::record(&Registry, address): (u32, u32)": recordOf,
  "audit::open_claims(&Registry, ID): u64": (call) => [
    entryOf(call, registryAt(call, 0).open_claims, OPEN_CLAIMS, call.id(1)) ?? 0n,
  ],
};
