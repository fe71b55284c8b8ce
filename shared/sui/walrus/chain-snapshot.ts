/**
 * What Floe knows of the Walrus contracts at one moment: epoch, committees, prices, package IDs.
 *
 * Read from five kinds of objects: System and Staking (small shared objects), their state (dynamic fields under the
 * key `version`, whose IDs are derived here), and one StakingPool per storage node (a node ID *is* its pool's ID).
 * That is three round trips of BatchGetObjects, two when the caller knows an earlier snapshot, and one GetFunction
 * for the WAL type the first time.
 *
 * The committee stands in two places: shard lists in Staking, signing keys and weights in System. They must agree
 * member by member; while an epoch change lands between two reads they may not, so the reading is repeated.
 */
import type { SuiGrpcClient } from "@mysten/sui/grpc";
import { deriveDynamicFieldID, normalizeStructTag } from "@mysten/sui/utils";
import { toHex } from "../../base/bytes.ts";
import { blsPublicKeyFromUncompressed } from "../../crypto/bls.ts";
import { type Committee, type CommitteeMember, checkCommittee } from "../../protocol/committee.ts";
import { type BlobId, blobIdFromU256, type ObjectId, parseObjectId, shardIndex } from "../../protocol/ids.ts";
import { SUI_LIMITS } from "../client/limits.ts";
import { suiCall } from "../client/sui-client.ts";
import { SuiError } from "../client/sui-error.ts";
import { isWalrusType, parseStructName, versionKey } from "../client/type-names.ts";
import {
  fieldLayout,
  parseLayout,
  StakingInnerLayout,
  StakingLayout,
  StakingPoolLayout,
  SystemLayout,
  SystemStateInnerLayout,
  u64,
} from "./layouts.ts";

export type EpochState =
  /** Shards are moving; `reportedShards` belong to nodes that have finished. */
  | { readonly kind: "EpochChangeSync"; readonly reportedShards: number }
  | { readonly kind: "EpochChangeDone"; readonly atMs: number }
  | { readonly kind: "NextParamsSelected"; readonly atMs: number };

/** Plain data: may be stored, cloned and sent between isolates. */
export interface ChainSnapshot {
  readonly epoch: number;
  readonly nShards: number;
  readonly epochState: EpochState;
  readonly epochDurationMs: number;
  /** Whom slivers go to and whose signatures count. */
  readonly committee: Committee;
  /** While shards move, who still serves blobs certified in earlier epochs; its keys may be newer than its epoch. */
  readonly previousCommittee: Committee | null;
  /** FROST per started MiB of encoded bytes and epoch. */
  readonly storagePricePerUnit: bigint;
  /** FROST per started MiB of encoded bytes, once. */
  readonly writePricePerUnit: bigint;
  readonly maxEpochsAhead: number;
  /** Version of the contracts' state, the key of its dynamic fields. */
  readonly version: bigint;
  /** Calls go here. */
  readonly packageId: ObjectId;
  /** Types and events of the first release are named by this. */
  readonly originalPackageId: ObjectId;
  /** Full type name of the WAL coin. */
  readonly walType: string;
  readonly systemObjectId: ObjectId;
  readonly systemInitialSharedVersion: bigint;
  readonly stakingObjectId: ObjectId;
  /** When the reading began, by the reader's clock: everything in here is at least this fresh. */
  readonly readAtMs: number;
}

export interface WalrusObjectIds {
  readonly systemObjectId: ObjectId;
  readonly stakingObjectId: ObjectId;
}

/** An epoch change between two reads is seen at most once in a reading; more means an endpoint that lies or lags. */
const ATTEMPTS = 3;

/**
 * Reads one consistent snapshot.
 *
 * @param nowMs the caller's time when the call starts; becomes `readAtMs`
 * @param known an earlier snapshot of the same network: saves the look-ups of what rarely changes
 * @throws SuiError `SUI_STALE` when System and Staking keep disagreeing, `SUI_MALFORMED`, `SUI_NOT_FOUND` or a
 *   transport error; ProtocolError `INVALID_COMMITTEE`
 */
