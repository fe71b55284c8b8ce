/// If these fail, a node can be accused of what it was not asked, a false claim stands, or a bond is lost.
#[test_only]
module floe_audit::claim_tests;

use floe_audit::audit::{Self, Claim};
use floe_audit::vectors;
use floe_audit::world;
use sui::event;
use sui::test_scenario as scenario;

// === Filing ===

#[test]
fun i2_the_draw_fixes_pair_axis_and_symbol() {
    let mut w = world::begin_reported();
    let auditors = vector[world::a(), world::b(), world::c()];
    let mut i = 0;
    while (i < vectors::claim_case_count()) {
        let auditor = auditors[i % 3];
        w.file(auditor, i);
        w.scenario().next_tx(world::stranger());
        let claim = w.scenario().take_shared<Claim>();
        let case = vectors::claim_case(i);
        let (_, shard, _, _, _, _) = case.claim_parts();
        let proof = case.claim_proof();
        assert!(claim.pair() == proof.pair() && claim.axis() == proof.axis(), i);
        assert!(claim.symbol() == proof.symbol_index() && claim.shard() == shard, i);
        assert!(claim.state() == 0 && claim.attestor_count() == 1 && !claim.is_bound(), i);
        assert!(claim.bond_value() == world::bond() && claim.node() == world::node(), i);
        scenario::return_shared(claim);
        w.withdraw(auditor);
        i = i + 1;
    };
    w.end()
}

fun file_altered(mode: u8, shard: u16, t: u32, index: u64, bond: u64) {
    let mut w = world::begin_reported();
    let (_, _, _, _, entry, path) = vectors::claim_case(0).claim_parts();
    w.file_with(world::a(), mode, shard, t, index, entry, path, bond);
    w.end()
}

#[test, expected_failure(abort_code = audit::ESelection)]
fun i3_a_draw_number_outside_the_round_is_not_claimable() {
    let (mode, shard, _, index, _, _) = vectors::claim_case(0).claim_parts();
    file_altered(mode, shard, 3, index, world::bond())
}

#[test, expected_failure(abort_code = audit::ESelection)]
fun i3_a_shard_outside_the_network_is_not_claimable() {
    let (mode, _, t, index, _, _) = vectors::claim_case(0).claim_parts();
    file_altered(mode, 10, t, index, world::bond())
}

#[test, expected_failure(abort_code = audit::ESelection)]
fun i3_modes_of_deletable_and_fresh_blobs_are_not_claimable() {
    let (_, shard, t, index, _, _) = vectors::claim_case(0).claim_parts();
    file_altered(2, shard, t, index, world::bond())
}

#[test, expected_failure(abort_code = audit::EPopulation)]
fun i3_another_leaf_does_not_fit_the_path() {
    let (mode, shard, t, index, _, _) = vectors::claim_case(0).claim_parts();
    file_altered(mode, shard, t, (index + 1) % vectors::pop_size(), world::bond())
}

#[test, expected_failure(abort_code = audit::EBond)]
fun a_bond_is_exact() {
    let (mode, shard, t, index, _, _) = vectors::claim_case(0).claim_parts();
    file_altered(mode, shard, t, index, world::bond() + 1)
}

#[test, expected_failure(abort_code = floe_audit::select::ESelection)]
fun i3_a_blob_that_was_not_drawn_is_not_claimable() {
    let mut w = world::begin_reported();
    let (mode, shard, t, index, _, _) = vectors::claim_case(0).claim_parts();
    // Any other leaf of the same population, with its own true path.
    let mut i = 1;
    loop {
        let (_, _, _, other, entry, path) = vectors::claim_case(i).claim_parts();
        if (other != index) {
            w.file_with(world::a(), mode, shard, t, other, entry, path, world::bond());
            break
        };
        i = i + 1;
    };
    w.end()
}

#[test, expected_failure(abort_code = audit::EPopulation)]
fun i3_an_altered_entry_is_not_in_the_population() {
    let mut w = world::begin_reported();
    let (mode, shard, t, index, mut entry, path) = vectors::claim_case(0).claim_parts();
    *(&mut entry[41]) = 99;
    w.file_with(world::a(), mode, shard, t, index, entry, path, world::bond());
    w.end()
}

