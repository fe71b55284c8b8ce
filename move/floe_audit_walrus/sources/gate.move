/// Ties a claim to the Walrus committee: only a claim against the node that owns the shard in the claim's epoch is
/// marked as bound. Has to happen while that epoch lasts, because the committee of past epochs is not kept.
module floe_audit_walrus::gate;

use floe_audit::audit::{Claim, Registry};
use walrus::staking::Staking;

/// The claim is of another epoch than the one Walrus is in.
const EEpoch: u64 = 1;
/// The accused node does not own the claim's shard.
const ENotOwner: u64 = 2;

/// Only this module can make one; a registry that names this type as its gate trusts this module.
public struct WalrusCommittee has drop {}

/// Marks `claim` as bound. Anybody may call it.
public fun bind(registry: &Registry, claim: &mut Claim, staking: &Staking) {
    assert!(staking.epoch() == claim.epoch(), EEpoch);
    let node = claim.node();
    let committee = staking.committee();
    assert!(committee.inner().contains(&node), ENotOwner);
    assert!(committee.shards(&node).contains(&claim.shard()), ENotOwner);
    registry.bind(claim, WalrusCommittee {})
}