export async function readChainSnapshot(
  client: SuiGrpcClient,
  ids: WalrusObjectIds,
  nowMs: number,
  known?: ChainSnapshot,
): Promise<ChainSnapshot> {
  let version = known?.version;
  let disagreement: SuiError | undefined;
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const state = await readState(client, ids, version);
    version = state.version;
    const memberIds = new Set<ObjectId>();
    for (const { key } of state.staking.committee) memberIds.add(key);
    for (const { key } of state.staking.previous_committee) memberIds.add(key);
    const pools = await readPools(client, [...memberIds]);
    const signingKeys = crossCheck(state);
    if (signingKeys instanceof SuiError) {
      disagreement = signingKeys;
      continue;
    }
    const walType =
      known?.originalPackageId === state.originalPackageId
        ? known.walType
        : await readWalType(client, state.originalPackageId);
    return toSnapshot(ids, state, pools, signingKeys, walType, nowMs);
  }
  throw disagreement ?? new SuiError("SUI_STALE", "System and Staking disagree", { retryable: true });
}

/** The newest event blob that a quorum of the storage nodes attested: it and those before it are the whole history. */
export interface CertifiedEventBlob {
  readonly blobId: BlobId;
  /** Inclusive. */
  readonly lastCheckpoint: number;
}

/**
 * Reads which event blob is the latest certified one; undefined while there is none.
 *
 * @throws as `readChainSnapshot`
 */
export async function readCertifiedEventBlob(
  client: SuiGrpcClient,
  ids: WalrusObjectIds,
): Promise<CertifiedEventBlob | undefined> {
  const { system } = await readState(client, ids, undefined);
  const latest = system.event_blob_certification_state.latest_certified_blob;
  if (latest === null) return undefined;
  return {
    blobId: blobIdFromU256(latest.blob_id),
    lastCheckpoint: Number(latest.ending_checkpoint_sequence_number),
  };
}

const SystemFieldLayout = fieldLayout(u64, SystemStateInnerLayout);
const StakingFieldLayout = fieldLayout(u64, StakingInnerLayout);
type SystemInner = ReturnType<typeof SystemStateInnerLayout.parse>;
type StakingInner = ReturnType<typeof StakingInnerLayout.parse>;
type StakingPool = ReturnType<typeof StakingPoolLayout.parse>;

interface ContractState {
  readonly version: bigint;
  readonly packageId: ObjectId;
  readonly originalPackageId: ObjectId;
  readonly systemInitialSharedVersion: bigint;
  readonly system: SystemInner;
  readonly staking: StakingInner;
}

const stateId = (parent: ObjectId, version: bigint): ObjectId =>
  parseObjectId(deriveDynamicFieldID(parent, "u64", versionKey(version)));

async function readState(
  client: SuiGrpcClient,
  ids: WalrusObjectIds,
  guess: bigint | undefined,
): Promise<ContractState> {
  const fieldIds = (version: bigint) => [
    stateId(ids.systemObjectId, version),
    stateId(ids.stakingObjectId, version),
  ];
  const roots = [ids.systemObjectId, ids.stakingObjectId];
  const first = await readObjects(client, guess === undefined ? roots : [...roots, ...fieldIds(guess)]);
  const systemObject = present(first[0], "System", ids.systemObjectId);
  const stakingObject = present(first[1], "Staking", ids.stakingObjectId);
  const originalPackageId = parseStructName(systemObject.type).packageId;
  for (const [object, struct] of [
    [systemObject, "System"],
    [stakingObject, "Staking"],
  ] as const) {
    if (!isWalrusType(object.type, originalPackageId, struct)) {
      throw new SuiError("SUI_MALFORMED", `object ${object.id} is no ${struct} of ${originalPackageId}`);
    }
  }
  const system = parseLayout(SystemLayout, systemObject.content);
  const staking = parseLayout(StakingLayout, stakingObject.content);
  if (system.version !== staking.version || system.package_id !== staking.package_id) {
    throw new SuiError(
      "SUI_STALE",
      `System has version ${system.version}, Staking ${staking.version}: an upgrade is under way`,
      { retryable: true, details: { system: system.version, staking: staking.version } },
    );
  }
  const fields =
    guess === system.version ? first.slice(2) : await readObjects(client, fieldIds(system.version));
  const [systemFieldId = ids.systemObjectId, stakingFieldId = ids.stakingObjectId] = fieldIds(system.version);
  const systemField = present(fields[0], "System's state", systemFieldId);
  const stakingField = present(fields[1], "Staking's state", stakingFieldId);
  if (systemObject.initialSharedVersion === undefined) {
    throw new SuiError("SUI_MALFORMED", "System is not a shared object");
  }
  return {
    version: system.version,
    packageId: system.package_id,
    originalPackageId,
    systemInitialSharedVersion: systemObject.initialSharedVersion,
    system: parseLayout(SystemFieldLayout, systemField.content).value,
    staking: parseLayout(StakingFieldLayout, stakingField.content).value,
  };
}

