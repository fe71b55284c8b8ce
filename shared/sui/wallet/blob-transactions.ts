/**
 * Programmable transactions for one or many blobs. Pure functions of a snapshot and object references: nothing is
 * looked up here, so the same inputs give the same commands.
 *
 * Register (one payment coin for the whole transaction):
 *
 *   payment = SplitCoins(WAL coin, [sum of all costs])          or redeem_funds of an address balance
 *   per blob:  system::reserve_space -> system::register_blob -> blob::insert_or_update_metadata_pair per attribute
 *   coin::destroy_zero(payment)                                 aborts unless exactly the quoted sum was charged
 *   TransferObjects([all blobs], owner)
 *
 * Certify: `system::certify_blob` per blob, then share or transfer it. System is taken mutably only to register.
 */
import { Transaction, type TransactionArgument } from "@mysten/sui/transactions";
import { type Certificate, signersToBitmap } from "../../protocol/certificate.ts";
import { type BlobId, blobIdToBytes, type ObjectId } from "../../protocol/ids.ts";
import { ENCODING_TYPE_RS2 } from "../../protocol/metadata.ts";
import type { ChainSnapshot } from "../walrus/chain-snapshot.ts";
import type { RegistrationCost } from "./price.ts";
import type { BlobAttribute } from "./submissions.ts";

/** One version of an owned object, as transactions name it. */
export interface ObjectRef {
  readonly objectId: ObjectId;
  readonly version: bigint;
  /** Base58. */
  readonly digest: string;
}

/** Where the WAL comes from: owned coins (all are merged into the first), or the address balance. */
export type WalSource =
  | { readonly kind: "coins"; readonly coins: readonly [ObjectRef, ...ObjectRef[]] }
  | { readonly kind: "address-balance" };

export interface BlobTransaction {
  /** Without sender, gas and expiration. */
  readonly transaction: Transaction;
  /** `itemOfCommand[c]` is the position of the item that command c serves; undefined for commands of all. */
  readonly itemOfCommand: readonly (number | undefined)[];
}

export interface BlobToRegister {
  readonly blobId: BlobId;
  /** 32 bytes. */
  readonly rootHash: Uint8Array;
  readonly unencodedLength: number;
  readonly deletable: boolean;
  readonly epochs: number;
  readonly attributes: readonly BlobAttribute[];
  readonly cost: RegistrationCost;
}

/** Commands that registering this blob takes, beside the few of the whole transaction. */
export const registerCommands = (attributeCount: number): number => 2 + attributeCount;

/** The protocol's limit on one transaction, and what merging, splitting, closing and transferring take of it. */
export const MAX_COMMANDS = 1024;
export const SHARED_COMMANDS = 8;
/** Coins that one MergeCoins may take (the protocol's limit on arguments is 512). */
const MAX_MERGED_COINS = 500;

/** @param owner receives the Blob objects */
export function registerTransaction(
  snapshot: ChainSnapshot,
  owner: ObjectId,
  wal: WalSource,
  blobs: readonly BlobToRegister[],
): BlobTransaction {
  const build = new BlobTransactionBuilder(snapshot);
  const { tx } = build;
  const total = blobs.reduce((sum, blob) => sum + blob.cost.totalFrost, 0n);
  const payment = build.payment(wal, total);
  const system = build.system(true);
  const objects = blobs.map((blob, item) => {
    const storage = build.call(item, "system", "reserve_space", [
      system,
      build.u64(BigInt(blob.cost.encodedBytes)),
      build.u32(blob.epochs),
      payment,
    ]);
    const object = build.call(item, "system", "register_blob", [
      system,
      storage,
      tx.pure(blobIdToBytes(blob.blobId)),
      tx.pure(blob.rootHash),
      build.u64(BigInt(blob.unencodedLength)),
      build.once("encoding type", () => tx.pure.u8(ENCODING_TYPE_RS2)),
      build.once(`deletable ${blob.deletable}`, () => tx.pure.bool(blob.deletable)),
      payment,
    ]);
    for (const { key, value } of blob.attributes) {
      build.call(item, "blob", "insert_or_update_metadata_pair", [
        object,
        build.once(`text ${key}`, () => tx.pure.string(key)),
        build.once(`text ${value}`, () => tx.pure.string(value)),
      ]);
    }
    return object;
  });
  build.add(undefined, () =>
    tx.moveCall({
      target: "0x2::coin::destroy_zero",
      typeArguments: [snapshot.walType],
      arguments: [payment],
    }),
  );
  build.add(undefined, () => tx.transferObjects(objects, owner));
  return build.finish();
}

export interface BlobToCertify {
  readonly blob: ObjectRef;
  readonly certificate: Certificate;
  readonly sendObjectTo?: ObjectId | undefined;
  readonly share?: boolean | undefined;
}

