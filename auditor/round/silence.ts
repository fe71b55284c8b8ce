/** Which nodes have not answered for so long in a round that the auditor waits for them no more. */
import type { Outcome } from "../../shared/audit/outcomes.ts";
import type { AuditParameters } from "../../shared/audit/parameters.ts";
import type { ObjectId } from "../../shared/protocol/ids.ts";
import type { RequestKind } from "../ledger/attempts.ts";

const UNANSWERED: ReadonlySet<Outcome> = new Set(["timeout", "unreachable"]);

/** Requests in a row that a node did not answer. */
interface Streak {
  count: number;
  readonly firstMs: number;
  lastMs: number;
  /** Whether one of them stands in a leaf. */
  hasChallenge: boolean;
}

export class Silence {
  readonly #parameters: Pick<AuditParameters, "silentAfterRequests" | "attemptSpreadMs">;
  /** Only `note` writes it. */
  readonly #streaks = new Map<ObjectId, Streak>();

  constructor(parameters: Pick<AuditParameters, "silentAfterRequests" | "attemptSpreadMs">) {
    this.#parameters = parameters;
  }

  /** A request of any kind, for any draw; in the order of asking. */
  note(node: ObjectId, startedMs: number, kind: RequestKind, outcome: Outcome): void {
    if (!UNANSWERED.has(outcome)) {
      this.#streaks.delete(node);
      return;
    }
    const known = this.#streaks.get(node);
    const streak = known ?? { count: 0, firstMs: startedMs, lastMs: startedMs, hasChallenge: false };
    this.#streaks.set(node, streak);
    streak.count++;
    streak.lastMs = startedMs;
    if (kind === "symbol" || kind === "sliver") streak.hasChallenge = true;
  }

  /** No other node's draw waits for it any more. */
  isSilent(node: ObjectId): boolean {
    const { silentAfterRequests, attemptSpreadMs } = this.#parameters;
    const streak = this.#streaks.get(node);
    return (
      streak !== undefined &&
      streak.count >= silentAfterRequests &&
      streak.lastMs - streak.firstMs >= attemptSpreadMs
    );
  }

  /**
   * Whether what is left of its own draws is held against the silent node unasked. Not before one of them has shown the
   * silence: while no node gives metadata it is more likely the auditor's own network, and those draws are excused.
   */
  isShownByDraw(node: ObjectId): boolean {
    return this.isSilent(node) && this.#streaks.get(node)?.hasChallenge === true;
  }
}