interface ReadObject {
  readonly id: ObjectId;
  readonly type: string;
  readonly content: Uint8Array;
  readonly initialSharedVersion: bigint | undefined;
}

/** Objects in the order asked; undefined where the endpoint knows none. Batches of `SUI_LIMITS.suiBatchObjects`. */
async function readObjects(
  client: SuiGrpcClient,
  ids: readonly ObjectId[],
): Promise<(ReadObject | undefined)[]> {
  const { objects } = await suiCall(`reading ${ids.length} objects`, () =>
    client.getObjects({ objectIds: [...ids], include: { content: true } }),
  );
  return ids.map((id, index) => {
    const object = objects[index];
    if (object === undefined || object instanceof Error) return undefined;
    const shared = object.owner?.$kind === "Shared" ? object.owner.Shared.initialSharedVersion : undefined;
    return {
      id,
      type: object.type,
      content: object.content,
      initialSharedVersion: shared === undefined ? undefined : BigInt(shared),
    };
  });
}

function present(object: ReadObject | undefined, what: string, id: ObjectId): ReadObject {
  if (object !== undefined) return object;
  throw new SuiError("SUI_NOT_FOUND", `${what} (${id}) is not on this chain`, { details: { objectId: id } });
}

async function readPools(
  client: SuiGrpcClient,
  ids: readonly ObjectId[],
): Promise<ReadonlyMap<ObjectId, StakingPool>> {
  const pools = new Map<ObjectId, StakingPool>();
  for (let from = 0; from < ids.length; from += SUI_LIMITS.suiBatchObjects) {
    const batch = ids.slice(from, from + SUI_LIMITS.suiBatchObjects);
    const objects = await readObjects(client, batch);
    batch.forEach((id, index) => {
      const object = present(objects[index], "a node's staking pool", id);
      pools.set(id, parseLayout(StakingPoolLayout, object.content));
    });
  }
  return pools;
}

async function readWalType(client: SuiGrpcClient, originalPackageId: ObjectId): Promise<string> {
  const { function: stake } = await suiCall("reading staking::stake_with_pool", () =>
    client.getMoveFunction({
      packageId: originalPackageId,
      moduleName: "staking",
      name: "stake_with_pool",
    }),
  );
  // stake_with_pool(&mut Staking, Coin<WAL>, ID): the coin's type argument is the WAL type.
  const coin = stake.parameters[1]?.body;
  const wal = coin?.$kind === "datatype" ? coin.datatype.typeParameters[0] : undefined;
  if (wal?.$kind !== "datatype") {
    throw new SuiError("SUI_MALFORMED", "staking::stake_with_pool takes no coin of a known type");
  }
  return normalizeStructTag(wal.datatype.typeName);
}

