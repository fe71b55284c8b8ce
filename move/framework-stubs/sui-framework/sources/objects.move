// Interface stand-ins for objects, transactions, storage and time. Signatures are the framework's, because the
// natives behind them are; every body is written for this repository.

module sui::address {
    public native fun from_bytes(bytes: vector<u8>): address;
}

module sui::tx_context {
    #[allow(unused_field)]
    /// The virtual machine keeps the context itself and recognises this type by its name.
    public struct TxContext has drop {
        sender: address,
        tx_hash: vector<u8>,
        epoch: u64,
        epoch_timestamp_ms: u64,
        ids_created: u64,
    }

    public fun sender(_self: &TxContext): address { native_sender() }

    public fun fresh_object_address(_ctx: &mut TxContext): address { fresh_id() }

    native fun native_sender(): address;
    native fun fresh_id(): address;

    #[test_only]
    native fun replace(
        sender: address,
        tx_hash: vector<u8>,
        epoch: u64,
        epoch_timestamp_ms: u64,
        ids_created: u64,
        rgp: u64,
        gas_price: u64,
        gas_budget: u64,
        sponsor: vector<address>,
    );

    #[test_only]
    /// A context for the `number`-th transaction of a test.
    public(package) fun for_test(sender: address, number: u64): TxContext {
        let mut tx_hash = std::bcs::to_bytes(&number);
        tx_hash.append(x"000000000000000000000000000000000000000000000000");
        replace(sender, tx_hash, 0, 0, 0, 1000, 1000, 1_000_000_000, vector[]);
        TxContext { sender, tx_hash, epoch: 0, epoch_timestamp_ms: 0, ids_created: 0 }
    }
}

module sui::object {
    public use fun id_to_address as ID.to_address;
    public use fun uid_to_inner as UID.to_inner;
    public use fun uid_to_address as UID.to_address;

    public struct ID has copy, drop, store { bytes: address }
    public struct UID has store { id: ID }

    public fun id_to_address(id: &ID): address { id.bytes }

    public fun id_from_address(bytes: address): ID { ID { bytes } }

    public fun uid_to_inner(uid: &UID): ID { uid.id }

    public fun uid_to_address(uid: &UID): address { uid.id.bytes }

    public fun new(ctx: &mut TxContext): UID { UID { id: ID { bytes: ctx.fresh_object_address() } } }

    public fun delete(uid: UID) {
        let UID { id } = uid;
        delete_impl(id.bytes)
    }

    public fun id<T: key>(obj: &T): ID { borrow_uid(obj).id }

    public(package) fun new_uid_from_hash(bytes: address): UID {
        record_new_uid(bytes);
        UID { id: ID { bytes } }
    }

    public(package) fun well_known(bytes: address): UID { UID { id: ID { bytes } } }

    native fun borrow_uid<T: key>(obj: &T): &UID;
    native fun delete_impl(id: address);
    native fun record_new_uid(id: address);
}

module sui::transfer {
    public fun transfer<T: key>(obj: T, recipient: address) { transfer_impl(obj, recipient) }

    public fun public_transfer<T: key + store>(obj: T, recipient: address) { transfer_impl(obj, recipient) }

    public fun share_object<T: key>(obj: T) { share_object_impl(obj) }

    public fun public_share_object<T: key + store>(obj: T) { share_object_impl(obj) }

    public(package) native fun transfer_impl<T: key>(obj: T, recipient: address);
    public(package) native fun share_object_impl<T: key>(obj: T);
}

module sui::event {
    public native fun emit<T: copy + drop>(event: T);
    #[test_only]
    public native fun num_events(): u32;
    #[test_only]
    public native fun events_by_type<T: copy + drop>(): vector<T>;
}

module sui::dynamic_field {
    public struct Field<Name: copy + drop + store, Value: store> has key { id: UID, name: Name, value: Value }

    public fun add<Name: copy + drop + store, Value: store>(object: &mut UID, name: Name, value: Value) {
        let parent = object.to_address();
        let id = hash_type_and_key(parent, name);
        assert!(!has_child_object(parent, id), 0);
        add_child_object(parent, Field { id: object::new_uid_from_hash(id), name, value })
    }

