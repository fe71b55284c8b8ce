/** Structs of the audit packages: their abilities, and how those at rest are written. */
import type { ObjectId } from "../../../shared/protocol/ids.ts";
import {
  AdminCapLayout,
  type AuditStruct,
  auditType,
  ClaimLayout,
  OpenClaimsFieldLayout,
  PopulationFieldLayout,
  PopulationsFieldLayout,
  RegistryLayout,
  ReportFieldLayout,
  RoundFieldLayout,
} from "../../../shared/sui/audit/layouts.ts";
import { gateWitnessType } from "../../../shared/sui/audit/publishing.ts";
import { abilities, erase, ID_TYPE, type MoveTypes, tableType } from "../move/types.ts";

/** Makes the types of a gate known. */
export function defineGateTypes(types: MoveTypes, gatePackageId: ObjectId): void {
  types.define(gateWitnessType(gatePackageId), { abilities: abilities("drop") });
}

/** Makes the types of `floe_audit` known. Those without a layout only live inside a transaction. */
export function defineAuditTypes(types: MoveTypes, auditPackageId: ObjectId): void {
  const struct = (name: AuditStruct): string => auditType(auditPackageId, name);
  const key = abilities("key");
  types.define(struct("AdminCap"), { abilities: abilities("key", "store"), layout: erase(AdminCapLayout) });
  types.define(struct("Registry"), { abilities: key, layout: erase(RegistryLayout) });
  types.define(struct("Claim"), { abilities: key, layout: erase(ClaimLayout) });
  types.define(struct("Params"), { abilities: abilities("copy", "drop", "store") });
  types.define(struct("SymbolBuf"), { abilities: abilities("drop") });
  types.define(`${auditPackageId}::select::Draw`, { abilities: abilities("copy", "drop") });
  types.define(`${auditPackageId}::select::PopEntry`, { abilities: abilities("copy", "drop", "store") });
  const population = struct("Population");
  const fields = [
    [types.field("u32", tableType("address", population)), erase(PopulationsFieldLayout)],
    [types.field("address", population), erase(PopulationFieldLayout)],
    [types.field("u64", struct("Round")), erase(RoundFieldLayout)],
    [types.field("address", struct("Report")), erase(ReportFieldLayout)],
    [types.field(ID_TYPE, "u64"), erase(OpenClaimsFieldLayout)],
  ] as const;
  for (const [name, layout] of fields) types.define(name, { abilities: key, layout });
}
