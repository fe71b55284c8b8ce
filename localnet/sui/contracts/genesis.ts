/**
 * The first transaction: System, Staking, one staking pool per storage node, the slashing manager, Clock and Random, and
 * the audit registry.
 *
 * Every ID is blake2b-256("floe-localnet" || seed || label), so a network is the same whenever it is made from the
 * same seed and nodes. The three Walrus package IDs (original, v2, current) and the WAL package are all different:
 * mixing up the package of types and the package of calls must fail here as it does on the public networks. Module
 * `slashing` was born in v2, whose ID its types carry.
 */
import { toBase58 } from "@mysten/sui/utils";
import { concatBytes, toHex } from "../../../shared/base/bytes.ts";
import { blake2b256 } from "../../../shared/crypto/blake2b.ts";
import {
  aggregatePublicKeys,
  blsPublicKeyToUncompressed,
  parseBlsPublicKey,
} from "../../../shared/crypto/bls.ts";
import { checkCommittee } from "../../../shared/protocol/committee.ts";
import { type ObjectId, objectIdFromBytes, shardIndex } from "../../../shared/protocol/ids.ts";
import type { RegistryParams } from "../../../shared/sui/audit/contracts.ts";
import { AUDIT_EVENT_LAYOUTS, auditEventType } from "../../../shared/sui/audit/events.ts";
import { type AuditParamsLayout, auditType } from "../../../shared/sui/audit/layouts.ts";
import { CLOCK_OBJECT_ID, RANDOM_OBJECT_ID, versionKey } from "../../../shared/sui/client/type-names.ts";
import {
  objectId,
  type StakingInnerLayout,
  type StakingPoolLayout,
  type SystemStateInnerLayout,
} from "../../../shared/sui/walrus/layouts.ts";
import { dynamicFieldId } from "../move/objects.ts";
import {
  CLOCK_TYPE,
  ID_TYPE,
  RANDOM_INNER_TYPE,
  RANDOM_TYPE,
  SYSTEM_ADDRESS,
  TABLE_KEY_TYPE,
  typeNameText,
} from "../move/types.ts";
import type { Session } from "../vm/session.ts";
import type { PackageIds } from "./functions.ts";

export interface GenesisNode {
  readonly name: string;
  readonly nodeId: ObjectId;
  /** `host:port`, as it stands on chain. */
  readonly networkAddress: string;
  /** BLS12-381 G1, 48 bytes compressed. */
  readonly publicKey: Uint8Array;
  /** Not used by the ledger; kept beside its public key by those who hold both. */
  readonly secretKey?: Uint8Array;
  readonly shards: readonly number[];
  /** Who may vote for the node; nobody when absent. */
  readonly governanceAddress?: ObjectId;
}

export interface GenesisAudit {
  /** Owns the AdminCap; nobody when absent. */
  readonly adminAddress?: ObjectId;
  readonly params: RegistryParams;
}

export interface GenesisOptions {
  readonly seed: string;
  readonly nShards: number;
  readonly nodes: readonly GenesisNode[];
  /** First Walrus epoch. */
  readonly epoch: number;
  readonly epochDurationMs: number;
  readonly storagePricePerUnit: bigint;
  readonly writePricePerUnit: bigint;
  readonly maxEpochsAhead: number;
  readonly capacityBytes: bigint;
  readonly audit: GenesisAudit;
}

export interface NetworkIds {
  readonly chainId: string;
  readonly systemObjectId: ObjectId;
  readonly stakingObjectId: ObjectId;
  readonly packages: PackageIds;
  readonly originalPackageId: ObjectId;
  /** The package to call now. */
  readonly packageId: ObjectId;
  readonly walPackageId: ObjectId;
  readonly walType: string;
  readonly walTreasuryId: ObjectId;
  readonly slashingManagerId: ObjectId;
  readonly auditPackageId: ObjectId;
  readonly auditGatePackageId: ObjectId;
  readonly auditRegistryId: ObjectId;
  readonly auditAdminCapId: ObjectId;
}

/** Version of the contracts at genesis, as deployed on the public networks. */
const GENESIS_VERSION = 3n;
/** Part of the chain ID: a ledger that began with other objects is another chain. */
const GENESIS_REVISION = 2;

const encoder = new TextEncoder();
const label = (seed: string, name: string): Uint8Array =>
  blake2b256(concatBytes(encoder.encode("floe-localnet\0"), encoder.encode(`${seed}\0${name}`)));
/** A deterministic ID of this network. */
export const seededId = (seed: string, name: string): ObjectId => objectIdFromBytes(label(seed, name));

/**
 * IDs of the network that these options make. The chain ID also covers the committee, so that the ledger of another
 * committee is recognised as foreign; node addresses may change.
 */
