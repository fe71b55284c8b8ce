/**
 * BCS layouts of the on-chain objects that Floe reads, and that the embedded network writes.
 *
 * Field names are the Move names. Wrappers that hold one field and add no byte are left out: `Balance<T>` is its
 * u64, `Element<G>` its byte vector, `Committee` and `PendingValues` their map, `VecMap<K,V>` a list of
 * `{ key, value }`. Every u64 and u256 is a `bigint`, every address, `ID` and `UID` an `ObjectId`.
 *
 * | layout                   | bytes                                                                          |
 * |--------------------------|--------------------------------------------------------------------------------|
 * | System, Staking          | id 32, version u64, package_id 32, new_package_id Option<32>                   |
 * | Storage                  | id 32, start_epoch u32, end_epoch u32, storage_size u64 (48 bytes)             |
 * | Blob                     | id 32, registered_epoch u32, blob_id u256, size u64, encoding_type u8,         |
 * |                          | certified_epoch Option<u32>, storage 48, deletable u8                          |
 * | SharedBlob               | id 32, blob, funds u64                                                         |
 * | Coin<T>                  | id 32, balance u64                                                             |
 * | Field<K,V>               | id 32, name K, value V                                                         |
 *
 * The longer ones (SystemStateInnerV1, StakingInnerV1, StakingPool) read best below. A test holds them
 * against the official SDK's generated ones, byte for byte.
 */
import { type BcsType, bcs } from "@mysten/sui/bcs";
import { equalBytes } from "../../base/bytes.ts";
import type { ObjectId } from "../../protocol/ids.ts";
import { SuiError } from "../client/sui-error.ts";

/** 32 bytes; the SDK's reader always yields `0x` and 64 lower-case digits, which is the form of an `ObjectId`. */
export const objectId = bcs.Address.transform({
  name: "ObjectId",
  input: (value: string) => value,
  output: (value) => value as ObjectId,
});

export const u64 = bcs.u64().transform({
  name: "u64",
  input: (value: bigint | number) => value,
  output: (value) => BigInt(value),
});

export const u256 = bcs.u256().transform({
  name: "u256",
  input: (value: bigint) => value,
  output: (value) => BigInt(value),
});

const bytes = bcs.byteVector();

/** `0x2::vec_map::VecMap<K, V>`: entries in insertion order. */
export function vecMap<K, KInput, V, VInput>(key: BcsType<K, KInput>, value: BcsType<V, VInput>) {
  return bcs.vector(bcs.struct("Entry", { key, value }));
}

/** `Table`, `ObjectTable` and `Bag`: the entries are dynamic fields of `id`. */
export const TableLayout = bcs.struct("Table", { id: objectId, size: u64 });

/** `ExtendedField<T>`: the value is a dynamic field of `id` under the key bytes `00`. */
export const ExtendedFieldLayout = bcs.struct("ExtendedField", { id: objectId });

/** `0x2::dynamic_field::Field<K, V>` holding a dynamic field's name and value. */
export function fieldLayout<K, KInput, V, VInput>(name: BcsType<K, KInput>, value: BcsType<V, VInput>) {
  return bcs.struct("Field", { id: objectId, name, value });
}

export const CoinLayout = bcs.struct("Coin", { id: objectId, balance: u64 });

// System and Staking: small shared objects; their state is the dynamic field under key `version`.

const rootFields = {
  id: objectId,
  version: u64,
  package_id: objectId,
  new_package_id: bcs.option(objectId),
};
export const SystemLayout = bcs.struct("System", rootFields);
export const StakingLayout = bcs.struct("Staking", rootFields);

// SystemStateInnerV1

export const BlsCommitteeMemberLayout = bcs.struct("BlsCommitteeMember", {
  /** 96 bytes: uncompressed G1. */
  public_key: bytes,
  weight: bcs.u16(),
  node_id: objectId,
});

export const BlsCommitteeLayout = bcs.struct("BlsCommittee", {
  members: bcs.vector(BlsCommitteeMemberLayout),
  n_shards: bcs.u16(),
  epoch: bcs.u32(),
  /** 48 bytes: compressed G1, the sum of all members' keys. */
  total_aggregated_key: bytes,
});

export const FutureAccountingLayout = bcs.struct("FutureAccounting", {
  epoch: bcs.u32(),
  used_capacity: u64,
  rewards_to_distribute: u64,
});

/** The slot of offset k is `(current_index + k) mod length`; `length` is the most epochs ahead. */
export const FutureAccountingRingBufferLayout = bcs.struct("FutureAccountingRingBuffer", {
  current_index: bcs.u32(),
  length: bcs.u32(),
  ring_buffer: bcs.vector(FutureAccountingLayout),
});

const EventBlobLayout = bcs.struct("EventBlob", {
  blob_id: u256,
  ending_checkpoint_sequence_number: u64,
});

export const EventBlobCertificationStateLayout = bcs.struct("EventBlobCertificationState", {
  latest_certified_blob: bcs.option(EventBlobLayout),
  aggregate_weight_per_blob: vecMap(EventBlobLayout, bcs.u16()),
});

export const SystemStateInnerLayout = bcs.struct("SystemStateInnerV1", {
  committee: BlsCommitteeLayout,
  total_capacity_size: u64,
  used_capacity_size: u64,
  storage_price_per_unit_size: u64,
  write_price_per_unit_size: u64,
  future_accounting: FutureAccountingRingBufferLayout,
  event_blob_certification_state: EventBlobCertificationStateLayout,
  deny_list_sizes: ExtendedFieldLayout,
});

// StakingInnerV1