#[test, expected_failure(abort_code = audit::EVacuous)]
fun i3_a_padding_sliver_is_not_claimable() {
    let mut w = world::begin_reported();
    w.file_claim(world::a(), &vectors::vacuous_claim(0));
    w.end()
}

#[test, expected_failure(abort_code = audit::EExpiring)]
fun a_blob_about_to_end_is_not_claimable() {
    let mut w = world::begin_reported();
    w.file_claim(world::a(), &vectors::expiring_claim(0));
    w.end()
}

#[test, expected_failure(abort_code = audit::EPopulation)]
fun i3_a_population_declared_with_the_round_is_too_late() {
    let mut w = world::begin();
    w.at(world::opened_ms());
    w.declare(world::a());
    w.open(world::no());
    w.report(world::a(), world::no());
    w.file(world::a(), 0);
    w.end()
}

#[test, expected_failure(abort_code = audit::EPopulation)]
fun i3_a_population_of_another_epoch_does_not_serve() {
    let mut w = world::begin();
    w.declare_root(world::a(), 8, vectors::pop_root());
    w.at(world::opened_ms());
    w.open(world::no());
    w.report(world::a(), world::no());
    w.file(world::a(), 0);
    w.end()
}

#[test, expected_failure(abort_code = audit::EPopulation)]
fun i3_another_auditors_population_does_not_serve() {
    let mut w = world::begin();
    w.declare(world::b());
    w.at(world::opened_ms());
    w.open(world::no());
    w.report(world::a(), world::no());
    w.file(world::a(), 0);
    w.end()
}

#[test, expected_failure(abort_code = audit::ENoReport)]
fun a_claim_needs_a_report_of_the_round() {
    let mut w = world::begin();
    w.declare(world::a());
    w.at(world::opened_ms());
    w.open(world::no());
    w.file(world::a(), 0);
    w.end()
}

/// Files the only entry of a population of one blob: any draw of mode 0 selects it.
fun file_single(entry: vector<u8>) {
    let mut w = world::begin();
    let root = floe_audit::proof::leaf_hash(&entry);
    w.declare_with(world::a(), world::epoch(), 1, 1_000_000, root);
    w.at(world::opened_ms());
    w.open(world::no());
    w.report(world::a(), world::no());
    w.file_with(world::a(), 0, 0, 0, 0, entry, vector[], world::bond());
    w.end()
}

fun single_entry(encoding: u8): vector<u8> {
    let mut entry = vectors::round_seed();
    entry.push_back(encoding);
    entry.append(std::bcs::to_bytes(&1_000_000u64));
    entry.append(std::bcs::to_bytes(&99u32));
    entry.append(std::bcs::to_bytes(&0u128));
    entry
}

#[test]
fun a_population_of_one_blob_is_claimable() { file_single(single_entry(1)) }

#[test, expected_failure(abort_code = audit::ESelection)]
fun a_retired_encoding_is_not_claimable() { file_single(single_entry(0)) }

#[test, expected_failure(abort_code = audit::ENoRound)]
fun a_round_that_never_opened_is_not_claimable() {
    let mut w = world::begin();
    w.declare(world::a());
    w.file(world::a(), 0);
    w.end()
}

#[test, expected_failure(abort_code = audit::ENotAuditor)]
fun strangers_do_not_file() {
    let mut w = world::begin_reported();
    w.file(world::stranger(), 0);
    w.end()
}

#[test, expected_failure(abort_code = audit::EPaused)]
fun i10_no_claim_is_filed_while_paused() {
    let mut w = world::begin_reported();
    w.set_paused(true);
    w.file(world::a(), 0);
    w.end()
}

#[test, expected_failure(abort_code = audit::EDuplicate)]
fun a_draw_is_claimed_once_by_an_auditor_even_after_withdrawal() {
    let mut w = world::begin_reported();
    w.file(world::a(), 0);
    w.withdraw(world::a());
    w.file(world::a(), 0);
    w.end()
}

#[test, expected_failure(abort_code = audit::ETooMany)]
fun a_node_has_three_open_claims_at_most() {
    let mut w = world::begin_reported();
    w.file(world::a(), 0);
    w.file(world::b(), 0);
    w.file(world::c(), 0);
    w.file(world::a(), 1);
    w.end()
}

