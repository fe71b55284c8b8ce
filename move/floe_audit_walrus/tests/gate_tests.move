/// If these fail, a claim against a node that never owned the shard looks like evidence against it.
#[test_only]
module floe_audit_walrus::gate_tests;

use floe_audit::audit::{Self, AdminCap, Registry};
use floe_audit_walrus::gate::{Self, WalrusCommittee};
use sui::test_scenario as scenario;
use sui::vec_map;
use walrus::committee;
use walrus::staking;

const EPOCH: u32 = 7;
const SHARD: u16 = 3;

fun accused(): ID { object::id_from_address(@0xBEEF) }

fun other_node(): ID { object::id_from_address(@0xCAFE) }

/// Binds a claim on (accused, SHARD, EPOCH) with Walrus in `epoch` and these shards given out.
fun bind(epoch: u32, shards: vector<u16>, others: vector<u16>, gated: bool): bool {
    bind_at(epoch, shards, others, gated, option::none())
}

/// As `bind`, with a claim of another registry when one is named.
fun bind_at(epoch: u32, shards: vector<u16>, others: vector<u16>, gated: bool, foreign: Option<ID>): bool {
    let mut s = scenario::begin(@0xAD);
    audit::init_for_testing(s.ctx());
    s.next_tx(@0xAD);
    let cap = s.take_from_sender<AdminCap>();
    let params = audit::new_params(2, 10, 1_000, 2_500, 1, 3, 5, 3, 20);
    audit::create(&cap, params, s.ctx());
    s.next_tx(@0xAD);
    let mut registry = s.take_shared<Registry>();
    if (gated) registry.set_gate<WalrusCommittee>(&cap);

    let mut members = vec_map::empty();
    if (shards.length() > 0) members.insert(accused(), shards);
    members.insert(other_node(), others);
    let walrus = staking::for_testing(epoch, committee::for_testing(members), s.ctx());
    let of = if (foreign.is_some()) *foreign.borrow() else object::id(&registry);
    let mut claim = audit::claim_for_testing(of, accused(), SHARD, EPOCH, s.ctx());
    gate::bind(&registry, &mut claim, &walrus);
    let bound = claim.is_bound();

    claim.destroy_for_testing();
    walrus.destroy_for_testing();
    scenario::return_shared(registry);
    s.return_to_sender(cap);
    s.end();
    bound
}

#[test]
fun binds_the_owner_of_the_shard_in_the_claims_epoch() {
    assert!(bind(EPOCH, vector[9, SHARD], vector[8], true))
}

#[test, expected_failure(abort_code = gate::ENotOwner)]
fun does_not_bind_a_member_that_owns_other_shards() {
    bind(EPOCH, vector[9], vector[SHARD], true);
}

#[test, expected_failure(abort_code = gate::ENotOwner)]
fun does_not_bind_a_node_outside_the_committee() {
    bind(EPOCH, vector[], vector[SHARD], true);
}

#[test, expected_failure(abort_code = gate::EEpoch)]
fun does_not_bind_in_the_next_epoch() {
    bind(EPOCH + 1, vector[SHARD], vector[9], true);
}

#[test, expected_failure(abort_code = audit::EGate)]
fun does_not_bind_where_the_registry_names_no_gate() {
    bind(EPOCH, vector[SHARD], vector[9], false);
}

#[test, expected_failure(abort_code = audit::ERegistry)]
fun does_not_bind_a_claim_of_another_registry() {
    bind_at(EPOCH, vector[9, SHARD], vector[8], true, option::some(object::id_from_address(@0xF0)));
}
