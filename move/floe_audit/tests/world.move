/// One panel of three auditors over ten shards, and short names for what the tests do with it.
#[test_only]
module floe_audit::world;

use floe_audit::audit::{Self, AdminCap, Claim, Params, Registry};
use floe_audit::vectors;
use std::string::utf8;
use sui::clock::{Self, Clock};
use sui::coin::{Self, Coin};
use sui::sui::SUI;
use sui::test_scenario::{Self as scenario, Scenario};

public fun admin(): address { @0xAD }

public fun a(): address { @0xA1 }

public fun b(): address { @0xA2 }

public fun c(): address { @0xA3 }

public fun stranger(): address { @0xEE }

public fun node(): ID { object::id_from_address(@0xBEEF) }

public fun epoch(): u32 { 7 }

public fun no(): u64 { 100 }

public fun period(): u64 { 1_000 }

public fun window(): u64 { 2_500 }

public fun bond(): u64 { 1_000_000 }

public fun retention(): u64 { 20 }

/// When every test's round opens.
public fun opened_ms(): u64 { no() * period() + 10 }

public struct World { scenario: Scenario, clock: Clock, registry: ID }

public fun params(): Params { audit::new_params(2, 10, period(), window(), bond(), 3, 5, 3, retention()) }

public fun other_params(quorum: u8, period_ms: u64, retention_rounds: u64): Params {
    audit::new_params(quorum, 10, period_ms, window(), bond(), 3, 5, 3, retention_rounds)
}

/// A registry with auditors A, B and C, at the start of the round's slot.
public fun begin(): World {
    let mut s = scenario::begin(admin());
    audit::init_for_testing(s.ctx());
    s.next_tx(admin());
    let cap = s.take_from_sender<AdminCap>();
    audit::create(&cap, params(), s.ctx());
    s.next_tx(admin());
    let mut registry = s.take_shared<Registry>();
    let id = object::id(&registry);
    let auditors = vector[a(), b(), c()];
    let mut i = 0;
    while (i < 3) {
        registry.add_auditor(&cap, auditors[i], utf8(b"auditor"), utf8(b"https://audit.example"), 1);
        i = i + 1;
    };
    scenario::return_shared(registry);
    s.return_to_sender(cap);
    let mut clock = clock::create_for_testing(s.ctx());
    clock.set_for_testing(no() * period());
    World { scenario: s, clock, registry: id }
}

/// As `begin`, with the round open and all three auditors' populations and reports in place.
public fun begin_reported(): World {
    let mut w = begin();
    let auditors = vector[a(), b(), c()];
    let mut i = 0;
    while (i < 3) {
        w.declare(auditors[i]);
        i = i + 1;
    };
    w.at(opened_ms());
    w.open(no());
    i = 0;
    while (i < 3) {
        w.report(auditors[i], no());
        i = i + 1;
    };
    w
}

public fun end(self: World) {
    let World { scenario, clock, .. } = self;
    clock.destroy_for_testing();
    scenario.end();
}

/// From now on everything goes to a second registry of the same package, with the same panel, an open round of the
/// same number and seed, and the same populations and reports: only its ID differs. Its counters know no claim.
public fun switch_registry(self: &mut World) {
    self.scenario.next_tx(admin());
    let cap = self.scenario.take_from_sender<AdminCap>();
    audit::create(&cap, params(), self.scenario.ctx());
    self.scenario.return_to_sender(cap);
    self.registry = self.scenario.next_tx(admin()).shared()[0];
    let auditors = vector[a(), b(), c()];
    let mut i = 0;
    while (i < 3) {
        self.add_auditor(auditors[i], b"auditor", b"https://audit.example");
        self.declare(auditors[i]);
        i = i + 1;
    };
    self.after(1);
    self.open(no());
    i = 0;
    while (i < 3) {
        self.report(auditors[i], no());
        i = i + 1;
    }
}

public fun registry(self: &World): ID { self.registry }

/// From now on everything goes to this registry.
public fun use_registry(self: &mut World, registry: ID) { self.registry = registry }