#[test]
fun i6_every_end_of_a_claim_frees_its_place() {
    let mut w = world::begin_reported();
    w.file(world::a(), 0);
    w.file(world::a(), 1);
    assert!(w.open_claims() == 2);
    assert!(w.refute(world::stranger(), 1) == world::bond());
    assert!(w.open_claims() == 1);
    assert!(w.withdraw(world::a()) == world::bond());
    assert!(w.open_claims() == 0);
    w.file(world::b(), 2);
    w.after(world::window() + 1);
    w.finalize(world::stranger());
    assert!(w.open_claims() == 0);
    w.end()
}

#[test, expected_failure(abort_code = audit::ETooMany)]
fun an_auditor_files_five_claims_an_epoch_at_most() {
    let mut w = world::begin_reported();
    let mut i = 0;
    while (i < 6) {
        w.file(world::a(), i);
        w.withdraw(world::a());
        i = i + 1;
    };
    w.end()
}

#[test, expected_failure(abort_code = audit::ETooLate)]
fun a_claim_ends_before_its_round_may_be_pruned() {
    let mut w = world::begin_reported();
    w.at((world::no() + world::retention()) * world::period() - world::window());
    w.file(world::a(), 0);
    w.end()
}

#[test, expected_failure(abort_code = audit::EArgument)]
fun an_attached_confirmation_has_136_bytes() {
    let mut w = world::begin_reported();
    let (mode, shard, t, index, entry, path) = vectors::claim_case(0).claim_parts();
    let mut registry = w.take(world::a());
    let clock = sui::clock::create_for_testing(w.scenario().ctx());
    let coin = w.pay(world::bond());
    registry.file_claim(world::no(), mode, shard, t, world::node(), index, entry, path,
        option::some(x"00"), coin, &clock, w.scenario().ctx());
    abort 0
}

// === Refuting ===

#[test]
fun i4_anybody_refutes_with_the_symbol_and_gets_the_bond() {
    let mut w = world::begin_reported();
    let auditors = vector[world::a(), world::b(), world::c()];
    let mut i = 0;
    while (i < vectors::claim_case_count()) {
        w.file(auditors[i % 3], i);
        if (i == 0) w.after(world::window());
        assert!(w.refute(world::stranger(), i) == world::bond(), i);
        assert!(!w.has_claim(), i);
        i = i + 1;
    };
    let registry = w.take(world::stranger());
    let (filed, refuted) = registry.record(world::a());
    assert!(filed == 3 && refuted == 3);
    w.put(registry);
    w.end()
}

#[test, expected_failure(abort_code = audit::EProof)]
fun i4_a_changed_symbol_refutes_nothing() {
    let mut w = world::begin_reported();
    w.file(world::a(), 0);
    let mut symbol = vectors::claim_case(0).claim_proof().symbol();
    let last = symbol.length() - 1;
    let byte = symbol[last];
    *(&mut symbol[last]) = byte ^ 0x80;
    w.refute_with(world::stranger(), 0, symbol);
    w.end()
}

#[test, expected_failure]
fun i4_another_claims_answer_refutes_nothing() {
    let mut w = world::begin_reported();
    w.file(world::a(), 0);
    w.refute(world::stranger(), 1);
    w.end()
}

#[test, expected_failure(abort_code = audit::EWindow)]
fun i4_after_the_deadline_nothing_is_refuted() {
    let mut w = world::begin_reported();
    w.file(world::a(), 0);
    w.after(world::window() + 1);
    w.refute(world::stranger(), 0);
    w.end()
}

#[test]
fun i4_a_quorum_does_not_stop_a_refutation() {
    let mut w = world::begin_reported();
    w.file(world::a(), 0);
    w.attest(world::b());
    w.attest(world::c());
    assert!(w.refute(world::stranger(), 0) == world::bond());
    w.end()
}

#[test]
fun i10_pausing_deactivation_and_migration_stop_no_refutation() {
    let mut w = world::begin_reported();
    w.file(world::a(), 0);
    w.set_paused(true);
    w.deactivate(world::a());
    let mut registry = w.take(world::admin());
    registry.set_version_for_testing(2);
    w.put(registry);
    assert!(w.refute(world::stranger(), 0) == world::bond());
    w.end()
}

// === Attesting ===

#[test, expected_failure(abort_code = audit::EDuplicate)]
fun the_accuser_does_not_attest_its_own_claim() {
    let mut w = world::begin_reported();
    w.file(world::a(), 0);
    w.attest(world::a());
    w.end()
}

