/**
 * What `floe_audit` holds on chain, as plain data: registry, rounds, reports, populations, claims.
 *
 * Everything but registry and claims is a dynamic field whose ID is derived here, so each reading is one request. An
 * endpoint may lag: "undefined" means that it does not know the object, not that there is none.
 */
import type { SuiGrpcClient } from "@mysten/sui/grpc";
import { CHAIN_CLAIM_STATES, type ClaimState } from "../../audit/claim.ts";
import { type Axis, type BlobId, blobIdFromBytes, type ObjectId } from "../../protocol/ids.ts";
import { fieldId, presentShared, type ReadObject, readObjects } from "../client/object-reader.ts";
import { SuiError } from "../client/sui-error.ts";
import { parseStructName, RANDOM_OBJECT_ID } from "../client/type-names.ts";
import { parseLayout } from "../walrus/layouts.ts";
import type { AuditContracts, RegistryParams, SharedRef } from "./contracts.ts";
import {
  AUDIT_STRUCTS,
  type AuditParamsLayout,
  type AuditStruct,
  auditKeys,
  ClaimLayout,
  ID_KEY_TYPE,
  OpenClaimsFieldLayout,
  PopulationFieldLayout,
  PopulationsFieldLayout,
  RegistryLayout,
  ReportFieldLayout,
  RoundFieldLayout,
} from "./layouts.ts";

export interface RegistryAuditor {
  readonly address: ObjectId;
  readonly name: string;
  readonly url: string;
  readonly sinceEpoch: number;
  readonly claimsFiled: number;
  readonly claimsRefuted: number;
  readonly isActive: boolean;
}

export interface RegistryState {
  readonly contracts: AuditContracts;
  readonly version: bigint;
  readonly isPaused: boolean;
  readonly auditors: readonly RegistryAuditor[];
  /** Of rounds opened from now on. */
  readonly params: RegistryParams;
  /** Type whose values may bind claims: address without 0x, module, name. */
  readonly gate: string | undefined;
  readonly populationsTable: ObjectId;
  readonly roundsTable: ObjectId;
  readonly openClaimsTable: ObjectId;
}

export interface RoundState {
  readonly round: number;
  /** 32 bytes. */
  readonly seed: Uint8Array;
  readonly openedMs: number;
  readonly params: RegistryParams;
  readonly reportsTable: ObjectId;
  readonly reportCount: number;
}

export interface ReportState {
  readonly auditor: ObjectId;
  readonly epoch: number;
  readonly totals: readonly number[];
  readonly evidenceRoot: Uint8Array;
  readonly nodesRoot: Uint8Array;
  /** Draws this auditor has claimed: mode << 48 | shard << 32 | t. */
  readonly claimed: readonly bigint[];
}

export interface DeclaredPopulation {
  readonly epoch: number;
  readonly auditor: ObjectId;
  readonly size: number;
  readonly totalBytes: bigint;
  readonly root: Uint8Array;
  readonly declaredMs: number;
  /** Claims filed with it. */
  readonly claims: number;
  readonly lastRound: number;
}

/** A claim as it stands on chain; refuted and withdrawn ones are gone. */
export interface ClaimOnChain {
  readonly ref: SharedRef;
  /** The one it was filed with, which alone decides over it. */
  readonly registry: ObjectId;
  readonly round: number;
  readonly mode: number;
  readonly shard: number;
  readonly t: number;
  readonly blobId: BlobId;
  readonly unencodedLength: number;
  readonly endEpoch: number;
  readonly pair: number;
  readonly axis: Axis;
  readonly symbol: number;
  readonly node: ObjectId;
  readonly epoch: number;
  readonly accuser: ObjectId;
  readonly filedMs: number;
  readonly deadlineMs: number;
  readonly bondMist: bigint;
  readonly attestors: readonly ObjectId[];
  readonly populationSize: number;
  readonly populationRoot: Uint8Array;
  readonly confirmation: Uint8Array | undefined;
  readonly nShards: number;
  readonly quorum: number;
  readonly isBound: boolean;
  readonly state: ClaimState;
}

/**
 * Reads a registry and all that transactions on it need to name.
 *
 * @param packageId the package to call; types are named by the one that first defined them
 * @throws SuiError `SUI_NOT_FOUND`, `SUI_MALFORMED` or of the transport
 */