export function networkIds(options: GenesisOptions): NetworkIds {
  const { seed } = options;
  const committee = options.nodes.map(
    (node) => `${node.nodeId}:${toHex(node.publicKey)}:${node.shards.join(",")}`,
  );
  const wal = seededId(seed, "wal package");
  const original = seededId(seed, "walrus package 1");
  const current = seededId(seed, "walrus package 3");
  const audit = seededId(seed, "audit package");
  const auditGate = seededId(seed, "audit gate package");
  return {
    chainId: toBase58(label(seed, `chain ${GENESIS_REVISION} ${options.nShards} ${committee.join(" ")}`)),
    systemObjectId: seededId(seed, "system"),
    stakingObjectId: seededId(seed, "staking"),
    packages: {
      wal,
      audit,
      auditGate,
      walrus: [
        { version: 1n, packageId: original },
        { version: 2n, packageId: seededId(seed, "walrus package 2") },
        { version: GENESIS_VERSION, packageId: current },
      ],
    },
    originalPackageId: original,
    packageId: current,
    walPackageId: wal,
    walType: `${wal}::wal::WAL`,
    walTreasuryId: seededId(seed, "wal treasury"),
    slashingManagerId: seededId(seed, "slashing manager"),
    auditPackageId: audit,
    auditGatePackageId: auditGate,
    auditRegistryId: seededId(seed, "audit registry"),
    auditAdminCapId: seededId(seed, "audit admin cap"),
  };
}

/** Writes the first objects. The committee is checked: every shard held once. */
export function writeGenesis(
  session: Session,
  ids: NetworkIds,
  options: GenesisOptions,
  nowMs: number,
): void {
  const nodes = [...options.nodes].sort((a, b) => (a.nodeId < b.nodeId ? -1 : 1));
  checkCommittee({
    epoch: options.epoch,
    nShards: options.nShards,
    members: nodes.map((node) => ({
      ...node,
      shards: node.shards.map((shard) => shardIndex(shard, options.nShards)),
    })),
  });
  const root = { version: GENESIS_VERSION, package_id: ids.packageId, new_package_id: null };
  const shared = { kind: "shared", initialSharedVersion: 0n } as const;
  const { types } = session;
  session.create(types.walrus("System"), { id: ids.systemObjectId, ...root }, shared);
  session.create(types.walrus("Staking"), { id: ids.stakingObjectId, ...root }, shared);
  session.create(CLOCK_TYPE, { id: CLOCK_OBJECT_ID, timestamp_ms: BigInt(nowMs) }, shared);
  const key = versionKey(GENESIS_VERSION);
  const pools = seededId(options.seed, "pools");
  session.addField(ids.systemObjectId, "u64", key, types.walrus("SystemStateInnerV1"), {
    name: GENESIS_VERSION,
    value: systemInner(options, nodes),
  });
  session.addField(ids.stakingObjectId, "u64", key, types.walrus("StakingInnerV1"), {
    name: GENESIS_VERSION,
    value: stakingInner(options, nodes, pools, nowMs),
  });
  for (const node of nodes) {
    const nodeKey = objectId.serialize(node.nodeId).toBytes();
    session.addField(pools, TABLE_KEY_TYPE, nodeKey, ID_TYPE, { name: node.nodeId, value: node.nodeId });
    const parent = dynamicFieldId(pools, TABLE_KEY_TYPE, nodeKey);
    session.create(types.walrus("StakingPool"), stakingPool(options, node), { kind: "object", parent });
  }
  writeSlashing(session, ids, options.seed);
  writeRandom(session, options.seed);
  writeAudit(session, ids, options);
}

function writeSlashing(session: Session, ids: NetworkIds, seed: string): void {
  const shared = { kind: "shared", initialSharedVersion: 0n } as const;
  const { types } = session;
  const table = { id: seededId(seed, "slashing candidates"), size: 0n };
  const manager = { id: ids.slashingManagerId, slashing_candidates: table };
  session.create(types.slashingManager, manager, shared);
  session.create(types.walTreasury, { id: ids.walTreasuryId }, shared);
}

function writeRandom(session: Session, seed: string): void {
  const inner = seededId(seed, "randomness state");
  const random = { id: RANDOM_OBJECT_ID, inner: { id: inner, version: 1n } };
  session.create(RANDOM_TYPE, random, { kind: "shared", initialSharedVersion: 0n });
  session.addField(inner, "u64", versionKey(1n), RANDOM_INNER_TYPE, {
    name: 1n,
    value: { version: 1n, epoch: 0n, randomness_round: 0n, random_bytes: label(seed, "randomness") },
  });
}

/** What publishing the package and calling `create` leave behind, with the gate of its own already named. */
function writeAudit(session: Session, ids: NetworkIds, { seed, audit }: GenesisOptions): void {
  const { auditPackageId: packageId, auditRegistryId: registry } = ids;
  const table = (name: string) => ({ id: seededId(seed, `audit ${name}`), size: 0n });
  const params = auditParams(audit.params);
  session.create(
    auditType(packageId, "Registry"),
    {
      id: registry,
      version: 1n,
      paused: false,
      auditors: [],
      params,
      gate: typeNameText(session.types.gateWitness),
      populations: table("populations"),
      rounds: table("rounds"),
      open_claims: table("open claims"),
    },
    { kind: "shared", initialSharedVersion: 0n },
  );
  const address = audit.adminAddress ?? SYSTEM_ADDRESS;
  session.create(auditType(packageId, "AdminCap"), { id: ids.auditAdminCapId }, { kind: "address", address });
  session.emit({
    packageId,
    module: "audit",
    sender: session.sender,
    type: auditEventType(packageId, "RegistryCreated"),
    contents: AUDIT_EVENT_LAYOUTS.RegistryCreated.serialize({ registry, params }).toBytes(),
  });
}

