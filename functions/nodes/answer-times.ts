/**
 * How long storage nodes took to answer lately, as far as this isolate has seen: the measure of what is late, whom to ask
 * first, and whether more connections are worth it. Memory only.
 */
import type { ObjectId } from "../../shared/protocol/ids.ts";
import { ANSWER_LIMITS } from "./limits.ts";

export class AnswerTimes {
  /** Of all nodes together. */
  readonly #all = new Recent(ANSWER_LIMITS.timesKept);
  /** Of requests of every kind, uploads included. */
  readonly #carried = new Recent(ANSWER_LIMITS.timesKept);
  readonly #byNode = new Map<ObjectId, Recent>();
  #hedges: number = ANSWER_LIMITS.hedgesKept;

  /** Takes one of the hedges, if any is left; answers in time earn new ones. */
  takeHedge(): boolean {
    if (this.#hedges < 1) return false;
    this.#hedges--;
    return true;
  }

  /** A node answered a question of a read. */
  add(nodeId: ObjectId, ms: number): void {
    this.#hedges = Math.min(ANSWER_LIMITS.hedgesKept, this.#hedges + ANSWER_LIMITS.hedgesPerAnswer);
    this.#all.add(ms);
    const own = this.#byNode.get(nodeId) ?? new Recent(ANSWER_LIMITS.timesKeptPerNode);
    // Last in the map is the one heard of last, so that the first can be forgotten.
    this.#byNode.delete(nodeId);
    this.#byNode.set(nodeId, own);
    own.add(ms);
    const oldest = this.#byNode.keys().next();
    if (this.#byNode.size > ANSWER_LIMITS.nodesKept && !oldest.done) this.#byNode.delete(oldest.value);
  }

  /** Any request was answered, by whatever node. */
  carried(ms: number): void {
    this.#carried.add(ms);
  }

  /**
   * What an answer takes when nothing is in its way: the lower quartile, since this isolate's own work makes answers
   * late that are not. Undefined before the first one.
   */
  get typicalMs(): number | undefined {
    return this.#carried.quantile(0.25);
  }

  /** The node's usual answer time; undefined when it has not answered this isolate. */
  usualMs(nodeId: ObjectId): number | undefined {
    return this.#byNode.get(nodeId)?.quantile(0.5);
  }

  /**
   * After how much silence another node is asked.
   *
   * A node that usually takes longer than others gets longer, from its own answers; one that was not heard of yet gets a
   * multiple of the median of all, which slow nodes of less than half the weight cannot push up.
   */
  hedgeMs(nodeId: ObjectId): number {
    const { hedgeLeastMs, hedgeMostMs, hedgeFactor, ownHedgeFactor } = ANSWER_LIMITS;
    const all = this.#all.quantile(0.5);
    if (all === undefined) return hedgeLeastMs;
    const own = this.#byNode.get(nodeId)?.quantile(0.9);
    const late = Math.max(hedgeFactor * all, ownHedgeFactor * (own ?? 0));
    return Math.min(hedgeMostMs, Math.max(hedgeLeastMs, late));
  }
}

/** The last values, and their quantiles. */
class Recent {
  readonly #kept: number;
  readonly #values: number[] = [];
  #sorted: number[] | undefined;

  constructor(kept: number) {
    this.#kept = kept;
  }

  add(value: number): void {
    this.#values.push(value);
    if (this.#values.length > this.#kept) this.#values.shift();
    this.#sorted = undefined;
  }

  quantile(share: number): number | undefined {
    this.#sorted ??= this.#values.toSorted((a, b) => a - b);
    return this.#sorted[Math.min(this.#sorted.length - 1, Math.floor(this.#sorted.length * share))];
  }
}
