/// Verifies that a symbol is part of the blob that a blob ID names.
///
/// | thing        | bytes                                                                       |
/// |--------------|-----------------------------------------------------------------------------|
/// | leaf         | blake2b-256(0x00, data)                                                     |
/// | inner        | blake2b-256(0x01, left 32, right 32); a missing right sibling is 32 zeros   |
/// | sliver root  | tree over the n symbols of the expanded sliver                              |
/// | pair leaf    | primary root 32, secondary root 32                                          |
/// | metadata root| tree over the n pair leaves                                                 |
/// | blob ID      | blake2b-256(encoding u8, unencoded length u64 LE, metadata root 32)         |
///
/// A symbol comes with its 0x00 leaf prefix as first byte: the caller sends one byte more, and hashing the leaf
/// is one native call. Copying 65 kB in Move to put a byte in front costs about 100 times the rest of a refutation.
module floe_audit::proof;

use std::bcs;
use sui::hash::blake2b256;

/// A Merkle path does not have exactly ceil(log2 n) siblings.
const EPathLength: u64 = 1;
/// A leaf index is not below the number of leaves.
const EIndex: u64 = 2;
/// An axis is neither 0 (primary) nor 1 (secondary).
const EAxis: u64 = 3;
/// A digest does not have 32 bytes.
const EDigestLength: u64 = 4;
/// The first byte of a symbol is not the leaf prefix 0x00.
const ESymbolPrefix: u64 = 5;
/// A symbol does not have the length that follows from the blob's length.
const ESymbolSize: u64 = 6;

const LEAF: u8 = 0;
const INNER: u8 = 1;
const DIGEST_BYTES: u64 = 32;

const PRIMARY: u8 = 0;
const SECONDARY: u8 = 1;

/// Hash of a leaf.
public fun leaf_hash(data: &vector<u8>): vector<u8> {
    let mut bytes = vector[LEAF];
    bytes.append(*data);
    blake2b256(&bytes)
}

fun inner_hash(left: &vector<u8>, right: &vector<u8>): vector<u8> {
    let mut bytes = vector[INNER];
    bytes.append(*left);
    bytes.append(*right);
    blake2b256(&bytes)
}

/// ceil(log2 leaves): siblings on every path of a tree with this many leaves, 0 for one leaf.
public fun depth(leaves: u64): u64 {
    let mut levels = 0;
    let mut rest = if (leaves > 1) leaves - 1 else 0;
    while (rest > 0) {
        rest = rest >> 1;
        levels = levels + 1;
    };
    levels
}

/// Root of the tree of `leaves` leaves in which `leaf` stands at `index` under `path` (from the leaf upward).
/// Aborts unless the index and the path fit a tree of exactly this size.
public fun root(leaf: vector<u8>, index: u64, leaves: u64, path: &vector<vector<u8>>): vector<u8> {
    assert!(index < leaves, EIndex);
    assert!(path.length() == depth(leaves), EPathLength);
    let mut hash = leaf;
    let mut position = index;
    let mut level = 0;
    while (level < path.length()) {
        let sibling = &path[level];
        assert!(sibling.length() == DIGEST_BYTES, EDigestLength);
        hash = if (position & 1 == 0) inner_hash(&hash, sibling) else inner_hash(sibling, &hash);
        position = position >> 1;
        level = level + 1;
    };
    hash
}

/// Blob ID bytes from what the ID commits to.
public fun blob_id(encoding: u8, unencoded_length: u64, metadata_root: &vector<u8>): vector<u8> {
    let mut bytes = vector[encoding];
    bytes.append(bcs::to_bytes(&unencoded_length));
    bytes.append(*metadata_root);
    blake2b256(&bytes)
}

/// Blob ID bytes as a big-endian integer mod n: how far pairs are rotated over shards.
public fun rotation(blob_id: &vector<u8>, n_shards: u16): u16 {
    let n = n_shards as u64;
    let mut offset = 0;
    let mut i = 0;
    while (i < blob_id.length()) {
        offset = (offset * 256 + (blob_id[i] as u64)) % n;
        i = i + 1;
    };
    offset as u16
}