#[test, expected_failure(abort_code = audit::EDuplicate)]
fun an_auditor_attests_once() {
    let mut w = world::begin_reported();
    w.file(world::a(), 0);
    w.attest(world::b());
    w.attest(world::b());
    w.end()
}

#[test, expected_failure(abort_code = audit::ENotAuditor)]
fun strangers_do_not_attest() {
    let mut w = world::begin_reported();
    w.file(world::a(), 0);
    w.attest(world::stranger());
    w.end()
}

#[test, expected_failure(abort_code = audit::EWindow)]
fun nobody_attests_after_the_deadline() {
    let mut w = world::begin_reported();
    w.file(world::a(), 0);
    w.after(world::window() + 1);
    w.attest(world::b());
    w.end()
}

fun attest_from(epoch: u32, root: vector<u8>, reported: bool) {
    let mut w = world::begin();
    w.declare(world::a());
    w.declare_root(world::b(), epoch, root);
    w.at(world::opened_ms());
    w.open(world::no());
    w.report(world::a(), world::no());
    if (reported) w.report_epoch(world::b(), world::no(), epoch);
    w.file(world::a(), 0);
    w.attest(world::b());
    w.end()
}

#[test]
fun i5_the_same_population_and_a_report_let_attest() {
    attest_from(world::epoch(), vectors::pop_root(), true)
}

#[test, expected_failure(abort_code = audit::EPopulation)]
fun i5_another_population_does_not_attest() {
    attest_from(world::epoch(), vectors::round_seed(), true)
}

#[test, expected_failure(abort_code = audit::EPopulation)]
fun i5_another_size_under_the_same_root_does_not_attest() {
    let mut w = world::begin();
    w.declare(world::a());
    w.declare_with(world::b(), world::epoch(), vectors::pop_size() + 1, vectors::pop_total(), vectors::pop_root());
    w.at(world::opened_ms());
    w.open(world::no());
    w.report(world::a(), world::no());
    w.report(world::b(), world::no());
    w.file(world::a(), 0);
    w.attest(world::b());
    w.end()
}

#[test, expected_failure(abort_code = audit::ENoReport)]
fun i5_no_report_no_attestation() {
    attest_from(world::epoch(), vectors::pop_root(), false)
}

#[test, expected_failure(abort_code = audit::ENoReport)]
fun i5_a_report_of_another_epoch_does_not_attest() {
    attest_from(8, vectors::pop_root(), true)
}

#[test, expected_failure(abort_code = audit::EPopulation)]
fun i5_a_population_declared_after_the_round_does_not_attest() {
    let mut w = world::begin();
    w.declare(world::a());
    w.at(world::opened_ms());
    w.open(world::no());
    w.after(1);
    w.declare(world::b());
    w.report(world::a(), world::no());
    w.report(world::b(), world::no());
    w.file(world::a(), 0);
    w.attest(world::b());
    w.end()
}

// === Ends ===

#[test, expected_failure(abort_code = audit::EWindow)]
fun i5_nothing_is_final_at_the_deadline() {
    let mut w = world::begin_reported();
    w.file(world::a(), 0);
    w.attest(world::b());
    w.after(world::window());
    w.finalize(world::stranger());
    w.end()
}

#[test]
fun i5_i7_a_quorum_confirms_and_the_accuser_gains_nothing() {
    let mut w = world::begin_reported();
    w.file(world::a(), 0);
    w.attest(world::b());
    w.after(world::window() + 1);
    let mut registry = w.take(world::stranger());
    let mut claim = w.scenario().take_shared<Claim>();
    let mut clock = sui::clock::create_for_testing(w.scenario().ctx());
    clock.set_for_testing(w.now());
    registry.finalize(&mut claim, &clock, w.scenario().ctx());
    assert!(claim.state() == 2 && claim.bond_value() == 0);
    // I9: all that the claim said is in the event.
    assert!(event::events_by_type<audit::ClaimConfirmed>().length() == 1);
    clock.destroy_for_testing();
    scenario::return_shared(claim);
    w.put(registry);
    assert!(w.received(world::a()) == world::bond());
    assert!(!scenario::has_most_recent_for_address<sui::coin::Coin<sui::sui::SUI>>(world::stranger()));
    w.end()
}

