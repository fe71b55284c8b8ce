/**
 * The Move functions that transactions may call, by package, module and name.
 *
 * Calls go to a package: the framework at `0x2`, one of the Walrus versions (original, v2, current), an audit package
 * or a gate of one. Functions that touch the state of System or Staking abort when the Walrus package they run in is not the
 * version System is at; the others work in any. The gate runs in the Walrus version it was published with.
 */
import { assert } from "../../../shared/base/errors.ts";
import { type ObjectId, parseObjectId } from "../../../shared/protocol/ids.ts";
import { auditType } from "../../../shared/sui/audit/layouts.ts";
import { parseSignature } from "../move/signature.ts";
import {
  CLOCK_TYPE,
  FRAMEWORK,
  type MoveTypes,
  RANDOM_TYPE,
  STDLIB,
  STRING_TYPE,
  SUI_TYPE,
} from "../move/types.ts";
import type { NativeTable } from "../vm/native-call.ts";
import type { CallablePackages, MoveFunction, Package } from "../vm/packages.ts";
import { AUDIT_CLAIM_NATIVES } from "./natives/audit-claims.ts";
import { AUDIT_GATE_NATIVES } from "./natives/audit-gate.ts";
import { AUDIT_PROOF_NATIVES } from "./natives/audit-proof.ts";
import { AUDIT_REGISTRY_NATIVES } from "./natives/audit-registry.ts";
import { BLOB_NATIVES } from "./natives/blob.ts";
import { FRAMEWORK_NATIVES } from "./natives/framework.ts";
import { SLASHING_NATIVES } from "./natives/slashing.ts";
import { STAKING_NATIVES } from "./natives/staking.ts";
import { STORAGE_NATIVES } from "./natives/storage.ts";
import { SYSTEM_NATIVES } from "./natives/system.ts";

/** Walrus package IDs by contract version, oldest first. */
export interface PackageIds {
  readonly walrus: readonly { readonly version: bigint; readonly packageId: ObjectId }[];
  readonly wal: ObjectId;
  readonly audit: ObjectId;
  readonly auditGate: ObjectId;
}

export class Packages implements CallablePackages {
  readonly #packages = new Map<ObjectId, Package>();
  readonly #walrusFunctions: ReadonlyMap<string, MoveFunction>;
  readonly #types: MoveTypes;

  constructor(types: MoveTypes, ids: PackageIds) {
    this.#types = types;
    const structs = structNames(types, ids.audit);
    const framework = functionTable([FRAMEWORK_NATIVES], structs);
    this.#walrusFunctions = functionTable(
      [SYSTEM_NATIVES, BLOB_NATIVES, STORAGE_NATIVES, STAKING_NATIVES, SLASHING_NATIVES],
      structs,
    );
    const add = (packageId: ObjectId, functions: Package["functions"]): unknown =>
      this.#packages.set(packageId, { packageId, version: 0n, walrusVersion: 0n, functions });
    add(FRAMEWORK, framework);
    add(STDLIB, new Map());
    add(ids.wal, new Map());
    for (const { version, packageId } of ids.walrus) this.publishWalrus(packageId, version);
    this.publishAudit(ids.audit);
    this.publishGate(ids.auditGate, ids.audit, ids.walrus.at(-1)?.version ?? 0n);
  }

  publishAudit(packageId: ObjectId): void {
    const natives = [AUDIT_PROOF_NATIVES, AUDIT_REGISTRY_NATIVES, AUDIT_CLAIM_NATIVES];
    const functions = functionTable(natives, structNames(this.#types, packageId));
    const auditPackageId = packageId;
    this.#packages.set(packageId, { packageId, version: 0n, walrusVersion: 0n, auditPackageId, functions });
  }

  /** @param walrusVersion the Walrus version it was published with */
  publishGate(packageId: ObjectId, auditPackageId: ObjectId, walrusVersion: bigint): void {
    const functions = functionTable([AUDIT_GATE_NATIVES], structNames(this.#types, auditPackageId));
    this.#packages.set(packageId, { packageId, version: 0n, walrusVersion, auditPackageId, functions });
  }

  /** Adds an upgraded Walrus package; its functions are the same, its version is not. */
  publishWalrus(packageId: ObjectId, version: bigint): void {
    assert(!this.#packages.has(packageId), `package ${packageId} is published once`);
    const functions = this.#walrusFunctions;
    this.#packages.set(packageId, { packageId, version, walrusVersion: version, functions });
  }

  find(packageId: string): Package | undefined {
    return this.#packages.get(parseObjectId(packageId));
  }

  function(packageId: string, module: string, name: string): MoveFunction | undefined {
    return this.find(packageId)?.functions.get(`${module}::${name}`);
  }

  /** Published Walrus packages, oldest first. */
  get walrus(): readonly Package[] {
    return [...this.#packages.values()]
      .filter((each) => each.version > 0n)
      .sort((a, b) => Number(a.version - b.version));
  }
}

function functionTable(
  tables: readonly NativeTable[],
  structs: ReadonlyMap<string, string>,
): Map<string, MoveFunction> {
  const functions = new Map<string, MoveFunction>();
  for (const [text, native] of tables.flatMap((table) => Object.entries(table))) {
    const signature = parseSignature(text, structs);
    functions.set(`${signature.module}::${signature.name}`, { signature, native });
  }
  return functions;
}

/** Full names by the short names used in signatures. */
function structNames(types: MoveTypes, auditPackageId: ObjectId): Map<string, string> {
  return new Map([
    ["System", types.walrus("System")],
    ["Staking", types.walrus("Staking")],
    ["Storage", types.walrus("Storage")],
    ["Blob", types.walrus("Blob")],
    ["SharedBlob", types.walrus("SharedBlob")],
    ["Metadata", types.walrus("Metadata")],
    ["StakedWal", types.walrus("StakedWal")],
    ["WAL", types.walToken],
    ["ProtectedTreasury", types.walTreasury],
    ["Authenticated", `${types.originalPackageId}::auth::Authenticated`],
    ["SlashingManager", types.slashingManager],
    ["AdminCap", auditType(auditPackageId, "AdminCap")],
    ["Registry", auditType(auditPackageId, "Registry")],
    ["Params", auditType(auditPackageId, "Params")],
    ["Claim", auditType(auditPackageId, "Claim")],
    ["SymbolBuf", auditType(auditPackageId, "SymbolBuf")],
    ["Draw", `${auditPackageId}::select::Draw`],
    ["PopEntry", `${auditPackageId}::select::PopEntry`],
    ["SUI", SUI_TYPE],
    ["Clock", CLOCK_TYPE],
    ["Random", RANDOM_TYPE],
    ["Coin", `${FRAMEWORK}::coin::Coin`],
    ["Balance", `${FRAMEWORK}::balance::Balance`],
    ["Withdrawal", `${FRAMEWORK}::funds_accumulator::Withdrawal`],
    ["ID", `${FRAMEWORK}::object::ID`],
    ["String", STRING_TYPE],
    ["Option", `${STDLIB}::option::Option`],
  ]);
}
