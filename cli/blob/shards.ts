/** The option by which the blob commands learn the shape of the network. */
import { whole } from "../../host/options.ts";
import { MIN_SHARDS } from "../../shared/protocol/bft.ts";

/** Both public networks. */
const PUBLIC_SHARDS = 1000;
/** Indexes are u16 and the codec supports this many. */
const MAX_SHARDS_HERE = 4096;

export const SHARDS_OPTION = {
  shards: whole(
    "shards of the network; mainnet and testnet have 1000",
    { from: MIN_SHARDS, to: MAX_SHARDS_HERE },
    PUBLIC_SHARDS,
  ),
};