#[test]
fun i5_without_a_quorum_a_claim_lapses_and_the_bond_returns() {
    let mut w = world::begin_reported();
    w.file(world::a(), 0);
    w.after(world::window() + 1);
    w.finalize(world::stranger());
    assert!(w.claim_state() == 3);
    assert!(w.received(world::a()) == world::bond());
    w.end()
}

#[test]
fun i5_deactivated_attestors_do_not_count() {
    let mut w = world::begin_reported();
    w.file(world::a(), 0);
    w.attest(world::b());
    w.deactivate(world::b());
    w.after(world::window() + 1);
    w.finalize(world::stranger());
    assert!(w.claim_state() == 3);
    w.end()
}

#[test]
fun i10_pausing_stops_no_finalization() {
    let mut w = world::begin_reported();
    w.file(world::a(), 0);
    w.attest(world::c());
    w.set_paused(true);
    w.after(world::window() + 1);
    w.finalize(world::stranger());
    assert!(w.claim_state() == 2);
    w.end()
}

#[test, expected_failure(abort_code = audit::EState)]
fun nobody_attests_an_ended_claim() {
    let mut w = world::begin_reported();
    w.file(world::a(), 0);
    w.after(world::window() + 1);
    w.finalize(world::stranger());
    w.attest(world::b());
    w.end()
}

#[test, expected_failure(abort_code = audit::EState)]
fun a_claim_is_finalized_once() {
    let mut w = world::begin_reported();
    w.file(world::a(), 0);
    w.after(world::window() + 1);
    w.finalize(world::stranger());
    w.finalize(world::stranger());
    w.end()
}

#[test, expected_failure(abort_code = audit::EState)]
fun a_confirmed_claim_is_not_refuted() {
    let mut w = world::begin_reported();
    w.file(world::a(), 0);
    w.attest(world::b());
    w.after(world::window() + 1);
    w.finalize(world::stranger());
    w.refute(world::stranger(), 0);
    w.end()
}

#[test, expected_failure(abort_code = audit::EState)]
fun a_claim_others_stand_behind_is_not_withdrawn() {
    let mut w = world::begin_reported();
    w.file(world::a(), 0);
    w.attest(world::b());
    w.withdraw(world::a());
    w.end()
}

#[test, expected_failure(abort_code = audit::EState)]
fun i6_a_lapsed_claim_is_not_withdrawn() {
    let mut w = world::begin_reported();
    w.file(world::a(), 0);
    w.after(world::window() + 1);
    w.finalize(world::stranger());
    w.withdraw(world::a());
    w.end()
}

#[test, expected_failure(abort_code = audit::ENotAuditor)]
fun only_the_accuser_withdraws() {
    let mut w = world::begin_reported();
    w.file(world::a(), 0);
    w.withdraw(world::b());
    w.end()
}

#[test]
fun i9_pruning_leaves_the_end_of_a_claim_untouched() {
    let mut w = world::begin_reported();
    w.file(world::a(), 0);
    w.attest(world::b());
    w.at((world::no() + world::retention() + 1) * world::period());
    w.prune_round(world::no());
    w.prune_population(world::epoch());
    w.finalize(world::stranger());
    assert!(w.claim_state() == 2);
    assert!(w.received(world::a()) == world::bond());
    w.purge();
    assert!(!w.has_claim());
    w.end()
}

#[test, expected_failure(abort_code = audit::EState)]
fun a_pending_claim_is_not_purged() {
    let mut w = world::begin_reported();
    w.file(world::a(), 0);
    w.at((world::no() + world::retention() + 1) * world::period());
    w.purge();
    w.end()
}

#[test, expected_failure(abort_code = audit::ETooEarly)]
fun a_claim_is_not_purged_within_retention() {
    let mut w = world::begin_reported();
    w.file(world::a(), 0);
    w.after(world::window() + 1);
    w.finalize(world::stranger());
    w.purge();
    w.end()
}

// === Registries of one package ===

/// A claim filed with one registry, and all later calls at another that lacks nothing but the claim.
fun begin_elsewhere(): world::World {
    let mut w = world::begin_reported();
    w.file(world::a(), 0);
    w.switch_registry();
    w
}

#[test]
fun a_claim_names_the_registry_it_was_filed_with() {
    let mut w = world::begin_reported();
    w.file(world::a(), 0);
    let registry = w.take(world::stranger());
    let claim = w.scenario().take_shared<Claim>();
    assert!(claim.registry() == object::id(&registry));
    scenario::return_shared(claim);
    w.put(registry);
    w.end()
}

