// Interface stand-ins for hashes, collections, money and randomness. Bodies are written for this repository.

module sui::hash {
    public native fun blake2b256(data: &vector<u8>): vector<u8>;
}

module sui::vec_set {
    const EKeyAlreadyExists: u64 = 0;
    const EKeyDoesNotExist: u64 = 1;

    public struct VecSet<K: copy + drop> has copy, drop, store { contents: vector<K> }

    public fun empty<K: copy + drop>(): VecSet<K> { VecSet { contents: vector[] } }

    public fun singleton<K: copy + drop>(key: K): VecSet<K> { VecSet { contents: vector[key] } }

    public fun insert<K: copy + drop>(self: &mut VecSet<K>, key: K) {
        assert!(!self.contains(&key), EKeyAlreadyExists);
        self.contents.push_back(key)
    }

    public fun contains<K: copy + drop>(self: &VecSet<K>, key: &K): bool { self.contents.contains(key) }

    public fun length<K: copy + drop>(self: &VecSet<K>): u64 { self.contents.length() }

    public fun keys<K: copy + drop>(self: &VecSet<K>): &vector<K> { &self.contents }
}

module sui::vec_map {
    const EKeyAlreadyExists: u64 = 0;
    const EKeyDoesNotExist: u64 = 1;

    public struct VecMap<K: copy, V> has copy, drop, store { contents: vector<Entry<K, V>> }
    public struct Entry<K: copy, V> has copy, drop, store { key: K, value: V }

    public fun empty<K: copy, V>(): VecMap<K, V> { VecMap { contents: vector[] } }

    fun position<K: copy, V>(self: &VecMap<K, V>, key: &K): u64 {
        let mut i = 0;
        while (i < self.contents.length() && &self.contents[i].key != key) i = i + 1;
        i
    }

    fun existing<K: copy, V>(self: &VecMap<K, V>, key: &K): u64 {
        let i = self.position(key);
        assert!(i < self.contents.length(), EKeyDoesNotExist);
        i
    }

    public fun insert<K: copy, V>(self: &mut VecMap<K, V>, key: K, value: V) {
        assert!(!self.contains(&key), EKeyAlreadyExists);
        self.contents.push_back(Entry { key, value })
    }

    public fun contains<K: copy, V>(self: &VecMap<K, V>, key: &K): bool {
        self.position(key) < self.contents.length()
    }

    #[syntax(index)]
    public fun get<K: copy, V>(self: &VecMap<K, V>, key: &K): &V {
        let i = self.existing(key);
        &self.contents[i].value
    }

    #[syntax(index)]
    public fun get_mut<K: copy, V>(self: &mut VecMap<K, V>, key: &K): &mut V {
        let i = self.existing(key);
        &mut self.contents[i].value
    }

    public fun length<K: copy, V>(self: &VecMap<K, V>): u64 { self.contents.length() }

    public fun keys<K: copy, V>(self: &VecMap<K, V>): vector<K> {
        let mut keys = vector[];
        let mut i = 0;
        while (i < self.contents.length()) {
            keys.push_back(self.contents[i].key);
            i = i + 1;
        };
        keys
    }
}

module sui::balance {
    const ENotEnough: u64 = 2;

    public struct Balance<phantom T> has store { value: u64 }

    public fun value<T>(self: &Balance<T>): u64 { self.value }

    public fun zero<T>(): Balance<T> { Balance { value: 0 } }

    public fun split<T>(self: &mut Balance<T>, value: u64): Balance<T> {
        assert!(self.value >= value, ENotEnough);
        self.value = self.value - value;
        Balance { value }
    }

    public fun withdraw_all<T>(self: &mut Balance<T>): Balance<T> {
        let value = self.value;
        self.split(value)
    }

    public fun destroy_zero<T>(balance: Balance<T>) {
        let Balance { value } = balance;
        assert!(value == 0, 0)
    }

    #[test_only]
    public fun create_for_testing<T>(value: u64): Balance<T> { Balance { value } }

    #[test_only]
    public fun destroy_for_testing<T>(self: Balance<T>): u64 {
        let Balance { value } = self;
        value
    }
}

module sui::coin {
    use sui::balance::{Self, Balance};

    public struct Coin<phantom T> has key, store { id: UID, balance: Balance<T> }

    public fun value<T>(self: &Coin<T>): u64 { self.balance.value() }

    public fun from_balance<T>(balance: Balance<T>, ctx: &mut TxContext): Coin<T> {
        Coin { id: object::new(ctx), balance }
    }

    public fun into_balance<T>(coin: Coin<T>): Balance<T> {
        let Coin { id, balance } = coin;
        id.delete();
        balance
    }

    #[test_only]
    public fun mint_for_testing<T>(value: u64, ctx: &mut TxContext): Coin<T> {
        from_balance(balance::create_for_testing(value), ctx)
    }

    #[test_only]
    public fun burn_for_testing<T>(coin: Coin<T>): u64 { into_balance(coin).destroy_for_testing() }
}

module sui::sui {
    public struct SUI has drop {}
}

/// Not the chain's randomness: a hash of the test's bytes and a fresh ID. No test may lean on its quality.
module sui::random {
    use sui::hash::blake2b256;

    public struct Random has key { id: UID, bytes: vector<u8> }
    public struct RandomGenerator has drop { block: vector<u8> }

    public fun new_generator(r: &Random, ctx: &mut TxContext): RandomGenerator {
        let mut block = r.bytes;
        block.append(std::bcs::to_bytes(&ctx.fresh_object_address()));
        RandomGenerator { block }
    }

    public fun generate_bytes(g: &mut RandomGenerator, num_of_bytes: u16): vector<u8> {
        let mut bytes = vector[];
        while (bytes.length() < num_of_bytes as u64) {
            g.block = blake2b256(&g.block);
            bytes.append(g.block);
        };
        while (bytes.length() > num_of_bytes as u64) {
            bytes.pop_back();
        };
        bytes
    }

    #[test_only]
    public fun create_for_testing(ctx: &mut TxContext) {
        assert!(ctx.sender() == @0x0);
        transfer::share_object(Random { id: object::well_known(@0x8), bytes: vector[] })
    }

    #[test_only]
    public fun update_randomness_state_for_testing(
        self: &mut Random,
        _new_round: u64,
        new_bytes: vector<u8>,
        ctx: &TxContext,
    ) {
        assert!(ctx.sender() == @0x0);
        self.bytes = new_bytes
    }
}
