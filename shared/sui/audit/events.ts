/**
 * Events of `floe_audit` (module `audit`), in exact field order.
 *
 * Every event about a claim begins with the claim's ID (32 bytes), all others with the registry's. Refuted and
 * withdrawn claims are deleted, and ended ones may be purged: what remains of them is here.
 *
 * Registries of one package share these types, so a search for events of one has to compare the ID (`isOfRegistry`).
 * Events that follow the filing of a claim name the claim only; `ClaimFiled` says whose it is.
 */
import { type BcsType, bcs } from "@mysten/sui/bcs";
import { type BlobId, blobIdFromBytes, type ObjectId } from "../../protocol/ids.ts";
import { SuiError } from "../client/sui-error.ts";
import { parseStructName } from "../client/type-names.ts";
import { objectId, parseLayout, u64 } from "../walrus/layouts.ts";
import { AuditParamsLayout, u128 } from "./layouts.ts";

const bytes = bcs.byteVector();
const draw = { mode: bcs.u8(), shard: bcs.u16(), t: bcs.u32() };
const position = { pair: bcs.u16(), axis: bcs.u8(), symbol: bcs.u16() };

export const AUDIT_EVENT_LAYOUTS = {
  RegistryCreated: bcs.struct("RegistryCreated", { registry: objectId, params: AuditParamsLayout }),
  ParamsChanged: bcs.struct("ParamsChanged", {
    registry: objectId,
    params: AuditParamsLayout,
    paused: bcs.bool(),
    version: u64,
    gate: bcs.option(bcs.string()),
  }),
  AuditorChanged: bcs.struct("AuditorChanged", {
    registry: objectId,
    auditor: objectId,
    name: bcs.string(),
    url: bcs.string(),
    active: bcs.bool(),
  }),
  RoundOpened: bcs.struct("RoundOpened", { registry: objectId, no: u64, seed: bytes, opened_ms: u64 }),
  PopulationDeclared: bcs.struct("PopulationDeclared", {
    registry: objectId,
    epoch: bcs.u32(),
    auditor: objectId,
    size: u64,
    total: u128,
    root: bytes,
  }),
  RoundReported: bcs.struct("RoundReported", {
    registry: objectId,
    no: u64,
    auditor: objectId,
    epoch: bcs.u32(),
    /** challenged, passed, missing, invalid, timeouts, refused, excused, vacuous */
    totals: bcs.vector(bcs.u32()),
    evidence_root: bytes,
    nodes_root: bytes,
    /** 52 bytes per node. */
    rows: bytes,
  }),
  ClaimFiled: bcs.struct("ClaimFiled", {
    claim: objectId,
    registry: objectId,
    no: u64,
    ...draw,
    node: objectId,
    blob_id: bytes,
    ...position,
    deadline_ms: u64,
    accuser: objectId,
  }),
  ClaimAttested: bcs.struct("ClaimAttested", { claim: objectId, auditor: objectId, count: u64 }),
  ClaimBound: bcs.struct("ClaimBound", {
    claim: objectId,
    node: objectId,
    shard: bcs.u16(),
    epoch: bcs.u32(),
  }),
  ClaimRefuted: bcs.struct("ClaimRefuted", {
    claim: objectId,
    node: objectId,
    by: objectId,
    latency_ms: u64,
  }),
  ClaimConfirmed: bcs.struct("ClaimConfirmed", {
    claim: objectId,
    registry: objectId,
    node: objectId,
    epoch: bcs.u32(),
    no: u64,
    ...draw,
    blob_id: bytes,
    ...position,
    bound: bcs.bool(),
    attestors: bcs.vector(objectId),
    confirmation: bcs.option(bytes),
  }),
  ClaimLapsed: bcs.struct("ClaimLapsed", { claim: objectId }),
  ClaimWithdrawn: bcs.struct("ClaimWithdrawn", { claim: objectId }),
  Escalated: bcs.struct("Escalated", {
    claim: objectId,
    node: objectId,
    voter_node: objectId,
    by: objectId,
  }),
} as const;

export type AuditEventName = keyof typeof AUDIT_EVENT_LAYOUTS;

type Parsed<Name extends AuditEventName> = ReturnType<(typeof AUDIT_EVENT_LAYOUTS)[Name]["parse"]>;

/** The fields of an event by their Move names, with `blob_id` as a `BlobId`. */
type EventFields<Name extends AuditEventName> = {
  readonly [Field in keyof Parsed<Name>]: Field extends "blob_id" ? BlobId : Parsed<Name>[Field];
};

/** One event, told apart by its struct's name in `kind`. */
export type AuditEvent = {
  readonly [Name in AuditEventName]: { readonly kind: Name } & EventFields<Name>;
}[AuditEventName];

export type AuditEventOf<Name extends AuditEventName> = Extract<AuditEvent, { kind: Name }>;

/** False for what names another registry; events that follow the filing of a claim name none. */
export const isOfRegistry = (event: AuditEvent, registryId: ObjectId): boolean =>
  !("registry" in event) || event.registry === registryId;

/** Full type of an event, e.g. for an event filter. */
export const auditEventType = (originalPackageId: ObjectId, name: AuditEventName): string =>
  `${originalPackageId}::audit::${name}`;

/** What an event filter matches all events of the package with. */
export const auditEventModule = (originalPackageId: ObjectId): string => `${originalPackageId}::audit`;

/**
 * Reads an event by the full name of its type.
 *
 * @param originalPackageId the package that first defined the events: others may have a module of the same name
 * @returns undefined for types that are no event of this package
 * @throws SuiError `SUI_MALFORMED` for bytes that are not exactly one such event
 */
export function parseAuditEvent(
  typeName: string,
  contents: Uint8Array,
  originalPackageId: ObjectId,
): AuditEvent | undefined {
  const { packageId, module, name } = parseStructName(typeName);
  if (packageId !== originalPackageId || module !== "audit") return undefined;
  if (!Object.hasOwn(AUDIT_EVENT_LAYOUTS, name)) return undefined;
  const kind = name as AuditEventName;
  // The layouts differ in their fields, which is what `kind` tells apart; reading treats them alike.
  const layout = AUDIT_EVENT_LAYOUTS[kind] as unknown as BcsType<Record<string, unknown>>;
  const fields = parseLayout(layout, contents);
  const blobId = fields["blob_id"];
  // The table pairs each name with its layout, so the fields read are those of `kind`.
  return {
    kind,
    ...fields,
    ...(blobId instanceof Uint8Array ? { blob_id: parseBlobIdBytes(blobId) } : {}),
  } as unknown as AuditEvent;
}

function parseBlobIdBytes(value: Uint8Array): BlobId {
  if (value.length !== 32) {
    throw new SuiError("SUI_MALFORMED", `a blob ID of ${value.length} bytes`, {
      details: { bytes: value.length },
    });
  }
  return blobIdFromBytes(value);
}
