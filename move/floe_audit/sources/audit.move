/// Rounds of storage challenges, what auditors reported of them, and accusations that anybody can answer.
///
/// A round's seed is drawn on chain; together with a population (a Merkle root over the blobs of an epoch) it fixes
/// every challenge. Auditors publish totals and the root of their evidence. A failure that holds may be claimed:
/// the claim names a symbol by the draw, and whoever shows that symbol with its proof before the deadline ends the
/// claim and takes the bond. A claim that stands until the deadline with a quorum of auditors behind it is
/// confirmed: evidence, not a verdict. Nothing here can slash, and no accuser gains anything.
///
/// Claim states: 0 pending, 2 confirmed, 3 lapsed. A refuted or withdrawn claim is deleted; its event remains.
///
/// One package may serve several registries. They share its events, so what a registry does names it; and a claim
/// names its own, because no other panel attests, binds, ends or purges it. Rounds, reports and populations lie in
/// tables of their registry and need no name.
///
/// Row of a report, 52 bytes: node 32, then u16 LE passed, missing, invalid, timeouts, refused, excused, vacuous,
/// then i32 LE log-likelihood ratio in millionths, state u8, availability in percent u8 (255 = unknown).
module floe_audit::audit;

use floe_audit::proof;
use floe_audit::select::{Self, PopEntry};
use std::string::String;
use std::type_name::{Self, TypeName};
use sui::balance::Balance;
use sui::clock::Clock;
use sui::coin::{Self, Coin};
use sui::event;
use sui::random::Random;
use sui::sui::SUI;
use sui::table::{Self, Table};
use sui::vec_map::{Self, VecMap};
use sui::vec_set::{Self, VecSet};

/// The sender is not an active auditor, or not the claim's accuser.
const ENotAuditor: u64 = 10;
/// The round already has its seed.
const ERoundExists: u64 = 11;
/// The round's slot has not begun, or what is to be deleted is still needed.
const ETooEarly: u64 = 12;
/// No round of this number is open.
const ENoRound: u64 = 13;
/// The bond is not exactly the round's bond.
const EBond: u64 = 14;
/// The deadline has passed, or has not.
const EWindow: u64 = 15;
/// The draw is outside the round, or the entry is not the one drawn.
const ESelection: u64 = 16;
/// The proof is well-formed and proves something else.
const EProof: u64 = 17;
/// The claim is not in the state that this needs.
const EState: u64 = 18;
/// Already done by this sender.
const EDuplicate: u64 = 19;
/// The population is missing, unusable, another one, or was declared too late for the round.
const EPopulation: u64 = 20;
/// The drawn sliver is padding: nobody needs to store anything to answer.
const EVacuous: u64 = 21;
/// The blob ends before two epochs after the report's.
const EExpiring: u64 = 22;
/// A cap on claims is reached.
const ETooMany: u64 = 23;
/// New rounds and claims are paused.
const EPaused: u64 = 24;
/// The registry belongs to another version of this package.
const EVersion: u64 = 25;
/// The round's slot is over, or the round too old for a new claim.
const ETooLate: u64 = 26;
/// The sender has not reported this round.
const ENoReport: u64 = 27;
/// An argument is malformed or out of its bounds.
const EArgument: u64 = 28;
/// The witness is not of the gate that the registry names.
const EGate: u64 = 29;
/// The claim was filed with another registry.
const ERegistry: u64 = 30;

const VERSION: u64 = 1;

const PENDING: u8 = 0;
const CONFIRMED: u8 = 2;
const LAPSED: u8 = 3;

const RS2: u8 = 1;
/// Auditors are never removed from the registry, so that a round can always be taken apart.
const MAX_AUDITORS: u64 = 64;
const MAX_NAME_BYTES: u64 = 64;
const MAX_URL_BYTES: u64 = 256;
const ROW_BYTES: u64 = 52;
const MAX_ROWS: u64 = 128;
const TOTALS: u64 = 8;
const DIGEST_BYTES: u64 = 32;
/// A node's confirmation message (40 bytes) and its signature (96 bytes).
const CONFIRMATION_BYTES: u64 = 136;
const MIN_SHARDS: u16 = 4;
const MAX_U64: u128 = 0xFFFF_FFFF_FFFF_FFFF;

/// Sets parameters and the panel of auditors; sees no bond and no seed.
public struct AdminCap has key, store { id: UID }

