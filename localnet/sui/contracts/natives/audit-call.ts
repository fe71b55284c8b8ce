/** What the natives of `floe_audit` share: aborts and events of the package, the clock, tables. */
import { assert } from "../../../../shared/base/errors.ts";
import type { ObjectId } from "../../../../shared/protocol/ids.ts";
import {
  AUDIT_EVENT_LAYOUTS,
  type AuditEventName,
  auditEventType,
} from "../../../../shared/sui/audit/events.ts";
import {
  type AuditPopulationLayout,
  type AuditReportLayout,
  type AuditRoundLayout,
  auditKeys,
  auditType,
  type ClaimLayout,
  type RegistryLayout,
} from "../../../../shared/sui/audit/layouts.ts";
import { ExecutionFailure } from "../../move/execution-error.ts";
import { ClockLayout, ID_TYPE, tableType } from "../../move/types.ts";
import type { NativeCall } from "../../vm/native-call.ts";

export type Registry = ReturnType<typeof RegistryLayout.parse>;
export type Params = Registry["params"];
export type Population = ReturnType<typeof AuditPopulationLayout.parse>;
export type Round = ReturnType<typeof AuditRoundLayout.parse>;
export type Report = ReturnType<typeof AuditReportLayout.parse>;
export type Claim = ReturnType<typeof ClaimLayout.parse>;

/** Abort codes of module `audit`. */
export const ABORT = {
  notAuditor: 10,
  roundExists: 11,
  tooEarly: 12,
  noRound: 13,
  bond: 14,
  window: 15,
  selection: 16,
  proof: 17,
  state: 18,
  duplicate: 19,
  population: 20,
  vacuous: 21,
  expiring: 22,
  tooMany: 23,
  paused: 24,
  version: 25,
  tooLate: 26,
  noReport: 27,
  argument: 28,
  gate: 29,
  registry: 30,
} as const;

export type AuditModule = "audit" | "proof" | "select";

/** Aborts in a module of the audit package. */
export function abortIn(call: NativeCall, module: AuditModule, code: number, functionName: string): never {
  const packageId = call.auditPackageId;
  throw new ExecutionFailure({ kind: "MoveAbort", packageId, module, functionName, code: BigInt(code) });
}

/** `assert!` of module `audit`. @param where the function it stands in */
export function check(
  call: NativeCall,
  condition: boolean,
  code: keyof typeof ABORT,
  where: string = call.signature.name,
): asserts condition {
  if (!condition) abortIn(call, "audit", ABORT[code], where);
}

type EventInput<Name extends AuditEventName> = Parameters<(typeof AUDIT_EVENT_LAYOUTS)[Name]["serialize"]>[0];

/** An event of the audit package, whichever package was called. */
export function emitAudit<Name extends AuditEventName>(
  call: NativeCall,
  name: Name,
  event: EventInput<Name>,
): void {
  const { session, packageId, signature } = call;
  // The event's type is that of the layout under the same name, which the compiler does not follow.
  const layout = AUDIT_EVENT_LAYOUTS[name] as {
    serialize(value: EventInput<Name>): { toBytes(): Uint8Array };
  };
  session.emit({
    packageId,
    module: signature.module,
    sender: session.sender,
    type: auditEventType(call.auditPackageId, name),
    contents: layout.serialize(event).toBytes(),
  });
}

/** Milliseconds of the Clock at this argument. */
export const clockMs = (call: NativeCall, index: number): bigint =>
  call.struct(index, ClockLayout).timestamp_ms;

// Tables: entries are dynamic fields of the table's ID, and the table counts them.

interface Table {
  readonly id: string;
  size: bigint;
}

interface TableKind<Key, Value> {
  readonly keyType: string;
  readonly key: (key: Key) => Uint8Array;
  readonly valueType: (auditPackageId: ObjectId) => string;
  /** Only ties the value's type to the kind. */
  readonly value?: Value;
}

const byAddress = { keyType: "address", key: auditKeys.id } as const;

export const POPULATIONS: TableKind<number, Table> = {
  keyType: "u32",
  key: auditKeys.u32,
  valueType: (id) => tableType("address", auditType(id, "Population")),
};
export const POPULATION: TableKind<ObjectId, Population> = {
  ...byAddress,
  valueType: (id) => auditType(id, "Population"),
};
export const ROUNDS: TableKind<bigint, Round> = {
  keyType: "u64",
  key: auditKeys.u64,
  valueType: (id) => auditType(id, "Round"),
};
export const REPORTS: TableKind<ObjectId, Report> = {
  ...byAddress,
  valueType: (id) => auditType(id, "Report"),
};
export const OPEN_CLAIMS: TableKind<ObjectId, bigint> = {
  keyType: ID_TYPE,
  key: auditKeys.id,
  valueType: () => "u64",
};

const tableId = (table: Table): ObjectId => table.id as ObjectId; // Layouts read IDs as ObjectIds.

export function newTable(call: NativeCall): { id: ObjectId; size: bigint } {
  return { id: call.session.newId(), size: 0n };
}

/** A table's entry, which may be changed in place; undefined when there is none. */
export function entryOf<Key, Value>(
  call: NativeCall,
  table: Table,
  kind: TableKind<Key, Value>,
  key: Key,
): Value | undefined {
  const field = call.session.field(tableId(table), kind.keyType, kind.key(key));
  // A kind names one value type, and the field's layout follows from it.
  return (field as { readonly value: Value } | undefined)?.value;
}

export function addEntry<Key, Value>(
  call: NativeCall,
  table: Table,
  kind: TableKind<Key, Value>,
  key: Key,
  value: Value,
): void {
  const valueType = kind.valueType(call.auditPackageId);
  call.session.addField(tableId(table), kind.keyType, kind.key(key), valueType, { name: key, value });
  table.size += 1n;
}

export function removeEntry<Key, Value>(
  call: NativeCall,
  table: Table,
  kind: TableKind<Key, Value>,
  key: Key,
): Value {
  const value = entryOf(call, table, kind, key);
  assert(value !== undefined, "only entries that are there are removed");
  call.session.removeField(tableId(table), kind.keyType, kind.key(key));
  table.size -= 1n;
  return value;
}

/** `table::destroy_empty`: aborts when entries are left. */
export function destroyTable(call: NativeCall, table: Table): void {
  if (table.size !== 0n) call.abortFramework("table", 0, "destroy_empty");
  call.session.deleteId(tableId(table));
}
