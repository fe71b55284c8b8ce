/**
 * Publishing Move packages: what the stand-in makes of the modules of a Publish command.
 *
 * There is no bytecode interpreter here, only native models of packages known beforehand. So a package is accepted when
 * its modules are, byte for byte, those of a package that has a model, up to the addresses it was compiled against; any
 * other would be a package whose functions nobody can run. The digests below are checked against the compiler by a test.
 */
import { bcs } from "@mysten/sui/bcs";
import { toHex } from "../../../shared/base/bytes.ts";
import { blake2b256 } from "../../../shared/crypto/blake2b.ts";
import { type ObjectId, parseObjectId } from "../../../shared/protocol/ids.ts";
import { ModuleError, type MoveModule, parseModule, withAddresses, withSelf } from "../move/module.ts";
import { PACKAGE_TYPE, type StoredObject, sealObject } from "../move/objects.ts";

/** blake2b-256 of the modules, by package and name; the gate's as compiled against `REFERENCE`. */
const MODULE_DIGESTS = {
  audit: {
    audit: "8c44b4b331be177fdf8fd5cdb4db789da65632b95b287043a1ded237e510d817",
    proof: "3a56c80476295d481a89b513dd9945a62df76637495aeec795ea4ee264f92b1e",
    select: "1426cef19baf61a853723f0a95d455d97691829c1fd23b0c58e7716f2dfd5a64",
  },
  gate: {
    gate: "fffbd6d1e5b379ee5d59aa4c45d5cb63ffe0fb488f56b903892586f511053890",
  },
} as const;

/** Where the gate's dependencies are for the digest: floe_audit, walrus. */
const REFERENCE = { audit: "aa".repeat(32), walrus: "bb".repeat(32) } as const;

export type KnownPackage =
  | { readonly kind: "audit"; readonly modules: readonly MoveModule[] }
  | {
      readonly kind: "gate";
      readonly modules: readonly MoveModule[];
      readonly audit: ObjectId;
      /** The package that first defined its types. */
      readonly walrus: ObjectId;
    };

/** @returns undefined for modules that are not exactly those of a package with a native model */
export function recognisePackage(modules: readonly Uint8Array[]): KnownPackage | undefined {
  const parsed = parseAll(modules);
  if (parsed === undefined) return undefined;
  if (isExactly(parsed, MODULE_DIGESTS.audit, ({ bytes }) => bytes))
    return { kind: "audit", modules: parsed };
  const addressOf = (name: string): string | undefined =>
    parsed[0]?.handles.find((handle) => handle.name === name)?.address;
  const [audit, walrus] = [addressOf("audit"), addressOf("staking")];
  if (audit === undefined || walrus === undefined || audit === walrus) return undefined;
  const renamed = new Map([
    [audit, REFERENCE.audit],
    [walrus, REFERENCE.walrus],
  ]);
  if (!isExactly(parsed, MODULE_DIGESTS.gate, (module) => withAddresses(module, renamed))) return undefined;
  return {
    kind: "gate",
    modules: parsed,
    audit: parseObjectId(`0x${audit}`),
    walrus: parseObjectId(`0x${walrus}`),
  };
}

function parseAll(modules: readonly Uint8Array[]): MoveModule[] | undefined {
  try {
    return modules.map(parseModule);
  } catch (error) {
    if (error instanceof ModuleError) return undefined;
    throw error;
  }
}

function isExactly(
  modules: readonly MoveModule[],
  digests: Readonly<Record<string, string>>,
  bytesOf: (module: MoveModule) => Uint8Array,
): boolean {
  const names = new Set(modules.map(({ name }) => name));
  if (names.size !== modules.length || names.size !== Object.keys(digests).length) return false;
  return modules.every(
    (module) => Object.hasOwn(digests, module.name) && digestOf(bytesOf(module)) === digests[module.name],
  );
}

const digestOf = (bytes: Uint8Array): string => toHex(blake2b256(bytes));

/** A package another is linked to: the one whose types it names, and the one it calls. */
export interface Linkage {
  readonly originalId: ObjectId;
  readonly packageId: ObjectId;
  readonly version: bigint;
}

/** The package as the ledger keeps it; packages are at version 1 whatever the transaction's is. */
export function packageObject(
  packageId: ObjectId,
  modules: readonly MoveModule[],
  linkage: readonly Linkage[],
  previousTransaction: string,
): StoredObject {
  const contents = bcs.MovePackage.serialize({
    id: packageId,
    version: 1n,
    moduleMap: sortedMap(modules.map((module) => [module.name, withSelf(module, packageId.slice(2))])),
    typeOriginTable: modules.flatMap(({ name: moduleName, datatypes }) =>
      datatypes.map((datatypeName) => ({ moduleName, datatypeName, package: packageId })),
    ),
    linkageTable: sortedMap(
      linkage.map((each) => [each.originalId, { upgradedId: each.packageId, upgradedVersion: each.version }]),
    ),
  }).toBytes();
  return sealObject({
    id: packageId,
    version: 1n,
    type: PACKAGE_TYPE,
    hasPublicTransfer: false,
    contents,
    owner: { kind: "immutable" },
    previousTransaction,
  });
}

/** BCS maps are ordered by key. */
const sortedMap = <Value>(entries: readonly (readonly [string, Value])[]): Map<string, Value> =>
  new Map([...entries].sort(([a], [b]) => (a < b ? -1 : 1)));