/// One panel of auditors and all it has published. Shared.
public struct Registry has key {
    id: UID,
    version: u64,
    paused: bool,
    auditors: VecMap<address, AuditorInfo>,
    params: Params,
    /// Type of the witness that may mark claims as bound to a committee.
    gate: Option<TypeName>,
    /// By epoch, then by auditor.
    populations: Table<u32, Table<address, Population>>,
    rounds: Table<u64, Round>,
    /// Pending claims by accused node; no entry means none.
    open_claims: Table<ID, u64>,
}

public struct AuditorInfo has drop, store {
    name: String,
    url: String,
    since_epoch: u32,
    claims_filed: u32,
    claims_refuted: u32,
    active: bool,
}

public struct Params has copy, drop, store {
    /// Auditors that must stand behind a claim, the accuser included.
    quorum: u8,
    n_shards: u16,
    /// Round `no` can be opened from `no * period_ms` (inclusive) to `(no + 1) * period_ms` (exclusive).
    period_ms: u64,
    window_ms: u64,
    /// MIST.
    bond: u64,
    max_open_per_node: u8,
    max_per_auditor_epoch: u16,
    draws_per_shard: u32,
    retention_rounds: u64,
}

public struct Population has copy, drop, store {
    /// Entries.
    size: u64,
    /// Encoded bytes of all entries; fits in a u64 because draws hash it as one.
    total: u128,
    root: vector<u8>,
    declared_ms: u64,
    /// Claims this auditor has filed with it.
    claims: u16,
    /// Latest round this auditor has reported with it.
    last_round: u64,
}

public struct Round has store {
    seed: vector<u8>,
    opened_ms: u64,
    params: Params,
    reports: Table<address, Report>,
}

public struct Report has drop, store {
    epoch: u32,
    /// challenged, passed, missing, invalid, timeouts, refused, excused, vacuous
    totals: vector<u32>,
    evidence_root: vector<u8>,
    nodes_root: vector<u8>,
    /// Draws this auditor has claimed: mode << 48 | shard << 32 | t.
    claimed: VecSet<u64>,
}

/// An accusation. Shared; holds all that its own end needs, so that no pruning can keep a bond.
public struct Claim has key {
    id: UID,
    /// The one it was filed with; no other decides over it.
    registry: ID,
    round: u64,
    mode: u8,
    shard: u16,
    t: u32,
    entry: PopEntry,
    pair: u16,
    axis: u8,
    symbol: u16,
    node: ID,
    epoch: u32,
    accuser: address,
    filed_ms: u64,
    deadline_ms: u64,
    bond: Balance<SUI>,
    /// The accuser is the first.
    attestors: VecSet<address>,
    pop_size: u64,
    pop_root: vector<u8>,
    /// The node's own signed confirmation of the blob; readers check it, this module does not.
    confirmation: Option<vector<u8>>,
    n_shards: u16,
    quorum: u8,
    /// True once the gate has seen `node` own `shard` in `epoch`.
    bound: bool,
    state: u8,
}

/// A symbol above the 16 KiB of one transaction argument, put together inside one transaction.
public struct SymbolBuf has drop { bytes: vector<u8> }

public struct RegistryCreated has copy, drop { registry: ID, params: Params }

public struct ParamsChanged has copy, drop {
    registry: ID,
    params: Params,
    paused: bool,
    version: u64,
    gate: Option<TypeName>,
}

public struct AuditorChanged has copy, drop {
    registry: ID,
    auditor: address,
    name: String,
    url: String,
    active: bool,
}

public struct RoundOpened has copy, drop { registry: ID, no: u64, seed: vector<u8>, opened_ms: u64 }

public struct PopulationDeclared has copy, drop {
    registry: ID,
    epoch: u32,
    auditor: address,
    size: u64,
    total: u128,
    root: vector<u8>,
}

public struct RoundReported has copy, drop {
    registry: ID,
    no: u64,
    auditor: address,
    epoch: u32,
    totals: vector<u32>,
    evidence_root: vector<u8>,
    nodes_root: vector<u8>,
    rows: vector<u8>,
}

public struct ClaimFiled has copy, drop {
    claim: ID,
    registry: ID,
    no: u64,
    mode: u8,
    shard: u16,
    t: u32,
    node: ID,
    blob_id: vector<u8>,
    pair: u16,
    axis: u8,
    symbol: u16,
    deadline_ms: u64,
    accuser: address,
}

public struct ClaimAttested has copy, drop { claim: ID, auditor: address, count: u64 }

public struct ClaimBound has copy, drop { claim: ID, node: ID, shard: u16, epoch: u32 }

public struct ClaimRefuted has copy, drop { claim: ID, node: ID, by: address, latency_ms: u64 }

