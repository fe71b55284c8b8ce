/**
 * Publishing Move packages: the transaction, and what it leaves with its sender.
 *
 *   UpgradeCap = id 32 | package 32 | version u64 | policy u8
 */
import { bcs } from "@mysten/sui/bcs";
import { Transaction } from "@mysten/sui/transactions";
import type { ObjectId } from "../../protocol/ids.ts";
import { objectId, parseLayout, u64 } from "../walrus/layouts.ts";

export const UPGRADE_CAP = `0x${"2".padStart(64, "0")}::package::UpgradeCap`;

export const UpgradeCapLayout = bcs.struct("UpgradeCap", {
  id: objectId,
  package: objectId,
  version: u64,
  policy: bcs.u8(),
});

/** @returns the package that this UpgradeCap may upgrade. @throws SuiError `SUI_MALFORMED` */
export const readUpgradeCap = (content: Uint8Array): ObjectId =>
  parseLayout(UpgradeCapLayout, content).package;

/**
 * @param modules base64
 * @param dependencies every package that the modules are linked to
 * @param owner receives the UpgradeCap
 */
export function publishTransaction(
  modules: readonly string[],
  dependencies: readonly string[],
  owner: ObjectId,
): Transaction {
  const tx = new Transaction();
  const cap = tx.publish({ modules: [...modules], dependencies: [...dependencies] });
  tx.transferObjects([cap], owner);
  return tx;
}

/** The type whose values alone may bind claims, once the registry names it. */
export const gateWitnessType = (gatePackageId: ObjectId): string => `${gatePackageId}::gate::WalrusCommittee`;
