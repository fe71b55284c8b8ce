/// If these fail, a seed can be chosen or drawn again, or reports and populations changed after the fact.
#[test_only]
module floe_audit::round_tests;

use floe_audit::audit::{Self, AdminCap, Registry};
use floe_audit::vectors;
use floe_audit::world;
use sui::event;
use sui::random::{Self, Random};
use sui::test_scenario as scenario;

#[test]
fun draws_one_seed_of_32_bytes_from_randomness() {
    let mut w = world::begin();
    w.scenario().next_tx(@0x0);
    random::create_for_testing(w.scenario().ctx());
    w.scenario().next_tx(@0x0);
    let mut source = w.scenario().take_shared<Random>();
    let bytes = x"1f1e1d1c1b1a191817161514131211100f0e0d0c0b0a09080706050403020100";
    source.update_randomness_state_for_testing(0, bytes, w.scenario().ctx());
    let mut registry = w.take(world::stranger());
    let clock = sui::clock::create_for_testing(w.scenario().ctx());
    // The clock of this test stands at 0: round 0.
    registry.open_random_round_for_testing(0, &source, &clock, w.scenario().ctx());
    assert!(registry.seed(0).length() == 32 && registry.has_round(0));
    assert!(event::events_by_type<audit::RoundOpened>().length() == 1);
    clock.destroy_for_testing();
    scenario::return_shared(source);
    w.put(registry);
    w.end()
}

#[test, expected_failure(abort_code = audit::ERoundExists)]
fun i1_a_seed_is_never_drawn_again() {
    let mut w = world::begin();
    w.open(world::no());
    w.after(5);
    w.open_with(world::no(), vectors::pop_root());
    w.end()
}

#[test, expected_failure(abort_code = audit::ETooEarly)]
fun a_round_does_not_open_before_its_slot() {
    let mut w = world::begin();
    w.open(world::no() + 1);
    w.end()
}

#[test]
fun a_round_opens_in_the_last_millisecond_of_its_slot() {
    let mut w = world::begin();
    w.at((world::no() + 1) * world::period() - 1);
    w.open(world::no());
    w.end()
}

#[test, expected_failure(abort_code = audit::ETooLate)]
fun a_round_does_not_open_after_its_slot() {
    let mut w = world::begin();
    w.at((world::no() + 1) * world::period());
    w.open(world::no());
    w.end()
}

#[test, expected_failure(abort_code = audit::EPaused)]
fun i10_no_round_opens_while_paused() {
    let mut w = world::begin();
    w.set_paused(true);
    w.open(world::no());
    w.end()
}

#[test]
fun pausing_can_be_ended() {
    let mut w = world::begin();
    w.set_paused(true);
    w.set_paused(false);
    w.open(world::no());
    w.end()
}

#[test, expected_failure(abort_code = audit::EVersion)]
fun another_version_opens_no_round() {
    let mut w = world::begin();
    let mut registry = w.take(world::admin());
    registry.set_version_for_testing(2);
    w.put(registry);
    w.open(world::no());
    w.end()
}

#[test]
fun an_older_registry_can_be_migrated_once() {
    let mut w = world::begin();
    let mut registry = w.take(world::admin());
    let cap = w.scenario().take_from_sender<AdminCap>();
    registry.set_version_for_testing(0);
    registry.migrate(&cap);
    w.scenario().return_to_sender(cap);
    w.put(registry);
    w.open(world::no());
    w.end()
}

#[test, expected_failure(abort_code = audit::EVersion)]
fun a_current_registry_is_not_migrated() {
    let mut w = world::begin();
    let mut registry = w.take(world::admin());
    let cap = w.scenario().take_from_sender<AdminCap>();
    registry.migrate(&cap);
    abort 0
}

#[test]
fun parameters_apply_to_later_rounds_only() {
    let mut w = world::begin_reported();
    w.set_params(audit::new_params(3, 20, world::period(), world::window(), 5, 1, 1, 1, 50));
    // The old bond, shard count and caps still hold for the old round.
    w.file(world::a(), 0);
    w.file(world::a(), 1);
    assert!(w.open_claims() == 2);
    w.end()
}

#[test, expected_failure(abort_code = audit::EArgument)]
fun the_period_never_changes() {
    let mut w = world::begin();
    w.set_params(world::other_params(2, world::period() * 2, world::retention()));
    w.end()
}

#[test, expected_failure(abort_code = audit::EArgument)]
fun retention_outlasts_the_window() {
    world::other_params(2, world::period(), 3);
}

#[test, expected_failure(abort_code = audit::EArgument)]
fun a_quorum_is_not_zero() {
    world::other_params(0, world::period(), 20);
}

fun params_of(n_shards: u16, period_ms: u64, window_ms: u64) {
    audit::new_params(2, n_shards, period_ms, window_ms, 1, 1, 1, 1, 1_000_000);
}

#[test]
fun the_smallest_parameters_are_valid() { params_of(4, 1, 1) }

#[test, expected_failure(abort_code = audit::EArgument)]
fun a_network_has_four_shards_at_least() { params_of(3, 1, 1) }