/// The sliver pair of this blob that a shard holds.
public fun pair_of_shard(shard: u16, blob_id: &vector<u8>, n_shards: u16): u16 {
    assert!(shard < n_shards, EIndex);
    let n = n_shards as u64;
    (((shard as u64) + n - (rotation(blob_id, n_shards) as u64)) % n) as u16
}

/// n - 2f: rows of the source matrix.
public fun primary_source_symbols(n_shards: u16): u64 {
    let n = n_shards as u64;
    n - 2 * ((n - 1) / 3)
}

/// n - f: columns of the source matrix.
public fun secondary_source_symbols(n_shards: u16): u64 {
    let n = n_shards as u64;
    n - (n - 1) / 3
}

/// Bytes of a symbol: ceil(max(length, 1) / (p s)), rounded up to even.
public fun symbol_size(n_shards: u16, unencoded_length: u64): u64 {
    let source_symbols = primary_source_symbols(n_shards) * secondary_source_symbols(n_shards);
    let length = if (unencoded_length == 0) 1 else unencoded_length;
    let size = (length - 1) / source_symbols + 1;
    size + size % 2
}

/// Bytes that the chain charges for a blob: n (64 n + 32) + n (p + s) z.
public fun encoded_length(n_shards: u16, unencoded_length: u64): u64 {
    let n = n_shards as u64;
    let symbols = primary_source_symbols(n_shards) + secondary_source_symbols(n_shards);
    n * (64 * n + 32 + symbols * symbol_size(n_shards, unencoded_length))
}

/// True when the audited sliver of this pair is zero padding only, so that anybody can answer for it.
public fun is_vacuous(n_shards: u16, pair: u16, axis: u8, unencoded_length: u64): bool {
    assert!(axis == PRIMARY || axis == SECONDARY, EAxis);
    assert!(pair < n_shards, EIndex);
    let columns = secondary_source_symbols(n_shards);
    let size = symbol_size(n_shards, unencoded_length);
    if (axis == PRIMARY) {
        let sliver = pair as u64;
        sliver < primary_source_symbols(n_shards) && sliver * columns * size >= unencoded_length
    } else {
        let sliver = (n_shards - 1 - pair) as u64;
        sliver < columns && sliver * size >= unencoded_length
    }
}

/// True when `symbol` (with its leaf prefix) is symbol `symbol_index` of the `axis` sliver of pair `pair` of the blob.
///
/// * `sliver_path`: siblings in the tree over that sliver's n symbols
/// * `other_root`: root of the pair's sliver of the other axis
/// * `pair_path`: siblings in the tree over the n pair leaves
///
/// Aborts when an argument does not have the only shape a true proof can have; a proof of the right shape over
/// other bytes is answered with false.
public fun verify_symbol(
    blob_id: &vector<u8>,
    n_shards: u16,
    encoding: u8,
    unencoded_length: u64,
    pair: u16,
    axis: u8,
    symbol_index: u16,
    symbol: &vector<u8>,
    sliver_path: &vector<vector<u8>>,
    other_root: &vector<u8>,
    pair_path: &vector<vector<u8>>,
): bool {
    assert!(axis == PRIMARY || axis == SECONDARY, EAxis);
    assert!(blob_id.length() == DIGEST_BYTES && other_root.length() == DIGEST_BYTES, EDigestLength);
    assert!(symbol.length() == symbol_size(n_shards, unencoded_length) + 1, ESymbolSize);
    assert!(symbol[0] == LEAF, ESymbolPrefix);
    let n = n_shards as u64;
    let sliver_root = root(blake2b256(symbol), symbol_index as u64, n, sliver_path);
    let mut pair_leaf = vector[];
    if (axis == PRIMARY) {
        pair_leaf.append(sliver_root);
        pair_leaf.append(*other_root);
    } else {
        pair_leaf.append(*other_root);
        pair_leaf.append(sliver_root);
    };
    let metadata_root = root(leaf_hash(&pair_leaf), pair as u64, n, pair_path);
    floe_audit::proof::blob_id(encoding, unencoded_length, &metadata_root) == *blob_id
}
