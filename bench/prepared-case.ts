/** One case of the codec benchmark, ready to be timed. */
export interface PreparedCase {
  readonly ours: () => void;
  /** Absent where the official encoder offers nothing alike. */
  readonly anchor: (() => void) | undefined;
  /** Things done by one call of `ours`: slivers verified, else 1. */
  readonly perCall: number;
}
