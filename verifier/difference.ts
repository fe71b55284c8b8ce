/** What a verifier says of a round that it recomputes. */

/**
 * `differs`: the export contradicts the chain or itself. `unknown`: what it is compared with is not to be had from here,
 * so nothing contradicts it, and nothing shows it either. `note`: may differ by right, and stands in no root.
 */
export type Weight = "differs" | "unknown" | "note";

export interface Difference {
  /** What differs: a stable word. */
  readonly what: string;
  readonly detail: string;
  readonly weight: Weight;
}

/** Names a difference. @param weight `differs` when absent */
export type Differs = (what: string, detail: string, weight?: Weight) => void;

/** What calls it a difference when something computed is not what the export claims. */
export const expecting =
  (differs: Differs) =>
  (what: string, computed: string, claimed: string): void => {
    if (computed !== claimed) differs(what, `computed ${computed}, the export says ${claimed}`);
  };
