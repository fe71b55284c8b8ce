/**
 * What one transaction does to the ledger while it runs: values in flight, objects placed and deleted, dynamic fields,
 * events, balances. Nothing reaches the ledger before the transaction ends; a failed one throws its session away.
 *
 * Fresh object IDs are blake2b-256(f1 || transaction digest 32 || counter u64 LE), counted from 0 per transaction in
 * the order of execution.
 */
import { bcs } from "@mysten/sui/bcs";
import { fromBase58 } from "@mysten/sui/utils";
import { equalBytes } from "../../../shared/base/bytes.ts";
import { assert } from "../../../shared/base/errors.ts";
import { blake2b256 } from "../../../shared/crypto/blake2b.ts";
import { type ObjectId, objectIdFromBytes } from "../../../shared/protocol/ids.ts";
import type { ObjectChange, ObjectVersion } from "../ledger/effects.ts";
import type { BalanceDelta, EmittedEvent, LedgerState } from "../ledger/state.ts";
import { dynamicFieldId, type Owner, type StoredObject, sealObject } from "../move/objects.ts";
import { CLOCK_TYPE, type ClockLayout, type MoveTypes } from "../move/types.ts";

const FRESH_ID_PREFIX = Uint8Array.of(0xf1);

/** How a transaction may use a value. */
export type Access = "owned" | "shared-mutable" | "shared-read" | "immutable" | "gas" | "result";

/** A Move value a transaction holds: an input object, the gas coin, or a result of a command. */
export class Slot {
  readonly type: string;
  readonly access: Access;
  readonly data: unknown;
  /** Set by the interpreter when the value is passed on or destroyed. */
  moved = false;

  constructor(type: string, access: Access, data: unknown) {
    this.type = type;
    this.access = access;
    this.data = data;
  }
}

interface Input {
  readonly object: StoredObject;
  readonly slot: Slot;
}

interface FieldCell {
  readonly id: ObjectId;
  readonly parent: ObjectId;
  readonly type: string;
  readonly data: unknown;
  /** What the ledger holds, absent for a field added by this transaction. */
  readonly origin: StoredObject | undefined;
}

interface Placement {
  readonly type: string;
  readonly data: unknown;
  readonly owner: Owner;
}

export interface Outcome {
  readonly changes: readonly ObjectChange[];
  readonly written: readonly StoredObject[];
  readonly removed: readonly ObjectId[];
}

/** The `id` every object with the key ability starts with. */
export function idOf(data: unknown): ObjectId {
  const id = (data as { id?: unknown } | null)?.id;
  assert(typeof id === "string", "an object's value has an id");
  // Layouts read IDs as ObjectIds.
  return id as ObjectId;
}

export class Session {
  readonly state: LedgerState;
  readonly types: MoveTypes;
  readonly digest: string;
  readonly sender: ObjectId;
  readonly events: EmittedEvent[] = [];
  readonly balanceDeltas: BalanceDelta[] = [];
  readonly #digestBytes: Uint8Array;
  readonly #nowMs: bigint;
  readonly #inputs = new Map<ObjectId, Input>();
  readonly #created = new Set<ObjectId>();
  readonly #deleted = new Set<ObjectId>();
  readonly #placed = new Map<ObjectId, Placement>();
  /** Current cells by field ID; undefined for a field this transaction removed. */
  readonly #fields = new Map<ObjectId, FieldCell | undefined>();
  readonly #published: StoredObject[] = [];
  #freshIds = 0n;

  /** @param nowMs what the Clock shows, unless it is already past that */
  constructor(state: LedgerState, types: MoveTypes, digest: string, sender: ObjectId, nowMs = 0) {
    this.#nowMs = BigInt(nowMs);
    this.state = state;
    this.types = types;
    this.digest = digest;
    this.sender = sender;
    this.#digestBytes = fromBase58(digest);
  }

  /** Brings an input object into the transaction. */
  input(object: StoredObject, access: Access): Slot {
    const layout = this.types.layout(object.type);
    assert(layout !== undefined, `stored objects have a layout: ${object.type}`);
    const data = layout.parse(object.contents);
    if (object.type === CLOCK_TYPE) this.#setClock(data);
    const slot = new Slot(object.type, access, data);
    this.#inputs.set(object.id, { object, slot });
    return slot;
  }

  /** On Sui the Clock moves with every commit, also when nobody sends anything. */
  #setClock(data: unknown): void {
    // The layout of the Clock's type.
    const clock = data as ReturnType<typeof ClockLayout.parse>;
    if (clock.timestamp_ms < this.#nowMs) clock.timestamp_ms = this.#nowMs;
  }

