/**
 * Programmable transactions of `floe_audit`. Pure functions of references: nothing is looked up here, so the same
 * inputs give the same commands. None names sender, gas or expiration.
 *
 * A claim's bond is split off the gas coin, or withdrawn from the sender's address balance. Coins that come back go
 * to a named address. A symbol above `MAX_ARGUMENT_BYTES` travels in chunks:
 *
 *   buf = symbol_buf(chunk 0), push(buf, chunk 1), ..., symbol = into_symbol(buf), refute(registry, claim, symbol, ...)
 */
import { bcs } from "@mysten/sui/bcs";
import type { Transaction } from "@mysten/sui/transactions";
import type { Refutation } from "../../audit/refutation.ts";
import { ROW_BYTES } from "../../audit/report-rows.ts";
import type { DrawKey } from "../../audit/selection.ts";
import { assert } from "../../base/errors.ts";
import type { ObjectId } from "../../protocol/ids.ts";
import { RANDOM_OBJECT_ID } from "../client/type-names.ts";
import { AuditBuilder } from "./builder.ts";
import type { AuditContracts, BondSource, SharedRef, SlashingContracts } from "./contracts.ts";

export interface PopulationToDeclare {
  readonly epoch: number;
  /** Entries. */
  readonly size: number;
  readonly totalBytes: bigint;
  /** 32 bytes. */
  readonly root: Uint8Array;
}

export interface ReportToPublish {
  readonly round: number;
  readonly epoch: number;
  /** challenged, passed, missing, invalid, timeouts, refused, excused, vacuous */
  readonly totals: readonly number[];
  readonly evidenceRoot: Uint8Array;
  readonly nodesRoot: Uint8Array;
  /** 52 bytes per node, at most 128 nodes. */
  readonly rows: Uint8Array;
}

/** A failure as the contract wants it shown. */
export interface ClaimDraft {
  readonly round: number;
  readonly draw: DrawKey;
  readonly node: ObjectId;
  /** Leaf of the population. */
  readonly index: number;
  /** 61 bytes. */
  readonly entry: Uint8Array;
  readonly path: readonly Uint8Array[];
  /** The node's signed confirmation: message 40 bytes, signature 96. */
  readonly confirmation: Uint8Array | undefined;
}

export interface ClaimToFile extends ClaimDraft {
  /** Exactly the bond of the round. */
  readonly bondMist: bigint;
}

export interface AuditorEntry {
  readonly address: ObjectId;
  /** At most 64 bytes. */
  readonly name: string;
  /** At most 256 bytes. */
  readonly url: string;
  readonly sinceEpoch: number;
}

export function openRoundTransaction(contracts: AuditContracts, round: number): Transaction {
  const build = new AuditBuilder(contracts);
  const { tx } = build;
  const random = build.shared(
    { objectId: RANDOM_OBJECT_ID, initialSharedVersion: contracts.randomInitialSharedVersion },
    false,
  );
  build.call("open_round", [build.registry(true), tx.pure.u64(round), random, build.clock()]);
  return tx;
}

export function declarePopulationTransaction(
  contracts: AuditContracts,
  population: PopulationToDeclare,
): Transaction {
  const build = new AuditBuilder(contracts);
  const { tx } = build;
  build.call("declare_population", [
    build.registry(true),
    tx.pure.u32(population.epoch),
    tx.pure.u64(population.size),
    tx.pure.u128(population.totalBytes),
    build.bytes(population.root),
    build.clock(),
  ]);
  return tx;
}

export function reportTransaction(contracts: AuditContracts, report: ReportToPublish): Transaction {
  assert(report.rows.length % ROW_BYTES === 0, `${report.rows.length} bytes are no whole rows`);
  const build = new AuditBuilder(contracts);
  const { tx } = build;
  build.call("report", [
    build.registry(true),
    tx.pure.u64(report.round),
    tx.pure.u32(report.epoch),
    tx.pure.vector("u32", [...report.totals]),
    build.bytes(report.evidenceRoot),
    build.bytes(report.nodesRoot),
    build.bytes(report.rows),
  ]);
  return tx;
}

export function fileClaimTransaction(
  contracts: AuditContracts,
  claim: ClaimToFile,
  bond: BondSource = "gas-coin",
): Transaction {
  const build = new AuditBuilder(contracts);
  const { tx } = build;
  const { mode, shard, t } = claim.draw;
  build.call("file_claim", [
    build.registry(true),
    tx.pure.u64(claim.round),
    tx.pure.u8(mode),
    tx.pure.u16(shard),
    tx.pure.u32(t),
    tx.pure.id(claim.node),
    tx.pure.u64(claim.index),
    build.bytes(claim.entry),
    build.path(claim.path),
    tx.pure(
      bcs
        .option(bcs.byteVector())
        .serialize(claim.confirmation ?? null)
        .toBytes(),
    ),
    build.coin(claim.bondMist, bond),
    build.clock(),
  ]);
  return tx;
}

