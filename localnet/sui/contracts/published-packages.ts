/** Packages that a transaction published: callable, with their types, from the next transaction on. */
import { bcs } from "@mysten/sui/bcs";
import { assert } from "../../../shared/base/errors.ts";
import { parseModule, withSelf } from "../move/module.ts";
import type { StoredObject } from "../move/objects.ts";
import type { MoveTypes } from "../move/types.ts";
import { recognisePackage } from "../vm/known-packages.ts";
import { defineAuditTypes, defineGateTypes } from "./audit-types.ts";
import type { Packages } from "./functions.ts";

const ZERO = "00".repeat(32);

/** Makes a package of the ledger callable and its types known. */
export function adoptPackage(object: StoredObject, types: MoveTypes, packages: Packages): void {
  const { moduleMap, linkageTable } = bcs.MovePackage.parse(object.contents);
  const modules = [...moduleMap.values()].map((bytes) => withSelf(parseModule(bytes), ZERO));
  const known = recognisePackage(modules);
  assert(known !== undefined, "only packages with a model are in the ledger");
  if (known.kind === "audit") {
    defineAuditTypes(types, object.id);
    packages.publishAudit(object.id);
    return;
  }
  defineGateTypes(types, object.id);
  const version = linkageTable.get(known.walrus)?.upgradedVersion;
  packages.publishGate(object.id, known.audit, BigInt(version ?? 0));
}