/// Repeats what the claim says, because the claim itself may be purged.
public struct ClaimConfirmed has copy, drop {
    claim: ID,
    registry: ID,
    node: ID,
    epoch: u32,
    no: u64,
    mode: u8,
    shard: u16,
    t: u32,
    blob_id: vector<u8>,
    pair: u16,
    axis: u8,
    symbol: u16,
    bound: bool,
    attestors: vector<address>,
    confirmation: Option<vector<u8>>,
}

public struct ClaimLapsed has copy, drop { claim: ID }

public struct ClaimWithdrawn has copy, drop { claim: ID }

public struct Escalated has copy, drop { claim: ID, node: ID, voter_node: ID, by: address }

fun init(ctx: &mut TxContext) {
    transfer::transfer(AdminCap { id: object::new(ctx) }, ctx.sender())
}

// === Administration ===

/// Parameters of a panel. Aborts unless a claim's window ends well before its round may be pruned.
public fun new_params(
    quorum: u8,
    n_shards: u16,
    period_ms: u64,
    window_ms: u64,
    bond: u64,
    max_open_per_node: u8,
    max_per_auditor_epoch: u16,
    draws_per_shard: u32,
    retention_rounds: u64,
): Params {
    assert!(quorum > 0 && n_shards >= MIN_SHARDS && period_ms > 0 && window_ms > 0, EArgument);
    assert!(retention_rounds > window_ms / period_ms + 1, EArgument);
    Params {
        quorum,
        n_shards,
        period_ms,
        window_ms,
        bond,
        max_open_per_node,
        max_per_auditor_epoch,
        draws_per_shard,
        retention_rounds,
    }
}

/// Creates and shares an empty registry.
public fun create(_: &AdminCap, params: Params, ctx: &mut TxContext) {
    let registry = Registry {
        id: object::new(ctx),
        version: VERSION,
        paused: false,
        auditors: vec_map::empty(),
        params,
        gate: option::none(),
        populations: table::new(ctx),
        rounds: table::new(ctx),
        open_claims: table::new(ctx),
    };
    event::emit(RegistryCreated { registry: object::id(&registry), params });
    transfer::share_object(registry)
}

/// Applies to rounds opened later: a round keeps the parameters it was opened with. The period never changes,
/// because round numbers are counted in it.
public fun set_params(self: &mut Registry, _: &AdminCap, params: Params) {
    assert!(params.period_ms == self.params.period_ms, EArgument);
    self.params = params;
    self.emit_params()
}

public fun set_paused(self: &mut Registry, _: &AdminCap, paused: bool) {
    self.paused = paused;
    self.emit_params()
}

/// Names the type whose values alone may bind claims; only the module that defines it can make one.
public fun set_gate<Witness: drop>(self: &mut Registry, _: &AdminCap) {
    self.gate = option::some(type_name::with_defining_ids<Witness>());
    self.emit_params()
}

/// Hands the registry to the version of the package that this is; earlier versions can then no longer open rounds,
/// report or file, but still refute, withdraw and finalize.
public fun migrate(self: &mut Registry, _: &AdminCap) {
    assert!(self.version < VERSION, EVersion);
    self.version = VERSION;
    self.emit_params()
}

fun emit_params(self: &Registry) {
    event::emit(ParamsChanged {
        registry: object::id(self),
        params: self.params,
        paused: self.paused,
        version: self.version,
        gate: self.gate,
    })
}

/// Adds an auditor, or takes a deactivated one back with its record kept.
public fun add_auditor(
    self: &mut Registry,
    _: &AdminCap,
    auditor: address,
    name: String,
    url: String,
    since_epoch: u32,
) {
    assert!(name.length() <= MAX_NAME_BYTES && url.length() <= MAX_URL_BYTES, EArgument);
    if (self.auditors.contains(&auditor)) {
        let info = &mut self.auditors[&auditor];
        assert!(!info.active, EDuplicate);
        info.name = name;
        info.url = url;
        info.active = true;
    } else {
        assert!(self.auditors.length() < MAX_AUDITORS, ETooMany);
        self.auditors.insert(auditor, AuditorInfo {
            name,
            url,
            since_epoch,
            claims_filed: 0,
            claims_refuted: 0,
            active: true,
        });
    };
    event::emit(AuditorChanged { registry: object::id(self), auditor, name, url, active: true })
}

/// From now on this address can publish nothing, and its attestations no longer count.
public fun deactivate_auditor(self: &mut Registry, _: &AdminCap, auditor: address) {
    assert!(self.is_active(auditor), ENotAuditor);
    let registry = object::id(self);
    let info = &mut self.auditors[&auditor];
    info.active = false;
    event::emit(AuditorChanged { registry, auditor, name: info.name, url: info.url, active: false })
}