    public fun borrow<Name: copy + drop + store, Value: store>(object: &UID, name: Name): &Value {
        let id = hash_type_and_key(object.to_address(), name);
        &borrow_child_object<Field<Name, Value>>(object, id).value
    }

    public fun borrow_mut<Name: copy + drop + store, Value: store>(object: &mut UID, name: Name): &mut Value {
        let id = hash_type_and_key(object.to_address(), name);
        &mut borrow_child_object_mut<Field<Name, Value>>(object, id).value
    }

    public fun remove<Name: copy + drop + store, Value: store>(object: &mut UID, name: Name): Value {
        let parent = object.to_address();
        let child = hash_type_and_key(parent, name);
        let Field { id, name: _, value } = remove_child_object<Field<Name, Value>>(parent, child);
        id.delete();
        value
    }

    public fun exists_with_type<Name: copy + drop + store, Value: store>(object: &UID, name: Name): bool {
        let parent = object.to_address();
        has_child_object_with_ty<Field<Name, Value>>(parent, hash_type_and_key(parent, name))
    }

    native fun hash_type_and_key<K: copy + drop + store>(parent: address, k: K): address;
    native fun add_child_object<Child: key>(parent: address, child: Child);
    native fun borrow_child_object<Child: key>(object: &UID, id: address): &Child;
    native fun borrow_child_object_mut<Child: key>(object: &mut UID, id: address): &mut Child;
    native fun remove_child_object<Child: key>(parent: address, id: address): Child;
    native fun has_child_object(parent: address, id: address): bool;
    native fun has_child_object_with_ty<Child: key>(parent: address, id: address): bool;
}

module sui::table {
    use sui::dynamic_field;

    const ETableNotEmpty: u64 = 0;

    public struct Table<phantom K: copy + drop + store, phantom V: store> has key, store { id: UID, size: u64 }

    public fun new<K: copy + drop + store, V: store>(ctx: &mut TxContext): Table<K, V> {
        Table { id: object::new(ctx), size: 0 }
    }

    public fun add<K: copy + drop + store, V: store>(table: &mut Table<K, V>, k: K, v: V) {
        table.size = table.size + 1;
        dynamic_field::add(&mut table.id, k, v)
    }

    #[syntax(index)]
    public fun borrow<K: copy + drop + store, V: store>(table: &Table<K, V>, k: K): &V {
        dynamic_field::borrow(&table.id, k)
    }

    #[syntax(index)]
    public fun borrow_mut<K: copy + drop + store, V: store>(table: &mut Table<K, V>, k: K): &mut V {
        dynamic_field::borrow_mut(&mut table.id, k)
    }

    public fun remove<K: copy + drop + store, V: store>(table: &mut Table<K, V>, k: K): V {
        table.size = table.size - 1;
        dynamic_field::remove(&mut table.id, k)
    }

    public fun contains<K: copy + drop + store, V: store>(table: &Table<K, V>, k: K): bool {
        dynamic_field::exists_with_type<K, V>(&table.id, k)
    }

    public fun length<K: copy + drop + store, V: store>(table: &Table<K, V>): u64 { table.size }

    public fun is_empty<K: copy + drop + store, V: store>(table: &Table<K, V>): bool { table.size == 0 }

    public fun destroy_empty<K: copy + drop + store, V: store>(table: Table<K, V>) {
        let Table { id, size } = table;
        assert!(size == 0, ETableNotEmpty);
        id.delete()
    }
}

module sui::clock {
    public struct Clock has key { id: UID, timestamp_ms: u64 }

    public fun timestamp_ms(clock: &Clock): u64 { clock.timestamp_ms }

    #[test_only]
    public fun create_for_testing(ctx: &mut TxContext): Clock { Clock { id: object::new(ctx), timestamp_ms: 0 } }

    #[test_only]
    public fun set_for_testing(clock: &mut Clock, timestamp_ms: u64) {
        assert!(timestamp_ms >= clock.timestamp_ms);
        clock.timestamp_ms = timestamp_ms
    }

    #[test_only]
    public fun destroy_for_testing(clock: Clock) {
        let Clock { id, timestamp_ms: _ } = clock;
        id.delete()
    }
}
