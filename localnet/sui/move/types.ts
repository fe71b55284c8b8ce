/**
 * Move types the stand-in knows: canonical names, abilities, and how their values are written.
 *
 * A type's canonical name has 64-digit addresses and no spaces, as `normalizeStructTag`
 * writes it. Structs of Walrus carry the *original* package, whatever package was called.
 */
import { type BcsType, bcs } from "@mysten/sui/bcs";
import { normalizeStructTag, parseStructTag } from "@mysten/sui/utils";
import type { ObjectId } from "../../../shared/protocol/ids.ts";
import { AdminCapLayout } from "../../../shared/sui/audit/layouts.ts";
import { gateWitnessType, UPGRADE_CAP, UpgradeCapLayout } from "../../../shared/sui/audit/publishing.ts";
import {
  SLASHING_STRUCTS,
  SlashingManagerLayout,
  SlashingProposalFieldLayout,
} from "../../../shared/sui/audit/slashing.ts";
import { WALRUS_STRUCTS } from "../../../shared/sui/client/type-names.ts";
import {
  BlobLayout,
  CoinLayout,
  fieldLayout,
  MetadataLayout,
  objectId,
  SharedBlobLayout,
  StakingInnerLayout,
  StakingLayout,
  StakingPoolLayout,
  StorageLayout,
  SystemLayout,
  SystemStateInnerLayout,
  u64,
} from "../../../shared/sui/walrus/layouts.ts";

export const FRAMEWORK = `0x${"2".padStart(64, "0")}` as ObjectId;
export const STDLIB = `0x${"1".padStart(64, "0")}` as ObjectId;
export const SYSTEM_ADDRESS = `0x${"0".repeat(64)}` as ObjectId;
export const SUI_TYPE = `${FRAMEWORK}::sui::SUI`;
export const CLOCK_TYPE = `${FRAMEWORK}::clock::Clock`;
export const RANDOM_TYPE = `${FRAMEWORK}::random::Random`;
export const RANDOM_INNER_TYPE = `${FRAMEWORK}::random::RandomInner`;
export const ID_TYPE = `${FRAMEWORK}::object::ID`;
/** Key of an object table that is indexed by IDs. */
export const TABLE_KEY_TYPE = `${FRAMEWORK}::dynamic_object_field::Wrapper<${ID_TYPE}>`;
export const STRING_TYPE = `${STDLIB}::string::String`;

export const coinType = (token: string): string => `${FRAMEWORK}::coin::Coin<${token}>`;
const balanceType = (token: string): string => `${FRAMEWORK}::balance::Balance<${token}>`;
export const withdrawalType = (token: string): string =>
  `${FRAMEWORK}::funds_accumulator::Withdrawal<${balanceType(token)}>`;

export const tableType = (key: string, value: string): string =>
  `${FRAMEWORK}::table::Table<${key},${value}>`;

/** What `std::type_name` writes for a type: addresses without 0x. */
export const typeNameText = (type: string): string => type.replaceAll("0x", "");

/** Token of a coin type, or undefined for any other type. */
export function tokenOfCoin(type: string): string | undefined {
  const prefix = `${FRAMEWORK}::coin::Coin<`;
  return type.startsWith(prefix) ? type.slice(prefix.length, -1) : undefined;
}

export interface Abilities {
  readonly key: boolean;
  readonly store: boolean;
  readonly drop: boolean;
  readonly copy: boolean;
}
export const abilities = (...names: (keyof Abilities)[]): Abilities => ({
  key: names.includes("key"),
  store: names.includes("store"),
  drop: names.includes("drop"),
  copy: names.includes("copy"),
});
const ADMIN_CAP = /^0x[0-9a-f]{64}::audit::AdminCap$/;
const PLAIN = abilities("store", "drop", "copy");

/** A layout whose value type is no longer known to the compiler; the type's name stands for it at run time. */
export interface ErasedLayout {
  parse(bytes: Uint8Array): unknown;
  serialize(value: unknown): { toBytes(): Uint8Array };
}
// Values only ever come from `parse` of the same layout or from natives that are typed by it.
export const erase = <T, Input>(layout: BcsType<T, Input>): ErasedLayout => layout as unknown as ErasedLayout;

