/** What a Sui full node may send, and how long it may take. Hitting a bound is a typed error, never a hang. */

const MIB = 1024 * 1024;

export const SUI_LIMITS = {
  /** One attempt of a Sui RPC call. */
  suiRequestTimeoutMs: 10_000,
  /** Objects per BatchGetObjects call (the full node's limit). */
  suiBatchObjects: 50,
  /** One answer of a Sui full node; the largest we ask for are 50 staking pools of some 1.5 KB. */
  suiReplyBytes: 8 * MIB,
} as const;
