/**
 * BCS layouts of the objects of `floe_audit` (module `audit`), for clients and for the embedded network.
 *
 * Field names are the Move names. As in `layouts.ts`, wrappers that add no byte are left out: `Balance<SUI>` is its
 * u64, `VecSet<T>` its list, `TypeName` its text (address without 0x, then `::module::Name`).
 *
 * | object                | where it lies                                                                    |
 * |-----------------------|----------------------------------------------------------------------------------|
 * | Registry              | shared                                                                           |
 * | populations of epoch  | dynamic field of `registry.populations`, name u32, value Table (id 32, size u64) |
 * | Population            | dynamic field of that table, name address of the auditor                         |
 * | Round                 | dynamic field of `registry.rounds`, name u64                                     |
 * | Report                | dynamic field of `round.reports`, name address of the auditor                    |
 * | open claims of a node | dynamic field of `registry.open_claims`, name ID, value u64                      |
 * | Claim                 | shared                                                                           |
 * | AdminCap              | owned                                                                            |
 *
 * Params has 42 bytes. A Population has 75, with its root.
 */
import { bcs } from "@mysten/sui/bcs";
import type { ObjectId } from "../../protocol/ids.ts";
import { fieldLayout, objectId, TableLayout, u64, vecMap } from "../walrus/layouts.ts";

const bytes = bcs.byteVector();

export const u128 = bcs.u128().transform({
  name: "u128",
  input: (value: bigint) => value,
  output: (value) => BigInt(value),
});

export const AuditParamsLayout = bcs.struct("Params", {
  quorum: bcs.u8(),
  n_shards: bcs.u16(),
  period_ms: u64,
  window_ms: u64,
  /** MIST. */
  bond: u64,
  max_open_per_node: bcs.u8(),
  max_per_auditor_epoch: bcs.u16(),
  draws_per_shard: bcs.u32(),
  retention_rounds: u64,
});

export const AuditorInfoLayout = bcs.struct("AuditorInfo", {
  name: bcs.string(),
  url: bcs.string(),
  since_epoch: bcs.u32(),
  claims_filed: bcs.u32(),
  claims_refuted: bcs.u32(),
  active: bcs.bool(),
});

export const RegistryLayout = bcs.struct("Registry", {
  id: objectId,
  version: u64,
  paused: bcs.bool(),
  auditors: vecMap(objectId, AuditorInfoLayout),
  params: AuditParamsLayout,
  gate: bcs.option(bcs.string()),
  populations: TableLayout,
  rounds: TableLayout,
  open_claims: TableLayout,
});

export const AuditPopulationLayout = bcs.struct("Population", {
  /** Entries. */
  size: u64,
  /** Encoded bytes. */
  total: u128,
  root: bytes,
  declared_ms: u64,
  claims: bcs.u16(),
  last_round: u64,
});

export const AuditRoundLayout = bcs.struct("Round", {
  seed: bytes,
  opened_ms: u64,
  params: AuditParamsLayout,
  reports: TableLayout,
});

export const AuditReportLayout = bcs.struct("Report", {
  epoch: bcs.u32(),
  /** challenged, passed, missing, invalid, timeouts, refused, excused, vacuous */
  totals: bcs.vector(bcs.u32()),
  evidence_root: bytes,
  nodes_root: bytes,
  /** mode << 48 | shard << 32 | t */
  claimed: bcs.vector(u64),
});

/** An entry as a claim holds it; unlike the 61 bytes of a population its blob ID has a length prefix. */
export const PopEntryLayout = bcs.struct("PopEntry", {
  blob_id: bytes,
  encoding: bcs.u8(),
  unencoded_length: u64,
  end_epoch: bcs.u32(),
  cum: u128,
});

export const ClaimLayout = bcs.struct("Claim", {
  id: objectId,
  /** The one it was filed with: registries of one package share their claims' type. */
  registry: objectId,
  round: u64,
  mode: bcs.u8(),
  shard: bcs.u16(),
  t: bcs.u32(),
  entry: PopEntryLayout,
  pair: bcs.u16(),
  axis: bcs.u8(),
  symbol: bcs.u16(),
  node: objectId,
  epoch: bcs.u32(),
  accuser: objectId,
  filed_ms: u64,
  deadline_ms: u64,
  bond: u64,
  attestors: bcs.vector(objectId),
  pop_size: u64,
  pop_root: bytes,
  confirmation: bcs.option(bytes),
  n_shards: bcs.u16(),
  quorum: bcs.u8(),
  bound: bcs.bool(),
  state: bcs.u8(),
});

export const AdminCapLayout = bcs.struct("AdminCap", { id: objectId });

export const PopulationsFieldLayout = fieldLayout(bcs.u32(), TableLayout);
export const PopulationFieldLayout = fieldLayout(objectId, AuditPopulationLayout);
export const RoundFieldLayout = fieldLayout(u64, AuditRoundLayout);
export const ReportFieldLayout = fieldLayout(objectId, AuditReportLayout);
export const OpenClaimsFieldLayout = fieldLayout(objectId, u64);

/** Module and name of each struct; types carry the package that first defined them. */
export const AUDIT_STRUCTS = {
  AdminCap: "audit::AdminCap",
  Registry: "audit::Registry",
  Params: "audit::Params",
  Population: "audit::Population",
  Round: "audit::Round",
  Report: "audit::Report",
  Claim: "audit::Claim",
  SymbolBuf: "audit::SymbolBuf",
} as const;

export type AuditStruct = keyof typeof AUDIT_STRUCTS;

/** Full type of a struct of the package, address in the 64-digit form. */
export const auditType = (originalPackageId: ObjectId, struct: AuditStruct): string =>
  `${originalPackageId}::${AUDIT_STRUCTS[struct]}`;

/** BCS of the names of dynamic fields. */
export const auditKeys = {
  u32: (value: number): Uint8Array => bcs.u32().serialize(value).toBytes(),
  u64: (value: number | bigint): Uint8Array => bcs.u64().serialize(value).toBytes(),
  id: (value: ObjectId): Uint8Array => objectId.serialize(value).toBytes(),
} as const;

/** Type of an `ID` as the name of a dynamic field. */
export const ID_KEY_TYPE = "0x2::object::ID";