export const ClockLayout = bcs.struct("Clock", { id: objectId, timestamp_ms: u64 });
/** Randomness: its state is a dynamic field of `inner` under its version. */
export const RandomLayout = bcs.struct("Random", {
  id: objectId,
  inner: bcs.struct("Versioned", { id: objectId, version: u64 }),
});
export const RandomInnerFieldLayout = fieldLayout(
  u64,
  bcs.struct("RandomInner", {
    version: u64,
    epoch: u64,
    randomness_round: u64,
    random_bytes: bcs.byteVector(),
  }),
);
/** Of the token's own books only the object itself is kept. */
export const ProtectedTreasuryLayout = bcs.struct("ProtectedTreasury", { id: objectId });
export const StakedWalLayout = bcs.struct("StakedWal", {
  id: objectId,
  state: bcs.enum("StakedWalState", {
    Staked: null,
    Withdrawing: bcs.struct("Withdrawing", { withdraw_epoch: bcs.u32() }),
  }),
  node_id: objectId,
  principal: u64,
  activation_epoch: bcs.u32(),
});
/** Entry of an object table: its value is the ID of the object, which the entry owns. */
export const TableEntryLayout = fieldLayout(objectId, objectId);
/** State fields of System and Staking, under their version. */
export const SystemFieldLayout = fieldLayout(u64, SystemStateInnerLayout);
export const StakingFieldLayout = fieldLayout(u64, StakingInnerLayout);
export const MetadataFieldLayout = fieldLayout(bcs.byteVector(), MetadataLayout);

export interface StructEntry {
  readonly abilities: Abilities;
  /** Absent for structs that only live inside a transaction. */
  readonly layout?: ErasedLayout;
}

const PRIMITIVES: Readonly<Record<string, ErasedLayout>> = {
  bool: erase(bcs.bool()),
  u8: erase(bcs.u8()),
  u16: erase(bcs.u16()),
  u32: erase(bcs.u32()),
  u64: erase(u64),
  u128: erase(bcs.u128().transform({ input: (value: bigint) => value, output: (value) => BigInt(value) })),
  u256: erase(bcs.u256().transform({ input: (value: bigint) => value, output: (value) => BigInt(value) })),
  address: erase(objectId),
  "vector<u8>": erase(bcs.byteVector()),
  [STRING_TYPE]: erase(bcs.string()),
  [ID_TYPE]: erase(objectId),
};

/** Packages that types are named by: those that first defined them. */
export interface TypePackages {
  readonly walrus: ObjectId;
  readonly wal: ObjectId;
  /** The Walrus version that brought module `slashing`. */
  readonly slashing: ObjectId;
  readonly audit: ObjectId;
  readonly auditGate: ObjectId;
}

/** Types of one network: the framework's, those of the Walrus packages, and those of the audit. */
export class MoveTypes {
  readonly originalPackageId: ObjectId;
  readonly auditPackageId: ObjectId;
  readonly auditGatePackageId: ObjectId;
  readonly walToken: string;
  readonly walTreasury: string;
  readonly slashingManager: string;
  readonly slashingProposal: string;
  readonly #structs = new Map<string, StructEntry>();

  constructor(packages: TypePackages) {
    this.originalPackageId = packages.walrus;
    this.auditPackageId = packages.audit;
    this.auditGatePackageId = packages.auditGate;
    this.walToken = `${packages.wal}::wal::WAL`;
    this.walTreasury = `${packages.wal}::wal::ProtectedTreasury`;
    this.slashingManager = `${packages.slashing}::${SLASHING_STRUCTS.SlashingManager}`;
    this.slashingProposal = `${packages.slashing}::${SLASHING_STRUCTS.SlashingProposal}`;
    const owned = abilities("key", "store");
    const add = (name: string, entry: StructEntry): unknown => this.#structs.set(name, entry);
    add(this.walrus("System"), { abilities: abilities("key"), layout: erase(SystemLayout) });
    add(this.walrus("Staking"), { abilities: abilities("key"), layout: erase(StakingLayout) });
    add(this.walrus("StakingPool"), { abilities: owned, layout: erase(StakingPoolLayout) });
    add(this.walrus("Storage"), { abilities: owned, layout: erase(StorageLayout) });
    add(this.walrus("Blob"), { abilities: owned, layout: erase(BlobLayout) });
    add(this.walrus("SharedBlob"), { abilities: owned, layout: erase(SharedBlobLayout) });
    add(this.walrus("Metadata"), { abilities: abilities("store", "drop"), layout: erase(MetadataLayout) });
    add(this.walrus("StakedWal"), { abilities: owned, layout: erase(StakedWalLayout) });
    add(this.field(TABLE_KEY_TYPE, ID_TYPE), {
      abilities: abilities("key"),
      layout: erase(TableEntryLayout),
    });
    add(CLOCK_TYPE, { abilities: abilities("key"), layout: erase(ClockLayout) });
    add(this.field("u64", this.walrus("SystemStateInnerV1")), {
      abilities: abilities("key"),
      layout: erase(SystemFieldLayout),
    });
    add(this.field("u64", this.walrus("StakingInnerV1")), {
      abilities: abilities("key"),
      layout: erase(StakingFieldLayout),
    });
    add(this.field("vector<u8>", this.walrus("Metadata")), {
      abilities: abilities("key"),
      layout: erase(MetadataFieldLayout),
    });
    add(UPGRADE_CAP, { abilities: owned, layout: erase(UpgradeCapLayout) });
    add(RANDOM_TYPE, { abilities: abilities("key"), layout: erase(RandomLayout) });
    add(this.field("u64", RANDOM_INNER_TYPE), {
      abilities: abilities("key"),
      layout: erase(RandomInnerFieldLayout),
    });
    add(this.walTreasury, { abilities: abilities("key"), layout: erase(ProtectedTreasuryLayout) });
    add(`${packages.walrus}::auth::Authenticated`, { abilities: abilities("drop") });
    add(this.slashingManager, { abilities: abilities("key"), layout: erase(SlashingManagerLayout) });
    add(this.field(ID_TYPE, this.slashingProposal), {
      abilities: abilities("key"),
      layout: erase(SlashingProposalFieldLayout),
    });
  }

