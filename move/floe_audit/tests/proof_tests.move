/// If these fail, a true answer to a claim is refused on chain, or a false one accepted.
#[test_only]
module floe_audit::proof_tests;

use floe_audit::audit;
use floe_audit::proof;
use floe_audit::vectors::{Self, Proof};
use floe_audit::vectors_1000;

fun holds(p: &Proof): bool {
    holds_with(p, p.pair(), p.axis(), p.symbol_index(), p.symbol())
}

fun holds_with(p: &Proof, pair: u16, axis: u8, symbol_index: u16, symbol: vector<u8>): bool {
    proof::verify_symbol(
        &p.blob_id(),
        p.n_shards(),
        1,
        p.unencoded_length(),
        pair,
        axis,
        symbol_index,
        &symbol,
        &p.sliver_path(),
        &p.other_root(),
        &p.pair_path(),
    )
}

fun flipped(mut bytes: vector<u8>, at: u64): vector<u8> {
    let byte = bytes[at];
    *(&mut bytes[at]) = byte ^ 1;
    bytes
}

#[test]
fun accepts_source_and_parity_symbols_of_ten_shards() {
    let mut i = 0;
    while (i < vectors::small_proof_count()) {
        assert!(holds(&vectors::small_proof(i)), i);
        i = i + 1;
    }
}

#[test]
fun accepts_symbols_of_a_thousand_shards() {
    let mut i = 0;
    while (i < vectors_1000::large_proof_count()) {
        let p = vectors_1000::large_proof(i);
        assert!(p.sliver_path().length() == 10 && p.pair_path().length() == 10);
        assert!(holds(&p), i);
        i = i + 1;
    }
}

#[test]
fun accepts_the_largest_symbol_in_chunks() {
    let p = vectors::largest();
    let mut chunk = vector[];
    while (chunk.length() < 16_381) chunk.push_back(vectors::largest_fill());
    let mut head = vector[0u8];
    while (head.length() < 11) head.push_back(vectors::largest_fill());
    let mut buf = audit::symbol_buf(head);
    buf.push(chunk);
    buf.push(chunk);
    buf.push(chunk);
    buf.push(chunk);
    let symbol = buf.into_symbol();
    assert!(symbol.length() == 65_535);
    assert!(holds_with(&p, p.pair(), p.axis(), p.symbol_index(), symbol));
    assert!(!holds_with(&p, p.pair(), p.axis(), p.symbol_index(), flipped(symbol, 65_534)));
}

#[test]
fun rejects_every_other_byte_place_and_axis() {
    let mut i = 0;
    while (i < vectors::small_proof_count()) {
        let p = vectors::small_proof(i);
        let (pair, axis, index) = (p.pair(), p.axis(), p.symbol_index());
        let mut at = 1;
        while (at < p.symbol().length()) {
            assert!(!holds_with(&p, pair, axis, index, flipped(p.symbol(), at)));
            at = at + 1;
        };
        assert!(!holds_with(&p, pair, 1 - axis, index, p.symbol()));
        let mut other = 0;
        while (other < 10) {
            if (other != pair) assert!(!holds_with(&p, other, axis, index, p.symbol()));
            if (other != index) assert!(!holds_with(&p, pair, axis, other, p.symbol()));
            other = other + 1;
        };
        i = i + 1;
    }
}

#[test]
fun rejects_another_length_encoding_root_or_blob() {
    let p = vectors::small_proof(0);
    let (pair, axis, index) = (p.pair(), p.axis(), p.symbol_index());
    let (symbol, path, root, pairs) = (p.symbol(), p.sliver_path(), p.other_root(), p.pair_path());
    let id = p.blob_id();
    let length = p.unencoded_length();
    // A length with the same symbol size.
    assert!(!proof::verify_symbol(&id, 10, 1, length + 1, pair, axis, index, &symbol, &path, &root, &pairs));
    assert!(!proof::verify_symbol(&id, 10, 0, length, pair, axis, index, &symbol, &path, &root, &pairs));
    let bad_root = flipped(root, 31);
    assert!(!proof::verify_symbol(&id, 10, 1, length, pair, axis, index, &symbol, &path, &bad_root, &pairs));
    let bad_id = flipped(id, 0);
    assert!(!proof::verify_symbol(&bad_id, 10, 1, length, pair, axis, index, &symbol, &path, &root, &pairs));
}

#[test, expected_failure(abort_code = proof::EPathLength)]
fun rejects_a_path_one_too_short() {
    let p = vectors::small_proof(0);
    let mut path = p.sliver_path();
    path.pop_back();
    proof::verify_symbol(&p.blob_id(), 10, 1, p.unencoded_length(), p.pair(), p.axis(), p.symbol_index(),
        &p.symbol(), &path, &p.other_root(), &p.pair_path());
}

#[test, expected_failure(abort_code = proof::EPathLength)]
fun rejects_a_path_one_too_long() {
    let p = vectors::small_proof(0);
    let mut path = p.pair_path();
    path.push_back(p.other_root());
    proof::verify_symbol(&p.blob_id(), 10, 1, p.unencoded_length(), p.pair(), p.axis(), p.symbol_index(),
        &p.symbol(), &p.sliver_path(), &p.other_root(), &path);
}

