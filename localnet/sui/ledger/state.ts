/**
 * What the ledger holds after a given checkpoint: live objects, balances of addresses, transactions and events.
 *
 * A state only changes by applying commits, one per checkpoint, in order. The stand-in keeps two: the one that
 * executes, and the one that answers reads, which a `lag` fault holds some checkpoints behind. They share the records.
 */
import { assert } from "../../../shared/base/errors.ts";
import type { ObjectId } from "../../../shared/protocol/ids.ts";
import { WALRUS_STRUCTS } from "../../../shared/sui/client/type-names.ts";
import type { StoredObject } from "../move/objects.ts";
import type { Effects } from "./effects.ts";
import type { BalanceDelta, EmittedEvent } from "./records.ts";

export type { BalanceDelta, EmittedEvent } from "./records.ts";

export interface ExecutedTransaction {
  readonly digest: string;
  /** BCS of TransactionData. */
  readonly bytes: Uint8Array;
  /** flag || signature || public key, as sent. */
  readonly signatures: readonly Uint8Array[];
  readonly effects: Effects;
  readonly effectsBytes: Uint8Array;
  readonly effectsDigest: string;
  readonly events: readonly EmittedEvent[];
  readonly eventsBytes: Uint8Array | null;
  readonly balanceChanges: readonly BalanceDelta[];
  readonly timestampMs: number;
  readonly checkpoint: bigint;
}

export interface Checkpoint {
  readonly sequenceNumber: bigint;
  readonly digest: string;
  readonly previousDigest: string | null;
  readonly contentDigest: string;
  readonly epoch: bigint;
  readonly timestampMs: number;
  readonly totalTransactions: bigint;
  /** At most one transaction per checkpoint. */
  readonly transaction: ExecutedTransaction | null;
}

/** Everything one checkpoint changes. Plain data: this is also what is written to disk. */
export interface Commit {
  readonly checkpoint: Checkpoint;
  readonly written: readonly StoredObject[];
  readonly removed: readonly ObjectId[];
  /** Changes of address balances (not of coin objects). */
  readonly balances: readonly BalanceDelta[];
}

/** An event with its place in the ledger. */
export interface LedgerEvent extends EmittedEvent {
  readonly checkpoint: bigint;
  readonly transactionDigest: string;
  readonly eventIndex: number;
}

export class LedgerState {
  readonly checkpoints: Checkpoint[] = [];
  readonly transactions = new Map<string, ExecutedTransaction>();
  /** In ledger order. */
  readonly events: LedgerEvent[] = [];
  readonly #objects = new Map<ObjectId, StoredObject>();
  /** Versions of Staking's state before the present one, by ID and version: what archives are asked for. */
  readonly #past = new Map<string, StoredObject>();
  /** IDs by owning address, and by owning object for dynamic fields. */
  readonly #byOwner = new Map<ObjectId, Set<ObjectId>>();
  readonly #balances = new Map<ObjectId, Map<string, bigint>>();

  object(id: ObjectId): StoredObject | undefined {
    return this.#objects.get(id);
  }

  /** A version that was overwritten; only those of Staking's state are kept, which few transactions write. */
  pastVersion(id: ObjectId, version: bigint): StoredObject | undefined {
    return this.#past.get(`${id} ${version}`);
  }

  /** Objects of an address or dynamic fields of an object, by ascending ID. */
  ownedBy(owner: ObjectId): StoredObject[] {
    const ids = [...(this.#byOwner.get(owner) ?? [])].sort();
    return ids.flatMap((id) => this.#objects.get(id) ?? []);
  }

  addressBalance(address: ObjectId, token: string): bigint {
    return this.#balances.get(address)?.get(token) ?? 0n;
  }

  addressBalances(address: ObjectId): ReadonlyMap<string, bigint> {
    return this.#balances.get(address) ?? new Map();
  }

  /** -1 before genesis. */
  get height(): bigint {
    return BigInt(this.checkpoints.length) - 1n;
  }

  apply(commit: Commit): void {
    const { checkpoint } = commit;
    assert(checkpoint.sequenceNumber === this.height + 1n, "checkpoints are applied in order");
    for (const id of commit.removed) this.#remove(id);
    for (const object of commit.written) {
      const before = this.#objects.get(object.id);
      if (before?.type.includes(`::${WALRUS_STRUCTS.StakingInnerV1}>`))
        this.#past.set(`${before.id} ${before.version}`, before);
      this.#remove(object.id);
      this.#objects.set(object.id, object);
      const owner = indexedOwner(object);
      if (owner !== undefined) getOrCreate(this.#byOwner, owner, () => new Set()).add(object.id);
    }
    for (const { address, token, amount } of commit.balances) {
      const tokens = getOrCreate(this.#balances, address, () => new Map<string, bigint>());
      const balance = (tokens.get(token) ?? 0n) + amount;
      assert(balance >= 0n, `address balance of ${address} fell below zero`);
      if (balance === 0n) tokens.delete(token);
      else tokens.set(token, balance);
    }
    this.checkpoints.push(checkpoint);
    const { transaction } = checkpoint;
    if (transaction === null) return;
    this.transactions.set(transaction.digest, transaction);
    transaction.events.forEach((event, eventIndex) => {
      this.events.push({
        ...event,
        checkpoint: checkpoint.sequenceNumber,
        transactionDigest: transaction.digest,
        eventIndex,
      });
    });
  }

  #remove(id: ObjectId): void {
    const object = this.#objects.get(id);
    if (object === undefined) return;
    this.#objects.delete(id);
    const owner = indexedOwner(object);
    if (owner !== undefined) this.#byOwner.get(owner)?.delete(id);
  }
}

function indexedOwner(object: StoredObject): ObjectId | undefined {
  if (object.owner.kind === "address") return object.owner.address;
  return object.owner.kind === "object" ? object.owner.parent : undefined;
}

function getOrCreate<Key, Value>(map: Map<Key, Value>, key: Key, create: () => Value): Value {
  const found = map.get(key);
  if (found !== undefined) return found;
  const created = create();
  map.set(key, created);
  return created;
}