#[test, expected_failure(abort_code = audit::EArgument)]
fun a_period_is_not_zero() { params_of(4, 0, 1) }

#[test, expected_failure(abort_code = audit::EArgument)]
fun a_window_is_not_zero() { params_of(4, 1, 0) }

#[test]
fun reports_are_emitted_with_their_rows() {
    let mut w = world::begin();
    w.open(world::no());
    let mut rows = vector[];
    while (rows.length() < 128 * 52) rows.push_back(7);
    let mut registry = w.take(world::a());
    let root = vectors::pop_root();
    let totals = vector[9, 3, 1, 1, 1, 2, 1, 5];
    registry.report(world::no(), 7, totals, root, root, rows, w.scenario().ctx());
    assert!(event::events_by_type<audit::RoundReported>().length() == 1);
    w.put(registry);
    w.end()
}

#[test, expected_failure(abort_code = audit::EDuplicate)]
fun a_round_is_reported_once() {
    let mut w = world::begin_reported();
    w.report(world::a(), world::no());
    w.end()
}

#[test, expected_failure(abort_code = audit::ENoRound)]
fun an_unopened_round_is_not_reported() {
    let mut w = world::begin();
    w.report(world::a(), world::no());
    w.end()
}

#[test, expected_failure(abort_code = audit::ENotAuditor)]
fun strangers_do_not_report() {
    let mut w = world::begin();
    w.open(world::no());
    w.report(world::stranger(), world::no());
    w.end()
}

#[test, expected_failure(abort_code = audit::ENotAuditor)]
fun deactivated_auditors_do_not_report() {
    let mut w = world::begin();
    w.open(world::no());
    w.deactivate(world::b());
    w.report(world::b(), world::no());
    w.end()
}

fun report_badly(totals: vector<u32>, evidence_root: vector<u8>, nodes_root: vector<u8>, row_bytes: u64) {
    let mut w = world::begin();
    w.open(world::no());
    let mut rows = vector[];
    while (rows.length() < row_bytes) rows.push_back(0);
    w.report_with(world::a(), world::no(), 7, totals, evidence_root, nodes_root, rows);
    w.end()
}

#[test, expected_failure(abort_code = audit::EArgument)]
fun totals_add_up() {
    report_badly(vector[10, 3, 1, 1, 1, 2, 1, 5], vectors::pop_root(), vectors::pop_root(), 0)
}

#[test, expected_failure(abort_code = audit::EArgument)]
fun totals_are_eight() {
    report_badly(vector[9, 3, 1, 1, 1, 2, 1], vectors::pop_root(), vectors::pop_root(), 0)
}

#[test, expected_failure(abort_code = audit::EArgument)]
fun rows_are_whole() {
    report_badly(vector[9, 3, 1, 1, 1, 2, 1, 5], vectors::pop_root(), vectors::pop_root(), 51)
}

#[test, expected_failure(abort_code = audit::EArgument)]
fun rows_are_128_at_most() {
    report_badly(vector[9, 3, 1, 1, 1, 2, 1, 5], vectors::pop_root(), vectors::pop_root(), 129 * 52)
}

#[test, expected_failure(abort_code = audit::EArgument)]
fun an_evidence_root_has_32_bytes() {
    report_badly(vector[9, 3, 1, 1, 1, 2, 1, 5], x"00", vectors::pop_root(), 0)
}

#[test, expected_failure(abort_code = audit::EArgument)]
fun a_nodes_root_has_32_bytes() {
    report_badly(vector[9, 3, 1, 1, 1, 2, 1, 5], vectors::pop_root(), x"00", 0)
}

#[test, expected_failure(abort_code = audit::EDuplicate)]
fun a_population_is_declared_once() {
    let mut w = world::begin();
    w.declare(world::a());
    w.declare_root(world::a(), world::epoch(), vectors::round_seed());
    w.end()
}

#[test, expected_failure(abort_code = audit::ENotAuditor)]
fun strangers_declare_no_population() {
    let mut w = world::begin();
    w.declare(world::stranger());
    w.end()
}

fun declare(size: u64, total: u128, root: vector<u8>) {
    let mut w = world::begin();
    w.declare_with(world::a(), world::epoch(), size, total, root);
    w.end()
}

#[test]
fun a_population_holds_up_to_all_bytes_of_a_u64() {
    declare(1, 0xFFFF_FFFF_FFFF_FFFF, vectors::pop_root())
}

#[test, expected_failure(abort_code = audit::EPopulation)]
fun a_population_above_a_u64_is_not_declared() {
    declare(1, 0x1_0000_0000_0000_0000, vectors::pop_root())
}

#[test, expected_failure(abort_code = audit::EPopulation)]
fun a_population_without_entries_is_not_declared() {
    declare(0, 1, vectors::pop_root())
}

#[test, expected_failure(abort_code = audit::EPopulation)]
fun a_population_without_bytes_is_not_declared() {
    declare(1, 0, vectors::pop_root())
}

#[test, expected_failure(abort_code = audit::EPopulation)]
fun a_population_root_has_32_bytes() {
    declare(1, 1, x"0011")
}