const auditParams = (params: RegistryParams): ReturnType<typeof AuditParamsLayout.parse> => ({
  quorum: params.quorum,
  n_shards: params.nShards,
  period_ms: BigInt(params.periodMs),
  window_ms: BigInt(params.windowMs),
  bond: params.bondMist,
  max_open_per_node: params.maxOpenPerNode,
  max_per_auditor_epoch: params.maxPerAuditorEpoch,
  draws_per_shard: params.drawsPerShard,
  retention_rounds: BigInt(params.retentionRounds),
});

function systemInner(
  options: GenesisOptions,
  nodes: readonly GenesisNode[],
): ReturnType<typeof SystemStateInnerLayout.parse> {
  return {
    committee: {
      members: nodes.map((node) => ({
        public_key: blsPublicKeyToUncompressed(node.publicKey),
        weight: node.shards.length,
        node_id: node.nodeId,
      })),
      n_shards: options.nShards,
      epoch: options.epoch,
      total_aggregated_key: aggregatePublicKeys(nodes.map((node) => parseBlsPublicKey(node.publicKey))),
    },
    total_capacity_size: options.capacityBytes,
    used_capacity_size: 0n,
    storage_price_per_unit_size: options.storagePricePerUnit,
    write_price_per_unit_size: options.writePricePerUnit,
    future_accounting: {
      current_index: 0,
      length: options.maxEpochsAhead,
      ring_buffer: Array.from({ length: options.maxEpochsAhead }, (_, offset) => ({
        epoch: options.epoch + offset,
        used_capacity: 0n,
        rewards_to_distribute: 0n,
      })),
    },
    event_blob_certification_state: { latest_certified_blob: null, aggregate_weight_per_blob: [] },
    deny_list_sizes: { id: seededId(options.seed, "deny list sizes") },
  };
}

function stakingInner(
  options: GenesisOptions,
  nodes: readonly GenesisNode[],
  pools: ObjectId,
  nowMs: number,
): ReturnType<typeof StakingInnerLayout.parse> {
  return {
    n_shards: options.nShards,
    epoch_duration: BigInt(options.epochDurationMs),
    first_epoch_start: BigInt(nowMs),
    pools: { id: pools, size: BigInt(nodes.length) },
    epoch: options.epoch,
    active_set: { id: seededId(options.seed, "active set") },
    next_committee: null,
    committee: nodes.map((node) => ({ key: node.nodeId, value: [...node.shards] })),
    previous_committee: [],
    next_epoch_params: null,
    epoch_state: { $kind: "EpochChangeDone", EpochChangeDone: BigInt(nowMs) },
    next_epoch_public_keys: { id: seededId(options.seed, "next epoch public keys") },
  };
}

function stakingPool(options: GenesisOptions, node: GenesisNode): ReturnType<typeof StakingPoolLayout.parse> {
  const id = (name: string): ObjectId => seededId(options.seed, `${name} of ${node.nodeId}`);
  // Stake in proportion to shards, which is what a real election would have seen.
  const stake = BigInt(node.shards.length) * 1_000_000_000_000n;
  return {
    id: node.nodeId,
    state: { $kind: "Active", Active: true },
    voting_params: {
      storage_price: options.storagePricePerUnit,
      write_price: options.writePricePerUnit,
      node_capacity: options.capacityBytes / BigInt(options.nodes.length),
    },
    node_info: {
      name: node.name,
      node_id: node.nodeId,
      network_address: node.networkAddress,
      public_key: blsPublicKeyToUncompressed(node.publicKey),
      next_epoch_public_key: null,
      network_public_key: concatBytes(Uint8Array.of(2), label(options.seed, `tls of ${node.nodeId}`)),
      metadata: { id: id("metadata") },
    },
    activation_epoch: options.epoch,
    latest_epoch: options.epoch,
    wal_balance: stake,
    num_shares: stake,
    pending_shares_withdraw: [],
    pre_active_withdrawals: [],
    pending_commission_rate: [],
    commission_rate: 0,
    exchange_rates: { id: id("exchange rates"), size: 0n },
    pending_stake: [],
    rewards_pool: 0n,
    commission: 0n,
    commission_receiver: { $kind: "Address", Address: SYSTEM_ADDRESS },
    governance_authorized: { $kind: "Address", Address: node.governanceAddress ?? SYSTEM_ADDRESS },
    extra_fields: { id: id("extra fields"), size: 0n },
  };
}
