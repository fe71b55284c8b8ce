/**
 * What the operator of a network does to the audit panel. On the public networks the holder of the AdminCap sends
 * these as transactions; here they may also come from the network itself, so that no wallet's coins are touched.
 */
import { assert } from "../../../shared/base/errors.ts";
import type { ObjectId } from "../../../shared/protocol/ids.ts";
import { RegistryLayout } from "../../../shared/sui/audit/layouts.ts";
import type { AuditorEntry } from "../../../shared/sui/audit/transactions.ts";
import { NativeCall } from "../vm/native-call.ts";
import type { Session } from "../vm/session.ts";
import type { Packages } from "./functions.ts";
import type { NetworkIds } from "./genesis.ts";

/** Whether this address may report and claim now. */
export function isActiveAuditor(session: Session, ids: NetworkIds, address: ObjectId): boolean {
  const object = session.state.object(ids.auditRegistryId);
  assert(object !== undefined, "genesis made the registry");
  const { auditors } = RegistryLayout.parse(object.contents);
  return auditors.find(({ key }) => key === address)?.value.active === true;
}

/** `add_auditor` with the registry's own checks. @throws ExecutionFailure as the contract aborts */
export function addAuditor(
  session: Session,
  ids: NetworkIds,
  packages: Packages,
  auditor: AuditorEntry,
): void {
  const { auditRegistryId, auditPackageId: packageId } = ids;
  const object = session.state.object(auditRegistryId);
  const found = packages.function(packageId, "audit", "add_auditor");
  assert(object !== undefined && found !== undefined, "genesis made the registry and published the package");
  const registry = session.input(object, "shared-mutable").data;
  const { address, name, url, sinceEpoch } = auditor;
  const values = [registry, undefined, address, name, url, sinceEpoch];
  found.native(
    new NativeCall(
      session,
      found.signature,
      { packageId, version: 0n, auditPackageId: packageId },
      [],
      values,
    ),
  );
}