// === Rounds ===

/// Draws the seed of round `no`. Anybody may, once, in the round's slot. Being private and `entry`, it can be
/// called by no other function, so nobody can abort on a seed they dislike; its cost does not depend on the seed.
entry fun open_round(self: &mut Registry, no: u64, random: &Random, clock: &Clock, ctx: &mut TxContext) {
    let seed = random.new_generator(ctx).generate_bytes(DIGEST_BYTES as u16);
    self.insert_round(no, seed, clock, ctx)
}

fun insert_round(self: &mut Registry, no: u64, seed: vector<u8>, clock: &Clock, ctx: &mut TxContext) {
    assert!(self.version == VERSION, EVersion);
    assert!(!self.paused, EPaused);
    assert!(!self.rounds.contains(no), ERoundExists);
    let opened_ms = clock.timestamp_ms();
    let slot = opened_ms / self.params.period_ms;
    assert!(slot >= no, ETooEarly);
    assert!(slot == no, ETooLate);
    self.rounds.add(no, Round { seed, opened_ms, params: self.params, reports: table::new(ctx) });
    event::emit(RoundOpened { registry: object::id(self), no, seed, opened_ms })
}

/// States the population of an epoch, once per auditor. Serves rounds opened later only.
public fun declare_population(
    self: &mut Registry,
    epoch: u32,
    size: u64,
    total: u128,
    root: vector<u8>,
    clock: &Clock,
    ctx: &mut TxContext,
) {
    let auditor = ctx.sender();
    self.assert_auditor(auditor);
    assert!(size > 0 && total > 0 && total <= MAX_U64 && root.length() == DIGEST_BYTES, EPopulation);
    if (!self.populations.contains(epoch)) self.populations.add(epoch, table::new(ctx));
    let declared = &mut self.populations[epoch];
    assert!(!declared.contains(auditor), EDuplicate);
    let declared_ms = clock.timestamp_ms();
    declared.add(auditor, Population { size, total, root, declared_ms, claims: 0, last_round: 0 });
    event::emit(PopulationDeclared { registry: object::id(self), epoch, auditor, size, total, root })
}

/// Publishes what an auditor found in a round, once. `rows` (one per node, see the module's header) are emitted and
/// not stored; `nodes_root` is the root of the tree over them.
public fun report(
    self: &mut Registry,
    no: u64,
    epoch: u32,
    totals: vector<u32>,
    evidence_root: vector<u8>,
    nodes_root: vector<u8>,
    rows: vector<u8>,
    ctx: &mut TxContext,
) {
    let auditor = ctx.sender();
    self.assert_auditor(auditor);
    assert!(self.rounds.contains(no), ENoRound);
    assert!(evidence_root.length() == DIGEST_BYTES && nodes_root.length() == DIGEST_BYTES, EArgument);
    assert!(rows.length() % ROW_BYTES == 0 && rows.length() <= MAX_ROWS * ROW_BYTES, EArgument);
    assert!(totals.length() == TOTALS, EArgument);
    // challenged = all outcomes together; vacuous draws were not challenged.
    let mut outcomes = 0;
    let mut i = 1;
    while (i < TOTALS - 1) {
        outcomes = outcomes + (totals[i] as u64);
        i = i + 1;
    };
    assert!(totals[0] as u64 == outcomes, EArgument);
    let reports = &mut self.rounds[no].reports;
    assert!(!reports.contains(auditor), EDuplicate);
    reports.add(auditor, Report { epoch, totals, evidence_root, nodes_root, claimed: vec_set::empty() });
    if (self.populations.contains(epoch) && self.populations[epoch].contains(auditor)) {
        let population = &mut self.populations[epoch][auditor];
        if (population.last_round < no) population.last_round = no;
    };
    event::emit(RoundReported {
        registry: object::id(self),
        no,
        auditor,
        epoch,
        totals,
        evidence_root,
        nodes_root,
        rows,
    })
}

// === Claims ===