  /** ID of a new object; it must be placed, wrapped or deleted before the transaction ends. */
  newId(): ObjectId {
    const counter = bcs
      .u64()
      .serialize(this.#freshIds++)
      .toBytes();
    const id = objectIdFromBytes(blake2b256(FRESH_ID_PREFIX, this.#digestBytes, counter));
    this.#created.add(id);
    return id;
  }

  /** Ends an object's life; its fields must be removed first. */
  deleteId(id: ObjectId): void {
    this.#deleted.add(id);
  }

  /** Gives an object its owner. A new shared object's first version becomes its initial shared version. */
  place(type: string, data: unknown, owner: Owner): void {
    this.#placed.set(idOf(data), { type, data, owner });
  }

  /** Places an object with a chosen ID for the first time (genesis only: others take `newId`). */
  create(type: string, data: unknown, owner: Owner): void {
    this.#created.add(idOf(data));
    this.place(type, data, owner);
  }

  /** A new package, whose ID is from `newId`. */
  publish(object: StoredObject): void {
    this.#published.push(object);
  }

  emit(event: EmittedEvent): void {
    this.events.push(event);
  }

  adjustBalance(address: ObjectId, token: string, amount: bigint): void {
    this.balanceDeltas.push({ address, token, amount });
  }

  /** A dynamic field's object value (`{ id, name, value }`), which the caller may change in place. */
  field(parent: ObjectId, keyType: string, key: Uint8Array): unknown {
    const id = dynamicFieldId(parent, keyType, key);
    if (this.#fields.has(id)) return this.#fields.get(id)?.data;
    const origin = this.state.object(id);
    return origin === undefined ? undefined : this.#load(origin, parent);
  }

  /** An object that another object owns (a table's entry), which the caller may change in place. */
  ownedObject(id: ObjectId, type: string): unknown {
    if (this.#fields.has(id)) return this.#fields.get(id)?.data;
    const origin = this.state.object(id);
    if (origin === undefined || origin.owner.kind !== "object" || origin.type !== type) return undefined;
    return this.#load(origin, origin.owner.parent);
  }

  #load(origin: StoredObject, parent: ObjectId): unknown {
    const layout = this.types.layout(origin.type);
    assert(layout !== undefined, `stored fields have a layout: ${origin.type}`);
    const data = layout.parse(origin.contents);
    this.#fields.set(origin.id, { id: origin.id, parent, type: origin.type, data, origin });
    return data;
  }

  /** @param data the field's object value without its id */
  addField(
    parent: ObjectId,
    keyType: string,
    key: Uint8Array,
    valueType: string,
    data: { name: unknown; value: unknown },
  ): void {
    const id = dynamicFieldId(parent, keyType, key);
    assert(this.field(parent, keyType, key) === undefined, "a field is added once");
    const type = this.types.field(keyType, valueType);
    const cell = { id, parent, type, data: { id, ...data }, origin: this.state.object(id) };
    this.#fields.set(id, cell);
  }

  removeField(parent: ObjectId, keyType: string, key: Uint8Array): void {
    assert(this.field(parent, keyType, key) !== undefined, "a field is removed once");
    this.#fields.set(dynamicFieldId(parent, keyType, key), undefined);
  }

  /**
   * The objects this transaction leaves behind, all at version `lamport`.
   *
   * Owned inputs and mutable shared inputs are written even when nothing changed: their version advances.
   */
  outcome(lamport: bigint): Outcome {
    const placements = new Map(this.#placed);
    for (const [id, { object, slot }] of this.#inputs) {
      const stays = slot.access !== "shared-read" && slot.access !== "immutable" && !slot.moved;
      if (stays && !placements.has(id)) {
        placements.set(id, { type: object.type, data: slot.data, owner: object.owner });
      }
    }
    for (const [id, cell] of this.#fields) {
      if (cell === undefined) this.#deleted.add(id);
      else if (this.#isChanged(cell)) {
        placements.set(id, {
          type: cell.type,
          data: cell.data,
          owner: { kind: "object", parent: cell.parent },
        });
        if (cell.origin === undefined) this.#created.add(id);
      }
    }
    const sealed = [...placements].map(([id, placement]) => this.#seal(id, placement, lamport));
    const written = [...sealed, ...this.#published];
    const after = new Map(written.map((object) => [object.id, object]));
    const published = this.#published.map(({ id }) => id);
    const touched = new Set([
      ...placements.keys(),
      ...published,
      ...this.#deleted,
      ...this.#consumedInputs(),
    ]);
    const changes = [...touched].sort().flatMap((id) => this.#change(id, after.get(id)) ?? []);
    const removed = changes.filter((change) => change.after === undefined).map((change) => change.id);
    return { changes, written, removed };
  }

  #consumedInputs(): ObjectId[] {
    return [...this.#inputs].filter(([, input]) => input.slot.moved).map(([id]) => id);
  }

  #isChanged(cell: FieldCell): boolean {
    if (cell.origin === undefined) return true;
    const layout = this.types.layout(cell.type);
    assert(layout !== undefined, "fields have a layout");
    return !equalBytes(layout.serialize(cell.data).toBytes(), cell.origin.contents);
  }

  #seal(id: ObjectId, placement: Placement, lamport: bigint): StoredObject {
    const layout = this.types.layout(placement.type);
    assert(layout !== undefined, `placed objects have a layout: ${placement.type}`);
    const { key, store } = this.types.abilities(placement.type);
    const isNewlyShared = placement.owner.kind === "shared" && !this.#inputs.has(id);
    return sealObject({
      id,
      version: lamport,
      type: placement.type,
      hasPublicTransfer: key && store,
      contents: layout.serialize(placement.data).toBytes(),
      owner: isNewlyShared ? { kind: "shared", initialSharedVersion: lamport } : placement.owner,
      previousTransaction: this.digest,
    });
  }

  #change(id: ObjectId, written: StoredObject | undefined): ObjectChange | undefined {
    const stored = this.state.object(id);
    const before = stored === undefined ? undefined : versionOf(stored);
    const after = written === undefined ? undefined : versionOf(written);
    const isCreated = this.#created.has(id) && before === undefined;
    const isDeleted = this.#deleted.has(id) && after === undefined;
    // Made and used up inside the transaction: the ledger never sees it.
    if (isCreated && after === undefined) return undefined;
    const type = written?.type ?? stored?.type ?? "";
    const idOperation = isCreated ? "Created" : isDeleted ? "Deleted" : "None";
    return {
      id,
      type,
      ...(before === undefined ? {} : { before }),
      ...(after === undefined ? {} : { after }),
      idOperation,
    };
  }
}

const versionOf = ({ version, digest, owner }: StoredObject): ObjectVersion => ({ version, digest, owner });