#[test]
fun another_registry_takes_the_same_draw_and_counts_its_own() {
    let mut w = begin_elsewhere();
    assert!(w.open_claims() == 0);
    w.file(world::a(), 0);
    assert!(w.open_claims() == 1);
    w.end()
}

#[test, expected_failure(abort_code = audit::ERegistry)]
fun another_registrys_panel_does_not_attest() {
    let mut w = begin_elsewhere();
    w.attest(world::b());
    w.end()
}

#[test, expected_failure(abort_code = audit::ERegistry)]
fun another_registrys_gate_binds_nothing() {
    let mut w = begin_elsewhere();
    w.set_gate<Gate>();
    let registry = w.take(world::stranger());
    let mut claim = w.scenario().take_shared<Claim>();
    registry.bind(&mut claim, Gate {});
    abort 0
}

#[test, expected_failure(abort_code = audit::ERegistry)]
fun a_refutation_counts_with_the_accusers_own_registry() {
    let mut w = begin_elsewhere();
    w.refute(world::stranger(), 0);
    w.end()
}

#[test, expected_failure(abort_code = audit::ERegistry)]
fun a_claim_is_not_withdrawn_from_another_registry() {
    let mut w = begin_elsewhere();
    w.withdraw(world::a());
    w.end()
}

#[test, expected_failure(abort_code = audit::ERegistry)]
fun another_registrys_panel_lets_no_claim_lapse() {
    let mut w = begin_elsewhere();
    w.after(world::window() + 1);
    w.finalize(world::stranger());
    w.end()
}

#[test, expected_failure(abort_code = audit::ERegistry)]
fun another_registrys_retention_purges_nothing() {
    let mut w = world::begin_reported();
    w.file(world::a(), 0);
    let own = w.registry();
    w.switch_registry();
    let other = w.registry();
    w.use_registry(own);
    w.after(world::window() + 1);
    w.finalize(world::stranger());
    w.use_registry(other);
    w.at((world::no() + world::retention() + 1) * world::period());
    w.purge();
    w.end()
}

// === Gate and escalation ===

public struct Gate has drop {}
public struct OtherGate has drop {}

#[test]
fun the_named_gate_binds() {
    let mut w = world::begin_reported();
    w.set_gate<Gate>();
    w.file(world::a(), 0);
    let registry = w.take(world::stranger());
    let mut claim = w.scenario().take_shared<Claim>();
    registry.bind(&mut claim, Gate {});
    assert!(claim.is_bound());
    scenario::return_shared(claim);
    w.put(registry);
    w.end()
}

#[test, expected_failure(abort_code = audit::EGate)]
fun another_type_binds_nothing() {
    let mut w = world::begin_reported();
    w.set_gate<Gate>();
    w.file(world::a(), 0);
    let registry = w.take(world::stranger());
    let mut claim = w.scenario().take_shared<Claim>();
    registry.bind(&mut claim, OtherGate {});
    abort 0
}

#[test, expected_failure(abort_code = audit::EGate)]
fun without_a_gate_nothing_binds() {
    let mut w = world::begin_reported();
    w.file(world::a(), 0);
    let registry = w.take(world::stranger());
    let mut claim = w.scenario().take_shared<Claim>();
    registry.bind(&mut claim, Gate {});
    abort 0
}

#[test, expected_failure(abort_code = audit::EState)]
fun only_confirmed_claims_are_escalated() {
    let mut w = world::begin_reported();
    w.file(world::a(), 0);
    w.scenario().next_tx(world::stranger());
    let claim = w.scenario().take_shared<Claim>();
    claim.record_escalation(world::node(), w.scenario().ctx());
    abort 0
}

#[test]
fun an_escalation_is_recorded() {
    let mut w = world::begin_reported();
    w.file(world::a(), 0);
    w.attest(world::b());
    w.after(world::window() + 1);
    w.finalize(world::stranger());
    w.scenario().next_tx(world::stranger());
    let claim = w.scenario().take_shared<Claim>();
    claim.record_escalation(world::node(), w.scenario().ctx());
    assert!(event::events_by_type<audit::Escalated>().length() == 1);
    scenario::return_shared(claim);
    w.end()
}