/// Accuses `node` of not answering draw (mode, shard, t) of a round the sender has reported.
///
/// * `index`, `entry` (61 bytes), `pop_path`: the drawn leaf of the sender's population and its path
/// * `confirmation`: the node's signed confirmation of this blob (message 40, signature 96), when it gave one
/// * `bond`: exactly the round's bond
public fun file_claim(
    self: &mut Registry,
    no: u64,
    mode: u8,
    shard: u16,
    t: u32,
    node: ID,
    index: u64,
    entry: vector<u8>,
    pop_path: vector<vector<u8>>,
    confirmation: Option<vector<u8>>,
    bond: Coin<SUI>,
    clock: &Clock,
    ctx: &mut TxContext,
) {
    let accuser = ctx.sender();
    assert!(!self.paused, EPaused);
    self.assert_auditor(accuser);
    assert!(confirmation.is_none() || confirmation.borrow().length() == CONFIRMATION_BYTES, EArgument);
    let (seed, params, epoch) = self.take_draw(no, mode, shard, t, accuser);
    let population = self.count_claim(no, epoch, accuser, &params);
    self.count_open(node, &params);
    assert!(bond.value() == params.bond, EBond);
    let filed_ms = clock.timestamp_ms();
    let deadline_ms = filed_ms + params.window_ms;
    // Until the deadline the round stays, so that others can attest.
    assert!(deadline_ms / params.period_ms < no + params.retention_rounds, ETooLate);

    let leaf = proof::leaf_hash(&entry);
    assert!(proof::root(leaf, index, population.size, &pop_path) == population.root, EPopulation);
    let entry = select::parse_entry(&entry);
    let n_shards = params.n_shards;
    let size = if (mode == 0) population.size else population.total as u64;
    let draw = select::draw(&seed, mode, shard, t, size, n_shards);
    draw.assert_selected(mode, index, &entry, population.size, population.total, n_shards);
    assert!(entry.encoding() == RS2, ESelection);
    assert!(entry.end_epoch() as u64 >= (epoch as u64) + 2, EExpiring);
    let pair = proof::pair_of_shard(shard, entry.blob_id(), n_shards);
    assert!(!proof::is_vacuous(n_shards, pair, draw.axis(), entry.unencoded_length()), EVacuous);

    let claim = Claim {
        id: object::new(ctx),
        registry: object::id(self),
        round: no,
        mode,
        shard,
        t,
        entry,
        pair,
        axis: draw.axis(),
        symbol: draw.symbol(),
        node,
        epoch,
        accuser,
        filed_ms,
        deadline_ms,
        bond: bond.into_balance(),
        attestors: vec_set::singleton(accuser),
        pop_size: population.size,
        pop_root: population.root,
        confirmation,
        n_shards,
        quorum: params.quorum,
        bound: false,
        state: PENDING,
    };
    claim.emit_filed();
    transfer::share_object(claim)
}

/// Marks a draw as claimed by this auditor; a withdrawn claim does not free it.
fun take_draw(
    self: &mut Registry,
    no: u64,
    mode: u8,
    shard: u16,
    t: u32,
    accuser: address,
): (vector<u8>, Params, u32) {
    assert!(self.rounds.contains(no), ENoRound);
    let round = &mut self.rounds[no];
    assert!(round.reports.contains(accuser), ENoReport);
    let params = round.params;
    assert!(mode < 2 && shard < params.n_shards && t < params.draws_per_shard, ESelection);
    let report = &mut round.reports[accuser];
    let key = ((mode as u64) << 48) | ((shard as u64) << 32) | (t as u64);
    assert!(!report.claimed.contains(&key), EDuplicate);
    report.claimed.insert(key);
    (round.seed, params, report.epoch)
}

/// Counts a claim against the auditor's cap for the epoch.
fun count_claim(self: &mut Registry, no: u64, epoch: u32, accuser: address, params: &Params): Population {
    self.assert_population(no, epoch, accuser);
    let population = &mut self.populations[epoch][accuser];
    assert!(population.claims < params.max_per_auditor_epoch, ETooMany);
    population.claims = population.claims + 1;
    let declared = *population;
    let info = &mut self.auditors[&accuser];
    info.claims_filed = info.claims_filed + 1;
    declared
}

fun count_open(self: &mut Registry, node: ID, params: &Params) {
    let open = if (self.open_claims.contains(node)) self.open_claims.remove(node) else 0;
    assert!(open < params.max_open_per_node as u64, ETooMany);
    self.open_claims.add(node, open + 1)
}

fun count_closed(self: &mut Registry, node: ID) {
    let open = self.open_claims.remove(node);
    if (open > 1) self.open_claims.add(node, open - 1)
}

fun emit_filed(self: &Claim) {
    event::emit(ClaimFiled {
        claim: object::id(self),
        registry: self.registry,
        no: self.round,
        mode: self.mode,
        shard: self.shard,
        t: self.t,
        node: self.node,
        blob_id: *self.entry.blob_id(),
        pair: self.pair,
        axis: self.axis,
        symbol: self.symbol,
        deadline_ms: self.deadline_ms,
        accuser: self.accuser,
    })
}

