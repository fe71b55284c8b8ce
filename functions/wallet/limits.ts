/** When the wallet object looks after itself. Hitting a bound is a typed error, never a hang. */

export const SIGNER_LIMITS = {
  /** Pause of the wallet's alarm while something is unfinished. */
  walletAlarmMs: 5_000,
  /** How often the wallet looks for registrations that were never certified, and how old those must be. */
  walletSweepEveryMs: 3_600_000,
  walletSweepAfterMs: 86_400_000,
  /** How long an intent's outcome is remembered. */
  walletRememberMs: 90 * 86_400_000,
} as const;