#[test, expected_failure(abort_code = audit::EDuplicate)]
fun an_active_auditor_is_not_added_again() {
    let mut w = world::begin();
    w.add_auditor(world::a(), b"again", b"");
    w.end()
}

fun letters(count: u64): vector<u8> {
    let mut text = vector[];
    while (text.length() < count) text.push_back(97);
    text
}

#[test]
fun names_and_urls_may_be_as_long_as_their_bounds() {
    let mut w = world::begin();
    w.add_auditor(@0xD1, letters(64), letters(256));
    w.end()
}

#[test, expected_failure(abort_code = audit::EArgument)]
fun a_name_is_bounded() {
    let mut w = world::begin();
    w.add_auditor(@0xD1, letters(65), b"");
    w.end()
}

#[test, expected_failure(abort_code = audit::EArgument)]
fun a_url_is_bounded() {
    let mut w = world::begin();
    w.add_auditor(@0xD1, b"", letters(257));
    w.end()
}

#[test, expected_failure(abort_code = audit::ETooMany)]
fun a_panel_has_64_auditors_at_most() {
    let mut w = world::begin();
    let mut registry = w.take(world::admin());
    let cap = w.scenario().take_from_sender<AdminCap>();
    let text = std::string::utf8(b"");
    let mut i = 3u256;
    while (i < 65) {
        let address = sui::address::from_bytes(std::bcs::to_bytes(&(i << 8)));
        registry.add_auditor(&cap, address, text, text, 1);
        i = i + 1;
    };
    abort 0
}

#[test, expected_failure(abort_code = audit::ENotAuditor)]
fun an_inactive_auditor_is_not_deactivated_again() {
    let mut w = world::begin();
    w.deactivate(world::a());
    w.deactivate(world::a());
    w.end()
}

#[test]
fun a_returning_auditor_keeps_its_record() {
    let mut w = world::begin_reported();
    w.file(world::a(), 0);
    w.refute(world::stranger(), 0);
    w.deactivate(world::a());
    let mut registry = w.take(world::admin());
    let cap = w.scenario().take_from_sender<AdminCap>();
    let text = std::string::utf8(b"back");
    assert!(!registry.is_active(world::a()));
    registry.add_auditor(&cap, world::a(), text, text, 1);
    assert!(registry.is_active(world::a()));
    let (filed, refuted) = registry.record(world::a());
    assert!(filed == 1 && refuted == 1);
    w.scenario().return_to_sender(cap);
    w.put(registry);
    w.end()
}

#[test, expected_failure(abort_code = audit::ETooEarly)]
fun a_round_is_kept_through_its_retention() {
    let mut w = world::begin_reported();
    w.at((world::no() + world::retention() + 1) * world::period() - 1);
    w.prune_round(world::no());
    w.end()
}

#[test, expected_failure(abort_code = audit::ENoRound)]
fun a_round_that_never_opened_is_not_pruned() {
    let mut w = world::begin();
    w.prune_round(world::no());
    w.end()
}

#[test, expected_failure(abort_code = audit::EPopulation)]
fun a_population_nobody_declared_is_not_pruned() {
    let mut w = world::begin();
    w.prune_population(world::epoch());
    w.end()
}

#[test, expected_failure(abort_code = audit::ENoRound)]
fun a_round_that_never_opened_has_no_seed() {
    let mut w = world::begin();
    let registry = w.take(world::stranger());
    registry.seed(world::no());
    abort 0
}

#[test, expected_failure(abort_code = audit::EVersion)]
fun another_version_takes_no_report() {
    let mut w = world::begin();
    w.open(world::no());
    let mut registry = w.take(world::admin());
    registry.set_version_for_testing(2);
    w.put(registry);
    w.report(world::a(), world::no());
    w.end()
}

#[test]
fun rounds_and_populations_can_be_pruned_after_retention() {
    let mut w = world::begin_reported();
    w.at((world::no() + world::retention() + 1) * world::period());
    w.prune_population(world::epoch());
    w.prune_round(world::no());
    let registry = w.take(world::stranger());
    assert!(!registry.has_round(world::no()));
    assert!(!registry.has_population(world::epoch(), world::a()));
    w.put(registry);
    w.end()
}

#[test, expected_failure(abort_code = audit::ETooEarly)]
fun a_population_is_kept_while_a_later_round_uses_it() {
    let mut w = world::begin_reported();
    w.at((world::no() + 5) * world::period());
    w.open(world::no() + 5);
    w.report(world::c(), world::no() + 5);
    w.at((world::no() + world::retention() + 1) * world::period());
    w.prune_population(world::epoch());
    w.end()
}

#[test]
fun creating_a_registry_tells_its_parameters() {
    let mut s = scenario::begin(world::admin());
    audit::init_for_testing(s.ctx());
    s.next_tx(world::admin());
    let cap = s.take_from_sender<AdminCap>();
    audit::create(&cap, world::params(), s.ctx());
    assert!(event::events_by_type<audit::RegistryCreated>().length() == 1);
    s.next_tx(world::admin());
    let registry = s.take_shared<Registry>();
    assert!(registry.params() == world::params() && !registry.is_paused());
    scenario::return_shared(registry);
    s.return_to_sender(cap);
    s.end();
}