/// Another auditor saw the same failure: it reported the round, with the same population, in the same epoch.
public fun attest(self: &Registry, claim: &mut Claim, clock: &Clock, ctx: &mut TxContext) {
    self.assert_own(claim);
    let auditor = ctx.sender();
    self.assert_auditor(auditor);
    assert!(claim.state == PENDING, EState);
    assert!(clock.timestamp_ms() <= claim.deadline_ms, EWindow);
    assert!(!claim.attestors.contains(&auditor), EDuplicate);
    // A round outlives the deadlines of its claims.
    let reports = &self.rounds[claim.round].reports;
    assert!(reports.contains(auditor), ENoReport);
    assert!(reports[auditor].epoch == claim.epoch, ENoReport);
    self.assert_population(claim.round, claim.epoch, auditor);
    let population = &self.populations[claim.epoch][auditor];
    assert!(population.root == claim.pop_root && population.size == claim.pop_size, EPopulation);
    claim.attestors.insert(auditor);
    event::emit(ClaimAttested { claim: object::id(claim), auditor, count: claim.attestors.length() })
}

/// Records that the gate saw the accused node own the shard in the claim's epoch.
public fun bind<Witness: drop>(self: &Registry, claim: &mut Claim, _: Witness) {
    self.assert_own(claim);
    assert!(self.gate == option::some(type_name::with_defining_ids<Witness>()), EGate);
    claim.bound = true;
    event::emit(ClaimBound {
        claim: object::id(claim),
        node: claim.node,
        shard: claim.shard,
        epoch: claim.epoch,
    })
}

/// Begins a symbol of more than one transaction argument.
public fun symbol_buf(chunk: vector<u8>): SymbolBuf { SymbolBuf { bytes: chunk } }

public fun push(self: &mut SymbolBuf, chunk: vector<u8>) { self.bytes.append(chunk) }

public fun into_symbol(self: SymbolBuf): vector<u8> {
    let SymbolBuf { bytes } = self;
    bytes
}

/// Ends a claim by showing the symbol it says is missing. Anybody may; the whole bond goes to the caller.
/// `symbol` carries the leaf prefix 0x00 in front; for the paths see `proof::verify_symbol`.
public fun refute(
    self: &mut Registry,
    claim: Claim,
    symbol: vector<u8>,
    sliver_path: vector<vector<u8>>,
    other_root: vector<u8>,
    pair_path: vector<vector<u8>>,
    clock: &Clock,
    ctx: &mut TxContext,
): Coin<SUI> {
    self.assert_own(&claim);
    assert!(claim.state == PENDING, EState);
    let now_ms = clock.timestamp_ms();
    assert!(now_ms <= claim.deadline_ms, EWindow);
    assert!(
        proof::verify_symbol(
            claim.entry.blob_id(),
            claim.n_shards,
            claim.entry.encoding(),
            claim.entry.unencoded_length(),
            claim.pair,
            claim.axis,
            claim.symbol,
            &symbol,
            &sliver_path,
            &other_root,
            &pair_path,
        ),
        EProof,
    );
    let info = &mut self.auditors[&claim.accuser];
    info.claims_refuted = info.claims_refuted + 1;
    event::emit(ClaimRefuted {
        claim: object::id(&claim),
        node: claim.node,
        by: ctx.sender(),
        latency_ms: now_ms - claim.filed_ms,
    });
    self.count_closed(claim.node);
    coin::from_balance(claim.delete(), ctx)
}

/// The accuser takes a claim back before anybody else stands behind it, for example when the blob was declared
/// invalid after the claim was filed.
public fun withdraw(self: &mut Registry, claim: Claim, ctx: &mut TxContext): Coin<SUI> {
    self.assert_own(&claim);
    assert!(ctx.sender() == claim.accuser, ENotAuditor);
    assert!(claim.state == PENDING && claim.attestors.length() == 1, EState);
    event::emit(ClaimWithdrawn { claim: object::id(&claim) });
    self.count_closed(claim.node);
    coin::from_balance(claim.delete(), ctx)
}