  /** Adds a struct of a package that is not built in. */
  define(name: string, entry: StructEntry): void {
    this.#structs.set(name, entry);
  }

  /** The type whose values alone may bind claims, in the registry of genesis. */
  get gateWitness(): string {
    return gateWitnessType(this.auditGatePackageId);
  }

  walrus(struct: keyof typeof WALRUS_STRUCTS): string {
    return `${this.originalPackageId}::${WALRUS_STRUCTS[struct]}`;
  }

  field(keyType: string, valueType: string): string {
    return `${FRAMEWORK}::dynamic_field::Field<${keyType},${valueType}>`;
  }

  /** How values of this type are written, or undefined when the stand-in does not store or read the type. */
  layout(type: string): ErasedLayout | undefined {
    const primitive = PRIMITIVES[type];
    if (primitive !== undefined) return primitive;
    if (tokenOfCoin(type) !== undefined) return erase(CoinLayout);
    const optional = /^0x0*1::option::Option<(.+)>$/.exec(type)?.[1];
    if (optional !== undefined) {
      const inner = this.layout(optional);
      // Erased above by the same reasoning as a vector's element below.
      return inner === undefined ? undefined : erase(bcs.option(inner as unknown as BcsType<unknown>));
    }
    const element = /^vector<(.+)>$/.exec(type)?.[1];
    if (element !== undefined) {
      const inner = this.layout(element);
      // Erased above by the same reasoning: the vector's element layout is a real layout.
      return inner === undefined ? undefined : erase(bcs.vector(inner as unknown as BcsType<unknown>));
    }
    // Of a package that is being published, and whose types are not known before the transaction has ended.
    if (ADMIN_CAP.test(type)) return erase(AdminCapLayout);
    return this.#structs.get(type)?.layout;
  }

  abilities(type: string): Abilities {
    if (PRIMITIVES[type] !== undefined) return PLAIN;
    if (tokenOfCoin(type) !== undefined) return abilities("key", "store");
    const inner = /^(?:vector|0x0*1::option::Option)<(.+)>$/.exec(type)?.[1];
    if (inner !== undefined) return { ...this.abilities(inner), key: false };
    if (type.startsWith(`${FRAMEWORK}::balance::Balance<`)) return abilities("store");
    if (type.startsWith(`${FRAMEWORK}::funds_accumulator::Withdrawal<`)) return abilities("drop");
    if (ADMIN_CAP.test(type)) return abilities("key", "store");
    return this.#structs.get(type)?.abilities ?? abilities();
  }
}

/** Canonical spelling of a type argument. @throws Error for text that is no type */
export function canonicalType(text: string): string {
  if (/^(bool|u8|u16|u32|u64|u128|u256|address|signer)$/.test(text)) return text;
  const element = /^vector<(.+)>$/.exec(text)?.[1];
  if (element !== undefined) return `vector<${canonicalType(element)}>`;
  return normalizeStructTag(parseStructTag(text));
}
