/** What one wallet transaction holds, and how long a wallet tries. Hitting a bound is a typed error, never a hang. */

const KIB = 1024;

export const WALLET_LIMITS = {
  /** Operations that one wallet transaction serves. */
  batchOperations: 100,
  /** Bytes of one wallet transaction (the protocol's limit is 128 KiB). */
  batchBytes: 100 * KIB,
  /** Operations that wait in one wallet. */
  walletWaiting: 2_000,
  /** One call of the wallet; after it the caller is told that the work goes on. */
  walletCallTimeoutMs: 90_000,
  /** Failed rounds in a row after which the wallet stops until it is woken. */
  walletFailedRounds: 12,
  /** Batches one operation is tried in before it is given up. */
  submitAttempts: 8,
  /** Attributes of one Blob object, and bytes of a key and of a value. */
  blobAttributes: 64,
  attributeKeyBytes: 256,
  attributeValueBytes: 4 * KIB,
  /** Characters of an intent ID or principal. */
  intentIdCharacters: 256,
  /** Coins of one type that one transaction uses (gas payment takes at most 256). */
  walletCoins: 250,
  /** Coins of one type that are looked at before the largest are chosen. */
  walletCoinsListed: 1_000,
} as const;