/// Sets the time.
public fun at(self: &mut World, ms: u64) { self.clock.set_for_testing(ms) }

public fun after(self: &mut World, ms: u64) {
    let now = self.clock.timestamp_ms();
    self.clock.set_for_testing(now + ms)
}

public fun now(self: &World): u64 { self.clock.timestamp_ms() }

public fun scenario(self: &mut World): &mut Scenario { &mut self.scenario }

public fun take(self: &mut World, sender: address): Registry {
    self.scenario.next_tx(sender);
    self.scenario.take_shared_by_id(self.registry)
}

public fun put(_: &World, registry: Registry) { scenario::return_shared(registry) }

public fun declare(self: &mut World, who: address) { self.declare_root(who, epoch(), vectors::pop_root()) }

public fun declare_root(self: &mut World, who: address, epoch: u32, root: vector<u8>) {
    self.declare_with(who, epoch, vectors::pop_size(), vectors::pop_total(), root)
}

public fun declare_with(self: &mut World, who: address, epoch: u32, size: u64, total: u128, root: vector<u8>) {
    let mut registry = self.take(who);
    registry.declare_population(epoch, size, total, root, &self.clock, self.scenario.ctx());
    scenario::return_shared(registry)
}

public fun add_auditor(self: &mut World, who: address, name: vector<u8>, url: vector<u8>) {
    let mut registry = self.take(admin());
    let cap = self.scenario.take_from_sender<AdminCap>();
    registry.add_auditor(&cap, who, utf8(name), utf8(url), 1);
    self.scenario.return_to_sender(cap);
    scenario::return_shared(registry)
}

public fun open(self: &mut World, no: u64) { self.open_with(no, vectors::round_seed()) }

public fun open_with(self: &mut World, no: u64, seed: vector<u8>) {
    let mut registry = self.take(stranger());
    registry.open_round_for_testing(no, seed, &self.clock, self.scenario.ctx());
    scenario::return_shared(registry)
}

public fun report(self: &mut World, who: address, no: u64) { self.report_epoch(who, no, epoch()) }

public fun report_epoch(self: &mut World, who: address, no: u64, epoch: u32) {
    let root = vectors::round_seed();
    self.report_with(who, no, epoch, vector[9, 3, 1, 1, 1, 2, 1, 5], root, root, vector[])
}

public fun report_with(
    self: &mut World,
    who: address,
    no: u64,
    epoch: u32,
    totals: vector<u32>,
    evidence_root: vector<u8>,
    nodes_root: vector<u8>,
    rows: vector<u8>,
) {
    let mut registry = self.take(who);
    registry.report(no, epoch, totals, evidence_root, nodes_root, rows, self.scenario.ctx());
    scenario::return_shared(registry)
}

public fun pay(self: &mut World, value: u64): Coin<SUI> { coin::mint_for_testing(value, self.scenario.ctx()) }

/// Files claim number `i` of the vectors.
public fun file(self: &mut World, who: address, i: u64) { self.file_claim(who, &vectors::claim_case(i)) }

public fun file_claim(self: &mut World, who: address, claim: &vectors::Claim) {
    let (mode, shard, t, index, entry, path) = claim.claim_parts();
    self.file_with(who, mode, shard, t, index, entry, path, bond())
}

public fun file_with(
    self: &mut World,
    who: address,
    mode: u8,
    shard: u16,
    t: u32,
    index: u64,
    entry: vector<u8>,
    path: vector<vector<u8>>,
    bond: u64,
) {
    let mut registry = self.take(who);
    let coin = self.pay(bond);
    registry.file_claim(
        no(),
        mode,
        shard,
        t,
        node(),
        index,
        entry,
        path,
        option::none(),
        coin,
        &self.clock,
        self.scenario.ctx(),
    );
    scenario::return_shared(registry)
}

public fun attest(self: &mut World, who: address) {
    let registry = self.take(who);
    let mut claim = self.scenario.take_shared<Claim>();
    registry.attest(&mut claim, &self.clock, self.scenario.ctx());
    scenario::return_shared(claim);
    scenario::return_shared(registry)
}