/** The signing keys (48 bytes) by member position, or why System and Staking do not describe one committee. */
function crossCheck({ system, staking }: ContractState): readonly Uint8Array[] | SuiError {
  const { members, epoch, n_shards } = system.committee;
  const differs = (reason: string) =>
    new SuiError("SUI_STALE", `System and Staking disagree: ${reason}`, {
      retryable: true,
      details: { systemEpoch: epoch, stakingEpoch: staking.epoch },
    });
  if (epoch !== staking.epoch) return differs(`epochs ${epoch} and ${staking.epoch}`);
  if (n_shards !== staking.n_shards) return differs(`${n_shards} and ${staking.n_shards} shards`);
  if (members.length !== staking.committee.length) {
    return differs(`${members.length} and ${staking.committee.length} members`);
  }
  for (const [position, member] of members.entries()) {
    const entry = staking.committee[position];
    if (entry?.key !== member.node_id || entry.value.length !== member.weight) {
      return differs(`member ${position} of ${members.length}`);
    }
  }
  return members.map((member) => compressedKey(member.public_key));
}

const compressedKeys = new Map<string, Uint8Array>();
const COMPRESSED_KEYS_MAX = 1024;

/** Compressing checks the curve and the subgroup, about 1 ms a key, and keys outlive epochs: so they are kept. */
function compressedKey(uncompressed: Uint8Array): Uint8Array {
  const name = toHex(uncompressed);
  const kept = compressedKeys.get(name);
  if (kept !== undefined) return kept;
  const compressed = blsPublicKeyFromUncompressed(uncompressed);
  if (compressedKeys.size >= COMPRESSED_KEYS_MAX) compressedKeys.clear();
  compressedKeys.set(name, compressed);
  return compressed;
}

function toSnapshot(
  ids: WalrusObjectIds,
  state: ContractState,
  pools: ReadonlyMap<ObjectId, StakingPool>,
  signingKeys: readonly Uint8Array[],
  walType: string,
  readAtMs: number,
): ChainSnapshot {
  const { system, staking } = state;
  const nShards = staking.n_shards;
  const committeeOf = (
    epoch: number,
    entries: StakingInner["committee"],
    keyAt: (position: number, pool: StakingPool) => Uint8Array,
  ): Committee =>
    checkCommittee({
      epoch,
      nShards,
      members: entries.map(({ key: nodeId, value: shards }, position): CommitteeMember => {
        const pool = pools.get(nodeId);
        if (pool === undefined) throw new SuiError("SUI_MALFORMED", `no staking pool of node ${nodeId}`);
        return {
          nodeId,
          name: pool.node_info.name,
          networkAddress: pool.node_info.network_address,
          publicKey: keyAt(position, pool),
          shards: shards.map((shard) => shardIndex(shard, nShards)),
        };
      }),
    });
  return {
    epoch: staking.epoch,
    nShards,
    epochState: epochStateOf(staking.epoch_state),
    epochDurationMs: Number(staking.epoch_duration),
    committee: committeeOf(staking.epoch, staking.committee, (position, pool) => {
      return signingKeys[position] ?? compressedKey(pool.node_info.public_key);
    }),
    previousCommittee:
      staking.previous_committee.length === 0
        ? null
        : committeeOf(staking.epoch - 1, staking.previous_committee, (_position, pool) =>
            compressedKey(pool.node_info.public_key),
          ),
    storagePricePerUnit: system.storage_price_per_unit_size,
    writePricePerUnit: system.write_price_per_unit_size,
    maxEpochsAhead: system.future_accounting.length,
    version: state.version,
    packageId: state.packageId,
    originalPackageId: state.originalPackageId,
    walType,
    systemObjectId: ids.systemObjectId,
    systemInitialSharedVersion: state.systemInitialSharedVersion,
    stakingObjectId: ids.stakingObjectId,
    readAtMs,
  };
}

function epochStateOf(state: StakingInner["epoch_state"]): EpochState {
  switch (state.$kind) {
    case "EpochChangeSync":
      return { kind: "EpochChangeSync", reportedShards: state.EpochChangeSync };
    case "EpochChangeDone":
      return { kind: "EpochChangeDone", atMs: Number(state.EpochChangeDone) };
    case "NextParamsSelected":
      return { kind: "NextParamsSelected", atMs: Number(state.NextParamsSelected) };
    default:
      return state satisfies never;
  }
}