#[test, expected_failure(abort_code = proof::EDigestLength)]
fun rejects_a_sibling_of_31_bytes() {
    let p = vectors::small_proof(0);
    let mut path = p.sliver_path();
    (&mut path[0]).pop_back();
    proof::verify_symbol(&p.blob_id(), 10, 1, p.unencoded_length(), p.pair(), p.axis(), p.symbol_index(),
        &p.symbol(), &path, &p.other_root(), &p.pair_path());
}

#[test, expected_failure(abort_code = proof::EDigestLength)]
fun rejects_an_other_root_of_33_bytes() {
    let p = vectors::small_proof(0);
    let mut root = p.other_root();
    root.push_back(0);
    proof::verify_symbol(&p.blob_id(), 10, 1, p.unencoded_length(), p.pair(), p.axis(), p.symbol_index(),
        &p.symbol(), &p.sliver_path(), &root, &p.pair_path());
}

#[test, expected_failure(abort_code = proof::EDigestLength)]
fun rejects_a_blob_id_of_31_bytes() {
    let p = vectors::small_proof(0);
    let mut id = p.blob_id();
    id.pop_back();
    proof::verify_symbol(&id, 10, 1, p.unencoded_length(), p.pair(), p.axis(), p.symbol_index(),
        &p.symbol(), &p.sliver_path(), &p.other_root(), &p.pair_path());
}

#[test, expected_failure(abort_code = proof::EIndex)]
fun no_pair_belongs_to_a_shard_of_n() {
    proof::pair_of_shard(10, &vectors::small_proof(0).blob_id(), 10);
}

#[test, expected_failure(abort_code = proof::EIndex)]
fun a_pair_of_n_is_not_vacuous() {
    proof::is_vacuous(10, 10, 0, 5);
}

#[test, expected_failure(abort_code = proof::EAxis)]
fun a_third_axis_is_not_vacuous() {
    proof::is_vacuous(10, 0, 2, 5);
}

#[test, expected_failure(abort_code = proof::EIndex)]
fun rejects_a_symbol_index_of_n() {
    let p = vectors::small_proof(0);
    holds_with(&p, p.pair(), p.axis(), 10, p.symbol());
}

#[test, expected_failure(abort_code = proof::EIndex)]
fun rejects_a_pair_of_n() {
    let p = vectors::small_proof(0);
    holds_with(&p, 10, p.axis(), p.symbol_index(), p.symbol());
}

#[test, expected_failure(abort_code = proof::EAxis)]
fun rejects_a_third_axis() {
    let p = vectors::small_proof(0);
    holds_with(&p, p.pair(), 2, p.symbol_index(), p.symbol());
}

#[test, expected_failure(abort_code = proof::ESymbolPrefix)]
/// Else an inner node of the tree (prefix 1) could pass for a symbol.
fun rejects_an_inner_node_as_symbol() {
    let p = vectors::small_proof(0);
    holds_with(&p, p.pair(), p.axis(), p.symbol_index(), flipped(p.symbol(), 0));
}

#[test, expected_failure(abort_code = proof::ESymbolSize)]
fun rejects_a_symbol_one_byte_longer() {
    let p = vectors::small_proof(0);
    let mut symbol = p.symbol();
    symbol.push_back(0);
    holds_with(&p, p.pair(), p.axis(), p.symbol_index(), symbol);
}

#[test]
fun depth_is_the_ceiling_of_log2() {
    let leaves = vector[1u64, 2, 3, 4, 5, 10, 64, 65, 100, 105, 1000, 1024, 1025, 65_535];
    let depths = vector[0u64, 1, 2, 2, 3, 4, 6, 7, 7, 7, 10, 10, 11, 16];
    let mut i = 0;
    while (i < leaves.length()) {
        assert!(proof::depth(leaves[i]) == depths[i], i);
        i = i + 1;
    }
}

#[test]
fun sizes_are_those_of_the_protocol() {
    assert!(proof::symbol_size(1000, 1) == 2);
    assert!(proof::symbol_size(1000, 0) == 2);
    assert!(proof::symbol_size(1000, 1_000_000) == 6);
    assert!(proof::symbol_size(1000, 1_073_741_824) == 4_820);
    assert!(proof::symbol_size(1000, 334 * 667 * 65_534) == 65_534);
    assert!(proof::symbol_size(10, 56) == 2 && proof::symbol_size(10, 57) == 4);
    assert!(proof::encoded_length(1000, 1_073_741_824) == 1000 * (64_032 + 1001 * 4_820));
}

fun vacuous_count(length: u64, axis: u8): u64 {
    let mut count = 0;
    let mut pair = 0;
    while (pair < 1000) {
        if (proof::is_vacuous(1000, pair, axis, length)) count = count + 1;
        pair = pair + 1;
    };
    count
}

#[test]
fun padding_slivers_are_vacuous() {
    // The numbers of the official encoder's sliver hashes.
    assert!(vacuous_count(10_240, 0) == 326);
    assert!(vacuous_count(1_024, 0) == 333);
    assert!(vacuous_count(1_024, 1) == 155);
}

#[test]
fun nothing_of_a_full_blob_is_vacuous() {
    let mut pair = 0;
    while (pair < 10) {
        assert!(!proof::is_vacuous(10, pair, 0, 56) && !proof::is_vacuous(10, pair, 1, 56));
        pair = pair + 1;
    }
}
