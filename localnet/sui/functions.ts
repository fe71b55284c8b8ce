/**
 * The Move functions that transactions may call, by package, module and name.
 *
 * Calls go to a package: the framework at `0x2`, or one of the Walrus versions (original, v2, current). Functions that
 * touch the state of System abort when the package called is not the version System is at; the others work in any.
 */
import { assert } from "../../shared/protocol/errors.ts";
import { type ObjectId, parseObjectId } from "../../shared/protocol/ids.ts";
import { type MoveSignature, parseSignature } from "./move-signature.ts";
import { FRAMEWORK, type MoveTypes, STDLIB, STRING_TYPE } from "./move-types.ts";
import type { Native, NativeTable } from "./native-call.ts";
import { BLOB_NATIVES } from "./natives/blob.ts";
import { FRAMEWORK_NATIVES } from "./natives/framework.ts";
import { STAKING_NATIVES } from "./natives/staking.ts";
import { STORAGE_NATIVES } from "./natives/storage.ts";
import { SYSTEM_NATIVES } from "./natives/system.ts";

export interface MoveFunction {
  readonly signature: MoveSignature;
  readonly native: Native;
}

export interface Package {
  readonly packageId: ObjectId;
  /** Contract version; 0 for packages without one. */
  readonly version: bigint;
  readonly functions: ReadonlyMap<string, MoveFunction>;
}

/** Walrus package IDs by contract version, oldest first. */
export interface PackageIds {
  readonly walrus: readonly { readonly version: bigint; readonly packageId: ObjectId }[];
  readonly wal: ObjectId;
}

export class Packages {
  readonly #packages = new Map<ObjectId, Package>();
  readonly #walrusFunctions: ReadonlyMap<string, MoveFunction>;

  constructor(types: MoveTypes, ids: PackageIds) {
    const structs = structNames(types);
    const framework = functionTable([FRAMEWORK_NATIVES], structs);
    this.#walrusFunctions = functionTable(
      [SYSTEM_NATIVES, BLOB_NATIVES, STORAGE_NATIVES, STAKING_NATIVES],
      structs,
    );
    this.#packages.set(FRAMEWORK, { packageId: FRAMEWORK, version: 0n, functions: framework });
    this.#packages.set(STDLIB, { packageId: STDLIB, version: 0n, functions: new Map() });
    this.#packages.set(ids.wal, { packageId: ids.wal, version: 0n, functions: new Map() });
    for (const { version, packageId } of ids.walrus) this.publishWalrus(packageId, version);
  }

  /** Adds an upgraded Walrus package; its functions are the same, its version is not. */
  publishWalrus(packageId: ObjectId, version: bigint): void {
    assert(!this.#packages.has(packageId), `package ${packageId} is published once`);
    this.#packages.set(packageId, { packageId, version, functions: this.#walrusFunctions });
  }

  /** @param packageId in any spelling; undefined for packages that do not exist */
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
function structNames(types: MoveTypes): Map<string, string> {
  return new Map([
    ["System", types.walrus("System")],
    ["Staking", types.walrus("Staking")],
    ["Storage", types.walrus("Storage")],
    ["Blob", types.walrus("Blob")],
    ["SharedBlob", types.walrus("SharedBlob")],
    ["Metadata", types.walrus("Metadata")],
    ["StakedWal", types.walrus("StakedWal")],
    ["WAL", types.walToken],
    ["Coin", `${FRAMEWORK}::coin::Coin`],
    ["Balance", `${FRAMEWORK}::balance::Balance`],
    ["Withdrawal", `${FRAMEWORK}::funds_accumulator::Withdrawal`],
    ["ID", `${FRAMEWORK}::object::ID`],
    ["String", STRING_TYPE],
    ["Option", `${STDLIB}::option::Option`],
  ]);
}