/// After the deadline: confirmed when enough auditors that are still active stand behind the claim. The bond goes
/// back to the accuser either way.
public fun finalize(self: &mut Registry, claim: &mut Claim, clock: &Clock, ctx: &mut TxContext) {
    self.assert_own(claim);
    assert!(claim.state == PENDING, EState);
    assert!(clock.timestamp_ms() > claim.deadline_ms, EWindow);
    let mut standing = vector[];
    let mut i = 0;
    while (i < claim.attestors.length()) {
        let attestor = claim.attestors.keys()[i];
        if (self.is_active(attestor)) standing.push_back(attestor);
        i = i + 1;
    };
    if (standing.length() >= claim.quorum as u64) {
        claim.state = CONFIRMED;
        claim.emit_confirmed(standing);
    } else {
        claim.state = LAPSED;
        event::emit(ClaimLapsed { claim: object::id(claim) });
    };
    self.count_closed(claim.node);
    let bond = claim.bond.withdraw_all();
    transfer::public_transfer(coin::from_balance(bond, ctx), claim.accuser)
}

fun emit_confirmed(self: &Claim, attestors: vector<address>) {
    event::emit(ClaimConfirmed {
        claim: object::id(self),
        registry: self.registry,
        node: self.node,
        epoch: self.epoch,
        no: self.round,
        mode: self.mode,
        shard: self.shard,
        t: self.t,
        blob_id: *self.entry.blob_id(),
        pair: self.pair,
        axis: self.axis,
        symbol: self.symbol,
        bound: self.bound,
        attestors,
        confirmation: self.confirmation,
    })
}

/// Links a vote of a committee operator to its evidence: stands in the same transaction as the vote.
public fun record_escalation(claim: &Claim, voter_node: ID, ctx: &mut TxContext) {
    assert!(claim.state == CONFIRMED, EState);
    event::emit(Escalated { claim: object::id(claim), node: claim.node, voter_node, by: ctx.sender() })
}

// === Pruning: the storage rebate goes to whoever does it ===

/// Deletes a claim that has ended, once its round's retention is over.
public fun purge_claim(self: &Registry, claim: Claim, clock: &Clock) {
    self.assert_own(&claim);
    assert!(claim.state != PENDING, EState);
    assert!(self.is_past(claim.round, &self.params, clock), ETooEarly);
    claim.delete().destroy_zero()
}

/// Deletes a round and its reports.
public fun prune_round(self: &mut Registry, no: u64, clock: &Clock) {
    assert!(self.rounds.contains(no), ENoRound);
    let params = self.rounds[no].params;
    assert!(self.is_past(no, &params, clock), ETooEarly);
    let Round { mut reports, .. } = self.rounds.remove(no);
    let auditors = self.auditors.keys();
    let mut i = 0;
    while (i < auditors.length()) {
        if (reports.contains(auditors[i])) {
            reports.remove(auditors[i]);
        };
        i = i + 1;
    };
    reports.destroy_empty()
}

/// Deletes all auditors' populations of an epoch once no round kept can refer to them.
public fun prune_population(self: &mut Registry, epoch: u32, clock: &Clock) {
    assert!(self.populations.contains(epoch), EPopulation);
    let mut declared = self.populations.remove(epoch);
    let auditors = self.auditors.keys();
    let mut i = 0;
    while (i < auditors.length()) {
        if (declared.contains(auditors[i])) {
            let population = declared.remove(auditors[i]);
            let declared_in = population.declared_ms / self.params.period_ms;
            let last = if (population.last_round > declared_in) population.last_round else declared_in;
            assert!(self.is_past(last, &self.params, clock), ETooEarly);
        };
        i = i + 1;
    };
    declared.destroy_empty()
}

fun is_past(self: &Registry, no: u64, params: &Params, clock: &Clock): bool {
    let slot = clock.timestamp_ms() / self.params.period_ms;
    slot > no && slot - no > params.retention_rounds
}

fun delete(self: Claim): Balance<SUI> {
    let Claim { id, bond, .. } = self;
    id.delete();
    bond
}

// === Checks shared by the above ===

fun assert_auditor(self: &Registry, auditor: address) {
    assert!(self.version == VERSION, EVersion);
    assert!(self.is_active(auditor), ENotAuditor);
}

/// Panels, counters and retention of another registry say nothing about a claim.
fun assert_own(self: &Registry, claim: &Claim) { assert!(claim.registry == object::id(self), ERegistry) }

fun assert_population(self: &Registry, no: u64, epoch: u32, auditor: address) {
    assert!(self.populations.contains(epoch) && self.populations[epoch].contains(auditor), EPopulation);
    assert!(self.populations[epoch][auditor].declared_ms < self.rounds[no].opened_ms, EPopulation);
}

// === Reading ===

public fun is_active(self: &Registry, auditor: address): bool {
    self.auditors.contains(&auditor) && self.auditors[&auditor].active
}

public fun params(self: &Registry): Params { self.params }

