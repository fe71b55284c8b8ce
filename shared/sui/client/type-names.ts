/**
 * Names of Move types and functions.
 *
 * Calls go to the *current* package, types carry the package that first defined the struct: for every struct here
 * that is the *original* package, the address inside the System object's own type.
 */

import { bcs } from "@mysten/sui/bcs";
import { type ObjectId, parseObjectId } from "../../protocol/ids.ts";
import { SuiError } from "./sui-error.ts";

/** Module and name of each struct of the first release. */
export const WALRUS_STRUCTS = {
  System: "system::System",
  SystemStateInnerV1: "system_state_inner::SystemStateInnerV1",
  Staking: "staking::Staking",
  StakingInnerV1: "staking_inner::StakingInnerV1",
  StakingPool: "staking_pool::StakingPool",
  Storage: "storage_resource::Storage",
  Blob: "blob::Blob",
  SharedBlob: "shared_blob::SharedBlob",
  Metadata: "metadata::Metadata",
  StakedWal: "staked_wal::StakedWal",
} as const;

export type WalrusStruct = keyof typeof WALRUS_STRUCTS;

const FRAMEWORK = `0x${"2".padStart(64, "0")}`;
export const SUI_COIN_TYPE = `${FRAMEWORK}::sui::SUI`;
export const CLOCK_OBJECT_ID = parseObjectId("0x6");
export const RANDOM_OBJECT_ID = parseObjectId("0x8");

export interface StructName {
  readonly packageId: ObjectId;
  readonly module: string;
  readonly name: string;
  /** Type arguments as written, empty without any. */
  readonly typeArguments: string;
}

/** @throws SuiError `SUI_MALFORMED` unless `type` is `address::module::Name`, with or without type arguments */
export function parseStructName(type: string): StructName {
  const match = /^(0x[0-9a-fA-F]{1,64})::([A-Za-z_]\w*)::([A-Za-z_]\w*)(?:<(.+)>)?$/.exec(type);
  const [, address, module, name, typeArguments] = match ?? [];
  if (address === undefined || module === undefined || name === undefined) {
    throw new SuiError("SUI_MALFORMED", `not a struct type (${type.length} characters)`);
  }
  return { packageId: parseObjectId(address), module, name, typeArguments: typeArguments ?? "" };
}

/** Whether `type` is this struct of the first release, in any spelling of its address. */
export function isWalrusType(type: string, originalPackageId: ObjectId, struct: WalrusStruct): boolean {
  const { packageId, module, name, typeArguments } = parseStructName(type);
  return (
    packageId === originalPackageId && `${module}::${name}` === WALRUS_STRUCTS[struct] && typeArguments === ""
  );
}

/** BCS of a `u64` key: the version under which System and Staking keep their state. */
export const versionKey = (version: bigint): Uint8Array => bcs.u64().serialize(version).toBytes();