/// Refutes the claim with the true answer to claim number `i`. Returns what the caller gains.
public fun refute(self: &mut World, who: address, i: u64): u64 {
    let symbol = vectors::claim_case(i).claim_proof().symbol();
    self.refute_with(who, i, symbol)
}

public fun refute_with(self: &mut World, who: address, i: u64, symbol: vector<u8>): u64 {
    let mut registry = self.take(who);
    let claim = self.scenario.take_shared<Claim>();
    let proof = vectors::claim_case(i).claim_proof();
    let coin = registry.refute(
        claim,
        symbol,
        proof.sliver_path(),
        proof.other_root(),
        proof.pair_path(),
        &self.clock,
        self.scenario.ctx(),
    );
    scenario::return_shared(registry);
    coin.burn_for_testing()
}

public fun withdraw(self: &mut World, who: address): u64 {
    let mut registry = self.take(who);
    let claim = self.scenario.take_shared<Claim>();
    let coin = registry.withdraw(claim, self.scenario.ctx());
    scenario::return_shared(registry);
    coin.burn_for_testing()
}

public fun finalize(self: &mut World, who: address) {
    let mut registry = self.take(who);
    let mut claim = self.scenario.take_shared<Claim>();
    registry.finalize(&mut claim, &self.clock, self.scenario.ctx());
    scenario::return_shared(claim);
    scenario::return_shared(registry)
}

/// What a coin sent to `who` since the last look is worth.
public fun received(self: &mut World, who: address): u64 {
    self.scenario.next_tx(who);
    self.scenario.take_from_sender<Coin<SUI>>().burn_for_testing()
}

public fun set_paused(self: &mut World, paused: bool) {
    let mut registry = self.take(admin());
    let cap = self.scenario.take_from_sender<AdminCap>();
    registry.set_paused(&cap, paused);
    self.scenario.return_to_sender(cap);
    scenario::return_shared(registry)
}

public fun set_params(self: &mut World, params: Params) {
    let mut registry = self.take(admin());
    let cap = self.scenario.take_from_sender<AdminCap>();
    registry.set_params(&cap, params);
    self.scenario.return_to_sender(cap);
    scenario::return_shared(registry)
}

public fun deactivate(self: &mut World, who: address) {
    let mut registry = self.take(admin());
    let cap = self.scenario.take_from_sender<AdminCap>();
    registry.deactivate_auditor(&cap, who);
    self.scenario.return_to_sender(cap);
    scenario::return_shared(registry)
}

public fun set_gate<Witness: drop>(self: &mut World) {
    let mut registry = self.take(admin());
    let cap = self.scenario.take_from_sender<AdminCap>();
    registry.set_gate<Witness>(&cap);
    self.scenario.return_to_sender(cap);
    scenario::return_shared(registry)
}

public fun prune_round(self: &mut World, no: u64) {
    let mut registry = self.take(stranger());
    registry.prune_round(no, &self.clock);
    scenario::return_shared(registry)
}

public fun prune_population(self: &mut World, epoch: u32) {
    let mut registry = self.take(stranger());
    registry.prune_population(epoch, &self.clock);
    scenario::return_shared(registry)
}

public fun purge(self: &mut World) {
    let registry = self.take(stranger());
    let claim = self.scenario.take_shared<Claim>();
    registry.purge_claim(claim, &self.clock);
    scenario::return_shared(registry)
}

public fun open_claims(self: &mut World): u64 {
    let registry = self.take(stranger());
    let open = registry.open_claims(node());
    scenario::return_shared(registry);
    open
}

public fun claim_state(self: &mut World): u8 {
    self.scenario.next_tx(stranger());
    let claim = self.scenario.take_shared<Claim>();
    let state = claim.state();
    scenario::return_shared(claim);
    state
}

public fun has_claim(self: &mut World): bool {
    self.scenario.next_tx(stranger());
    scenario::has_most_recent_shared<Claim>()
}