public fun is_paused(self: &Registry): bool { self.paused }

public fun has_round(self: &Registry, no: u64): bool { self.rounds.contains(no) }

public fun seed(self: &Registry, no: u64): vector<u8> {
    assert!(self.rounds.contains(no), ENoRound);
    self.rounds[no].seed
}

public fun has_population(self: &Registry, epoch: u32, auditor: address): bool {
    self.populations.contains(epoch) && self.populations[epoch].contains(auditor)
}

/// Claims filed and claims refuted of an auditor.
public fun record(self: &Registry, auditor: address): (u32, u32) {
    let info = &self.auditors[&auditor];
    (info.claims_filed, info.claims_refuted)
}

public fun open_claims(self: &Registry, node: ID): u64 {
    if (self.open_claims.contains(node)) self.open_claims[node] else 0
}

public fun registry(self: &Claim): ID { self.registry }

public fun state(self: &Claim): u8 { self.state }

public fun round(self: &Claim): u64 { self.round }

public fun node(self: &Claim): ID { self.node }

public fun shard(self: &Claim): u16 { self.shard }

public fun epoch(self: &Claim): u32 { self.epoch }

public fun pair(self: &Claim): u16 { self.pair }

public fun axis(self: &Claim): u8 { self.axis }

public fun symbol(self: &Claim): u16 { self.symbol }

public fun is_bound(self: &Claim): bool { self.bound }

public fun bond_value(self: &Claim): u64 { self.bond.value() }

public fun attestor_count(self: &Claim): u64 { self.attestors.length() }

#[test_only]
public fun init_for_testing(ctx: &mut TxContext) { init(ctx) }

#[test_only]
/// A round with a seed of the test's choice, through every check that `open_round` makes.
public fun open_round_for_testing(
    self: &mut Registry,
    no: u64,
    seed: vector<u8>,
    clock: &Clock,
    ctx: &mut TxContext,
) {
    self.insert_round(no, seed, clock, ctx)
}

#[test_only]
/// `open_round` itself, which nothing outside a transaction can call.
public fun open_random_round_for_testing(
    self: &mut Registry,
    no: u64,
    random: &Random,
    clock: &Clock,
    ctx: &mut TxContext,
) {
    self.open_round(no, random, clock, ctx)
}

#[test_only]
/// Bytes of a round without its reports; empty when there is none.
public fun round_bytes_for_testing(self: &Registry, no: u64): vector<u8> {
    if (!self.rounds.contains(no)) return vector[];
    let round = &self.rounds[no];
    let mut bytes = std::bcs::to_bytes(&round.seed);
    bytes.append(std::bcs::to_bytes(&round.opened_ms));
    bytes.append(std::bcs::to_bytes(&round.params));
    bytes
}

#[test_only]
/// Bytes of an auditor's report; empty when there is none.
public fun report_bytes_for_testing(self: &Registry, no: u64, auditor: address): vector<u8> {
    if (!self.rounds.contains(no)) return vector[];
    let reports = &self.rounds[no].reports;
    if (reports.contains(auditor)) std::bcs::to_bytes(&reports[auditor]) else vector[]
}

#[test_only]
/// Bytes of an auditor's population; empty when there is none.
public fun population_bytes_for_testing(self: &Registry, epoch: u32, auditor: address): vector<u8> {
    if (!self.has_population(epoch, auditor)) return vector[];
    std::bcs::to_bytes(&self.populations[epoch][auditor])
}

#[test_only]
public fun set_version_for_testing(self: &mut Registry, version: u64) { self.version = version }

#[test_only]
/// A pending claim without a bond and without a round, for packages that only read claims.
public fun claim_for_testing(registry: ID, node: ID, shard: u16, epoch: u32, ctx: &mut TxContext): Claim {
    let mut entry = vector[];
    while (entry.length() < 61) entry.push_back(0);
    Claim {
        id: object::new(ctx),
        registry,
        round: 0,
        mode: 0,
        shard,
        t: 0,
        entry: select::parse_entry(&entry),
        pair: 0,
        axis: 0,
        symbol: 0,
        node,
        epoch,
        accuser: ctx.sender(),
        filed_ms: 0,
        deadline_ms: 0,
        bond: sui::balance::zero(),
        attestors: vec_set::singleton(ctx.sender()),
        pop_size: 0,
        pop_root: vector[],
        confirmation: option::none(),
        n_shards: 10,
        quorum: 2,
        bound: false,
        state: PENDING,
    }
}

#[test_only]
public fun destroy_for_testing(claim: Claim) { claim.delete().destroy_zero() }
