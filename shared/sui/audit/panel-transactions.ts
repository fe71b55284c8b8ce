/**
 * Transactions of the holder of the AdminCap: the registry, its parameters, its auditors, its gate.
 *
 * Like those of auditors they are pure functions of references and name neither sender, gas nor expiration.
 */
import { Transaction, type TransactionArgument } from "@mysten/sui/transactions";
import type { ObjectId } from "../../protocol/ids.ts";
import { type ObjectRef, toSdkRef } from "../wallet/blob-transactions.ts";
import { AuditBuilder } from "./builder.ts";
import type { AuditContracts, RegistryParams } from "./contracts.ts";
import type { AuditorEntry } from "./transactions.ts";

/** Creates and shares an empty registry; its ID is in the event `RegistryCreated`. */
export function createRegistryTransaction(
  packageId: ObjectId,
  cap: ObjectRef,
  params: RegistryParams,
): Transaction {
  const tx = new Transaction();
  const made = newParams(tx, packageId, params);
  tx.moveCall({ target: `${packageId}::audit::create`, arguments: [tx.objectRef(toSdkRef(cap)), made] });
  return tx;
}

/**
 * All or none of them: aborts when one is active already. An auditor that was deactivated comes back with its record.
 */
export function addAuditorsTransaction(
  contracts: AuditContracts,
  cap: ObjectRef,
  auditors: readonly AuditorEntry[],
): Transaction {
  const build = new AuditBuilder(contracts);
  const { tx } = build;
  for (const { address, name, url, sinceEpoch } of auditors) {
    build.call("add_auditor", [
      build.registry(true),
      tx.objectRef(toSdkRef(cap)),
      tx.pure.address(address),
      tx.pure.string(name),
      tx.pure.string(url),
      tx.pure.u32(sinceEpoch),
    ]);
  }
  return tx;
}

/** All or none of them: aborts when one is not active. */
export function deactivateAuditorsTransaction(
  contracts: AuditContracts,
  cap: ObjectRef,
  auditors: readonly ObjectId[],
): Transaction {
  const build = new AuditBuilder(contracts);
  const { tx } = build;
  for (const auditor of auditors) {
    const refs = [build.registry(true), tx.objectRef(toSdkRef(cap))];
    build.call("deactivate_auditor", [...refs, tx.pure.address(auditor)]);
  }
  return tx;
}

export function setPausedTransaction(
  contracts: AuditContracts,
  cap: ObjectRef,
  paused: boolean,
): Transaction {
  const build = new AuditBuilder(contracts);
  const { tx } = build;
  build.call("set_paused", [build.registry(true), tx.objectRef(toSdkRef(cap)), tx.pure.bool(paused)]);
  return tx;
}

/** Applies to rounds opened later; the period must stay. */
export function setParamsTransaction(
  contracts: AuditContracts,
  cap: ObjectRef,
  params: RegistryParams,
): Transaction {
  const build = new AuditBuilder(contracts);
  const { tx } = build;
  const made = newParams(tx, contracts.packageId, params);
  build.call("set_params", [build.registry(true), tx.objectRef(toSdkRef(cap)), made]);
  return tx;
}

/** @param witnessType full type whose values alone may bind claims, e.g. `<gate package>::gate::WalrusCommittee` */
export function setGateTransaction(
  contracts: AuditContracts,
  cap: ObjectRef,
  witnessType: string,
): Transaction {
  const build = new AuditBuilder(contracts);
  const { tx } = build;
  build.call("set_gate", [build.registry(true), tx.objectRef(toSdkRef(cap))], [witnessType]);
  return tx;
}

function newParams(tx: Transaction, packageId: ObjectId, params: RegistryParams): TransactionArgument {
  return tx.moveCall({
    target: `${packageId}::audit::new_params`,
    arguments: [
      tx.pure.u8(params.quorum),
      tx.pure.u16(params.nShards),
      tx.pure.u64(params.periodMs),
      tx.pure.u64(params.windowMs),
      tx.pure.u64(params.bondMist),
      tx.pure.u8(params.maxOpenPerNode),
      tx.pure.u16(params.maxPerAuditorEpoch),
      tx.pure.u32(params.drawsPerShard),
      tx.pure.u64(params.retentionRounds),
    ],
  });
}
