// Interface stand-ins for the part of the Walrus contracts that the gate reads, so that it can be tested without them.
// Signatures are those of the contracts; every body is written for this repository.

module walrus::committee {
    use sui::vec_map::VecMap;

    public struct Committee(VecMap<ID, vector<u16>>) has copy, drop, store;

    public fun shards(self: &Committee, node_id: &ID): &vector<u16> { &self.0[node_id] }

    public fun inner(self: &Committee): &VecMap<ID, vector<u16>> { &self.0 }

    #[test_only]
    public fun for_testing(members: VecMap<ID, vector<u16>>): Committee { Committee(members) }
}

module walrus::staking {
    use walrus::committee::Committee;

    public struct Staking has key { id: UID, epoch: u32, committee: Committee }

    public fun epoch(self: &Staking): u32 { self.epoch }

    public fun committee(self: &Staking): &Committee { &self.committee }

    #[test_only]
    public fun for_testing(epoch: u32, committee: Committee, ctx: &mut TxContext): Staking {
        Staking { id: object::new(ctx), epoch, committee }
    }

    #[test_only]
    public fun destroy_for_testing(self: Staking) {
        let Staking { id, .. } = self;
        id.delete()
    }
}