/** @throws ProtocolError `INVALID_BITMAP` when a signer is no member of the snapshot's committee */
export function certifyTransaction(
  snapshot: ChainSnapshot,
  blobs: readonly BlobToCertify[],
): BlobTransaction {
  const build = new BlobTransactionBuilder(snapshot);
  const { tx } = build;
  const system = build.system(false);
  const memberCount = snapshot.committee.members.length;
  blobs.forEach(({ blob, certificate, sendObjectTo, share }, item) => {
    const object = tx.objectRef(toSdkRef(blob));
    build.call(item, "system", "certify_blob", [
      system,
      object,
      tx.pure.vector("u8", certificate.signature),
      tx.pure.vector("u8", signersToBitmap(certificate.signers, memberCount)),
      tx.pure.vector("u8", certificate.message),
    ]);
    if (share === true) build.call(item, "shared_blob", "new", [object]);
    else if (sendObjectTo !== undefined) build.add(item, () => tx.transferObjects([object], sendObjectTo));
  });
  return build.finish();
}

/** Deletes blobs and gives the freed Storage objects to `owner`. */
export function deleteTransaction(
  snapshot: ChainSnapshot,
  owner: ObjectId,
  blobs: readonly ObjectRef[],
): BlobTransaction {
  const build = new BlobTransactionBuilder(snapshot);
  const { tx } = build;
  const system = build.system(false);
  const freed = blobs.map((blob, item) => {
    return build.call(item, "system", "delete_blob", [system, tx.objectRef(toSdkRef(blob))]);
  });
  build.add(undefined, () => tx.transferObjects(freed, owner));
  return build.finish();
}

export const toSdkRef = ({ objectId, version, digest }: ObjectRef) => ({
  objectId,
  version: version.toString(),
  digest,
});

/** Collects commands, remembers whom each serves, and writes equal pure inputs once. */
class BlobTransactionBuilder {
  readonly tx = new Transaction();
  readonly #snapshot: ChainSnapshot;
  readonly #itemOfCommand: (number | undefined)[] = [];
  readonly #inputs = new Map<string, TransactionArgument>();

  constructor(snapshot: ChainSnapshot) {
    this.#snapshot = snapshot;
  }

  system(mutable: boolean): TransactionArgument {
    return this.tx.sharedObjectRef({
      objectId: this.#snapshot.systemObjectId,
      initialSharedVersion: this.#snapshot.systemInitialSharedVersion.toString(),
      mutable,
    });
  }

  /** A coin of exactly `amount`. */
  payment(source: WalSource, amount: bigint): TransactionArgument {
    const { walType } = this.#snapshot;
    if (source.kind === "address-balance") {
      return this.add(undefined, () =>
        this.tx.moveCall({
          target: "0x2::coin::redeem_funds",
          typeArguments: [walType],
          arguments: [this.tx.withdrawal({ amount, type: walType })],
        }),
      );
    }
    const [first, ...rest] = source.coins;
    const coin = this.tx.objectRef(toSdkRef(first));
    for (let from = 0; from < rest.length; from += MAX_MERGED_COINS) {
      const merged = rest.slice(from, from + MAX_MERGED_COINS).map((ref) => this.tx.objectRef(toSdkRef(ref)));
      this.add(undefined, () => this.tx.mergeCoins(coin, merged));
    }
    return this.add(undefined, () => this.tx.splitCoins(coin, [amount]));
  }

  call(
    item: number,
    module: string,
    name: string,
    callArguments: TransactionArgument[],
  ): ReturnType<Transaction["moveCall"]> {
    return this.add(item, () =>
      this.tx.moveCall({
        target: `${this.#snapshot.packageId}::${module}::${name}`,
        arguments: callArguments,
      }),
    );
  }

  /** Runs something that appends exactly one command. */
  add<Result>(item: number | undefined, append: () => Result): Result {
    this.#itemOfCommand.push(item);
    return append();
  }

  /** The same pure input for every use of `name`: inputs are most of a batch's bytes. */
  once(name: string, make: () => TransactionArgument): TransactionArgument {
    const known = this.#inputs.get(name);
    if (known !== undefined) return known;
    const made = make();
    this.#inputs.set(name, made);
    return made;
  }

  u64(value: bigint): TransactionArgument {
    return this.once(`u64 ${value}`, () => this.tx.pure.u64(value));
  }
  u32(value: number): TransactionArgument {
    return this.once(`u32 ${value}`, () => this.tx.pure.u32(value));
  }

  finish(): BlobTransaction {
    return { transaction: this.tx, itemOfCommand: this.#itemOfCommand };
  }
}