export async function readRegistry(
  client: SuiGrpcClient,
  { packageId, registryId }: { readonly packageId: ObjectId; readonly registryId: ObjectId },
): Promise<RegistryState> {
  const [object, random] = await readObjects(client, [registryId, RANDOM_OBJECT_ID]);
  const registry = presentShared(object, "the audit registry", registryId);
  const randomness = presentShared(random, "Sui's randomness", RANDOM_OBJECT_ID);
  const originalPackageId = expectStruct(registry, "Registry");
  const state = parseLayout(RegistryLayout, registry.content);
  return {
    contracts: {
      packageId,
      originalPackageId,
      registry: { objectId: registryId, initialSharedVersion: registry.initialSharedVersion },
      randomInitialSharedVersion: randomness.initialSharedVersion,
    },
    version: state.version,
    isPaused: state.paused,
    auditors: state.auditors.map(({ key, value }) => ({
      address: key,
      name: value.name,
      url: value.url,
      sinceEpoch: value.since_epoch,
      claimsFiled: value.claims_filed,
      claimsRefuted: value.claims_refuted,
      isActive: value.active,
    })),
    params: toParams(state.params),
    gate: state.gate ?? undefined,
    populationsTable: state.populations.id,
    roundsTable: state.rounds.id,
    openClaimsTable: state.open_claims.id,
  };
}

/** undefined = not opened, or pruned. */
export async function readRound(
  client: SuiGrpcClient,
  { roundsTable }: Pick<RegistryState, "roundsTable">,
  round: number,
): Promise<RoundState | undefined> {
  const [object] = await readObjects(client, [fieldId(roundsTable, "u64", auditKeys.u64(round))]);
  if (object === undefined) return undefined;
  const { value } = parseLayout(RoundFieldLayout, object.content);
  return {
    round,
    seed: value.seed,
    openedMs: small(value.opened_ms, "opened_ms"),
    params: toParams(value.params),
    reportsTable: value.reports.id,
    reportCount: small(value.reports.size, "reports"),
  };
}

/** undefined = this auditor has not reported the round. */
export async function readReport(
  client: SuiGrpcClient,
  { reportsTable }: Pick<RoundState, "reportsTable">,
  auditor: ObjectId,
): Promise<ReportState | undefined> {
  const [object] = await readObjects(client, [fieldId(reportsTable, "address", auditKeys.id(auditor))]);
  if (object === undefined) return undefined;
  const { value } = parseLayout(ReportFieldLayout, object.content);
  return {
    auditor,
    epoch: value.epoch,
    totals: value.totals,
    evidenceRoot: value.evidence_root,
    nodesRoot: value.nodes_root,
    claimed: value.claimed,
  };
}

/** undefined = this auditor has declared none for the epoch. Cost: two requests. */
export async function readDeclaredPopulation(
  client: SuiGrpcClient,
  { populationsTable }: Pick<RegistryState, "populationsTable">,
  epoch: number,
  auditor: ObjectId,
): Promise<DeclaredPopulation | undefined> {
  const [outer] = await readObjects(client, [fieldId(populationsTable, "u32", auditKeys.u32(epoch))]);
  if (outer === undefined) return undefined;
  const table = parseLayout(PopulationsFieldLayout, outer.content).value.id;
  const [object] = await readObjects(client, [fieldId(table, "address", auditKeys.id(auditor))]);
  if (object === undefined) return undefined;
  const { value } = parseLayout(PopulationFieldLayout, object.content);
  return {
    epoch,
    auditor,
    size: small(value.size, "size"),
    totalBytes: value.total,
    root: value.root,
    declaredMs: small(value.declared_ms, "declared_ms"),
    claims: value.claims,
    lastRound: small(value.last_round, "last_round"),
  };
}

/** Whether any auditor's population of the epoch stands on chain: declared, and not pruned. */
export async function hasPopulations(
  client: SuiGrpcClient,
  { populationsTable }: Pick<RegistryState, "populationsTable">,
  epoch: number,
): Promise<boolean> {
  const [table] = await readObjects(client, [fieldId(populationsTable, "u32", auditKeys.u32(epoch))]);
  return table !== undefined;
}

/** Pending claims against a node. */
export async function readOpenClaims(
  client: SuiGrpcClient,
  { openClaimsTable }: Pick<RegistryState, "openClaimsTable">,
  node: ObjectId,
): Promise<number> {
  const [object] = await readObjects(client, [fieldId(openClaimsTable, ID_KEY_TYPE, auditKeys.id(node))]);
  if (object === undefined) return 0;
  return small(parseLayout(OpenClaimsFieldLayout, object.content).value, "open claims");
}