/** Shards by node ID, in ascending order of the node IDs. */
export const CommitteeLayout = vecMap(objectId, bcs.vector(bcs.u16()));

export const EpochParamsLayout = bcs.struct("EpochParams", {
  total_capacity_size: u64,
  storage_price_per_unit_size: u64,
  write_price_per_unit_size: u64,
});

export const EpochStateLayout = bcs.enum("EpochState", {
  /** Shards whose nodes have reported `epoch_sync_done`. */
  EpochChangeSync: bcs.u16(),
  /** Milliseconds since the Unix epoch. */
  EpochChangeDone: u64,
  /** Milliseconds since the Unix epoch. */
  NextParamsSelected: u64,
});

export const StakingInnerLayout = bcs.struct("StakingInnerV1", {
  n_shards: bcs.u16(),
  /** Milliseconds. */
  epoch_duration: u64,
  first_epoch_start: u64,
  pools: TableLayout,
  epoch: bcs.u32(),
  active_set: ExtendedFieldLayout,
  next_committee: bcs.option(CommitteeLayout),
  committee: CommitteeLayout,
  previous_committee: CommitteeLayout,
  next_epoch_params: bcs.option(EpochParamsLayout),
  epoch_state: EpochStateLayout,
  next_epoch_public_keys: ExtendedFieldLayout,
});

// StakingPool: one object per storage node; its ID is the node ID.

export const PoolStateLayout = bcs.enum("PoolState", {
  Active: null,
  Withdrawing: bcs.u32(),
  Withdrawn: null,
});

export const VotingParamsLayout = bcs.struct("VotingParams", {
  storage_price: u64,
  write_price: u64,
  node_capacity: u64,
});

export const StorageNodeInfoLayout = bcs.struct("StorageNodeInfo", {
  name: bcs.string(),
  node_id: objectId,
  /** `host:port`, at most 259 bytes. */
  network_address: bcs.string(),
  /** 96 bytes: uncompressed G1. */
  public_key: bytes,
  next_epoch_public_key: bcs.option(bytes),
  /** 33 bytes: secp256r1 key of the node's TLS certificate. */
  network_public_key: bytes,
  metadata: ExtendedFieldLayout,
});

const PendingValuesLayout = vecMap(bcs.u32(), u64);

export const AuthorizedLayout = bcs.enum("Authorized", { Address: objectId, ObjectID: objectId });

export const StakingPoolLayout = bcs.struct("StakingPool", {
  id: objectId,
  state: PoolStateLayout,
  voting_params: VotingParamsLayout,
  node_info: StorageNodeInfoLayout,
  activation_epoch: bcs.u32(),
  latest_epoch: bcs.u32(),
  wal_balance: u64,
  num_shares: u64,
  pending_shares_withdraw: PendingValuesLayout,
  pre_active_withdrawals: PendingValuesLayout,
  pending_commission_rate: PendingValuesLayout,
  commission_rate: bcs.u16(),
  exchange_rates: TableLayout,
  pending_stake: PendingValuesLayout,
  rewards_pool: u64,
  commission: u64,
  commission_receiver: AuthorizedLayout,
  governance_authorized: AuthorizedLayout,
  extra_fields: TableLayout,
});

// Blobs

export const StorageLayout = bcs.struct("Storage", {
  id: objectId,
  start_epoch: bcs.u32(),
  /** Exclusive. */
  end_epoch: bcs.u32(),
  /** Encoded bytes. */
  storage_size: u64,
});

export const BlobLayout = bcs.struct("Blob", {
  id: objectId,
  registered_epoch: bcs.u32(),
  /** The blob ID's 32 bytes, read little-endian. */
  blob_id: u256,
  /** Unencoded bytes. */
  size: u64,
  encoding_type: bcs.u8(),
  certified_epoch: bcs.option(bcs.u32()),
  storage: StorageLayout,
  deletable: bcs.bool(),
});

export const SharedBlobLayout = bcs.struct("SharedBlob", { id: objectId, blob: BlobLayout, funds: u64 });

/** Attributes of a blob: the value of its dynamic field under `METADATA_KEY`. */
export const MetadataLayout = bcs.struct("Metadata", { metadata: vecMap(bcs.string(), bcs.string()) });

/** Name of the attributes field, of type `vector<u8>`: "metadata". */
export const METADATA_KEY = Uint8Array.from([109, 101, 116, 97, 100, 97, 116, 97]);

/**
 * Reads a value that must fill `input` exactly, in its only encoding.
 *
 * @throws SuiError `SUI_MALFORMED` naming the layout, for missing, left-over or non-canonical bytes
 * Cost: one parse and one serialisation (the SDK's reader checks neither the end nor the shortest form).
 */
export function parseLayout<T, Input>(layout: BcsType<T, Input>, input: Uint8Array): T {
  let value: T;
  let canonical: Uint8Array;
  try {
    value = layout.parse(input);
    // Every layout here accepts what it yields: the input types are the output types or wider.
    canonical = layout.serialize(value as unknown as Input).toBytes();
  } catch (cause) {
    throw new SuiError("SUI_MALFORMED", `${layout.name}: ${input.length} bytes do not parse`, {
      cause,
      details: { layout: layout.name, bytes: input.length },
    });
  }
  if (!equalBytes(canonical, input)) {
    throw new SuiError(
      "SUI_MALFORMED",
      `${layout.name}: ${input.length} bytes, of which the value takes ${canonical.length}`,
      { details: { layout: layout.name, bytes: input.length, valueBytes: canonical.length } },
    );
  }
  return value;
}
