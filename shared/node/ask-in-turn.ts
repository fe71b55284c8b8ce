/** Asking several nodes for one thing, in an order that the caller chooses. */

export interface AskInTurn<Candidate> {
  /** In the order to ask them. */
  readonly candidates: readonly Candidate[];
  /** How many are asked at once. */
  readonly width: number;
  /** Looked at before each candidate is asked; those under way are waited for. */
  isEnough(): boolean;
  /** Keeps what came. Rejects only for failures of our own: a candidate that gave nothing has been asked. */
  ask(candidate: Candidate): Promise<void>;
}

/**
 * Asks one after the other, `width` of them at a time, until it is enough or all have been asked.
 *
 * Cost: at most `width - 1` requests more than were needed.
 */
export async function askInTurn<Candidate>(options: AskInTurn<Candidate>): Promise<void> {
  const waiting = options.candidates.values();
  const work = async (): Promise<void> => {
    while (!options.isEnough()) {
      const next = waiting.next();
      if (next.done) return;
      await options.ask(next.value);
    }
  };
  await Promise.all(Array.from({ length: options.width }, work));
}