/** Which claims are meant: those of the package's own type, filed with this registry. */
type ClaimsOf = Pick<AuditContracts, "originalPackageId" | "registry">;

/**
 * Claims of a registry in the order asked; undefined where there is none (any more), one of another registry, or a
 * `Claim` of another package, in which its publisher may have written any registry: this one's panel has no say in it.
 *
 * @throws SuiError for an object of another type
 */
export async function readClaims(
  client: SuiGrpcClient,
  contracts: ClaimsOf,
  claimIds: readonly ObjectId[],
): Promise<(ClaimOnChain | undefined)[]> {
  const claims = await readClaimsOfAnyRegistry(client, contracts, claimIds);
  return claims.map((claim) => (claim?.registry === contracts.registry.objectId ? claim : undefined));
}

/** As `readClaims`, for callers that have to tell a claim of another registry from none at all. */
export async function readClaimsOfAnyRegistry(
  client: SuiGrpcClient,
  { originalPackageId }: Pick<ClaimsOf, "originalPackageId">,
  claimIds: readonly ObjectId[],
): Promise<(ClaimOnChain | undefined)[]> {
  const objects = await readObjects(client, claimIds);
  return objects.map((object, index) => {
    const id = claimIds[index];
    if (object === undefined || id === undefined) return undefined;
    return expectStruct(object, "Claim") === originalPackageId ? toClaim(object, id) : undefined;
  });
}

function toClaim(object: ReadObject, id: ObjectId): ClaimOnChain {
  const { initialSharedVersion, content } = presentShared(object, "a claim", id);
  const claim = parseLayout(ClaimLayout, content);
  const state = CHAIN_CLAIM_STATES[claim.state];
  if (state === undefined || claim.entry.blob_id.length !== 32 || claim.axis > 1) {
    throw new SuiError("SUI_MALFORMED", `claim ${id} is in state ${claim.state}, axis ${claim.axis}`);
  }
  return {
    ref: { objectId: id, initialSharedVersion },
    registry: claim.registry,
    round: small(claim.round, "round"),
    mode: claim.mode,
    shard: claim.shard,
    t: claim.t,
    blobId: blobIdFromBytes(claim.entry.blob_id),
    unencodedLength: small(claim.entry.unencoded_length, "unencoded_length"),
    endEpoch: claim.entry.end_epoch,
    pair: claim.pair,
    axis: claim.axis === 0 ? "primary" : "secondary",
    symbol: claim.symbol,
    node: claim.node,
    epoch: claim.epoch,
    accuser: claim.accuser,
    filedMs: small(claim.filed_ms, "filed_ms"),
    deadlineMs: small(claim.deadline_ms, "deadline_ms"),
    bondMist: claim.bond,
    attestors: claim.attestors,
    populationSize: small(claim.pop_size, "pop_size"),
    populationRoot: claim.pop_root,
    confirmation: claim.confirmation ?? undefined,
    nShards: claim.n_shards,
    quorum: claim.quorum,
    isBound: claim.bound,
    state,
  };
}

function toParams(params: ReturnType<typeof AuditParamsLayout.parse>): RegistryParams {
  return {
    quorum: params.quorum,
    nShards: params.n_shards,
    periodMs: small(params.period_ms, "period_ms"),
    windowMs: small(params.window_ms, "window_ms"),
    bondMist: params.bond,
    maxOpenPerNode: params.max_open_per_node,
    maxPerAuditorEpoch: params.max_per_auditor_epoch,
    drawsPerShard: params.draws_per_shard,
    retentionRounds: small(params.retention_rounds, "retention_rounds"),
  };
}

/**
 * @returns the package that first defined the struct.
 *
 * @throws SuiError `SUI_MALFORMED` for an object of another type
 */
function expectStruct(object: ReadObject, struct: AuditStruct): ObjectId {
  const { packageId, module, name } = parseStructName(object.type);
  if (`${module}::${name}` !== AUDIT_STRUCTS[struct]) {
    throw new SuiError("SUI_MALFORMED", `object ${object.id} is no ${struct} of floe_audit`);
  }
  return packageId;
}

function small(value: bigint, field: string): number {
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw new SuiError("SUI_MALFORMED", `${field} is ${value}`, { details: { field, value } });
  }
  return Number(value);
}
