/** Where a person can look at a transaction. */

/** Chain IDs of the public networks: digests of their first checkpoints. */
const EXPLORERS: Readonly<Record<string, string>> = {
  "4btiuiMPvEENsttpZC7CZ53DruC3MAgfznDbASZ7DR6S": "https://suiscan.xyz/mainnet/tx/",
  "69WiPg3DAQiwdxfncX6wYQ2siKwAe6L9BZthQea3JNMD": "https://suiscan.xyz/testnet/tx/",
};

/** Chains without an explorer: the digest at the endpoint that has it. */
export const transactionLink = (chainId: string, suiUrl: string, digest: string): string =>
  EXPLORERS[chainId] === undefined ? `${digest} at ${suiUrl}` : `${EXPLORERS[chainId]}${digest}`;
