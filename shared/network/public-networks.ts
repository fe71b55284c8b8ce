/** The public Walrus networks: what has to be known beforehand. All else is read from the chain. */
import { type ObjectId, parseObjectId } from "../protocol/ids.ts";

export interface PublicNetwork {
  /** A full node; it forgets old checkpoints. */
  readonly suiRpcUrl: string;
  readonly systemObjectId: ObjectId;
  readonly stakingObjectId: ObjectId;
  readonly slashingManagerId: ObjectId;
}

export const PUBLIC_NETWORKS: Readonly<Record<"mainnet" | "testnet", PublicNetwork>> = {
  mainnet: {
    suiRpcUrl: "https://fullnode.mainnet.sui.io:443",
    systemObjectId: parseObjectId("0x2134d52768ea07e8c43570ef975eb3e4c27a39fa6396bef985b5abc58d03ddd2"),
    stakingObjectId: parseObjectId("0x10b9d30c28448939ce6c4d6c6e0ffce4a7f8a4ada8248bdad09ef8b70e4a3904"),
    slashingManagerId: parseObjectId("0xfe343f7b72f67a1eca9bfc9dff0dac0520e11dca3bda5a0ea32816af6f722109"),
  },
  testnet: {
    suiRpcUrl: "https://fullnode.testnet.sui.io:443",
    systemObjectId: parseObjectId("0x6c2547cbbc38025cf3adac45f63cb0a8d12ecf777cdc75a4971612bf97fdf6af"),
    stakingObjectId: parseObjectId("0xbe46180321c30aab2f8b3501e24048377287fa708018a5b7c2792b35fe339ee3"),
    slashingManagerId: parseObjectId("0xba59eb74de5c7707f830415ff9f64261d107d790bb65ab5835918eeac62daaee"),
  },
};

/** @returns undefined for any other name */
export const publicNetwork = (name: string): PublicNetwork | undefined =>
  name === "mainnet" || name === "testnet" ? PUBLIC_NETWORKS[name] : undefined;
