/// If these fail, the contract and the auditors disagree about what a round asked.
#[test_only]
module floe_audit::select_tests;

use floe_audit::select;
use floe_audit::vectors;

#[test]
fun draws_what_everybody_else_draws() {
    let mut i = 0;
    while (i < vectors::draw_case_count()) {
        let case = vectors::draw_case(i);
        let (seed, mode, shard, t, size, n_shards) = case.draw_parts();
        let (index, axis, symbol) = case.expected();
        let draw = select::draw(&seed, mode, shard, t, size, n_shards);
        assert!(draw.x() % (size as u128) == index, i);
        assert!(draw.axis() == axis && draw.symbol() == symbol, i);
        i = i + 1;
    }
}

#[test]
fun reads_every_field_of_an_entry() {
    let bytes = x"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f01efcdab8967452301785634120f0e0d0c0b0a09080706050403020100";
    let entry = select::parse_entry(&bytes);
    assert!(entry.blob_id()[31] == 31 && entry.blob_id().length() == 32);
    assert!(entry.encoding() == 1);
    assert!(entry.unencoded_length() == 0x0123456789abcdef);
    assert!(entry.end_epoch() == 0x12345678);
    assert!(entry.cum() == 0x000102030405060708090a0b0c0d0e0f);
}

#[test, expected_failure(abort_code = select::EDigestLength)]
fun rejects_an_entry_of_60_bytes() {
    let mut bytes = vector[];
    while (bytes.length() < 60) bytes.push_back(0);
    select::parse_entry(&bytes);
}

#[test, expected_failure(abort_code = select::EDigestLength)]
fun rejects_a_seed_of_31_bytes() {
    let mut seed = vectors::round_seed();
    seed.pop_back();
    select::draw(&seed, 0, 0, 0, 1, 10);
}

fun assert_selected(mode: u8, entries: u64, total: u128) {
    let mut bytes = vector[];
    while (bytes.length() < 61) bytes.push_back(0);
    let entry = select::parse_entry(&bytes);
    let draw = select::draw(&vectors::round_seed(), mode, 0, 0, 1, 10);
    draw.assert_selected(mode, 0, &entry, entries, total, 10)
}

#[test]
fun the_only_entry_is_selected_in_both_modes() {
    assert_selected(0, 1, 1);
    assert_selected(1, 1, 1)
}

#[test, expected_failure(abort_code = select::ESelection)]
fun nothing_is_selected_of_no_entries() { assert_selected(0, 0, 1) }

#[test, expected_failure(abort_code = select::ESelection)]
fun nothing_is_selected_of_no_bytes() { assert_selected(1, 1, 0) }

#[test, expected_failure(abort_code = select::ESelection)]
fun nothing_is_selected_in_a_third_mode() { assert_selected(2, 1, 1) }

/// Offers the entry that begins `ahead` bytes before the drawn byte, or `behind` bytes after it.
fun select_by_bytes(ahead: u128, behind: u128) {
    let total = 0xFFFF_FFFF_FFFF_FFFFu128;
    let draw = select::draw(&vectors::round_seed(), 1, 0, 0, total as u64, 10);
    let offset = draw.x() % total;
    let mut bytes = vector[];
    while (bytes.length() < 45) bytes.push_back(0);
    bytes.append(std::bcs::to_bytes(&(offset + behind - ahead)));
    let entry = select::parse_entry(&bytes);
    draw.assert_selected(1, 0, &entry, 1, total, 10)
}

#[test]
fun a_drawn_byte_selects_the_entry_it_lies_in() {
    // An entry of no bytes takes 10 * (672 + 11 * 2) encoded ones.
    select_by_bytes(0, 0);
    select_by_bytes(6_939, 0)
}

#[test, expected_failure(abort_code = select::ESelection)]
fun a_drawn_byte_does_not_select_the_entry_before() { select_by_bytes(6_940, 0) }

#[test, expected_failure(abort_code = select::ESelection)]
fun a_drawn_byte_does_not_select_the_entry_after() { select_by_bytes(0, 1) }