export function attestTransaction(contracts: AuditContracts, claim: SharedRef): Transaction {
  const build = new AuditBuilder(contracts);
  const { tx } = build;
  build.call("attest", [build.registry(false), build.shared(claim, true), build.clock()]);
  return tx;
}

/**
 * Shows the symbol that a claim says is missing.
 *
 * @param beneficiary receives the bond; `sender` = the transaction's sender
 */
export function refuteTransaction(
  contracts: AuditContracts,
  claim: SharedRef,
  refutation: Refutation,
  beneficiary: ObjectId | "sender",
): Transaction {
  const build = new AuditBuilder(contracts);
  const { tx } = build;
  const bond = build.call("refute", [
    build.registry(true),
    build.shared(claim, true),
    build.symbol(refutation.prefixedSymbol),
    build.path(refutation.sliverPath),
    build.bytes(refutation.otherRoot),
    build.path(refutation.pairPath),
    build.clock(),
  ]);
  const recipient =
    beneficiary === "sender" ? tx.moveCall({ target: "0x2::tx_context::sender" }) : beneficiary;
  tx.transferObjects([bond], recipient);
  return tx;
}

/** @param beneficiary receives the bond */
export function withdrawTransaction(
  contracts: AuditContracts,
  claim: SharedRef,
  beneficiary: ObjectId,
): Transaction {
  const build = new AuditBuilder(contracts);
  const { tx } = build;
  const bond = build.call("withdraw", [build.registry(true), build.shared(claim, true)]);
  tx.transferObjects([bond], beneficiary);
  return tx;
}

/** The bond goes to the accuser, not to the sender. */
export function finalizeTransaction(contracts: AuditContracts, claim: SharedRef): Transaction {
  const build = new AuditBuilder(contracts);
  const { tx } = build;
  build.call("finalize", [build.registry(true), build.shared(claim, true), build.clock()]);
  return tx;
}

/** Marks a claim as bound to the committee, while Walrus is in the claim's epoch. */
export function bindTransaction(
  contracts: AuditContracts,
  gatePackageId: ObjectId,
  claim: SharedRef,
  staking: SharedRef,
): Transaction {
  const build = new AuditBuilder(contracts);
  const { tx } = build;
  tx.moveCall({
    target: `${gatePackageId}::gate::bind`,
    arguments: [build.registry(false), build.shared(claim, true), build.shared(staking, false)],
  });
  return tx;
}

export function purgeClaimTransaction(contracts: AuditContracts, claim: SharedRef): Transaction {
  const build = new AuditBuilder(contracts);
  const { tx } = build;
  build.call("purge_claim", [build.registry(false), build.shared(claim, true), build.clock()]);
  return tx;
}

export function pruneRoundTransaction(contracts: AuditContracts, round: number): Transaction {
  const build = new AuditBuilder(contracts);
  const { tx } = build;
  build.call("prune_round", [build.registry(true), tx.pure.u64(round), build.clock()]);
  return tx;
}

export function prunePopulationTransaction(contracts: AuditContracts, epoch: number): Transaction {
  const build = new AuditBuilder(contracts);
  const { tx } = build;
  build.call("prune_population", [build.registry(true), tx.pure.u32(epoch), build.clock()]);
  return tx;
}

/**
 * A vote of a committee operator for slashing `candidate`, tied to its evidence: for the operator's governance wallet
 * to sign, and never signed here.
 *
 * @param claims confirmed claims against the candidate
 */
export function voteTransaction(
  contracts: AuditContracts,
  slashing: SlashingContracts,
  vote: { readonly voter: ObjectId; readonly candidate: ObjectId },
  claims: readonly SharedRef[],
): Transaction {
  const build = new AuditBuilder(contracts);
  const { tx } = build;
  const walrus = slashing.walrusPackageId;
  const auth = tx.moveCall({ target: `${walrus}::auth::authenticate_sender` });
  tx.moveCall({
    target: `${walrus}::slashing::vote_for_slashing`,
    arguments: [
      build.shared(slashing.slashingManager, true),
      build.shared(slashing.staking, false),
      auth,
      tx.pure.id(vote.voter),
      tx.pure.id(vote.candidate),
    ],
  });
  for (const claim of claims) {
    build.call("record_escalation", [build.shared(claim, false), tx.pure.id(vote.voter)]);
  }
  return tx;
}
